//! The dispatcher as a service: starts the slots, looks after the claims, and stops in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::active::Active;
use super::attempt::AttemptRunner;
use super::claims::Claims;
use super::estimate::Estimates;
use super::feed::{Feed, FeedItem};
use super::guests::{Guests, Returns};
use super::handle::DispatcherHandle;
use super::lane::Lane;
use super::outcomes::{OutcomeWriter, Outcomes};
use super::slot::{self, SlotParts};
use super::tally::Tally;
use crate::attempt::JobRequests;
use crate::job::{Clock, FailureReason, HostId, LimitBounds, WaitingReason};
use crate::modules::Validators;
use crate::postgres::Servers;
use crate::sandbox::Sandbox;
use crate::secrets::Vault;
use crate::store::{Claimant, LeaseKey, Store, StoreError};

/// Expected run time that may wait in front of each guest thread.
const CLAIM_AHEAD_US: u64 = 5_000;
/// When estimates were wrong, so many times as much may wait before the rest is given back.
const EXCESS_FACTOR: u64 = 2;
/// Jobs are looked for at least this often, should a wake-up be lost.
const SCAN_PERIOD: Duration = Duration::from_millis(500);
/// How often running jobs are looked through for what should be written of them.
const SHOW_PERIOD: Duration = Duration::from_millis(20);
/// A job that has run for so long is written as `running`.
const SHOW_AFTER: Duration = Duration::from_millis(20);
/// Progress is written once in so many looks.
const PROGRESS_LOOKS: u32 = 25;
/// Between two tries to pass through the writer's full queue when stopping.
const SETTLE_DELAY: Duration = Duration::from_millis(10);
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
    /// How long mail is tried; `None`: there is no server to give it to.
    pub mail_tried_for: Option<Duration>,
    /// How long running attempts may go on once stopping.
    pub shutdown_grace: Duration,
    /// For tests: heed no wake-up, only periodic looks.
    pub ignore_wakeups: bool,
}

/// What the dispatcher works with.
#[derive(Debug)]
pub struct DispatcherParts {
    /// Everything durable.
    pub store: Store,
    /// Runs guests.
    pub sandbox: Sandbox,
    /// Compiled schemas.
    pub validators: Validators,
    /// Checks what handlers ask to be enqueued.
    pub requests: Arc<dyn JobRequests>,
    /// Where secrets are.
    pub vault: Vault,
    /// Databases on servers.
    pub servers: Servers,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Raised when parked jobs are to be looked at.
    pub unpark: Arc<Notify>,
}

/// The service behind a [`DispatcherHandle`].
pub struct Dispatcher {
    options: DispatcherOptions,
    parts: Arc<SlotParts>,
    outcome_writer: OutcomeWriter,
    claims: Arc<Claims>,
    to_park: mpsc::UnboundedReceiver<Vec<FeedItem>>,
    stopping: Arc<AtomicBool>,
    sandbox: Sandbox,
}

impl Returns for SlotParts {
    fn give_back(&self, items: Vec<FeedItem>, why: &str) {
        for item in items {
            self.give_back(item.job, why);
        }
    }
}

