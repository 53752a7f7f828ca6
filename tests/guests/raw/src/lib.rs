//! A handler component without the SDK: one kind for each thing the SDK does not let happen.
//! Kinds: `not-json`, `empty-output`, `truncated-json`, `long-message`, `endless-snooze`.

#![allow(missing_docs, clippy::pedantic)]
// Only the generated glue between guest and host needs it.
#![allow(unsafe_code)]

wit_bindgen::generate!({ path: "../../../wit", world: "module" });

use exports::stoker::handler::handler::{Context, Failure, Guest, KindDescription};

const KINDS: [&str; 5] = ["not-json", "empty-output", "truncated-json", "long-message", "endless-snooze"];
/// Far more than a message is worth.
const MESSAGE_BYTES: usize = 8 << 20;

struct Raw;

impl Guest for Raw {
    fn describe() -> Vec<KindDescription> {
        let describe = |name: &&str| KindDescription {
            name: (*name).into(),
            description: None,
            input_schema: "true".into(),
            output_schema: "true".into(),
            settings: None,
        };
        KINDS.iter().map(describe).collect()
    }

    fn run(context: Context, _payload: String) -> Result<String, Failure> {
        match context.kind.as_str() {
            "not-json" => Ok("this is not JSON".into()),
            "empty-output" => Ok(String::new()),
            "truncated-json" => Ok(r#"{"half": ["#.into()),
            "long-message" => Err(Failure::Fatal("x".repeat(MESSAGE_BYTES))),
            "endless-snooze" => Err(Failure::Snooze(u64::MAX)),
            other => Err(Failure::Fatal(format!("no kind {other}"))),
        }
    }
}

export!(Raw);
