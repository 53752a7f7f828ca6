//! The commands of `docs/workflows.md` and `docs/schedules.md`, as a reader would type them: the `sh` blocks of a page run in one
//! shell, in their order, against a real host. Whatever a block begins must succeed, requests of `curl` included.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stoker_tests::{Guest, HandlerModule, KindOf, TestHost, stoker_binary, workspace_root};

/// `curl` that fails where the host refuses, and what the API page begins with.
const BEFORE: &str = "curl() { command curl -sS --fail-with-body \"$@\"; }\nH=$STOKER_URL\n";

/// The `sh` blocks of a page.
fn commands(page: &str) -> String {
    let page = std::fs::read_to_string(workspace_root().join(page)).unwrap();
    let blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let blocks: Vec<String> = blocks.map(|block| format!("{block}\n")).collect();
    assert!(blocks.len() >= 2, "few commands in the page: {blocks:?}");
    blocks.concat()
}

/// Runs the page; gives what it printed.
fn follow(page: &str, host: &TestHost) -> String {
    let folder = tempfile::tempdir().unwrap();
    let programs = stoker_binary().parent().unwrap().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&inherited))).unwrap();
    let script = format!("{BEFORE}{}", commands(page));
    let output = Command::new("bash")
        .args(["-euxc", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("STOKER_URL", host.url())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{page}: {}\n{printed}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[test]
fn the_page_about_jobs_after_jobs() {
    let host = TestHost::builder().leaves_work_behind().start();
    host.upload(Guest::Hello);
    follow("docs/workflows.md", &host);
    let batches = host.get("/v1/batches").expect(200);
    let [batch] = &batches["items"].as_array().unwrap()[..] else { panic!("{batches:#}") };
    assert_eq!((&batch["name"], &batch["counts"]["total"]), (&json!("import"), &json!(2)));
    let workflows = host.get("/v1/workflows").expect(200);
    let [workflow] = &workflows["items"].as_array().unwrap()[..] else { panic!("{workflows:#}") };
    assert_eq!((&workflow["name"], &workflow["counts"]["total"]), (&json!("nightly"), &json!(4)));
    // What the graph that is shown says: who runs after whom.
    let id = workflow["id"].as_str().unwrap();
    let graph = host.get(&format!("/v1/workflows/{id}")).expect(200);
    let after = |name: &str| -> Vec<Value> {
        let jobs = graph["jobs"].as_array().unwrap();
        let job = jobs.iter().find(|job| job["name"] == name).unwrap_or_else(|| panic!("no {name}: {graph:#}"));
        let parents = job["after"].as_array().into_iter().flatten();
        parents.map(|parent| json!([parent["name"], parent["on"]])).collect()
    };
    assert_eq!(after("fetch"), [json!(null); 0]);
    assert_eq!(after("render"), [json!(["fetch", "succeeded"])]);
    assert_eq!(after("complain"), [json!(["render", "failed"])]);
    assert_eq!(after("send"), [json!(["render", "succeeded"])]);
    // The first block: three jobs, of which the last is not needed.
    let greeted = |name: &str| {
        let jobs = host.list("kind=hello").into_iter().map(|job| host.job(job["id"].as_str().unwrap()));
        jobs.filter(|job| job["payload"]["name"] == name && job["workflow"].is_null() && job["batch"].is_null()).count()
    };
    assert!(greeted("Ada") >= 1 && greeted("Ben") >= 1 && greeted("Eve") == 1);
}

#[test]
fn the_page_about_schedules() {
    let host = TestHost::builder().leaves_work_behind().start();
    host.upload_bytes("reports", &HandlerModule::serving([KindOf::any("report")]).wasm());
    let printed = follow("docs/schedules.md", &host);
    assert!(printed.contains("Europe/Berlin"), "{printed}");
    host.get("/v1/schedules/nightly").expect_problem(404);
    // Triggered once by each way.
    assert_eq!(host.list("kind=report").len(), 2, "{printed}");
}
