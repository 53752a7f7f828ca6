//! Pairs of schemas, as generators write them, and what is said of each.

use serde_json::{Value, json};

use super::difference;
use super::steps::{PLACE_STEPS, STEPS_MAX};
use super::walk::Walk;

fn said(before: &Value, after: &Value) -> Vec<String> {
    difference(before, after)
}

fn of(properties: &Value, required: &[&str]) -> Value {
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Input", "type": "object",
        "properties": properties, "required": required})
}

#[test]
fn members_come_go_and_change() {
    let before = of(
        &json!({"count": {"type": "integer", "format": "uint32", "minimum": 0}, "age": {"type": "integer"},
            "note": {"type": ["string", "null"]}, "to": {"type": "string"}}),
        &["count", "to"],
    );
    let after = of(
        &json!({"age": {"type": "string"}, "note": {"type": "string"}, "name": {"type": "string"},
            "more": {"type": "boolean"}, "to": {"type": "string"}}),
        &["name", "note"],
    );
    assert_eq!(
        said(&before, &after),
        [
            "`age` was an integer, is a string now",
            "`count` is gone",
            "`note` is required now",
            "`note` may no longer be null",
            "`to` is optional now",
            "`more` is new and optional",
            "`name` is new and required",
        ]
    );
    let mut strict = after.clone();
    strict["additionalProperties"] = json!(false);
    let said = said(&before, &strict);
    assert!(said.contains(&"`count` is gone, and refused where it is still sent".to_owned()), "{said:?}");
    assert!(said.contains(&"it takes no members beside those described now".to_owned()), "{said:?}");
}

#[test]
fn each_change_has_its_sentence() {
    for (before, after, sentences) in [
        (json!({"minimum": 1}), json!({"minimum": 3}), &["`n` must be at least 3 now (was 1)"][..]),
        (json!({}), json!({"maxLength": 9}), &["`n` must be at most so many characters long: 9 now"]),
        (json!({"maximum": 9}), json!({}), &["`n` need no longer be at most 9"]),
        (json!({"format": "uuid"}), json!({"format": "date"}), &["`n` must be of the format `date` now (was `uuid`)"]),
        (json!({"type": "integer"}), json!({"type": "number"}), &["`n` was an integer, is a number now"]),
        (json!({"type": "string"}), json!({"type": ["string", "null"]}), &["`n` may be null now"]),
        (json!(true), json!({"type": "string"}), &["`n` was anything, is a string now"]),
        (json!(true), json!(false), &["`n` was anything, is nothing at all now"]),
        (
            json!({"type": "string", "enum": ["S", "M", "XL"]}),
            json!({"type": "string", "enum": ["S", "M", "L"]}),
            &["`n` may no longer be `XL`", "`n` may be `L` now"],
        ),
        (
            json!({"oneOf": [{"type": "string", "const": "a", "description": "A"}, {"type": "string", "const": "b"}]}),
            json!({"type": "string", "enum": ["b"]}),
            &["`n` may no longer be `a`"],
        ),
        (
            json!({"oneOf": [{"const": "a"}, {"const": 1.0}, {"const": "1"}]}),
            json!({"type": ["string", "integer"], "enum": ["a", 1, null]}),
            &["`n` may no longer be `\"1\"`"],
        ),
        (json!({"enum": ["a"]}), json!({"type": "string"}), &["`n` need no longer be one of `a`"]),
        (
            json!({"type": ["string", "null"], "enum": ["a", null]}),
            json!({"type": "string", "enum": ["a", null]}),
            &["`n` may no longer be null"],
        ),
        (
            json!({"oneOf": [{"type": "string", "const": "a"}, {"type": "string", "const": "b"}]}),
            json!({"oneOf": [{"type": "string", "const": "b"}]}),
            &["`n` may no longer be `a`"],
        ),
        (json!({"type": "string"}), json!({"type": "string", "enum": ["x"]}), &["`n` must be one of `x` now"]),
        (
            json!({"type": "array", "items": {"type": "integer"}}),
            json!({"type": "array", "items": {"type": "string"}}),
            &["`/n/*` was an integer, is a string now"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 2}}),
            &["`/n/*` must be at least 2 now"],
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "integer"}]}),
            json!({"type": "array", "prefixItems": [{"type": "integer"}, {}]}),
            &["`n` has 2 elements in order now (had 1)"],
        ),
        (
            json!({"anyOf": [{"$ref": "#/$defs/Street"}, {"type": "null"}]}),
            json!({"$ref": "#/$defs/Street"}),
            &["`n` may no longer be null"],
        ),
        (
            json!({"oneOf": [{"properties": {"type": {"const": "circle"}, "r": {"type": "number"}}},
                {"properties": {"type": {"const": "square"}}}]}),
            json!({"oneOf": [{"properties": {"type": {"const": "circle"}, "r": {"type": "integer"}}},
                {"properties": {"type": {"const": "line"}}}]}),
            &[
                "in variant `circle` of `n`: `/n/r` was a number, is an integer now",
                "`n` may no longer be `square`",
                "`n` may be `line` now",
            ],
        ),
        (
            json!({"if": {"minimum": 1}}),
            json!({"if": {"minimum": 2}}),
            &["in the condition (`if`) of `n`: `n` must be at least 2 now (was 1)"],
        ),
        (json!({"title": "A", "examples": [1]}), json!({"title": "B"}), &["only descriptions changed"]),
        (json!({"title": "A", "default": 1}), json!({"title": "B"}), &["`n` has no default any more (was `1`)"]),
        (json!({"default": "1"}), json!({"default": 1}), &["`n` has the default `1` now (was `\"1\"`)"]),
        (
            json!({"$ref": "#/$defs/Street"}),
            json!({"$ref": "#/$defs/Street", "default": "High Street"}),
            &["`n` has the default `High Street` now"],
        ),
        (
            json!({"type": ["string"]}),
            json!({"type": "string"}),
            &["it is written in another way; no change of meaning was found"],
        ),
    ] {
        let whole = |schema: &Value| {
            let mut whole = of(&json!({"n": schema}), &[]);
            whole["$defs"] = json!({"Street": {"type": "string"}});
            whole
        };
        assert_eq!(said(&whole(&before), &whole(&after)), sentences, "{before} -> {after}");
    }
}

