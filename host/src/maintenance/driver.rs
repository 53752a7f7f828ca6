//! Runs each task in a loop of its own: now, after its period, and at its signal.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::status::MaintenanceStatus;
use super::tasks::{
    CancelBatches, DeliverMail, ExpireJobs, GiveBackSpace, Heartbeat, NoteKeyUses, PromoteDue, PruneAudit,
    PruneBatches, PruneConcurrencyKeys, PruneEmittedEvents, PruneEvents, PruneIdempotencyKeys, PruneJobs, PruneKv,
    PruneMails, PruneModuleChunks, PruneNotifications, PruneOperations, PruneUniqueJobs, PruneUsage, RecoverExpired,
    ReencryptSecrets, RemoveTenants, RunSchedules, ScanStoredBytes, SettleDependents, SweepHistory, Unpark,
    WorkOffOperations,
};
use crate::dispatcher::DispatcherHandle;
use crate::job::{Clock, Digest, HostId};
use crate::mail::Courier;
use crate::secrets::Vault;
use crate::store::{MailTerms, Store, StoreError};

/// After a failure a task waits this long, or its period if that is shorter.
const FAILURE_DELAY: Duration = Duration::from_secs(1);

/// What a run says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing left to do now.
    Done,
    /// Nothing left to do until then, if that is before the period.
    DoneUntil(Duration),
    /// More is left: at once.
    Again,
}

impl Turn {
    pub(super) fn from_more(more: bool) -> Self {
        if more { Turn::Again } else { Turn::Done }
    }
}

/// A piece of upkeep: idempotent, bounded, without input.
pub(super) trait Task: Send + Sync + 'static {
    /// The word in logs and metrics.
    fn name(&self) -> &'static str;
    /// Longest time between two runs.
    fn period(&self) -> Duration;
    /// Does a bounded amount.
    fn run(&self) -> impl Future<Output = Result<Turn, StoreError>> + Send;
}

/// Wakes tasks before their period is over. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MaintenanceSignals {
    promote_due: Arc<Notify>,
    unpark: Arc<Notify>,
    run_schedules: Arc<Notify>,
    settle: Arc<Notify>,
    cancel_batches: Arc<Notify>,
    mail: Arc<Notify>,
}

impl MaintenanceSignals {
    /// A job was written that is due at some time.
    pub fn due_changed(&self) {
        self.promote_due.notify_one();
    }

    /// A schedule may have come to have something to do.
    pub fn schedules_changed(&self) {
        self.run_schedules.notify_one();
    }

    /// A mail was written, or is to be sent now.
    pub fn mail_due(&self) {
        self.mail.notify_one();
    }

    /// A commit left work on jobs that wait for others, or are of a batch.
    pub fn ties_left(&self) {
        self.settle.notify_one();
        self.cancel_batches.notify_one();
    }

    /// Modules or kinds changed, or a module was loaded.
    pub fn unpark(&self) -> Arc<Notify> {
        Arc::clone(&self.unpark)
    }
}

/// How upkeep is set up.
#[derive(Clone, Debug)]
pub struct MaintenanceOptions {
    /// This process.
    pub host: HostId,
    /// Attempts it may run at once.
    pub slots: u32,
    /// Whether it has signed on already; if not, its heartbeat does.
    pub is_registered: bool,
    /// Raised when another host took this one for dead: it must end, since nothing here is its own any more.
    pub taken_for_dead: CancellationToken,
    /// A host that has not been heard of for so long has lost its leases.
    pub lease_ttl: Duration,
    /// How long it is kept what tenants used.
    pub usage_keep: Duration,
    /// How long the event log is kept: age.
    pub events_keep: Duration,
    /// How long the event log is kept: bytes.
    pub events_keep_bytes: u64,
    /// How long the audit log is kept.
    pub audit_keep: Duration,
    /// How long notifications are kept.
    pub notifications_keep: Duration,
    /// How mail goes out.
    pub mail_terms: Arc<MailTerms>,
    /// How long mail is kept that is over.
    pub mail_keep: Duration,
}

/// All tasks.
pub struct Maintenance {
    store: Store,
    vault: Vault,
    courier: Courier,
    dispatcher: DispatcherHandle,
    clock: Arc<dyn Clock>,
    signals: MaintenanceSignals,
    status: MaintenanceStatus,
    options: MaintenanceOptions,
    forget: Arc<dyn Fn(Digest) + Send + Sync>,
}

