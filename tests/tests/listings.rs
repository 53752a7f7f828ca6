//! Lists come in pages, all of them in the same way, and nothing is left out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{CommandModule, TestHost, run_stoker};

/// Every item's `field`, by pages of `limit`.
fn all(host: &TestHost, path: &str, field: &str, limit: usize) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("{path}?limit={limit}{cursor}")).expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit && !items.is_empty(), "{page:#}");
        found.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            Value::Null => return found,
            other => panic!("`next_cursor` is {other}"),
        }
    }
}

#[test]
fn every_list_is_paged_by_its_key() {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    let names: Vec<String> = (0..5).map(|n| format!("m{n}")).collect();
    for name in names.iter().rev() {
        host.upload_bytes(name, &CommandModule::printing(name).wasm());
        host.enqueue(&json!({"kind": name, "queue": format!("q-{name}")}));
    }
    let versions: Vec<String> = (0..5)
        .map(|n| {
            let uploaded = host.put_module("m0", &CommandModule::printing(&format!("version {n}")).wasm()).expect(201);
            uploaded["digest"].as_str().unwrap().to_owned()
        })
        .collect();
    let queues: Vec<String> = names.iter().map(|name| format!("q-{name}")).collect();
    for limit in [1, 2, 5, 500] {
        assert_eq!(all(&host, "/v1/modules", "name", limit), names, "by {limit}");
        assert_eq!(all(&host, "/v1/kinds", "name", limit), names, "by {limit}");
        assert_eq!(all(&host, "/v1/queues", "name", limit), queues, "by {limit}");
        let listed = all(&host, "/v1/modules/m0/versions", "digest", limit);
        assert!(listed[..5].iter().eq(versions.iter().rev()), "newest first: {listed:?}");
        assert_eq!(listed.len(), 6);
    }
    for path in ["/v1/modules", "/v1/kinds", "/v1/queues", "/v1/modules/m0/versions", "/v1/jobs"] {
        for wrong in ["limit=0", "limit=501", "limit=many", "cursor=a%20b", "cursor=", "offset=3"] {
            host.get(&format!("{path}?{wrong}")).expect_problem(422);
        }
        assert!(host.get(path).expect(200).as_object().unwrap().contains_key("next_cursor"), "{path}");
    }
}

#[test]
fn the_command_line_follows_pages() {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let ids = host.enqueue_lines((0..620).map(|_| json!({"kind": "print"})));
    let list = |arguments: &[&str]| {
        let arguments = [&["jobs"], arguments].concat();
        run_stoker(&arguments, &[("STOKER_URL", host.url())], host.home(), b"").expect_success()
    };
    let listed: Value = serde_json::from_str(&list(&["--limit", "600", "--json"])).unwrap();
    let items = listed["items"].as_array().unwrap();
    let found: Vec<&str> = items.iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert!(found.iter().eq(ids.iter().rev().take(600)), "{} jobs", found.len());
    let table = list(&["--limit", "600", "--cursor", listed["next_cursor"].as_str().unwrap()]);
    assert!(ids[..20].iter().all(|id| table.contains(id)), "{table}");
}