#[test]
fn what_is_named_elsewhere_is_compared_where_it_is_used() {
    let with = |street: &Value| {
        let mut schema =
            of(&json!({"home": {"$ref": "#/$defs/Address"}, "work": {"$ref": "#/$defs/Address"}}), &["home"]);
        schema["$defs"] = json!({"Address": of(&json!({"street": street}), &["street"])});
        schema
    };
    assert_eq!(
        said(&with(&json!({"type": "string"})), &with(&json!({"type": "integer"}))),
        ["`/home/street` was a string, is an integer now", "`/work/street` was a string, is an integer now"]
    );
}

#[test]
fn names_in_references_may_be_escaped() {
    let with = |leaf: &str| json!({"items": {"$ref": "#/$defs/List%3C~1a%3E"}, "$defs": {"List</a>": {"type": leaf}}});
    assert_eq!(said(&with("string"), &with("integer")), ["`/*` was a string, is an integer now"]);
}

#[test]
fn a_type_that_has_itself_as_a_part_ends() {
    let tree = |leaf: &str| {
        let mut schema = json!({"$ref": "#/$defs/Tree"});
        schema["$defs"] = json!({"Tree": {"type": "object", "properties": {
            "leaf": {"type": leaf}, "left": {"$ref": "#/$defs/Tree"}, "right": {"$ref": "#/$defs/Tree"}}}});
        schema
    };
    assert_eq!(said(&tree("string"), &tree("integer")), ["`leaf` was a string, is an integer now"]);
    let endless = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
    assert!(!said(&endless, &json!({"type": "string"})).is_empty());
    let itself_or_null = json!({"anyOf": [{"$ref": "#"}, {"type": "null"}]});
    assert!(!said(&itself_or_null, &json!({"type": "string"})).is_empty());
}

#[test]
fn a_flood_is_cut() {
    // Each definition uses the next one twice: walked in full these would be a million places.
    let bush = |leaf: &str| {
        let mut definitions = serde_json::Map::new();
        for level in 0..20 {
            let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
            definitions.insert(format!("L{level}"), of(&json!({"a": next, "b": next}), &[]));
        }
        definitions.insert("L20".to_owned(), json!({"type": leaf}));
        json!({"$ref": "#/$defs/L0", "$defs": definitions})
    };
    let said = said(&bush("string"), &bush("integer"));
    assert!(said.len() < 50 && said.last().is_some_and(|last| last == "… and more"), "{}", said.len());
}

