//! The shape of a schema, before anything is compiled of it: which of its values are schemas, where its references
//! lead, and whether all of it is small enough that the evaluator can neither run out of stack nor, between two looks
//! at a value, out of time.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::job::cut;

/// Schemas in a schema, itself included.
const SUBSCHEMAS_MAX: usize = 5_000;
/// Schemas that apply to one and the same value, one through the other (`$ref`, `allOf`, `not`, …): how deep.
const NESTING_MAX: usize = 64;
/// And how many, each counted as often as it applies.
const APPLICATIONS_MAX: u64 = 10_000;
/// And how many altogether beside `unevaluatedItems` and `unevaluatedProperties`, for each of which they are compiled
/// once more.
const UNEVALUATED_APPLICATIONS_MAX: u64 = 20_000;
/// Patterns (`pattern`, `patternProperties`).
const PATTERNS_MAX: usize = 128;
/// Of one pattern, bytes.
const PATTERN_BYTES_MAX: usize = 2 << 10;
/// Of all patterns, bytes.
const PATTERNS_BYTES_MAX: usize = 32 << 10;
/// Patterns of one `patternProperties`: each is matched against the name of every member.
const PROPERTY_PATTERNS_MAX: usize = 16;
/// Of a place in a message, bytes.
const PLACE_BYTES_MAX: usize = 200;

/// Keywords whose value is a schema for the value itself.
const APPLIED_HERE: &[&str] = &["not", "if", "then", "else", "contentSchema"];
/// Whose value is a list of such schemas.
const LISTS_APPLIED_HERE: &[&str] = &["allOf", "anyOf", "oneOf"];
/// Whose value maps names to such schemas (those of `dependencies` may be lists of names).
const MAPS_APPLIED_HERE: &[&str] = &["dependentSchemas", "dependencies"];
/// Whose value is a schema for parts of the value; that of `items` may be a list.
const APPLIED_TO_PARTS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "contains",
    "items",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTS_APPLIED_TO_PARTS: &[&str] = &["prefixItems", "items"];
/// `$defs` and `definitions` apply to nothing by themselves.
const MAPS_APPLIED_TO_PARTS: &[&str] = &["properties", "patternProperties", "$defs", "definitions"];
const REFERENCES: &[&str] = &["$ref", "$dynamicRef", "$recursiveRef"];
const ANCHORS: &[&str] = &["$anchor", "$dynamicAnchor"];
/// Keywords whose value is data, never a schema.
const DATA: &[&str] = &[
    "const",
    "default",
    "enum",
    "examples",
    "required",
    "dependentRequired",
    "type",
    "$vocabulary",
    "title",
    "format",
    "description",
    "pattern",
    "minimum",
    "maximum",
];

/// What there is to know of a sound schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape<'s> {
    pub(super) subschemas: usize,
    /// As many schemas as the evaluator makes of them.
    pub(super) compiled: usize,
    pub(super) patterns: Vec<PatternPlace<'s>>,
}

/// A pattern, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PatternPlace<'s> {
    pub(super) pattern: &'s str,
    pub(super) pointer: String,
    /// Members are found by it: `patternProperties`.
    pub(super) is_of_names: bool,
}

/// Refuses a schema past a bound, or one whose references lead nowhere, saying where and what.
pub(super) fn inspect(schema: &Value) -> Result<Shape<'_>, String> {
    let mut walk = Walk::of(schema)?;
    walk.schema(schema, "")?;
    walk.follow_references()?;
    let mut applied = vec![Applied::Unknown; walk.nodes.len()];
    let mut beside_unevaluated = 0_u64;
    for (index, node) in walk.nodes.iter().enumerate() {
        let (_, applications) = walk.count_applications(index, 0, &mut applied)?;
        if node.has_unevaluated {
            beside_unevaluated = beside_unevaluated.saturating_add(applications);
        }
        if beside_unevaluated > UNEVALUATED_APPLICATIONS_MAX {
            let what = format!(
                "more than {UNEVALUATED_APPLICATIONS_MAX} schemas apply beside `unevaluatedItems` and \
                 `unevaluatedProperties`; use `additionalProperties`, or close fewer schemas"
            );
            return Err(at(&node.pointer, &what));
        }
    }
    let subschemas = walk.nodes.len();
    let compiled = usize::try_from(beside_unevaluated).unwrap_or(usize::MAX).saturating_add(subschemas);
    Ok(Shape { subschemas, compiled, patterns: walk.patterns })
}

