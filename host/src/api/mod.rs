//! The HTTP API. `router.rs` shows every route on one page; one file per action.
//!
//! Guarantees: every answer that is not a success is a problem document with a stable code; no internal text reaches
//! a client; every body, page and wait is bounded. Decides nothing about jobs: it parses, asks the store, and shows.

mod audit;
mod auth;
mod backup;
mod batches;
mod cors;
mod dashboard;
mod databases;
mod dead_letters;
mod docs;
mod effects;
mod error;
mod extract;
mod front;
mod health;
mod held_answer;
mod http_metrics;
mod hub;
mod identity;
mod jobs;
mod keys;
mod kinds;
mod kv;
mod mail;
mod metrics;
mod modules;
mod notifications;
pub mod offline;
mod openapi;
mod operations;
mod queues;
mod room;
mod router;
mod schedules;
mod secrets;
mod serve;
mod shared;
mod slow_turns;
mod state;
mod tenants;
mod turns;
mod usage;
pub mod wire;
mod workflows;

pub use effects::HandlersRequests;
pub use error::{ApiError, FieldError, ProblemCode};
pub use identity::Identity;
pub use router::router;
pub use serve::{OTHER_FILES_MAX, Tls, serve};
pub use state::ApiState;
