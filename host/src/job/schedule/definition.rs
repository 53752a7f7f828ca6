//! A schedule as somebody set it: its plan, and the job each slot becomes. Kept as JSON; the payload stands beside it.

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::job::kind::{MAX_ATTEMPTS_DEFAULT, PRIORITY_DEFAULT};
use crate::job::{JobSpec, KindName, KindSettings, QueueName, Unique};

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What to run.
    pub kind: KindName,
    /// When.
    pub plan: Plan,
    /// The job of each slot, as it was when it was checked.
    pub job: JobSpec,
    /// What the job has from its kind, whatever that says when the slot comes.
    pub inherited: Inherited,
    /// Makes the job the only one like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Box<Unique>>,
    /// What was asked for, as a JSON object in the words of the API, without the payload.
    pub asked: String,
}

/// Which fields nobody set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // One per field.
pub struct Inherited {
    /// The lane.
    pub queue: bool,
    /// The priority.
    pub priority: bool,
    /// Attempts in all.
    pub max_attempts: bool,
}

impl Definition {
    /// The job of a slot, of a kind with these settings.
    pub fn job_of_slot(&self, settings: &KindSettings) -> JobSpec {
        let Inherited { queue, priority, max_attempts } = self.inherited;
        let mut spec = self.job.clone();
        if queue {
            spec.queue = settings.queue.clone().unwrap_or_else(QueueName::default_queue);
        }
        if priority {
            spec.priority = settings.priority.unwrap_or(PRIORITY_DEFAULT);
        }
        if max_attempts {
            spec.max_attempts = settings.max_attempts.unwrap_or(MAX_ATTEMPTS_DEFAULT);
        }
        spec
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Misfire, Overlap, Recurrence};
    use super::*;
    use crate::job::cron::Zone;
    use crate::job::unique::{Identity, Scope};
    use crate::job::{JobOptions, LimitRequest, OnConflict, Timestamp};

    fn definition(inherited: Inherited) -> Definition {
        let plan = Plan {
            recurrence: Recurrence::Cron("0 3 * * *".to_owned()),
            zone: Zone::utc(),
            starts_at: Some(Timestamp(5)),
            ends_at: None,
            jitter_ms: 0,
            misfire: Misfire::Once,
            overlap: Overlap::Skip,
        };
        let job = JobSpec {
            payload: bytes::Bytes::new(),
            queue: "own".parse().unwrap(),
            priority: 1,
            run_at: None,
            max_attempts: 2,
            options: JobOptions {
                limits: LimitRequest { fuel: Some(7), ..LimitRequest::default() },
                ..JobOptions::default()
            },
            tags: vec!["a".to_owned()],
        };
        let unique = Unique {
            identity: Identity([7; 32]),
            scope: Scope::waiting(),
            period: Some(std::time::Duration::from_secs(9)),
            on_conflict: OnConflict::Debounce,
            delay: std::time::Duration::from_millis(5),
            max_wait: std::time::Duration::from_secs(1),
        };
        let unique = Some(Box::new(unique));
        Definition { kind: "k".parse().unwrap(), plan, job, inherited, unique, asked: "{}".to_owned() }
    }

    #[test]
    fn what_nobody_set_follows_the_kind() {
        let settings = KindSettings { priority: Some(9), ..KindSettings::default() };
        let own = definition(Inherited::default()).job_of_slot(&settings);
        assert_eq!((own.queue.as_str(), own.priority, own.max_attempts), ("own", 1, 2));
        let all = Inherited { queue: true, priority: true, max_attempts: true };
        let followed = definition(all).job_of_slot(&settings);
        assert_eq!(
            (followed.queue.as_str(), followed.priority, followed.max_attempts),
            ("default", 9, MAX_ATTEMPTS_DEFAULT)
        );
        assert_eq!(followed.options.limits.fuel, Some(7));
    }

    #[test]
    fn it_is_kept_whole() {
        let kept = definition(Inherited { priority: true, ..Inherited::default() });
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Definition>(&text).unwrap(), kept);
        // One of before there was such a field.
        let older = serde_json::to_string(&Definition { unique: None, ..kept.clone() }).unwrap();
        assert!(!older.contains("unique"), "{older}");
        assert_eq!(serde_json::from_str::<Definition>(&older).unwrap().unique, None);
    }
}