impl Dispatcher {
    /// The service and its handle; to be called inside the runtime. The dispatcher signals `unpark` when a module has
    /// been loaded whose jobs were parked.
    pub fn new(parts: DispatcherParts, options: DispatcherOptions) -> (Dispatcher, DispatcherHandle) {
        let DispatcherParts { store, sandbox, validators, requests, vault, servers, clock, unpark } = parts;
        let active = Arc::new(Active::default());
        let (outcomes, outcome_writer) = Outcomes::new(store.clone(), Arc::clone(&active));
        let feed = {
            let store = store.clone();
            Arc::new(Feed::new(Box::new(move || store.look_for_jobs())))
        };
        let runner = AttemptRunner {
            store: store.clone(),
            vault,
            servers,
            sandbox: sandbox.clone(),
            validators,
            requests,
            mail_tried_for: options.mail_tried_for,
            bounds: options.bounds,
            clock,
        };
        let parts = Arc::new(SlotParts {
            store,
            feed: Arc::clone(&feed),
            active,
            runner,
            outcomes,
            estimates: parking_lot::Mutex::new(Estimates::default()),
            tally: Tally::default(),
            lane: Lane::default(),
        });
        let returns: Arc<dyn Returns> = Arc::clone(&parts) as Arc<dyn Returns>;
        let guests = Guests::new(sandbox.clone(), parts.store.clone(), feed, returns, unpark);
        let (to_park, parked) = mpsc::unbounded_channel();
        let claims = Arc::new(Claims {
            parts: Arc::clone(&parts),
            guests: guests.clone(),
            host: options.host,
            slots: options.slots,
            ahead_us: CLAIM_AHEAD_US * options.guest_threads as u64,
            to_park,
            asking: AtomicBool::new(!options.ignore_wakeups),
            started: std::time::Instant::now(),
        });
        let stopping = Arc::new(AtomicBool::new(false));
        let handle = DispatcherHandle {
            parts: Arc::clone(&parts),
            guests: guests.clone(),
            slots_total: options.slots,
            stopping: Arc::clone(&stopping),
        };
        (Dispatcher { options, parts, outcome_writer, claims, to_park: parked, stopping, sandbox }, handle)
    }

    /// Runs until `stop`, then drains: running attempts may go on for the grace period, or until `hurry`.
    pub async fn run(self, stop: CancellationToken, hurry: CancellationToken) {
        let Dispatcher { options, parts, outcome_writer, claims, to_park, stopping, sandbox } = self;
        let writer = tokio::spawn(outcome_writer.run());
        for slot in 0..options.slots {
            sandbox.spawn(slot::run(slot, Arc::clone(&parts), claims.guests.clone()));
        }
        let claimant: Arc<dyn Claimant> = Arc::clone(&claims) as Arc<dyn Claimant>;
        parts.store.claim_for(Arc::downgrade(&claimant));
        let mut upkeep = Upkeep { claims: &claims, to_park, scans_only: options.ignore_wakeups, stop: &stop };
        let shower = Shower(&parts);
        // Upkeep ends by itself, between two of its steps; showing may be broken off anywhere.
        tokio::select! {
            () = upkeep.run() => {}
            () = shower.run() => {}
        }
        stopping.store(true, Ordering::Relaxed);
        claims.asking.store(false, Ordering::SeqCst);
        settle(&parts.store).await;
        let unstarted = upkeep.take_all().into_iter().chain(claims.guests.close()).chain(parts.feed.close()).collect();
        stop_in_order(&options, &parts, unstarted, &stop, &hurry).await;
        writer.abort();
    }
}

/// Parks and gives back jobs on behalf of the claims, and looks for work from time to time.
struct Upkeep<'a> {
    claims: &'a Claims,
    to_park: mpsc::UnboundedReceiver<Vec<FeedItem>>,
    scans_only: bool,
    stop: &'a CancellationToken,
}

impl Upkeep<'_> {
    /// Until `stop`.
    async fn run(&mut self) {
        let mut scan_at = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                Some(items) = self.to_park.recv() => self.park(items).await,
                () = tokio::time::sleep_until(scan_at) => {
                    self.scan().await;
                    scan_at = Instant::now() + SCAN_PERIOD;
                }
            }
        }
    }

    /// What makes every wake-up a hint: gives back what waits too long in front of busy slots, so that jobs of higher
    /// priority and other hosts come to their turn, and looks for jobs.
    async fn scan(&self) {
        let parts = &self.claims.parts;
        let excess = {
            let estimates = parts.estimates.lock();
            parts.feed.take_excess(self.claims.ahead_us * EXCESS_FACTOR, |kind| estimates.of(kind))
        };
        if !excess.is_empty() {
            release(parts, excess, None, self.stop).await;
        }
        self.claims.asking.store(true, Ordering::SeqCst);
        parts.store.look_for_jobs();
        parts.tally.scanned();
        if self.scans_only {
            settle(&parts.store).await;
            self.claims.asking.store(false, Ordering::SeqCst);
        }
    }

    async fn park(&self, items: Vec<FeedItem>) {
        let kinds: Vec<_> = items.iter().map(|item| item.job.kind.id).collect();
        release(&self.claims.parts, items, Some(WaitingReason::Compiling), self.stop).await;
        // A load may have ended in between, or another version come, and with it the signal to unpark.
        self.claims.guests.unpark_if_loaded(&kinds);
    }

    /// What was still to be parked when the stop came.
    fn take_all(&mut self) -> Vec<FeedItem> {
        std::iter::from_fn(|| self.to_park.try_recv().ok()).flatten().collect()
    }
}

