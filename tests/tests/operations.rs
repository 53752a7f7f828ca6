//! Actions on many jobs: accepted at once, worked off in the background, through SIGKILL, each job once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, eventually, run_stoker};

/// Jobs of the action that is killed in its midst.
const JOBS: usize = 5_000;
/// Kills while it is under way.
const KILLS: usize = 3;

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

fn id_of(operation: &Value) -> String {
    operation["id"].as_str().unwrap().to_owned()
}

fn finished(host: &TestHost, id: &str) -> Value {
    eventually("the operation is over", || {
        let operation = host.get(&format!("/v1/operations/{id}")).expect(200);
        let is_over = !operation["finished_at"].is_null();
        is_over.then_some(operation)
    })
}

fn idle_host() -> TestHost {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload(Guest::Handlers);
    host
}

#[test]
fn a_host_that_is_killed_changes_every_job_once() {
    let mut host = idle_host();
    for batch in 0..5 {
        let lines =
            (0..JOBS / 5).map(|n| json!({"kind": "echo", "payload": [batch, n], "delay": "10h", "queue": "many"}));
        host.enqueue_lines(lines);
    }
    // Not meant.
    let other = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "10h", "queue": "few"}));
    let request = json!({"action": "set_priority", "priority": 3, "filter": {"queue": "many", "state": "scheduled"}});
    let key = [("idempotency-key", "once")];
    let reply = host.post_with("/v1/jobs/bulk", &key, &request).expect_status(202);
    let operation = reply.json();
    let id = id_of(&operation);
    assert_eq!(reply.header("location"), Some(format!("/v1/operations/{id}").as_str()));
    let younger = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "10h", "queue": "many"}));
    let mut kills = 0;
    let mut seen = 0;
    while kills < KILLS {
        let now = host.get(&format!("/v1/operations/{id}")).expect(200);
        if !now["finished_at"].is_null() {
            break;
        }
        let changed = now["changed"].as_u64().unwrap();
        assert!(changed >= seen, "what was done is not forgotten: {now:#}");
        if changed > seen {
            seen = changed;
            host.kill9();
            host.restart();
            kills += 1;
        }
    }
    assert!(kills > 0, "it was over before it could be killed");
    let again = host.post_with("/v1/jobs/bulk", &key, &request).expect_status(200);
    assert_eq!((id_of(&again.json()), again.header("idempotency-replayed")), (id.clone(), Some("true")));
    let done = finished(&host, &id);
    assert_eq!(done["state"], "done", "{done:#}");
    let counts = ["matched", "changed", "skipped", "failed"].map(|name| done[name].as_u64().unwrap());
    assert_eq!(counts, [JOBS as u64, JOBS as u64, 0, 0], "{done:#}");
    let listed = host.list("queue=many");
    for job in &listed {
        let is_meant = job["id"].as_str() != Some(younger.as_str());
        assert_eq!(job["priority"], json!(if is_meant { 3 } else { 5 }), "{job:#}");
    }
    assert_eq!(listed.len(), JOBS + 1);
    assert_eq!(host.job(&other)["priority"], 5);
    // Each was changed once: its history has one note of it.
    for job in listed.iter().skip(1).step_by(50) {
        let history = host.history_text(job["id"].as_str().unwrap());
        assert_eq!(history.matches("edited").count(), 1, "{history}");
    }
}