impl Maintenance {
    /// The service and the view of it. `forget`: called with each module that no tenant has any more.
    pub fn new(
        store: Store,
        (vault, courier): (Vault, Courier),
        dispatcher: DispatcherHandle,
        clock: Arc<dyn Clock>,
        signals: MaintenanceSignals,
        options: MaintenanceOptions,
        forget: Arc<dyn Fn(Digest) + Send + Sync>,
    ) -> (Maintenance, MaintenanceStatus) {
        let status = MaintenanceStatus::default();
        (
            Maintenance { store, vault, courier, dispatcher, clock, signals, status: status.clone(), options, forget },
            status,
        )
    }

    /// Runs until `stop`; a task that is at work finishes its turn.
    pub async fn run(self, stop: CancellationToken) {
        let Maintenance { store, vault, courier, dispatcher, clock, signals, status, options, forget } = self;
        let tasks = TaskTracker::new();
        let mail_stop = stop.clone();
        let start = Start { clock: Arc::clone(&clock), status, stop, tasks: tasks.clone() };
        let MaintenanceOptions {
            host,
            slots,
            is_registered,
            taken_for_dead,
            lease_ttl,
            usage_keep,
            events_keep,
            events_keep_bytes,
            audit_keep,
            notifications_keep,
            mail_terms,
            mail_keep,
        } = options;
        let unsignalled = || Arc::new(Notify::new());
        let heartbeat = Heartbeat {
            store: store.clone(),
            dispatcher: dispatcher.clone(),
            host,
            slots,
            is_registered: AtomicBool::new(is_registered),
            taken_for_dead,
            period: lease_ttl / 6,
        };
        start.task(heartbeat, unsignalled());
        let run_schedules =
            RunSchedules { store: store.clone(), dispatcher: dispatcher.clone(), clock: Arc::clone(&clock) };
        start.task(run_schedules, signals.run_schedules);
        start.task(PromoteDue { store: store.clone(), clock: Arc::clone(&clock) }, signals.promote_due);
        let deliver_mail = DeliverMail {
            store: store.clone(),
            courier,
            clock: Arc::clone(&clock),
            host,
            terms: mail_terms,
            lease_ttl,
            stop: mail_stop,
            place: Mutex::default(),
        };
        start.task(deliver_mail, signals.mail);
        start.task(PruneMails { store: store.clone(), keep: mail_keep }, unsignalled());
        start.task(ExpireJobs { store: store.clone(), clock }, unsignalled());
        start.task(RecoverExpired { store: store.clone(), host, lease_ttl }, unsignalled());
        start.task(SettleDependents { store: store.clone() }, signals.settle);
        let cancel_batches = CancelBatches { store: store.clone(), dispatcher: dispatcher.clone() };
        start.task(cancel_batches, signals.cancel_batches);
        let operations =
            WorkOffOperations { store: store.clone(), dispatcher: dispatcher.clone(), failures: Mutex::default() };
        start.task(operations, store.operations_signal());
        let remove_tenants = RemoveTenants { store: store.clone(), dispatcher: dispatcher.clone(), forget };
        start.task(remove_tenants, store.tenants_signal());
        start.task(Unpark { store: store.clone(), dispatcher }, signals.unpark);
        let prune_events = PruneEvents { store: store.clone(), keep_age: events_keep, keep_bytes: events_keep_bytes };
        start.task(prune_events, unsignalled());
        start.task(PruneEmittedEvents { store: store.clone() }, unsignalled());
        start.task(PruneKv { store: store.clone() }, unsignalled());
        start.task(PruneNotifications { store: store.clone(), keep: notifications_keep }, unsignalled());
        start.task(PruneIdempotencyKeys { store: store.clone() }, unsignalled());
        start.task(PruneConcurrencyKeys { store: store.clone() }, unsignalled());
        start.task(PruneJobs { store: store.clone() }, unsignalled());
        start.task(SweepHistory { store: store.clone() }, unsignalled());
        start.task(GiveBackSpace { store: store.clone() }, unsignalled());
        start.task(PruneOperations { store: store.clone() }, unsignalled());
        start.task(PruneUsage { store: store.clone(), keep: usage_keep }, unsignalled());
        start.task(ScanStoredBytes { store: store.clone() }, unsignalled());
        start.task(PruneUniqueJobs { store: store.clone() }, unsignalled());
        start.task(PruneBatches { store: store.clone() }, unsignalled());
        start.task(ReencryptSecrets { vault }, unsignalled());
        start.task(PruneAudit { store: store.clone(), keep: audit_keep }, unsignalled());
        start.task(NoteKeyUses { store: store.clone() }, unsignalled());
        start.task(PruneModuleChunks { store }, unsignalled());
        tasks.close();
        tasks.wait().await;
    }
}

