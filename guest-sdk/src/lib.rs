//! Write Stoker job handlers in Rust.
//!
//! A handler is a function from a typed payload to a typed output. Its types say what the host accepts: their JSON
//! Schemas (doc comments included) are registered when the module is uploaded, and payloads and outputs are checked
//! against them.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use stoker_sdk::{Context, Failure, JsonSchema, handler};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Invoice {
//!     /// What was bought, in cents.
//!     items: Vec<u64>,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Total {
//!     cents: u64,
//! }
//!
//! /// Adds up an invoice.
//! #[handler(kind = "invoice.total", timeout = "5s", max_attempts = 3)]
//! fn total(context: &Context, invoice: Invoice) -> Result<Total, Failure> {
//!     stoker_sdk::info!("adding {} items for {}", invoice.items.len(), context.job_id());
//!     let cents = invoice.items.iter().try_fold(0u64, |sum, item| sum.checked_add(*item));
//!     Ok(Total { cents: cents.ok_or_else(|| Failure::fatal("the total does not fit into 64 bits"))? })
//! }
//!
//! stoker_sdk::module!(total);
//!
//! // Handlers are plain functions: a test calls them.
//! let total = total(&Context::for_test(), Invoice { items: vec![100, 250] })?;
//! assert_eq!(total.cents, 350);
//! # Ok::<(), Failure>(())
//! ```
//!
//! Build with `cargo build --release --target wasm32-wasip2` from a crate of type `cdylib`, upload the `.wasm` file
//! with `curl -T total.wasm localhost:7700/v1/modules/total`.
//!
//! What a handler can count on:
//! - Every attempt gets a fresh instance: nothing in memory survives, and blocking is fine.
//! - It may run more than once for a job (at least once): use [`Context::job_id`] as an idempotency key.
//! - `Err` ends the attempt as [`Failure`] says; `?` on any error means "try again later", [`Fallible`] says otherwise.
//! - A panic is a `trap`, tried again by default; its message and location are the job's `error.message`.
//! - stdout and stderr go to the attempt's log, so `println!` works; the macros [`info!`] … carry a level. So do those
//!   of the `log` and `tracing` crates, with the features `log` and `tracing`: nothing has to be set up, and
//!   `set_log_level` says what is kept (`Info` and above).
//! - What an operator has granted to the kind is there: [`secrets`], and buckets of the key-value store ([`kv`]).
//! - [`Context::database`] opens SQL databases that are granted, with typed rows, transactions, and steps that happen once.
//! - [`enqueue`] has jobs, batches, workflows and schedules as types, checked against the kinds of handlers.
//! - [`http`] and [`config`] use what an operator grants to the kind; without that there is nothing to use.
//! - [`testing`] runs handlers in `cargo test`, natively and in the real sandbox.

#[cfg(all(target_family = "wasm", not(any(target_env = "p2", target_env = "p3"))))]
compile_error!("handlers are WebAssembly components: build with `--target wasm32-wasip2`");

/// For the macros of this crate only; no part of its interface.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
pub mod config;
mod context;
pub mod database;
mod effects;
pub mod enqueue;
mod facades;
mod failure;
mod fallible;
#[cfg(target_family = "wasm")]
mod granted;
mod handler;
mod host;
pub mod http;
mod json;
mod kind;
pub mod kv;
mod logging;
pub mod mail;
mod module;
mod payload;
mod schema;
mod schema_of;
pub mod secrets;
mod steps;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod text;

pub use context::Context;
pub use effects::{EffectError, NotificationLevel};
#[cfg(any(feature = "log", feature = "tracing"))]
pub use facades::set_log_level;
pub use failure::Failure;
pub use fallible::Fallible;
pub use handler::Handler;
pub use kind::Kind;
pub use logging::{Level, log};
pub use schema::{JsonSchema, SchemaText};