#[test]
fn failed_jobs_are_brought_back_by_what_they_failed_of_and_slowly() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let fail = |kind: &str, payload: Value| host.enqueue(&json!({"kind": kind, "payload": payload, "max_attempts": 1}));
    let trapped: Vec<String> = (0..4).map(|_| fail("trap", json!({}))).collect();
    let fatal: Vec<String> = (0..3).map(|_| fail("fail-fatal", json!({}))).collect();
    for id in trapped.iter().chain(&fatal) {
        host.wait_for(id, "failed");
    }
    let reason = host.job(&trapped[0])["error"]["reason"].as_str().unwrap().to_owned();
    let said = stoker(&host, &["retry", "--state", "failed", "--reason", &reason, "--rate", "50/s"]).expect_success();
    assert!(said.contains("4 changed"), "{said}");
    for id in &trapped {
        assert_eq!(host.wait_until(id, "failed again", |job| job["state"] == "failed")["state"], "failed");
        assert!(host.history_text(id).contains("reopened"));
    }
    for id in &fatal {
        assert!(!host.history_text(id).contains("reopened"), "another reason");
    }
    let listed = stoker(&host, &["operations"]).expect_success();
    assert!(listed.contains("retry") && listed.contains("done"), "{listed}");
    let said = stoker(&host, &["bulk", "delete", "--state", "failed"]).expect_success();
    assert!(said.contains("7 changed"), "{said}");
    assert_eq!(host.list("state=failed").len(), 0);
}

