//! Only tests: what the compiler says to the mistakes of handler authors.
//!
//! A package of its own, since each mistake is compiled with what this one depends on, and since what the tests of a macro
//! crate need would be built once for programs and once for macros.
