//! One action on many jobs: which, what, and how fast. Whether it can be done to one of them is the rule of that action.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::dead_letter::GroupId;
use super::field::FieldError;
use super::id::JobId;
use super::name::{KindName, ModuleName, QueueName};
use super::outcome::FailureReason;
use super::rate::RATE_LIMIT_MAX;
use super::rate_wire::RateWire;
use super::state::JobState;

/// Most jobs named one by one.
pub const BULK_IDS_MAX: usize = 1_000;
/// Saved up while nothing is done: what a rate gives in so long, but at least one.
const BURST_TIME: Duration = Duration::from_millis(100);

/// What is done to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Failed, cancelled and retrying jobs are ready again.
    Retry,
    /// What has not ended is cancelled.
    Cancel,
    /// What has ended is removed.
    Delete,
    /// What waits for its time is ready at once.
    Run,
    /// What waits gets another priority.
    SetPriority,
}

impl BulkAction {
    /// The word used in SQL, HTTP and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            BulkAction::Retry => "retry",
            BulkAction::Cancel => "cancel",
            BulkAction::Delete => "delete",
            BulkAction::Run => "run",
            BulkAction::SetPriority => "set_priority",
        }
    }

    /// Whether it can do anything to a job in this state.
    pub const fn changes(self, state: JobState) -> bool {
        match self {
            BulkAction::Retry => matches!(state, JobState::Failed | JobState::Cancelled | JobState::Retrying),
            BulkAction::Cancel => !state.is_terminal(),
            BulkAction::Delete => state.is_terminal(),
            BulkAction::Run => matches!(state, JobState::Scheduled | JobState::Retrying),
            BulkAction::SetPriority => state.is_waiting(),
        }
    }

    /// The same in words: which jobs it is for.
    const fn is_for(self) -> &'static str {
        match self {
            BulkAction::Retry => "failed, cancelled and retrying jobs",
            BulkAction::Cancel => "jobs that have not ended",
            BulkAction::Delete => "jobs that have ended",
            BulkAction::Run => "scheduled and retrying jobs",
            BulkAction::SetPriority => "jobs that wait",
        }
    }
}

/// Which jobs: those that all of it fits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BulkFilter {
    /// Only this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Only those that have not ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// Only this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindName>,
    /// Only this lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Only with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Only kinds this module serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleName>,
    /// Enqueued at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Enqueued before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only those whose last failure has this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
    /// Only dead letters of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// Only these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<JobId>>,
}

impl BulkFilter {
    /// Whether it lets every job through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why no job could ever be changed, whatever there is: parts of it, or it and the action, exclude each other.
    pub fn contradictions(&self, action: BulkAction) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut refuse =
            |field: &str, message: String| errors.push(FieldError::new(format!("/filter/{field}"), message));
        let (word, is_for) = (action.as_str(), action.is_for());
        if let Some(state) = self.state {
            if self.unfinished && state.is_terminal() {
                refuse("unfinished", format!("a job that is {state} has ended: leave out one of both"));
            } else if !action.changes(state) {
                refuse("state", format!("`{word}` is for {is_for}, and would do nothing to those that are {state}"));
            }
            if self.reason.is_some() && state == JobState::Succeeded {
                refuse("reason", "a job that has succeeded has no failure: leave out one of both".to_owned());
            }
            if self.group.is_some() && state != JobState::Failed {
                refuse("group", format!("its jobs have failed, and `state` asks for those that are {state}"));
            }
        }
        if self.unfinished && JobState::ALL.into_iter().all(|state| state.is_terminal() || !action.changes(state)) {
            refuse("unfinished", format!("`{word}` is for {is_for}"));
        }
        if self.group.is_some() {
            if self.unfinished {
                refuse("group", "its jobs have failed, and `unfinished` asks for those that have not ended".to_owned());
            }
            if !action.changes(JobState::Failed) {
                refuse("group", format!("its jobs have failed, and `{word}` is for {is_for}"));
            }
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            refuse("until", format!("comes before `since` ({since}), or with it: no job lies between"));
        }
        errors
    }
}

/// Where an operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Accepted.
    Queued,
    /// Some jobs are done.
    Running,
    /// All jobs are done.
    Done,
    /// Somebody ended it; what was done stays done.
    Cancelled,
    /// The host could not go on with it; what was done stays done.
    Failed,
}

impl OperationState {
    /// Every state.
    pub const ALL: [OperationState; 5] = [
        OperationState::Queued,
        OperationState::Running,
        OperationState::Done,
        OperationState::Cancelled,
        OperationState::Failed,
    ];

