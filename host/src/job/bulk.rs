//! One action on many jobs: which, what, and how fast. Whether it can be done to one of them is the rule of that action.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::id::JobId;
use super::name::{KindName, ModuleName, QueueName};
use super::outcome::FailureReason;
use super::rate::{RATE_LIMIT_MAX, Rate};
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
    /// Only these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<JobId>>,
}

impl BulkFilter {
    /// Whether it lets every job through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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

/// How many jobs in which time: `10/s`, `600/m`, `1000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkRate {
    jobs: u32,
    unit: char,
}

impl BulkRate {
    /// As a rate with little burst.
    pub fn rate(self) -> Rate {
        let per = match self.unit {
            's' => Duration::from_secs(1),
            'm' => Duration::from_mins(1),
            _ => Duration::from_hours(1),
        };
        let burst = u128::from(self.jobs) * BURST_TIME.as_millis() / per.as_millis();
        Rate { limit: self.jobs, per, burst: u32::try_from(burst).unwrap_or(1).max(1) }
    }
}

/// Text that is no such rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write 1 to {RATE_LIMIT_MAX} jobs a second, minute or hour, like \"10/s\", \"600/m\" or \"1000/h\"")]
pub struct BulkRateError;

impl FromStr for BulkRate {
    type Err = BulkRateError;
    fn from_str(text: &str) -> Result<Self, BulkRateError> {
        let (jobs, unit) = text.split_once('/').ok_or(BulkRateError)?;
        let unit = match unit {
            "s" => 's',
            "m" => 'm',
            "h" => 'h',
            _ => return Err(BulkRateError),
        };
        let is_number = !jobs.is_empty() && jobs.bytes().all(|byte| byte.is_ascii_digit());
        let jobs = is_number.then(|| jobs.parse().ok()).flatten().ok_or(BulkRateError)?;
        if (1..=RATE_LIMIT_MAX).contains(&jobs) { Ok(Self { jobs, unit }) } else { Err(BulkRateError) }
    }
}

impl fmt::Display for BulkRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.jobs, self.unit)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paces_people_write() {
        for (text, limit, per_s, burst) in
            [("1/s", 1, 1, 1), ("50/s", 50, 1, 5), ("600/m", 600, 60, 1), ("1000000/h", 1_000_000, 3_600, 27)]
        {
            let pace: BulkRate = text.parse().unwrap();
            assert_eq!(pace.rate(), Rate { limit, per: Duration::from_secs(per_s), burst }, "{text}");
            assert_eq!(pace.to_string(), text);
        }
        for text in ["", "10", "/s", "0/s", "-1/s", "+1/s", "1/d", "1.5/s", "10 /s", "1000001/s", "99999999999/s"] {
            assert_eq!(text.parse::<BulkRate>(), Err(BulkRateError), "{text}");
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
