//! `GET /openapi.json`: generated from the code, with the schemas of every registered kind merged in, so that typed
//! clients can be generated. A caller sees the kinds of its own tenant. Made anew only when the catalog has changed.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::error::{ApiError, PROBLEM_JSON, ProblemCode};
use super::extract::NoParameters;
use super::identity::{Call, ROLE_EXTENSION};
use crate::job::Role;
use crate::store::{Catalog, KindEntry, TenantId};

/// Most kinds whose schemas are shown; clients of more are generated from `GET /v1/kinds/{kind}`.
const KINDS_MAX: usize = 2_000;

/// Tenants whose document is kept made.
const MADE_MAX: usize = 16;

/// The document without kinds, and those last made with a tenant's.
pub(super) struct Document {
    base: Value,
    /// With the catalog's revision.
    made: Mutex<FxHashMap<TenantId, (u64, Bytes)>>,
}

impl Document {
    pub(super) fn new(generated: utoipa::openapi::OpenApi) -> Self {
        // What utoipa generates from types always serialises; a document that doesn't would show as an empty one.
        let mut base = serde_json::to_value(generated).unwrap_or_else(|_| json!({"paths": {}}));
        base["info"] = json!({
            "title": "Stoker",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs background jobs as sandboxed WebAssembly. Errors are problem documents (RFC 9457) with a stable `code`.",
        });
        base["components"]["schemas"]["Problem"] = problem_schema();
        base["components"]["securitySchemes"]["key"] = json!({
            "type": "http", "scheme": "bearer", "description": "A key or a token; a host on loopback may need none",
        });
        say_who_may(&mut base);
        refer_to_problem(&mut base);
        Self { base, made: Mutex::default() }
    }

