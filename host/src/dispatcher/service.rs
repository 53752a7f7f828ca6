//! The claim loop: asks the store for jobs whenever slots or the feed want some, and stops in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::active::Active;
use super::attempt::AttemptRunner;
use super::estimate::{Estimates, jobs_to_claim};
use super::feed::{Feed, FeedItem};
use super::guests::{FailedLoad, Guests, Sorted};
use super::handle::DispatcherHandle;
use super::outcomes::{OutcomeWriter, Outcomes};
use super::slot::{self, SlotParts};
use super::tally::Tally;
use super::wakeup::Wakeup;
use crate::job::{Clock, CompiledFrom, FailureReason, HostId, LimitBounds, WaitingReason};
use crate::modules::Validators;
use crate::sandbox::{Interrupt, ProgressCell, Sandbox, SandboxError};
use crate::store::{ClaimRequest, ClaimedJob, Store, StoreError};

/// Jobs asked for at once.
pub const CLAIM_JOBS_MAX: usize = 512;
/// Payload bytes asked for at once.
const CLAIM_PAYLOAD_BYTES_MAX: usize = 8 << 20;
/// Expected run time that may wait in front of each guest thread.
const CLAIM_AHEAD_US: u64 = 5_000;
/// The loop looks at least this often, should a wake-up be lost.
const SCAN_PERIOD: Duration = Duration::from_millis(500);
/// How often running jobs are looked through for what should be written of them.
const SHOW_PERIOD: Duration = Duration::from_millis(20);
/// A job that has run for so long is written as `running`.
const SHOW_AFTER: Duration = Duration::from_millis(20);
/// Progress is written once in so many looks.
const PROGRESS_LOOKS: u32 = 25;
/// How long interrupted guests may take to end, and outcomes to be written, when stopping.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How the dispatcher is set up.
#[derive(Clone, Debug)]
pub struct DispatcherOptions {
    /// This process.
    pub host: HostId,
    /// Attempts that may run at once.
    pub slots: u32,
    /// Threads they share.
    pub guest_threads: usize,
    /// The host's limits.
    pub bounds: LimitBounds,
    /// How long running attempts may go on once stopping.
    pub shutdown_grace: Duration,
}

/// The service behind a [`DispatcherHandle`].
pub struct Dispatcher {
    options: DispatcherOptions,
    parts: Arc<SlotParts>,
    guests: Guests,
    outcome_writer: OutcomeWriter,
    stopping: Arc<AtomicBool>,
    sandbox: Sandbox,
    clock: Arc<dyn Clock>,
}

impl FailedLoad for SlotParts {
    fn load_failed(&self, items: Vec<FeedItem>, error: &SandboxError) {
        for item in items {
            let suspect = item.job.suspect;
            let (finish, outcome) = self.runner.not_loaded(item.job, error);
            self.tally.ended(&outcome, &finish.receipt);
            self.outcomes.submit(finish);
            if suspect {
                self.suspect_ended();
            }
        }
    }
}

impl Dispatcher {
    /// The service and its handle. `wakeup` is signalled when jobs become ready; the dispatcher signals `unpark` when
    /// a module has been loaded whose jobs were parked.
    pub fn new(
        store: Store,
        sandbox: Sandbox,
        validators: Validators,
        clock: Arc<dyn Clock>,
        wakeup: Wakeup,
        unpark: Arc<Notify>,
        options: DispatcherOptions,
    ) -> (Dispatcher, DispatcherHandle) {
        let active = Arc::new(Active::default());
        let (outcomes, outcome_writer) = Outcomes::new(store.clone(), Arc::clone(&active));
        let feed = Arc::new(Feed::new(wakeup.clone()));
        let runner =
            AttemptRunner { sandbox: sandbox.clone(), validators, bounds: options.bounds, clock: Arc::clone(&clock) };
        let parts = Arc::new(SlotParts {
            store,
            feed: Arc::clone(&feed),
            active,
            runner,
            outcomes,
            estimates: parking_lot::Mutex::new(Estimates::default()),
            tally: Tally::default(),
            wakeup,
            suspect_runs: AtomicBool::new(false),
        });
        let guests = Guests::new(sandbox.clone(), feed, Arc::clone(&parts) as Arc<dyn FailedLoad>, unpark);
        let stopping = Arc::new(AtomicBool::new(false));
        let handle = DispatcherHandle {
            parts: Arc::clone(&parts),
            guests: guests.clone(),
            slots_total: options.slots,
            stopping: Arc::clone(&stopping),
        };
        (Dispatcher { options, parts, guests, outcome_writer, stopping, sandbox, clock }, handle)
    }

