#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{parse, print};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Wide {
    small: i8,
    large: u64,
    signed: i64,
    float: f64,
    yes: bool,
    text: String,
    letter: char,
    maybe: Option<Box<Wide>>,
    pair: (u8, String),
    list: Vec<Choice>,
    #[allow(clippy::zero_sized_map_values)] // both have a form of their own
    map: BTreeMap<u32, Unit>,
    #[serde(default)]
    nothing: (),
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Unit;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Choice {
    Plain,
    One(i32),
    Two(i32, i32),
    Named { value: f32 },
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type")]
enum Tagged {
    A { a: u8 },
    B,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    Text(String),
    Names(BTreeMap<Choice2, bool>),
}

#[derive(Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
enum Choice2 {
    X,
    Y,
}

/// Both read the same or both refuse; what was read is written alike.
#[track_caller]
fn agree<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) {
    let (ours, theirs) = (parse::<T>(text), serde_json::from_str::<T>(text));
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours, theirs, "{text}");
            assert_eq!(print(ours).unwrap(), serde_json::to_string(theirs).unwrap());
        }
        (Err(_), Err(_)) => {}
        _ => panic!("{text}: {ours:?}, serde_json: {theirs:?}"),
    }
}

#[test]
fn types_are_read_and_written_as_serde_json_does() {
    let wide = r#"{"small":-128,"large":18446744073709551615,"signed":-9223372036854775808,"float":-1.5e3,"yes":true,
        "text":"a\n\"\\\u0001\ud83d\ude00é","letter":"é","maybe":null,"pair":[1,"b"],"unknown":[{"x":[1,"]"]}],
        "list":["Plain",{"One":-1},{"Two":[1,2]},{"Named":{"value":0.25}}],"map":{"7":null}}"#;
    agree::<Wide>(wide);
    agree::<Value>(wide);
    for (from, to) in [
        ("-128", "-129"),
        ("18446744073709551615", "18446744073709551616"),
        ("-1.5e3", "12"),
        ("-1.5e3", "1e999"),
        ("\"é\",\"maybe", "\"éé\",\"maybe"),
        ("[1,\"b\"]", "[1]"),
        ("[1,\"b\"]", "[1,\"b\",2]"),
        ("\"7\":", "\"x\":"),
        ("\"7\":", "\"-7\":"),
        ("{\"One\":-1}", "{\"One\":-1,\"Two\":[1,2]}"),
        ("{\"One\":-1}", "\"One\""),
        ("{\"One\":-1}", "{\"Plain\":null}"),
        ("{\"One\":-1}", "\"Three\""),
        ("true", "1"),
    ] {
        agree::<Wide>(&wide.replacen(from, to, 1));
    }
    // What no schema of a struct lets through.
    let refused = parse::<Wide>("[1,2,3,4,true,\"\",\"x\",null,[1,\"\"],[],{}]").unwrap_err();
    assert!(refused.to_string().contains("invalid type: array, expected struct Wide"), "{refused}");
    for text in [r#"{"type":"A","a":1}"#, r#"{"a":1,"type":"A"}"#, r#"{"type":"B"}"#, r#"{"type":"C"}"#, "{}", "[]"] {
        agree::<Tagged>(text);
    }
    for text in ["1", "-0", "1.5", "\"x\"", r#"{"X":true,"Y":false}"#, r#"{"Z":true}"#, "null"] {
        agree::<Untagged>(text);
    }
    for text in ["0", "-1", "170141183460469231731687303715884105727", "1.5", "1e-1", "\"1\""] {
        agree::<i128>(text);
        agree::<u8>(text);
        agree::<f32>(text);
    }
}

/// JSON Schema's integers, so that no payload it accepts is refused here. `serde_json` is stricter.
#[test]
fn integers_may_be_written_as_whole_numbers() {
    assert_eq!(
        parse::<(u8, i8, u64, i64)>("[1.0, -1e2, 1.8446744073709551615e19, -0]").unwrap(),
        (1, -100, u64::MAX, 0)
    );
    assert_eq!(parse::<(u128, i128)>("[1e20, -10.0]").unwrap(), (100_000_000_000_000_000_000, -10));
    // What takes any number keeps the one that was written.
    assert_eq!(parse::<Value>("[1.0, 1]").unwrap().to_string(), "[1.0,1]");
    assert!(parse::<u8>("2.56e2").is_err());
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "nul",
        "tru",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\"1}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "0x1",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "1 1",
        "[",
        "{",
        "]",
        "[1",
        "{\"a\":",
        "\u{feff}1",
        "--1",
        "\"\u{0}\"",
    ] {
        agree::<Value>(text);
    }
}

