//! Objects that several types share: flattened fields, and content beside a tag.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stoker_sdk::{Context, Failure, Handler, handler};

use super::check;

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

    #[serde(deny_unknown_fields)]
    struct Renamed {
        #[serde(alias = "name", alias = "who")]
        whom: String,
        #[serde(default, alias = "count")]
        times: u8,
        note: Option<String>,
    }

    struct WithRenamed {
        #[serde(flatten)]
        renamed: RenamedOnce,
        #[serde(flatten)]
        flags: BTreeMap<String, bool>,
    }

    struct RenamedOnce {
        #[serde(alias = "name")]
        whom: String,
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
}

as_serde!(
    other_names,
    Renamed,
    [{"whom": "a"}, {"name": "a", "times": 1}, {"who": "a", "count": 1, "note": null}],
    [
        {}, {"whom": "a", "name": "b"}, {"name": "a", "who": "b"}, {"whom": "a", "times": 1, "count": 1},
        {"name": 1}, {"whom": "a", "count": "x"}, {"name": "a", "more": 1},
    ]
);
as_serde!(
    other_names_in_a_flattened_struct,
    WithRenamed,
    [{"whom": "a", "loud": true}, {"name": "a", "loud": true}],
    [{"loud": true}, {"whom": "a", "name": "b"}, {"name": "a", "loud": 1}]
);
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
