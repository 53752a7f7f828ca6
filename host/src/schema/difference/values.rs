//! Values of a schema as they are compared: equal as JSON Schema means it, or written alike.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use serde_json::{Number, Value};

use super::reading::ANNOTATIONS;
use super::steps::Steps;

/// Makes it impossible to write two values that look equal on purpose.
static SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A number that two values share if they are equal, and others by a chance that nobody meets: 1 is 1.0, and members
/// have no order.
pub(super) fn key(value: &Value, steps: &mut Steps) -> u64 {
    steps.take(1);
    let mut hasher = SALT.build_hasher();
    if steps.are_used_up() {
        return 0;
    }
    std::mem::discriminant(value).hash(&mut hasher);
    match value {
        Value::Null => {}
        Value::Bool(truth) => truth.hash(&mut hasher),
        Value::Number(number) => hash_number(number, &mut hasher),
        Value::String(text) => {
            steps.take_text(text);
            text.hash(&mut hasher);
        }
        Value::Array(elements) => elements.iter().for_each(|element| key(element, steps).hash(&mut hasher)),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                steps.take_text(name);
                SALT.hash_one((name, key(value, steps)))
            };
            members.iter().map(member).fold(0, u64::wrapping_add).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn hash_number(number: &Number, hasher: &mut impl Hasher) {
    match (number.as_i128(), number.as_f64()) {
        (Some(integer), _) => integer.hash(hasher),
        // No integer of JSON's is larger. `-0.0` is 0.
        (None, Some(float)) if float.fract() == 0.0 && float.abs() <= 2_f64.powi(64) => {
            #[allow(clippy::cast_possible_truncation)]
            let integer = float as i128;
            integer.hash(hasher);
        }
        (None, float) => float.map(f64::to_bits).hash(hasher),
    }
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
pub(super) fn is_of_type(value: &Value, types: &BTreeSet<&str>) -> bool {
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
