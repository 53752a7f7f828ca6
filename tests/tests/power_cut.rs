//! A power cut: every write after the last fsync is gone, and still no acknowledged job is. With fsync treated as
//! nothing the same test sees the loss: the proof that it can fail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use stoker_tests::power_cut::{PowerCut, TakenBack};
use stoker_tests::{DEADLINE, Guest, HostBuilder, TestHost, eventually, job_id, state_of};

/// Callers that enqueue at once.
const CALLERS: usize = 3;
/// The power goes once so many jobs are acknowledged.
const CUT_AFTER_JOBS: usize = 150;

/// A directory that outlives the hosts on it, and the interposer.
struct Site {
    home: tempfile::TempDir,
    cut: PowerCut,
}

impl Site {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let cut = PowerCut::prepare(home.path());
        let site = Self { home, cut };
        std::fs::create_dir(site.data_dir()).expect("a data directory");
        site
    }

    fn data_dir(&self) -> PathBuf {
        self.home.path().canonicalize().expect("a real path").join("data")
    }

    fn host(&self, ignore_fsync: bool) -> HostBuilder {
        let mut builder = TestHost::builder().data_dir(self.data_dir());
        for (name, value) in self.cut.environment(&self.data_dir()) {
            builder = builder.env(name, value);
        }
        if ignore_fsync { builder.env("STOKER_TEST_IGNORE_FSYNC", "1") } else { builder }
    }

    /// Loads the host, and kills it in the middle; gives the jobs it acknowledged and those it showed as succeeded.
    fn run_until_the_power_goes(&self, mut host: TestHost) -> (Vec<String>, Vec<String>, TakenBack) {
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (api, stop) = (host.api(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut ids = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let body = json!({"kind": "hello", "payload": {"name": ids.len().to_string()}}).to_string();
                        let headers = [("content-type", "application/json")];
                        let reply = api.try_request("POST", "/v1/jobs", &headers, Some(body.as_bytes()));
                        let Ok(reply) = reply else { break };
                        assert_eq!(reply.status, 201, "{reply}");
                        ids.push(job_id(&reply.json()));
                    }
                    ids
                })
            })
            .collect();
        let succeeded: Vec<String> = eventually("some jobs are acknowledged, some have succeeded", || {
            let page = host.get("/v1/jobs?state=succeeded&limit=500").expect(200);
            let ids: Vec<String> = page["items"].as_array().unwrap().iter().map(job_id).collect();
            (ids.len() >= CUT_AFTER_JOBS).then_some(ids)
        });
        host.kill9();
        stop.store(true, Ordering::Relaxed);
        let acknowledged = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        assert!(self.cut.has_followed_writes(), "the host wrote nothing the interposer saw: is it preloaded?");
        let taken = self.cut.cut(&self.data_dir());
        (acknowledged, succeeded, taken)
    }
}

#[test]
fn no_acknowledged_job_is_lost_without_power() {
    let site = Site::new();
    for round in 1..=2 {
        let host = site.host(false).start();
        // The upload is as safe as the jobs: later rounds find it.
        if round == 1 {
            host.upload(Guest::Hello);
        }
        let (acknowledged, succeeded, taken) = site.run_until_the_power_goes(host);
        println!("round {round}: {} acknowledged, {taken:?} taken back", acknowledged.len());
        let host = site.host(false).start();
        let lost: Vec<_> = acknowledged.iter().filter(|id| host.get(&format!("/v1/jobs/{id}")).status != 200).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged jobs are gone", lost.len(), acknowledged.len());
        // What was shown as succeeded was safe as well.
        for id in &succeeded {
            assert_eq!(state_of(&host.job(id)), "succeeded");
        }
        host.wait_idle(DEADLINE * 3);
        for id in &acknowledged {
            assert_eq!(state_of(&host.job(id)), "succeeded");
        }
        host.assert_still_runs();
    }
}

/// One sync of the log fails, and the system forgets what it could not write: whatever is acknowledged after that must
/// not rest on it.
#[test]
fn a_failed_sync_loses_nothing_that_is_acknowledged_after_it() {
    let site = Site::new();
    let host = || {
        let (name, value) = site.cut.failing_sync();
        site.host(false).env(name, value).leaves_work_behind()
    };
    let mut failing = host().start();
    failing.upload(Guest::Hello);
    let enqueue = |host: &TestHost| {
        let body = json!({"kind": "hello", "payload": {"name": "x"}}).to_string();
        host.api().try_request("POST", "/v1/jobs", &[("content-type", "application/json")], Some(body.as_bytes()))
    };
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 20 {
        acknowledged.push(job_id(&enqueue(&failing).unwrap().expect(201)));
    }
    site.cut.fail_next_sync();
    // Claims and outcomes commit as well: who is told of the failure is left to chance.
    while let Ok(reply) = enqueue(&failing) {
        assert!(acknowledged.len() < 1_000, "the host goes on");
        match reply.status {
            201 => acknowledged.push(job_id(&reply.json())),
            status => assert_eq!(status, 503, "{reply}"),
        }
    }
    let status = failing.wait_exit(DEADLINE);
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(failing.log().contains("the disk could not keep what was written"), "{}", failing.log());
    assert!(site.cut.has_failed_sync());

    // What the system still has in memory is made safe by the next start, before it acknowledges anything more.
    let mut next = host().start();
    acknowledged.extend((0..20).map(|_| job_id(&enqueue(&next).unwrap().expect(201))));
    next.kill9();
    site.cut.cut(&site.data_dir());
    let third = host().start();
    let lost: Vec<_> = acknowledged.iter().filter(|id| third.get(&format!("/v1/jobs/{id}")).status != 200).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged jobs are gone", lost.len(), acknowledged.len());
    for id in &acknowledged {
        third.wait_for(id, "succeeded");
    }
}

/// The last sync of all, when the log is folded in at a stop.
#[test]
fn a_failed_sync_at_the_stop_keeps_the_log_and_is_told() {
    let site = Site::new();
    let (name, value) = site.cut.failing_sync();
    let mut host = site.host(false).env(name, value).leaves_work_behind().start();
    host.upload(Guest::Hello);
    let id = job_id(&host.run(&json!({"kind": "hello", "payload": {"name": "x"}})));
    site.cut.fail_next_sync();
    let status = host.terminate();
    assert!(site.cut.has_failed_sync());
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {}", host.log());
    assert!(host.log().contains("the disk could not keep what was written"), "{}", host.log());
    assert!(std::fs::metadata(site.data_dir().join("stoker.db-wal")).unwrap().len() > 0);
    let next = site.host(false).start();
    assert_eq!(state_of(&next.job(&id)), "succeeded");
}

#[test]
fn with_fsync_taken_out_the_loss_is_seen() {
    let site = Site::new();
    let host = site.host(true).start();
    host.upload(Guest::Hello);
    let (acknowledged, _, taken) = site.run_until_the_power_goes(host);
    assert!(taken.writes > 0, "nothing was taken back");
    // What is left may not even be a database that opens: that is a loss as well.
    let Ok(host) = TestHost::builder().data_dir(site.data_dir()).leaves_work_behind().try_start() else { return };
    let lost = acknowledged.iter().filter(|id| host.get(&format!("/v1/jobs/{id}")).status != 200).count();
    println!("{lost} of {} acknowledged jobs are gone, as they should be", acknowledged.len());
    assert!(lost > 0, "without fsync nothing was lost: this test could not fail");
}
