//! One schema as it is read for a comparison: references followed, the ways to write "or null" and "one of these"
//! made alike.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// References followed from one place.
const REFERENCES_MAX: usize = 16;
/// What says nothing about which values are valid.
pub(super) const ANNOTATIONS: [&str; 12] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// A schema with its document.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) root: &'a Value,
}

/// One place of a schema, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading<'a> {
    /// `false`: nothing is valid here.
    pub(super) is_never: bool,
    /// `None`: of any type. Without `null`, which is apart.
    pub(super) types: Option<BTreeSet<&'a str>>,
    pub(super) takes_null: bool,
    /// The only values there are, if so; without `null`.
    pub(super) choices: Option<Vec<&'a Value>>,
    /// Alternatives that are more than single values.
    pub(super) variants: Vec<&'a Value>,
    /// Everything else that was written here.
    pub(super) rest: Option<&'a Map<String, Value>>,
    /// Where it was found, to notice a place that is its own part.
    pub(super) at: usize,
}

impl<'a> Document<'a> {
    /// What a reference leads to, or the schema itself.
    pub(super) fn resolve(self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..REFERENCES_MAX {
            let Some(target) = alone(schema).and_then(|schema| self.target(schema)) else { return schema };
            schema = target;
        }
        schema
    }

    fn target(self, schema: &'a Value) -> Option<&'a Value> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.root.pointer(reference.strip_prefix('#')?);
        }
        // As older generators write a reference with a description beside it.
        schema.get("allOf")?.as_array().filter(|all| all.len() == 1)?.first()
    }

    /// Reads a place.
    pub(super) fn read(self, schema: &'a Value) -> Reading<'a> {
        self.read_within(schema, REFERENCES_MAX)
    }

    /// `steps_left`: through alternatives, which may lead back to where they stand.
    fn read_within(self, schema: &'a Value, steps_left: usize) -> Reading<'a> {
        let schema = self.resolve(schema);
        let at = std::ptr::from_ref(schema).addr();
        let Some(map) = schema.as_object() else {
            return Reading { is_never: *schema == Value::Bool(false), takes_null: true, at, ..Reading::default() };
        };
        let mut reading = Reading { rest: Some(map), at, takes_null: true, ..Reading::default() };
        match map.get("type") {
            Some(Value::String(name)) => reading.narrow([name.as_str()].into()),
            Some(Value::Array(names)) => reading.narrow(names.iter().filter_map(Value::as_str).collect()),
            _ => {}
        }
        let listed = map.get("const").map(|value| vec![value]);
        let listed = listed.or_else(|| Some(map.get("enum")?.as_array()?.iter().collect()));
        if let Some(values) = listed {
            reading.choose(values);
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(alternatives) = map.get(keyword).and_then(Value::as_array) {
                self.read_alternatives(alternatives, &mut reading, steps_left);
            }
        }
        reading
    }

    fn read_alternatives(self, alternatives: &'a [Value], reading: &mut Reading<'a>, steps_left: usize) {
        let resolved: Vec<&Value> = alternatives.iter().map(|alternative| self.resolve(alternative)).collect();
        let (nulls, others): (Vec<&Value>, Vec<&Value>) =
            resolved.into_iter().partition(|schema| schema.get("type").and_then(Value::as_str) == Some("null"));
        // `X or null` is X, which may be null.
        if let ([only], false, Some(steps_left)) = (others.as_slice(), nulls.is_empty(), steps_left.checked_sub(1)) {
            let at = reading.at;
            *reading = Reading { takes_null: true, at, ..self.read_within(only, steps_left) };
            return;
        }
        let values: Option<Vec<&Value>> =
            others.iter().map(|schema| single_values(schema)).collect::<Option<Vec<_>>>().map(|all| all.concat());
        match values {
            Some(values) if !values.is_empty() => {
                reading.choose(values);
                reading.takes_null |= !nulls.is_empty();
            }
            _ => {
                reading.takes_null = !nulls.is_empty();
                reading.variants.extend(others);
            }
        }
    }
}

impl<'a> Reading<'a> {
    fn narrow(&mut self, mut types: BTreeSet<&'a str>) {
        self.takes_null = types.remove("null");
        // Every integer is a number.
        if types.contains("number") {
            types.remove("integer");
        }
        self.types = Some(types);
    }

    fn choose(&mut self, values: Vec<&'a Value>) {
        self.takes_null = values.iter().any(|value| value.is_null());
        self.choices = Some(values.into_iter().filter(|value| !value.is_null()).collect());
    }

    /// A keyword's value.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.rest?.get(keyword)
    }

    /// Members described by name.
    pub(super) fn properties(&self) -> Option<&'a Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    /// Whether a member must be there.
    pub(super) fn requires(&self, name: &str) -> bool {
        let required = self.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|required| required == name))
    }

    /// Whether it describes an object with members.
    pub(super) fn is_object(&self) -> bool {
        self.properties().is_some() || self.types.as_ref().is_some_and(|types| types.contains("object"))
    }
}

/// The schema, if it says nothing but where to look (and annotations).
fn alone(schema: &Value) -> Option<&Value> {
    let map = schema.as_object()?;
    let says = map.keys().filter(|keyword| !ANNOTATIONS.contains(&keyword.as_str()));
    let mut says = says.map(String::as_str);
    (matches!(says.next(), Some("$ref" | "allOf")) && says.next().is_none()).then_some(schema)
}

/// The values of an alternative that takes only those.
fn single_values(schema: &Value) -> Option<Vec<&Value>> {
    let map = schema.as_object()?;
    let plain = map.keys().all(|keyword| {
        matches!(keyword.as_str(), "const" | "enum" | "type") || ANNOTATIONS.contains(&keyword.as_str())
    });
    let values = map.get("const").map(|value| vec![value]);
    let values = values.or_else(|| Some(map.get("enum")?.as_array()?.iter().collect()));
    values.filter(|_| plain)
}
