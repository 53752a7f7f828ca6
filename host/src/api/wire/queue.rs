//! Queues, as clients see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::time::Instant;
use crate::job::duration::whole_ms;
use crate::job::{JobState, QueueName};
use crate::store::QueueRow;

/// A lane and what is in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Queue<'a> {
    /// The lane.
    #[schema(value_type = String)]
    pub name: &'a QueueName,
    /// 0 to 9, lower first.
    pub priority: u8,
    /// Jobs that could run now.
    pub depth: u64,
    /// Jobs by state.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub counts: BTreeMap<&'static str, u64>,
    /// When the oldest ready job became ready.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_ready_at: Option<Instant>,
    /// How long that is ago.
    pub oldest_ready_age_ms: Option<u64>,
}

impl<'a> Queue<'a> {
    /// As of `now`.
    pub fn at(now: crate::job::Timestamp, row: &'a QueueRow) -> Self {
        let counted = |state: JobState| {
            row.counts.iter().filter(|(counted, _)| *counted == state).map(|(_, jobs)| jobs).sum::<u64>()
        };
        Self {
            name: &row.name,
            priority: row.priority,
            depth: counted(JobState::Ready),
            counts: JobState::ALL.into_iter().map(|state| (state.as_str(), counted(state))).collect(),
            oldest_ready_at: row.oldest_ready_at.map(Instant),
            oldest_ready_age_ms: row.oldest_ready_at.map(|at| whole_ms(now.since(at))),
        }
    }
}
