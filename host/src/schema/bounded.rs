//! A schema that was found small enough, compiled, and the one place values are checked against it.

use std::fmt::Write as _;
use std::time::Duration;

use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::budget::{Budget, Exhausted, within};
use super::deep_stack::{DEEP_STACK_BYTES, drop_deep, on_deep_stack};
use super::metered::{Metered, MeteredJson};
use super::pattern::{NAME_PATTERN_CACHE_BYTES_MAX, NAME_PATTERN_COMPILED_BYTES_MAX, Patterns, is_regex};
use super::shape;
use crate::job::cut;

/// Largest schema, bytes.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// A schema of fewer schemas is compiled and dropped on any thread's stack; more get a stack of their own.
const SUBSCHEMAS_ON_ANY_STACK_MAX: usize = 48;
/// What a schema in the schema takes when compiled, about, bytes.
const SUBSCHEMA_BYTES: usize = 1 << 10;
/// What a value in the schema takes, a name included, when compiled and kept for messages, about, bytes.
const VALUE_BYTES: usize = 160;
/// Processor time of a check beside other work: many times what an honest one takes.
const QUICK_CPU_MAX: Duration = Duration::from_millis(2);
/// Its stack, bytes: most of what a thread of ours has is still free where values are checked.
const QUICK_STACK_BYTES_MAX: usize = 512 << 10;
/// Processor time of a check on a thread of its own.
const THOROUGH_CPU_MAX: Duration = Duration::from_secs(1);
const THOROUGH_STACK_BYTES_MAX: usize = DEEP_STACK_BYTES / 2;
/// Processor time spent on finding out where a value breaks its schema, once it is known that it does.
const EXPLAINING_CPU_MAX: Duration = Duration::from_millis(50);
/// Of one violation's text, bytes.
const MESSAGE_BYTES_MAX: usize = 500;
/// Longest place of one told.
const POINTER_BYTES_MAX: usize = 512;

/// How long a check may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// On a thread that others wait for: a few milliseconds.
    Quick,
    /// On a thread of its own, from [`super::SlowWork`]: a second.
    Thorough,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The value is valid.
    Valid,
    /// It is not, in these places: at least one, at most as many as were asked for.
    Invalid(Vec<Violation>),
    /// The check was given up.
    Unfinished(Exhausted),
}

/// One place where a value breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer; the end of a very long one is left out.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// The same without the value: equal for all values that are wrong there in this way.
    pub general: String,
}

/// A compiled schema.
pub struct BoundedSchema {
    /// `None` once dropped.
    validator: Option<Validator<MeteredJson>>,
    subschemas: usize,
    bytes: usize,
    name_states: usize,
}

impl BoundedSchema {
    /// Compiles a schema, JSON text, unless it is past a bound. The error is a sentence that begins with its verb.
    /// Blocks: some hundred milliseconds for the worst.
    pub fn compile(schema: &str) -> Result<BoundedSchema, String> {
        if schema.len() > SCHEMA_BYTES_MAX {
            return Err(format!("is larger than {SCHEMA_BYTES_MAX} bytes; describe less, or less exactly"));
        }
        let text_bytes = schema.len();
        let schema: Value = serde_json::from_str(schema).map_err(|error| format!("is not JSON: {error}"))?;
        let shape = shape::inspect(&schema)?;
        let patterns = Patterns::compile(&shape.patterns)?;
        let (subschemas, name_states) = (shape.subschemas, patterns.name_states);
        let values_bytes = values(&schema).saturating_mul(VALUE_BYTES);
        let bytes = patterns.bytes + text_bytes + values_bytes + shape.compiled.saturating_mul(SUBSCHEMA_BYTES);
        let validator = if subschemas <= SUBSCHEMAS_ON_ANY_STACK_MAX {
            build(&schema, patterns)
        } else {
            let compiled = on_deep_stack(move || build(&schema, patterns));
            compiled.map_err(|error| format!("cannot be compiled: {error}"))?
        }?;
        Ok(BoundedSchema { validator: Some(validator), subschemas, bytes, name_states })
    }