/// One schema in the schema.
struct Node {
    pointer: String,
    /// Schemas that apply to the same value as this one.
    applied_here: Vec<usize>,
    references: Vec<String>,
    has_unevaluated: bool,
}

struct Walk<'s> {
    root: &'s Value,
    /// The root's `$id`, as written.
    id: Option<&'s str>,
    nodes: Vec<Node>,
    by_pointer: BTreeMap<String, usize>,
    anchors: BTreeMap<&'s str, usize>,
    patterns: Vec<PatternPlace<'s>>,
    /// Of all patterns together.
    patterns_bytes: usize,
}

/// What is known of the schemas that apply through one schema.
#[derive(Clone, Copy)]
enum Applied {
    Unknown,
    /// Being counted: to meet it again is a circle.
    Open,
    Counted {
        depth: usize,
        applications: u64,
    },
}

impl<'s> Walk<'s> {
    fn of(root: &'s Value) -> Result<Self, String> {
        let id = root.get("$id").or_else(|| root.get("id")).and_then(Value::as_str);
        if id.is_some_and(|id| id.contains("json-schema.org")) {
            return Err(at("", "`$id` must not be a name under json-schema.org"));
        }
        Ok(Self {
            root,
            id,
            nodes: Vec::new(),
            by_pointer: BTreeMap::new(),
            anchors: BTreeMap::new(),
            patterns: Vec::new(),
            patterns_bytes: 0,
        })
    }

    /// Takes in a schema and every schema written in it. Recursion is as deep as JSON may be nested.
    fn schema(&mut self, schema: &'s Value, pointer: &str) -> Result<usize, String> {
        if let Some(known) = self.by_pointer.get(pointer) {
            return Ok(*known);
        }
        let index = self.nodes.len();
        if index == SUBSCHEMAS_MAX {
            return Err(format!("has more than {SUBSCHEMAS_MAX} schemas in it; describe less, or less exactly"));
        }
        self.by_pointer.insert(pointer.to_owned(), index);
        let has_unevaluated =
            ["unevaluatedItems", "unevaluatedProperties"].iter().any(|keyword| schema.get(keyword).is_some());
        self.nodes.push(Node {
            pointer: pointer.to_owned(),
            applied_here: Vec::new(),
            references: Vec::new(),
            has_unevaluated,
        });
        if let Value::Object(keywords) = schema {
            self.keywords(keywords, index, pointer)?;
        }
        Ok(index)
    }

    fn keywords(&mut self, keywords: &'s Map<String, Value>, index: usize, pointer: &str) -> Result<(), String> {
        if !pointer.is_empty() && self.begins_document(keywords) {
            let what = "only the outermost schema may have `$id` or `$schema`; leave it out and refer to this one as `#/$defs/…`";
            return Err(at(pointer, what));
        }
        for (keyword, value) in keywords {
            let name = keyword.as_str();
            let below = || format!("{pointer}/{}", escaped(name));
            match value {
                Value::Bool(_) | Value::Object(_) if APPLIED_HERE.contains(&name) => {
                    let child = self.schema(value, &below())?;
                    self.nodes[index].applied_here.push(child);
                }
                Value::Bool(_) | Value::Object(_) if APPLIED_TO_PARTS.contains(&name) => {
                    self.schema(value, &below())?;
                }
                Value::Array(items) if LISTS_APPLIED_HERE.contains(&name) => {
                    for (number, item) in items.iter().enumerate() {
                        let child = self.schema(item, &format!("{}/{number}", below()))?;
                        self.nodes[index].applied_here.push(child);
                    }
                }
                Value::Array(items) if LISTS_APPLIED_TO_PARTS.contains(&name) => {
                    for (number, item) in items.iter().enumerate() {
                        self.schema(item, &format!("{}/{number}", below()))?;
                    }
                }
                Value::Object(map) if MAPS_APPLIED_HERE.contains(&name) => {
                    for (key, item) in map.iter().filter(|(_, item)| !item.is_array()) {
                        let child = self.schema(item, &format!("{}/{}", below(), escaped(key)))?;
                        self.nodes[index].applied_here.push(child);
                    }
                }
                Value::Object(map) if MAPS_APPLIED_TO_PARTS.contains(&name) => {
                    if name == "patternProperties" {
                        self.property_patterns(map, pointer)?;
                    }
                    for (key, item) in map {
                        self.schema(item, &format!("{}/{}", below(), escaped(key)))?;
                    }
                }
                Value::String(reference) if REFERENCES.contains(&name) => {
                    self.nodes[index].references.push(reference.clone());
                }
                Value::String(anchor) if ANCHORS.contains(&name) => self.anchor(anchor, index, pointer)?,
                Value::String(pattern) if name == "pattern" => self.pattern(pattern, pointer, false)?,
                // Judged by the evaluator; unknown ones are followed where a reference leads into them.
                _ => {}
            }
        }
        Ok(())
    }

