//! Queues, as clients see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Instant;
use crate::job::duration::whole_ms;
use crate::job::{JobState, QueueName, RateWire, Retention};
use crate::store::QueueRow;

/// When a job of a queue is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Durability)]
pub enum QueueDurability {
    /// Once it is on the disk.
    Full,
    /// Once it is handed to the disk: a power cut can lose the last ones.
    Relaxed,
}

/// A lane and what is in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Queue<'a> {
    /// The lane.
    #[schema(value_type = String)]
    pub name: &'a QueueName,
    /// 0 to 9, lower first.
    pub priority: u8,
    /// Whether nothing more of it is entered.
    pub paused: bool,
    /// So many of its jobs may run at once; `null`: any number.
    pub concurrency: Option<u32>,
    /// So many of its jobs may begin in a time; `null`: any number.
    #[schema(value_type = Option<RateWire>)]
    pub rate: Option<RateWire>,
    /// Whether a job is on the disk before it is acknowledged.
    pub durability: QueueDurability,
    /// How long its finished jobs are kept, where it says so.
    pub retention: Retention,
    /// Jobs that could run now, or would if it were not paused.
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
            paused: row.is_paused,
            concurrency: row.pace.concurrency,
            rate: row.pace.rate.map(RateWire::from),
            durability: if row.is_relaxed { QueueDurability::Relaxed } else { QueueDurability::Full },
            retention: row.retention,
            depth: counted(JobState::Ready),
            counts: JobState::ALL.into_iter().map(|state| (state.as_str(), counted(state))).collect(),
            oldest_ready_at: row.oldest_ready_at.map(Instant),
            oldest_ready_age_ms: row.oldest_ready_at.map(|at| whole_ms(now.since(at))),
        }
    }
}
