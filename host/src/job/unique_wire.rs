//! `unique` on the wire, of one job and of whatever makes jobs:
//! `{key | fields, scope, for, on_conflict, max_wait}`.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration::Span;
use super::field::FieldError;
use super::state::JobState;
use super::text::control_character;
use super::unique::{MAX_WAIT_DELAYS, OnConflict, Scope, Selector, UNIQUE_FIELDS_MAX, UNIQUE_KEY_BYTES_MAX, Unique};

/// That a job is to be the only one like it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(as = Unique)]
pub struct UniqueWire {
    /// What makes it the same as another one of its kind: a name of your own, 1 to 255 bytes. Not together with `fields`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The same: JSON pointers into the payload, 1 to 16. By default the whole payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["/customer"]))]
    pub fields: Option<Vec<String>>,
    /// The states in which it keeps others away. By default all in which it has not ended; with `debounce` those in which it
    /// waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub scope: Option<Vec<JobState>>,
    /// How long it keeps others away at most. With `throttle`: for how long exactly.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Span>,
    /// What becomes of this job if there is one like it. Default `reject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflict>,
    /// `debounce`: the longest wait, from the first job on. Default ten times `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<Span>,
}

/// An object only: what is derived would take an array, too, as the fields in their order.
impl<'de> Deserialize<'de> for UniqueWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = UniqueWire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, e.g. {\"fields\":[\"/customer\"],\"on_conflict\":\"return_existing\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UniqueWire, A::Error> {
                UniqueWire::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for UniqueWire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        UniqueWire::serialize(self, serializer)
    }
}

/// The same, checked, of any payload.
#[derive(Clone, Debug, PartialEq)]
pub struct UniqueRule {
    /// What is compared.
    pub selector: Selector,
    scope: Scope,
    period: Option<Duration>,
    pub(crate) on_conflict: OnConflict,
    delay: Duration,
    max_wait: Duration,
}

impl UniqueRule {
    /// Of a job of this kind with this payload (JSON text).
    pub fn of(&self, kind: &str, payload: &[u8]) -> Result<Unique, String> {
        Ok(Unique {
            identity: self.selector.identity(kind, payload)?,
            scope: self.scope,
            period: self.period,
            on_conflict: self.on_conflict,
            delay: self.delay,
            max_wait: self.max_wait,
        })
    }
}

impl UniqueWire {
    /// Checked; what is wrong goes to `errors` under `pointer`. `delay`: how long the job is to wait, as far as the request
    /// says so.
    pub fn rule(self, pointer: &str, delay: Option<Duration>, errors: &mut Vec<FieldError>) -> Option<UniqueRule> {
        let errors_before = errors.len();
        let mut refuse =
            |field: &str, message: &str| errors.push(FieldError::new(format!("{pointer}{field}"), message));
        let UniqueWire { key, fields, scope, period, on_conflict, max_wait } = self;
        let on_conflict = on_conflict.unwrap_or_default();
        let selector = match (key, fields) {
            (Some(_), Some(_)) => {
                refuse("/key", "give `key` or `fields`, not both");
                Selector::Payload
            }
            (Some(key), None) => {
                if key.is_empty() || key.len() > UNIQUE_KEY_BYTES_MAX {
                    refuse("/key", &format!("must have 1 to {UNIQUE_KEY_BYTES_MAX} bytes"));
                } else if let Some(message) = control_character(&key) {
                    refuse("/key", &message);
                }
                Selector::Key(key)
            }
            (None, Some(fields)) => {
                if fields.is_empty() || fields.len() > UNIQUE_FIELDS_MAX {
                    let message =
                        format!("name 1 to {UNIQUE_FIELDS_MAX} fields, or leave it out for the whole payload");
                    refuse("/fields", &message);
                }
                for (index, field) in fields.iter().enumerate() {
                    if let Some(message) = no_pointer(field) {
                        refuse(&format!("/fields/{index}"), &message);
                    }
                }
                Selector::Fields(fields)
            }
            (None, None) => Selector::Payload,
        };
        if period.is_some_and(|period| period.0.is_zero()) {
            refuse("/for", "must be more than 0");
        }
        let named = scope.map(|states| {
            if states.is_empty() {
                refuse("/scope", "name at least one state, or leave it out for all in which a job has not ended");
            }
            Scope::of(states)
        });
        let scope = match (on_conflict, named) {
            (OnConflict::Throttle, Some(_)) => {
                refuse("/scope", "`throttle` counts a job whatever became of it; leave `scope` out");
                Scope::ALWAYS
            }
            (OnConflict::Throttle, None) => Scope::ALWAYS,
            (OnConflict::Debounce, None) => Scope::waiting(),
            (_, None) => Scope::unfinished(),
            (OnConflict::Replace | OnConflict::Debounce, Some(scope)) => {
                if !scope.has_waiting() && scope != Scope::of([]) {
                    refuse(
                        "/scope",
                        "only a waiting job can be changed: name scheduled, blocked, ready or retrying, too",
                    );
                }
                scope
            }
            (OnConflict::Reject | OnConflict::ReturnExisting, Some(scope)) => scope,
        };
        if on_conflict == OnConflict::Throttle && period.is_none() {
            refuse("/for", "`throttle` needs the period of which there is to be one job, like \"1h\"");
        }
        let delay = delay.unwrap_or_default();
        match (on_conflict, max_wait) {
            (OnConflict::Debounce, max_wait) => {
                if delay.is_zero() {
                    refuse("/on_conflict", "`debounce` needs a `delay`, the time after which the last one is to run");
                }
                if max_wait.is_some_and(|max_wait| max_wait.0 < delay) {
                    refuse("/max_wait", "must not be shorter than `delay`");
                }
            }
            (_, Some(_)) => refuse("/max_wait", "is only for `debounce`"),
            (_, None) => {}
        }
        (errors.len() == errors_before).then(|| UniqueRule {
            selector,
            scope,
            period: period.map(|period| period.0),
            on_conflict,
            delay,
            max_wait: max_wait.map_or(delay.saturating_mul(MAX_WAIT_DELAYS), |max_wait| max_wait.0),
        })
    }
}

