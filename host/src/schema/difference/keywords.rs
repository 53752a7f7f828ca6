//! The keywords of two parts, compared by what they are about: bounds, members, elements, alternatives, conditions.
//! Whatever has no words of its own is told as it stands.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::{Case, Step};
use super::reading::{ANNOTATIONS, Part};
use super::walk::{ANYTHING, Walk};
use super::words::{BOUNDS, bound, cut, kind_of, quoted};

/// Keywords with a schema for the value itself, or for parts of it that have no names; nothing is like no schema.
const CONDITIONS: [(&str, &[Step<'static>]); 8] = [
    ("not", &[Step::Case(Case::Not)]),
    ("if", &[Step::Case(Case::If)]),
    ("then", &[Step::Case(Case::Then)]),
    ("else", &[Step::Case(Case::Else)]),
    ("contains", &[Step::Case(Case::Contained), Step::Element]),
    ("propertyNames", &[Step::Name]),
    ("unevaluatedItems", &[Step::Case(Case::Unevaluated), Step::Element]),
    ("unevaluatedProperties", &[Step::Case(Case::Unevaluated), Step::AnyMember]),
];

/// What else is compared by name, here or when a place is read.
const SPOKEN_OF: [&str; 16] = [
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
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "items",
    "prefixItems",
    "additionalItems",
];

impl<'a> Walk<'a> {
    pub(super) fn compare_part(&mut self, before: &Part<'a>, after: &Part<'a>) {
        for keyword in ["oneOf", "anyOf"] {
            self.compare_variants(keyword, before, after);
        }
        for (keyword, phrase) in BOUNDS {
            let (was, is) = (before.get(keyword), after.get(keyword));
            if !self.is_same_option(was, is)
                && let Some(sentence) = bound(phrase, was, is)
            {
                self.say(|place| format!("{place} {sentence}"));
            }
        }
        self.compare_members(before, after);
        self.compare_matching_members(before, after);
        self.compare_dependents(before, after);
        self.compare_elements(before, after);
        for (keyword, steps) in CONDITIONS {
            if let (Some(was), Some(is)) = (before.get(keyword), after.get(keyword)) {
                self.below_all(steps, was, is);
            } else {
                self.compare_as_it_stands(keyword, before, after);
            }
        }
        self.compare_rest(before, after);
    }

    fn is_same_option(&mut self, before: Option<&Value>, after: Option<&Value>) -> bool {
        match (before, after) {
            (Some(before), Some(after)) => self.is_same(before, after),
            (before, after) => before.is_none() && after.is_none(),
        }
    }

    /// Alternatives are matched by what tells them apart, or else by their order.
    fn compare_variants(&mut self, keyword: &'static str, before: &Part<'a>, after: &Part<'a>) {
        let other = if keyword == "oneOf" { "anyOf" } else { "oneOf" };
        let (was, is) = match (before.list(keyword), after.list(keyword), before.list(other), after.list(other)) {
            (Some(was), Some(is), _, _) => (was, is),
            // How many may fit has changed, and perhaps what they are.
            (Some(was), None, None, Some(is)) => {
                let how = if keyword == "anyOf" { "exactly one" } else { "one or several" };
                self.say(|place| format!("{place} must fit {how} of its variants now"));
                (was, is)
            }
            (None, Some(_), Some(_), None) | (None, None, _, _) => return,
            (Some(was), None, _, _) => {
                return self.say(|place| format!("{place} need no longer be one of {} variants", was.len()));
            }
            (None, Some(is), _, _) => {
                return self.say(|place| format!("{place} must be one of {} variants now", is.len()));
            }
        };
        let names_before: Option<Vec<String>> = was.iter().map(|variant| self.name_before(variant)).collect();
        let names_after: Option<Vec<String>> = is.iter().map(|variant| self.name_after(variant)).collect();
        let names = names_before.as_deref().and_then(by_name).zip(names_after.as_deref().and_then(by_name));
        let (Some((indexes_before, indexes_after)), Some(names_before), Some(names_after)) =
            (names, &names_before, &names_after)
        else {
            if was.len() != is.len() {
                return self.say(|place| format!("{place} has {} variants now (had {})", is.len(), was.len()));
            }
            for (index, (was, is)) in was.iter().zip(is).enumerate() {
                self.below(Step::Case(Case::VariantNumber(index + 1)), was, is);
            }
            return;
        };
        for (name, variant) in names_before.iter().zip(was) {
            match indexes_after.get(name.as_str()).and_then(|index| is.get(*index)) {
                Some(other) => self.below(Step::Case(Case::Variant(name.clone())), variant, other),
                None => self.say(|place| format!("{place} may no longer be `{name}`")),
            }
        }
        for name in names_after.iter().filter(|name| !indexes_before.contains_key(name.as_str())) {
            self.say(|place| format!("{place} may be `{name}` now"));
        }
    }

    fn name_before(&mut self, variant: &'a Value) -> Option<String> {
        let parts = self.read_before(variant).parts;
        self.name(variant, &parts)
    }

    fn name_after(&mut self, variant: &'a Value) -> Option<String> {
        let parts = self.read_after(variant).parts;
        self.name(variant, &parts)
    }

    /// What tells an alternative from the others: a member with one value, its title, its only required member, the
    /// last name of its reference, its value, its type.
    fn name(&mut self, variant: &'a Value, parts: &[Part<'a>]) -> Option<String> {
        let part = parts.first();
        let members = part.and_then(|part| part.map("properties"));
        self.steps.take(members.map_or(0, Map::len));
        let mut tags = members.into_iter().flatten().filter_map(|(_, schema)| schema.get("const")?.as_str());
        if let (Some(tag), None) = (tags.next(), tags.next()) {
            return Some(cut(tag));
        }
        let word = |keyword| variant.get(keyword).and_then(Value::as_str).map(cut);
        let required = || match part?.list("required")? {
            [only] => only.as_str().map(cut),
            _ => None,
        };
        let reference = || Some(cut(variant.get("$ref")?.as_str()?.rsplit('/').next()?));
        let value = || variant.get("const").or_else(|| variant.get("enum")).map(|value| quoted(value).replace('`', ""));
        word("title").or_else(required).or_else(reference).or_else(value).or_else(|| word("type"))
    }

    fn compare_members(&mut self, before: &Part<'a>, after: &Part<'a>) {
        let nothing = Map::new();
        let required_before = before.required(&mut self.steps);
        let required_after = after.required(&mut self.steps);
        let refuses_others = after.get("additionalProperties") == Some(&Value::Bool(false));
        let (was, is) = (before.map("properties"), after.map("properties"));
        for (name, schema) in was.into_iter().flatten() {
            self.steps.take_text(name);
            match is.unwrap_or(&nothing).get(name) {
                None if refuses_others => {
                    self.say_of(Step::Member(name), |place| {
                        format!("{place} is gone, and refused where it is still sent")
                    });
                }
                None => self.say_of(Step::Member(name), |place| format!("{place} is gone")),
                Some(_) => {}
            }
            let Some(other) = is.and_then(|is| is.get(name)) else { continue };
            self.compare_required(name, &required_before, &required_after);
            self.below(Step::Member(name), schema, other);
        }
        for name in is.into_iter().flatten().map(|(name, _)| name) {
            self.steps.take_text(name);
            if was.is_none_or(|was| !was.contains_key(name)) {
                let how = if required_after.contains(name.as_str()) { "required" } else { "optional" };
                self.say_of(Step::Member(name), |place| format!("{place} is new and {how}"));
            }
        }
        // Required, though nothing is said about them.
        let is_described = |name: &str| [was, is].into_iter().flatten().any(|properties| properties.contains_key(name));
        for name in required_before.union(&required_after).filter(|name| !is_described(name)) {
            self.compare_required(name, &required_before, &required_after);
        }
        self.compare_others("additionalProperties", before, after);
    }

    fn compare_required(&mut self, name: &'a str, before: &BTreeSet<&str>, after: &BTreeSet<&str>) {
        self.steps.take_text(name);
        match (before.contains(name), after.contains(name)) {
            (false, true) => self.say_of(Step::Member(name), |place| format!("{place} is required now")),
            (true, false) => self.say_of(Step::Member(name), |place| format!("{place} is optional now")),
            (true, true) | (false, false) => {}
        }
    }

    /// A schema for the members or elements that no other one is for; without it they may be anything.
    fn compare_others(&mut self, keyword: &'static str, before: &Part<'a>, after: &Part<'a>) {
        const NOTHING: &Value = &Value::Bool(false);
        let (step, what) = match keyword {
            "additionalProperties" => (Step::AnyMember, "members"),
            _ => (Step::Element, "elements"),
        };
        let (was, is) = (before.get(keyword), after.get(keyword));
        if was.is_none() && is.is_none() {
            return;
        }
        // Also what takes everything tells `unevaluated…` what has been spoken of.
        if self.has_unevaluated && was.is_some() != is.is_some() {
            return self.compare_as_it_stands(keyword, before, after);
        }
        let (was, is) = (was.unwrap_or(ANYTHING), is.unwrap_or(ANYTHING));
        if was != NOTHING && is == NOTHING {
            self.say(|place| format!("{place} takes no {what} beside those described now"));
        } else if was == NOTHING && is != NOTHING {
            self.say(|place| format!("{place} takes {what} beside those described now"));
        } else {
            self.below(step, was, is);
        }
    }

    fn compare_matching_members(&mut self, before: &Part<'a>, after: &Part<'a>) {
        let (was, is) = (before.map("patternProperties"), after.map("patternProperties"));
        for (pattern, was, is) in both(was, is) {
            self.steps.take_text(pattern);
            let how = match (was, is) {
                (Some(was), Some(is)) => {
                    self.below_all(&[Step::Case(Case::Matching(pattern)), Step::AnyMember], was, is);
                    continue;
                }
                (None, _) => "have a schema of their own now",
                (_, None) => "no longer have a schema of their own",
            };
            self.say(|place| {
                let pattern = cut(pattern);
                format!("members of {place} whose names match `{pattern}` {how}, and may take more or less")
            });
        }
    }

    /// What must hold where a member is there; `dependencies` is its older name.
    fn compare_dependents(&mut self, before: &Part<'a>, after: &Part<'a>) {
        for keyword in ["dependentSchemas", "dependencies"] {
            for (member, was, is) in both(before.map(keyword), after.map(keyword)) {
                self.steps.take_text(member);
                match (was, is) {
                    (Some(was), Some(is)) if !was.is_array() && !is.is_array() => {
                        self.below(Step::Case(Case::Present(member)), was, is);
                    }
                    (Some(was), Some(is)) if self.is_same(was, is) => {}
                    (Some(_), Some(is)) => {
                        self.say_of(Step::Case(Case::Present(member)), |place| {
                            format!("{place} needs {} now", quoted(is))
                        });
                    }
                    (None, _) => self.say_of(Step::Case(Case::Present(member)), |place| {
                        format!("{place} must fit a schema of its own now, and may take less")
                    }),
                    (_, None) => self.say_of(Step::Case(Case::Present(member)), |place| {
                        format!("{place} need no longer fit a schema of its own, and may take more")
                    }),
                }
            }
        }
    }

    fn compare_elements(&mut self, before: &Part<'a>, after: &Part<'a>) {
        // Elements in order have a keyword of their own; older drafts list them in `items`.
        for in_order in ["prefixItems", "items"] {
            match (before.list(in_order), after.list(in_order)) {
                (Some(was), Some(is)) => {
                    if was.len() != is.len() {
                        let (was, is) = (was.len(), is.len());
                        self.say(|place| format!("{place} has {is} elements in order now (had {was})"));
                    }
                    for (index, (was, is)) in was.iter().zip(is).enumerate() {
                        self.below(Step::Position(index), was, is);
                    }
                }
                (None, Some(is)) => {
                    self.say(|place| format!("{place} has {} elements in order now", is.len()));
                }
                (Some(was), None) => {
                    self.say(|place| format!("{place} no longer has {} elements in order", was.len()));
                }
                (None, None) => {}
            }
        }
        if before.list("items").is_none() && after.list("items").is_none() {
            self.compare_each_element(before, after);
        }
        self.compare_others("additionalItems", before, after);
    }

    fn compare_each_element(&mut self, before: &Part<'a>, after: &Part<'a>) {
        match (before.get("items"), after.get("items")) {
            (None, Some(schema)) if !self.has_unevaluated => {
                let each = self.read_after(schema);
                if each.types.is_some() {
                    self.say(|place| format!("each element of {place} must be {} now", kind_of(&each)));
                } else {
                    self.compare_others("items", before, after);
                }
            }
            (Some(schema), None) if !self.has_unevaluated => {
                let each = self.read_before(schema);
                if each.is_never {
                    self.compare_others("items", before, after);
                } else if !each.is_anything() {
                    self.say(|place| format!("elements of {place} may be anything now"));
                }
            }
            _ => self.compare_others("items", before, after),
        }
    }

    /// What has no words of its own.
    fn compare_rest(&mut self, before: &Part<'a>, after: &Part<'a>) {
        let is_spoken_of = |keyword: &&str| {
            SPOKEN_OF.contains(keyword)
                || ANNOTATIONS.contains(keyword)
                || BOUNDS.iter().any(|(bound, _)| bound == keyword)
                || CONDITIONS.iter().any(|(condition, _)| condition == keyword)
        };
        let all: BTreeSet<&str> = before.keywords().chain(after.keywords()).collect();
        self.steps.take(all.len());
        for keyword in all.into_iter().filter(|keyword| !is_spoken_of(keyword)) {
            self.compare_as_it_stands(keyword, before, after);
        }
    }

    fn compare_as_it_stands(&mut self, keyword: &'a str, before: &Part<'a>, after: &Part<'a>) {
        let (was, is) = (before.get(keyword), after.get(keyword));
        if !self.is_same_option(was, is) {
            let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), quoted);
            self.say(|place| format!("`{}` of {place} changed: {} now (was {})", cut(keyword), shown(is), shown(was)));
        }
    }
}

/// Everything that is named on one side or both, in order.
fn both<'a>(
    before: Option<&'a Map<String, Value>>,
    after: Option<&'a Map<String, Value>>,
) -> Vec<(&'a str, Option<&'a Value>, Option<&'a Value>)> {
    let names: BTreeSet<&'a String> = [before, after].into_iter().flatten().flat_map(Map::keys).collect();
    let value_in = |map: Option<&'a Map<String, Value>>, name: &String| map.and_then(|map| map.get(name));
    names.into_iter().map(|name| (name.as_str(), value_in(before, name), value_in(after, name))).collect()
}

/// Where each name stands, if no two are the same.
fn by_name(names: &[String]) -> Option<BTreeMap<&str, usize>> {
    let indexes: BTreeMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    (indexes.len() == names.len()).then_some(indexes)
}
