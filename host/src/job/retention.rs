//! How long finished jobs are kept: by the state they ended in, as their kind, else their queue, else the host says.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};

use super::clock::Timestamp;
use super::duration::{DurationError, Span};
use super::quantity::{self, Quantity};
use super::state::JobState;

/// The word for a time without end.
const FOREVER: &str = "forever";

/// A time something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So long.
    For(Duration),
    /// Until somebody deletes it.
    Forever,
}

impl Keep {
    /// When the time is over of what began to be kept then; `None`: never.
    pub fn until(self, from: Timestamp) -> Option<Timestamp> {
        match self {
            Keep::For(time) => Some(from.plus(time)),
            Keep::Forever => None,
        }
    }

    /// Whether it ends before `other` does.
    pub fn is_shorter_than(self, other: Keep) -> bool {
        match (self, other) {
            (Keep::For(own), Keep::For(other)) => own < other,
            (Keep::For(_), Keep::Forever) => true,
            (Keep::Forever, _) => false,
        }
    }
}

/// Not a time that something can be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}, or \"{FOREVER}\"")]
pub struct KeepError(DurationError);

impl Quantity for Keep {
    type Error = KeepError;
    const EXPECTED: &'static str =
        "a duration such as \"24h\" or \"30d\", a whole number of milliseconds, or \"forever\"";
    const TOO_LARGE: KeepError = KeepError(DurationError::TooLong);

    fn from_text(text: &str) -> Result<Self, KeepError> {
        if text == FOREVER {
            return Ok(Keep::Forever);
        }
        Span::from_text(text).map(|span| Keep::For(span.0)).map_err(KeepError)
    }

    fn from_number(ms: u64) -> Result<Self, KeepError> {
        Span::from_number(ms).map(|span| Keep::For(span.0)).map_err(KeepError)
    }
}

impl FromStr for Keep {
    type Err = KeepError;
    /// Digits alone are milliseconds.
    fn from_str(text: &str) -> Result<Self, KeepError> {
        quantity::from_argument(text)
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::For(time) => Span(*time).fmt(f),
            Keep::Forever => f.write_str(FOREVER),
        }
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quantity::deserialize(deserializer)
    }
}

impl utoipa::PartialSchema for Keep {
    fn schema() -> RefOr<Schema> {
        quantity::schema(
            "A time: text such as \"24h\", \"30d\", or \"forever\", or a whole number of milliseconds.",
            "30d",
        )
    }
}

impl utoipa::ToSchema for Keep {}

/// How long finished jobs are kept. What is absent is left to the layer below: host, then queue, then kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Those that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<Keep>,
    /// Those that were cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Keep>,
    /// Those that failed: the dead letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Keep>,
}

impl Retention {
    /// What a host does when nobody says otherwise.
    pub const HOST: Retention = Retention {
        succeeded: Some(Keep::For(Duration::from_hours(24))),
        cancelled: Some(Keep::For(Duration::from_hours(24))),
        failed: Some(Keep::For(Duration::from_hours(30 * 24))),
    };

    /// `true` where it leaves everything to the layer below.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// With `upper` having the last word where it says anything.
    #[must_use]
    pub fn overlaid_by(self, upper: Retention) -> Retention {
        Retention {
            succeeded: upper.succeeded.or(self.succeeded),
            cancelled: upper.cancelled.or(self.cancelled),
            failed: upper.failed.or(self.failed),
        }
    }

    /// How long a job is kept that ended in this state. Where nobody says, and where it did not end: until somebody deletes
    /// it.
    pub fn keep(&self, state: JobState) -> Keep {
        let said = match state {
            JobState::Succeeded => self.succeeded,
            JobState::Cancelled => self.cancelled,
            JobState::Failed => self.failed,
            JobState::Scheduled | JobState::Blocked | JobState::Ready | JobState::Running | JobState::Retrying => None,
        };
        said.unwrap_or(Keep::Forever)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Retention, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_upper_layer_wins_where_it_speaks() {
        let queue = read(r#"{"failed": "90d", "succeeded": 1000}"#).unwrap();
        let kind = read(r#"{"failed": "forever"}"#).unwrap();
        let all = Retention::HOST.overlaid_by(queue).overlaid_by(kind);
        for (state, expected) in [
            (JobState::Succeeded, Keep::For(Duration::from_secs(1))),
            (JobState::Cancelled, Keep::For(Duration::from_hours(24))),
            (JobState::Failed, Keep::Forever),
            (JobState::Ready, Keep::Forever),
        ] {
            assert_eq!(all.keep(state), expected, "{state}");
        }
        assert!(Retention::default().is_empty() && !kind.is_empty());
    }

    #[test]
    fn forms() {
        let text = r#"{"succeeded":"1d","cancelled":"0s","failed":"forever"}"#;
        assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        for text in [r#"{"failed": "never"}"#, r#"{"failed": -1}"#, r#"{"failed": true}"#, r#"{"retrying": "1d"}"#] {
            let refused = read(text).unwrap_err();
            assert!(
                refused.contains("duration") || refused.contains("negative") || refused.contains("unknown"),
                "{refused}"
            );
        }
    }

    #[test]
    fn times_are_compared_and_counted() {
        let day = Keep::For(Duration::from_hours(24));
        for (own, other, shorter) in [
            (day, day, false),
            (day, Keep::Forever, true),
            (Keep::Forever, day, false),
            (Keep::Forever, Keep::Forever, false),
        ] {
            assert_eq!(own.is_shorter_than(other), shorter);
        }
        assert_eq!(day.until(Timestamp(5)), Some(Timestamp(86_400_005)));
        assert_eq!(Keep::Forever.until(Timestamp(5)), None);
    }
}