    /// References in it would be read as relative to another document than the outermost schema.
    fn begins_document(&self, keywords: &Map<String, Value>) -> bool {
        let is_draft_4 =
            self.root.get("$schema").and_then(Value::as_str).is_some_and(|draft| draft.contains("draft-04"));
        keywords.contains_key("$id")
            || keywords.contains_key("$schema")
            || (is_draft_4 && keywords.get("id").is_some_and(Value::is_string))
    }

    fn anchor(&mut self, anchor: &'s str, index: usize, pointer: &str) -> Result<(), String> {
        match self.anchors.insert(anchor, index) {
            Some(other) if other != index => {
                Err(at(pointer, &format!("the anchor `{}` is there twice", shown(anchor))))
            }
            _ => Ok(()),
        }
    }

    fn pattern(&mut self, pattern: &'s str, pointer: &str, is_of_names: bool) -> Result<(), String> {
        if self.patterns.len() == PATTERNS_MAX {
            return Err(format!("has more than {PATTERNS_MAX} patterns in it; check less exactly, or use `format`"));
        }
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(at(pointer, &format!("a pattern is longer than {PATTERN_BYTES_MAX} bytes")));
        }
        self.patterns_bytes += pattern.len();
        if self.patterns_bytes > PATTERNS_BYTES_MAX {
            return Err(format!("has more than {PATTERNS_BYTES_MAX} bytes of patterns in it; check less exactly"));
        }
        self.patterns.push(PatternPlace { pattern, pointer: pointer.to_owned(), is_of_names });
        Ok(())
    }

    fn property_patterns(&mut self, map: &'s Map<String, Value>, pointer: &str) -> Result<(), String> {
        if map.len() > PROPERTY_PATTERNS_MAX {
            return Err(at(pointer, &format!("`patternProperties` has more than {PROPERTY_PATTERNS_MAX} patterns")));
        }
        map.keys().try_for_each(|pattern| self.pattern(pattern, pointer, true))
    }

    /// Finds what every reference means. Targets outside of the known places are schemas too, and may refer on.
    fn follow_references(&mut self) -> Result<(), String> {
        let mut index = 0;
        while index < self.nodes.len() {
            for reference in std::mem::take(&mut self.nodes[index].references) {
                let target = self.target(&reference).map_err(|why| {
                    at(&self.nodes[index].pointer, &format!("the reference `{}` {why}", shown(&reference)))
                })?;
                self.nodes[index].applied_here.push(target);
            }
            index += 1;
        }
        Ok(())
    }

    fn target(&mut self, reference: &str) -> Result<usize, String> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if !document.is_empty() && self.id.map(|id| id.trim_end_matches('#')) != Some(document) {
            return Err(
                "leads out of the schema; put what it names under `$defs` and refer to it as `#/$defs/…`".to_owned()
            );
        }
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let known = self.anchors.get(fragment.as_ref());
            return known.copied().ok_or_else(|| "names no `$anchor` of this schema".to_owned());
        }
        // One spelling for each place.
        let steps: Vec<String> = fragment.split('/').skip(1).map(unescaped).collect();
        let pointer = pointer_of(&steps);
        if let Some(known) = self.by_pointer.get(&pointer) {
            return Ok(*known);
        }
        let target = self.root.pointer(&pointer).ok_or("leads nowhere")?;
        let lengths = || (0..steps.len()).rev();
        let prefix = |length: usize| pointer_of(steps.get(..length).unwrap_or_default());
        let enclosing = lengths().find(|length| self.by_pointer.contains_key(&prefix(*length)));
        let passed = lengths().filter(|length| Some(*length) > enclosing);
        if passed
            .filter_map(|length| self.root.pointer(&prefix(length)))
            .any(|value| value.as_object().is_some_and(|keywords| self.begins_document(keywords)))
        {
            return Err("leads through something with an `$id` of its own; leave that out".to_owned());
        }
        let keyword = enclosing.and_then(|length| steps.get(length)).map(String::as_str).unwrap_or_default();
        let is_known = [
            APPLIED_HERE,
            LISTS_APPLIED_HERE,
            MAPS_APPLIED_HERE,
            APPLIED_TO_PARTS,
            LISTS_APPLIED_TO_PARTS,
            MAPS_APPLIED_TO_PARTS,
            REFERENCES,
            ANCHORS,
            DATA,
        ]
        .iter()
        .any(|keywords| keywords.contains(&keyword));
        if is_known || !matches!(target, Value::Object(_) | Value::Bool(_)) {
            return Err("leads to something that is no schema".to_owned());
        }
        self.schema(target, &pointer)
    }

    /// Depth and number of the schemas applied through this one, to one value. Recursion is bounded by the depth.
    fn count_applications(&self, index: usize, above: usize, applied: &mut [Applied]) -> Result<(usize, u64), String> {
        let node = &self.nodes[index];
        match applied[index] {
            Applied::Counted { depth, applications } => return Ok((depth, applications)),
            Applied::Open => return Err(at(&node.pointer, "applies itself to the same value without end")),
            Applied::Unknown => {}
        }
        let too_deep = || at(&node.pointer, &format!("more than {NESTING_MAX} schemas apply one through the other"));
        if above == NESTING_MAX {
            return Err(too_deep());
        }
        applied[index] = Applied::Open;
        let (mut depth, mut applications) = (1, 1_u64);
        for child in &node.applied_here {
            let (below, more) = self.count_applications(*child, above + 1, applied)?;
            depth = depth.max(below + 1);
            applications = applications.saturating_add(more);
        }
        if depth > NESTING_MAX {
            return Err(too_deep());
        }
        if applications > APPLICATIONS_MAX {
            let what = format!("more than {APPLICATIONS_MAX} schemas apply to one value, counted as often as they do");
            return Err(at(&node.pointer, &what));
        }
        applied[index] = Applied::Counted { depth, applications };
        Ok((depth, applications))
    }
}

