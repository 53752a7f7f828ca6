//! Runs guests. With `modules/`, the only code that names wasmtime.
//!
//! A fresh store and instance for every attempt; whatever a guest does is an `Outcome`, a value. Errors are the
//! host's own faults.

mod facade;

pub use facade::{
    ArtifactSource, CompileError, DescribeError, Execution, Guest, Interrupt, Invocation, PlainSettings, ProgressCell,
    Sandbox, SandboxError, SandboxOptions,
};