    /// Memory it takes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks a value.
    pub fn check(&self, value: &Value, effort: Effort, violations_max: usize) -> Verdict {
        let Some(validator) = &self.validator else { return Verdict::Valid };
        let (cpu_max, stack_bytes_max) = match effort {
            Effort::Quick => (QUICK_CPU_MAX, QUICK_STACK_BYTES_MAX),
            Effort::Thorough => (THOROUGH_CPU_MAX, THOROUGH_STACK_BYTES_MAX),
        };
        let name_states = self.name_states;
        match within(Budget { cpu_max, stack_bytes_max, name_states }, || validator.is_valid(Metered(value))) {
            Ok(true) => return Verdict::Valid,
            Ok(false) => {}
            Err(exhausted) => return Verdict::Unfinished(exhausted),
        }
        let explaining = Budget { cpu_max: cpu_max.min(EXPLAINING_CPU_MAX), stack_bytes_max, name_states };
        let violations = within(explaining, || {
            validator
                .iter_errors(Metered(value))
                .take(violations_max)
                .map(|error| violation(&error))
                .collect::<Vec<_>>()
        });
        match (violations, effort) {
            (Ok(violations), _) if !violations.is_empty() => Verdict::Invalid(violations),
            (Err(exhausted), Effort::Quick) => Verdict::Unfinished(exhausted),
            _ => {
                let message = "does not match the schema; to find every place where would take too long".to_owned();
                Verdict::Invalid(vec![Violation { pointer: String::new(), general: message.clone(), message }])
            }
        }
    }
}

impl Drop for BoundedSchema {
    fn drop(&mut self) {
        let Some(validator) = self.validator.take() else { return };
        if self.subschemas > SUBSCHEMAS_ON_ANY_STACK_MAX {
            drop_deep(validator);
        }
    }
}

impl std::fmt::Debug for BoundedSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundedSchema").field("subschemas", &self.subschemas).finish_non_exhaustive()
    }
}

/// Nothing is fetched from anywhere. Patterns were compiled before, within bounds; those for names the evaluator
/// compiles once more for itself.
/// Values and names of members in a value; the parser has bounded how deep they are nested.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(values).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(|member| 1 + values(member)).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn build(schema: &Value, patterns: Patterns) -> Result<Validator<MeteredJson>, String> {
    let for_names = PatternOptions::regex()
        .size_limit(NAME_PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(NAME_PATTERN_CACHE_BYTES_MAX);
    jsonschema::options_for::<MeteredJson>()
        .offline()
        .with_pattern_options(for_names)
        .with_format("regex", is_regex)
        .with_keyword("pattern", move |_, pattern, _| {
            let known = pattern.as_str().and_then(|text| patterns.keyword(text));
            let known = known.ok_or_else(|| ValidationError::custom("a pattern must be a text, in a schema"))?;
            Ok(Box::new(known) as Box<dyn for<'i> Keyword<'i, MeteredJson>>)
        })
        .build(schema)
        .map_err(|error| format!("is not a valid JSON Schema: {}", text_of(&error)))
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let general = text_of(&error.masked_with("it"));
    // Its parts are the payload's own keys, which may be as long as that.
    let pointer = written(error.instance_path(), POINTER_BYTES_MAX);
    Violation { pointer, message: text_of(error), general }
}

/// The error in words. It quotes the value, which may be large: writing ends where nobody would read on.
fn text_of(error: &dyn std::fmt::Display) -> String {
    written(error, MESSAGE_BYTES_MAX)
}

