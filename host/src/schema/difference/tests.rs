//! Pairs of schemas, as generators write them, and what is said of each.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::difference;

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
            &["`n` was one of `a`, `b`, is a string now"],
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
                "`/n/circle/r` was a number, is an integer now",
                "`n` may no longer be `square`",
                "`n` may be `line` now",
            ],
        ),
        (
            json!({"if": {"minimum": 1}}),
            json!({"if": {"minimum": 2}}),
            &["`if` of `n` changed: `{\"minimum\":2}` now (was `{\"minimum\":1}`)"],
        ),
        (json!({"title": "A", "default": 1}), json!({"title": "B"}), &["only descriptions changed"]),
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
    assert!(said.len() < 50 && said.last().is_some_and(|last| last.contains("more changed")), "{}", said.len());
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        prop_oneof!["string", "integer", "number", "boolean", "null", "array", "object"]
            .prop_map(|name| json!({"type": name})),
        (0..4i64).prop_map(|bound| json!({"type": "integer", "minimum": bound})),
        proptest::collection::vec("[a-c]", 0..3).prop_map(|values| json!({"enum": values})),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/properties/a"})),
        Just(json!({"type": 5, "required": "x", "properties": []})),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = proptest::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            (members, proptest::collection::vec("[a-d]", 0..3), any::<Option<bool>>()).prop_map(
                |(properties, required, more)| {
                    let mut schema = json!({"type": "object", "properties": properties, "required": required});
                    if let Some(more) = more {
                        schema["additionalProperties"] = json!(more);
                    }
                    schema
                }
            ),
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({"anyOf": all})),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({"oneOf": all, "description": "x"})),
            proptest::collection::vec(inner, 0..3).prop_map(|all| json!({"allOf": all})),
        ]
    })
}

proptest! {
    #[test]
    fn equal_schemas_give_nothing_and_others_something(before in schema(), after in schema()) {
        prop_assert!(difference(&before, &before).is_empty());
        prop_assert_eq!(difference(&before, &after).is_empty(), before == after);
    }
}