struct Start {
    clock: Arc<dyn Clock>,
    status: MaintenanceStatus,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Start {
    fn task(&self, task: impl Task, signal: Arc<Notify>) {
        let index = self.status.add(task.name());
        let (clock, status, stop) = (Arc::clone(&self.clock), self.status.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                // A task keeps nothing between its runs that a panic could leave half done.
                let result = AssertUnwindSafe(task.run()).catch_unwind().await;
                let (delay, failure) = match result {
                    Ok(Ok(Turn::Again)) => (None, None),
                    Ok(Ok(Turn::Done)) => (Some(task.period()), None),
                    Ok(Ok(Turn::DoneUntil(due))) => (Some(due.min(task.period())), None),
                    Ok(Err(error)) => {
                        tracing::warn!(task = task.name(), %error, "upkeep failed; trying again");
                        (Some(task.period().min(FAILURE_DELAY)), Some(error.to_string()))
                    }
                    Err(_) => {
                        tracing::error!(task = task.name(), "upkeep panicked, which is a bug; trying again");
                        (Some(FAILURE_DELAY), Some("it panicked; the log says where".to_owned()))
                    }
                };
                status.ran(index, clock.now(), failure);
                let Some(delay) = delay else { continue };
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = signal.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::system_clock::SystemClock;

    struct Counting {
        runs: Arc<AtomicUsize>,
        turn: Turn,
    }

    /// Panics in its first run.
    struct Panicking {
        runs: Arc<AtomicUsize>,
    }

    impl Task for Panicking {
        fn name(&self) -> &'static str {
            "panicking"
        }
        fn period(&self) -> Duration {
            Duration::from_hours(1)
        }
        async fn run(&self) -> Result<Turn, StoreError> {
            assert!(self.runs.fetch_add(1, Ordering::SeqCst) > 0, "a bug");
            Ok(Turn::Done)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure_and_the_task_goes_on() {
        let (runs, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let start = start(&stop);
        let started = tokio::time::Instant::now();
        start.task(Panicking { runs: Arc::clone(&runs) }, Arc::default());
        while start.status.tasks().first().is_none_or(|task| task.runs < 1) {
            tokio::task::yield_now().await;
        }
        let task = start.status.tasks().remove(0);
        assert_eq!(task.failures, 1);
        assert!(task.last_error.is_some_and(|error| error.contains("panicked")));
        while start.status.tasks().first().is_none_or(|task| task.runs < 2) {
            assert!(started.elapsed() < FAILURE_DELAY * 3, "it never ran again");
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!(started.elapsed() >= FAILURE_DELAY, "a task that always panics must not spin");
        let task = start.status.tasks().remove(0);
        assert_eq!((task.failures, task.last_error), (1, None));
        stop.cancel();
        start.tasks.close();
        start.tasks.wait().await;
    }

    fn start(stop: &CancellationToken) -> Start {
        Start {
            clock: Arc::new(SystemClock::default()),
            status: MaintenanceStatus::default(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        }
    }

    impl Task for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }
        fn period(&self) -> Duration {
            Duration::from_hours(1)
        }
        async fn run(&self) -> Result<Turn, StoreError> {
            let runs = self.runs.fetch_add(1, Ordering::SeqCst);
            if runs == 3 { Err(StoreError::Closed) } else { Ok(self.turn) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_run_at_once_again_at_their_signal_and_after_failures() {
        let (runs, signal, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), CancellationToken::new());
        let start = start(&stop);
        start.task(Counting { runs: Arc::clone(&runs), turn: Turn::Done }, Arc::clone(&signal));
        for expected in 1..=4 {
            while runs.load(Ordering::SeqCst) < expected {
                tokio::task::yield_now().await;
            }
            signal.notify_one();
        }
        // The fourth run failed: the failure is shown, and forgotten after the next good run.
        while runs.load(Ordering::SeqCst) < 5 {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        stop.cancel();
        start.tasks.close();
        start.tasks.wait().await;
        let status = start.status.tasks();
        let task = status.first().expect("one task");
        assert_eq!(task.failures, 1);
        assert_eq!(task.last_error, None);
    }
}
