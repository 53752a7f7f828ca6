//! Walks two schemas side by side and collects sentences. Two places of which nothing is said take the same values:
//! every keyword is compared by somebody, and what can't be compared is told.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::path::{Step, cases, place};
use super::reading::{Document, Part, Place, TakesNull};
use super::steps::Steps;
use super::values::{is_same, say_the_same};
use super::words::{kind_of, listed, quoted};

/// Sentences about one pair of schemas.
const SENTENCES_MAX: usize = 40;
/// How deep the walk goes.
const DEPTH_MAX: usize = 64;
/// What is written where no draft is named.
const DRAFT_DEFAULT: &str = "https://json-schema.org/draft/2020-12/schema";
pub(super) const ANYTHING: &Value = &Value::Bool(true);

/// What changed, in sentences; none when nothing did.
pub fn difference(before: &Value, after: &Value) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    Walk::over(before, after).end(before, after)
}

/// Places the walk has been to: where they stand, and whether `null` was let in on the way there.
type Pair = [(usize, bool); 2];

pub(super) struct Walk<'a> {
    before: Document<'a>,
    after: Document<'a>,
    path: Vec<Step<'a>>,
    /// The pairs of places the walk is inside of, so that a type that has itself as a part is walked once.
    inside: Vec<Pair>,
    /// Those of which nothing was to be said.
    same: HashSet<Pair>,
    /// One of the schemas tells what no other keyword speaks of: also a keyword that takes everything then matters.
    pub(super) has_unevaluated: bool,
    pub(super) steps: Steps,
    sentences: Vec<String>,
    /// Sentences, also those that were said before.
    said: usize,
    is_cut: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn over(before: &'a Value, after: &'a Value) -> Self {
        let mut walk = Walk {
            before: Document::of(before),
            after: Document::of(after),
            path: Vec::new(),
            inside: Vec::new(),
            same: HashSet::new(),
            has_unevaluated: [before, after].into_iter().any(has_unevaluated),
            steps: Steps::default(),
            sentences: Vec::new(),
            said: 0,
            is_cut: false,
        };
        let draft = |root: &'a Value| root.get("$schema").and_then(Value::as_str).unwrap_or(DRAFT_DEFAULT);
        if draft(before).trim_end_matches('#') != draft(after).trim_end_matches('#') {
            walk.say(|_| "it is written for another draft of JSON Schema now, which may read it otherwise".to_owned());
        }
        walk.compare(before, after);
        walk
    }

    fn end(self, before: &Value, after: &Value) -> Vec<String> {
        let is_cut = self.is_cut || self.steps.are_used_up() || self.sentences.len() > SENTENCES_MAX;
        let mut sentences = self.sentences;
        sentences.truncate(SENTENCES_MAX);
        match (is_cut, sentences.is_empty()) {
            (true, true) => sentences
                .push("it is too large to be compared in full, and may take more or less than before".to_owned()),
            (true, false) => sentences.push("… and more".to_owned()),
            (false, true) if say_the_same(before, after) => sentences.push("only descriptions changed".to_owned()),
            (false, true) => {
                sentences.push("it is written in another way; no change of meaning was found".to_owned());
            }
            (false, false) => {}
        }
        sentences
    }

    /// Says something of this place, which is named in words.
    pub(super) fn say(&mut self, sentence: impl FnOnce(&str) -> String) {
        // What was found by then is not whole.
        if self.steps.are_used_up() {
            return;
        }
        self.said += 1;
        let (cases, sentence) = (cases(&self.path), sentence(&place(&self.path)));
        let sentence = if cases.is_empty() { sentence } else { format!("{cases}: {sentence}") };
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }

    /// Says something of a place one step from here.
    pub(super) fn say_of(&mut self, step: Step<'a>, sentence: impl FnOnce(&str) -> String) {
        self.path.push(step);
        self.say(sentence);
        self.path.pop();
    }

    pub(super) fn below(&mut self, step: Step<'a>, before: &'a Value, after: &'a Value) {
        self.below_all(&[step], before, after);
    }

    pub(super) fn below_all(&mut self, steps: &[Step<'a>], before: &'a Value, after: &'a Value) {
        let depth = self.path.len();
        self.path.extend_from_slice(steps);
        self.compare(before, after);
        self.path.truncate(depth);
    }

    pub(super) fn is_same(&mut self, before: &Value, after: &Value) -> bool {
        is_same(before, after, &mut self.steps)
    }

    pub(super) fn read_before(&mut self, schema: &'a Value) -> Place<'a> {
        self.before.read(schema, &mut self.steps)
    }

    pub(super) fn read_after(&mut self, schema: &'a Value) -> Place<'a> {
        self.after.read(schema, &mut self.steps)
    }

    fn compare(&mut self, before: &'a Value, after: &'a Value) {
        if self.steps.are_used_up() {
            return;
        }
        if self.inside.len() >= DEPTH_MAX || self.sentences.len() > SENTENCES_MAX {
            self.is_cut = true;
            return;
        }
        let (before, after) = (self.read_before(before), self.read_after(after));
        let said = self.said;
        self.compare_defaults(before.default, after.default);
        let pair = [(before.at, before.or_null), (after.at, after.or_null)];
        if self.inside.contains(&pair) || self.same.contains(&pair) {
            return;
        }
        self.inside.push(pair);
        self.compare_places(&before, &after);
        self.inside.pop();
        if self.said == said && !self.is_cut && !self.steps.are_used_up() {
            self.same.insert(pair);
        }
    }

    fn compare_defaults(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(before), Some(after)) if self.is_same(before, after) => {}
            (Some(before), Some(after)) => {
                self.say(|place| format!("{place} has the default {} now (was {})", quoted(after), quoted(before)));
            }
            (None, Some(after)) => self.say(|place| format!("{place} has the default {} now", quoted(after))),
            (Some(before), None) => {
                self.say(|place| format!("{place} has no default any more (was {})", quoted(before)));
            }
            (None, None) => {}
        }
    }

    fn compare_places(&mut self, before: &Place<'a>, after: &Place<'a>) {
        if before.is_never && after.is_never && before.or_null == after.or_null {
            return;
        }
        let both_choose = before.choices.is_some() && after.choices.is_some();
        // What follows from the values is told of the values.
        let is_told = |one: &Place<'_>, other: &Place<'_>| one.types_are_implied && other.types.is_none();
        let is_other_type = before.types_beside_null() != after.types_beside_null()
            && !both_choose
            && !is_told(before, after)
            && !is_told(after, before);
        if is_other_type || before.is_never != after.is_never {
            let (was, is) = (kind_of(before), kind_of(after));
            self.say(|place| format!("{place} was {was}, is {is} now"));
            return;
        }
        self.compare_nulls(before, after);
        self.compare_choices(before, after);
        for reference in before.unfollowed.iter().chain(&after.unfollowed) {
            self.say(|place| {
                let name = quoted(&Value::from(*reference));
                format!("{place} refers to {name}, which is not followed here, and may take more or less")
            });
        }
        self.compare_parts(&before.parts, &after.parts);
    }

    fn compare_nulls(&mut self, before: &Place<'a>, after: &Place<'a>) {
        use TakesNull::{Depends, No, Yes};
        match (before.takes_null(), after.takes_null()) {
            // That there are only some values says it.
            (Yes, No) if before.types.is_none() && before.choices.is_none() && after.choices.is_some() => {}
            (Yes | Depends, No) => self.say(|place| format!("{place} may no longer be null")),
            (No, Yes | Depends) => self.say(|place| format!("{place} may be null now")),
            // Otherwise it is told of what it depends on.
            (Depends, Yes) if after.or_null => self.say(|place| format!("{place} may always be null now")),
            (Yes, Depends) if before.or_null => self.say(|place| format!("{place} may not always be null now")),
            (Yes | Depends, Yes | Depends) | (No, No) => {}
        }
    }

    fn compare_choices(&mut self, before: &Place<'a>, after: &Place<'a>) {
        match (&before.choices, &after.choices) {
            (Some(before), Some(after)) => {
                let gone = before.but(after, &mut self.steps);
                let new = after.but(before, &mut self.steps);
                if !gone.is_empty() {
                    self.say(|place| format!("{place} may no longer be {}", listed(&gone)));
                }
                if !new.is_empty() {
                    self.say(|place| format!("{place} may be {} now", listed(&new)));
                }
            }
            (None, Some(after)) => self.say(|place| format!("{place} must be one of {} now", listed(&after.values))),
            (Some(before), None) => {
                self.say(|place| format!("{place} need no longer be one of {}", listed(&before.values)));
            }
            (None, None) => {}
        }
    }

    /// Parts are matched by the reference that leads to them, others by their order.
    fn compare_parts(&mut self, before: &[Part<'a>], after: &[Part<'a>]) {
        if let ([before], [after]) = (before, after) {
            return self.compare_part(before, after);
        }
        let nothing = Part::default();
        let mut named: BTreeMap<&str, &Part<'a>> =
            after.iter().filter_map(|part| Some((part.reference?, part))).collect();
        let mut pairs = Vec::new();
        let mut left_before = Vec::new();
        for part in before {
            match part.reference.and_then(|reference| named.remove(reference)) {
                Some(other) => pairs.push((part, other)),
                None => left_before.push(part),
            }
        }
        let is_left = |part: &&Part<'a>| part.reference.is_none_or(|reference| named.contains_key(reference));
        let left_after: Vec<&Part<'a>> = after.iter().filter(is_left).collect();
        match (left_before.len(), left_after.len()) {
            (before, after) if before == after => pairs.extend(left_before.into_iter().zip(left_after)),
            (0, _) => pairs.extend(left_after.into_iter().map(|part| (&nothing, part))),
            (_, 0) => pairs.extend(left_before.into_iter().map(|part| (part, &nothing))),
            _ => self.say(|place| {
                format!(
                    "{place} is put together in another way now (`allOf`, or `$ref` beside other keywords), and may \
                     take more or less"
                )
            }),
        }
        for (before, after) in pairs {
            self.compare_part(before, after);
        }
    }

    #[cfg(test)]
    pub(super) fn steps_taken(&self) -> usize {
        self.steps.taken()
    }
}

fn has_unevaluated(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            map.iter().any(|(keyword, value)| keyword.starts_with("unevaluated") || has_unevaluated(value))
        }
        Value::Array(all) => all.iter().any(has_unevaluated),
        _ => false,
    }
}
