//! Mistakes do not compile, and the compiler says what to change. `TRYBUILD=overwrite` writes the messages anew.

#[test]
fn mistakes_say_what_to_change() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
