//! What can be enqueued, as types: jobs with all their options, batches, workflows, schedules.
//!
//! Data, and nothing else: these types know no host and send nothing. [`NewJob::to_json`] is the body of `POST /v1/jobs`,
//! [`Batch::to_json`] that of `POST /v1/batches`, and so on; all of them are `Serialize`, too, so that a `Vec<NewJob>` is the
//! body of `POST /v1/jobs/batch`. Times are [`Duration`](std::time::Duration) and [`SystemTime`](std::time::SystemTime), in whole
//! milliseconds.
//!
//! ```
//! use std::time::Duration;
//! use stoker_sdk::enqueue::NewJob;
//! use stoker_sdk::{Context, Failure, handler};
//!
//! /// Doubles a number.
//! #[handler(kind = "double")]
//! fn double(_context: &Context, number: u32) -> Result<u64, Failure> {
//!     Ok(u64::from(number) * 2)
//! }
//!
//! // Of a handler's kind: the compiler knows what its payload is.
//! let job = NewJob::of(double::KIND, &21)?.priority(2).delay(Duration::from_millis(1_500)).tags(["maths"]);
//! assert_eq!(job.to_json(), r#"{"kind":"double","payload":21,"priority":2,"delay":"1500ms","tags":["maths"]}"#);
//! # Ok::<(), stoker_sdk::enqueue::Refused>(())
//! ```

// A request is put together of its parts, whatever becomes of them inside.
#![allow(clippy::needless_pass_by_value)]

mod after;
mod batch;
mod graph;
mod instant;
mod job;
mod object;
mod refused;
mod retry;
mod schedule;
mod unique;
mod words;
mod workflow;

pub use after::After;
pub use batch::Batch;
pub use job::{NewJob, Takes};
pub use refused::{Fault, Refused};
pub use retry::{Exponential, OnFailed, Retry};
pub use schedule::Schedule;
pub use unique::Unique;
pub use words::{Close, Misfire, OnConflict, Overlap, Reason, State, Wanted};
pub use workflow::Workflow;
