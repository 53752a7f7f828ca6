//! The audit log: every change that somebody makes is a row, written with it; nothing else is one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Api, TestHost, eventually, make_key, make_tenant, run_stoker, with_role};

const ADMIN_KEY: &str = "the-admins-long-key";

fn host() -> TestHost {
    TestHost::builder().workers(0).admin_key(ADMIN_KEY).start()
}

#[track_caller]
fn rows(api: &Api, query: &str) -> Vec<Value> {
    api.get(&format!("/v1/audit{query}")).expect(200)["items"].as_array().expect("items").clone()
}

#[test]
fn a_change_is_told_with_who_and_what() {
    let host = host();
    let (_, key) = make_key(&host, "default", "ops", "operator");
    let who = format!("key:ops:{}", &key[..12]);
    let ops = host.with_key(Some(&key));
    ops.put("/v1/queues/mail", &json!({"priority": 2})).expect_status(200);
    ops.act("/v1/queues/mail/pause").expect_status(200);
    // It is paused already: nothing changes.
    ops.act("/v1/queues/mail/pause").expect_status(200);
    let rows = rows(&ops, "?object=queue/mail");
    let told: Vec<_> = rows.iter().map(|row| (&row["action"], &row["who"], &row["via"], &row["tenant"])).collect();
    let (who, via, tenant) = (json!(who), json!("api"), json!("default"));
    let (pause, set) = (json!("queue.pause"), json!("queue.set"));
    assert_eq!(told, [(&pause, &who, &via, &tenant), (&set, &who, &via, &tenant)]);
    assert_eq!((&rows[0]["before"]["paused"], &rows[0]["after"]["paused"]), (&json!(false), &json!(true)));
    assert_eq!((&rows[1]["before"], &rows[1]["after"]["priority"]), (&Value::Null, &json!(2)));
}

#[test]
fn refusals_and_reads_leave_no_row() {
    let host = host();
    let viewer = with_role(&host, "default", "viewer");
    let before = rows(&host, "").len();
    viewer.act("/v1/queues/mail/pause").expect_problem(403);
    host.act("/v1/queues/mail/pause").expect_problem(404);
    host.put("/v1/queues/mail", &json!({"priority": 99})).expect_problem(422);
    host.get("/v1/queues").expect_status(200);
    host.delete("/v1/modules/nothing").expect_problem(404);
    assert_eq!(rows(&host, "").len(), before);
}

#[test]
fn rows_are_found_by_what_they_say() {
    let host = host();
    make_tenant(&host, "acme");
    let acme = with_role(&host, "acme", "operator");
    for queue in ["a", "b", "c"] {
        acme.put(&format!("/v1/queues/{queue}"), &json!({"priority": 1})).expect_status(200);
    }
    host.delete("/v1/queues/none").expect_problem(404);
    acme.delete("/v1/queues/a").expect_status(204);
    let actions = |rows: Vec<Value>| -> Vec<String> {
        rows.iter().map(|row| row["action"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(actions(rows(&acme, "?action=queue.")), ["queue.delete", "queue.set", "queue.set", "queue.set"]);
    assert_eq!(actions(rows(&acme, "?action=queue.d")), ["queue.delete"]);
    assert_eq!(rows(&acme, "?until=2020-01-01T00:00:00Z").len(), 0);
    assert_eq!(rows(&acme, "?action=queue.&since=2020-01-01T00:00:00Z").len(), 4);
    assert!(rows(&host, "?who=admin_key").iter().all(|row| row["who"] == "admin_key"));
    // The host's own rows are the admins'.
    assert!(rows(&acme, "").iter().all(|row| row["tenant"] == "acme"));
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = acme.get(&format!("/v1/audit?limit=2{cursor}")).expect(200);
        seen.extend(page["items"].as_array().expect("items").iter().map(|row| row["id"].as_i64().expect("an id")));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(seen.len() >= 5 && seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    host.get("/v1/audit?whom=x").expect_problem(422);
    with_role(&host, "acme", "producer").get("/v1/audit").expect_problem(403);
}

#[test]
fn no_secret_is_ever_in_it_and_the_command_line_is_named() {
    let host = host();
    let url = host.url().to_owned();
    let envs = [("STOKER_URL", url.as_str()), ("STOKER_KEY", ADMIN_KEY)];
    let stoker = |args: &[&str]| run_stoker(args, &envs, host.home(), b"");
    let key = stoker(&["keys", "create", "ci", "--role", "producer", "--expires-in", "90d"]).expect_success();
    let key = key.trim();
    assert!(key.starts_with("stk_"), "{key}");
    let listed = stoker(&["keys", "list", "--json"]).expect_success();
    assert!(listed.contains(&key[..12]) && !listed.contains(key), "{listed}");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let id = listed["items"][0]["id"].as_str().expect("an id");
    stoker(&["keys", "revoke", id]).expect_success();
    stoker(&["keys", "revoke", id]).expect_failure(&["no key"]);
    let shown = stoker(&["audit", "--action", "key.", "--json"]).expect_success();
    assert!(shown.contains("key.create") && shown.contains("key.revoke"), "{shown}");
    assert!(!shown.contains(key) && !shown.contains(ADMIN_KEY), "{shown}");
    let rows = rows(&host, "?action=key.");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["via"] == "cli" && row["who"] == "admin_key"), "{rows:?}");
    assert!(stoker(&["audit"]).expect_success().contains("key.revoke"));
}

#[test]
fn rows_older_than_they_are_kept_go() {
    let mut host = host();
    host.put("/v1/queues/old", &json!({"priority": 1})).expect_status(200);
    host.put("/v1/queues/young", &json!({"priority": 1})).expect_status(200);
    assert_eq!(host.terminate().code(), Some(0));
    // What was done to one of them was done two days ago.
    let database = rusqlite::Connection::open(host.data_dir().join("stoker.db")).expect("a database");
    let aged = database.execute("UPDATE audit SET at = at - 2 * 86400000 WHERE object = 'queue/old'", []);
    assert_eq!(aged.expect("a change"), 1);
    drop(database);
    let of = |host: &TestHost, queue: &str| rows(host, &format!("?object=queue/{queue}")).len();
    host.restart_with(|builder| builder.env("STOKER_AUDIT_KEEP", "72h"));
    eventually("upkeep has looked", || {
        let metrics = host.get("/metrics").expect_status(200).text();
        metrics.contains("stoker_maintenance_runs_total{task=\"prune_audit\"} 1").then_some(())
    });
    assert_eq!((of(&host, "old"), of(&host, "young")), (1, 1), "kept for three days");
    host.terminate();
    host.restart_with(|builder| builder.env("STOKER_AUDIT_KEEP", "24h"));
    eventually("the old row is gone", || (of(&host, "old") == 0).then_some(()));
    assert_eq!(of(&host, "young"), 1);
    // The queue itself is none of this.
    host.get("/v1/queues/old").expect_status(200);
}
