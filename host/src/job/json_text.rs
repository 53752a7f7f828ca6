//! JSON that every reader takes in the same way (RFC 7493): what payloads and outputs must be, whatever their schema.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting of arrays and objects: what parsers on the way, guests' included, are sure to read.
const NESTING_MAX: usize = 127;
/// Numbers of fewer characters and without an exponent are finite as 64-bit floats.
const FINITE_CHARS_MAX: usize = 308;

/// What well-formed JSON has in it that is no use to most readers: half of a surrogate pair, numbers past 64-bit floats,
/// bottomless nesting. A sentence without its subject. One pass, nothing is built.
pub fn stumbling_block(text: &[u8]) -> Option<String> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => match end_of_string(text, at + 1) {
                Ok(end) => at = end,
                Err(found) => return Some(format!("byte {found} begins half of a surrogate pair, which is no text")),
            },
            b'[' | b'{' => {
                depth += 1;
                if depth > NESTING_MAX {
                    return Some(format!("is nested deeper than {NESTING_MAX} levels at byte {at}"));
                }
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let rest = text.get(at..).unwrap_or_default();
                let length = rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
                if !is_finite(rest.get(..length).unwrap_or_default()) {
                    return Some(format!("the number at byte {at} is too large for 64-bit floats"));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// Just after the string whose first character is at `at`; or where half of a surrogate pair is.
fn end_of_string(text: &[u8], mut at: usize) -> Result<usize, usize> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(found) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else { return Ok(text.len()) };
        at += found;
        if text.get(at) == Some(&b'"') {
            return Ok(at + 1);
        }
        at += match unit(at) {
            None => 2,
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => return Err(at),
            Some(_) => 6,
        };
    }
}

fn is_finite(number: &[u8]) -> bool {
    let is_plain = number.len() <= FINITE_CHARS_MAX && !number.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let parsed = || std::str::from_utf8(number).ok()?.parse::<f64>().ok();
    is_plain || parsed().is_some_and(f64::is_finite)
}

/// A payload or output as a value, to be checked against a schema. Duplicate keys are refused: its reader might take the
/// other one than was checked.
pub fn parse_strict_value(text: &str) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

/// An object read in the same way.
pub struct StrictObject(pub Map<String, Value>);

impl<'de> Deserialize<'de> for StrictObject {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StrictMembers).map(StrictObject)
    }
}

struct StrictMembers;

impl<'de> Visitor<'de> for StrictMembers {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("duplicate key `{key}`")));
            }
            let value = access.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(map)
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Strict)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        StrictMembers.visit_map(access).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn strict_values_refuse_duplicate_keys_and_bottomless_nesting() {
        let text = r#"{"a": [1, -2, 2.5, "x", null, true, {"b": {}}]}"#;
        assert_eq!(parse_strict_value(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert!(parse_strict_value(r#"{"a": {"b": 1, "b": 2}}"#).unwrap_err().contains("duplicate key `b`"));
        assert!(parse_strict_value(&"[".repeat(100_000)).is_err());
        assert!(parse_strict_value("1e999").is_err());
    }
}
