//! One place of a schema as it is read for a comparison: references followed, the parts it is made of side by side,
//! the ways to write "or null" and "one of these" made alike.

use std::collections::{BTreeSet, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::steps::{PLACE_STEPS, Steps};
use super::values::{is_of_type, key, type_of};

/// References and wrappers followed from one place.
const FOLLOWED_MAX: usize = 16;
/// What says nothing about which values are valid.
pub(super) const ANNOTATIONS: [&str; 14] = [
    "$schema",
    "$id",
    "$anchor",
    "$dynamicAnchor",
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
/// Drafts in which a reference is all that counts where it stands.
const DRAFTS_OF_LONE_REFERENCES: [&str; 4] = ["draft-03", "draft-04", "draft-06", "draft-07"];
/// What may refuse `null` for other reasons than its type, or take it.
const DECIDING_ON_NULL: [&str; 4] = ["oneOf", "anyOf", "not", "if"];

/// A schema with its document.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    root: &'a Value,
    references_are_alone: bool,
}

/// One place, read: valid is what all its parts take, and `null` if so.
#[derive(Clone, Debug, Default)]
pub(super) struct Place<'a> {
    /// `false`: nothing is valid here.
    pub(super) is_never: bool,
    /// Or `null`, whatever else is said.
    pub(super) or_null: bool,
    /// `None`: of any type.
    pub(super) types: Option<BTreeSet<&'a str>>,
    /// No type is named: they are those of the choices.
    pub(super) types_are_implied: bool,
    /// The only values there are, if so.
    pub(super) choices: Option<Choices<'a>>,
    /// What else must hold, each part for itself.
    pub(super) parts: Vec<Part<'a>>,
    /// References that were not followed.
    pub(super) unfollowed: Vec<&'a str>,
    pub(super) default: Option<&'a Value>,
    /// Where it was found, to notice a place that is its own part.
    pub(super) at: usize,
}

/// Single values, `null` apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices<'a> {
    pub(super) values: Vec<&'a Value>,
    /// What each is compared by.
    keys: Vec<u64>,
    has_null: bool,
}

/// The keywords of one schema of a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Part<'a> {
    /// The reference that led to it.
    pub(super) reference: Option<&'a str>,
    keywords: Option<&'a Map<String, Value>>,
    /// Keywords that only list single values, which are the place's choices.
    listing: Vec<&'static str>,
}

/// Whether a place takes `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakesNull {
    Yes,
    No,
    /// Its alternatives and conditions decide.
    Depends,
}

