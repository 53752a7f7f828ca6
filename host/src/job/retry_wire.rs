//! Retry policies on the wire, of kinds and of jobs: `{strategy: "exponential", base, cap, jitter}`,
//! `{strategy: "fixed", delay}` or `{strategy: "list", delays: […]}`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration::Span;
use super::field::FieldError;
use super::outcome::FailureReason;
use super::retry::{
    RETRY_BASE_DEFAULT, RETRY_CAP_DEFAULT, RETRY_DELAY_MAX, RETRY_DELAYS_MAX, RETRY_JITTER_DEFAULT, RetryPolicy,
};

/// The names of the strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Doubles from `base` up to `cap`.
    Exponential,
    /// Always `delay`.
    Fixed,
    /// One after the other; the last repeats.
    List,
}

/// Delays between attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(as = Retry)]
pub struct RetryWire {
    /// Which form.
    pub strategy: Strategy,
    /// `exponential`: after the first attempt. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Span>,
    /// `exponential`: the longest. Default 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Span>,
    /// `exponential`: the share chance may take off, 0 to 1. Default 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// `fixed`: the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// `list`: the delays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delays: Option<Vec<Span>>,
}

/// Says which of the reasons in a `retry_on` may not stand there.
pub fn check_retry_on(retry_on: Option<&[FailureReason]>, errors: &mut Vec<FieldError>) {
    if let Some(reason) = retry_on.into_iter().flatten().find(|reason| !reason.is_guests()) {
        errors.push(FieldError::new("/retry_on", format!("`{reason}` is the host's to decide; leave it out")));
    }
}

/// An object only: what is derived would take an array, too, as the fields in their order.
impl<'de> Deserialize<'de> for RetryWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = RetryWire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a `strategy` (exponential, fixed or list), e.g. {\"strategy\":\"fixed\",\"delay\":\"30s\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetryWire, A::Error> {
                RetryWire::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for RetryWire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RetryWire::serialize(self, serializer)
    }
}

impl RetryWire {
    /// As the domain's policy; what is wrong goes to `errors` under `pointer`.
    pub fn policy(self, pointer: &str, errors: &mut Vec<FieldError>) -> Option<RetryPolicy> {
        let errors_before = errors.len();
        let mut refuse =
            |field: &str, message: String| errors.push(FieldError::new(format!("{pointer}/{field}"), message));
        let RetryWire { strategy, base, cap, jitter, delay, delays } = self;
        let allowed: &[&str] = match strategy {
            Strategy::Exponential => &["base", "cap", "jitter"],
            Strategy::Fixed => &["delay"],
            Strategy::List => &["delays"],
        };
        for (field, given) in [
            ("base", base.is_some()),
            ("cap", cap.is_some()),
            ("jitter", jitter.is_some()),
            ("delay", delay.is_some()),
            ("delays", delays.is_some()),
        ] {
            if given && !allowed.contains(&field) {
                refuse(field, format!("does not belong to this strategy, which takes {}", allowed.join(", ")));
            }
        }
        for (field, value) in [("base", base), ("cap", cap), ("delay", delay)] {
            if value.is_some_and(|value| value.0 > RETRY_DELAY_MAX) {
                refuse(field, format!("must be at most {}", Span(RETRY_DELAY_MAX)));
            }
        }
        if jitter.is_some_and(|jitter| !(0.0..=1.0).contains(&jitter)) {
            refuse("jitter", "must be between 0 and 1".to_owned());
        }
        let policy = match strategy {
            Strategy::Exponential => {
                let base = base.map_or(RETRY_BASE_DEFAULT, |base| base.0);
                let cap = cap.map_or(RETRY_CAP_DEFAULT.max(base), |cap| cap.0);
                if base > cap {
                    refuse("base", "must not be longer than cap".to_owned());
                }
                Some(RetryPolicy::Exponential { base, cap, jitter: jitter.unwrap_or(RETRY_JITTER_DEFAULT) })
            }
            Strategy::Fixed => {
                if delay.is_none() {
                    refuse("delay", "is needed by the strategy `fixed`".to_owned());
                }
                delay.map(|delay| RetryPolicy::Fixed { delay: delay.0 })
            }
            Strategy::List => {
                let delays = delays.unwrap_or_default();
                if delays.is_empty() || delays.len() > RETRY_DELAYS_MAX {
                    refuse("delays", format!("must hold 1 to {RETRY_DELAYS_MAX} delays"));
                } else if delays.iter().any(|delay| delay.0 > RETRY_DELAY_MAX) {
                    refuse("delays", format!("each must be at most {}", Span(RETRY_DELAY_MAX)));
                }
                Some(RetryPolicy::List { delays: delays.into_iter().map(|delay| delay.0).collect() })
            }
        };
        if errors.len() == errors_before { policy } else { None }
    }
}

