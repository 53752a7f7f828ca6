//! Why a job is not running.

use serde::{Deserialize, Serialize};

macro_rules! waiting_reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal $word:literal,)*) => {
        /// The stable words of `waiting.reason`. Codes are what the store keeps on parked jobs; never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum WaitingReason {
            $($(#[$doc])* $name,)*
        }

        impl WaitingReason {
            /// Every reason.
            pub const ALL: &'static [WaitingReason] = &[$(WaitingReason::$name,)*];

            /// The word used in HTTP, logs and the dashboard.
            pub const fn as_str(self) -> &'static str {
                match self { $(WaitingReason::$name => $word,)* }
            }
            /// The number the store keeps.
            pub const fn code(self) -> u8 {
                match self { $(WaitingReason::$name => $code,)* }
            }
            /// From the number the store keeps.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(WaitingReason::$name),)* _ => None }
            }
        }
    };
}

waiting_reasons! {
    /// `run_at` lies in the future.
    Scheduled = 1 "scheduled",
    /// Failed, waits for its next attempt.
    RetryBackoff = 2 "retry_backoff",
    /// The handler asked to come back later.
    Snoozed = 3 "snoozed",
    /// Every slot of the host is in use.
    HostSlots = 4 "host_slots",
    /// No active module serves the kind.
    NoHandler = 5 "no_handler",
    /// Its module is being compiled for this host.
    Compiling = 6 "compiling",
    /// Others come first.
    Behind = 7 "behind",
    /// The host runs no jobs (`--workers 0`) or is stopping.
    NoWorkers = 8 "no_workers",
    /// Took part in the loss of a host; such jobs run one at a time.
    Suspect = 9 "suspect",
    /// Its queue is paused.
    QueuePaused = 10 "queue_paused",
    /// As many jobs of its queue as may run do.
    QueueConcurrency = 11 "queue_concurrency",
    /// As many jobs of its kind as may run do.
    KindConcurrency = 12 "kind_concurrency",
    /// As many jobs with its concurrency key as may run do.
    KeyConcurrency = 13 "key_concurrency",
    /// A job with the same key that was enqueued before it has not ended.
    FifoKey = 14 "fifo_key",
    /// As many jobs of the tenant as may run do.
    TenantConcurrency = 15 "tenant_concurrency",
    /// As many as may begin in this time have.
    RateLimited = 16 "rate_limited",
    /// Its tenant is suspended.
    TenantSuspended = 17 "tenant_suspended",
    /// Its tenant has used up what it may in a day.
    Quota = 18 "quota",
    /// Runs after other jobs, which have not ended.
    AfterJobs = 20 "after_jobs",
    /// Its handler sleeps.
    Sleeping = 21 "sleeping",
    /// Its handler waits for an event.
    Event = 22 "event",
}
