//! What a handler says it serves, checked before anything of it is registered. Pure.

use super::bindings::exports::stoker::handler::handler as wit;
use super::model::DescribeError;
use crate::job::{FieldError, KindDescription, KindName, KindSettings, SettingsWire, cut};
use crate::schema::BoundedSchema;

/// Most kinds one module may serve.
const KINDS_MAX: usize = 256;
/// Of a kind's description.
const DESCRIPTION_BYTES_MAX: usize = 1 << 10;

/// Checks names, schemas and settings. Compiles every schema, so it takes its time.
pub(super) fn checked(kinds: Vec<wit::KindDescription>) -> Result<Vec<KindDescription>, DescribeError> {
    if kinds.is_empty() {
        return Err(invalid("it serves no kind; describe at least one"));
    }
    if kinds.len() > KINDS_MAX {
        return Err(invalid(format!("it serves {} kinds; at most {KINDS_MAX} are allowed in one module", kinds.len())));
    }
    let mut checked: Vec<KindDescription> = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let kind = check(kind)?;
        if checked.iter().any(|known| known.name == kind.name) {
            return Err(invalid(format!(
                "kind `{}` is described twice; give each handler a kind of its own",
                kind.name
            )));
        }
        checked.push(kind);
    }
    Ok(checked)
}

fn check(kind: wit::KindDescription) -> Result<KindDescription, DescribeError> {
    let wit::KindDescription { name, description, input_schema, output_schema, settings } = kind;
    let shown = cut(name.clone(), KindName::LENGTH_MAX);
    let name: KindName = name.parse().map_err(|error| invalid(format!("kind `{shown}`: {error}")))?;
    for (direction, schema) in [("input", &input_schema), ("output", &output_schema)] {
        BoundedSchema::compile(schema)
            .map_err(|message| invalid(format!("the {direction} schema of kind `{name}` {message}")))?;
    }
    let settings = match settings {
        None => KindSettings::default(),
        Some(text) => SettingsWire::domain_from_json(&text)
            .map_err(|errors| invalid(format!("the settings of kind `{name}`: {}", all(&errors))))?,
    };
    let description = description.map(|text| cut(text, DESCRIPTION_BYTES_MAX));
    Ok(KindDescription { name, description, input_schema, output_schema, settings })
}

fn all(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn invalid(message: impl Into<String>) -> DescribeError {
    DescribeError::Invalid(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, schema: &str, settings: Option<&str>) -> wit::KindDescription {
        wit::KindDescription {
            name: name.to_owned(),
            description: None,
            input_schema: schema.to_owned(),
            output_schema: "true".to_owned(),
            settings: settings.map(str::to_owned),
        }
    }

    #[test]
    fn lies_are_told_apart() {
        for (kinds, word) in [
            (vec![], "no kind"),
            (vec![kind("a", "true", None), kind("a", "true", None)], "twice"),
            (vec![kind("no spaces", "true", None)], "no spaces"),
            (vec![kind("a", "{", None)], "not JSON"),
            (vec![kind("a", r#"{"type":"nonsense"}"#, None)], "JSON Schema"),
            (vec![kind("a", r#"{"$ref":"http://example.com/schema"}"#, None)], "out of the schema"),
            (vec![kind("a", r#"{"$ref":"file:///etc/passwd"}"#, None)], "out of the schema"),
            (vec![kind("a", "true", Some(r#"{"surprise":1}"#))], "surprise"),
            (vec![kind("a", "true", Some(r#"{"priority":99}"#))], "/priority"),
        ] {
            let error = checked(kinds).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_truth_is_taken() {
        let schema = r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}"##;
        let kinds = checked(vec![kind("a.b", schema, Some(r#"{"timeout":"5s"}"#))]).expect("sound");
        assert_eq!(kinds[0].settings.limits.timeout_ms, Some(5_000));
    }
}
