//! The whole dispatcher on a real store and real guests: it runs what is ready, also with every wake-up dropped, and
//! a stop leaves no job held.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dispatcher::tests::{DEADLINE, eventually};
use crate::dispatcher::{Dispatcher, DispatcherHandle, DispatcherOptions, DispatcherParts};
use crate::job::{Digest, FailureReason, GuestType, HostId, JobId, JobSpec, JobState, LimitBounds, StdoutFormat};
use crate::modules::Validators;
use crate::sandbox::testing::Bench;
use crate::secrets::{KeyRing, Vault};
use crate::store::tests::{Harness, job, new_version};
use crate::store::{NewJob, Store, TenantId};

const ENDS: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
const SPINS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $again (br $again))))"#;

/// Makes `guest` the active version of the module that serves `kind`, and loads it.
async fn deploy(harness: &Harness, bench: &Bench, guest: &str) -> Digest {
    let digest = bench.add(guest);
    let mut version = new_version(&harness.store, "m", &["kind"]).await;
    harness.store.write_module_chunk(digest, 0, guest.to_owned().into()).await.unwrap();
    version.digest = digest;
    version.size_bytes = guest.len() as u64;
    version.guest = GuestType::CoreCommand;
    version.kinds[0].settings.stdout = Some(StdoutFormat::Text);
    harness.store.activate_new(version, false).await.unwrap();
    bench.sandbox.guest(digest, GuestType::CoreCommand).await.unwrap();
    digest
}

/// Its guests ask for no jobs.
#[derive(Debug)]
struct NoRequests;

impl crate::attempt::JobRequests for NoRequests {
    fn check(
        &self,
        _: crate::store::TenantId,
        _: bytes::Bytes,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<crate::store::NewJob, Vec<crate::job::field::FieldError>>> + Send + '_>,
    > {
        Box::pin(async { Err(Vec::new()) })
    }
}

/// What upkeep does at the signal.
async fn unpark_at(signal: Arc<Notify>, store: Store, handle: DispatcherHandle) {
    loop {
        signal.notified().await;
        let mut after = None;
        while let Ok(Some(kind)) = store.unpark(handle.absent_modules(), after).await {
            after = Some(kind);
        }
    }
}

/// A running dispatcher with what is under it.
struct Running {
    harness: Harness,
    bench: Bench,
    host: HostId,
    handle: DispatcherHandle,
    unpark: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Two slots; jobs of `kind` run `guest`, and so many wait already.
    async fn start(guest: &str, waiting: usize, ignore_wakeups: bool) -> (Self, Vec<JobId>) {
        Self::start_as(guest, waiting, ignore_wakeups, |_, _| {}).await
    }

    /// The same, with what `change` makes of the module before anybody asks for it.
    async fn start_as(
        guest: &str,
        waiting: usize,
        ignore_wakeups: bool,
        change: impl FnOnce(&Bench, Digest),
    ) -> (Self, Vec<JobId>) {
        let (harness, bench) = (Harness::new(), Bench::new());
        let digest = deploy(&harness, &bench, guest).await;
        change(&bench, digest);
        let host = harness.store.register_host(2, "1").await.unwrap();
        let mut jobs = Vec::new();
        for _ in 0..waiting {
            jobs.push(harness.enqueue(job(harness.kind("kind"))).await);
        }
        let unpark = Arc::new(Notify::new());
        let options = DispatcherOptions {
            host,
            slots: 2,
            guest_threads: 2,
            bounds: LimitBounds::default(),
            mail_tried_for: None,
            shutdown_grace: Duration::ZERO,
            ignore_wakeups,
        };
        let (dispatcher, handle) = Dispatcher::new(
            DispatcherParts {
                store: harness.store.clone(),
                sandbox: bench.sandbox.clone(),
                validators: Validators::default(),
                requests: Arc::new(NoRequests),
                vault: Vault::new(harness.store.clone(), KeyRing::default()),
                servers: crate::postgres::Servers::new(
                    harness.store.clone(),
                    Vault::new(harness.store.clone(), KeyRing::default()),
                    bench.sandbox.way_to_servers(),
                    LimitBounds::default().ceilings.timeout,
                ),
                clock: Arc::clone(&harness.clock) as Arc<dyn crate::job::Clock>,
                unpark: Arc::clone(&unpark),
            },
            options,
        );
        tokio::spawn(unpark_at(Arc::clone(&unpark), harness.store.clone(), handle.clone()));
        let stop = CancellationToken::new();
        let task = tokio::spawn(dispatcher.run(stop.clone(), CancellationToken::new()));
        (Self { harness, bench, host, handle, unpark, stop, task }, jobs)
    }

