//! Random pairs of schemas, mostly alike: wherever a validator takes a value by one and not by the other, a change must
//! have been told.

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::difference;

/// Definitions; each refers to later ones only, or through a member to any.
const DEFINITIONS: usize = 3;
const NO_CHANGE: [&str; 2] =
    ["only descriptions changed", "it is written in another way; no change of meaning was found"];

fn names() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "title"]).prop_map(str::to_owned)
}

fn small_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-1..4i64).prop_map(Value::from),
        select(vec![0.5, 1.0, 2.0]).prop_map(Value::from),
        select(vec!["", "a", "b", "abc", "title"]).prop_map(Value::from),
    ]
}

/// What schemas are made for, and what they are shown.
fn value() -> impl Strategy<Value = Value> {
    small_value().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(names(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

fn type_names() -> impl Strategy<Value = Value> {
    let name = || select(vec!["string", "integer", "number", "boolean", "null", "array", "object"]);
    prop_oneof![
        name().prop_map(Value::from),
        proptest::collection::btree_set(name(), 1..4).prop_map(|names| json!(names)),
    ]
}

/// One keyword that stands for itself.
fn plain_keyword() -> impl Strategy<Value = (&'static str, Value)> {
    let count = || 0..4u64;
    prop_oneof![
        4 => type_names().prop_map(|types| ("type", types)),
        1 => count().prop_map(|n| ("minimum", json!(n))),
        1 => count().prop_map(|n| ("maximum", json!(n))),
        1 => count().prop_map(|n| ("minLength", json!(n))),
        1 => count().prop_map(|n| ("maxItems", json!(n))),
        1 => count().prop_map(|n| ("minProperties", json!(n))),
        1 => select(vec!["^a", "b$"]).prop_map(|pattern| ("pattern", json!(pattern))),
        2 => small_value().prop_map(|value| ("const", value)),
        2 => proptest::collection::vec(small_value(), 1..4).prop_map(|values| ("enum", json!(values))),
        1 => proptest::collection::btree_set(names(), 0..3).prop_map(|names| ("required", json!(names))),
        1 => proptest::collection::btree_map(names(), proptest::collection::btree_set(names(), 0..3), 1..3)
            .prop_map(|names| ("dependentRequired", json!(names))),
        1 => any::<bool>().prop_map(|unique| ("uniqueItems", json!(unique))),
        1 => small_value().prop_map(|value| ("default", value)),
        1 => names().prop_map(|name| ("title", json!(name))),
    ]
}

/// One keyword with schemas in it.
fn applying_keyword(
    inner: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = (&'static str, Value)> {
    let list = || proptest::collection::vec(inner.clone(), 1..4).prop_map(|all| json!(all));
    let members = || proptest::collection::btree_map(names(), inner.clone(), 0..4).prop_map(|all| json!(all));
    let patterns = proptest::collection::btree_map(select(vec!["^a", "b", "^t"]), inner.clone(), 0..3);
    let nullable = inner.clone().prop_map(|schema| json!([schema, {"type": "null"}]));
    prop_oneof![
        select(vec!["not", "if", "then", "else", "items", "contains", "propertyNames"]).prop_flat_map({
            let inner = inner.clone();
            move |keyword| inner.clone().prop_map(move |schema| (keyword, schema))
        }),
        select(vec!["additionalProperties", "unevaluatedProperties", "unevaluatedItems"]).prop_flat_map({
            let inner = inner.clone();
            move |keyword| {
                prop_oneof![Just(json!(false)), Just(json!(true)), inner.clone()]
                    .prop_map(move |schema| (keyword, schema))
            }
        }),
        (select(vec!["allOf", "anyOf", "oneOf", "prefixItems"]), list()),
        (select(vec!["anyOf", "oneOf"]), nullable),
        (select(vec!["properties", "dependentSchemas"]), members()),
        (Just("properties"), members()),
        patterns.prop_map(|patterns| ("patternProperties", json!(patterns))),
    ]
}

/// A schema that refers to definitions from `first` on.
fn schema(first: usize) -> BoxedStrategy<Value> {
    let mut leaves = vec![
        any::<bool>().prop_map(Value::Bool).boxed(),
        proptest::collection::vec(plain_keyword(), 0..3).prop_map(object).boxed(),
        // Through a member, which every value has fewer of than the one around it.
        (names(), 0..DEFINITIONS)
            .prop_map(|(name, n)| json!({"properties": {name: {"$ref": format!("#/$defs/{n}")}}}))
            .boxed(),
    ];
    if first < DEFINITIONS {
        let reference = (first..DEFINITIONS).prop_map(|n| format!("#/$defs/{n}")).boxed();
        leaves.push(reference.clone().prop_map(|to| json!({"$ref": to})).boxed());
        leaves.push(
            (reference, plain_keyword()).prop_map(|(to, keyword)| object(vec![("$ref", json!(to)), keyword])).boxed(),
        );
    }
    let leaf = proptest::strategy::Union::new(leaves);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let plain = proptest::collection::vec(plain_keyword(), 0..2);
        let applying = proptest::collection::vec(applying_keyword(inner), 1..3);
        (plain, applying).prop_map(|(plain, applying)| object(plain.into_iter().chain(applying).collect()))
    })
    .boxed()
}

fn object(keywords: Vec<(&'static str, Value)>) -> Value {
    Value::Object(keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect::<Map<_, _>>())
}

fn document() -> impl Strategy<Value = Value> {
    (schema(0), schema(1), schema(2), schema(3)).prop_map(|(root, first, second, third)| {
        let mut root = if root.is_object() { root } else { json!({ "not": {"not": root} }) };
        root["$defs"] = json!({"0": first, "1": second, "2": third});
        root
    })
}

/// A change of one value of a document, wherever it is.
#[derive(Clone, Debug)]
enum Change {
    /// By something of the same sort: a number, a type, a schema.
    Replaced {
        number: u64,
        types: Value,
        schema: Value,
    },
    /// By anything.
    Overwritten(Value),
    Removed,
    Renamed(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        // Without references, which must not lead round in circles.
        4 => (0..4u64, type_names(), proptest::collection::vec(plain_keyword(), 0..3))
            .prop_map(|(number, types, schema)| Change::Replaced { number, types, schema: object(schema) }),
        1 => small_value().prop_map(Change::Overwritten),
        1 => Just(Change::Removed),
        1 => select(vec!["anyOf", "oneOf", "allOf", "items", "contains", "minimum", "a"]).prop_map(Change::Renamed),
    ]
}

/// The pointers of everything below.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let mut each = |name: String, value: &Value| {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(pointer.clone());
        places(value, &pointer, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| each(name.clone(), value)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| each(index.to_string(), value));
        }
        _ => {}
    }
}

