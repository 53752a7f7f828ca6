//! Schedules through the real binary: put, shown, paused, triggered and deleted; and killed between any two slots, of which
//! none fires twice and none is lost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use stoker_tests::{
    Exited, Guest, HandlerModule, KindOf, TestHost, crash_rounds, eventually, eventually_within, run_stoker, seed,
};

/// Kills of a host when nobody says otherwise.
const ROUNDS_DEFAULT: usize = 4;
const DRAIN_DEADLINE: Duration = Duration::from_mins(2);

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

#[track_caller]
fn say(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "it does not say `{word}`:\n{said}");
    }
}

fn hello() -> Value {
    json!({"kind": "hello", "payload": {"name": "Ada"}})
}

/// The fields of both objects.
fn with(mut body: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// The times of the slots that became jobs, with how many each became.
fn fired(host: &TestHost) -> BTreeMap<String, usize> {
    let mut fired = BTreeMap::new();
    for job in host.list("kind=hello") {
        *fired.entry(job["schedule"]["slot_at"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    fired
}

fn ms(instant: &str) -> i64 {
    instant.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn what_is_put_fires_until_it_is_deleted() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let body = with(hello(), &json!({"every": "1s", "overlap": "allow", "tags": ["tick"], "priority": 2}));
    let put = host.put("/v1/schedules/tick", &body).expect(201);
    assert_eq!(put["definition"], with(body.clone(), &json!({"misfire": "once"})), "{put:#}");
    assert_eq!(put["next"].as_array().unwrap().len(), 5, "{put:#}");
    let slot = eventually("a slot's job has succeeded", || {
        let shown = host.get("/v1/schedules/tick").expect(200);
        let slots = shown["slots"].as_array().unwrap();
        slots.iter().find(|slot| slot["job"]["state"] == "succeeded").cloned()
    });
    let job = host.job(slot["job"]["id"].as_str().unwrap());
    assert_eq!(job["schedule"], json!({"name": "tick", "slot_at": slot["slot_at"]}), "{job:#}");
    assert_eq!((&job["tags"], &job["priority"]), (&json!(["tick"]), &json!(2)), "{job:#}");

    let paused = host.act("/v1/schedules/tick/pause").expect(200);
    assert_eq!(paused["paused"], true);
    let by_hand = host.post_with("/v1/schedules/tick/trigger", &[("idempotency-key", "once")], &json!({})).expect(201);
    let again = host.post_with("/v1/schedules/tick/trigger", &[("idempotency-key", "once")], &json!({})).expect(200);
    assert_eq!(by_hand["id"], again["id"]);
    host.wait_for(by_hand["id"].as_str().unwrap(), "succeeded");
    // What is in force can be put again as it is shown; it stays paused.
    let put = host.put("/v1/schedules/tick", &paused["definition"]).expect(200);
    assert_eq!((&put["paused"], &put["definition"]), (&json!(true), &paused["definition"]));
    assert_eq!(put["slots"][0]["triggered"], true, "{put:#}");

    host.delete("/v1/schedules/tick").expect_status(204);
    host.get("/v1/schedules/tick").expect_problem_saying(404, &["schedule_not_found"]);
    assert_eq!(host.get("/v1/schedules").expect(200)["items"], json!([]));
    assert_eq!(host.job(by_hand["id"].as_str().unwrap())["schedule"]["name"], Value::Null);
    host.wait_idle(DRAIN_DEADLINE);
}

#[test]
fn killed_again_and_again_every_slot_fires_once() {
    let mut random = StdRng::seed_from_u64(seed());
    let rounds = crash_rounds(ROUNDS_DEFAULT);
    let mut host = TestHost::builder().workers(2).start();
    host.upload(Guest::Hello);
    let all = with(hello(), &json!({"every": "1s", "misfire": "all"}));
    host.put("/v1/schedules/all", &all).expect(201);
    for round in 0..rounds {
        // At the slot, before, or after it: whichever it is, it must not matter.
        let known = fired(&host).len();
        eventually("another slot has come", || (fired(&host).len() > known).then_some(()));
        let until = std::time::Instant::now() + Duration::from_millis(random.random_range(850..1_050));
        eventually("the moment of the kill has come", || (std::time::Instant::now() >= until).then_some(()));
        host.kill9();
        println!("round {round}: killed after {known} slots and more");
        host.restart();
    }
    let until = fired(&host).len() + 2;
    eventually("it goes on", || (fired(&host).len() >= until).then_some(()));
    host.act("/v1/schedules/all/pause").expect(200);
    host.wait_idle(DRAIN_DEADLINE);
    let fired = fired(&host);
    let twice: Vec<_> = fired.iter().filter(|(_, jobs)| **jobs > 1).collect();
    assert!(twice.is_empty(), "{twice:?} fired more than once");
    let slots: Vec<i64> = fired.keys().map(|slot| ms(slot)).collect();
    let first = slots[0];
    let expected: Vec<i64> = (0..slots.len()).map(|slot| first + 1_000 * i64::try_from(slot).unwrap()).collect();
    assert_eq!(slots, expected, "a slot is missing");
}

#[test]
fn a_run_that_goes_on_is_cancelled_for_the_next() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let body = json!({
        "kind": "sleep", "payload": {"ms": 60_000}, "timeout": "2m", "every": "1s", "overlap": "cancel_running",
    });
    host.put("/v1/schedules/long", &body).expect(201);
    eventually("two runs were cancelled", || (host.list("state=cancelled").len() >= 2).then_some(()));
    host.delete("/v1/schedules/long").expect_status(204);
    for job in host.list("kind=sleep") {
        if !stoker_tests::is_terminal(job["state"].as_str().unwrap()) {
            host.act(&format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap()));
        }
    }
    host.wait_idle(DRAIN_DEADLINE);
}

#[test]
fn the_slot_that_waits_runs_when_the_run_before_it_has_ended() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let body = json!({"kind": "sleep", "payload": {"ms": 2_500}, "every": "1s", "overlap": "queue_one"});
    host.put("/v1/schedules/slow", &body).expect(201);
    eventually("one waits", || host.get("/v1/schedules/slow").expect(200)["queued_slot"].as_str().map(str::to_owned));
    assert_eq!(host.list("kind=sleep").len(), 1);
    eventually("it has run", || (host.list("state=succeeded").len() >= 2).then_some(()));
    host.delete("/v1/schedules/slow").expect_status(204);
    host.wait_idle(DRAIN_DEADLINE);
    let mut runs: Vec<(i64, i64)> = host
        .list("kind=sleep")
        .iter()
        .map(|job| (ms(job["started_at"].as_str().unwrap()), ms(job["finished_at"].as_str().unwrap())))
        .collect();
    runs.sort_unstable();
    assert!(runs.is_sorted_by(|before, after| before.1 <= after.0), "they overlap: {runs:?}");
    // Not only at the next look a second later.
    assert!(runs.windows(2).any(|pair| pair[1].0 - pair[0].1 < 700), "{runs:?}");
}

#[test]
fn without_its_kind_a_schedule_fails_visibly_until_it_is_back() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host.put("/v1/schedules/gone", &json!({"kind": "echo", "payload": 1, "every": "1s"})).expect(201);
    host.put("/v1/schedules/stays", &with(hello(), &json!({"every": "1s"}))).expect(201);
    host.delete("/v1/modules/handlers?force=true").expect_status(204);
    let failed = eventually("a slot has failed", || {
        let slots = host.get("/v1/schedules/gone").expect(200)["slots"].clone();
        slots.as_array().unwrap().iter().find(|slot| slot["fate"] == "failed").cloned()
    });
    assert!(failed["detail"].as_str().unwrap().contains("no active module serves kind `echo`"), "{failed:#}");
    let id = failed["job"]["id"].as_str().unwrap();
    let job = host.job(id);
    assert_eq!((&job["state"], &job["error"]["reason"]), (&json!("failed"), &json!("module_unavailable")), "{job:#}");
    eventually("the other goes on", || {
        let slots = host.get("/v1/schedules/stays").expect(200)["slots"].clone();
        (slots.as_array().unwrap().iter().filter(|slot| slot["job"]["state"] == "succeeded").count() >= 2).then_some(())
    });
    for schedule in ["gone", "stays"] {
        host.act(&format!("/v1/schedules/{schedule}/pause")).expect(200);
    }
    host.upload(Guest::Handlers);
    host.act(&format!("/v1/jobs/{id}/retry")).expect(200);
    host.wait_for(id, "succeeded");
    host.wait_idle(DRAIN_DEADLINE);
}