/// Makes a function the handler of a kind.
///
/// The function has the shape `fn(&Context, Input) -> Result<Output, E>`, where `Input` is `Deserialize +` [`JsonSchema`](trait@JsonSchema),
/// `Output` is `Serialize + JsonSchema`, and `E` is [`Failure`] or anything that converts into it. It stays a plain
/// function. List it in [`module!`].
///
/// | argument | meaning, and what holds without it |
/// |---|---|
/// | `kind = "email.send"` | the type of job it runs; required |
/// | `description = "…"` | for people; the doc comment's first paragraph |
/// | `queue = "mail"` | lane of jobs that name none; `default` |
/// | `priority = 3` | 0–9, lower first; 5 |
/// | `max_attempts = 5` | attempts in all, up to 1,000; 10 |
/// | `retry = exponential(base = "5s", cap = "1h", jitter = 0.2)` | delays between attempts; this |
/// | `retry = fixed("10s")`, `retry = list("1s", "1m", "1h")` | the same delay each time; one by one, the last repeats |
/// | `retry_on = ["handler_error", "trap"]` | reasons tried again; `handler_error`, `trap`, `timeout` |
/// | `on_failed = "alert"`, `on_failed = job(kind = "alert", queue = "alerts", priority = 0)` | a job of this kind is enqueued, with what is known of the failure, for each that has failed; none |
/// | `retention(succeeded = "24h", cancelled = "24h", failed = "30d")` | how long finished jobs are kept, or `"forever"`; this |
/// | `timeout = "30s"` | wall time of an attempt; 30 s |
/// | `fuel = 1_000_000_000` | about one a wasm instruction; 10,000,000,000 |
/// | `memory = "64MiB"` | all linear memory and tables, or a number of bytes; 128 MiB |
/// | `output = "2MiB"` | largest output, or a number of bytes; 1 MiB |
/// | `logs = "1MiB"` | what is kept of the log of an attempt, or a number of bytes; 256 KiB |
/// | `host_calls = 50_000` | log lines, progress reports and other calls of an attempt; 10,000 |
/// | `concurrency = 5` | so many jobs of the kind at once, over all hosts; any number |
/// | `rate = "100/m"` | so many jobs of the kind may begin in a time; any number |
/// | `key_concurrency = 1` | so many jobs with the same `concurrency_key` at once; any number |
/// | `key_rate = "5/s"` | so many jobs with the same `concurrency_key` may begin in a time; any number |
/// | `key_order = "fifo"` | jobs with the same `concurrency_key` run one after the other as they were enqueued |
/// | `grants(http = ["api.example.com"], secrets = ["stripe-key"], config(greeting = "Hello"), kv = ["sessions"])` | what it asks the operator for: hosts, secrets, values with a suggestion, buckets. It gets what the operator grants, and nothing by asking; none |
/// | `grants(enqueue = ["email.*"], events = ["order.*"], notify = true, mail = ["noreply@example.com"], databases = ["app"])` | the same: kinds it may enqueue, events it may emit, whether it may notify users, senders of mail, databases |
/// | `schedules = [schedule(name = "nightly", cron = "0 3 * * *", timezone = "Europe/Berlin", payload = "{}")]` | what the host enqueues again and again, from the activation of this version on: `cron` or `every`, and `jitter`, `misfire`, `overlap`, `queue`, `priority`, `max_attempts`; none |
///
/// These are defaults the operator can override; the host's ceilings hold in any case.
///
/// ```
/// # use stoker_sdk::{Context, Failure, handler};
/// /// Doubles a number.
/// #[handler(kind = "double", priority = 2, retry = list("1s", "1m"), retry_on = ["timeout"], memory = "16MiB")]
/// fn double(_context: &Context, number: i32) -> Result<i64, Failure> {
///     Ok(i64::from(number) * 2)
/// }
/// # assert_eq!(double(&Context::for_test(), 21)?, 42);
/// # Ok::<(), Failure>(())
/// ```
///
/// A mistake does not compile:
///
/// ```compile_fail
/// # use stoker_sdk::{Context, Failure, handler};
/// #[handler(kind = "double", timeout = "soon")]
/// fn double(_context: &Context, number: i32) -> Result<i64, Failure> {
///     Ok(i64::from(number) * 2)
/// }
/// ```
pub use stoker_sdk_macros::handler;

pub use stoker_sdk_macros::JsonSchema;

/// For the macros of this crate only; no part of its interface.
#[doc(hidden)]
pub mod macro_support {
    pub use crate::module::{Description, Entry, Listed, assert_kinds_distinct, describe, run};
    pub use crate::schema_of::{NoSchema, SchemaOf, SchemarsSchema, SdkSchema};
}

/// The programs of `docs/handlers.md`, tested with this crate, which has all they need.
#[cfg(doctest)]
#[doc = include_str!("../../docs/handlers.md")]
mod handlers_page {}

/// The same of `docs/workflows.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/workflows.md")]
mod workflows_page {}

/// The same of `docs/mail.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/mail.md")]
mod mail_page {}

/// The same of `docs/schedules.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/schedules.md")]
mod schedules_page {}

/// The same of `docs/durable-handlers.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/durable-handlers.md")]
mod durable_handlers_page {}

/// The same of `docs/databases.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/databases.md")]
mod databases_page {}

/// The same of `docs/notifications.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/notifications.md")]
mod notifications_page {}
