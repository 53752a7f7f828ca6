//! A schedule that a module declares for one of its kinds: the form, which is kept as it is, and what is refused.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, Inherited, Misfire, Overlap, Plan, PlanRequest, Recurrence};
use crate::job::field::ranged;
use crate::job::kind::{MAX_ATTEMPTS_DEFAULT, MAX_ATTEMPTS_LIMIT, PRIORITY_DEFAULT, PRIORITY_MAX};
use crate::job::spec::{TAG_BYTES_MAX, TAGS_MAX};
use crate::job::{
    FieldError, JobOptions, JobSpec, KindName, QueueName, ScheduleName, Span, Timestamp, control_character,
};

/// Schedules of one kind.
const DECLARED_MAX: usize = 32;
/// Longest name, before which the kind's is put.
const NAME_LENGTH_MAX: usize = 64;
/// Largest payload, bytes.
const PAYLOAD_BYTES_MAX: usize = 16 << 10;

/// See the file's head. Its full name is the kind's, a colon, and its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSchedule {
    /// 1 to 64 characters of letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// When, as a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// When, as an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Whose clock `cron` means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Its jobs wait for up to so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// What becomes of missed slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misfire: Option<Misfire>,
    /// What a run that has not ended means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Any JSON; `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The lane of its jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueName>,
    /// 0 to 9, lower first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i64>,
    /// Labels of its jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What is wrong with those of one kind, with pointers.
pub fn check_declared(schedules: &[DeclaredSchedule], errors: &mut Vec<FieldError>) {
    if schedules.len() > DECLARED_MAX {
        errors.push(FieldError::new("/schedules", format!("a kind has at most {DECLARED_MAX} schedules")));
        return;
    }
    for (index, schedule) in schedules.iter().enumerate() {
        let at = format!("/schedules/{index}");
        if schedules.iter().take(index).any(|earlier| earlier.name == schedule.name) {
            errors.push(FieldError::new(format!("{at}/name"), "is the name of another one, too"));
        }
        schedule.check(&at, errors);
    }
}

impl DeclaredSchedule {
    fn check(&self, at: &str, errors: &mut Vec<FieldError>) {
        let name_is_right = (1..=NAME_LENGTH_MAX).contains(&self.name.len())
            && self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let mut refuse = |field: &str, message: String| errors.push(FieldError::new(format!("{at}/{field}"), message));
        if !name_is_right {
            let message =
                "must be 1 to 64 characters of letters, digits, `.`, `_` and `-`, starting with a letter or digit";
            refuse("name", message.to_owned());
        }
        if self.payload().len() > PAYLOAD_BYTES_MAX {
            refuse("payload", format!("has at most {PAYLOAD_BYTES_MAX} bytes here"));
        }
        if self.tags.len() > TAGS_MAX || !self.tags.iter().all(|tag| (1..=TAG_BYTES_MAX).contains(&tag.len())) {
            refuse("tags", format!("at most {TAGS_MAX} tags, each of 1 to {TAG_BYTES_MAX} bytes"));
        }
        for (index, tag) in self.tags.iter().enumerate() {
            if let Some(message) = control_character(tag) {
                refuse(&format!("tags/{index}"), message);
            }
        }
        ranged::<u8>(&format!("{at}/priority"), self.priority, 0, i64::from(PRIORITY_MAX), errors);
        ranged::<u32>(&format!("{at}/max_attempts"), self.max_attempts, 1, i64::from(MAX_ATTEMPTS_LIMIT), errors);
        self.plan(at, errors);
    }

    /// Whether it ever fires does not depend on when it is asked: it has no end.
    fn plan(&self, at: &str, errors: &mut Vec<FieldError>) -> Option<Plan> {
        let request = PlanRequest {
            cron: self.cron.clone(),
            every: self.every,
            timezone: self.timezone.clone(),
            starts_at: None,
            ends_at: None,
            jitter: self.jitter,
            misfire: self.misfire,
            overlap: self.overlap,
        };
        request.check(at, Timestamp(0), errors)
    }

    /// JSON text.
    fn payload(&self) -> String {
        self.payload.as_ref().map_or_else(|| "null".to_owned(), Value::to_string)
    }

    /// What it is called among all schedules.
    pub fn full_name(&self, kind: &KindName) -> Option<ScheduleName> {
        format!("{kind}:{}", self.name).parse().ok()
    }

