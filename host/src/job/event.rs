//! What happened to a job: the entries of its history and of the event log.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::id::JobId;
use super::name::{KindName, QueueName};
use super::state::JobState;

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal $word:literal,)*) => {
        /// What happened. Codes are what the store keeps; never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventType {
            $($(#[$doc])* $name,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: &'static [EventType] = &[$(EventType::$name,)*];

            /// The word used in HTTP, logs and the dashboard.
            pub const fn as_str(self) -> &'static str {
                match self { $(EventType::$name => $word,)* }
            }
            /// The number the store keeps.
            pub const fn code(self) -> u8 {
                match self { $(EventType::$name => $code,)* }
            }
            /// From the number the store keeps.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(EventType::$name),)* _ => None }
            }
        }
    };
}

event_types! {
    /// Accepted and committed.
    Enqueued = 1 "enqueued",
    /// Its time came.
    Due = 2 "due",
    /// A guest was entered.
    Started = 3 "started",
    /// Ended well.
    Succeeded = 4 "succeeded",
    /// An attempt failed and another will be made.
    Retrying = 5 "retrying",
    /// Failed for good.
    Failed = 6 "failed",
    /// The handler asked to come back later.
    Snoozed = 7 "snoozed",
    /// Ended by someone's wish.
    Cancelled = 8 "cancelled",
    /// Someone asked a running job to end.
    CancelRequested = 9 "cancel_requested",
    /// Reopened by an operator.
    Reopened = 10 "reopened",
    /// The host that held it died; ready again.
    Recovered = 11 "recovered",
    /// Given back by a stopping host; ready again.
    GivenBack = 12 "given_back",
    /// Changed while waiting.
    Edited = 13 "edited",
    /// Removed by an operator.
    Deleted = 14 "deleted",
    /// What it waited for happened.
    Unblocked = 20 "unblocked",
    /// Waits for other jobs again.
    Blocked = 21 "blocked",
    /// Cancelled, since a job it was to run after did not end as it asked.
    DependencyBroken = 22 "dependency_broken",
    /// It would have come back with a job it runs after, but another job is the only one like it now.
    NotRevived = 23 "not_revived",
    /// The handler sleeps.
    Sleeping = 24 "sleeping",
    /// The handler waits for an event.
    AwaitsEvent = 25 "awaits_event",
    /// The event came that the handler waited for.
    EventReceived = 26 "event_received",
    /// The event did not come in time.
    EventTimedOut = 27 "event_timed_out",
    /// A step of the handler was recorded.
    StepRecorded = 28 "step_recorded",
    /// Not entered by its `expires_at`.
    Expired = 15 "expired",
}

/// One event as the live stream carries it; the durable log keeps a packed form of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event_type: EventType,
    /// Which job.
    pub job: JobId,
    /// Of which kind.
    pub kind: KindName,
    /// In which lane.
    pub queue: QueueName,
    /// The state it left the job in.
    pub state: JobState,
    /// Which attempt, from 1; 0 before the first.
    pub attempt: u32,
}
