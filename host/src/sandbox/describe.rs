//! What a handler says it serves, checked before anything of it is registered. Pure but for the clock of the thread.

use std::time::Duration;

use super::bindings::exports::stoker::handler::handler as wit;
use super::model::DescribeError;
use crate::job::{FieldError, KindDescription, KindName, KindSettings, SettingsWire, cut};
use crate::schema::{BoundedSchema, thread_cpu_time};

/// Most kinds one module may serve.
const KINDS_MAX: usize = 256;
/// Of a kind's description.
const DESCRIPTION_BYTES_MAX: usize = 1 << 10;

/// Processor time for the schemas of one module: many times what those of hundreds of kinds take.
pub(super) const SCHEMAS_CPU_MAX: Duration = Duration::from_secs(10);

/// Checks names, schemas and settings. Compiles every schema, as long as they take no more than so much processor time
/// together; for a thread with a deep stack that nobody else waits for.
pub(super) fn checked(
    kinds: Vec<wit::KindDescription>,
    schemas_cpu_max: Duration,
) -> Result<Vec<KindDescription>, DescribeError> {
    let began = thread_cpu_time();
    if kinds.is_empty() {
        return Err(invalid("it serves no kind; describe at least one"));
    }
    if kinds.len() > KINDS_MAX {
        return Err(invalid(format!("it serves {} kinds; at most {KINDS_MAX} are allowed in one module", kinds.len())));
    }
    let mut checked: Vec<KindDescription> = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let took = thread_cpu_time().saturating_sub(began);
        if took > schemas_cpu_max && !checked.is_empty() {
            return Err(invalid(format!(
                "the schemas of the first {} of its kinds take more than {schemas_cpu_max:?} to compile; describe fewer kinds \
                 in one module, or have fewer and smaller patterns in the schemas",
                checked.len()
            )));
        }
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
            (vec![kind("a", "true", Some(r#"["q"]"#))], "must be a JSON object"),
        ] {
            let error = checked(kinds, SCHEMAS_CPU_MAX).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn schemas_have_a_bound_together() {
        let kinds = || (0..4).map(|n| kind(&n.to_string(), r#"{"pattern": "^\\p{L}+$"}"#, None)).collect();
        let error = checked(kinds(), Duration::from_micros(1)).expect_err("too slow").to_string();
        assert!(error.contains("first 1 of its kinds") && error.contains("fewer kinds"), "{error}");
        assert_eq!(checked(kinds(), SCHEMAS_CPU_MAX).expect("quick enough").len(), 4);
    }

    #[test]
    fn the_truth_is_taken() {
        let schema = r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}"##;
        let kinds = checked(vec![kind("a.b", schema, Some(r#"{"timeout":"5s"}"#))], SCHEMAS_CPU_MAX).expect("sound");
        assert_eq!(kinds[0].settings.limits.timeout_ms, Some(5_000));
    }
}
