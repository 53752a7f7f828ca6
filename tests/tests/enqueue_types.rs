//! What the SDK's `enqueue` types write is what the host reads: every option and every word, and there is none without a builder.
//!
//! Whether two requests mean the same is for the host to say: under one idempotency key it answers the second with the job of
//! the first, or refuses it as another one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stoker_sdk::enqueue::{
    After, Batch, Close, Misfire, NewJob, OnConflict, OnFailed, Overlap, Reason, Retry, Schedule, State, Unique,
    Wanted, Workflow,
};
use stoker_tests::{Guest, TestHost, job_id};

const SECOND: Duration = Duration::from_secs(1);
/// 2100-01-02T03:04:05.006Z
const LATER_MS: u64 = 4_102_542_245_006;
const LATER: &str = "2100-01-02T03:04:05.006Z";

fn host() -> TestHost {
    // Nothing is run: what was asked for stays as it is.
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host
}

fn later() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(LATER_MS)
}

fn echo() -> NewJob {
    NewJob::of("echo", &json!({"n": 1})).unwrap()
}

/// A job, and the same by hand.
fn cases(parent: &str, batch: &str) -> Vec<(NewJob, Value)> {
    let exponential = Retry::exponential().base(2 * SECOND).cap(60 * SECOND).jitter(0.25);
    let all_states = State::ALL.iter().copied();
    let unique = |json: Value| json!({"unique": json});
    let mut cases = vec![
        (echo(), json!({})),
        (
            echo()
                .queue("side")
                .priority(3)
                .delay(90 * SECOND)
                .max_attempts(7)
                .retry(exponential)
                .retry_on([Reason::Trap, Reason::Timeout])
                .expires_in(3_600 * SECOND)
                .on_failed(OnFailed::kind("hello").queue("alerts").priority(0))
                .timeout(Duration::from_millis(1_500))
                .fuel(5_000_000)
                .memory(64 << 20)
                .concurrency_key("customer-7")
                .tags(["import", "big"]),
            json!({
                "queue": "side", "priority": 3, "delay": "90s", "max_attempts": 7,
                "retry": {"strategy": "exponential", "base": "2s", "cap": "60s", "jitter": 0.25},
                "retry_on": ["trap", "timeout"], "expires_in": "1h",
                "on_failed": {"kind": "hello", "queue": "alerts", "priority": 0},
                "timeout": "1500ms", "fuel": 5_000_000, "memory": "64MiB", "concurrency_key": "customer-7",
                "tags": ["import", "big"],
            }),
        ),
        (
            echo()
                .run_at(later())
                .expires_at(later() + SECOND)
                .retry(Retry::fixed(3 * SECOND))
                .on_failed(OnFailed::kind("hello")),
            json!({
                "run_at": LATER, "expires_at": "2100-01-02T03:04:06.006Z", "retry": {"strategy": "fixed", "delay": "3s"},
                "on_failed": {"kind": "hello"},
            }),
        ),
        (
            echo().retry(Retry::list([SECOND, 5 * SECOND])).retry_on([]),
            json!({"retry": {"strategy": "list", "delays": ["1s", "5s"]}, "retry_on": []}),
        ),
        (echo().retry(Retry::exponential()), json!({"retry": {"strategy": "exponential"}})),
        (echo().after(parent), json!({"after": [parent]})),
        (
            echo().after(After::failed(parent)).delay(SECOND),
            json!({"after": [{"job": parent, "on": "failed"}], "delay": "1s"}),
        ),
        (echo().after(After::finished(parent)), json!({"after": [{"job": parent, "on": "finished"}]})),
        (echo().batch(batch), json!({"batch": batch})),
        (echo().unique(Unique::payload()), unique(json!({}))),
        (
            echo()
                .unique(Unique::key("a").scope(all_states).within(60 * SECOND).on_conflict(OnConflict::ReturnExisting)),
            unique(json!({
                "key": "a", "for": "1m", "on_conflict": "return_existing",
                "scope": ["scheduled", "blocked", "ready", "running", "retrying", "succeeded", "failed", "cancelled"],
            })),
        ),
        (
            echo()
                .delay(SECOND)
                .unique(Unique::fields(["/n", "/m"]).on_conflict(OnConflict::Debounce).max_wait(20 * SECOND)),
            json!({"delay": "1s", "unique": {"fields": ["/n", "/m"], "on_conflict": "debounce", "max_wait": "20s"}}),
        ),
        (
            echo().unique(Unique::key("b").on_conflict(OnConflict::Throttle).within(SECOND)),
            unique(json!({"key": "b", "on_conflict": "throttle", "for": "1s"})),
        ),
    ];
    for on_conflict in [OnConflict::Reject, OnConflict::Replace] {
        let job = echo().unique(Unique::key(on_conflict.as_str()).on_conflict(on_conflict));
        cases.push((job, unique(json!({"key": on_conflict.as_str(), "on_conflict": on_conflict.as_str()}))));
    }
    cases
}

