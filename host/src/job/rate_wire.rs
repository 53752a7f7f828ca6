//! Rates on the wire: `"100/m"`, or `{limit, per, burst}`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration::Span;
use super::field::FieldError;
use super::rate::{RATE_LIMIT_MAX, RATE_PERIOD_MAX, Rate};

/// Shortest period a rate may have.
const RATE_PERIOD_MIN: Duration = Duration::from_millis(1);
/// Words for a period.
const PERIODS: [(&str, Duration); 10] = [
    ("s", Duration::from_secs(1)),
    ("sec", Duration::from_secs(1)),
    ("second", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("min", Duration::from_mins(1)),
    ("minute", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("hour", Duration::from_hours(1)),
    ("d", Duration::from_hours(24)),
    ("day", Duration::from_hours(24)),
];
const EXPECTED: &str =
    "a rate, like \"100/m\" (s, m, h or a duration after the slash) or {\"limit\":100,\"per\":\"1m\",\"burst\":10}";

/// So many in such a time, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateWire {
    /// Permits per period.
    pub limit: u64,
    /// The period.
    pub per: Span,
    /// Permits that can be saved up; by default those of one period.
    pub burst: Option<u64>,
}

/// Its form as an object.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rate)]
pub struct RateObject {
    /// So many may begin in one period, 1 to 1000000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    limit: u64,
    /// The period: `"1s"`, `"1m"`, … at most a day.
    per: Span,
    /// So many may begin at once after a pause, 1 to 1000000; by default `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: Option<u64>,
}

impl FromStr for RateWire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (limit, per) = text.split_once('/').ok_or_else(|| format!("must be {EXPECTED}"))?;
        let limit =
            limit.trim().parse().map_err(|_| format!("must be {EXPECTED}; before the slash stands a number"))?;
        let per = per.trim();
        let per = match PERIODS.iter().find(|(word, _)| *word == per) {
            Some((_, period)) => Span(*period),
            None => per.parse().map_err(|error| format!("must be {EXPECTED}; {error}"))?,
        };
        Ok(Self { limit, per, burst: None })
    }
}

impl fmt::Display for RateWire {
    /// The way it is read; the burst only where it was set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, per, burst } = self;
        match PERIODS.iter().find(|(_, period)| *period == per.0) {
            Some((word, _)) => write!(f, "{limit}/{word}")?,
            None => write!(f, "{limit}/{per}")?,
        }
        burst.map_or(Ok(()), |burst| write!(f, ", {burst} at once"))
    }
}

impl<'de> Deserialize<'de> for RateWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = RateWire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RateWire, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RateWire, A::Error> {
                let RateObject { limit, per, burst } = RateObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RateWire { limit, per, burst })
            }
        }
        deserializer.deserialize_any(TextOrObject)
    }
}

impl Serialize for RateWire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { limit, per, burst } = *self;
        RateObject { limit, per, burst }.serialize(serializer)
    }
}

impl utoipa::PartialSchema for RateWire {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("So many per `s`, `m`, `h`, `d` or duration."))
            .examples(["100/m"]);
        OneOfBuilder::new().item(text).item(<RateObject as utoipa::PartialSchema>::schema()).into()
    }
}

impl utoipa::ToSchema for RateWire {
    fn name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        <RateObject as utoipa::ToSchema>::schemas(schemas);
    }
}

impl RateWire {
    /// As the domain's rate; what is wrong goes to `errors` under `pointer`.
    pub fn rate(self, pointer: &str, errors: &mut Vec<FieldError>) -> Option<Rate> {
        let Self { limit, per, burst } = self;
        let mut number = |what: &str, value: u64| {
            let read = u32::try_from(value).ok().filter(|value| (1..=RATE_LIMIT_MAX).contains(value));
            if read.is_none() {
                let advice = if value == 0 { "; to begin nothing, pause the queue" } else { "" };
                let message = format!("`{what}` must be from 1 to {RATE_LIMIT_MAX}{advice}");
                errors.push(FieldError::new(pointer, message));
            }
            read
        };
        let (limit, burst) = (number("limit", limit), burst.map(|burst| number("burst", burst)));
        if !(RATE_PERIOD_MIN..=RATE_PERIOD_MAX).contains(&per.0) {
            let message = format!("`per` must be from {} to {}", Span(RATE_PERIOD_MIN), Span(RATE_PERIOD_MAX));
            errors.push(FieldError::new(pointer, message));
            return None;
        }
        let burst = match burst {
            Some(burst) => burst?,
            None => limit?,
        };
        Some(Rate { limit: limit?, per: per.0, burst })
    }
}

/// What the store keeps is what people write.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RateWire::from(*self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut errors = Vec::new();
        let rate = RateWire::deserialize(deserializer)?.rate("", &mut errors);
        rate.ok_or_else(|| de::Error::custom(errors.first().map_or(EXPECTED, |error| error.message.as_str())))
    }
}

impl From<Rate> for RateWire {
    fn from(Rate { limit, per, burst }: Rate) -> Self {
        Self { limit: limit.into(), per: Span(per), burst: (burst != limit).then_some(burst.into()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rate, String> {
        let wire: RateWire = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut errors = Vec::new();
        wire.rate("/rate", &mut errors).ok_or_else(|| {
            errors
                .into_iter()
                .map(|error| format!("{}: {}", error.pointer, error.message))
                .collect::<Vec<_>>()
                .join(" ")
        })
    }

    #[test]
    fn both_forms_are_read() {
        for (text, limit, per_ms, burst) in [
            (r#""10/s""#, 10, 1_000, 10),
            (r#""100/min""#, 100, 60_000, 100),
            (r#""5 / hour""#, 5, 3_600_000, 5),
            (r#""3/1m30s""#, 3, 90_000, 3),
            (r#"{"limit":10,"per":"1s"}"#, 10, 1_000, 10),
            (r#"{"limit":10,"per":500,"burst":2}"#, 10, 500, 2),
        ] {
            let rate = Rate { limit, per: Duration::from_millis(per_ms), burst };
            assert_eq!(read(text), Ok(rate), "{text}");
            let shown = serde_json::to_string(&RateWire::from(rate)).unwrap();
            assert_eq!(read(&shown), Ok(rate), "{shown}");
        }
    }

    #[test]
    fn what_is_no_rate_is_said() {
        for (text, said) in [
            (r#""10""#, "like \"100/m\""),
            (r#""ten/s""#, "before the slash stands a number"),
            (r#""10/fortnight""#, "like \"100/m\""),
            (r#""0/s""#, "pause the queue"),
            (r#""-1/s""#, "a number"),
            ("5", "like \"100/m\""),
            (r#"{"limit":0,"per":"1s"}"#, "/rate: `limit` must be from 1"),
            (r#"{"limit":1,"per":"1s","burst":0}"#, "`burst` must be from 1"),
            (r#"{"limit":1,"per":0}"#, "`per` must be from 1ms"),
            (r#"{"limit":1,"per":"25h"}"#, "`per` must be from 1ms to"),
            (r#"{"limit":1,"per":"1s","brust":2}"#, "unknown field"),
            (r#"[1,"1s"]"#, "like \"100/m\""),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
