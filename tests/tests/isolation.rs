//! The acceptance run: 50 jobs each that compute, eat memory and sleep without end, beside 1,000 that greet. Every bad
//! one ends for its own reason, every good one succeeds, and the API answers throughout.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoker_tests::{Guest, Prober, TestHost, reason_of, state_of};

/// Bad jobs of each kind.
const BAD_JOBS_EACH: usize = 50;
/// Good jobs beside them.
const GOOD_JOBS: usize = 1_000;
/// Attempts at once.
const WORKERS: u32 = 16;
/// What `/health/live` has to answer within, at the 99th percentile. The promise is 50 ms; this leaves room for a
/// debug build on a machine that other tests use as well. The real numbers are printed.
const LIVE_P99_MAX: Duration = Duration::from_millis(250);
/// How long all of it may take on a slow machine.
const ALL_DEADLINE: Duration = Duration::from_mins(4);

#[test]
fn bad_jobs_hurt_nobody_but_themselves() {
    let host = TestHost::builder().workers(WORKERS).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host.assert_still_runs();
    let prober = Prober::of_health(host.api());

    let bad = [("busy-loop", "timeout"), ("eat-memory", "memory_exceeded"), ("sleep", "timeout")];
    let mut requests: Vec<Value> = Vec::new();
    for index in 0..GOOD_JOBS {
        requests.push(json!({"kind": "hello", "payload": {"name": format!("number {index}")}}));
        // Spread evenly among the good ones.
        if index % (GOOD_JOBS / BAD_JOBS_EACH) == 0 {
            for (kind, _) in bad {
                requests.push(json!({
                    "kind": kind, "payload": {}, "timeout": "2s", "max_attempts": 1,
                    // Neither may come first: fuel before the timeout, the timeout before the memory is full.
                    "fuel": 1_000_000_000_000u64, "memory": "32MiB",
                }));
            }
        }
    }
    let begun = Instant::now();
    let ids = host.enqueue_lines(requests);
    assert_eq!(ids.len(), GOOD_JOBS + bad.len() * BAD_JOBS_EACH);
    host.wait_idle(ALL_DEADLINE);
    println!("{} jobs in {:?}", ids.len(), begun.elapsed());
    let took = prober.stop();

    let good = host.list("kind=hello&state=succeeded");
    // One more ran before.
    assert_eq!(good.len(), GOOD_JOBS + 1);
    for (kind, reason) in bad {
        let jobs = host.list(&format!("kind={kind}"));
        assert_eq!(jobs.len(), BAD_JOBS_EACH);
        for job in jobs {
            assert_eq!((state_of(&job), reason_of(&job)), ("failed", reason), "{job:#}");
        }
    }
    assert!(host.list("state=succeeded").len() == GOOD_JOBS + 1);
    host.assert_still_runs();

    let (median, p99, max) = (took.median(), took.p99(), took.max());
    println!("/health/live, {} times: median {median:?}, p99 {p99:?}, max {max:?}", took.times());
    assert!(took.times() > 50, "asked {} times only", took.times());
    assert!(p99 < LIVE_P99_MAX, "p99 {p99:?}, max {max:?}");
}
