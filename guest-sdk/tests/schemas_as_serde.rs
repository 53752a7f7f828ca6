//! The schemas of `#[derive(stoker_sdk::JsonSchema)]` against serde itself: what a schema accepts the handler can read,
//! and what it refuses the handler would refuse. Mostly of objects that several types share.

#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::struct_field_names)]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stoker_sdk::testing::FakeHost;
use stoker_sdk::{Context, Failure, Handler, handler};

macro_rules! types {
    ($($item:item)+) => {
        $(
            #[derive(Clone, Debug, PartialEq, Deserialize, Serialize, stoker_sdk::JsonSchema)]
            $item
        )+
    };
}

/// Held against the schemas of a handler that returns what it is given.
fn check<H: Handler>(accepted: &[Value], refused: &[Value]) {
    let [input, output] = [H::input_schema(), H::output_schema()].map(|text| {
        let schema: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (jsonschema::validator_for(&schema).unwrap(), text)
    });
    let host = FakeHost::new();
    for value in accepted {
        assert!(input.0.is_valid(value), "the schema refuses {value}\n{}", input.1);
        let written = host.run_json::<H>(&value.to_string()).unwrap_or_else(|error| panic!("{value}: {error}"));
        let written: Value = serde_json::from_str(&written).unwrap();
        assert!(output.0.is_valid(&written), "{value} is written as {written}\n{}", output.1);
    }
    for value in refused {
        assert!(!input.0.is_valid(value), "the schema accepts {value}\n{}", input.1);
        let read = host.run_json::<H>(&value.to_string());
        assert!(read.is_err(), "serde reads {value} as {}", read.unwrap());
    }
}

macro_rules! as_serde {
    ($name:ident, $type:ty, [$($accepted:tt),+ $(,)?], [$($refused:tt),* $(,)?]) => {
        #[test]
        fn $name() {
            #[handler(kind = "test")]
            fn same(_: &Context, input: $type) -> Result<$type, Failure> {
                Ok(input)
            }
            check::<same>(&[$(json!($accepted)),+], &[$(json!($refused)),*]);
        }
    };
}

