//! Runs guests. With `modules/`, the only code that names wasmtime.
//!
//! A fresh store and instance for every attempt; whatever a guest does is an `Outcome`, a value. Errors are the
//! host's own faults.

#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod artifact_use;
mod artifacts;
mod attempt;
mod attempt_log;
mod backtrace;
mod bindings;
mod capabilities;
mod classify;
mod compile;
mod compile_child;
mod component_cache;
mod denied;
mod describe;
mod egress;
mod engine;
mod epoch;
mod facade;
mod floor;
mod guest;
mod instances;
mod interrupt;
mod invocation;
mod limiter;
mod linker;
mod model;
mod output;
mod redaction;
mod state;
mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod threads;

pub use artifact_use::{ArtifactUse, LOCK_FILE as ARTIFACT_LOCK_FILE, SHARED_BYTES_MAX as SHARED_ARTIFACTS_BYTES_MAX};
pub use artifacts::KEY_FILE as ARTIFACT_KEY_FILE;
pub use compile_child::{SUBCOMMAND as COMPILE_CHILD_SUBCOMMAND, main_of_child};
pub use egress::WayToServers;
pub use facade::Sandbox;
pub use floor::sandbox_floor;
pub use guest::{Guest, LinkError};
pub use interrupt::{Interrupt, ProgressCell};
pub use model::{
    ArtifactSource, CompileError, CompilerProcess, DESCRIBES_MAX, Databases, DescribeError, EventReceived, Execution,
    InstanceBounds, Invocation, KeyValue, OfDatabase, OpenDatabase, ParentFacts, Parents, PlainSettings, Remains,
    SandboxError, SandboxOptions, Secrets, StepRecorded, Steps, Told,
};