/// Gives jobs back whose guests were not entered; with a reason they are parked under it. Tries until it succeeds,
/// since a live host's leases are never recovered; when stopping once, since signing off frees what is left.
async fn release(parts: &SlotParts, items: Vec<FeedItem>, parked: Option<WaitingReason>, stop: &CancellationToken) {
    let held: Vec<_> = items.iter().map(|item| (item.job.lease.job(), item.job.lease.number())).collect();
    let suspect =
        items.iter().find(|item| item.job.suspect).map(|item| (item.job.lease.job(), item.job.lease.number()));
    let leases: Arc<[_]> = items.into_iter().map(|item| item.job.lease).collect();
    while let Err(error) = parts.store.release(Arc::clone(&leases), parked).await {
        if stop.is_cancelled() || matches!(error, StoreError::Closed) {
            tracing::warn!(%error, jobs = held.len(), "could not give jobs back; they are freed with this host");
            break;
        }
        tracing::warn!(%error, jobs = held.len(), "could not give jobs back; trying again");
        tokio::time::sleep(SCAN_PERIOD).await;
    }
    for lease in held {
        parts.active.remove(lease);
    }
    if let Some(suspect) = suspect {
        parts.leave_lane(suspect);
    }
}

/// Writes what should be seen of running jobs: that they run, and how far they are.
struct Shower<'a>(&'a SlotParts);

impl Shower<'_> {
    async fn run(&self) {
        let mut looks = 0;
        loop {
            tokio::time::sleep(SHOW_PERIOD).await;
            if self.0.tally.slots_used() == 0 {
                continue;
            }
            looks += 1;
            if let Err(error) = self.show(looks % PROGRESS_LOOKS == 0).await {
                tracing::warn!(%error, "could not write what runs; trying again");
                tokio::time::sleep(SCAN_PERIOD).await;
            }
        }
    }

    async fn show(&self, with_progress: bool) -> Result<(), StoreError> {
        let SlotParts { active, store, .. } = self.0;
        let unshown = active.unshown(SHOW_AFTER);
        if !unshown.is_empty() {
            let stale = store.mark_running(unshown.clone()).await?;
            active.shown(&unshown);
            self.end(stale);
        }
        let progress = if with_progress { active.unwritten_progress() } else { Vec::new() };
        if !progress.is_empty() {
            let stale = store.write_progress(progress.clone()).await?;
            active.progress_written(progress);
            self.end(stale);
        }
        Ok(())
    }

    /// These are others' now. (Or their outcome was written meanwhile: then nothing is left to interrupt.)
    fn end(&self, stale: Vec<LeaseKey>) {
        for lease in stale {
            self.0.active.interrupt(lease, FailureReason::HostLost);
        }
    }
}

/// Until no claim is under way.
async fn settle(store: &Store) {
    while let Err(error) = store.claims_settled().await {
        // Any answer but this one comes from the writer, after what it did before.
        if !matches!(error, StoreError::Busy { .. }) {
            return;
        }
        tokio::time::sleep(SETTLE_DELAY).await;
    }
}

/// Guarantee 10: give back what was not entered, drain, interrupt the rest, write every outcome.
async fn stop_in_order(
    options: &DispatcherOptions,
    parts: &Arc<SlotParts>,
    unstarted: Vec<FeedItem>,
    stop: &CancellationToken,
    hurry: &CancellationToken,
) {
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