pub(super) fn at(pointer: &str, what: &str) -> String {
    format!("is refused at `#{}`: {what}", cut(pointer.to_owned(), PLACE_BYTES_MAX))
}

fn shown(text: &str) -> String {
    cut(text.to_owned(), PLACE_BYTES_MAX)
}

fn pointer_of(steps: &[String]) -> String {
    steps.iter().flat_map(|step| ["/".to_owned(), escaped(step)]).collect()
}

fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(links: usize, link: impl Fn(String) -> Value) -> Value {
        let mut defs: Map<String, Value> =
            (0..links).map(|n| (n.to_string(), link(format!("#/$defs/{}", n + 1)))).collect();
        defs.insert(links.to_string(), json!({"type": "string"}));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    }

    /// So many schemas, each closed around the same one, which applies 4,095.
    fn many_closed(count: usize) -> Value {
        let mut schema = chain(10, |next| json!({"allOf": [{"$ref": next}, {"$ref": next}]}));
        let closed = json!({"$ref": "#/$defs/0", "unevaluatedProperties": false});
        schema["properties"] = (0..count).map(|n| (n.to_string(), closed.clone())).collect::<Map<_, _>>().into();
        schema
    }

    #[test]
    fn what_people_write_is_taken() {
        let tree = json!({"anyOf": [{"type": "integer"}, {"properties": {"child": {"$ref": "#/$defs/n"}}}]});
        for (schema, subschemas) in [
            (json!(true), 1),
            (json!({}), 1),
            (json!({"$ref": "#/$defs/n", "$defs": {"n": tree}}), 5),
            (json!({"$id": "urn:a", "items": {"$ref": "urn:a#"}}), 2),
            (json!({"properties": {"next": {"$ref": "#"}}}), 2),
            (json!({"$recursiveAnchor": true, "items": {"$recursiveRef": "#"}}), 2),
            (json!({"$dynamicAnchor": "t", "items": {"$dynamicRef": "#t"}}), 2),
            (json!({"$ref": "#/components/a~1b", "components": {"a/b": {"type": "string"}}}), 2),
            (json!({"$ref": "#/definitions/a%20b", "definitions": {"a b": false}}), 2),
            (json!({"enum": [{"$ref": "http://elsewhere"}], "default": {"$id": "x"}}), 1),
            (json!({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}), 3),
            (json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}, "items": [true, {}]}), 4),
            (many_closed(4), 40),
            (chain(NESTING_MAX - 2, |next| json!({"$ref": next})), NESTING_MAX),
        ] {
            assert_eq!(inspect(&schema).map(|shape| shape.subschemas), Ok(subschemas), "{schema}");
        }
    }

    #[test]
    fn what_could_go_wrong_is_refused_and_named() {
        let doubling = |next: String| json!({"anyOf": [{"$ref": next}, {"$ref": next}]});
        let many: Vec<Value> = vec![json!({}); SUBSCHEMAS_MAX];
        let patterns = |count: usize| (0..count).map(|n| (n.to_string(), json!(true))).collect::<Map<_, _>>();
        for (schema, said) in [
            (json!({"$ref": "#"}), "without end"),
            (json!({"allOf": [{"$ref": "#"}]}), "`#"),
            (json!({"$ref": "http://example.com/schema"}), "out of the schema"),
            (json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}), "out of the schema"),
            (json!({"$id": "https://json-schema.org/draft/2020-12/schema"}), "json-schema.org"),
            (json!({"items": {"$ref": "#/$defs/missing"}}), "leads nowhere"),
            (json!({"items": {"$ref": "#missing"}}), "$anchor"),
            (json!({"$ref": "#/properties", "properties": {"type": true}}), "no schema"),
            (json!({"$ref": "#/enum/0", "enum": [{}]}), "no schema"),
            (json!({"$ref": "#/x", "x": 5}), "no schema"),
            (json!({"$defs": {"a": {"$id": "urn:a"}}}), "#/$defs/a"),
            (json!({"$ref": "#/x/y", "x": {"$id": "urn:a", "y": {"$ref": "#/z"}}, "z": true}), "`$id` of its own"),
            (json!({"$schema": "http://json-schema.org/draft-04/schema#", "not": {"id": "urn:a"}}), "#/not"),
            (json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}), "twice"),
            (json!({ "anyOf": many }), "5000 schemas"),
            (chain(NESTING_MAX, |next| json!({"$ref": next, "unevaluatedProperties": false})), "64 schemas"),
            (chain(4_000, |next| json!({"anyOf": [{"not": {"$ref": next}}]})), "schemas"),
            (chain(20, doubling), "as often"),
            (many_closed(8), "close fewer schemas"),
            (json!({ "patternProperties": patterns(PROPERTY_PATTERNS_MAX + 1) }), "16 patterns"),
            (json!({"pattern": "a".repeat(PATTERN_BYTES_MAX + 1)}), "longer than 2048"),
            (
                json!({ "items": vec![json!({"pattern": "a".repeat(PATTERN_BYTES_MAX)}); 17] }),
                "32768 bytes of patterns",
            ),
        ] {
            let refused = inspect(&schema).expect_err(said);
            assert!(refused.contains(said), "{refused}: wanted {said}");
        }
    }
}
