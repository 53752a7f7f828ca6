//! The HTTP API. `router.rs` shows every route on one page; one file per action.
//!
//! Guarantees: every answer that is not a success is a problem document with a stable code; no internal text reaches
//! a client; every body, page and wait is bounded. Decides nothing about jobs: it parses, asks the store, and shows.

mod auth;
mod backup;
mod batches;
mod dead_letters;
mod docs;
mod error;
mod extract;
mod front;
mod health;
mod http_metrics;
mod identity;
mod jobs;
mod kinds;
mod metrics;
mod modules;
pub mod offline;
mod openapi;
mod operations;
mod queues;
mod room;
mod router;
mod schedules;
mod serve;
mod shared;
mod state;
mod turns;
pub mod wire;
mod workflows;

pub use error::{ApiError, FieldError, ProblemCode};
pub use router::router;
pub use serve::{OTHER_FILES_MAX, serve};
pub use state::ApiState;