    /// As if somebody had put it. `None`: it is not such as [`check_declared`] takes.
    pub fn definition(&self, kind: &KindName) -> Option<Definition> {
        let mut errors = Vec::new();
        let plan = self.plan("", &mut errors)?;
        let job = JobSpec {
            payload: self.payload().into(),
            queue: self.queue.clone().unwrap_or_else(QueueName::default_queue),
            priority: self.priority.and_then(|priority| u8::try_from(priority).ok()).unwrap_or(PRIORITY_DEFAULT),
            run_at: None,
            max_attempts: self.max_attempts.and_then(|most| u32::try_from(most).ok()).unwrap_or(MAX_ATTEMPTS_DEFAULT),
            options: JobOptions::default(),
            tags: self.tags.clone(),
        };
        let inherited = Inherited {
            queue: self.queue.is_none(),
            priority: self.priority.is_none(),
            max_attempts: self.max_attempts.is_none(),
        };
        let mut asked = serde_json::to_value(self).ok()?;
        let fields = asked.as_object_mut()?;
        fields.remove("name");
        fields.remove("payload");
        fields.insert("kind".to_owned(), json!(kind));
        fields.insert("misfire".to_owned(), json!(plan.misfire));
        fields.insert("overlap".to_owned(), json!(plan.overlap));
        if matches!(plan.recurrence, Recurrence::Cron(_)) {
            fields.insert("timezone".to_owned(), json!(plan.zone));
        }
        let definition =
            Definition { kind: kind.clone(), plan, job, inherited, unique: None, asked: asked.to_string() };
        errors.is_empty().then_some(definition)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn declared(text: &str) -> Vec<DeclaredSchedule> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_declared_is_as_if_it_was_put() {
        let schedules = declared(
            r#"[{"name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "payload": {"n": 1}, "queue": "q"}]"#,
        );
        let mut errors = Vec::new();
        check_declared(&schedules, &mut errors);
        assert_eq!(errors, []);
        let kind: KindName = "report.send".parse().unwrap();
        assert_eq!(schedules[0].full_name(&kind).unwrap().as_str(), "report.send:nightly");
        let definition = schedules[0].definition(&kind).unwrap();
        assert_eq!(&definition.job.payload[..], br#"{"n":1}"#);
        assert_eq!(definition.inherited, Inherited { queue: false, priority: true, max_attempts: true });
        let asked: Value = serde_json::from_str(&definition.asked).unwrap();
        let expected = json!({
            "kind": "report.send", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "queue": "q", "misfire": "once",
            "overlap": "skip",
        });
        assert_eq!(asked, expected);
    }

    #[test]
    fn what_can_not_be_declared_is_said_where_it_stands() {
        let many = format!("[{}]", vec![r#"{"name": "a", "every": "1m"}"#; DECLARED_MAX + 1].join(","));
        let large = format!(r#"[{{"name": "a", "every": "1m", "payload": "{}"}}]"#, "x".repeat(PAYLOAD_BYTES_MAX));
        for (text, pointer) in [
            (r#"[{"name": "a"}]"#, "/schedules/0/cron"),
            (r#"[{"name": "a", "every": "1m"}, {"name": "a", "every": "2m"}]"#, "/schedules/1/name"),
            (r#"[{"name": "a:b", "every": "1m"}]"#, "/schedules/0/name"),
            (r#"[{"name": "", "every": "1m"}]"#, "/schedules/0/name"),
            (r#"[{"name": "a", "cron": "0 0 31 2 *"}]"#, "/schedules/0/cron"),
            (r#"[{"name": "a", "cron": "@daily", "timezone": "Mars"}]"#, "/schedules/0/timezone"),
            (r#"[{"name": "a", "every": "1m", "priority": 10}]"#, "/schedules/0/priority"),
            (r#"[{"name": "a", "every": "1m", "max_attempts": 0}]"#, "/schedules/0/max_attempts"),
            (r#"[{"name": "a", "every": "1m", "tags": [""]}]"#, "/schedules/0/tags"),
            (&many, "/schedules"),
            (&large, "/schedules/0/payload"),
        ] {
            let mut errors = Vec::new();
            check_declared(&declared(text), &mut errors);
            let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer], "{text}");
        }
    }
}