#[test]
fn a_job_knows_its_slot() {
    let host = TestHost::start();
    host.upload(Guest::EnvArgs);
    host.put("/v1/schedules/told", &json!({"kind": "env-args", "cron": "0 3 1 1 *"})).expect(201);
    let job = host.act("/v1/schedules/told/trigger").expect(201);
    let job = host.wait_for(job["id"].as_str().unwrap(), "succeeded");
    let told = &job["output"]["env"]["STOKER_SLOT_TIME"];
    assert_eq!(told, &job["schedule"]["slot_at"], "{job:#}");
    let other = host.run(&json!({"kind": "env-args", "payload": null}));
    assert_eq!(other["output"]["env"].get("STOKER_SLOT_TIME"), None, "{other:#}");
}

#[test]
fn what_can_not_be_put_is_said() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let daily = json!({"cron": "@daily"});
    for (more, words) in [
        (json!({}), ["/cron", "`every`, such as"].as_slice()),
        (json!({"cron": "@daily", "every": "5m"}), &["/every", "not both"]),
        (json!({"cron": "0 0 31 4 *"}), &["/cron", "never fires"]),
        (json!({"cron": "0 0 * *"}), &["/cron", "has 4 fields"]),
        (json!({"every": 0}), &["/every", "at least 1s"]),
        (json!({"cron": "@daily", "timezone": "Europe/Belrin"}), &["/timezone", "`Europe/Berlin`"]),
        (
            json!({"every": "5m", "starts_at": "2100-01-02T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"}),
            &["/ends_at", "before `starts_at`"],
        ),
        (json!({"cron": "@daily", "run_at": "2100-01-01T00:00:00Z"}), &["/run_at", "`starts_at`"]),
        (json!({"cron": "@daily", "delay": "5s"}), &["/delay", "`jitter`"]),
        (json!({"cron": "@daily", "idempotency_key": "x"}), &["/idempotency_key", "each slot makes one job"]),
        (json!({"cron": "@daily", "overlap": "never"}), &["/overlap", "never"]),
        (json!({"cron": "@daily", "timezon": "UTC"}), &["/timezon", "did you mean `timezone`?"]),
        (json!({"cron": "@daily", "priority": 12, "jitter": "25h"}), &["/priority", "/jitter", "at most 1d"]),
        (json!({"cron": "@daily", "payload": {"name": 7}}), &["/payload/name", "invalid_payload"]),
    ] {
        let body = with(hello(), &more);
        host.put("/v1/schedules/wrong", &body).expect_problem_saying(422, words);
    }
    let unknown = with(daily.clone(), &json!({"kind": "helo", "payload": {}}));
    host.put("/v1/schedules/wrong", &unknown).expect_problem_saying(404, &["kind_not_found", "did you mean `hello`?"]);
    host.put("/v1/schedules/no%20spaces", &with(hello(), &daily)).expect_problem_saying(422, &["invalid_id"]);
    assert_eq!(host.get("/v1/schedules").expect(200)["items"], json!([]), "nothing was written");
    host.put("/v1/schedules/nightly", &with(hello(), &daily)).expect(201);
    for action in ["pause", "resume", "trigger"] {
        let path = format!("/v1/schedules/nihgtly/{action}");
        host.act(&path).expect_problem_saying(404, &["schedule_not_found", "did you mean `nightly`?"]);
    }
    host.delete("/v1/schedules/nihgtly").expect_problem(404);
}

