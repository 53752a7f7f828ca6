//! Workflows through the real binary: submitted whole or refused, shown as a graph, cancelled, and killed in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use serde_json::{Map, Value, json};
use stoker_tests::{Exited, Guest, TestHost, crash_rounds, eventually, eventually_within, run_stoker};

fn host() -> TestHost {
    let host = TestHost::builder().workers(4).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host
}

fn stoker(host: &TestHost, args: &[&str], stdin: &[u8]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), stdin)
}

fn hello(after: &[&str]) -> Value {
    json!({"kind": "hello", "payload": {"name": "Ada"}, "after": after})
}

fn shown(host: &TestHost, id: &str) -> Value {
    host.get(&format!("/v1/workflows/{id}")).expect(200)
}

fn finished(host: &TestHost, id: &str) -> Value {
    eventually_within(Duration::from_mins(2), &format!("{id} is finished"), || {
        let workflow = shown(host, id);
        (workflow["finished_at"] != Value::Null).then_some(workflow)
    })
}

#[test]
fn a_workflow_runs_in_its_order_and_shows_its_graph() {
    let host = host();
    let body = json!({
        "name": "nightly",
        "jobs": {
            "send": hello(&["render", "check"]),
            "fetch": hello(&[]),
            "render": hello(&["fetch"]),
            "check": hello(&["fetch"]),
            "complain": {"kind": "hello", "payload": {"name": "x"}, "after": [{"job": "render", "on": "failed"}]},
        },
        "on_success": hello(&[])["payload"].as_object().map(|payload| json!({"kind": "hello", "payload": payload})),
    });
    let submitted = stoker(&host, &["workflows", "--submit", "-", "--json"], body.to_string().as_bytes());
    let submitted: Value = serde_json::from_str(&submitted.expect_success()).unwrap();
    let id = submitted["id"].as_str().unwrap();
    let names: Vec<&str> =
        submitted["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fetch", "check", "render", "complain", "send"], "parents come first");
    let workflow = finished(&host, id);
    assert_eq!((&workflow["state"], &workflow["counts"]["skipped"]), (&json!("succeeded"), &json!(1)), "{workflow}");
    let job = |name: &str| {
        let jobs = workflow["jobs"].as_array().unwrap();
        host.job(jobs.iter().find(|job| job["name"] == name).unwrap()["id"].as_str().unwrap())
    };
    assert_eq!(job("complain")["state"], "cancelled");
    assert!(job("send")["started_at"].as_str() >= job("render")["finished_at"].as_str());
    assert_eq!(job("send")["workflow"], json!({"id": id, "name": "send"}));
    assert_eq!(job("send")["after"][0]["name"], "render");
    let followed = workflow["on_success"]["job"].as_str().unwrap();
    host.wait_for(followed, "succeeded");
    let said = stoker(&host, &["workflows", id], b"").expect_success();
    for word in ["nightly", "4 of 5 succeeded, 1 not needed", "    send", "after render, check", "after render:failed"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(stoker(&host, &["workflows"], b"").expect_success().contains(id));
}

#[test]
fn what_is_no_workflow_is_refused_whole() {
    let host = host();
    let circle = json!({"jobs": {"a": hello(&["c"]), "b": hello(&["a"]), "c": hello(&["b"]), "d": hello(&[])}});
    let refused = host.post("/v1/workflows", &circle).expect_problem_saying(422, &["workflow_cycle", "a → c → b → a"]);
    assert_eq!(refused["cycle"], json!(["a", "c", "b", "a"]));
    for (body, words) in [
        (json!({"jobs": {"fetch": hello(&["fetch"])}}), vec!["workflow_cycle", "fetch → fetch"]),
        (
            json!({"jobs": {"fetch": hello(&[]), "b": hello(&["fetsh"])}}),
            vec!["/jobs/b/after/0", "did you mean `fetch`?"],
        ),
        (json!({"jobs": {}}), vec!["/jobs", "at least one"]),
        (json!({}), vec!["jobs"]),
        (json!({"jobs": {"a": {"kind": "helo"}}}), vec!["batch_rejected", "/jobs/a", "did you mean `hello`?"]),
        (json!({"jobs": {"a": {"kind": "hello", "payload": {"name": 1}}}}), vec!["/jobs/a/payload/name"]),
        (json!({"jobs": {"a": {"kind": "hello", "payload": {"name": "x"}, "batch": "b"}}}), vec!["/jobs/a/batch"]),
        (json!({"jobs": {"a": hello(&[])}, "jobbs": 1}), vec!["jobbs"]),
    ] {
        host.post("/v1/workflows", &body).expect_problem_saying(422, &words);
    }
    let many: Map<String, Value> = (0..1_001).map(|index| (format!("j{index}"), hello(&[]))).collect();
    host.post("/v1/workflows", &json!({"jobs": many})).expect_problem_saying(422, &["at most 1000 jobs"]);
    assert_eq!(host.get("/v1/jobs").expect(200)["items"], json!([]));
    assert_eq!(host.get("/v1/workflows").expect(200)["items"], json!([]));
}