    /// The word used in SQL, HTTP and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            OperationState::Queued => "queued",
            OperationState::Running => "running",
            OperationState::Done => "done",
            OperationState::Cancelled => "cancelled",
            OperationState::Failed => "failed",
        }
    }

    /// Nothing more will be done.
    pub const fn is_finished(self) -> bool {
        matches!(self, OperationState::Done | OperationState::Cancelled | OperationState::Failed)
    }
}

/// The rate of an operation. Where nothing is said of a burst it is a small one: who names a pace wants no rush at its start.
pub fn paced(asked: RateWire) -> RateWire {
    let per_ms = u128::from(asked.per.as_ms()).max(1);
    let little = u128::from(asked.limit) * BURST_TIME.as_millis() / per_ms;
    let little = u64::try_from(little).unwrap_or(u64::MAX).clamp(1, u64::from(RATE_LIMIT_MAX));
    RateWire { burst: Some(asked.burst.unwrap_or(little)), ..asked }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_begins_with_no_rush() {
        for (text, burst) in
            [("1/s", 1), ("50/s", 5), ("600/m", 1), ("1000000/h", 27), ("1000/100ms", 1_000), ("5/1ms", 500)]
        {
            let asked: RateWire = text.parse().unwrap();
            let rate = paced(asked).rate("/rate", &mut Vec::new()).unwrap();
            assert_eq!((u64::from(rate.limit), rate.per, rate.burst), (asked.limit, asked.per.0, burst), "{text}");
        }
        let asked = RateWire { burst: Some(7), ..("50/s".parse().unwrap()) };
        assert_eq!(paced(asked), asked, "who says how much is given that");
    }

    #[test]
    fn what_excludes_itself_is_told_where() {
        use BulkAction::{Cancel, Delete, Retry, Run, SetPriority};
        use JobState::{Blocked, Cancelled, Failed, Ready, Retrying, Running, Scheduled, Succeeded};
        let state = |state| BulkFilter { state: Some(state), ..BulkFilter::default() };
        let unfinished = || BulkFilter { unfinished: true, ..BulkFilter::default() };
        let group = |filter: BulkFilter| BulkFilter { group: Some(GroupId([1; 16])), ..filter };
        let between = |since, until| BulkFilter {
            since: Some(Timestamp(since)),
            until: Some(Timestamp(until)),
            ..BulkFilter::default()
        };
        for (action, states) in [
            (Retry, &[Failed, Cancelled, Retrying][..]),
            (Cancel, &[Scheduled, Blocked, Ready, Running, Retrying]),
            (Delete, &[Succeeded, Failed, Cancelled]),
            (Run, &[Scheduled, Retrying]),
            (SetPriority, &[Scheduled, Blocked, Ready, Retrying]),
        ] {
            assert_eq!(BulkFilter::default().contradictions(action), [], "{action:?} of all");
            for known in JobState::ALL {
                let found = state(known).contradictions(action);
                assert_eq!(found.is_empty(), states.contains(&known), "{action:?} of {known}: {found:?}");
                assert!(found.iter().all(|error| error.pointer == "/filter/state"), "{found:?}");
            }
        }
        let reason = |filter: BulkFilter| BulkFilter { reason: Some(FailureReason::Timeout), ..filter };
        for (action, filter, pointers) in [
            (Cancel, unfinished(), &[][..]),
            (Retry, unfinished(), &[]),
            (Delete, unfinished(), &["/filter/unfinished"]),
            (Cancel, BulkFilter { unfinished: true, ..state(Failed) }, &["/filter/unfinished"]),
            (Delete, reason(state(Succeeded)), &["/filter/reason"]),
            (Retry, reason(state(Retrying)), &[]),
            (Retry, group(BulkFilter::default()), &[]),
            (Delete, group(state(Failed)), &[]),
            (Cancel, group(BulkFilter::default()), &["/filter/group"]),
            (Retry, group(state(Cancelled)), &["/filter/group"]),
            (Retry, group(unfinished()), &["/filter/group"]),
            (Retry, between(5, 6), &[]),
            (Retry, between(6, 6), &["/filter/until"]),
            (Retry, between(7, 6), &["/filter/until"]),
        ] {
            let found = filter.contradictions(action);
            let found: Vec<&str> = found.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{action:?} {filter:?}");
        }
    }

    #[test]
    fn a_filter_reads_back_and_knows_when_it_is_empty() {
        assert!(BulkFilter::default().is_empty());
        let filter = BulkFilter {
            state: Some(JobState::Failed),
            reason: Some(FailureReason::Timeout),
            ids: Some(vec![JobId::from_u128(1)]),
            since: Some(Timestamp(5)),
            ..BulkFilter::default()
        };
        let text = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<BulkFilter>(&text).unwrap(), filter);
        assert!(!filter.is_empty() && serde_json::to_string(&BulkFilter::default()).unwrap() == "{}");
    }
}