#[test]
fn a_preview_says_when_and_writes_nothing() {
    let host = TestHost::start();
    let nightly = json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin", "starts_at": "2027-03-27T12:00:00Z"});
    let preview = host.post("/v1/schedules/preview", &nightly).expect(200);
    assert_eq!(preview["words"], "At 02:30.", "{preview:#}");
    // The night in which there is no half past two.
    assert_eq!(preview["next"][0], json!({"at": "2027-03-28T01:00:00.000Z", "local": "2027-03-28T03:00:00+02:00"}));
    assert_eq!(preview["next"][1], json!({"at": "2027-03-29T00:30:00.000Z", "local": "2027-03-29T02:30:00+02:00"}));
    host.post("/v1/schedules/preview", &json!({"cron": "61 * * * *"})).expect_problem_saying(422, &["/cron", "minute"]);
    assert_eq!(host.get("/v1/schedules").expect(200)["items"], json!([]));
}

#[test]
fn the_command_line_does_it_all() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    say(&stoker(&host, &["schedules"]).expect_success(), &[]);
    let put = ["schedules", "nightly", "--kind", "hello", "--cron", "0 3 * * *", "--timezone", "Europe/Berlin"];
    let with_payload = [put.as_slice(), &["--payload", r#"{"name":"Ada"}"#]].concat();
    say(&stoker(&host, &with_payload).expect_success(), &["0 3 * * * (Europe/Berlin)", "T03:00:00+0", "misfire once"]);
    // What is given is changed, the rest stays.
    let changed = stoker(&host, &["schedules", "nightly", "--jitter", "10m", "--json"]).expect_success();
    let changed: Value = serde_json::from_str(&changed).unwrap();
    let expected = json!({
        "kind": "hello", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "payload": {"name": "Ada"}, "jitter": "10m",
        "misfire": "once", "overlap": "skip",
    });
    assert_eq!(changed["definition"], expected);
    std::fs::write(host.home().join("nightly.json"), changed["definition"].to_string()).unwrap();
    let every = ["schedules", "nightly", "--from", "nightly.json", "--every", "1h"];
    say(&stoker(&host, &every).expect_success(), &["every 1h", "jitter 10m"]);
    let id = stoker(&host, &["schedules", "nightly", "--trigger"]).expect_success();
    host.wait_for(id.trim(), "succeeded");
    say(&stoker(&host, &["schedules", "nightly", "--pause"]).expect_success(), &["paused", "succeeded, by hand"]);
    host.restart();
    say(
        &stoker(&host, &["schedules"]).expect_success(),
        &["nightly", "hello", "every 1h", "paused", "succeeded, by hand"],
    );
    stoker(&host, &["schedules", "nightly", "--resume"]).expect_success();
    stoker(&host, &["schedules", "nightly", "--cron", "61 * * * *"]).expect_failure(&["/cron", "minute"]);
    stoker(&host, &["schedules", "nihgtly", "--pause"]).expect_failure(&["did you mean `nightly`?"]);
    say(&stoker(&host, &["schedules", "nightly", "--delete"]).expect_success(), &["nightly is deleted"]);
    stoker(&host, &["schedules", "nightly"]).expect_failure(&["there is no schedule `nightly`"]);
}

#[test]
fn missed_while_nobody_was_there_is_made_up_for_once() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    host.put("/v1/schedules/once", &with(hello(), &json!({"every": "1s"}))).expect(201);
    eventually("the first slot has come", || (!fired(&host).is_empty()).then_some(()));
    host.kill9();
    let down = std::time::Instant::now();
    eventually_within(Duration::from_secs(20), "three slots are missed", || {
        (down.elapsed() >= Duration::from_millis(3_500)).then_some(())
    });
    host.restart();
    let missed = eventually("what was missed is decided", || {
        let slots = host.get("/v1/schedules/once").expect(200)["slots"].clone();
        let slots = slots.as_array().unwrap().clone();
        let missed = slots.iter().filter(|slot| slot["fate"] == "missed").count();
        (missed >= 2).then_some(missed)
    });
    println!("{missed} missed");
    host.act("/v1/schedules/once/pause").expect(200);
    host.wait_idle(DRAIN_DEADLINE);
    assert!(fired(&host).values().all(|jobs| *jobs == 1));
}

