//! The schemas of `#[derive(stoker_sdk::JsonSchema)]`: they say what serde does, and what schemars' say.

#![allow(missing_docs, dead_code, clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};

use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stoker_sdk::{Context, Failure, Handler, handler};

macro_rules! both {
    ($($item:item)+) => {
        $(
            #[derive(Debug, Deserialize, Serialize, stoker_sdk::JsonSchema, schemars::JsonSchema)]
            $item
        )+
    };
}

both! {
    /// An order,
    /// of goods.
    ///
    /// Twice.
    #[serde(deny_unknown_fields)]
    struct Order {
        /// What was bought.
        #[schemars(length(min = 1, max = 3))]
        items: Vec<Item>,
        #[serde(rename = "Note", default)]
        note: Option<String>,
        maybe: Option<Item>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        codes: Vec<Code>,
        #[schemars(range(min = 1, max = 9))]
        priority: u8,
        #[serde(skip)]
        internal: u64,
        pair: (i32, bool),
        fixed: [u8; 2],
        set: HashSet<u16>,
        map: BTreeMap<String, f64>,
        parent: Option<Box<Order>>,
        anything: Value,
    }

    /// One.
    #[serde(rename_all = "camelCase")]
    struct Item {
        #[schemars(regex(pattern = "^[a-z]+$"), extend("examples" = ["pen"]))]
        item_name: String,
        #[serde(rename(serialize = "out", deserialize = "in"))]
        sides: i64,
    }

    #[serde(rename_all = "lowercase")]
    enum Code {
        Red,
        Green,
    }

    enum External {
        /// With words.
        Unit,
        Newtype(Item),
        Tuple(u8, String),
        Struct { a: u8 },
    }

    #[serde(tag = "type", rename_all = "snake_case")]
    enum Internal {
        NothingMore,
        Wrapped(Item),
        Struct { a: u8, b: Option<u8> },
    }

    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        Unit,
        Newtype(u8),
        Struct { a: u8 },
    }

    #[serde(untagged)]
    enum Untagged {
        Number(u32),
        Text(String),
        Struct { a: u8 },
        Null,
    }

    struct Flat {
        own: u8,
        #[serde(flatten)]
        item: Item,
        #[serde(flatten)]
        rest: BTreeMap<String, bool>,
    }

    #[serde(transparent)]
    struct Through {
        value: u16,
    }

    struct Newtype(Item);

    struct Pair<T, U = u8> {
        left: T,
        right: U,
    }

    #[serde(default)]
    struct Defaults {
        a: u8,
        b: String,
    }

    #[serde(try_from = "String", into = "u8")]
    struct Converted(u8);
}

impl Default for Defaults {
    fn default() -> Self {
        Self { a: 1, b: String::new() }
    }
}

