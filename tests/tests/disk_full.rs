//! A full disk stops nothing for good: writes are refused, reads go on, outcomes wait, and all recovers by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{DEADLINE, Guest, SmallDisk, TestHost, eventually, job_id, run_stoker, state_of};

/// Room for a data directory with a few modules.
const DISK_BYTES: u64 = 48 << 20;
/// Size of a payload that needs new pages, bytes.
const PAYLOAD_BYTES: usize = 200 << 10;
/// Enqueues that may still find room on a full disk (pages freed before, a log that is written over).
const ACCEPTED_MAX: usize = 500;

fn big_job() -> serde_json::Value {
    json!({"kind": "echo", "payload": "x".repeat(PAYLOAD_BYTES), "delay": "1h"})
}

/// Size of `SQLite`'s index file of a short log, bytes.
const INDEX_BYTES: usize = 32 << 10;

/// Enqueues until the full disk shows; gives the last refusal.
fn until_refused(host: &TestHost, disk: &SmallDisk) -> stoker_tests::Reply {
    for _ in 0..ACCEPTED_MAX {
        disk.fill();
        let reply = host.post("/v1/jobs", &big_job());
        if reply.status != 201 {
            return reply;
        }
    }
    panic!("{ACCEPTED_MAX} jobs of {PAYLOAD_BYTES} bytes fit on a full disk");
}

#[test]
fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
    let host = TestHost::builder().data_dir(disk.path().join("data")).leaves_work_behind().start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    let done = job_id(&host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}})));

    let refusal = until_refused(&host, &disk);
    assert_eq!(refusal.status, 503, "{refusal}");
    assert!(refusal.header("retry-after").is_some(), "{refusal}");
    assert_eq!(refusal.expect_problem(503)["code"], "store_unavailable");

    // A module of new bytes has to be compiled, which takes files.
    disk.fill();
    let refusal = host.put_module("new", &Guest::Cat.wasm());
    assert_eq!(refusal.expect_problem_saying(503, &["disk"])["code"], "store_unavailable");

    // Reads go on, and the host says what it lacks.
    assert_eq!(state_of(&host.job(&done)), "succeeded");
    assert!(!host.list("state=succeeded").is_empty());
    host.get("/health/live").expect_status(200);
    eventually("the host says that it is not ready", || {
        disk.fill();
        (host.get("/health/ready").status == 503).then_some(())
    });

    disk.free();
    eventually("writes are accepted again", || (host.post("/v1/jobs", &big_job()).status == 201).then_some(()));
    eventually("the host is ready again", || (host.get("/health/ready").status == 200).then_some(()));
    host.assert_still_runs();
}

#[test]
fn outcomes_of_running_attempts_wait_for_room() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
    let host = TestHost::builder().data_dir(disk.path().join("data")).leaves_work_behind().start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    // They end while the disk is full. The log of one needs more room than is left where a big job was refused.
    let (quiet, loud) = [4_000, 8_000, 16_000]
        .into_iter()
        .find_map(|hold_ms| {
            let quiet = host.enqueue_kind("sleep", &json!({"ms": hold_ms}));
            let loud = host.enqueue_kind("flood-logs", &json!({"hold_ms": hold_ms}));
            host.wait_for(&quiet, "running");
            host.wait_for(&loud, "running");
            until_refused(&host, &disk);
            let in_time = [&quiet, &loud].iter().all(|id| state_of(&host.job(id)) == "running");
            if !in_time {
                disk.free();
            }
            in_time.then_some((quiet, loud))
        })
        .expect("the disk was full while they ran");
    eventually("an outcome waits", || {
        disk.fill();
        let metrics = host.get("/metrics").expect_status(200).text();
        let waiting = metrics.lines().find_map(|line| line.strip_prefix("stoker_outcomes_waiting "));
        let waiting = waiting.and_then(|count| count.parse::<f64>().ok());
        (waiting? >= 1.0).then_some(())
    });
    assert_eq!(state_of(&host.job(&loud)), "running", "it has ended, and that can't be written");
    disk.free();
    for id in [&quiet, &loud] {
        let job = host.wait_for(id, "succeeded");
        assert_eq!(job["attempt"], 1, "{job:#}");
        assert_eq!(host.attempts(id).len(), 1, "the outcome was lost and the job ran again");
    }
    host.wait_for(&host.enqueue_kind("hello", &json!({"name": "Ada"})), "succeeded");
}

