//! The domain: what a job is and which decisions are taken about it.
//!
//! Pure: no IO, no async, no clock reads, no randomness that is not passed in. Everything here can be tested
//! with a table.

pub mod ceilings;
pub mod clock;
pub mod context;
pub mod duration;
pub mod event;
pub mod field;
pub mod id;
pub mod json_text;
pub mod kind;
pub mod lease;
pub mod limits;
pub mod name;
pub mod outcome;
mod quantity;
pub mod receipt;
pub mod retry;
mod retry_wire;
mod settings_wire;
mod size;
pub mod spec;
pub mod state;
mod text;
pub mod waiting;

pub use clock::{Clock, Timestamp};
pub use context::AttemptContext;
pub use duration::{DurationError, Span};
pub use event::{Event, EventType};
pub use field::FieldError;
pub use id::{HostId, IdSequence, JobId, ParseIdError};
pub use kind::{ExitFailure, GuestType, KindDescription, KindSettings, StdinFormat, StdoutFormat};
pub use lease::Lease;
pub use limits::{LimitBounds, LimitRequest, Limits};
pub use name::{Digest, KindName, ModuleName, NameError, QueueName, TenantName};
pub use outcome::{Failure, FailureReason, HandlerVerdict, LogLevel, LogLine, Outcome, Progress};
pub use receipt::{CompiledFrom, Receipt};
pub use retry::{RetryDecision, RetryPolicy};
pub use retry_wire::{RetryWire, Strategy};
pub use settings_wire::SettingsWire;
pub use size::{ByteSize, SizeError};
pub use spec::{JobOptions, JobSpec};
pub use state::JobState;
pub use text::{cut, cut_quote};
pub use waiting::WaitingReason;
