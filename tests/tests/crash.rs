//! SIGKILL at random moments under load: after each restart every acknowledged job succeeds.
//!
//! `STOKER_CRASH_ROUNDS` says how often (`cargo xtask crash` does it 50 times), `STOKER_SEED` replays the moments.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use stoker_tests::{Api, Guest, TestHost, crash_rounds, eventually, job_id, seed, state_of};

/// Rounds when nobody says otherwise.
const ROUNDS_DEFAULT: usize = 3;
/// Callers that enqueue at once.
const CALLERS: usize = 3;
/// Jobs of one batch of a caller.
const BATCH_JOBS: usize = 40;
/// The kill comes after at most so many acknowledged jobs of the round; which one is random.
const KILL_AFTER_JOBS_MAX: usize = 600;
/// How long everything may take to finish after the last restart.
const DRAIN_DEADLINE: Duration = Duration::from_mins(4);

/// One job of the load: mostly quick ones; some sleep a little, so that a kill finds them running; some fail once.
fn request(random: &mut StdRng, name: &str) -> Value {
    let mut request = match random.random_range(0..10) {
        0 => json!({"kind": "sleep", "payload": {"ms": random.random_range(1..80)}}),
        1 => json!({
            "kind": "fail-retry", "payload": {"succeed_on_attempt": 2}, "retry": {"strategy": "fixed", "delay": 20},
        }),
        2 => json!({"kind": "hello", "payload": {"name": name}, "delay": random.random_range(1..300)}),
        _ => json!({"kind": "hello", "payload": {"name": name}}),
    };
    request["priority"] = json!(random.random_range(0..10));
    request
}

/// Enqueues until the host is gone; gives what was acknowledged.
fn load(api: &Api, seed: u64, acknowledged: &AtomicUsize, stop: &AtomicBool) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut ids = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let single = random.random_bool(0.7);
        let reply = if single {
            let body = request(&mut random, &format!("single {}", ids.len())).to_string();
            api.try_request("POST", "/v1/jobs", &[("content-type", "application/json")], Some(body.as_bytes()))
        } else {
            let lines: Vec<String> =
                (0..BATCH_JOBS).map(|index| request(&mut random, &format!("line {index}")).to_string()).collect();
            let lines = lines.join("\n");
            let headers = [("content-type", "application/x-ndjson")];
            api.try_request("POST", "/v1/jobs/batch", &headers, Some(lines.as_bytes()))
        };
        // Whatever did not come back whole was not acknowledged.
        let Ok(reply) = reply else { break };
        let body = reply.json();
        match reply.status {
            201 => ids.push(job_id(&body)),
            200 => ids.extend(body["results"].as_array().unwrap().iter().map(job_id)),
            _ => panic!("{reply}"),
        }
        acknowledged.fetch_add(if single { 1 } else { BATCH_JOBS }, Ordering::Relaxed);
    }
    ids
}

/// Puts the host under load and kills it at a random moment; gives what was acknowledged.
fn killed_under_load(host: &mut TestHost, random: &mut StdRng) -> Vec<String> {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (api, seed) = (host.api(), random.random());
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            std::thread::spawn(move || load(&api, seed, &acknowledged, &stop))
        })
        .collect();
    let kill_after = random.random_range(1..KILL_AFTER_JOBS_MAX);
    eventually(&format!("{kill_after} jobs are acknowledged"), || {
        (acknowledged.load(Ordering::Relaxed) >= kill_after).then_some(())
    });
    host.kill9();
    stop.store(true, Ordering::Relaxed);
    callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
}

/// Every one of `acknowledged` must succeed.
fn assert_all_succeed(host: &TestHost, acknowledged: &[String]) {
    host.wait_idle(DRAIN_DEADLINE);
    let succeeded: BTreeSet<String> = host.list("state=succeeded").iter().map(job_id).collect();
    let missing: Vec<_> = acknowledged.iter().filter(|id| !succeeded.contains(*id)).collect();
    if let Some(id) = missing.first() {
        let reply = host.get(&format!("/v1/jobs/{id}"));
        panic!("{} of {} acknowledged jobs did not succeed; the first: {reply}", missing.len(), acknowledged.len());
    }
}

/// Jobs that were entered when the host died, which their history has to tell; gives how many.
fn ran_twice(host: &TestHost, ids: &[String]) -> usize {
    let mut found = 0;
    for id in ids {
        let attempts = host.attempts(id);
        let lost = attempts.iter().filter(|attempt| attempt["outcome"] == "lost").count();
        if lost > 0 {
            assert_eq!(attempts.last().unwrap()["outcome"], "succeeded", "{attempts:#?}");
            assert!(host.history_text(id).contains("recovered"), "{}", host.history_text(id));
            found += 1;
        }
    }
    found
}

#[test]
fn no_acknowledged_job_is_lost() {
    let mut random = StdRng::seed_from_u64(seed());
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host.assert_still_runs();
    let mut acknowledged = Vec::new();
    for round in 1..=crash_rounds(ROUNDS_DEFAULT) {
        let of_round = killed_under_load(&mut host, &mut random);
        println!("round {round}: killed after {} acknowledged jobs", of_round.len());
        acknowledged.extend(of_round);
        host.restart();
    }
    assert_all_succeed(&host, &acknowledged);
    println!("{} acknowledged jobs, {} of them ran twice", acknowledged.len(), ran_twice(&host, &acknowledged));
}

#[test]
fn a_job_that_ran_when_its_host_died_tells_it_in_its_history() {
    let mut host = TestHost::start();
    host.upload(Guest::Handlers);
    let running = host.enqueue_kind("sleep", &json!({"ms": 2_000}));
    let waiting = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "1s"}));
    host.wait_for(&running, "running");
    host.kill9();
    host.restart();
    let job = host.wait_for(&running, "succeeded");
    let attempts = host.attempts(&running);
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["lost", "succeeded"], "{attempts:#?}");
    assert_ne!(attempts[0]["host"], attempts[1]["host"], "{attempts:#?}");
    assert_eq!(attempts[0]["error"]["reason"], "host_lost", "{attempts:#?}");
    assert_eq!(job["attempt"], 1, "a lost host uses no attempt: {job:#}");
    assert!(host.history_text(&running).contains("recovered"));
    host.wait_for(&waiting, "succeeded");
    assert_eq!(host.attempts(&waiting).len(), 1);
}

#[test]
fn killed_during_a_drain_everything_still_succeeds() {
    // `cargo xtask crash` drains the 20,000 of the acceptance; a short run a tenth of it.
    let jobs = if crash_rounds(ROUNDS_DEFAULT) > ROUNDS_DEFAULT { 20_000 } else { 2_000 };
    let mut host = TestHost::builder().workers(0).start();
    host.upload(Guest::Hello);
    let mut ids = Vec::new();
    while ids.len() < jobs {
        let names = (0..1_000).map(|index| json!({"kind": "hello", "payload": {"name": index.to_string()}}));
        ids.extend(host.enqueue_lines(names));
    }
    host.restart_with(|builder| builder.workers(4));
    eventually("a tenth is done", || {
        let done = host.get("/v1/jobs?state=succeeded&limit=500").expect(200);
        (done["items"].as_array().unwrap().len() >= jobs.min(5_000) / 10).then_some(())
    });
    host.kill9();
    host.restart();
    assert_all_succeed(&host, &ids);
    println!("{} of {jobs} ran twice", ran_twice(&host, &ids));
    assert!(host.list("state=failed").is_empty());
    assert_eq!(state_of(&host.job(&ids[0])), "succeeded");
}
