//! A payload to try a kind with, made from its input schema. A guess: what a schema says in words only the host checks.

use serde_json::{Map, Value, json};

/// Schemas inside schemas followed so far; deeper, `null` must do.
const DEPTH_MAX: u32 = 12;
/// Most elements made for `minItems`, and characters for `minLength`.
const ELEMENTS_MAX: u64 = 16;

/// A value that fits `schema`, mostly: what is required and nothing more.
pub(super) fn example(schema: &Value) -> Value {
    value_of(schema, schema, "", DEPTH_MAX)
}

/// The value as an argument of a shell.
pub(super) fn quoted(value: &Value) -> String {
    format!("'{}'", value.to_string().replace('\'', r"'\''"))
}

fn value_of(schema: &Value, root: &Value, name: &str, depth: u32) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    let Some(object) = schema.as_object() else { return json!({}) };
    if let Some(given) = object.get("const").or_else(|| object.get("default")) {
        return given.clone();
    }
    if let Some(first) = ["examples", "enum"].iter().find_map(|key| object.get(*key)?.as_array()?.first()) {
        return first.clone();
    }
    if let Some(target) = object.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| value_of(target, root, name, depth));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let is_null = |schema: &&Value| schema.get("type") == Some(&json!("null"));
        let alternatives = object.get(key).and_then(Value::as_array);
        if let Some(one) = alternatives.and_then(|all| all.iter().find(|schema| !is_null(schema))) {
            let mut made = value_of(one, root, name, depth);
            // What stands beside the alternatives holds for each of them.
            if let (Value::Object(made), true) = (&mut made, object.contains_key("properties")) {
                made.extend(properties(object, root, depth));
            }
            return made;
        }
    }
    match type_of(object) {
        "string" => json!(text(object, name)),
        "integer" => number(object, 1).map_or(json!(1), |least| json!(least)),
        "number" => number(object, 1).map_or(json!(1.5), |least| json!(least)),
        "boolean" => json!(true),
        "null" => Value::Null,
        "array" => {
            let items = object.get("items").cloned().unwrap_or(json!(true));
            let count = object.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, ELEMENTS_MAX);
            (0..count).map(|_| value_of(&items, root, name, depth)).collect()
        }
        _ => Value::Object(properties(object, root, depth)),
    }
}

fn properties(schema: &Map<String, Value>, root: &Value, depth: u32) -> Map<String, Value> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let known = schema.get("properties").and_then(Value::as_object);
    required
        .map(|name| {
            let property = known.and_then(|known| known.get(name)).unwrap_or(&Value::Null);
            (name.to_owned(), value_of(property, root, name, depth))
        })
        .collect()
}

/// The first type that is not `null`.
fn type_of(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(word)) => word,
        Some(Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("null")
        }
        _ => "object",
    }
}

fn text(schema: &Map<String, Value>, name: &str) -> String {
    let mut text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("date") => "2026-01-31",
        Some("time") => "12:00:00Z",
        Some("email") => "ada@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("ipv4") => "192.0.2.1",
        _ if name.contains("name") => "Ada",
        _ => "text",
    }
    .to_owned();
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(ELEMENTS_MAX);
    while (text.chars().count() as u64) < least {
        text.push('x');
    }
    text
}

/// The least number allowed, if that is more than `usual`.
fn number(schema: &Map<String, Value>, usual: i64) -> Option<i64> {
    let bound = |key: &str, more: f64| schema.get(key).and_then(Value::as_f64).map(|bound| (bound + more).ceil());
    let least = bound("minimum", 0.0).or_else(|| bound("exclusiveMinimum", 1.0));
    let most = bound("maximum", 0.0).or_else(|| bound("exclusiveMaximum", -1.0));
    // Bounds past this range are no example's concern.
    #[allow(clippy::cast_possible_truncation)]
    let whole = |bound: f64| bound as i64;
    match (least.map(whole), most.map(whole)) {
        (Some(least), _) if least > usual => Some(least),
        (_, Some(most)) if most < usual => Some(most),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_hold_what_is_required() {
        let defs = json!({"Size": {"enum": ["S", "M"]}, "Loop": {"type": "object", "required": ["next"],
            "properties": {"next": {"$ref": "#/$defs/Loop"}}}});
        for (schema, expected) in [
            (json!({"type": "string"}), json!("text")),
            (json!({"type": ["null", "integer"], "minimum": 7}), json!(7)),
            (json!({"type": "integer", "maximum": -3}), json!(-3)),
            (
                json!({"type": "object", "required": ["name", "size", "when"], "$defs": defs, "properties": {
                "name": {"type": "string"}, "size": {"$ref": "#/$defs/Size"}, "note": {"type": "string"},
                "when": {"type": "string", "format": "date-time"}}}),
                json!({"name": "Ada", "size": "S", "when": "2026-01-31T12:00:00Z"}),
            ),
            (json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}), json!([true, true])),
            (
                json!({"oneOf": [{"type": "null"}, {"type": "object", "required": ["k"], "properties": {"k": {"const": 1}}}]}),
                json!({"k": 1}),
            ),
            (json!({"type": "number", "examples": [2.5]}), json!(2.5)),
            (json!({}), json!({})),
            (json!(true), json!({})),
        ] {
            assert_eq!(example(&schema), expected, "{schema}");
        }
        // What refers to itself ends.
        let endless = json!({"$ref": "#/$defs/Loop", "$defs": defs});
        assert!(example(&endless).to_string().contains("null"));
    }

    #[test]
    fn a_shell_gets_it_whole() {
        assert_eq!(quoted(&json!({"a": "it's"})), r#"'{"a":"it'\''s"}'"#);
    }
}
