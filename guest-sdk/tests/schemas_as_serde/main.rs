//! The schemas of `#[derive(stoker_sdk::JsonSchema)]` against serde itself: what a schema accepts the handler can read,
//! and what it refuses the handler would refuse.

#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::struct_field_names)]

use serde_json::Value;
use stoker_sdk::Handler;
use stoker_sdk::testing::FakeHost;

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

mod objects;
mod values;
