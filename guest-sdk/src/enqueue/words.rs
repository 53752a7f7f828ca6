//! The words of the API that say one of several things.

macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }
    )+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $name {
                $($(#[doc = $doc])+ $variant,)+
            }

            impl $name {
                /// Every one.
                pub const ALL: &'static [$name] = &[$($name::$variant),+];

                /// The word of the API.
                pub const fn as_str(self) -> &'static str {
                    match self {
                        $($name::$variant => $word,)+
                    }
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(self.as_str())
                }
            }
        )+
    };
}

words! {
    /// Why an attempt failed, as far as a job can say whether it is tried again for that (`retry_on`).
    #[non_exhaustive]
    Reason {
        /// The handler returned a failure, or the program an exit code. Retried by default.
        HandlerError = "handler_error",
        /// It panicked, or did what WebAssembly forbids. Retried by default.
        Trap = "trap",
        /// It took too long. Retried by default.
        Timeout = "timeout",
        /// It computed too much.
        FuelExhausted = "fuel_exhausted",
        /// It wanted too much memory.
        MemoryExceeded = "memory_exceeded",
        /// It called itself too deeply.
        StackOverflow = "stack_overflow",
        /// It returned too much.
        OutputTooLarge = "output_too_large",
        /// It returned what its own schema refuses.
        InvalidOutput = "invalid_output",
        /// The payload does not fit the version that was to run it.
        InvalidPayload = "invalid_payload",
        /// What it asked for on success could not be done.
        EffectRejected = "effect_rejected",
        /// It asked for what it was not granted.
        CapabilityDenied = "capability_denied",
        /// It called the host too often.
        HostCallsExceeded = "host_calls_exceeded",
    }

    /// Where a job is in its life.
    State {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// It waits for other jobs.
        Blocked = "blocked",
        /// It could run.
        Ready = "ready",
        /// It runs.
        Running = "running",
        /// It failed, and waits for the next attempt.
        Retrying = "retrying",
        /// It ended well.
        Succeeded = "succeeded",
        /// It ended badly.
        Failed = "failed",
        /// It was ended.
        Cancelled = "cancelled",
    }

    /// The end another job is to come to.
    Wanted {
        /// It has succeeded.
        Succeeded = "succeeded",
        /// It has failed, or was cancelled.
        Failed = "failed",
        /// It has ended, whichever way.
        Finished = "finished",
    }

    /// What becomes of a job that is to be unique if there is one like it.
    OnConflict {
        /// It is refused: 409, with the other job.
        Reject = "reject",
        /// The other job is the answer.
        ReturnExisting = "return_existing",
        /// The other one, if it waits, takes its payload and time.
        Replace = "replace",
        /// The other one, if it waits, takes its payload and waits anew for the `delay`, up to `max_wait` in all.
        Debounce = "debounce",
        /// One per period, whatever became of it; more are answered with that one.
        Throttle = "throttle",
    }

    /// When a batch takes no more jobs.
    Close {
        /// From the beginning. The default with jobs.
        AtOnce = "at_once",
        /// From when somebody says so. The default without.
        OnRequest = "on_request",
        /// From when all its jobs have ended: they can add more.
        WhenDone = "when_done",
    }

    /// What becomes of slots nobody was there for.
    Misfire {
        /// Nothing.
        Skip = "skip",
        /// One job, for the latest. The default.
        Once = "once",
        /// One each, the oldest first.
        All = "all",
    }

    /// What becomes of a slot while an earlier run has not ended.
    Overlap {
        /// It runs beside it.
        Allow = "allow",
        /// Nothing. The default, unless `misfire` is `all`.
        Skip = "skip",
        /// It runs when they have ended; at most one waits.
        QueueOne = "queue_one",
        /// The earlier one is cancelled.
        CancelRunning = "cancel_running",
    }
}