/// Every keyword that leads to another schema, with words for it.
#[test]
fn what_lies_behind_any_keyword_is_compared() {
    let street = |place: &str| format!("{place} must be at least so many characters long: 3 now");
    let reference = || json!({"$ref": "#/$defs/Street"});
    for (holder, said) in [
        (json!({"patternProperties": {"^x-": reference()}}), "in members of `n` whose names match `^x-`: `/n/*`"),
        (json!({"not": reference()}), "in what `n` must not be: `n`"),
        (json!({"if": reference(), "then": false}), "in the condition (`if`) of `n`: `n`"),
        (json!({"if": true, "then": reference()}), "where the condition of `n` is met: `n`"),
        (json!({"if": true, "else": reference()}), "where the condition of `n` is not met: `n`"),
        (json!({"dependentSchemas": {"a": {"properties": {"b": reference()}}}}), "where `/n/a` is there: `/n/b`"),
        (json!({"dependencies": {"a": {"properties": {"b": reference()}}}}), "where `/n/a` is there: `/n/b`"),
        (json!({"propertyNames": reference()}), "each name of `n`"),
        (json!({"propertyNames": {"not": reference()}}), "in what each name of `n` must not be: each name of `n`"),
        (json!({"contains": reference()}), "in what `n` must contain: `/n/*`"),
        (json!({"unevaluatedItems": reference()}), "in what nothing else of `n` describes: `/n/*`"),
        (json!({"unevaluatedProperties": reference()}), "in what nothing else of `n` describes: `/n/*`"),
        (json!({"items": reference()}), "`/n/*`"),
        (json!({"items": [true, reference()]}), "`/n/1`"),
        (json!({"additionalItems": reference()}), "`/n/*`"),
        (json!({"prefixItems": [reference()]}), "`/n/0`"),
        (json!({"additionalProperties": reference()}), "`/n/*`"),
        (json!({"allOf": [{"minLength": 2}, reference()]}), "`n`"),
        (json!({"allOf": [{"minLength": 2}, {"properties": {"a": reference()}}]}), "`/n/a`"),
        (json!({"$ref": "#/$defs/Street", "maxLength": 9}), "`n`"),
        (json!({"anyOf": [reference(), {"type": "null"}], "maxLength": 9}), "in variant `Street` of `n`: `n`"),
        (json!({"oneOf": [{"maxLength": 9}, reference()]}), "in variant number 2 of `n`: `n`"),
        (
            json!({"oneOf": [{"title": "A", "properties": {"0": {"anyOf": [reference(), {"type": "array"}]}}}, true]}),
            "in variant number 1 of `n`, in variant `Street` of `/n/0`: `/n/0`",
        ),
    ] {
        let whole = |street: &Value| {
            let mut whole = of(&json!({"n": holder}), &[]);
            whole["$defs"] = json!({"Street": street});
            whole
        };
        let (before, after) = (whole(&json!({"type": "string"})), whole(&json!({"type": "string", "minLength": 3})));
        assert_eq!(self::said(&before, &after), [street(said)], "{holder}");
    }
}