/// What a schema is that says only where to look.
enum Wrapper<'a> {
    Of(&'a Value),
    OrNull(&'a Value),
}

impl<'a> Document<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let draft = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        Self { root, references_are_alone: DRAFTS_OF_LONE_REFERENCES.iter().any(|old| draft.contains(old)) }
    }

    /// Reads a place.
    pub(super) fn read(self, schema: &'a Value, steps: &mut Steps) -> Place<'a> {
        let mut place = Place::default();
        let (mut schema, mut reference) = (schema, None);
        for _ in 0..FOLLOWED_MAX {
            place.default = place.default.or_else(|| schema.get("default"));
            match self.wrapper(schema, steps) {
                Some(Wrapper::Of(inner)) => {
                    reference = schema.get("$ref").and_then(Value::as_str).or(reference);
                    schema = inner;
                }
                Some(Wrapper::OrNull(inner)) => {
                    place.or_null = true;
                    schema = inner;
                }
                None => break,
            }
        }
        place.at = address(schema);
        self.collect(schema, reference, &mut place, steps);
        place.settle(steps);
        place
    }

    /// What stands behind a schema that says nothing of its own (apart from annotations).
    fn wrapper(self, schema: &'a Value, steps: &mut Steps) -> Option<Wrapper<'a>> {
        steps.take(1);
        let map = schema.as_object()?;
        let mut said = map.keys().map(String::as_str).filter(|keyword| !ANNOTATIONS.contains(keyword));
        let only = said.next().filter(|_| said.next().is_none());
        if only == Some("$ref") || (self.references_are_alone && map.contains_key("$ref")) {
            return self.target(map.get("$ref")?, steps).map(Wrapper::Of);
        }
        let alternatives = map.get(only?)?.as_array()?;
        match (only?, alternatives.as_slice()) {
            ("allOf" | "anyOf" | "oneOf", [single]) => Some(Wrapper::Of(single)),
            ("anyOf", [single, null] | [null, single]) if is_null(null) => Some(Wrapper::OrNull(single)),
            // Exactly one of them: a `null` that both take is refused.
            ("oneOf", [single, null] | [null, single]) if is_null(null) && self.refuses_null(single, steps) => {
                Some(Wrapper::OrNull(single))
            }
            _ => None,
        }
    }

    fn target(self, reference: &'a Value, steps: &mut Steps) -> Option<&'a Value> {
        let reference = reference.as_str()?;
        steps.take_text(reference);
        let pointer = percent_decode_str(reference.strip_prefix('#')?).decode_utf8_lossy();
        let target = self.root.pointer(&pointer)?;
        matches!(target, Value::Bool(_) | Value::Object(_)).then_some(target)
    }

    /// What is certain at a glance.
    fn refuses_null(self, schema: &'a Value, steps: &mut Steps) -> bool {
        let mut schema = schema;
        for _ in 0..FOLLOWED_MAX {
            if let Some(types) = schema.get("type") {
                return types.as_str().is_some_and(|name| name != "null")
                    || types.as_array().is_some_and(|names| names.iter().all(|name| name != "null"));
            }
            let followed = schema.get("$ref").and_then(|reference| self.target(reference, steps));
            let Some(target) = followed else { return false };
            schema = target;
        }
        false
    }

    /// Takes in a schema with all that has to hold beside it.
    fn collect(self, schema: &'a Value, reference: Option<&'a str>, place: &mut Place<'a>, steps: &mut Steps) {
        let mut seen = HashSet::new();
        let mut waiting = vec![(schema, reference)];
        while let Some((schema, reference)) = waiting.pop() {
            steps.take(PLACE_STEPS);
            if steps.are_used_up() || !seen.insert(address(schema)) {
                continue;
            }
            place.is_never |= *schema == Value::Bool(false);
            let Some(map) = schema.as_object() else { continue };
            place.default = place.default.or_else(|| map.get("default"));
            let target = map.get("$ref").and_then(|reference| self.target(reference, steps));
            let references = ["$ref", "$dynamicRef", "$recursiveRef"].into_iter();
            let unfollowed = references.filter(|keyword| *keyword != "$ref" || target.is_none());
            place.unfollowed.extend(unfollowed.filter_map(|keyword| map.get(keyword)?.as_str()));
            if target.is_none() || !self.references_are_alone {
                let says = |keyword: &String| {
                    !matches!(keyword.as_str(), "$ref" | "allOf") && !ANNOTATIONS.contains(&keyword.as_str())
                };
                if reference.is_some() || map.keys().any(says) {
                    place.parts.push(Part { reference, keywords: Some(map), listing: Vec::new() });
                }
                place.narrow(map.get("type"));
                let all = map.get("allOf").and_then(Value::as_array).into_iter().flatten();
                waiting.extend(all.rev().map(|part| (part, None)));
            }
            waiting.extend(target.map(|target| (target, map.get("$ref").and_then(Value::as_str))));
        }
    }
}

impl<'a> Place<'a> {
    fn narrow(&mut self, types: Option<&'a Value>) {
        let mut types: BTreeSet<&str> = match types {
            Some(Value::String(name)) => [name.as_str()].into(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return,
        };
        // Every integer is a number.
        if types.contains("number") {
            types.remove("integer");
        }
        let Some(others) = &self.types else {
            self.types = Some(types);
            return;
        };
        let takes = |types: &BTreeSet<&str>, name: &str| {
            types.contains(name) || (name == "integer" && types.contains("number"))
        };
        let both =
            types.iter().filter(|name| takes(others, name)).chain(others.iter().filter(|name| takes(&types, name)));
        self.types = Some(both.copied().collect());
    }

    /// Finds the single values all parts list, once all types are known.
    fn settle(&mut self, steps: &mut Steps) {
        let mut parts = std::mem::take(&mut self.parts);
        for part in &mut parts {
            for keyword in ["const", "enum", "oneOf", "anyOf"] {
                let Some(value) = part.get(keyword) else { continue };
                let listed = match (keyword, value) {
                    ("const", value) => Some(vec![value]),
                    (_, Value::Array(values)) if keyword == "enum" => Some(values.iter().collect()),
                    (_, Value::Array(alternatives)) => single_values(alternatives, keyword == "oneOf", steps),
                    _ => None,
                };
                if let Some(values) = listed {
                    part.listing.push(keyword);
                    self.choose(&values, steps);
                }
            }
        }
        self.parts = parts;
        let Some(choices) = &self.choices else { return };
        // Types that are only implied by the values.
        if self.types.is_none() {
            let mut types: BTreeSet<&str> = choices.values.iter().map(|value| type_of(value)).collect();
            types.extend(choices.has_null.then_some("null"));
            if types.contains("number") {
                types.remove("integer");
            }
            (self.types, self.types_are_implied) = (Some(types), true);
        }
    }

    fn choose(&mut self, values: &[&'a Value], steps: &mut Steps) {
        steps.take(2 * values.len());
        let mut chosen = Choices::default();
        let mut seen = HashSet::new();
        let others = self.choices.take();
        let left: Option<HashSet<u64>> = others.as_ref().map(Choices::keys);
        for value in values {
            if self.types.as_ref().is_some_and(|types| !is_of_type(value, types)) {
                continue;
            }
            if value.is_null() {
                chosen.has_null = others.as_ref().is_none_or(|others| others.has_null);
                continue;
            }
            let key = key(value, steps);
            if left.as_ref().is_none_or(|left| left.contains(&key)) && seen.insert(key) {
                chosen.values.push(value);
                chosen.keys.push(key);
            }
        }
        self.choices = Some(chosen);
    }

    pub(super) fn takes_null(&self) -> TakesNull {
        let by_type = self.types.as_ref().is_none_or(|types| types.contains("null"));
        let by_choice = self.choices.as_ref().is_none_or(|choices| choices.has_null);
        if self.or_null {
            TakesNull::Yes
        } else if self.is_never || !by_type || !by_choice {
            TakesNull::No
        } else if !self.unfollowed.is_empty()
            || self.parts.iter().any(|part| DECIDING_ON_NULL.iter().any(|keyword| part.get(keyword).is_some()))
        {
            TakesNull::Depends
        } else {
            TakesNull::Yes
        }
    }

    /// Its types but `null`.
    pub(super) fn types_beside_null(&self) -> Option<BTreeSet<&'a str>> {
        Some(self.types.as_ref()?.iter().copied().filter(|name| *name != "null").collect())
    }

    pub(super) fn has_variants(&self) -> bool {
        self.parts.iter().any(|part| part.get("oneOf").or_else(|| part.get("anyOf")).is_some())
    }

    /// Whether it takes whatever there is.
    pub(super) fn is_anything(&self) -> bool {
        let says_nothing = self.types.is_none() && self.parts.iter().all(|part| part.keywords().next().is_none());
        says_nothing && !self.is_never && self.unfollowed.is_empty()
    }
}

impl<'a> Choices<'a> {
    fn keys(&self) -> HashSet<u64> {
        self.keys.iter().copied().collect()
    }

    /// Those that are not among the others.
    pub(super) fn but(&self, others: &Choices<'_>, steps: &mut Steps) -> Vec<&'a Value> {
        steps.take(self.keys.len() + others.keys.len());
        let others = others.keys();
        let own = self.values.iter().zip(&self.keys);
        own.filter(|(_, key)| !others.contains(key)).map(|(value, _)| *value).collect()
    }
}

impl<'a> Part<'a> {
    /// A keyword's value, unless it only lists choices.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords?.get(keyword).filter(|_| !self.listing.contains(&keyword))
    }

    /// A keyword's value, if it maps names to something.
    pub(super) fn map(&self, keyword: &str) -> Option<&'a Map<String, Value>> {
        self.get(keyword)?.as_object()
    }

    pub(super) fn list(&self, keyword: &str) -> Option<&'a [Value]> {
        self.get(keyword)?.as_array().map(Vec::as_slice)
    }

    pub(super) fn keywords(&self) -> impl Iterator<Item = &'a str> {
        self.keywords.into_iter().flat_map(|keywords| keywords.keys().map(String::as_str))
    }

    /// The members that must be there.
    pub(super) fn required(&self, steps: &mut Steps) -> BTreeSet<&'a str> {
        let names = self.list("required").unwrap_or_default();
        steps.take(names.len());
        names.iter().filter_map(Value::as_str).collect()
    }
}

