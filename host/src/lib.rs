//! Stoker: a serverless-style WebAssembly job runner. `ARCHITECTURE.md` tells how the parts fit.

pub mod allocator;
pub mod api;
pub mod app;
mod artifact_folder;
pub mod attempt;
pub mod cli;
pub mod config;
pub mod dispatcher;
mod each_tenant;
pub mod events;
pub mod job;
pub mod mail;
pub mod maintenance;
pub mod modules;
mod niceness;
pub mod postgres;
mod private_folder;
mod regular_file;
pub mod sandbox;
pub mod schema;
pub mod secrets;
pub mod shutdown;
pub mod store;
pub mod system_clock;
pub mod telemetry;
pub mod trial;