#[test]
fn what_can_not_be_put_into_words_is_said_to_matter() {
    for (before, after, sentence) in [
        (
            json!({"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}),
            json!({"allOf": [{"$ref": "#/$defs/A"}, {"minProperties": 1}, {"maxProperties": 2}]}),
            "it is put together in another way now (`allOf`, or `$ref` beside other keywords), and may take more or less",
        ),
        (
            json!({"$ref": "#/$defs/A"}),
            json!({"$ref": "#/$defs/A", "minProperties": 1}),
            "it must have at least so many members: 1 now",
        ),
        (
            json!({"$ref": "#a", "$defs": {"A": {"$anchor": "a", "type": "string"}}}),
            json!({"$ref": "#a", "$defs": {"A": {"$anchor": "a", "type": "integer"}}}),
            "it refers to `#a`, which is not followed here, and may take more or less",
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({}),
            "it is written for another draft of JSON Schema now, which may read it otherwise",
        ),
        (
            json!({"anyOf": [{"title": "A"}, {"title": "B", "type": "object"}]}),
            json!({"oneOf": [{"title": "A"}, {"title": "B", "type": "object"}]}),
            "it must fit exactly one of its variants now",
        ),
        (json!({"uniqueItems": true}), json!({}), "`uniqueItems` of it changed: nothing now (was `true`)"),
        (json!({"const": {"title": 1}}), json!({"const": {"title": 2}}), "it may no longer be `{\"title\":1}`"),
        (
            json!({"dependentRequired": {"title": ["a"]}}),
            json!({"dependentRequired": {"title": ["b"]}}),
            "`dependentRequired` of it changed: `{\"title\":[\"b\"]}` now (was `{\"title\":[\"a\"]}`)",
        ),
        (json!({"additionalProperties": false}), json!({}), "it takes members beside those described now"),
        (
            json!({"items": true, "unevaluatedItems": false}),
            json!({"unevaluatedItems": false}),
            "`items` of it changed: nothing now (was `true`)",
        ),
    ] {
        let with_definitions = |schema: &Value| {
            let mut schema = schema.clone();
            if schema.get("$defs").is_none() {
                schema["$defs"] = json!({"A": {"type": "object", "minProperties": 0}, "B": {"maxProperties": 9}});
            }
            schema
        };
        let said = said(&with_definitions(&before), &with_definitions(&after));
        assert!(said.iter().any(|said| said == sentence), "{before} -> {after}: {said:#?}");
    }
}

/// The steps a comparison takes, and how many sentences it comes to.
fn steps(before: &Value, after: &Value) -> (usize, usize) {
    (Walk::over(before, after).steps_taken(), said(before, after).len())
}

#[test]
fn many_values_are_compared_in_as_many_steps() {
    let choice = |from: usize| json!({"enum": (from..from + 30_000).map(|n| format!("value {n}")).collect::<Vec<_>>()});
    let (taken, sentences) = steps(&choice(0), &choice(15_000));
    assert!(taken < 60_000 * 7 && sentences == 2, "{taken} steps, {sentences} sentences");
    let object = |from: usize| {
        let names: Vec<String> = (from..from + 5_000).map(|n| format!("n{n}")).collect();
        let properties: serde_json::Map<String, Value> = names.iter().map(|name| (name.clone(), json!(true))).collect();
        json!({"properties": properties, "required": names})
    };
    let (taken, _) = steps(&object(0), &object(10));
    assert!(taken < 10_000 * (PLACE_STEPS + 10), "{taken} steps");
}

#[test]
fn no_two_schemas_take_longer_than_allowed() {
    // A value that was begun is looked at to its end, and the rest of a list is passed over.
    const STEPS_BESIDE_MAX: usize = STEPS_MAX / 2;
    let text = "x".repeat(1 << 20);
    let numbers = |from: usize| (from..from + 150_000).map(|n| json!(n)).collect::<Vec<_>>();
    let part = |n: usize, last: &str| json!({"items": {"$ref": "#/$defs/Long"}, "title": format!("{n}{last}")});
    let again = |last: &str| {
        json!({"allOf": (0..5_000).map(|n| part(n, last)).collect::<Vec<_>>(),
            "$defs": {"Long": {"enum": (0..50_000).collect::<Vec<_>>(), "x": [text, last]}}})
    };
    let deep = |leaf: &str| (0..120).fold(json!({"type": leaf}), |inner, _| json!({"items": inner}));
    let variants = |last: &str| {
        let one = |n: usize| json!({"title": n.to_string(), "properties": {"a": {"$ref": "#"}, last: {"$ref": "#"}}});
        json!({"oneOf": (0..3_000).map(one).collect::<Vec<_>>()})
    };
    for (before, after) in [
        (json!({"enum": numbers(0)}), json!({"enum": numbers(1)})),
        (again("a"), again("b")),
        (json!({"pattern": text}), json!({"pattern": format!("{text}y")})),
        (deep("string"), deep("integer")),
        (variants("b"), variants("c")),
        (json!({"x": numbers(0)}), json!({"x": numbers(0), "y": 1})),
    ] {
        let (taken, sentences) = steps(&before, &after);
        assert!(taken <= STEPS_MAX + STEPS_BESIDE_MAX, "{taken} steps");
        assert!((1..50).contains(&sentences), "{sentences} sentences");
    }
    let said = said(&again("a"), &again("b"));
    assert!(
        said.last().is_some_and(|last| last.contains("and more") || last.contains("may take more or less")),
        "{said:#?}"
    );
}