/// What it writes, up to so many bytes.
fn written(value: &dyn std::fmt::Display, bytes_max: usize) -> String {
    struct UpTo(String, usize);
    impl std::fmt::Write for UpTo {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.push_str(text.get(..text.floor_char_boundary(self.1 + 1)).unwrap_or_default());
            if self.0.len() > self.1 { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let mut text = UpTo(String::new(), bytes_max);
    // It ends early where there is too much of it.
    let _cut_short = write!(text, "{value}");
    cut(text.0, bytes_max)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TREE: &str = r##"{"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [
        {"type": "integer"},
        {"type": "object", "properties": {"child": {"$ref": "#/$defs/n"}}, "required": ["child"]},
        {"type": "object", "properties": {"child": {"$ref": "#/$defs/n"}, "note": {"type": "string"}}, "required": ["child"]}
    ]}}}"##;

    fn compiled(schema: &Value) -> BoundedSchema {
        BoundedSchema::compile(&schema.to_string()).expect("a schema")
    }

    fn nested(levels: usize, innermost: Value) -> Value {
        (0..levels).fold(innermost, |value, _| json!({ "child": value }))
    }

    fn violations(verdict: Verdict) -> Vec<Violation> {
        match verdict {
            Verdict::Invalid(violations) => violations,
            other => panic!("{other:?}"),
        }
    }

    /// Runs where a test of the host's threads would: with the stack they have.
    fn on_two_mebibytes<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
        thread.join().expect("no panic")
    }

    #[test]
    fn places_behind_long_names_are_cut() {
        let schema = compiled(&json!({"additionalProperties": {"additionalProperties": {"type": "string"}}}));
        let name = "\u{e9}".repeat(500_000);
        let found = violations(schema.check(&json!({ &*name: {"a": 1, "b": 2} }), Effort::Thorough, 9));
        assert_eq!(found.len(), 2);
        assert!(
            found.iter().all(|v| v.pointer.len() <= POINTER_BYTES_MAX + '…'.len_utf8()),
            "{}",
            found[0].pointer.len()
        );
        assert!(found[0].pointer.starts_with("/\u{e9}\u{e9}"));
    }

    #[test]
    fn every_broken_place_is_named_up_to_a_bound() {
        let schema = compiled(&json!({
            "type": "object",
            "required": ["to"],
            "properties": {"to": {"items": {"type": "string", "pattern": "^a"}}},
        }));
        assert_eq!(schema.check(&json!({"to": ["a"]}), Effort::Quick, 20), Verdict::Valid);
        let found = violations(schema.check(&json!({"to": ["a", 1, "b"]}), Effort::Quick, 20));
        let found: Vec<_> = found.iter().map(|v| (v.pointer.as_str(), v.message.as_str())).collect();
        let wanted = [("/to/1", r#"1 is not of type "string""#), ("/to/2", r#""b" does not match "^a""#)];
        assert_eq!(found, wanted);
        let found = violations(schema.check(&json!({"to": vec![0; 100]}), Effort::Quick, 20));
        assert_eq!(found.len(), 20);
        let long = violations(schema.check(&json!("x".repeat(1 << 20)), Effort::Quick, 20));
        assert!(long[0].message.len() <= MESSAGE_BYTES_MAX, "{}", long[0].message.len());
    }

    #[test]
    fn what_is_valid_is_found_valid_though_it_branches_at_every_level() {
        let schema = BoundedSchema::compile(TREE).expect("a schema");
        assert_eq!(schema.check(&nested(20, json!(1)), Effort::Thorough, 20), Verdict::Valid);
        // What exactly is wrong would take for ever to say.
        let found = violations(schema.check(&nested(20, json!("x")), Effort::Thorough, 20));
        assert_eq!((found.len(), found[0].pointer.as_str()), (1, ""));
        assert!(found[0].message.contains("too long"), "{found:?}");
        // Nothing is left behind by what was given up.
        assert_eq!(schema.check(&nested(3, json!(1)), Effort::Quick, 20), Verdict::Valid);
        assert_eq!(violations(schema.check(&nested(2, json!("x")), Effort::Quick, 20)).len(), 1);
    }

    #[test]
    fn what_would_take_for_ever_is_given_up() {
        // Each level applies the next to its first and last element: 2^30 ways through a value of 30 levels, which no
        // cache shortens as each of them is written out.
        let mut defs: serde_json::Map<String, Value> = (0..60)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/{}", n + 1)});
                (
                    n.to_string(),
                    json!({"anyOf": [{"items": next, "minItems": 1}, {"contains": next}, {"prefixItems": [next]}]}),
                )
            })
            .collect();
        defs.insert("60".to_owned(), json!(false));
        let schema = compiled(&json!({"$ref": "#/$defs/0", "$defs": defs}));
        let value = (0..60).fold(json!([1]), |value, _| json!([value]));
        for effort in [Effort::Quick, Effort::Thorough] {
            assert_eq!(schema.check(&value, effort, 20), Verdict::Unfinished(Exhausted::Time));
        }
        assert_eq!(schema.check(&json!([]), Effort::Quick, 20), Verdict::Valid);
    }

    #[test]
    fn patterns_look_ahead_at_the_beginning_and_back_at_the_end() {
        let password = json!("^(?=.*[A-Z])(?=.*\\d)(?!.*\\s).{8,64}(?<!x)$");
        let schema = compiled(&json!({ "pattern": password }));
        for (text, valid) in
            [("Abcdefg1", true), ("abcdefg1", false), ("Abcdefgh", false), ("Abcd fg1", false), ("Abcdef1x", false)]
        {
            assert_eq!(schema.check(&json!(text), Effort::Quick, 1) == Verdict::Valid, valid, "{text}");
        }
        for (schema, said) in [
            (json!({"items": {"pattern": "^((?!a).)*$"}}), "`#/items`: the pattern `^((?!a).)*$` looks around"),
            (
                json!({"patternProperties": {"^(?!x-)": true}}),
                "`^(?!x-)` is too large for `patternProperties`, or looks",
            ),
            (json!({"pattern": "("}), "the pattern `(` is not a regular expression"),
            (json!({"pattern": "(\\p{L}{1000}){1000}"}), "repeat less"),
            (json!({"pattern": 5}), "valid JSON Schema"),
        ] {
            let refused = BoundedSchema::compile(&schema.to_string()).expect_err("refused");
            assert!(refused.contains(said), "{refused}: wanted {said}");
        }
    }

    #[test]
    fn what_people_match_is_matched_beside_other_work() {
        for (pattern, valid, invalid) in [
            (r"^\d{4}-\d{2}-\d{2}$", "2026-11-21", "2026-11-2x"),
            ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "0123abcd-0123-abcd-0123-0123456789ab", "0123abcd"),
            ("^[a-z0-9-]{1,63}$", "a-9", "A"),
            (r"^[^@\s]+@[^@\s]+\.[a-z]+$", "a@b.org", "a@b"),
            (r"\bword\b", "a wörd word", "swords"),
            (r"(?i)^(yes|no)$", "YES", "maybe"),
            (r"^\p{L}{1,64}$", "Ärger", "1"),
            (r"^.{1,2000}$", "x", "\n"),
            ("^.+$", "a b", "a\rb"),
            ("^.+$", "ä", "a\u{2028}b"),
        ] {
            let schema = compiled(&json!({ "pattern": pattern }));
            assert_eq!(schema.check(&json!(valid), Effort::Quick, 1), Verdict::Valid, "{pattern}");
            let message = &violations(schema.check(&json!(invalid), Effort::Quick, 1))[0].message;
            assert_eq!(message, &format!("{} does not match \"{pattern}\"", json!(invalid)));
        }
        // A check that is given up has made some states of the automaton, and the next one gets further.
        for (pattern, text) in
            [(r"^[\p{L}\p{M}' -]{1,60}$", "Søren Åberg-Müller".to_owned()), (r"^\p{L}{1,200}$", "ärger".repeat(30))]
        {
            let large = compiled(&json!({ "pattern": pattern }));
            let tries = (0..50).take_while(|_| large.check(&json!(text), Effort::Quick, 1) != Verdict::Valid).count();
            assert!(tries < 50, "{pattern}: never ready");
        }
        let names = compiled(&json!({"properties": {
            "first": {"pattern": r"^[\p{L}' -]{1,50}$"},
            "last": {"pattern": r"^[\p{L}' -]{1,60}$"},
            "street": {"pattern": r"^[\p{L} .'-]{1,60}$"},
        }}));
        let person = json!({"first": "Søren", "last": "Åberg", "street": "Rue de l'Église"});
        assert_eq!(names.check(&person, Effort::Thorough, 1), Verdict::Valid);
        let words = compiled(&json!({"items": {"pattern": r"^[\p{L}\p{M}\s,.]+$"}}));
        let text = "Wörter, nichts als Wörter. ".repeat(200);
        assert_eq!(words.check(&json!([text, text]), Effort::Thorough, 1), Verdict::Valid);
    }

    #[test]
    fn no_match_is_beyond_its_budget() {
        let text: String = (0..400_000_u64).map(|n| if (n * n + n / 3) % 7 < 3 { 'a' } else { 'b' }).collect();
        let schema = compiled(&json!({"pattern": "[ab]*a[ab]{2000}c"}));
        let began = super::super::budget::thread_cpu_time();
        assert_eq!(schema.check(&json!(text), Effort::Quick, 1), Verdict::Unfinished(Exhausted::Time));
        // The look at the clock comes after as many steps as the expression has states.
        let took = super::super::budget::thread_cpu_time().checked_sub(began).expect("it goes forward");
        assert!(took < QUICK_CPU_MAX * 25, "{took:?}");
    }

    #[test]
    fn names_are_matched_as_long_as_they_are_short() {
        let schema = compiled(&json!({
            "patternProperties": {"^[a-z]{1,60}$": {"type": "integer"}, "^x-": true, r"^\p{Lu}+$": {"type": "string"}},
            "additionalProperties": false,
        }));
        assert_eq!(schema.check(&json!({"abc": 1, "x-y": null, "Ä": "x"}), Effort::Quick, 1), Verdict::Valid);
        assert_eq!(violations(schema.check(&json!({"abc": "1", "7": 1}), Effort::Quick, 9)).len(), 2);
        let long = json!({"x".repeat(100_000): 1});
        assert_eq!(schema.check(&long, Effort::Quick, 1), Verdict::Unfinished(Exhausted::LongName));
        assert_eq!(compiled(&json!({"minProperties": 1})).check(&long, Effort::Quick, 1), Verdict::Valid);
        let large = json!({"patternProperties": {"[ab]*a[ab]{2000}c": true}}).to_string();
        assert!(BoundedSchema::compile(&large).expect_err("too large").contains("propertyNames"));
    }

    #[test]
    fn patterns_are_bounded_together() {
        let all: Vec<Value> = (0..128).map(|n| json!({"pattern": format!(r"\pL{{11}}{n}")})).collect();
        let refused = BoundedSchema::compile(&json!({ "prefixItems": all }).to_string()).expect_err("too many");
        assert!(refused.contains("#/prefixItems/") && refused.contains("is one too many"), "{refused}");
        // The same one as often as they like.
        let same = compiled(&json!({"prefixItems": vec![json!({"pattern": r"\pL{11}"}); 128]}));
        assert!(same.bytes() < 2 << 20, "{}", same.bytes());
        // Schemas without patterns take memory by their values.
        let names: serde_json::Map<String, Value> = (0..17_000).map(|n| (n.to_string(), json!(["b"]))).collect();
        let many = compiled(&json!({ "dependentRequired": names }));
        assert!(many.bytes() > 7 << 20, "{}", many.bytes());
    }

    #[test]
    fn the_format_regex_has_a_bound() {
        let schema = compiled(&json!({"$schema": "http://json-schema.org/draft-07/schema#", "format": "regex"}));
        assert_eq!(schema.check(&json!("^(a|b)$"), Effort::Quick, 1), Verdict::Valid);
        assert!(matches!(schema.check(&json!("("), Effort::Quick, 1), Verdict::Invalid(_)));
        let groups = "(?<a>)".repeat(10_000);
        assert_eq!(schema.check(&json!(groups), Effort::Quick, 1), Verdict::Unfinished(Exhausted::LongText));
    }

    #[test]
    fn no_schema_and_no_value_runs_out_of_stack() {
        let deep = (0..126).fold(json!(1), |value, _| json!([value]));
        // The most that may apply to one value, at each of the deepest value's levels, through each applicator.
        let links: [fn(Value) -> Value; 7] = [
            |next| json!({"$ref": next["$ref"], "unevaluatedItems": true}),
            |next| json!({ "anyOf": [next] }),
            |next| json!({ "oneOf": [next] }),
            |next| json!({ "allOf": [next], "unevaluatedProperties": true }),
            |next| json!({"if": next, "then": true}),
            |next| json!({"not": {"not": next}}),
            |next| json!({ "dependentSchemas": {"a": next}, "allOf": [next] }),
        ];
        // Schemas in each link; the last one applies the next link twice.
        let links_max = [61, 30, 30, 30, 30, 20, 8];
        for (link, count) in links.iter().zip(links_max) {
            let mut defs: serde_json::Map<String, Value> =
                (0..count).map(|n| (n.to_string(), link(json!({"$ref": format!("#/$defs/{}", n + 1)})))).collect();
            defs.insert(count.to_string(), json!({"items": {"$ref": "#/$defs/0"}}));
            let schema = json!({"$ref": "#/$defs/0", "$defs": defs}).to_string();
            let (deep, deeper) = (deep.clone(), deep.clone());
            let schema = on_two_mebibytes(move || {
                let schema = BoundedSchema::compile(&schema).expect("within bounds");
                let _any = schema.check(&deep, Effort::Quick, 20);
                schema
            });
            let checked = on_deep_stack(move || (schema.check(&deeper, Effort::Thorough, 20), schema));
            let (_any, schema) = checked.expect("a thread");
            on_two_mebibytes(move || drop(schema));
        }
    }

    #[test]
    fn the_largest_schemas_compile_and_are_dropped() {
        // As long a chain of references as there may be, through parts of values.
        let links: [fn(Value) -> Value; 3] = [
            |next| json!({ "items": next }),
            |next| json!({"properties": {"a": next}, "unevaluatedProperties": false}),
            |next| json!({"prefixItems": [next], "unevaluatedItems": false}),
        ];
        // The longest that are compiled on any stack, and the longest there may be.
        let lengths = [SUBSCHEMAS_ON_ANY_STACK_MAX / 2 - 2, 1_600];
        for (link, length) in links.iter().flat_map(|link| lengths.map(|length| (link, length))) {
            let mut defs: serde_json::Map<String, Value> =
                (0..length).map(|n| (n.to_string(), link(json!({"$ref": format!("#/$defs/{}", n + 1)})))).collect();
            defs.insert(length.to_string(), json!(true));
            let schema = json!({"$ref": "#/$defs/0", "$defs": defs}).to_string();
            on_two_mebibytes(move || drop(BoundedSchema::compile(&schema).expect("within bounds")));
        }
    }

    #[test]
    fn equal_elements_are_found_whatever_they_look_like() {
        let schema = compiled(&json!({"uniqueItems": true}));
        for (value, unique) in [
            (json!([1, 1.0]), false),
            (json!([0.0, -0.0]), false),
            (json!([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]), false),
            (json!([[1, [2]], [[1], 2], "1", 1, null, false, 0, {}, []]), true),
        ] {
            assert_eq!(schema.check(&value, Effort::Quick, 1) == Verdict::Valid, unique, "{value}");
        }
    }

    #[test]
    fn references_beside_other_keywords_count_as_their_draft_says() {
        let schema = |draft: &str| {
            compiled(&json!({
                "$schema": draft, "$ref": "#/definitions/s", "maxLength": 1, "definitions": {"s": {"type": "string"}},
            }))
        };
        let value = json!("long");
        assert_eq!(schema("http://json-schema.org/draft-07/schema#").check(&value, Effort::Quick, 1), Verdict::Valid);
        let today = schema("https://json-schema.org/draft/2020-12/schema");
        assert!(matches!(today.check(&value, Effort::Quick, 1), Verdict::Invalid(_)));
    }
}
