//! Walks two schemas side by side and collects sentences.

use serde_json::Value;

use super::reading::{ANNOTATIONS, Document, Reading};
use super::words::{BOUNDS, bound, kind_of, listed, place, quoted};

/// Sentences about one pair of schemas.
const SENTENCES_MAX: usize = 40;
/// How deep the walk goes.
const DEPTH_MAX: usize = 24;
/// Places compared.
const PLACES_MAX: usize = 5_000;

/// What is compared by name; whatever else differs is told as it stands.
const SPOKEN_OF: [&str; 12] = [
    "type",
    "const",
    "enum",
    "oneOf",
    "anyOf",
    "allOf",
    "$ref",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
];

/// What changed, in sentences; none when nothing did.
pub fn difference(before: &Value, after: &Value) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let mut walk = Walk {
        before: Document { root: before },
        after: Document { root: after },
        path: Vec::new(),
        inside: Vec::new(),
        places: 0,
        sentences: Vec::new(),
        is_cut: false,
    };
    walk.compare(before, after);
    if walk.is_cut || walk.sentences.len() > SENTENCES_MAX {
        walk.sentences.truncate(SENTENCES_MAX);
        walk.sentences.push("more changed than is listed here".to_owned());
    }
    if walk.sentences.is_empty() {
        walk.sentences.push(if without_annotations(before) == without_annotations(after) {
            "only descriptions changed".to_owned()
        } else {
            "it is written in another way; no change of meaning was found".to_owned()
        });
    }
    walk.sentences
}

struct Walk<'a> {
    before: Document<'a>,
    after: Document<'a>,
    path: Vec<String>,
    /// The pairs of places the walk is inside of, so that a type that has itself as a part is walked once.
    inside: Vec<(usize, usize)>,
    places: usize,
    sentences: Vec<String>,
    is_cut: bool,
}

impl<'a> Walk<'a> {
    fn say(&mut self, sentence: String) {
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }

    fn place(&self) -> String {
        place(&self.path)
    }

    fn below(&mut self, name: &str, before: &'a Value, after: &'a Value) {
        self.path.push(name.to_owned());
        self.compare(before, after);
        self.path.pop();
    }

    fn compare(&mut self, before: &'a Value, after: &'a Value) {
        self.places += 1;
        if self.places > PLACES_MAX || self.inside.len() >= DEPTH_MAX || self.sentences.len() > SENTENCES_MAX {
            self.is_cut = true;
            return;
        }
        let (before, after) = (self.before.read(before), self.after.read(after));
        let pair = (before.at, after.at);
        if self.inside.contains(&pair) {
            return;
        }
        self.inside.push(pair);
        self.compare_readings(&before, &after);
        self.inside.pop();
    }

    fn compare_readings(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        let place = self.place();
        if before.types != after.types || before.is_never != after.is_never {
            let (was, is) = (kind_of(before), kind_of(after));
            if was != is {
                self.say(format!("{place} was {was}, is {is} now"));
                return;
            }
        }
        match (before.takes_null, after.takes_null) {
            (true, false) if before.types.is_some() || before.choices.is_some() => {
                self.say(format!("{place} may no longer be null"));
            }
            (false, true) => self.say(format!("{place} may be null now")),
            _ => {}
        }
        self.compare_choices(before, after);
        self.compare_variants(before, after);
        for (keyword, phrase) in BOUNDS {
            if let Some(sentence) = bound(&place, phrase, before.get(keyword), after.get(keyword)) {
                self.say(sentence);
            }
        }
        self.compare_members(before, after);
        self.compare_elements(before, after);
        self.compare_rest(before, after);
    }

