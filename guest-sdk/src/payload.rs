//! JSON text to a handler's input and its output to JSON text, with failures that say what does not fit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::json::{self, JsonError};
use crate::steps::result_of;
use crate::text::joined;

/// The payload as the handler's input; a fatal failure naming the place where it does not fit.
///
/// The host has checked it against the schema, so this fails only where a type is stricter than its schema.
pub(crate) fn parse<Input: DeserializeOwned>(payload: &str) -> Result<Input, Failure> {
    json::parse(payload).map_err(|error| does_not_fit("the payload does not fit the handler's input", &error))
}

/// What another job returned.
pub(crate) fn parse_output<Output: DeserializeOwned>(parent: &str, output: &str) -> Result<Output, Failure> {
    json::parse(output).map_err(|error| {
        does_not_fit(&joined(&["the output of `", parent, "` does not fit what this handler reads it as"]), &error)
    })
}

/// The result of a step, as an earlier execution recorded it.
pub(crate) fn parse_step<T: DeserializeOwned>(name: &str, result: &str) -> Result<T, Failure> {
    json::parse(result).map_err(|error| {
        does_not_fit(&joined(&[&result_of(name), " was recorded as something else than it is read as"]), &error)
    })
}

/// The result of a step as JSON text.
pub(crate) fn print_step<T: Serialize>(name: &str, result: &T) -> Result<String, Failure> {
    json::print(result)
        .map_err(|error| does_not_fit(&joined(&[&result_of(name), " cannot be written as JSON"]), &error))
}

/// The data of an event.
pub(crate) fn parse_event<T: DeserializeOwned>(event_type: &str, data: &str) -> Result<T, Failure> {
    json::parse(data).map_err(|error| {
        does_not_fit(
            &joined(&["the data of event `", event_type, "` does not fit what this handler reads it as"]),
            &error,
        )
    })
}

/// The output as JSON text.
pub(crate) fn print<Output: Serialize>(output: &Output) -> Result<String, Failure> {
    json::print(output).map_err(|error| does_not_fit("the output cannot be written as JSON", &error))
}

#[cold]
fn does_not_fit(what: &str, error: &JsonError) -> Failure {
    let place = error.place();
    let place = if place.is_empty() { place } else { joined(&[" at `", &place, "`"]) };
    Failure::Fatal { message: joined(&[what, &place, ": ", error.message()]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        /// What was bought.
        items: Vec<Item>,
        #[serde(default)]
        note: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        price: u32,
    }

    #[test]
    fn the_failure_names_the_place() {
        for (payload, expected) in [
            (r#"{"items":[{"price":1},{"price":"x"}]}"#, "at `items[1].price`: invalid type"),
            ("[", "the payload does not fit the handler's input"),
            (r#"{"items":[]} {}"#, "the payload goes on after its JSON at byte 13"),
        ] {
            let failure = parse::<Order>(payload).err();
            assert!(
                matches!(&failure, Some(Failure::Fatal { message }) if message.contains(expected)),
                "{payload}: {failure:?}"
            );
        }
        assert_eq!(parse::<Order>(r#"{"items":[]}"#), Ok(Order { items: vec![], note: None }));
    }
}