    /// Every path there is.
    pub(super) fn paths(&self) -> Vec<String> {
        self.base["paths"].as_object().map(|paths| paths.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn base(&self) -> &Value {
        &self.base
    }

    fn of(&self, catalog: &Catalog, tenant: TenantId) -> Result<Bytes, ApiError> {
        if let Some((revision, text)) = self.made.lock().get(&tenant)
            && *revision == catalog.revision
        {
            return Ok(text.clone());
        }
        let mut kinds: Vec<&Arc<KindEntry>> = catalog.kinds.values().filter(|kind| kind.tenant == tenant).collect();
        kinds.sort_by(|a, b| a.name.cmp(&b.name));
        kinds.truncate(KINDS_MAX);
        let kinds = kinds
            .iter()
            .map(|kind| (kind.name.as_str(), kind.description.as_deref(), kind.payload_schema(), &*kind.output_schema));
        let text = serde_json::to_vec(&merge(self.base.clone(), kinds)).map_err(|error| ApiError::internal(&error))?;
        let text = Bytes::from(text);
        let mut made = self.made.lock();
        if made.len() >= MADE_MAX {
            made.clear();
        }
        made.insert(tenant, (catalog.revision, text.clone()));
        Ok(text)
    }
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operations", responses((status = 200, body = serde_json::Value, description = "OpenAPI 3.1, each registered kind's schemas included")))]
pub(super) async fn openapi(api: Call, _: NoParameters) -> Result<Response, ApiError> {
    let text = api.document.of(&api.store.catalog(), api.caller.tenant)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// What the group of a route said it needs, in the words of `OpenAPI`.
fn say_who_may(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let role = operation[ROLE_EXTENSION].as_str().and_then(|word| word.parse::<Role>().ok());
        let Some(role) = role else {
            operation["security"] = json!([]);
            continue;
        };
        operation["security"] = json!([{"key": []}, {}]);
        let responses = &mut operation["responses"];
        responses["401"] = json!({"description": "`unauthorized`: no or no valid credential"});
        let forbidden = format!("`forbidden`: needs the role `{role}` or a greater one");
        let said = match responses["403"]["description"].as_str() {
            Some(more) => format!("{forbidden}; {more}"),
            None => forbidden,
        };
        responses["403"] = json!({"description": said});
    }
}

fn problem_schema() -> Value {
    let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": codes},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "message"],
                    "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    })
}

/// Every refusal has the same shape, beside another one where that is said: a form is shown again.
fn refer_to_problem(document: &mut Value) {
    let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        for (status, response) in responses.iter_mut() {
            if status.starts_with(['4', '5']) {
                response["content"][PROBLEM_JSON] = problem.clone();
            }
        }
        let any = json!({"description": "Any other refusal", "content": {PROBLEM_JSON: problem.clone()}});
        responses.insert("default".to_owned(), any);
    }
}

/// Adds `kind.<name>.input`, `.output` and `.request` for every kind, and makes the body of `POST /v1/jobs` one of
/// the requests, told apart by `kind`.
fn merge<'k>(mut document: Value, kinds: impl Iterator<Item = (&'k str, Option<&'k str>, &'k str, &'k str)>) -> Value {
    let mut mapping = Map::new();
    let mut requests = Vec::new();
    for (name, description, input, output) in kinds {
        let key = component_name(name);
        let request = format!("kind.{key}.request");
        for (direction, schema) in [("input", input), ("output", output)] {
            let component = format!("kind.{key}.{direction}");
            // Checked at upload; what a damaged store holds instead is shown as accepting anything.
            let mut schema: Value = serde_json::from_str(schema).unwrap_or(Value::Bool(true));
            embed(&mut schema, &format!("#/components/schemas/{component}"));
            document["components"]["schemas"][component] = schema;
        }
        document["components"]["schemas"][&request] = json!({
            "description": description.unwrap_or_default(),
            "allOf": [
                {"$ref": "#/components/schemas/JobRequest"},
                {
                    "type": "object",
                    "required": ["kind"],
                    "properties": {
                        "kind": {"const": name},
                        "payload": {"$ref": format!("#/components/schemas/kind.{key}.input")},
                    },
                },
            ],
        });
        let reference = format!("#/components/schemas/{request}");
        requests.push(json!({"$ref": reference}));
        mapping.insert(name.to_owned(), Value::String(reference));
    }
    if !requests.is_empty() {
        document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"] =
            json!({"oneOf": requests, "discriminator": {"propertyName": "kind", "mapping": mapping}});
    }
    document
}

/// Component names allow less than kinds do; what they don't is spelled out, so that no two kinds meet.
fn component_name(kind: &str) -> String {
    kind.chars()
        .map(|c| match c {
            '/' => "_2f".to_owned(),
            ':' => "_3a".to_owned(),
            '_' => "_5f".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// Makes a schema that stood alone part of a larger document: its references to itself now begin at `root`.
fn embed(schema: &mut Value, root: &str) {
    // One with a name of its own resolves its references against that.
    if schema.get("$id").is_some() {
        return;
    }
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
    }
    rebase(schema, root);
}

fn rebase(value: &mut Value, root: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => {
                        if let Some(path) = target.strip_prefix('#')
                            && (path.is_empty() || path.starts_with('/'))
                        {
                            *target = format!("{root}{path}");
                        }
                    }
                    member => rebase(member, root),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, root)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document() -> Document {
        Document::new(super::super::router::routes().into_parts().1)
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        let operations: Vec<String> = document.base["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        insta::assert_snapshot!(operations.join("\n"));
    }

    #[test]
    fn every_route_says_who_may() {
        let document = document();
        let mut said = Vec::new();
        for (path, methods) in document.base["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let role = operation[ROLE_EXTENSION].as_str().unwrap();
                let is_open = role == "anybody";
                assert!(is_open || role.parse::<Role>().is_ok(), "{method} {path}: {role}");
                assert_eq!(operation["security"] == json!([]), is_open, "{method} {path}");
                assert_eq!(operation["responses"]["403"].is_object(), !is_open, "{method} {path}");
                said.push(format!("{role:8} {} {path}", method.to_uppercase()));
            }
        }
        let forbidden = document.base["paths"]["/v1/jobs"]["post"]["responses"]["403"]["description"].as_str().unwrap();
        assert_eq!(
            forbidden,
            "`forbidden`: needs the role `producer` or a greater one; `quota_exceeded`: the tenant keeps too many bytes"
        );
        said.sort();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => members.iter().for_each(|(name, member)| match member {
                    Value::String(target) if name == "$ref" => found.push(target.clone()),
                    member => references(member, found),
                }),
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let schema =
            r##"{"$schema":"x","$ref":"#/$defs/a","$defs":{"a":{"type":"string"}},"properties":{"b":{"$ref":"#"}}}"##;
        let merged = merge(
            document().base,
            [("email.send", None, schema, "true"), ("a/b:c_d", Some("x"), "true", schema)].into_iter(),
        );
        let mut found = Vec::new();
        references(&merged, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(merged.pointer(pointer).is_some(), "{reference}");
        }
        let schemas = merged["components"]["schemas"].as_object().unwrap();
        assert!(schemas.contains_key("kind.a_2fb_3ac_5fd.input"));
        assert_eq!(schemas["kind.email.send.input"]["$ref"], "#/components/schemas/kind.email.send.input/$defs/a");
        let body = &merged["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["discriminator"]["mapping"]["email.send"], "#/components/schemas/kind.email.send.request");
    }
}