fn by_hand(options: &Value) -> Value {
    let mut request = json!({"kind": "echo", "payload": {"n": 1}});
    request.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    request
}

#[test]
fn every_option_of_a_job_is_read_as_it_was_meant() {
    let host = host();
    let parent = host.enqueue(&json!({"kind": "echo", "payload": 0}));
    let batch = host.post("/v1/batches", &json!({})).expect(201)["id"].as_str().unwrap().to_owned();
    for (index, (job, options)) in cases(&parent, &batch).iter().enumerate() {
        let key = format!("key-{index}");
        let headers = [("idempotency-key", key.as_str())];
        let id = job_id(&host.post_text("/v1/jobs", &headers, &job.to_json()).expect(201));
        let again = host.post_with("/v1/jobs", &headers, &by_hand(options));
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}\n{options}\n{again}", job.to_json());
        assert_eq!(job_id(&again.expect(200)), id);
    }
    // The key itself.
    let keyed = echo().idempotency_key("own");
    let id = job_id(&host.post_text("/v1/jobs", &[], &keyed.to_json()).expect(201));
    let again = host.post_with("/v1/jobs", &[("idempotency-key", "own")], &by_hand(&json!({}))).expect(200);
    assert_eq!(job_id(&again), id);
    let other = echo().priority(1).idempotency_key("own");
    host.post_text("/v1/jobs", &[], &other.to_json()).expect_problem_saying(409, &["idempotency_conflict"]);
}

#[test]
fn what_a_job_shows_is_what_was_asked_for() {
    let host = host();
    let parent = host.enqueue(&json!({"kind": "echo", "payload": 0}));
    let batch = host.post("/v1/batches", &json!({})).expect(201)["id"].as_str().unwrap().to_owned();
    let job = echo()
        .queue("side")
        .priority(3)
        .run_at(later())
        .expires_at(later() + SECOND)
        .max_attempts(7)
        .timeout(Duration::from_millis(1_500))
        .fuel(5_000_000)
        .memory(64 << 20)
        .concurrency_key("customer-7")
        .tags(["import"])
        .after(After::finished(parent.as_str()))
        .batch(&batch);
    let id = job_id(&host.post_text("/v1/jobs", &[], &job.to_json()).expect(201));
    let shown = host.job(&id);
    for (field, expected) in [
        ("kind", json!("echo")),
        ("payload", json!({"n": 1})),
        ("queue", json!("side")),
        ("priority", json!(3)),
        ("run_at", json!(LATER)),
        ("expires_at", json!("2100-01-02T03:04:06.006Z")),
        ("max_attempts", json!(7)),
        ("concurrency_key", json!("customer-7")),
        ("tags", json!(["import"])),
        ("batch", json!(batch)),
        ("after", json!([{"job": parent, "on": "finished", "state": "ready"}])),
        ("state", json!("blocked")),
    ] {
        assert_eq!(shown[field], expected, "{field}: {shown:#}");
    }
    for (limit, expected) in [("timeout", json!("1s500ms")), ("fuel", json!(5_000_000)), ("memory", json!(64 << 20))] {
        let limit = &shown["limits"][limit];
        assert_eq!((&limit["value"], &limit["from"]), (&expected, &json!("job")), "{shown:#}");
    }
}