fn changed(document: &Value, at: Index, change: &Change) -> Value {
    let mut document = document.clone();
    let mut found = Vec::new();
    places(&document, "", &mut found);
    let pointer = at.get(&found);
    let (above, name) = pointer.rsplit_once('/').expect("it begins with a slash");
    let put = match (document.pointer(pointer).expect("it was found"), change) {
        (_, Change::Removed | Change::Renamed(_)) => None,
        (_, Change::Overwritten(value)) => Some(value.clone()),
        (Value::Number(_), Change::Replaced { number, .. }) => Some(json!(number)),
        (Value::Bool(is), Change::Replaced { .. }) => Some(json!(!is)),
        (_, Change::Replaced { types, .. }) if name == "type" => Some(types.clone()),
        (Value::Object(_), Change::Replaced { schema, .. }) => Some(schema.clone()),
        (_, Change::Replaced { .. }) => return document,
    };
    match (document.pointer_mut(above).expect("it was found"), put, change) {
        (Value::Object(members), Some(value), _) => {
            members.insert(name.to_owned(), value);
        }
        (Value::Object(members), None, Change::Renamed(other)) => {
            if let Some(value) = members.remove(name) {
                members.insert((*other).to_owned(), value);
            }
        }
        (Value::Object(members), None, _) => {
            members.remove(name);
        }
        (Value::Array(elements), Some(value), _) => elements[name.parse::<usize>().expect("an index")] = value,
        (Value::Array(elements), None, _) => {
            elements.remove(name.parse().expect("an index"));
        }
        _ => {}
    }
    document
}

fn compiled(schema: &Value) -> Option<Validator> {
    jsonschema::options().offline().build(schema).ok()
}

fn is_told(before: &Value, after: &Value) -> bool {
    let said = difference(before, after);
    !said.is_empty() && said.iter().all(|sentence| !NO_CHANGE.contains(&sentence.as_str()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_valid_by_one_only_is_told(
        before in document(),
        changes in proptest::collection::vec((any::<Index>(), change()), 1..3),
        values in proptest::collection::vec(value(), 40),
    ) {
        let after = changes.iter().fold(before.clone(), |schema, (at, change)| changed(&schema, *at, change));
        let (Some(by_before), Some(by_after)) = (compiled(&before), compiled(&after)) else { return Ok(()) };
        if let Some(value) = values.iter().find(|value| by_before.is_valid(value) != by_after.is_valid(value)) {
            prop_assert!(is_told(&before, &after), "{value} is valid by one of {before} and {after}: {:?}", difference(&before, &after));
        }
    }

    #[test]
    fn equal_schemas_give_nothing_and_others_something(before in document(), after in document()) {
        prop_assert!(difference(&before, &before).is_empty());
        prop_assert_eq!(difference(&before, &after).is_empty(), before == after);
    }

    #[test]
    fn what_is_no_schema_is_compared_all_the_same(
        before in document(),
        changes in proptest::collection::vec((any::<Index>(), value()), 1..4),
    ) {
        let change = |schema, (at, value): &(Index, Value)| changed(&schema, *at, &Change::Overwritten(value.clone()));
        let after = changes.iter().fold(before.clone(), change);
        prop_assert_eq!(difference(&before, &after).is_empty(), before == after);
    }
}