#[test]
fn a_cancelled_workflow_comes_back_with_its_first_job() {
    let host = host();
    host.put("/v1/queues/held", &json!({})).expect(200);
    host.act("/v1/queues/held/pause").expect(200);
    let mut first = hello(&[]);
    first["queue"] = json!("held");
    let body = json!({"jobs": {"first": first, "second": hello(&["first"]), "third": hello(&["second"])}});
    let made = host.post("/v1/workflows", &body).expect(201);
    let id = made["id"].as_str().unwrap();
    let job = made["jobs"][0]["id"].as_str().unwrap();
    host.act(&format!("/v1/jobs/{job}/cancel")).expect(200);
    assert_eq!(shown(&host, id)["counts"]["cancelled"], 3);
    host.act(&format!("/v1/jobs/{job}/retry")).expect(200);
    let states: Vec<Value> =
        shown(&host, id)["jobs"].as_array().unwrap().iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states, ["ready", "blocked", "blocked"]);
    let said = stoker(&host, &["workflows", id, "--cancel"], b"").expect_success();
    assert!(said.contains("3 cancelled"), "{said}");
    // The others were cancelled because of the first, so they come back with it again.
    host.act(&format!("/v1/jobs/{job}/retry")).expect(200);
    host.act("/v1/queues/held/resume").expect(200);
    eventually("all succeed", || (shown(&host, id)["counts"]["succeeded"] == 3).then_some(()));
    assert_eq!(shown(&host, id)["state"], "succeeded");
}

/// Layers of jobs, each after all of the one before it; a few fail first, a few take a while.
fn layers(layers: usize, width: usize) -> Value {
    let mut jobs = Map::new();
    for layer in 0..layers {
        for index in 0..width {
            let parents: Vec<String> =
                if layer == 0 { Vec::new() } else { (0..width).map(|one| format!("l{}-{one}", layer - 1)).collect() };
            let mut job = match index % 5 {
                0 => json!({"kind": "sleep", "payload": {"ms": 15}}),
                1 => json!({
                    "kind": "fail-retry", "payload": {"succeed_on_attempt": 2}, "retry": {"strategy": "fixed", "delay": 10},
                }),
                _ => json!({"kind": "hello", "payload": {"name": "Ada"}}),
            };
            job["after"] = json!(parents);
            jobs.insert(format!("l{layer}-{index}"), job);
        }
    }
    json!({"jobs": jobs, "on_success": hello(&[])["kind"].as_str().map(|kind| json!({"kind": kind, "payload": {"name": "all"}})),
        "on_finish": {"kind": "hello", "payload": {"name": "end"}}, "on_failure": {"kind": "hello", "payload": {"name": "no"}}})
}

#[test]
fn a_workflow_of_hundreds_goes_on_after_each_kill() {
    let mut host = host();
    let made = host.post("/v1/workflows", &layers(30, 10)).expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    for share in [20, 90, 180] {
        eventually("more of it has succeeded", || {
            (shown(&host, &id)["counts"]["succeeded"].as_u64().unwrap() >= share).then_some(())
        });
        host.kill9();
        host.restart();
    }
    let workflow = finished(&host, &id);
    assert_eq!(
        workflow["counts"],
        json!({"total": 300, "unfinished": 0, "succeeded": 300, "failed": 0, "cancelled": 0, "skipped": 0})
    );
    host.wait_idle(Duration::from_secs(30));
    let followed = host.list(&format!("tag={id}"));
    assert_eq!(followed.len(), 2, "each once, and no failure: {followed:?}");
    // Whatever was killed when: nobody ran before those it waits for.
    let jobs = workflow["jobs"].as_array().unwrap();
    for job in jobs.iter().skip(290) {
        let own = host.job(job["id"].as_str().unwrap());
        let parents = own["after"].as_array().unwrap();
        assert_eq!(parents.len(), 10);
        for parent in parents {
            let parent = host.job(parent["job"].as_str().unwrap());
            assert!(parent["finished_at"].as_str() <= own["started_at"].as_str(), "{parent}\n{own}");
        }
    }
}

/// An action on many jobs, to its end.
fn bulk(host: &TestHost, body: &Value) -> Value {
    let made = host.post("/v1/jobs/bulk", body).expect(202);
    let path = format!("/v1/operations/{}", made["id"].as_str().unwrap());
    eventually_within(Duration::from_mins(1), "the operation is over", || {
        let operation = host.get(&path).expect(200);
        (operation["finished_at"] != Value::Null).then_some(operation)
    })
}