#[test]
fn every_word_is_one_the_host_knows_and_no_other_is_missing() {
    let host = host();
    for reason in Reason::ALL {
        host.post_text("/v1/jobs", &[], &echo().retry_on([*reason]).to_json()).expect_status(201);
    }
    // The words of the host, from its own refusal of one that is none.
    let words = |request: Value| -> BTreeSet<String> {
        let refused = host.post("/v1/jobs", &by_hand(&request)).expect_problem(422)["errors"][0]["message"].to_string();
        let (_, expected) = refused.split_once("expected one of").unwrap_or_else(|| panic!("no words in {refused}"));
        expected.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    };
    let known = |all: &[&'static str]| all.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    for reason in words(json!({"retry_on": ["bored"]})).difference(&known(&reasons)) {
        let refused = host.post("/v1/jobs", &by_hand(&json!({"retry_on": [reason]})));
        refused.expect_problem_saying(422, &["/retry_on", "the host's to decide"]);
    }
    let states: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(words(json!({"unique": {"scope": ["lost"]}})), known(&states));
    let wanted: Vec<&str> = Wanted::ALL.iter().map(|wanted| wanted.as_str()).collect();
    assert_eq!(words(json!({"after": [{"job": "job_1", "on": "done"}]})), known(&wanted));
}

#[test]
fn jobs_go_in_as_one_array() {
    let host = host();
    let jobs = vec![echo(), echo().priority(1), NewJob::of("hello", &json!({"name": "Ada"})).unwrap()];
    let reply = host.post("/v1/jobs/batch", &serde_json::to_value(&jobs).unwrap()).expect(200);
    let ids: Vec<String> = reply["results"].as_array().unwrap().iter().map(job_id).collect();
    let shown: Vec<Value> = ids.iter().map(|id| host.job(id)["payload"].clone()).collect();
    assert_eq!(shown, [json!({"n": 1}), json!({"n": 1}), json!({"name": "Ada"})]);
    assert_eq!(host.job(&ids[1])["priority"], 1);
}

fn whole_batch() -> Batch {
    Batch::new()
        .name("import")
        .close(Close::AtOnce)
        .on_success(echo().tags(["success"]))
        .on_failure(echo())
        .on_finish(echo().delay(SECOND))
        .job(echo())
        .jobs([echo().delay(60 * SECOND)])
}

#[test]
fn a_batch_is_made_as_it_was_meant() {
    let host = host();
    let made = host.post_text("/v1/batches", &[], &whole_batch().to_json()).expect(201);
    assert_eq!(
        (&made["name"], &made["counts"]["total"], &made["state"]),
        (&json!("import"), &json!(2), &json!("running")),
        "{made:#}"
    );
    for event in ["on_success", "on_failure", "on_finish"] {
        assert_eq!(made[event]["kind"], "echo", "{event}: {made:#}");
    }
    for (close, state) in [(Close::AtOnce, "running"), (Close::OnRequest, "open"), (Close::WhenDone, "open")] {
        let batch = Batch::new().close(close).job(echo());
        let made = host.post("/v1/batches", &serde_json::to_value(&batch).unwrap()).expect(201);
        assert_eq!(made["state"], state, "{close}: {made:#}");
    }
    assert_eq!(host.post_text("/v1/batches", &[], &Batch::new().to_json()).expect(201)["state"], "open");
}

fn whole_workflow() -> Workflow {
    let nightly = Workflow::of([
        ("fetch", echo()),
        ("render/1", echo().after("fetch")),
        ("complain", echo().after(After::failed("render/1")).priority(0)),
        ("clean \"up\"", echo().after(After::finished("render/1")).after("fetch")),
    ]);
    nightly.unwrap().name("nightly").on_success(echo()).on_failure(echo()).on_finish(echo())
}

