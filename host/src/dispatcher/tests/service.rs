//! The whole dispatcher on a real store and real guests: it runs what is ready, also with every wake-up dropped, and
//! a stop leaves no job held.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dispatcher::tests::{DEADLINE, eventually};
use crate::dispatcher::{Dispatcher, DispatcherHandle, DispatcherOptions};
use crate::job::{FailureReason, GuestType, HostId, JobId, JobSpec, JobState, LimitBounds, StdoutFormat};
use crate::modules::Validators;
use crate::sandbox::testing::Bench;
use crate::store::NewJob;
use crate::store::tests::{Harness, job, new_version};

const ENDS: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
const SPINS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $again (br $again))))"#;

/// A running dispatcher with what is under it.
struct Running {
    harness: Harness,
    bench: Bench,
    host: HostId,
    handle: DispatcherHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Two slots; jobs of `kind` run `guest`, and so many wait already.
    async fn start(guest: &str, waiting: usize, ignore_wakeups: bool) -> (Self, Vec<JobId>) {
        let (harness, bench) = (Harness::new(), Bench::new());
        let digest = bench.add(guest);
        let mut version = new_version(&harness.store, "m", &["kind"]).await;
        harness.store.write_module_chunk(digest, 0, guest.to_owned().into()).await.unwrap();
        version.digest = digest;
        version.size_bytes = guest.len() as u64;
        version.guest = GuestType::CoreCommand;
        version.kinds[0].settings.stdout = Some(StdoutFormat::Text);
        harness.store.activate_new(version, false).await.unwrap();
        bench.sandbox.guest(digest, GuestType::CoreCommand).await.unwrap();
        let host = harness.store.register_host(2, "1").await.unwrap();
        let mut jobs = Vec::new();
        for _ in 0..waiting {
            jobs.push(harness.enqueue(job(harness.kind("kind"))).await);
        }
        let options = DispatcherOptions {
            host,
            slots: 2,
            guest_threads: 2,
            bounds: LimitBounds::default(),
            shutdown_grace: Duration::ZERO,
            ignore_wakeups,
        };
        let (dispatcher, handle) = Dispatcher::new(
            harness.store.clone(),
            bench.sandbox.clone(),
            Validators::default(),
            Arc::clone(&harness.clock) as Arc<dyn crate::job::Clock>,
            Arc::new(Notify::new()),
            options,
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(dispatcher.run(stop.clone(), CancellationToken::new()));
        (Self { harness, bench, host, handle, stop, task }, jobs)
    }

    async fn wait_for(&self, job: JobId, state: JobState) {
        let waited = async {
            while self.harness.row(job).await.state != state {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(DEADLINE, waited).await.is_ok(), "{job} did not become {state}");
    }

    async fn stop(self) -> (Harness, HostId) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it stops").unwrap();
        let sandbox = self.bench.sandbox.clone();
        tokio::task::spawn_blocking(move || sandbox.close()).await.unwrap();
        (self.harness, self.host)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_before_and_what_comes_later_is_run() {
    let (running, mut jobs) = Running::start(ENDS, 50, false).await;
    for _ in 0..50 {
        jobs.push(running.harness.enqueue(job(running.harness.kind("kind"))).await);
    }
    for id in jobs {
        running.wait_for(id, JobState::Succeeded).await;
    }
    assert_eq!(running.handle.metrics().claimed, 100);
    running.stop().await;
}

/// What the next process would learn if this one died now, the outcomes not being written.
#[tokio::test(flavor = "multi_thread")]
async fn each_guest_that_ended_is_noted_as_ended() {
    let (running, jobs) = Running::start(ENDS, 50, false).await;
    for id in &jobs {
        running.wait_for(*id, JobState::Succeeded).await;
    }
    let (harness, _) = running.stop().await;
    let notes = crate::store::tests::entry_notes(&harness);
    for id in jobs {
        assert_eq!(notes.get(&id), Some(&true), "{id}");
    }
}

/// Guarantee 6.
#[tokio::test(flavor = "multi_thread")]
async fn with_all_wakeups_dropped_everything_still_runs() {
    let (running, mut jobs) = Running::start(ENDS, 3, true).await;
    for _ in 0..3 {
        jobs.push(running.harness.enqueue(job(running.harness.kind("kind"))).await);
    }
    for id in jobs {
        running.wait_for(id, JobState::Succeeded).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_interrupts_what_runs_and_leaves_nothing_held() {
    let (running, jobs) = Running::start(SPINS, 40, false).await;
    let handle = running.handle.clone();
    eventually("both slots are busy", || handle.slots().used == 2).await;
    let (harness, host) = running.stop().await;
    assert!(handle.is_stopping());
    for id in &jobs {
        assert_eq!(harness.row(*id).await.state, JobState::Ready);
        assert!(handle.active(*id).is_none());
    }
    // All of them can be claimed again, so none is leased.
    assert_eq!(harness.claim(host, 100).await.len(), jobs.len());
}

/// Each claim raises the lease number and costs a write.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_in_front_of_busy_slots_costs_one_claim_and_not_one_a_second() {
    let (running, jobs) = Running::start(SPINS, 10, false).await;
    let handle = running.handle.clone();
    eventually("both slots are busy", || handle.slots().used == 2).await;
    eventually("what waits was given back and looked for again", || handle.parts.tally.scans() >= 7).await;
    assert!(handle.metrics().claimed <= 4, "{} claims for two slots and two ahead", handle.metrics().claimed);
    // Whoever comes first when a slot is free has it, however late it came.
    let urgent = NewJob {
        spec: JobSpec { priority: 0, ..job(running.harness.kind("kind")).spec },
        ..job(running.harness.kind("kind"))
    };
    let urgent = running.harness.enqueue(urgent).await;
    let busy = jobs.iter().find(|id| handle.active(**id).is_some()).unwrap();
    let (_, number) = running.harness.row(*busy).await.leased_by.unwrap();
    handle.interrupt((*busy, number), FailureReason::Cancelled);
    eventually("the free slot runs the urgent job", || handle.active(urgent).is_some()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_reaches_a_job_that_waits_in_the_feed() {
    let (running, jobs) = Running::start(SPINS, 2, false).await;
    let handle = running.handle.clone();
    eventually("both slots are busy", || handle.slots().used == 2).await;
    for id in &jobs {
        assert!(running.harness.store.cancel(crate::store::TenantId::DEFAULT, *id).await.is_ok());
        let (_, number) = running.harness.row(*id).await.leased_by.unwrap();
        running.handle.interrupt((*id, number), FailureReason::Cancelled);
    }
    for id in jobs {
        running.wait_for(id, JobState::Cancelled).await;
    }
    running.stop().await;
}
