//! JSON text to a handler's input, its output to JSON text, and both types to JSON Schemas.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// The payload as the handler's input; a fatal failure naming the place where it does not fit.
///
/// The host has checked it against the schema, so this fails only where a type is stricter than its schema.
pub(crate) fn parse<Input: DeserializeOwned>(payload: &str) -> Result<Input, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        Failure::fatal(format_args!("the payload does not fit the handler's input{place}: {}", error.inner()))
    })?;
    deserializer.end().map_err(|error| Failure::fatal(format_args!("the payload goes on after its JSON: {error}")))?;
    Ok(parsed)
}

/// The output as JSON text.
pub(crate) fn print<Output: Serialize>(output: &Output) -> Result<String, Failure> {
    serde_json::to_string(output)
        .map_err(|error| Failure::fatal(format_args!("the output cannot be written as JSON: {error}")))
}

/// JSON Schema (2020-12) of what `parse` accepts.
pub(crate) fn input_schema<Input: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.into_generator().into_root_schema_for::<Input>().as_value().to_string()
}

/// JSON Schema (2020-12) of what `print` writes.
pub(crate) fn output_schema<Output: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Output>().as_value().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Order {
        /// What was bought.
        items: Vec<Item>,
        #[serde(default)]
        note: Option<String>,
    }

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Item {
        price: u32,
    }

    #[test]
    fn the_failure_names_the_place() {
        for (payload, expected) in [
            (r#"{"items":[{"price":1},{"price":"x"}]}"#, "at `items[1].price`: invalid type"),
            ("[", "the payload does not fit the handler's input"),
            (r#"{"items":[]} {}"#, "the payload goes on after its JSON"),
        ] {
            let failure = parse::<Order>(payload).err();
            assert!(
                matches!(&failure, Some(Failure::Fatal { message }) if message.contains(expected)),
                "{payload}: {failure:?}"
            );
        }
        assert_eq!(parse::<Order>(r#"{"items":[]}"#), Ok(Order { items: vec![], note: None }));
    }

    #[test]
    fn doc_comments_and_defaults_reach_the_schema() {
        let schema: serde_json::Value = serde_json::from_str(&input_schema::<Order>()).unwrap_or_default();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["properties"]["items"]["description"], "What was bought.");
        assert_eq!(schema["required"], serde_json::json!(["items"]));
    }
}
