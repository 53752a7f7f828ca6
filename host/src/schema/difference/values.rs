//! Values of a schema as they are compared: equal as JSON Schema means it, or written alike.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::reading::ANNOTATIONS;
use super::steps::Steps;

/// A text that two values share if they are equal: 1 is 1.0, and members have no order.
pub(super) fn key(value: &Value, steps: &mut Steps) -> String {
    let mut key = String::new();
    write_key(value, &mut key, steps);
    key
}

fn write_key(value: &Value, key: &mut String, steps: &mut Steps) {
    steps.take(1);
    if steps.are_used_up() {
        return;
    }
    match value {
        Value::Null => key.push('n'),
        Value::Bool(truth) => key.push(if *truth { 't' } else { 'f' }),
        Value::Number(number) => write_number(number, key),
        Value::String(text) => write_text(text, key, steps),
        Value::Array(elements) => {
            key.push('[');
            for element in elements {
                write_key(element, key, steps);
                key.push(',');
            }
            key.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            key.push('{');
            for (name, value) in members {
                write_text(name, key, steps);
                write_key(value, key, steps);
            }
            key.push('}');
        }
    }
}

/// By its length, so that no text ends in the middle of another one's.
fn write_text(text: &str, key: &mut String, steps: &mut Steps) {
    steps.take_text(text);
    // Writing to a text does not fail.
    let _infallible = write!(key, "\"{}:{text}", text.len());
}

fn write_number(number: &Number, key: &mut String) {
    let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
    let _infallible = match whole {
        // As the integer of the same value is written; `-0.0` is 0.
        Some(float) => write!(key, "{:.0}", float + 0.0),
        None => write!(key, "{number}"),
    };
}

/// Whether two values are written alike.
pub(super) fn is_same(before: &Value, after: &Value, steps: &mut Steps) -> bool {
    steps.take(1);
    if steps.are_used_up() {
        return false;
    }
    match (before, after) {
        (Value::String(before), Value::String(after)) => {
            steps.take_text(before);
            before == after
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| is_same(before, after, steps))
        }
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before.iter().all(|(name, before)| {
                    steps.take_text(name);
                    after.get(name).is_some_and(|after| is_same(before, after, steps))
                })
        }
        (before, after) => before == after,
    }
}

/// Whether it is of one of these types.
pub(super) fn is_of_type(value: &Value, types: &std::collections::BTreeSet<&str>) -> bool {
    match value {
        Value::Number(number) => {
            let is_whole = !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0);
            types.contains("number") || (is_whole && types.contains("integer"))
        }
        other => types.contains(type_of(other)),
    }
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What the value of a keyword holds.
enum Holds {
    Schema,
    Schemas,
    NamedSchemas,
    Other,
}

fn holds(keyword: &str) -> Holds {
    match keyword {
        "items"
        | "additionalItems"
        | "additionalProperties"
        | "contains"
        | "else"
        | "if"
        | "not"
        | "propertyNames"
        | "then"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::Schemas,
        "$defs" | "definitions" | "dependentSchemas" | "patternProperties" | "properties" => Holds::NamedSchemas,
        _ => Holds::Other,
    }
}

/// Whether two schemas say the same, apart from descriptions. Values that only look like schemas are left whole.
pub(super) fn say_the_same(before: &Value, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return before == after };
    let describes = |keyword: &str| {
        ANNOTATIONS.contains(&keyword) && !matches!(keyword, "default" | "$defs" | "definitions" | "$schema" | "$id")
    };
    let says = |map: &serde_json::Map<String, Value>| map.keys().filter(|keyword| !describes(keyword)).count();
    says(before) == says(after)
        && before.iter().filter(|(keyword, _)| !describes(keyword)).all(|(keyword, before)| {
            let Some(after) = after.get(keyword) else { return false };
            match (holds(keyword), before, after) {
                (Holds::Schema, before, after) => say_the_same(before, after),
                (Holds::Schemas, Value::Array(before), Value::Array(after)) => {
                    before.len() == after.len() && before.iter().zip(after).all(|(b, a)| say_the_same(b, a))
                }
                (Holds::NamedSchemas, Value::Object(before), Value::Object(after)) => {
                    before.len() == after.len()
                        && before.iter().all(|(name, b)| after.get(name).is_some_and(|a| say_the_same(b, a)))
                }
                (_, before, after) => before == after,
            }
        })
}