impl TryFrom<String> for Converted {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Converted> for u8 {
    fn from(converted: Converted) -> u8 {
        converted.0
    }
}

impl Clone for Converted {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

fn accepts(schema: &Value, value: &Value) -> bool {
    jsonschema::validator_for(schema).unwrap_or_else(|error| panic!("{error}: {schema}")).is_valid(value)
}

macro_rules! agree {
    ($name:ident, $type:ty, [$($value:tt),+ $(,)?]) => {
        #[test]
        fn $name() {
            #[handler(kind = "test")]
            fn both(_: &Context, input: $type) -> Result<$type, Failure> {
                Ok(input)
            }
            let ours_in: Value = serde_json::from_str(&<both as Handler>::input_schema()).unwrap();
            let ours_out: Value = serde_json::from_str(&<both as Handler>::output_schema()).unwrap();
            let theirs_in = SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<$type>().to_value();
            let theirs_out = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<$type>().to_value();
            let mut accepted = 0;
            for value in [$(json!($value)),+] {
                let read = serde_json::from_value::<$type>(value.clone());
                assert_eq!(accepts(&ours_in, &value), accepts(&theirs_in, &value), "input {value}\n{ours_in}\n{theirs_in}");
                assert_eq!(accepts(&ours_out, &value), accepts(&theirs_out, &value), "output {value}\n{ours_out}\n{theirs_out}");
                if accepts(&ours_in, &value) {
                    accepted += 1;
                    let written = serde_json::to_value(read.unwrap_or_else(|error| panic!("{value}: {error}"))).unwrap();
                    assert!(accepts(&ours_out, &written), "{written}\n{ours_out}");
                }
            }
            assert!(accepted > 0, "{ours_in}");
        }
    };
}

fn order(change: &str, to: Value) -> Value {
    let mut order = json!({
        "items": [{"itemName": "pen", "in": 1}], "Note": "x", "maybe": null, "codes": ["red"], "priority": 3,
        "pair": [1, true], "fixed": [1, 2], "set": [1, 2], "map": {"a": 1.5}, "anything": [null],
    });
    order[change] = to;
    order
}

agree!(
    structs,
    Order,
    [
        (order("Note", json!(null))),
        (order("Note", json!(1))),
        (order("items", json!([]))),
        (order("more", json!(1))),
        (order("items", json!([{"itemName": "PEN", "in": 1}]))),
        (order("items", json!([{"itemName": "a", "out": 1}]))),
        (order("priority", json!(0))),
        (order("priority", json!(10))),
        (order("codes", json!(["blue"]))),
        (order("pair", json!([1]))),
        (order("pair", json!([1, true, 2]))),
        (order("fixed", json!([1]))),
        (order("set", json!([1, 1]))),
        (order("map", json!({"a": "x"}))),
        (order("parent", order("Note", json!("x")))),
        (order("parent", order("Note", json!(1)))),
        (order("maybe", json!({"itemName": "a", "in": 1}))),
        (order("maybe", json!(1))),
        (order("anything", json!("x"))),
        {},
        [],
        null,
    ]
);
agree!(external, External, [
    "Unit", {"Unit": null}, {"Newtype": {"itemName": "a", "in": 1}}, {"Newtype": 1}, {"Tuple": [1, "a"]},
    {"Tuple": [1]}, {"Struct": {"a": 1}}, {"Struct": {}}, "Other", {"Struct": {"a": 1}, "Tuple": [1, "a"]}, 1,
]);
agree!(internal, Internal, [
    {"type": "nothing_more"}, {"type": "wrapped", "itemName": "a", "in": 1}, {"type": "wrapped"},
    {"type": "struct", "a": 1}, {"type": "struct", "a": 1, "b": null}, {"type": "struct"}, {"type": "other"}, {}, 1,
]);
agree!(adjacent, Adjacent, [{"t": "Unit"}, {"t": "Newtype", "c": 1}, {"t": "Newtype"}, {"t": "Struct", "c": {"a": 1}}, {"c": 1}]);
agree!(untagged, Untagged, [1, (-1), "x", {"a": 1}, {"b": 1}, null, true]);
agree!(flattened, Flat, [
    {"own": 1, "itemName": "a", "in": 1}, {"own": 1, "itemName": "a", "in": 1, "x": true},
    {"own": 1, "itemName": "a", "in": 1, "x": 1}, {"own": 1, "x": true}, {"itemName": "a", "in": 1},
]);
agree!(transparent, Through, [1, (-1), {"value": 1}]);
agree!(newtypes, Newtype, [{"itemName": "a", "in": 1}, {"itemName": "a"}, [1]]);
agree!(generics, (Pair<String>, Pair<u8, bool>), [
    [{"left": "a", "right": 1}, {"left": 1, "right": true}], [{"left": 1, "right": 1}, {"left": 1, "right": true}],
]);
agree!(defaults, Defaults, [{}, {"a": 2}, {"a": "x"}, {"b": "x", "c": 1}]);
agree!(converted, Converted, ["1", 1, null]);
agree!(lists, Vec<Option<Item>>, [[], [null], [{"itemName": "a", "in": 1}], [1], {}]);

#[test]
fn the_document_is_as_expected() {
    #[handler(kind = "test")]
    fn both(_: &Context, input: Order) -> Result<Order, Failure> {
        Ok(input)
    }
    let schema: Value = serde_json::from_str(&<both as Handler>::input_schema()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "Order");
    assert_eq!(schema["description"], "An order, of goods.\n\nTwice.");
    assert_eq!(
        schema["properties"]["items"],
        json!({
            "description": "What was bought.", "type": "array", "items": {"$ref": "#/$defs/Item"},
            "minLength": 1, "minItems": 1, "maxLength": 3, "maxItems": 3,
        })
    );
    assert_eq!(
        schema["properties"]["priority"],
        json!({"type": "integer", "format": "uint8", "minimum": 1, "maximum": 9})
    );
    assert_eq!(schema["properties"]["Note"], json!({"type": ["string", "null"]}));
    assert_eq!(schema["$defs"]["Code"], json!({"type": "string", "enum": ["red", "green"]}));
    assert_eq!(schema["$defs"]["Item"]["properties"]["itemName"]["examples"], json!(["pen"]));
    assert_eq!(schema["required"], json!(["items", "priority", "pair", "fixed", "set", "map", "anything"]));
}

#[test]
fn types_of_one_name_are_told_apart() {
    mod other {
        #[derive(Debug, serde::Deserialize, serde::Serialize, stoker_sdk::JsonSchema)]
        pub(super) struct Item {
            pub(super) size: u8,
        }
    }
    #[handler(kind = "test")]
    fn both(_: &Context, input: (Item, other::Item)) -> Result<u8, Failure> {
        Ok(input.1.size)
    }
    let schema: Value = serde_json::from_str(&<both as Handler>::input_schema()).unwrap();
    assert!(schema["$defs"]["Item"]["properties"]["itemName"].is_object());
    assert!(schema["$defs"]["Item2"]["properties"]["size"].is_object());
}