#[test]
fn depth_is_bounded() {
    for depth in [127, 128, 129] {
        agree::<Value>(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    }
    assert!(parse::<serde::de::IgnoredAny>(&"[".repeat(1_000_000)).is_err());
}

#[test]
fn text_without_escapes_is_not_copied() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }
    assert!(matches!(parse::<&str>("\"plain\""), Ok("plain")));
    assert!(matches!(parse::<Borrowed<'_>>(r#"{"text":"a"}"#).unwrap().text, Cow::Borrowed("a")));
    assert_eq!(parse::<Borrowed<'_>>(r#"{"text":"a\t"}"#).unwrap().text, "a\t");
}

#[test]
fn errors_say_what_and_where() {
    for (text, place, message) in [
        (r#"{"type":"A","a":"x"}"#, "", "invalid type: string \"x\", expected u8"),
        ("[]", "", "missing field `type`"),
        ("1.5", "", "invalid type: a number with a fraction, expected internally tagged enum Tagged"),
        (
            r#"{"type":"A","a":1.0}"#,
            "",
            "invalid type: a whole number written with a fraction or exponent, expected u8",
        ),
        (r#"{"type":"A","a":1e30}"#, "", "invalid type: a number out of the range of integers, expected u8"),
    ] {
        let error = parse::<Tagged>(text).unwrap_err();
        assert_eq!((error.place().as_str(), error.to_string().as_str()), (place, message), "{text}");
    }
    let error = parse::<BTreeMap<String, Vec<Choice>>>(r#"{"all":["Plain",{"Named":{"value":"x"}}]}"#).unwrap_err();
    assert_eq!(error.place(), "all[1].value");
    let error = parse::<Vec<u8>>("[1,2,300]").unwrap_err();
    assert_eq!((error.place(), error.to_string()), ("[2]".into(), "invalid value: integer `300`, expected u8".into()));
    let error = |text| parse::<u64>(text).unwrap_err().to_string();
    let range = "is out of range, expected u64, from 0 to 18446744073709551615";
    assert_eq!(error("18446744073709551616"), format!("invalid value: `18446744073709551616` {range}"));
    assert_eq!(error("1e20"), format!("invalid value: `1e20` {range}"));
    assert_eq!(error("1.5"), "invalid type: a number with a fraction, expected u64");
    assert_eq!(
        parse::<i8>("-9223372036854775809").unwrap_err().to_string(),
        "invalid value: `-9223372036854775809` is out of range, expected i8, from -128 to 127"
    );
    assert!(error(&"9".repeat(1_000)).len() < 200);
    assert_eq!(
        parse::<String>("18446744073709551616").unwrap_err().to_string(),
        "invalid type: a large integer, expected a string"
    );
    assert_eq!(
        parse::<u128>("1e39").unwrap_err().to_string(),
        "invalid type: an integer of more than 128 bits, expected u128"
    );
    assert_eq!(parse::<Value>("[1,2").unwrap_err().to_string(), "expected `,` or `]` at its end, byte 4");
}

#[test]
fn numbers_json_has_no_word_for_are_null() {
    assert_eq!(print(&[f64::NAN, f64::INFINITY, 1.0, 1e300, -0.0]).unwrap(), "[null,null,1.0,1e+300,-0.0]");
    assert!(print(&BTreeMap::from([(vec![1], 1)])).is_err());
    assert!(print(&BTreeMap::from([((), 1)])).unwrap_err().to_string().contains("a key of a map"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_survives(value in any_json()) {
        prop_assert_eq!(&parse::<Value>(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), &value);
        prop_assert_eq!(print(&value).unwrap(), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn damaged_text_is_refused_or_read_alike(value in any_json(), at in any::<prop::sample::Index>(), byte in 0u8..128) {
        let mut bytes = value.to_string().into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            // Not the values: without `float_roundtrip` serde_json reads some numbers as the one next to them.
            prop_assert_eq!(parse::<Value>(&text).is_ok(), serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