fn states(host: &TestHost, id: &str) -> Vec<String> {
    let workflow = shown(host, id);
    let jobs = workflow["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cancelled_workflow_comes_back_with_a_root_that_was_running() {
    let mut host = host();
    host.put("/v1/queues/roots", &json!({})).expect(200);
    let body = json!({"jobs": {
        "root": {"kind": "sleep", "payload": {"ms": 60_000}, "queue": "roots", "timeout": "2m"},
        "second": hello(&["root"]),
        "third": hello(&["second"]),
        "complain": {"kind": "hello", "payload": {"name": "x"}, "after": [{"job": "second", "on": "failed"}]},
        "tidy": {"kind": "hello", "payload": {"name": "x"}, "after": [{"job": "third", "on": "finished"}]},
    }});
    let made = host.post("/v1/workflows", &body).expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let root = made["jobs"][0]["id"].as_str().unwrap().to_owned();
    for kill in [true, false] {
        host.wait_for(&root, "running");
        host.act(&format!("/v1/workflows/{id}/cancel")).expect(202);
        if kill {
            host.kill9();
            host.restart();
        }
        host.wait_for(&root, "cancelled");
        assert_eq!(states(&host, &id), ["cancelled"; 5]);
        assert_eq!(shown(&host, &id)["state"], "cancelled");
        host.act("/v1/queues/roots/pause").expect(200);
        host.act(&format!("/v1/jobs/{root}/retry")).expect(200);
        assert_eq!(states(&host, &id), ["ready", "blocked", "blocked", "blocked", "blocked"]);
        assert_eq!(shown(&host, &id)["finished_at"], Value::Null);
        if !kill {
            let headers = [("content-type", "application/json")];
            let patch = json!({"payload": {"ms": 1}}).to_string();
            host.request("PATCH", &format!("/v1/jobs/{root}"), &headers, Some(patch.as_bytes())).expect(200);
        }
        host.act("/v1/queues/roots/resume").expect(200);
    }
    let workflow = finished(&host, &id);
    assert_eq!(workflow["state"], "succeeded", "{workflow}");
    assert_eq!((&workflow["counts"]["succeeded"], &workflow["counts"]["skipped"]), (&json!(4), &json!(1)));
}

#[test]
fn a_workflow_retried_by_a_filter_runs_in_its_order() {
    let host = host();
    host.put("/v1/queues/held", &json!({})).expect(200);
    host.act("/v1/queues/held/pause").expect(200);
    let mut jobs = json!({
        "fetch": hello(&[]), "left": hello(&["fetch"]), "right": hello(&["fetch"]), "join": hello(&["left", "right"]),
        "tidy": {"kind": "hello", "payload": {"name": "x"}, "after": [{"job": "join", "on": "finished"}]},
    });
    for (_, job) in jobs.as_object_mut().unwrap() {
        job["queue"] = json!("held");
    }
    let made = host.post("/v1/workflows", &json!({"jobs": jobs})).expect(201);
    let id = made["id"].as_str().unwrap();
    // One by one, from the last to the first, so that none is cancelled because of another.
    for job in made["jobs"].as_array().unwrap().iter().rev() {
        host.act(&format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).expect(200);
    }
    let retried = bulk(&host, &json!({"action": "retry", "filter": {"queue": "held", "state": "cancelled"}}));
    assert_eq!((&retried["changed"], &retried["skipped"], &retried["failed"]), (&json!(1), &json!(4), &json!(0)));
    assert!(retried["errors"].to_string().contains("comes back with its parent"), "{retried}");
    assert_eq!(states(&host, id), ["ready", "blocked", "blocked", "blocked", "blocked"]);
    host.act("/v1/queues/held/resume").expect(200);
    let workflow = finished(&host, id);
    assert_eq!(workflow["counts"]["succeeded"], 5, "{workflow}");
    let jobs: Vec<Value> =
        workflow["jobs"].as_array().unwrap().iter().map(|job| host.job(job["id"].as_str().unwrap())).collect();
    for job in &jobs {
        for parent in job["after"].as_array().into_iter().flatten() {
            let parent = jobs.iter().find(|other| other["id"] == parent["job"]).unwrap();
            assert!(parent["finished_at"].as_str() <= job["started_at"].as_str(), "{parent}\n{job}");
        }
    }
}

#[test]
fn a_deleted_job_leaves_a_gap() {
    let host = host();
    let fail = json!({"kind": "fail-fatal", "payload": {}, "after": ["render"]});
    let body = json!({"jobs": {"fetch": hello(&[]), "render": hello(&["fetch"]), "send": fail}});
    let made = host.post("/v1/workflows", &body).expect(201);
    let id = made["id"].as_str().unwrap();
    let workflow = finished(&host, id);
    let render = workflow["jobs"][1]["id"].as_str().unwrap();
    host.delete(&format!("/v1/jobs/{render}")).expect_status(204);
    let workflow = shown(&host, id);
    let gap = &workflow["jobs"][1];
    assert_eq!((&gap["name"], &gap["state"], &gap["kind"]), (&json!("render"), &Value::Null, &Value::Null), "{gap}");
    assert_eq!(
        (&gap["after"][0]["name"], &workflow["jobs"][2]["after"][0]["name"]),
        (&json!("fetch"), &json!("render"))
    );
    assert_eq!(workflow["jobs"][2]["after"][0]["state"], Value::Null);
    let said = stoker(&host, &["workflows", id], b"").expect_success();
    assert!(said.contains("deleted"), "{said}");
}

#[test]
fn retention_takes_no_workflow_apart() {
    let host = TestHost::builder()
        .workers(4)
        .flag("--retention-succeeded", "1s")
        .flag("--retention-cancelled", "1s")
        .flag("--retention-failed", "1h")
        .start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    let fail = json!({"kind": "fail-fatal", "payload": {}, "after": ["render"]});
    let body =
        json!({"jobs": {"fetch": hello(&[]), "render": hello(&["fetch"]), "send": fail, "after": hello(&["send"])}});
    let made = host.post("/v1/workflows", &body).expect(201);
    let id = made["id"].as_str().unwrap();
    finished(&host, id);
    // A job like them, alone, and enqueued after they had ended, goes.
    let alone = host.run(&json!({"kind": "hello", "payload": {"name": "x"}}));
    let alone = alone["id"].as_str().unwrap();
    eventually_within(Duration::from_mins(1), "the one alone is gone", || {
        (host.get(&format!("/v1/jobs/{alone}")).status == 404).then_some(())
    });
    assert_eq!(states(&host, id), ["succeeded", "succeeded", "failed", "cancelled"]);
    let send = made["jobs"][2]["id"].as_str().unwrap();
    host.act(&format!("/v1/jobs/{send}/retry")).expect(200);
    let workflow = finished(&host, id);
    assert_eq!(workflow["counts"]["total"], 4);
    assert_eq!(states(&host, id), ["succeeded", "succeeded", "failed", "cancelled"]);
}

#[test]
fn a_workflow_cancelled_and_retried_again_and_again_under_kills_is_whole_in_the_end() {
    let mut host = host();
    let made = host.post("/v1/workflows", &layers(12, 5)).expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let rounds: u64 = crash_rounds(4) as u64;
    for round in 1..=rounds {
        let share = 40 * round / (rounds + 1);
        eventually_within(Duration::from_mins(1), "more of it has succeeded", || {
            (shown(&host, &id)["counts"]["succeeded"].as_u64().unwrap() >= share).then_some(())
        });
        host.request("POST", &format!("/v1/workflows/{id}/cancel"), &[], None);
        if round % 2 == 0 {
            host.kill9();
            host.restart();
        }
        let workflow = finished(&host, &id);
        assert_eq!(workflow["counts"]["unfinished"], 0, "{workflow}");
        let made =
            host.post("/v1/jobs/bulk", &json!({"action": "retry", "filter": {"state": "cancelled"}})).expect(202);
        host.kill9();
        host.restart();
        let path = format!("/v1/operations/{}", made["id"].as_str().unwrap());
        eventually("the retry is over", || (host.get(&path).expect(200)["state"] == "done").then_some(()));
        // What comes back with others is told in steps, the last of them after the operation.
        eventually("all of it is back", || {
            let counts = &shown(&host, &id)["counts"];
            (counts["cancelled"] == 0 && counts["failed"] == 0)
                .then_some(())
                .ok_or(format!("round {round}: {counts}"))
                .ok()
        });
    }
    let workflow = finished(&host, &id);
    assert_eq!(
        (&workflow["counts"]["succeeded"], &workflow["counts"]["total"]),
        (&json!(60), &json!(60)),
        "{workflow}"
    );
    host.wait_idle(Duration::from_secs(30));
    assert_eq!(host.list(&format!("tag={id}")).len(), 2, "on_success and on_finish, each once");
    let jobs: Vec<Value> =
        workflow["jobs"].as_array().unwrap().iter().map(|job| host.job(job["id"].as_str().unwrap())).collect();
    for job in &jobs {
        for parent in job["after"].as_array().into_iter().flatten() {
            let parent = jobs.iter().find(|other| other["id"] == parent["job"]).unwrap();
            assert!(parent["finished_at"].as_str() <= job["started_at"].as_str(), "{parent}\n{job}");
        }
    }
}