pub(super) fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

/// `{"type": "null"}`, described or not.
fn is_null(schema: &Value) -> bool {
    let Some(map) = schema.as_object() else { return false };
    map.get("type").and_then(Value::as_str) == Some("null")
        && map.keys().all(|keyword| keyword == "type" || ANNOTATIONS.contains(&keyword.as_str()))
}

/// The values of alternatives that take only those. Where exactly one may fit, each value must be there once.
fn single_values<'a>(alternatives: &'a [Value], exactly_one: bool, steps: &mut Steps) -> Option<Vec<&'a Value>> {
    let mut values = Vec::new();
    for alternative in alternatives {
        steps.take(1);
        let map = alternative.as_object()?;
        let is_plain = |keyword: &String| {
            matches!(keyword.as_str(), "const" | "enum" | "type") || ANNOTATIONS.contains(&keyword.as_str())
        };
        if !map.keys().all(is_plain) {
            return None;
        }
        let mut place = Place::default();
        place.narrow(map.get("type"));
        let fits = |value: &&'a Value| place.types.as_ref().is_none_or(|types| is_of_type(value, types));
        match (map.get("const"), map.get("enum"), map.get("type")) {
            (Some(value), None, _) => values.extend(Some(value).filter(fits)),
            (None, Some(listed), _) => values.extend(listed.as_array()?.iter().filter(fits)),
            (None, None, Some(_)) if is_null(alternative) => values.push(&Value::Null),
            _ => return None,
        }
    }
    let keys: HashSet<u64> =
        if exactly_one { values.iter().map(|value| key(value, steps)).collect() } else { HashSet::new() };
    (!exactly_one || keys.len() == values.len()).then_some(values)
}
