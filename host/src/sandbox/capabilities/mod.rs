//! What a guest may call, one file per WIT interface. Each call counts against the limit of host calls.

pub(super) mod attempt;
pub(super) mod config;
pub(super) mod database;
pub(super) mod events;
pub(super) mod http;
pub(super) mod http_errors;
pub(super) mod jobs;
pub(super) mod keyvalue;
pub(super) mod logging;
pub(super) mod mail;
pub(super) mod notifications;
pub(super) mod parents;
pub(super) mod progress;
pub(super) mod secrets;
pub(super) mod sockets;
pub(super) mod steps;