    /// Runs until `stop`, then drains: running attempts may go on for the grace period, or until `hurry`.
    pub async fn run(self, stop: CancellationToken, hurry: CancellationToken) {
        let Dispatcher { options, parts, guests, outcome_writer, stopping, sandbox, clock } = self;
        let writer = tokio::spawn(outcome_writer.run());
        for slot in 0..options.slots {
            sandbox.spawn(slot::run(slot, Arc::clone(&parts)));
        }
        let claims = ClaimLoop { options: &options, parts: &parts, guests: &guests, stop: &stop };
        let shower = Shower { parts: Arc::clone(&parts), clock };
        // The claim loop ends by itself: a claim under way is answered first, and what it gave is given back.
        tokio::select! {
            () = claims.run() => {}
            () = shower.run() => {}
        }
        stopping.store(true, Ordering::Relaxed);
        stop_in_order(&options, &parts, &guests, &stop, &hurry).await;
        writer.abort();
    }
}

struct ClaimLoop<'a> {
    options: &'a DispatcherOptions,
    parts: &'a SlotParts,
    guests: &'a Guests,
    stop: &'a CancellationToken,
}

impl ClaimLoop<'_> {
    /// Until `stop`, between two claims and never within one.
    async fn run(&self) {
        if self.options.slots == 0 {
            return self.stop.cancelled().await;
        }
        let mut more = true;
        while !self.stop.is_cancelled() {
            more |= self.parts.wakeup.take_jobs_ready();
            if !more || self.wanted() == 0 {
                // A signal given since the last wait counts, so nothing between the claim and here is missed.
                tokio::select! {
                    () = self.parts.wakeup.signalled() => {}
                    () = tokio::time::sleep(SCAN_PERIOD) => more = true,
                    () = self.stop.cancelled() => {}
                }
                continue;
            }
            more = self.claim().await;
        }
    }

    fn budget_us(&self) -> u64 {
        CLAIM_AHEAD_US * self.options.guest_threads as u64
    }

    fn wanted(&self) -> usize {
        if !self.parts.store.is_writable() {
            return 0;
        }
        let level = self.parts.feed.level();
        let typical_us = self.parts.estimates.lock().typical_us();
        jobs_to_claim(level.idle_slots, level.queued, level.queued_us, typical_us, self.budget_us())
    }

    /// One claim. Returns whether more jobs are ready.
    async fn claim(&self) -> bool {
        let jobs_max = self.wanted();
        let suspect_allowed = !self.parts.suspect_runs.load(Ordering::Acquire);
        let request = ClaimRequest {
            host: self.options.host,
            jobs_max,
            payload_bytes_max: CLAIM_PAYLOAD_BYTES_MAX,
            suspect_allowed,
            loading: self.guests.loading(),
        };
        self.parts.active.claim_begins();
        let claimed = match self.parts.store.claim(request).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.parts.active.claim_ends(std::iter::empty());
                tracing::warn!(%error, "could not claim jobs; trying again");
                tokio::time::sleep(SCAN_PERIOD).await;
                return true;
            }
        };
        let more = claimed.more;
        self.parts.tally.claimed(claimed.jobs.len());
        let items: Vec<FeedItem> = {
            let mut estimates = self.parts.estimates.lock();
            claimed.jobs.into_iter().map(|job| feed_item(job, &mut estimates)).collect()
        };
        if items.iter().any(|item| item.job.suspect) {
            self.parts.suspect_runs.store(true, Ordering::Release);
        }
        self.parts.active.claim_ends(items.iter().map(|item| {
            let lease = &item.job.lease;
            (lease.job(), lease.number(), lease.attempt(), item.interrupt.clone(), item.progress.clone())
        }));
        let Sorted { runnable, parked } = self.guests.sort(items);
        self.parts.feed.push(runnable);
        if !parked.is_empty() {
            let kinds: Vec<_> = parked.iter().map(|item| item.job.kind.id).collect();
            release(self.parts, parked, Some(WaitingReason::Compiling), self.stop).await;
            // A load may have ended in between, and with it the signal to unpark.
            self.guests.unpark_if_loaded(&kinds);
        }
        // The mix changed to longer jobs: what now waits too long in front of busy slots goes back, for other hosts
        // and for jobs of higher priority.
        let excess = self.parts.feed.take_excess(self.options.slots as usize, self.budget_us() * 4);
        if !excess.is_empty() {
            release(self.parts, excess, None, self.stop).await;
        }
        more
    }
}