types! {
    enum Shape {
        Dot,
        Circle(u8),
        /// With a doc comment.
        Box { width: u8 },
    }

    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    /// Refuses what it does not know, where it is shown it.
    #[serde(deny_unknown_fields)]
    struct Strict {
        /// How large.
        size: u8,
        #[serde(default)]
        note: Option<String>,
    }

    struct WithShape {
        name: String,
        #[serde(flatten)]
        shape: Shape,
    }

    #[serde(deny_unknown_fields)]
    struct ClosedWithShape {
        name: String,
        #[serde(flatten)]
        shape: Shape,
    }

    struct WithColour {
        name: String,
        #[serde(flatten)]
        colour: Colour,
    }

    struct WithStrict {
        name: String,
        #[serde(flatten)]
        strict: Strict,
    }

    #[serde(deny_unknown_fields)]
    struct ClosedWithStrict {
        name: String,
        #[serde(flatten)]
        strict: Strict,
        #[serde(flatten)]
        nothing: (),
    }

    /// Shown everything, because it passes on what it does not take.
    struct Outer {
        #[serde(flatten)]
        inner: ClosedWithStrict,
    }

    struct Maybe {
        name: String,
        #[serde(flatten)]
        strict: Option<Strict>,
        #[serde(flatten)]
        flags: BTreeMap<String, bool>,
    }

    #[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
    enum Tagged {
        Empty,
        Open(Open),
        Strict(Strict),
        Struct { a: u8 },
        Shape(Shape),
        Flags(BTreeMap<String, bool>),
        Nothing(()),
        Boxed(Box<WithStrict>),
        Skipped(#[serde(skip)] u8),
        Nested(Inner),
    }

    struct Open {
        size: u8,
    }

    #[serde(tag = "inner", rename_all = "lowercase")]
    enum Inner {
        A { a: u8 },
        Strict(Strict),
    }

    #[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
    enum AllClosed {
        A { a: u8 },
        Strict(Strict),
    }

    struct WithClosed {
        name: String,
        #[serde(flatten)]
        closed: AllClosed,
    }

    struct WithTagged {
        name: String,
        #[serde(flatten)]
        tagged: Inner,
    }

    #[serde(tag = "t", content = "c", deny_unknown_fields)]
    enum Adjacent {
        Unit,
        Strict(Strict),
    }

    struct WithAdjacent {
        name: String,
        #[serde(flatten)]
        adjacent: Adjacent,
    }

    #[serde(untagged)]
    enum Untagged {
        Size { size: u8 },
        Text { text: String },
    }

    struct WithUntagged {
        name: String,
        #[serde(flatten)]
        untagged: Untagged,
    }

    struct Wrapper(Strict);

    struct WithWrapper {
        #[serde(flatten)]
        wrapper: Wrapper,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }

    #[serde(tag = "type", rename_all = "lowercase")]
    enum TaggedOr {
        Known { a: u8 },
        #[serde(other)]
        Other,
    }

    #[serde(rename_all = "lowercase")]
    enum NameOr {
        Known,
        #[serde(other)]
        Other,
    }

    #[serde(tag = "t", content = "c", rename_all = "lowercase")]
    enum AdjacentOr {
        Known(u8),
        #[serde(other)]
        Other,
    }

    struct Bounds {
        #[serde(default)]
        i32: i32,
        #[serde(default)]
        u32: u32,
        #[serde(default)]
        i64: i64,
        #[serde(default)]
        u64: u64,
        #[serde(default)]
        usize: usize,
        #[serde(default)]
        at_least_one: Option<NonZeroU32>,
        #[serde(default)]
        #[schemars(range(min = 5))]
        narrow: Option<u32>,
    }

    #[derive(Eq, Hash, Ord, PartialOrd)]
    struct Id(u8);

    #[derive(Eq, Hash, Ord, PartialOrd)]
    #[serde(rename_all = "lowercase")]
    enum Key {
        X,
        Y,
    }

    struct Maps {
        #[serde(default)]
        by_key: BTreeMap<Key, u8>,
        #[serde(default)]
        by_number: BTreeMap<u8, u8>,
        #[serde(default)]
        by_sign: HashMap<i64, u8>,
        #[serde(default)]
        by_id: BTreeMap<Id, u8>,
        #[serde(default)]
        by_flag: BTreeMap<bool, u8>,
        #[serde(default)]
        by_letter: BTreeMap<char, u8>,
        #[serde(default)]
        by_name: BTreeMap<String, u8>,
    }

    struct Whole {
        number: u8,
        signed: i16,
        wide: u128,
    }

    enum Functions {
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        Number(u8),
    }

    struct Seconds {
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        count: u8,
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(super) fn serialize<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

as_serde!(
    flattened_enums,
    WithShape,
    [
        {"name": "a", "Circle": 1}, {"name": "a", "Box": {"width": 1}}, {"name": "a", "Dot": null},
        {"name": "a", "Circle": 1, "more": true},
    ],
    [{"name": "a"}, {"name": "a", "Circle": "x"}, {"Circle": 1}, {"name": "a", "Box": {}}, "Dot"]
);
as_serde!(
    flattened_enums_in_a_closed_struct,
    ClosedWithShape,
    [{"name": "a", "Circle": 1}, {"name": "a", "Box": {"width": 1}}, {"name": "a", "Dot": null}],
    [{"name": "a"}, {"name": "a", "Circle": 1, "more": true}, {"name": "a", "Circle": "x"}]
);
as_serde!(
    flattened_names,
    WithColour,
    [{"name": "a", "red": null}, {"name": "a", "green": null, "more": 1}],
    [{"name": "a"}, {"name": "a", "red": 1}, {"name": "a", "blue": null}]
);
as_serde!(
    flattened_strict_structs,
    WithStrict,
    [{"name": "a", "size": 1}, {"name": "a", "size": 1, "note": "x", "more": true}],
    [{"name": "a"}, {"size": 1}, {"name": "a", "size": 300}, {"name": "a", "size": 1, "note": 1}]
);
as_serde!(
    flattened_strict_structs_in_a_closed_struct,
    ClosedWithStrict,
    [{"name": "a", "size": 1}, {"name": "a", "size": 1, "note": null}],
    [{"name": "a"}, {"name": "a", "size": 1, "more": true}]
);
as_serde!(
    flattened_structs_that_flatten,
    Outer,
    [{"name": "a", "size": 1}, {"name": "a", "size": 1, "note": null}],
    [{"name": "a"}, {"name": "a", "size": 1, "more": true}]
);
as_serde!(
    flattened_options,
    Maybe,
    [
        {"name": "a"}, {"name": "a", "size": 1, "note": "x"}, {"name": "a", "size": 1, "x": true},
        {"name": "a", "x": true, "y": false},
    ],
    [{"name": "a", "x": 1}, {"size": 1}]
);
as_serde!(
    variants_beside_their_tag,
    Tagged,
    [
        {"type": "empty"}, {"type": "empty", "more": 1}, {"type": "open", "size": 1}, {"type": "open", "size": 1, "more": 1},
        {"type": "strict", "size": 1}, {"type": "strict", "size": 1, "note": "x"}, {"type": "struct", "a": 1},
        {"type": "shape", "Circle": 1}, {"type": "shape", "Dot": null}, {"type": "flags"}, {"type": "flags", "x": true},
        {"type": "nothing"}, {"type": "boxed", "name": "a", "size": 1, "more": 1},
        {"type": "skipped"}, {"type": "skipped", "more": 1},
        {"type": "nested", "inner": "a", "a": 1, "more": 1}, {"type": "nested", "inner": "strict", "size": 1},
    ],
    [
        {"type": "open"}, {"type": "strict", "size": 1, "more": 1}, {"type": "strict"}, {"type": "struct", "a": 1, "b": 1},
        {"type": "shape", "Circle": 1, "more": 1}, {"type": "shape"}, {"type": "flags", "x": 1},
        {"type": "nothing", "more": 1}, {"type": "boxed", "name": "a"}, {"type": "nested", "a": 1}, {"type": "nested", "inner": "strict"},
        {"type": "none"}, {"size": 1}, [],
    ]
);
as_serde!(
    flattened_tagged_enums,
    WithTagged,
    [{"name": "a", "inner": "a", "a": 1}, {"name": "a", "inner": "a", "a": 1, "more": 1}, {"name": "a", "inner": "strict", "size": 1}],
    [{"name": "a"}, {"name": "a", "inner": "a"}, {"name": "a", "inner": "strict"}, {"inner": "a", "a": 1}]
);
as_serde!(
    flattened_closed_enums,
    WithClosed,
    [{"name": "a", "type": "a", "a": 1}, {"name": "a", "type": "strict", "size": 1}],
    [{"name": "a", "type": "a", "a": 1, "more": 1}, {"name": "a", "type": "strict", "size": 1, "more": 1}, {"name": "a"}]
);
as_serde!(
    adjacent_enums,
    Adjacent,
    [{"t": "Unit"}, {"t": "Strict", "c": {"size": 1}}],
    [{"t": "Unit", "more": 1}, {"t": "Strict", "c": {"size": 1, "more": 1}}, {"t": "Strict"}, {"c": 1}]
);
as_serde!(
    flattened_adjacent_enums,
    WithAdjacent,
    [{"name": "a", "t": "Unit"}, {"name": "a", "t": "Strict", "c": {"size": 1}, "more": 1}],
    [{"name": "a", "t": "Strict", "c": {"size": 1, "more": 1}}, {"name": "a", "c": {"size": 1}}]
);
as_serde!(
    flattened_untagged_enums,
    WithUntagged,
    [{"name": "a", "size": 1}, {"name": "a", "text": "x", "more": 1}],
    [{"name": "a"}, {"name": "a", "size": "x"}]
);
as_serde!(
    flattened_newtypes_and_maps,
    WithWrapper,
    [{"size": 1}, {"size": 1, "x": 1}],
    [{"x": 1}, {"size": 1, "x": "y"}]
);

#[test]
fn types_that_flatten_themselves() {
    // Serde reads such a type, and cannot write it.
    #[derive(Deserialize, stoker_sdk::JsonSchema)]
    struct Chain {
        name: String,
        children: Vec<Chain>,
        #[serde(flatten)]
        next: Option<Box<Chain>>,
    }
    #[handler(kind = "test")]
    fn read(_: &Context, input: Chain) -> Result<String, Failure> {
        Ok(input.name)
    }
    check::<read>(
        &[json!({"name": "a", "children": [{"name": "b", "children": []}]})],
        &[json!({"name": "a", "children": [1]}), json!({"children": []})],
    );
}

as_serde!(
    other_tags,
    TaggedOr,
    [{"type": "known", "a": 1}, {"type": "new"}, {"type": "new", "b": 1}, {"type": "other"}],
    [{"type": "known"}, {"type": 1}, {}]
);
as_serde!(other_names, NameOr, ["known", "other", "new"], [1, {}]);
as_serde!(other_tags_with_content, AdjacentOr, [{"t": "known", "c": 1}, {"t": "new"}], [{"t": "known", "c": "x"}, {"c": 1}]);
as_serde!(
    integers_have_bounds,
    Bounds,
    [
        {"i32": i32::MAX, "u32": u32::MAX, "i64": i64::MAX, "u64": u64::MAX},
        {"i32": i32::MIN, "i64": i64::MIN, "usize": usize::MAX, "at_least_one": 1, "narrow": 5}, {"narrow": null},
    ],
    [
        {"i32": (i64::from(i32::MAX) + 1)}, {"i32": (i64::from(i32::MIN) - 1)}, {"u32": (u64::from(u32::MAX) + 1)},
        {"i64": (i64::MAX as u64 + 1)}, {"u64": (-1)}, {"u64": 18_446_744_073_709_551_616.0}, {"i64": -1e19},
        {"at_least_one": 0}, {"at_least_one": 4_294_967_296_u64}, {"narrow": 4_294_967_296_u64},
    ]
);
as_serde!(
    keys_of_maps,
    Maps,
    [
        {"by_key": {"x": 1, "y": 2}, "by_number": {"0": 1, "255": 1}, "by_sign": {"-5": 1, "0": 1}, "by_id": {"7": 1}},
        {"by_flag": {"true": 1}, "by_letter": {"é": 1}, "by_name": {"": 1, "x": 1}},
    ],
    [
        {"by_key": {"z": 1}}, {"by_number": {"x": 1}}, {"by_number": {"-1": 1}}, {"by_number": {"1000": 1}},
        {"by_sign": {"1.5": 1}}, {"by_id": {"x": 1}}, {"by_flag": {"yes": 1}}, {"by_letter": {"ab": 1}},
        {"by_name": {"x": 300}},
    ]
);
as_serde!(
    whole_numbers_however_written,
    Whole,
    [
        {"number": 1.0, "signed": -0.0, "wide": 1e20}, {"number": 2e2, "signed": -1e3, "wide": 0},
    ],
    [{"number": 1.5, "signed": 0, "wide": 0}, {"number": 256.0, "signed": 0, "wide": 0}, {"number": 1, "signed": 1, "wide": 0.5}]
);
as_serde!(variants_by_functions, Functions, [{"Number": "7"}], [{"Number": 7}]);
as_serde!(fields_by_functions, Seconds, [{"count": "7"}], [{"count": 7}, {}]);

#[test]
fn one_object_is_written_as_one() {
    #[handler(kind = "test")]
    fn same(_: &Context, input: ClosedWithStrict) -> Result<ClosedWithStrict, Failure> {
        Ok(input)
    }
    let schema: Value = serde_json::from_str(&same::input_schema()).unwrap();
    assert_eq!(
        schema,
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ClosedWithStrict", "type": "object",
            "properties": {
                "name": {"type": "string"},
                "size": {"description": "How large.", "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
                "note": {"type": ["string", "null"]},
            },
            "required": ["name", "size"], "additionalProperties": false,
        })
    );
}