    fn compare_choices(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        let place = self.place();
        match (&before.choices, &after.choices) {
            (Some(before), Some(after)) => {
                let gone: Vec<&Value> = before.iter().copied().filter(|value| !after.contains(value)).collect();
                let new: Vec<&Value> = after.iter().copied().filter(|value| !before.contains(value)).collect();
                if !gone.is_empty() {
                    self.say(format!("{place} may no longer be {}", listed(&gone)));
                }
                if !new.is_empty() {
                    self.say(format!("{place} may be {} now", listed(&new)));
                }
            }
            (None, Some(after)) => self.say(format!("{place} must be one of {} now", listed(after))),
            (Some(before), None) => self.say(format!("{place} need no longer be one of {}", listed(before))),
            (None, None) => {}
        }
    }

    /// Alternatives are matched by what tells them apart; those that can't be are shown as they are.
    fn compare_variants(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        if before.variants.is_empty() && after.variants.is_empty() {
            return;
        }
        let place = self.place();
        let names = |variants: &[&'a Value]| -> Option<Vec<(String, &'a Value)>> {
            let named: Vec<(String, &Value)> =
                variants.iter().map(|variant| Some((variant_name(variant)?, *variant))).collect::<Option<_>>()?;
            let unique = named
                .iter()
                .enumerate()
                .all(|(index, (name, _))| named.iter().skip(index + 1).all(|(other, _)| other != name));
            unique.then_some(named)
        };
        let (Some(was), Some(is)) = (names(&before.variants), names(&after.variants)) else {
            if before.variants != after.variants {
                self.say(format!("{place} has other alternatives now"));
            }
            return;
        };
        for (name, variant) in &was {
            match is.iter().find(|(other, _)| other == name) {
                Some((_, other)) => self.below(name, variant, other),
                None => self.say(format!("{place} may no longer be `{name}`")),
            }
        }
        for (name, _) in is.iter().filter(|(name, _)| was.iter().all(|(other, _)| other != name)) {
            self.say(format!("{place} may be `{name}` now"));
        }
    }