    /// Ends what runs in a slot.
    async fn cancel_running(&self, job: JobId) {
        let (_, number) = self.harness.row(job).await.leased_by.unwrap();
        self.handle.interrupt((job, number), FailureReason::Cancelled);
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
    let (running, jobs) = Running::start(SPINS, 40, false).await;
    let handle = running.handle.clone();
    eventually("both slots are busy", || handle.slots().used == 2).await;
    eventually("what waits was given back and looked for again", || handle.parts.tally.scans() >= 7).await;
    assert!(handle.metrics().claimed <= 12, "{} claims for two slots and ten ahead", handle.metrics().claimed);
    // Whoever comes first when a slot is free has it, however late it came.
    let urgent = NewJob {
        spec: JobSpec { priority: 0, ..job(running.harness.kind("kind")).spec },
        ..job(running.harness.kind("kind"))
    };
    let urgent = running.harness.enqueue(urgent).await;
    let busy = jobs.iter().find(|id| handle.active(**id).is_some()).unwrap();
    running.cancel_running(*busy).await;
    eventually("the free slot runs the urgent job", || handle.active(urgent).is_some()).await;
    running.stop().await;
}

/// It was claimed for the first version and waits in front of busy slots.
#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_job_whose_version_was_replaced_runs_on_the_new_one() {
    for deleted in [false, true] {
        let (running, busy) = Running::start(SPINS, 2, false).await;
        let handle = running.handle.clone();
        eventually("both slots are busy", || handle.slots().used == 2).await;
        let first = running.harness.row(busy[0]).await.module.unwrap().1;
        let claimed = running.harness.enqueue(job(running.harness.kind("kind"))).await;
        eventually("it is claimed", || handle.metrics().claimed == 3).await;
        let second = deploy(&running.harness, &running.bench, ENDS).await;
        if deleted {
            running.bench.remove(first);
        }
        for id in busy {
            running.cancel_running(id).await;
        }
        running.wait_for(claimed, JobState::Succeeded).await;
        let attempts = running.harness.store.attempts(TenantId::DEFAULT, claimed).await.unwrap().unwrap();
        let made: Vec<_> = attempts.iter().map(|made| (made.attempt, made.module.clone().unwrap().1)).collect();
        assert_eq!(made, [(1, second)], "one attempt, and it is the new version's");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_cannot_be_loaded_is_tried_seldom_and_costs_its_jobs_nothing() {
    let absent = |bench: &Bench, digest| bench.remove(digest);
    let (running, jobs) = Running::start_as(ENDS, 100, false, absent).await;
    let (handle, digest) = (running.handle.clone(), running.harness.row(jobs[0]).await.module.unwrap().1);
    let before = running.bench.modules.asked();
    eventually("the load failed", || handle.load_failure(digest).is_some()).await;
    let told = handle.load_failure(digest).unwrap();
    assert!(told.message.contains("not in the store"), "{told:?}");
    // Time for many more tries, were they made.
    let scans = handle.parts.tally.scans();
    eventually("it was looked for work some times", || handle.parts.tally.scans() >= scans + 4).await;
    assert!(running.bench.modules.asked() <= before + 1, "{}", running.bench.modules.asked());
    for id in &jobs {
        let row = running.harness.row(*id).await;
        assert_eq!((row.state, row.attempt, row.error), (JobState::Ready, 0, None));
    }
    assert_eq!(running.bench.add(ENDS), digest);
    for id in jobs {
        running.wait_for(id, JobState::Succeeded).await;
        assert_eq!(running.harness.row(id).await.attempt, 1);
    }
    assert!(handle.load_failure(digest).is_none());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_not_kept_waiting_by_one_that_cannot_be_loaded() {
    let absent = |bench: &Bench, digest| bench.remove(digest);
    let (running, jobs) = Running::start_as(ENDS, 50, false, absent).await;
    let (handle, digest) = (running.handle.clone(), running.harness.row(jobs[0]).await.module.unwrap().1);
    eventually("the load failed", || handle.load_failure(digest).is_some()).await;
    let other = ENDS.replace("1)", "2)");
    let other = deploy(&running.harness, &running.bench, &other).await;
    running.unpark.notify_one();
    for id in jobs {
        running.wait_for(id, JobState::Succeeded).await;
        assert_eq!(running.harness.row(id).await.module.unwrap().1, other);
    }
    eventually("nobody tries the other any more", || handle.absent_modules().is_empty()).await;
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