impl From<&RetryPolicy> for RetryWire {
    fn from(policy: &RetryPolicy) -> Self {
        let empty = |strategy| RetryWire { strategy, base: None, cap: None, jitter: None, delay: None, delays: None };
        match policy {
            RetryPolicy::Exponential { base, cap, jitter } => RetryWire {
                base: Some(Span(*base)),
                cap: Some(Span(*cap)),
                jitter: Some(*jitter),
                ..empty(Strategy::Exponential)
            },
            RetryPolicy::Fixed { delay } => RetryWire { delay: Some(Span(*delay)), ..empty(Strategy::Fixed) },
            RetryPolicy::List { delays } => {
                RetryWire { delays: Some(delays.iter().copied().map(Span).collect()), ..empty(Strategy::List) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    fn policy(text: &str) -> Result<RetryPolicy, String> {
        let retry: RetryWire = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut errors = Vec::new();
        let policy = retry.policy("/retry", &mut errors);
        match errors.first() {
            Some(error) => Err(error.pointer.clone()),
            None => Ok(policy.unwrap()),
        }
    }

    #[test]
    fn forms() {
        let delays = vec![Duration::from_secs(1), Duration::from_millis(2)];
        for (text, expected) in [
            (r#"{"strategy":"exponential"}"#, RetryPolicy::default()),
            (r#"{"strategy":"fixed","delay":"1s"}"#, RetryPolicy::Fixed { delay: Duration::from_secs(1) }),
            (r#"{"strategy":"list","delays":["1s",2]}"#, RetryPolicy::List { delays }),
        ] {
            let policy = policy(text).unwrap();
            assert_eq!(policy, expected);
            let shown = serde_json::to_string(&RetryWire::from(&policy)).unwrap();
            assert_eq!(self::policy(&shown).unwrap(), policy, "{shown}");
        }
    }

    #[test]
    fn refusals() {
        for (text, pointer) in [
            (r#"{"strategy":"fixed"}"#, "/retry/delay"),
            (r#"{"strategy":"fixed","delay":1,"cap":1}"#, "/retry/cap"),
            (r#"{"strategy":"fixed","delay":"31d"}"#, "/retry/delay"),
            (r#"{"strategy":"list"}"#, "/retry/delays"),
            (r#"{"strategy":"list","delays":["1s","31d"]}"#, "/retry/delays"),
            (r#"{"strategy":"exponential","jitter":1.5}"#, "/retry/jitter"),
            (r#"{"strategy":"exponential","base":"2h"}"#, ""),
            (r#"{"strategy":"exponential","base":"2s","cap":"1s"}"#, "/retry/base"),
        ] {
            match policy(text) {
                Ok(_) => assert!(pointer.is_empty(), "{text}"),
                Err(found) => assert_eq!(found, pointer, "{text}"),
            }
        }
        let refused = serde_json::from_str::<RetryWire>(r#""linear""#).unwrap_err().to_string();
        assert!(
            refused.contains("exponential, fixed or list") && refused.contains(r#"{"strategy":"fixed""#),
            "{refused}"
        );
        for text in [r#"{"strategy":"linear"}"#, r#"{"delay":1}"#, r#"{"strategy":"fixed","delay":-1}"#] {
            assert!(policy(text).is_err(), "{text}");
        }
    }
}
