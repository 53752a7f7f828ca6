//! The domain: what a job is and which decisions are taken about it.
//!
//! Pure: no IO, no async, no clock reads, no randomness that is not passed in. Everything here can be tested
//! with a table.

pub mod actor;
pub mod bulk;
pub mod ceilings;
pub mod clock;
pub mod context;
pub mod cron;
pub mod database;
pub mod dead_letter;
pub mod dependency;
pub mod duration;
pub mod effect;
pub mod egress;
pub mod event;
pub mod expiry;
pub mod fairness;
pub mod field;
pub mod grants;
pub mod id;
pub mod json_text;
pub mod kind;
pub mod kv;
pub mod lease;
pub mod limits;
pub mod mail;
pub mod most;
pub mod name;
mod named_values;
pub mod notification;
pub mod on_failed;
pub mod outcome;
pub mod pace;
mod quantity;
pub mod quota;
pub mod rate;
mod rate_wire;
pub mod receipt;
pub mod retention;
pub mod retry;
mod retry_wire;
pub mod role;
pub mod schedule;
mod settings_wire;
mod size;
pub mod spec;
pub mod state;
pub mod step;
pub mod tenant;
mod text;
pub mod unique;
mod unique_wire;
pub mod usual_cost;
pub mod waiting;
pub mod workflow;

pub use actor::{Actor, Via};
pub use bulk::{BulkAction, BulkFilter, OperationState};
pub use clock::{Clock, Timestamp};
pub use context::AttemptContext;
pub use database::DatabaseError;
pub use dead_letter::GroupId;
pub use dependency::{Parent, ParentOutput, Wanted};
pub use duration::{DurationError, Span};
pub use effect::{Effect, NewEvent};
pub use egress::{EgressBounds, EgressOptions};
pub use event::{Event, EventType};
pub use field::FieldError;
pub use grants::{Grants, HttpGrant, HttpScheme, HttpTarget, MailGrant, NamePattern};
pub use id::{
    BatchId, HostId, IdSequence, JobId, KeyId, MailId, NotificationId, OperationId, ParseIdError, WorkflowId,
};
pub use kind::{ExitFailure, GuestType, KindDescription, KindSettings, StdinFormat, StdoutFormat};
pub use kv::{KvChange, KvChanged, KvKey, KvKeyError, KvQuota, KvValue};
pub use lease::Lease;
pub use limits::{LimitBounds, LimitRequest, Limits};
pub use mail::{MailState, Mailbox, NewMail};
pub use most::Most;
pub use name::{
    BucketName, ConfigName, DatabaseName, Digest, KeyName, KindName, ModuleName, NameError, QueueName, ScheduleName,
    SecretName, TenantName,
};
pub use notification::{NewNotification, NotificationLevel, UserName};
pub use on_failed::{CausedBy, OnFailed};
pub use outcome::{Failure, FailureReason, HandlerVerdict, LogLevel, LogLine, Outcome, Progress, Suspension};
pub use pace::{Admission, KeyOrder, KindPace, Pace};
pub use quota::{QuotaExceeded, QuotaName, Quotas};
pub use rate::{Bucket, Rate};
pub use rate_wire::RateWire;
pub use receipt::{CompiledFrom, Receipt};
pub use retention::{Keep, Retention};
pub use retry::{RetryDecision, RetryPolicy};
pub use retry_wire::{RetryWire, Strategy, check_retry_on};
pub use role::{Role, RoleError};
pub use settings_wire::SettingsWire;
pub use size::{ByteSize, SizeError};
pub use spec::{JobOptions, JobSpec};
pub use state::JobState;
pub use step::{EventName, Step, StepName, StepType};
pub use tenant::{TenantSettings, TenantState};
pub use text::{control_character, cut, cut_quote};
pub use unique::{OnConflict, Unique};
pub use unique_wire::{UniqueRule, UniqueWire};
pub use waiting::WaitingReason;
