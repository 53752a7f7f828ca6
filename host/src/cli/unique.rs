//! The options of `stoker enqueue` that say that there is to be no other job like it.

use clap::ValueEnum;

use crate::job::{JobState, OnConflict, Span, UniqueWire};

/// What becomes of a job that is not the only one like it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Conflict {
    Reject,
    ReturnExisting,
    Replace,
    Debounce,
    Throttle,
}

/// See the file's head.
#[derive(Debug, Default, clap::Args)]
pub(super) struct UniqueArguments {
    /// Let there be no other job like it until it has ended; what becomes of it if there is one: reject it, answer with the other
    /// one, replace that one's payload and time, push that one out (with --delay), or one per --unique-for
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "reject", value_name = "ON_CONFLICT")]
    unique: Option<Conflict>,
    /// With --unique: a name for it, instead of its payload
    #[arg(long, requires = "unique", value_name = "KEY", conflicts_with = "unique_fields")]
    unique_key: Option<String>,
    /// With --unique: only this part of its payload, like /customer; repeat for more
    #[arg(long = "unique-field", requires = "unique", value_name = "POINTER")]
    unique_fields: Vec<String>,
    /// With --unique: the states in which it counts, separated by commas
    #[arg(long, requires = "unique", value_name = "STATES", value_delimiter = ',')]
    unique_scope: Vec<JobState>,
    /// With --unique: how long it counts
    #[arg(long, requires = "unique", value_name = "DURATION")]
    unique_for: Option<Span>,
    /// With --unique=debounce: the longest wait in all
    #[arg(long, requires = "unique", value_name = "DURATION")]
    max_wait: Option<Span>,
}

impl UniqueArguments {
    /// The field of the request.
    pub(super) fn wire(&self) -> Option<UniqueWire> {
        let on_conflict = match self.unique? {
            Conflict::Reject => OnConflict::Reject,
            Conflict::ReturnExisting => OnConflict::ReturnExisting,
            Conflict::Replace => OnConflict::Replace,
            Conflict::Debounce => OnConflict::Debounce,
            Conflict::Throttle => OnConflict::Throttle,
        };
        Some(UniqueWire {
            key: self.unique_key.clone(),
            fields: (!self.unique_fields.is_empty()).then(|| self.unique_fields.clone()),
            scope: (!self.unique_scope.is_empty()).then(|| self.unique_scope.clone()),
            period: self.unique_for,
            on_conflict: Some(on_conflict),
            max_wait: self.max_wait,
        })
    }
}
