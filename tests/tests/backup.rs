//! A backup taken under load holds every job acknowledged before it was asked for, and works.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use stoker_tests::{Guest, TestHost, job_id, state_of};

/// How long everything in the copy may take to run.
const DRAIN_DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn a_copy_taken_under_load_is_whole_and_works() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let scheduled = host.enqueue(&json!({"kind": "hello", "payload": {"name": "later"}, "delay": "1h"}));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..3)
        .map(|caller| {
            let (api, stop) = (host.api(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut ids = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("{caller}-{}", ids.len());
                    ids.push(api.enqueue_kind("hello", &json!({"name": name})));
                }
                ids
            })
        })
        .collect();
    // Something is finished, something is under way.
    let before: Vec<String> = stoker_tests::eventually("some jobs succeed under load", || {
        let done = host.get("/v1/jobs?state=succeeded&limit=500").expect(200);
        let ids: Vec<String> = done["items"].as_array().unwrap().iter().map(job_id).collect();
        (ids.len() >= 20).then_some(ids)
    });
    let copy = host.act("/v1/backup").expect_status(200);
    assert!(copy.body.starts_with(b"SQLite format 3\0"), "{} bytes", copy.body.len());
    stop.store(true, Ordering::Relaxed);
    let enqueued: usize = load.into_iter().map(|caller| caller.join().unwrap().len()).sum();
    assert!(enqueued >= 20);
    let leftovers: Vec<_> = std::fs::read_dir(host.data_dir())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("backup"))
        .collect();
    assert!(leftovers.is_empty(), "the copy was left in the data directory: {leftovers:?}");

    let restored_dir = host.home().join("restored");
    std::fs::create_dir(&restored_dir).unwrap();
    std::fs::write(restored_dir.join("stoker.db"), &copy.body).unwrap();
    let restored = TestHost::builder().data_dir(&restored_dir).leaves_work_behind().start();
    for id in &before {
        let job = restored.job(id);
        assert_eq!(state_of(&job), "succeeded", "{job:#}");
        assert_eq!(job["output"], host.job(id)["output"]);
    }
    assert_eq!(state_of(&restored.job(&scheduled)), "scheduled");
    // Modules are in it, and everything that waited runs.
    restored.assert_still_runs();
    stoker_tests::eventually_within(DRAIN_DEADLINE, "the copy's jobs end", || {
        ["ready", "running", "retrying"]
            .iter()
            .all(|state| {
                let page = restored.get(&format!("/v1/jobs?state={state}&limit=1")).expect(200);
                page["items"].as_array().is_some_and(Vec::is_empty)
            })
            .then_some(())
    });
    assert!(restored.list("state=failed").is_empty());
    host.act(&format!("/v1/jobs/{scheduled}/cancel")).expect(200);
    host.wait_idle(DRAIN_DEADLINE);
}
