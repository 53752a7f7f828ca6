//! Handlers in `cargo test`: natively against a [`FakeHost`], and as built in the real [`Sandbox`]. Not in modules.
//!
//! ```
//! use stoker_sdk::testing::FakeHost;
//! use stoker_sdk::{Context, Failure, Level, handler};
//!
//! #[handler(kind = "greet")]
//! fn greet(context: &Context, name: String) -> Result<String, Failure> {
//!     stoker_sdk::info!("attempt {}", context.attempt());
//!     Ok(format!("Hello, {name}!"))
//! }
//!
//! let host = FakeHost::new().attempt(2, 3);
//! assert_eq!(host.run::<greet>("Ada".to_owned())?, "Hello, Ada!");
//! assert_eq!(host.run_json::<greet>(r#""Ada""#)?, r#""Hello, Ada!""#);
//! assert_eq!(host.logs()[0].message, "attempt 2");
//! // Handlers stay plain functions.
//! assert_eq!(greet(&host.context(), "Bo".to_owned())?, "Hello, Bo!");
//! # Ok::<(), Failure>(())
//! ```

pub(crate) mod bounds;
mod build;
mod crashes;
mod executions;
mod fake_host;
pub(crate) mod grants;
mod process;
mod recorder;
mod run;
mod sandbox;
pub(crate) mod texts;

pub use crate::effects::fake::Emitted;
pub use crate::effects::notify::fake::Notified;
pub use crate::steps::ledger::Step;
pub use crashes::crash_everywhere;
pub use fake_host::{Answer, FakeHost};
pub use recorder::{LogLine, Progress};
pub use run::{Refused, Run, RunError};
pub use sandbox::{Sandbox, sandbox, sandbox_of};

pub(crate) use recorder::{Record, Recorder, answer, current};