#[test]
fn an_operation_is_cancelled_and_what_it_did_stays() {
    let mut host = idle_host();
    host.enqueue_lines((0..300).map(|n| json!({"kind": "echo", "payload": n})));
    let request = json!({"action": "cancel", "filter": {"unfinished": true}, "rate": "60/h"});
    let operation = host.post("/v1/jobs/bulk", &request).expect(202);
    let id = id_of(&operation);
    eventually("the first job is cancelled", || (host.list("state=cancelled").len() == 1).then_some(()));
    host.restart();
    let said = stoker(&host, &["operations", &id, "--cancel"]).expect_success();
    assert!(said.contains("cancelled") && said.contains("1 changed"), "{said}");
    host.act(&format!("/v1/operations/{id}/cancel")).expect(200);
    assert_eq!(host.list("state=cancelled").len(), 1);
    let said = stoker(&host, &["cancel", "--unfinished", "--no-wait"]).expect_success();
    let second = said.split_whitespace().find(|word| word.starts_with("op_")).unwrap();
    assert_eq!(finished(&host, second)["changed"], 299);
    host.act(&format!("/v1/operations/{second}/cancel")).expect_problem_saying(409, &["wrong_state", "done"]);
    assert_eq!(host.get("/v1/operations").expect(200)["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_can_not_be_asked_is_said() {
    let host = idle_host();
    for (request, pointer) in [
        (json!({"action": "retry", "filter": {}}), "/filter"),
        (json!({"action": "retry", "filter": {"stat": "failed"}}), "/filter/stat"),
        (json!({"action": "retry", "filter": {"ids": []}}), "/filter/ids"),
        (json!({"action": "set_priority", "filter": {"all": true}}), "/priority"),
        (json!({"action": "retry", "filter": {"all": true}, "rate": "fast"}), "/rate"),
        (json!({"action": "retry", "filter": {"kind": "ehco"}}), "/filter/kind"),
        (json!({"action": "retry", "filter": {"queue": "nowhere"}}), "/filter/queue"),
        (json!({"action": "retry", "filter": {"module": "nobody"}}), "/filter/module"),
        (json!({"action": "retry", "filter": {"group": "group_00000000000000000000000000000000"}}), "/filter/group"),
        (json!({"action": "retry", "filter": {"group": "mail"}}), "/filter/group"),
        (json!({"action": "cancel", "filter": {"state": "succeeded"}}), "/filter/state"),
        (json!({"action": "delete", "filter": {"unfinished": true}}), "/filter/unfinished"),
        (
            json!({"action": "retry", "filter": {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}),
            "/filter/until",
        ),
    ] {
        let problem = host.post("/v1/jobs/bulk", &request).expect_problem(422);
        assert_eq!(problem["errors"][0]["pointer"], json!(pointer), "{problem:#}");
    }
    host.post("/v1/jobs/bulk", &json!({"action": "retry", "filter": {"kind": "ehco"}}))
        .expect_problem_saying(422, &["did you mean `echo`"]);
    assert_eq!(host.get("/v1/operations").expect(200)["items"], json!([]), "none of them was made");
    host.get("/v1/operations/op_01ARZ3NDEKTSV4RRFFQ69G5FAV").expect_problem_saying(404, &["operation_not_found"]);
    host.get("/v1/operations/job_01ARZ3NDEKTSV4RRFFQ69G5FAV").expect_problem_saying(422, &["invalid_id", "op_"]);
    stoker(&host, &["retry", "--rate", "10/s"]).expect_failure(&["/filter", "every job"]);
    stoker(&host, &["retry"]).expect_failure(&["ID"]);
    stoker(&host, &["retry", "op", "--all"]).expect_failure(&["op"]);
    assert!(stoker(&host, &["retry", "--all"]).expect_success().contains("0 changed"));
}

/// Its guest runs, and the store does not say so yet.
#[test]
fn what_was_entered_just_now_is_cancelled_as_running() {
    let host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    for round in 0..5 {
        let sleep = json!({"kind": "sleep", "payload": {"ms": 60_000}, "timeout": "2m", "tags": [format!("r{round}")]});
        let ids: Vec<String> = (0..3).map(|_| host.enqueue(&sleep)).collect();
        for id in &ids {
            eventually("it runs", || (host.job(id)["state"] == "running").then_some(()));
        }
        let request = json!({"action": "cancel", "filter": {"state": "running"}});
        let done = finished(&host, &id_of(&host.post("/v1/jobs/bulk", &request).expect(202)));
        assert_eq!((&done["matched"], &done["changed"]), (&json!(3), &json!(3)), "round {round}: {done:#}");
        for id in &ids {
            host.wait_for(id, "cancelled");
        }
    }
}

#[test]
fn a_group_of_dead_letters_comes_back_at_its_rate() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let fail = |kind: &str, payload: Value| host.enqueue(&json!({"kind": kind, "payload": payload, "max_attempts": 1}));
    let fatal: Vec<String> = (0..4).map(|n| fail("fail-fatal", json!({"n": n}))).collect();
    let other = fail("trap", json!({}));
    for id in fatal.iter().chain([&other]) {
        host.wait_for(id, "failed");
    }
    let groups = host.get("/v1/dead-letters?kind=fail-fatal").expect(200);
    let group = groups["items"][0]["group"].as_str().unwrap().to_owned();
    let request =
        json!({"action": "retry", "filter": {"group": group}, "rate": {"limit": 10, "per": "1s", "burst": 1}});
    let began = std::time::Instant::now();
    let operation = host.post("/v1/jobs/bulk", &request).expect(202);
    assert_eq!((&operation["filter"]["group"], &operation["rate"]), (&json!(group), &request["rate"]), "{operation:#}");
    let done = finished(&host, &id_of(&operation));
    assert_eq!((&done["matched"], &done["changed"]), (&json!(4), &json!(4)), "{done:#}");
    assert!(began.elapsed().as_millis() >= 300, "one every 100 ms after the first");
    for id in &fatal {
        host.wait_until(id, "failed again", |job| job["state"] == "failed" && host.attempts(id).len() == 2);
    }
    assert_eq!(host.attempts(&other).len(), 1, "of another group");
    // The same failure is the same group; and the command line says it.
    let said = stoker(&host, &["retry", "--group", &group, "--rate", "600/m"]).expect_success();
    assert!(said.contains("4 changed"), "{said}");
    for id in &fatal {
        host.wait_until(id, "failed again", |job| job["state"] == "failed" && host.attempts(id).len() == 3);
    }
    assert_eq!(stoker(&host, &["jobs", "--group", &group, "--quiet"]).expect_success().lines().count(), 4);
    stoker(&host, &["cancel", "--group", &group]).expect_failure(&["/filter/group"]);
    stoker(&host, &["dead-letters"]).expect_success();
    let said = stoker(&host, &["bulk", "delete", "--group", &group]).expect_success();
    assert!(said.contains("4 changed"), "{said}");
    stoker(&host, &["retry", "--group", &group]).expect_failure(&["no failed job of this group is left"]);
}