    fn compare_members(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        let refuses_others = after.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, schema) in before.properties().into_iter().flatten() {
            self.path.push(name.clone());
            let place = self.place();
            self.path.pop();
            match after.properties().and_then(|properties| properties.get(name)) {
                Some(other) => {
                    match (before.requires(name), after.requires(name)) {
                        (false, true) => self.say(format!("{place} is required now")),
                        (true, false) => self.say(format!("{place} is optional now")),
                        _ => {}
                    }
                    self.below(name, schema, other);
                }
                None if refuses_others => self.say(format!("{place} is gone, and refused where it is still sent")),
                None => self.say(format!("{place} is gone")),
            }
        }
        for name in after.properties().into_iter().flatten().map(|(name, _)| name) {
            if before.properties().is_some_and(|properties| properties.contains_key(name)) {
                continue;
            }
            self.path.push(name.clone());
            let place = self.place();
            self.path.pop();
            let how = if after.requires(name) { "is new and required" } else { "is new and optional" };
            self.say(format!("{place} {how}"));
        }
        // Required, though nothing is said about them.
        for (was, is, how) in [(before, after, "is required now"), (after, before, "is optional now")] {
            let names = is.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let unnamed = |name: &&str| {
                let describes = |reading: &Reading<'_>| reading.properties().is_some_and(|all| all.contains_key(*name));
                !was.requires(name) && !describes(before) && !describes(after)
            };
            for name in names.filter(unnamed) {
                self.path.push(name.to_owned());
                let place = self.place();
                self.path.pop();
                self.say(format!("{place} {how}"));
            }
        }
        self.compare_other_members(before, after);
    }

    fn compare_other_members(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        const ANY: &Value = &Value::Bool(true);
        if !before.is_object() && !after.is_object() {
            return;
        }
        let place = self.place();
        let others = |reading: &Reading<'a>| reading.get("additionalProperties").unwrap_or(ANY);
        match (others(before), others(after)) {
            (before, after) if before == after => {}
            (_, Value::Bool(false)) => self.say(format!("{place} takes no members beside those described now")),
            (Value::Bool(false), _) => self.say(format!("{place} takes members beside those described now")),
            (before, after) => self.below("*", before, after),
        }
    }

    fn compare_elements(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        let place = self.place();
        match (before.get("items"), after.get("items")) {
            (Some(before), Some(after)) => self.below("*", before, after),
            (None, Some(after)) => {
                let kind = kind_of(&self.after.read(after));
                self.say(format!("each element of {place} must be {kind} now"));
            }
            (Some(_), None) => self.say(format!("elements of {place} may be anything now")),
            (None, None) => {}
        }
        let in_order = |reading: &Reading<'a>| reading.get("prefixItems").and_then(Value::as_array);
        match (in_order(before), in_order(after)) {
            (Some(before), Some(after)) => {
                if before.len() != after.len() {
                    self.say(format!("{place} has {} elements in order now (had {})", after.len(), before.len()));
                }
                for (index, (before, after)) in before.iter().zip(after).enumerate() {
                    self.below(&index.to_string(), before, after);
                }
            }
            (None, Some(after)) => self.say(format!("{place} has {} elements in order now", after.len())),
            (Some(before), None) => self.say(format!("{place} no longer has {} elements in order", before.len())),
            (None, None) => {}
        }
    }

    /// What has no words of its own is told as it stands.
    fn compare_rest(&mut self, before: &Reading<'a>, after: &Reading<'a>) {
        let keywords = |reading: &Reading<'a>| reading.rest.into_iter().flatten().map(|(keyword, _)| keyword.as_str());
        let mut all: Vec<&str> = keywords(before).chain(keywords(after)).collect();
        all.sort_unstable();
        all.dedup();
        let spoken_of = |keyword: &&str| {
            SPOKEN_OF.contains(keyword)
                || ANNOTATIONS.contains(keyword)
                || BOUNDS.iter().any(|(bound, _)| bound == keyword)
        };
        for keyword in all.into_iter().filter(|keyword| !spoken_of(keyword) || *keyword == "allOf") {
            let (was, is) = (before.get(keyword), after.get(keyword));
            if was == is {
                continue;
            }
            let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), quoted);
            let place = self.place();
            self.say(format!("`{keyword}` of {place} changed: {} now (was {})", shown(is), shown(was)));
        }
    }
}

/// What tells an alternative from the others: a member with one value, its title, its only required member, its type.
fn variant_name(variant: &Value) -> Option<String> {
    let properties = variant.get("properties").and_then(Value::as_object);
    let tags = properties.into_iter().flatten().filter_map(|(_, schema)| schema.get("const")?.as_str());
    if let Some(tag) = tags.clone().next().filter(|_| tags.count() == 1) {
        return Some(tag.to_owned());
    }
    let word = |keyword| variant.get(keyword).and_then(Value::as_str).map(ToOwned::to_owned);
    let required = || match variant.get("required")?.as_array()?.as_slice() {
        [only] => only.as_str().map(ToOwned::to_owned),
        _ => None,
    };
    let value = || variant.get("const").or_else(|| variant.get("enum")).map(ToString::to_string);
    word("title").or_else(required).or_else(value).or_else(|| word("type"))
}

fn without_annotations(schema: &Value) -> Value {
    strip(schema, true)
}

/// Annotations are keywords of schemas; members of `properties` and the like may be called the same.
fn strip(schema: &Value, is_schema: bool) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(keyword, _)| {
                let definitions = matches!(keyword.as_str(), "$defs" | "definitions");
                !is_schema || definitions || !ANNOTATIONS.contains(&keyword.as_str())
            });
            let strip_one = |(keyword, value): (&String, &Value)| {
                let holds_names = matches!(
                    keyword.as_str(),
                    "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions"
                );
                (keyword.clone(), strip(value, !(is_schema && holds_names)))
            };
            Value::Object(kept.map(strip_one).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| strip(item, is_schema)).collect()),
        other => other.clone(),
    }
}