#[test]
fn a_workflow_is_made_as_it_was_meant() {
    let host = host();
    let made = host.post_text("/v1/workflows", &[], &whole_workflow().to_json()).expect(201);
    assert_eq!((&made["name"], &made["counts"]["total"]), (&json!("nightly"), &json!(4)));
    let jobs = made["jobs"].as_array().unwrap();
    let mut shown: Vec<Value> = jobs
        .iter()
        .map(|job| {
            let after = job["after"].as_array().into_iter().flatten();
            let after: Vec<Value> = after.map(|parent| json!([parent["name"], parent["on"]])).collect();
            json!([job["name"], after])
        })
        .collect();
    shown.sort_by_key(|job| job[0].to_string());
    let mut expected = vec![
        json!(["fetch", []]),
        json!(["render/1", [["fetch", "succeeded"]]]),
        json!(["complain", [["render/1", "failed"]]]),
        json!(["clean \"up\"", [["render/1", "finished"], ["fetch", "succeeded"]]]),
    ];
    expected.sort_by_key(|job| job[0].to_string());
    assert_eq!(shown, expected, "{made:#}");
}

#[test]
fn a_workflow_that_the_host_refuses_is_refused_before_in_the_same_words() {
    let host = host();
    let job = |after: &[&str]| after.iter().fold(echo(), |job, parent| job.after(*parent));
    let long = "x".repeat(129);
    let parents: Vec<String> = (0..101).map(|index| format!("p{index}")).collect();
    let mut fan: Vec<(&str, NewJob)> = parents.iter().map(|name| (name.as_str(), echo())).collect();
    fan.push(("child", parents.iter().fold(echo(), |job, parent| job.after(parent.as_str()))));
    let circle: Vec<String> = (0..30).map(|index| format!("c{index}")).collect();
    let next = |index: usize| circle[(index + 1) % circle.len()].as_str();
    for jobs in [
        vec![],
        vec![("", echo()), (&long, echo()), ("a\n", echo())],
        vec![("fetch", echo()), ("render", job(&["fetsh"])), ("send", job(&["zzz", "render", "render"]))],
        vec![
            ("fetch-1", echo()),
            ("fetch-2", echo()),
            ("Fetch-3", echo()),
            ("fetch-4", echo()),
            ("b", job(&["fetch-"])),
        ],
        vec![("a", job(&["a"]))],
        vec![("a", job(&["b"])), ("b", job(&["c/d~"])), ("c/d~", job(&["a", "e"])), ("e", echo()), ("f", job(&["a"]))],
        circle.iter().enumerate().map(|(index, name)| (name.as_str(), job(&[next(index)]))).collect(),
        vec![("a", echo().unique(Unique::payload()))],
        vec![("a", echo().batch("batch_1"))],
        vec![("a", echo().idempotency_key("k"))],
        fan,
    ] {
        let members: Vec<String> =
            jobs.iter().map(|(name, job)| format!("{}:{}", json!(name), job.to_json())).collect();
        let body = format!("{{\"jobs\":{{{}}}}}", members.join(","));
        let problem = host.post_text("/v1/workflows", &[], &body).expect_problem(422);
        let refused = Workflow::of(jobs).unwrap_err();
        let said: Vec<Value> =
            refused.faults().iter().map(|fault| json!({"pointer": fault.pointer, "message": fault.message})).collect();
        assert_eq!(problem["errors"], json!(said), "{problem:#}");
    }
    let twice = "{\"jobs\":{\"a\":{\"kind\":\"echo\"},\"a\":{\"kind\":\"echo\"}}}";
    let problem = host.post_text("/v1/workflows", &[], twice).expect_problem(422);
    let refused = Workflow::of([("a", echo()), ("a", echo())]).unwrap_err();
    assert_eq!(problem["errors"][0]["message"], refused.faults()[0].message);
    assert_eq!(problem["errors"][0]["pointer"], refused.faults()[0].pointer);
}

fn whole_schedule() -> Schedule {
    let job = echo()
        .queue("side")
        .priority(2)
        .max_attempts(3)
        .retry(Retry::fixed(SECOND))
        .retry_on([Reason::Trap])
        .expires_in(60 * SECOND)
        .on_failed(OnFailed::kind("hello"))
        .timeout(5 * SECOND)
        .fuel(7_000_000)
        .memory(32 << 20)
        .concurrency_key("k")
        .tags(["nightly"]);
    Schedule::cron("0 3 * * MON-FRI", job)
        .timezone("Europe/Berlin")
        .starts_at(later())
        .ends_at(later() + 86_400 * 365 * SECOND)
        .jitter(60 * SECOND)
        .misfire(Misfire::All)
        .overlap(Overlap::QueueOne)
        .paused(true)
}