/// How a host ended before the disk was filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Leaves the database and the reserve.
    InOrder,
    /// Leaves the side files as well.
    Killed,
    /// Leaves room for `SQLite`'s index file and for nothing else.
    InOrderWithoutReserve,
}

#[test]
fn a_start_on_a_full_disk_serves_reads_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
    let mut host = TestHost::builder().data_dir(disk.path().join("data")).leaves_work_behind().start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    let done = job_id(&host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}})));
    for end in [End::InOrder, End::Killed, End::InOrderWithoutReserve] {
        let waiting = host.enqueue(&json!({"kind": "hello", "payload": {"name": "later"}, "delay": "1s"}));
        match end {
            End::Killed => host.kill9(),
            End::InOrder | End::InOrderWithoutReserve => assert!(host.terminate().success()),
        }
        if end == End::InOrderWithoutReserve {
            std::fs::remove_file(host.data_dir().join("stoker.reserve")).unwrap();
            std::fs::write(host.data_dir().join("stoker.db-shm"), vec![0; INDEX_BYTES]).unwrap();
        }
        disk.fill();
        host.restart();
        if end == End::InOrderWithoutReserve {
            // Not one commit fits: it could not even sign on.
            assert!(host.log().contains("without being able to write"), "{}", host.log());
            assert_eq!(host.get("/health/ready").expect_problem(503)["reason"], "store_unavailable");
        }
        host.get("/health/live").expect_status(200);
        assert_eq!(state_of(&host.job(&done)), "succeeded");
        assert!(!host.list("state=succeeded").is_empty());
        host.get("/metrics").expect_status(200);
        assert_eq!(host.get("/openapi.json").status, 200);
        let refusal = until_refused(&host, &disk);
        assert_eq!(refusal.expect_problem(503)["code"], "store_unavailable");
        eventually("the host says that it is not ready", || {
            disk.fill();
            let reply = host.get("/health/ready");
            (reply.status == 503).then(|| assert_eq!(reply.json()["reason"], "store_unavailable"))
        });
        disk.free();
        eventually("the host is ready", || (host.get("/health/ready").status == 200).then_some(()));
        host.wait_for(&waiting, "succeeded");
        host.assert_still_runs();
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_its_name() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("a-file");
    std::fs::write(&file, "not a directory").unwrap();
    let path = file.display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &path];
    run_stoker(&args, &[], home.path(), b"").expect_failure(&["a-file"]);

    let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
    let mut host = TestHost::builder().data_dir(disk.path().join("there")).start();
    assert!(host.terminate().success());
    // What SQLite can't be read without does not fit either, and nothing was kept for it.
    std::fs::remove_file(host.data_dir().join("stoker.reserve")).unwrap();
    disk.fill();
    let path = host.data_dir().display().to_string();
    let there = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &path];
    run_stoker(&there, &[], home.path(), b"").expect_failure(&["stoker.db", "full"]);
    disk.free();
    disk.make_read_only();
    run_stoker(&there, &[], home.path(), b"").expect_failure(&[&path, "read-only", "write"]);
    let path = disk.path().join("data").display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &path];
    run_stoker(&args, &[], home.path(), b"").expect_failure(&[&path]);
}

#[test]
fn a_damaged_artifact_is_compiled_again() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    host.assert_still_runs();
    assert!(host.terminate().success());
    let mut damaged = 0;
    damage_artifacts(&host.data_dir(), &mut damaged);
    assert!(damaged > 0, "no compiled artifact was found to damage");
    host.restart();
    let job = host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}}));
    assert_eq!(state_of(&job), "succeeded", "{job:#}");
    host.wait_idle(DEADLINE);
}

/// Flips a byte in the middle of every compiled artifact below `folder`.
fn damage_artifacts(folder: &std::path::Path, damaged: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            damage_artifacts(&path, damaged);
        } else if path.extension().is_some_and(|extension| extension == "cwasm") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
            *damaged += 1;
        }
    }
}
