//! JSON as the evaluator sees it: `serde_json` values, each look at which is a step of the budget.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, cmp};
use serde_json::{Map, Number, Value};

use super::budget::{step, step_bytes, step_name};

/// The representation.
pub(super) struct MeteredJson;

/// A value.
#[derive(Clone, Copy)]
pub(super) struct Metered<'a>(pub(super) &'a Value);

/// An object.
pub(super) struct MeteredObject<'a>(&'a Map<String, Value>);

/// An array.
pub(super) struct MeteredArray<'a>(&'a [Value]);

impl Json for MeteredJson {
    type Node<'a> = Metered<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;

    // A map is a tree, so a lookup compares as many keys as it is deep.
    const KEYS_PER_LOOKUP: usize = 2;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(Metered<'_>) -> T) -> T {
        *buffer = Value::String(string.to_owned());
        f(Metered(buffer))
    }
}

impl<'a> Node<'a, MeteredJson> for Metered<'a> {
    type Object = MeteredObject<'a>;
    type Array = MeteredArray<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<MeteredObject<'a>> {
        step(1);
        self.0.as_object().map(MeteredObject)
    }

    fn as_array(&self) -> Option<MeteredArray<'a>> {
        step(1);
        self.0.as_array().map(|items| MeteredArray(items))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        step(1);
        self.0.as_str().map(|text| {
            // It is asked for to be read.
            step_bytes(text.len());
            Cow::Borrowed(text)
        })
    }

    fn as_number(&self) -> Option<&'a Number> {
        step(1);
        match self.0 {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        step(1);
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        step(1);
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        step(1);
        match self.0 {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        equal(self.0, expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        step(1);
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        step(1);
        Some(NodeIdentity::new(std::ptr::from_ref(self.0).addr()))
    }
}

/// Members, each a step.
pub(super) struct Members<'a>(serde_json::map::Iter<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Metered<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        step(1);
        self.0.next().map(|(name, value)| {
            step_name(name);
            (name.as_str(), Metered(value))
        })
    }
}

impl<'a> Object<'a, MeteredJson> for MeteredObject<'a> {
    type Node = Metered<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Metered<'a>> {
        step(1);
        self.0.get(key.as_str()).map(Metered)
    }

    fn members(&self) -> Members<'a> {
        Members(self.0.iter())
    }
}

/// Elements, each a step.
pub(super) struct Elements<'a>(std::slice::Iter<'a, Value>);

impl<'a> Iterator for Elements<'a> {
    type Item = Metered<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        step(1);
        self.0.next().map(Metered)
    }
}

impl<'a> Array<'a, MeteredJson> for MeteredArray<'a> {
    type Node = Metered<'a>;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> Elements<'a> {
        Elements(self.0.iter())
    }

    fn is_unique(&self) -> bool {
        let mut seen = HashSet::new();
        self.0.iter().all(|item| seen.insert(Distinct(item)))
    }
}

/// Equal as JSON is: by the value of numbers. Members come in the order of their names.
fn equal(left: &Value, right: &Value) -> bool {
    step(1);
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            if left.len() == right.len() {
                step_bytes(left.len());
            }
            left == right
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut members = left.iter().zip(right);
            left.len() == right.len()
                && members.all(|((name, value), (other_name, other))| name == other_name && equal(value, other))
        }
        (left, right) => cmp::equal(left, right),
    }
}

/// Equal as JSON is: by the value of numbers, whatever the order of members.
struct Distinct<'a>(&'a Value);

impl PartialEq for Distinct<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Also where hashes collide on purpose.
        step(8);
        equal(self.0, other.0)
    }
}

impl Eq for Distinct<'_> {}

impl Hash for Distinct<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        step(1);
        std::mem::discriminant(self.0).hash(state);
        match self.0 {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            // Numbers that are equal are equal as floats; 0 and -0 are.
            Value::Number(number) => number.as_f64().map(|float| (float + 0.0).to_bits()).hash(state),
            Value::String(text) => {
                step_bytes(text.len());
                text.hash(state);
            }
            Value::Array(items) => {
                items.len().hash(state);
                for item in items {
                    Distinct(item).hash(state);
                }
            }
            // Members come in the order of their names.
            Value::Object(members) => {
                members.len().hash(state);
                for (name, value) in members {
                    step_bytes(name.len());
                    name.hash(state);
                    Distinct(value).hash(state);
                }
            }
        }
    }
}