fn feed_item(job: ClaimedJob, estimates: &mut Estimates) -> FeedItem {
    let estimate_us = estimates.expect(job.kind.id);
    FeedItem {
        job,
        compiled: CompiledFrom::Hit,
        interrupt: Interrupt::default(),
        progress: ProgressCell::default(),
        estimate_us,
    }
}

/// Gives jobs back whose guests were not entered; with a reason they are parked under it. Tries until it succeeds,
/// since a live host's leases are never recovered; when stopping once, since signing off frees what is left.
async fn release(parts: &SlotParts, items: Vec<FeedItem>, parked: Option<WaitingReason>, stop: &CancellationToken) {
    let held: Vec<_> = items.iter().map(|item| (item.job.lease.job(), item.job.lease.number())).collect();
    let suspect = items.iter().any(|item| item.job.suspect);
    let leases: Arc<[_]> = items.into_iter().map(|item| item.job.lease).collect();
    while let Err(error) = parts.store.release(Arc::clone(&leases), parked).await {
        if stop.is_cancelled() || matches!(error, StoreError::Closed) {
            tracing::warn!(%error, jobs = held.len(), "could not give jobs back; they are freed with this host");
            break;
        }
        tracing::warn!(%error, jobs = held.len(), "could not give jobs back; trying again");
        tokio::time::sleep(SCAN_PERIOD).await;
    }
    for (job, number) in held {
        parts.active.remove(job, number);
    }
    if suspect {
        parts.suspect_ended();
    }
}

/// Writes what should be seen of running jobs: that they run, and how far they are.
struct Shower {
    parts: Arc<SlotParts>,
    clock: Arc<dyn Clock>,
}

impl Shower {
    async fn run(&self) {
        let mut looks = 0;
        loop {
            tokio::time::sleep(SHOW_PERIOD).await;
            if self.parts.tally.slots_used() == 0 {
                continue;
            }
            let entered_before = crate::job::Timestamp(
                self.clock.now().as_ms() - i64::try_from(SHOW_AFTER.as_millis()).unwrap_or_default(),
            );
            let unshown = self.parts.active.take_unshown(entered_before);
            if !unshown.is_empty()
                && let Err(error) = self.parts.store.mark_running(unshown).await
            {
                tracing::warn!(%error, "could not mark jobs as running");
            }
            looks += 1;
            if looks % PROGRESS_LOOKS == 0 {
                let progress = self.parts.active.take_progress();
                if !progress.is_empty()
                    && let Err(error) = self.parts.store.write_progress(progress).await
                {
                    tracing::warn!(%error, "could not write progress");
                }
            }
        }
    }
}

/// Guarantee 10: give back what was not entered, drain, interrupt the rest, write every outcome.
async fn stop_in_order(
    options: &DispatcherOptions,
    parts: &Arc<SlotParts>,
    guests: &Guests,
    stop: &CancellationToken,
    hurry: &CancellationToken,
) {
    let mut unstarted = parts.feed.close();
    unstarted.extend(guests.take_all());
    if !unstarted.is_empty() {
        release(parts, unstarted, None, stop).await;
    }
    let drained = wait_for_slots(parts, options.shutdown_grace, hurry).await;
    if !drained {
        tracing::info!(running = parts.tally.slots_used(), "interrupting running jobs; they will run again");
        parts.active.interrupt_all(FailureReason::Shutdown);
        let never = CancellationToken::new();
        if !wait_for_slots(parts, STOP_TIMEOUT, &never).await {
            tracing::error!(running = parts.tally.slots_used(), "guests did not end; their jobs are recovered later");
        }
    }
    if tokio::time::timeout(STOP_TIMEOUT, parts.outcomes.drained()).await.is_err() {
        tracing::error!(outcomes = parts.outcomes.waiting(), "outcomes could not be written; their jobs run again");
    }
}

/// Until no slot is in use; `false` when that took longer than `grace` or `hurry` came.
async fn wait_for_slots(parts: &SlotParts, grace: Duration, hurry: &CancellationToken) -> bool {
    let idle = async {
        while parts.tally.slots_used() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = idle => true,
        () = tokio::time::sleep(grace) => false,
        () = hurry.cancelled() => false,
    }
}
