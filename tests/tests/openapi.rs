//! `/openapi.json` describes all of the API, each registered kind's schema included.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stoker_tests::walls::host_sources;
use stoker_tests::{HandlerModule, KindOf, TestHost};

/// Every route of the contract there is so far.
const ROUTES: &[(&str, &str)] = &[
    ("put", "/v1/modules/{name}"),
    ("get", "/v1/modules"),
    ("get", "/v1/modules/{name}"),
    ("delete", "/v1/modules/{name}"),
    ("get", "/v1/modules/{name}/versions"),
    ("get", "/v1/modules/{name}/versions/{digest}/wasm"),
    ("delete", "/v1/modules/{name}/versions/{digest}"),
    ("get", "/v1/modules/{name}/versions/{digest}/changes"),
    ("post", "/v1/modules/{name}/activate"),
    ("get", "/v1/kinds"),
    ("get", "/v1/kinds/{kind}"),
    ("put", "/v1/kinds/{kind}/settings"),
    ("patch", "/v1/kinds/{kind}/settings"),
    ("post", "/v1/jobs"),
    ("get", "/v1/jobs"),
    ("post", "/v1/jobs/batch"),
    ("get", "/v1/jobs/{id}"),
    ("delete", "/v1/jobs/{id}"),
    ("get", "/v1/jobs/{id}/attempts"),
    ("get", "/v1/jobs/{id}/logs"),
    ("get", "/v1/jobs/{id}/history"),
    ("post", "/v1/jobs/{id}/cancel"),
    ("post", "/v1/jobs/{id}/retry"),
    ("get", "/v1/queues"),
    ("get", "/v1/schedules"),
    ("put", "/v1/schedules/{name}"),
    ("get", "/v1/schedules/{name}"),
    ("delete", "/v1/schedules/{name}"),
    ("post", "/v1/schedules/{name}/trigger"),
    ("post", "/v1/schedules/{name}/pause"),
    ("post", "/v1/schedules/{name}/resume"),
    ("post", "/v1/schedules/preview"),
    ("post", "/v1/backup"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
];

/// Routes that describe or show the API and need no description of their own.
const PLAIN_ROUTES: &[&str] = &["/", "/docs", "/openapi.json", "/dashboard"];

fn document(host: &TestHost) -> Value {
    host.get("/openapi.json").expect(200)
}

/// A path with its parameters' names left out: what a parameter is called is the router's affair.
fn shape(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_is_described() {
    let host = TestHost::start();
    let document = document(&host);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document:#}");
    assert_eq!(document["info"]["title"].as_str().map(str::is_empty), Some(false));
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.clone(), shape(path))))
        .collect();
    for (method, path) in ROUTES {
        assert!(described.contains(&((*method).to_owned(), shape(path))), "{method} {path} is not described");
    }
    // And what the code routes is described: paths in the router's attributes and calls.
    let shapes: BTreeSet<String> = described.into_iter().map(|(_, path)| path).collect();
    for source in host_sources().iter().filter(|source| source.is_in(&["api"])) {
        let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        for mark in ["path = \"/", ".route(\"/", ".route_service(\"/"] {
            for rest in code.split(mark).skip(1) {
                let path = format!("/{}", rest.split('"').next().unwrap());
                let known = PLAIN_ROUTES.contains(&path.as_str()) || shapes.contains(&shape(&path));
                assert!(known, "{path} of host/src/{} is not described", source.path);
            }
        }
    }
}

#[test]
fn each_operation_says_what_it_answers_and_references_lead_somewhere() {
    let host = TestHost::start();
    let document = document(&host);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object();
            assert!(responses.is_some_and(|responses| !responses.is_empty()), "{method} {path} answers nothing");
            for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let named = operation["parameters"].as_array().is_some_and(|parameters| {
                    parameters.iter().any(|found| found["name"] == parameter && found["in"] == "path")
                });
                assert!(named, "{method} {path}: `{parameter}` is not described");
            }
        }
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leaves the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push(reference.clone());
            }
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

#[test]
fn registered_kinds_show_their_schemas() {
    let host = TestHost::start();
    assert!(!document(&host).to_string().contains("letters_of_the_alphabet"));
    let schema = json!({
        "type": "object", "required": ["letters_of_the_alphabet"],
        "properties": {"letters_of_the_alphabet": {"type": "integer"}},
    });
    let kind = KindOf::any("alphabet.count").input(&schema.to_string()).output(r#"{"type":"integer"}"#);
    host.upload_bytes("alphabet", &HandlerModule::serving([kind]).answering("26").wasm());
    let document = document(&host);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let (_, input) = schemas
        .iter()
        .find(|(name, _)| name.contains("alphabet") && name.contains("input"))
        .unwrap_or_else(|| panic!("no schema of the kind: {:?}", schemas.keys()));
    assert!(input.to_string().contains("letters_of_the_alphabet"), "{input:#}");
    // And something of the request leads there.
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    let leads = references.iter().any(|reference| reference.contains("alphabet") && reference.contains("input"));
    assert!(leads, "nothing refers to the schema of the kind: {references:?}");
    host.delete("/v1/modules/alphabet").expect_status(204);
    host.get("/docs").expect_status(200);
}