/// Why this is no JSON pointer (RFC 6901).
fn no_pointer(text: &str) -> Option<String> {
    if text.len() > UNIQUE_KEY_BYTES_MAX {
        return Some(format!("a pointer has at most {UNIQUE_KEY_BYTES_MAX} bytes"));
    }
    if !text.starts_with('/') {
        return Some("must be a JSON pointer, which begins with `/`: \"/customer/id\"".to_owned());
    }
    let escapes = text.split('~').skip(1);
    let is_sound = escapes.into_iter().all(|rest| rest.starts_with(['0', '1']));
    (!is_sound).then(|| "in a JSON pointer `~` is written `~0`, and `/` within a name `~1`".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(json: &str, delay_s: u64) -> Vec<String> {
        let wire: UniqueWire = serde_json::from_str(json).unwrap();
        let mut errors = Vec::new();
        let delay = (delay_s > 0).then(|| Duration::from_secs(delay_s));
        let rule = wire.rule("/unique", delay, &mut errors);
        assert_eq!(rule.is_none(), !errors.is_empty(), "{json}");
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn what_makes_no_sense_is_refused_where_it_stands() {
        for (json, delay_s, pointers) in [
            ("{}", 0, &[][..]),
            (r#"{"key":"a","scope":["ready","succeeded"],"for":"1h"}"#, 0, &[]),
            (r#"{"fields":["/a","/b/0","/c~1d~0"],"on_conflict":"replace"}"#, 0, &[]),
            (r#"{"on_conflict":"throttle","for":"1m"}"#, 0, &[]),
            (r#"{"on_conflict":"debounce","max_wait":"1m"}"#, 10, &[]),
            (r#"{"key":"a","fields":["/a"]}"#, 0, &["/unique/key"]),
            (r#"{"key":""}"#, 0, &["/unique/key"]),
            (r#"{"key":"a\u001b"}"#, 0, &["/unique/key"]),
            (r#"{"fields":[]}"#, 0, &["/unique/fields"]),
            (r#"{"fields":["a","/b~","/c~2"]}"#, 0, &["/unique/fields/0", "/unique/fields/1", "/unique/fields/2"]),
            (r#"{"scope":[]}"#, 0, &["/unique/scope"]),
            (r#"{"scope":[],"on_conflict":"replace"}"#, 0, &["/unique/scope"]),
            (r#"{"scope":["running"],"on_conflict":"replace"}"#, 0, &["/unique/scope"]),
            (r#"{"scope":["failed"],"on_conflict":"debounce"}"#, 10, &["/unique/scope"]),
            (r#"{"scope":["ready"],"on_conflict":"throttle","for":1000}"#, 0, &["/unique/scope"]),
            (r#"{"for":0}"#, 0, &["/unique/for"]),
            (r#"{"on_conflict":"throttle"}"#, 0, &["/unique/for"]),
            (r#"{"on_conflict":"debounce"}"#, 0, &["/unique/on_conflict"]),
            (r#"{"on_conflict":"debounce","max_wait":"1s"}"#, 2, &["/unique/max_wait"]),
            (r#"{"max_wait":"1s"}"#, 2, &["/unique/max_wait"]),
        ] {
            assert_eq!(refused(json, delay_s), pointers, "{json}");
        }
        for json in [r#"{"scope":["done"]}"#, r#"{"on_conflict":"ignore"}"#, r#"{"per":"1h"}"#, r#"{"for":"soon"}"#] {
            assert!(serde_json::from_str::<UniqueWire>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_meaning() {
        let unique = |json: &str, delay_s: u64| {
            let wire: UniqueWire = serde_json::from_str(json).unwrap();
            let rule = wire.rule("", Some(Duration::from_secs(delay_s)), &mut Vec::new()).unwrap();
            rule.of("kind", b"{\"a\":1}").unwrap()
        };
        let plain = unique("{}", 0);
        assert_eq!((plain.scope, plain.on_conflict), (Scope::unfinished(), OnConflict::Reject));
        assert_eq!(unique(r#"{"on_conflict":"throttle","for":5}"#, 0).scope, Scope::ALWAYS);
        let debounced = unique(r#"{"on_conflict":"debounce"}"#, 3);
        assert_eq!((debounced.scope, debounced.max_wait), (Scope::waiting(), Duration::from_secs(30)));
        assert_eq!(plain.identity, debounced.identity);
    }
}