#[test]
fn a_schedule_is_put_as_it_was_meant() {
    let host = host();
    let put = |schedule: &Schedule| host.put("/v1/schedules/nightly", &serde_json::to_value(schedule).unwrap());
    let shown = put(&whole_schedule()).expect(201);
    let expected = json!({
        "kind": "echo", "payload": {"n": 1}, "queue": "side", "priority": 2, "max_attempts": 3,
        "retry": {"strategy": "fixed", "delay": "1s"}, "retry_on": ["trap"], "expires_in": "60s",
        "on_failed": {"kind": "hello"}, "timeout": "5s", "fuel": 7_000_000, "memory": 32 << 20,
        "concurrency_key": "k", "tags": ["nightly"], "cron": "0 3 * * MON-FRI", "timezone": "Europe/Berlin",
        "starts_at": LATER, "ends_at": "2101-01-02T03:04:05.006Z", "jitter": "60s", "misfire": "all",
        "overlap": "queue_one",
    });
    assert_eq!(shown["definition"], expected, "{shown:#}");
    assert_eq!(shown["paused"], true);
    for misfire in Misfire::ALL {
        for overlap in Overlap::ALL {
            let schedule = Schedule::every(90 * SECOND, echo()).misfire(*misfire).overlap(*overlap).paused(false);
            let shown = put(&schedule).expect(200);
            let definition = &shown["definition"];
            assert_eq!(
                (&definition["every"], &definition["misfire"], &definition["overlap"], &shown["paused"]),
                (&json!("90s"), &json!(misfire.as_str()), &json!(overlap.as_str()), &json!(false)),
                "{shown:#}"
            );
        }
    }
}

/// What the API says can be there, of an object.
fn properties(document: &Value, schema: &str) -> BTreeSet<String> {
    let properties = document["components"]["schemas"][schema]["properties"].as_object();
    let properties =
        properties.unwrap_or_else(|| panic!("no object {schema}: {}", document["components"]["schemas"][schema]));
    properties.keys().cloned().collect()
}

fn members<'v>(objects: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    objects.into_iter().filter_map(Value::as_object).flat_map(|object| object.keys().cloned()).collect()
}

#[test]
fn there_is_a_builder_for_everything_the_api_describes() {
    let host = host();
    let document = host.get("/openapi.json").expect(200);
    let mut jobs: Vec<Value> =
        cases("job_1", "batch_1").iter().map(|(job, _)| serde_json::to_value(job).unwrap()).collect();
    jobs.push(serde_json::to_value(echo().idempotency_key("k")).unwrap());
    let batch = serde_json::to_value(whole_batch()).unwrap();
    let workflow = serde_json::to_value(whole_workflow()).unwrap();
    let schedules = [whole_schedule(), Schedule::every(SECOND, echo())].map(|one| serde_json::to_value(one).unwrap());
    let of_jobs = |field: &str| members(jobs.iter().map(|job| &job[field]));
    for (schema, written) in [
        ("JobRequest", members(&jobs)),
        ("Retry", of_jobs("retry")),
        ("Unique", of_jobs("unique")),
        ("OnFailed", of_jobs("on_failed")),
        ("BatchRequest", members([&batch])),
        ("WorkflowRequest", members([&workflow])),
        ("ScheduleRequest", members(&schedules)),
    ] {
        assert_eq!(properties(&document, schema), written, "{schema}");
    }
    let words = |all: &[&'static str]| json!(all);
    for (schema, all) in [
        ("OnConflict", words(&OnConflict::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())),
        ("Close", words(&Close::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())),
        ("Misfire", words(&Misfire::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())),
        ("Overlap", words(&Overlap::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())),
        ("Strategy", words(&["exponential", "fixed", "list"])),
    ] {
        assert_eq!(described_words(&document, schema), all, "{schema}");
    }
}

/// The words of an enumeration, whether they are described in one or word by word.
fn described_words(document: &Value, schema: &str) -> Value {
    let schema = &document["components"]["schemas"][schema];
    match schema["oneOf"].as_array() {
        None => schema["enum"].clone(),
        Some(each) => each.iter().map(|one| one["enum"][0].clone()).collect(),
    }
}