#[test]
fn a_module_declares_schedules_and_an_operator_has_the_last_word() {
    let host = TestHost::start();
    let declaring = |settings: &str| HandlerModule::serving([KindOf::any("ping").settings(settings)]).wasm();
    let wrong = declaring(r#"{"schedules": [{"name": "tick", "cron": "0 0 31 2 *"}]}"#);
    host.put_module("pinger", &wrong)
        .expect_problem_saying(422, &["describe_failed", "/schedules/0/cron", "never fires"]);
    let second = r#"{"schedules": [{"name": "tick", "every": "1s", "payload": {"n": 1}, "tags": ["ticked"]}]}"#;
    host.upload_bytes("pinger", &declaring(second));
    let id = eventually("it has fired", || host.list("tag=ticked").first().map(stoker_tests::job_id));
    let job = host.wait_for(&id, "succeeded");
    assert_eq!((&job["payload"], &job["schedule"]["name"]), (&json!({"n": 1}), &json!("ping:tick")), "{job:#}");
    host.delete("/v1/schedules/ping:tick").expect_problem_saying(409, &["schedule_declared", "pause it"]);
    say(&stoker(&host, &["schedules", "ping:tick"]).expect_success(), &["declared by module pinger", "every 1s"]);
    let own = json!({"kind": "ping", "cron": "@yearly"});
    let put = host.put("/v1/schedules/ping:tick", &own).expect(200);
    assert_eq!((&put["module"], &put["overridden"]), (&json!("pinger"), &json!(true)), "{put:#}");
    host.upload_bytes("pinger", &declaring(&second.replace("1s", "2s")));
    assert_eq!(host.get("/v1/schedules/ping:tick").expect(200)["definition"]["cron"], "@yearly");
    host.act("/v1/schedules/ping:tick/pause").expect(200);
    say(&stoker(&host, &["schedules", "ping:tick", "--delete"]).expect_success(), &["as its module declares it"]);
    let restored = host.get("/v1/schedules/ping:tick").expect(200);
    assert_eq!((&restored["definition"]["every"], &restored["paused"]), (&json!("2s"), &json!(true)), "{restored:#}");
    let settings = json!({"schedules": [{"name": "x", "every": "1s"}]});
    host.put("/v1/kinds/ping/settings", &settings).expect_problem_saying(422, &["/schedules", "ping:NAME"]);
    host.wait_idle(DRAIN_DEADLINE);
    host.delete("/v1/modules/pinger").expect_status(204);
    host.get("/v1/schedules/ping:tick").expect_problem(404);
}
