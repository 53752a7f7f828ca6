//! Actions on many jobs, as clients see them.

use serde::{Serialize, Serializer};

use super::time::Instant;
use crate::job::{
    BulkAction, FailureReason, GroupId, JobId, JobState, KindName, ModuleName, OperationId, OperationState, QueueName,
    RateWire,
};
use crate::store::{OperationError, OperationRow};

/// An action on many jobs, and how far it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Operation<'a> {
    /// Names it for ever.
    #[schema(value_type = String, example = "op_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub id: OperationId,
    /// Where it is.
    pub state: OperationState,
    /// What is done to each job.
    pub action: BulkAction,
    /// Which jobs.
    pub filter: OperationFilter<'a>,
    /// `set_priority`: the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub priority: Option<u8>,
    /// At most so many jobs in such a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RateWire>, required = false)]
    pub rate: Option<RateShown>,
    /// Jobs found so far: the sum of the following three.
    pub matched: u64,
    /// It was done to so many.
    pub changed: u64,
    /// There was nothing to do, or their state did not allow it.
    pub skipped: u64,
    /// Something else was in the way.
    pub failed: u64,
    /// What, of the first ten of them; and of those skipped where there is more to say than that.
    pub errors: &'a [OperationError],
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When the first jobs were done.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Instant>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Instant>,
}

/// A rate in the shorter of the forms in which it can be sent.
#[derive(Clone, Copy, Debug)]
pub struct RateShown(RateWire);

impl Serialize for RateShown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.burst {
            None => serializer.collect_str(&self.0),
            Some(_) => self.0.serialize(serializer),
        }
    }
}

/// Which jobs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OperationFilter<'a> {
    /// Every job.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub all: bool,
    /// Only this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub state: Option<JobState>,
    /// Only those that have not ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub unfinished: bool,
    /// Only this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub kind: Option<&'a KindName>,
    /// Only this lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub queue: Option<&'a QueueName>,
    /// Only with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub tag: Option<&'a str>,
    /// Only kinds this module serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub module: Option<&'a ModuleName>,
    /// Enqueued at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub since: Option<Instant>,
    /// Enqueued before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub until: Option<Instant>,
    /// Only those whose last failure has this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub reason: Option<FailureReason>,
    /// Only dead letters of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub group: Option<GroupId>,
    /// Only these.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, required = false)]
    pub ids: Option<&'a [JobId]>,
}

impl<'a> From<&'a OperationRow> for Operation<'a> {
    fn from(row: &'a OperationRow) -> Self {
        let filter = &row.request.filter;
        Self {
            id: row.id,
            state: row.state,
            action: row.request.action,
            filter: OperationFilter {
                all: filter.is_empty(),
                state: filter.state,
                unfinished: filter.unfinished,
                kind: filter.kind.as_ref(),
                queue: filter.queue.as_ref(),
                tag: filter.tag.as_deref(),
                module: filter.module.as_ref(),
                since: filter.since.map(Instant),
                until: filter.until.map(Instant),
                reason: filter.reason,
                group: filter.group,
                ids: filter.ids.as_deref(),
            },
            priority: row.request.priority,
            rate: row.request.rate.map(RateShown),
            matched: row.matched,
            changed: row.changed,
            skipped: row.skipped,
            failed: row.failed,
            errors: &row.errors,
            created_at: Instant(row.created_at),
            started_at: row.started_at.map(Instant),
            finished_at: row.finished_at.map(Instant),
        }
    }
}
