//! What the writer's thread and the callers share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::RwLock;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::catalog::Catalog;
use super::claimant::{Claimant, ClaimantCell};
use super::entry_notes::EntryNotes;
use super::facade::CommitNotice;
use super::mark::MarkWriter;
use super::meter::SpentTenants;
use super::readers::Readers;

/// Called after each commit.
pub(super) type CommitListener = Box<dyn Fn(&CommitNotice) + Send + Sync>;

/// Counters since start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) commits: AtomicU64,
    pub(super) operations: AtomicU64,
    pub(super) commit_failures: AtomicU64,
    pub(super) commit_us: AtomicU64,
    pub(super) wal_bytes: AtomicU64,
}

/// See the file's head.
pub(super) struct Shared {
    pub(super) catalog: RwLock<Arc<Catalog>>,
    catalog_changed: watch::Sender<u64>,
    pub(super) on_commit: OnceLock<CommitListener>,
    pub(super) claimant: ClaimantCell,
    /// There may be claimable jobs. Written by the writer after each commit.
    claimable: AtomicBool,
    /// A `Look` is in the writer's queue.
    look_queued: AtomicBool,
    /// There is an operation to work on.
    pub(super) operations: Arc<Notify>,
    /// Daily quotas that are used up.
    pub(super) spent: OnceLock<SpentTenants>,
    /// Signalled when a tenant is to be removed.
    pub(super) tenants: Arc<Notify>,
    pub(super) metrics: Tally,
    pub(super) writable: AtomicBool,
    /// The writer ended though nobody had asked it to.
    pub(super) failed: CancellationToken,
    pub(super) readers: Readers,
    pub(super) entry_notes: EntryNotes,
    pub(super) mark: MarkWriter,
    /// Tests: the next commits fail, as on a full disk.
    #[cfg(test)]
    pub(super) commits_fail: AtomicBool,
}

impl Shared {
    pub(super) fn new(catalog: Arc<Catalog>, readers: Readers, entry_notes: EntryNotes, mark: MarkWriter) -> Self {
        Self {
            catalog_changed: watch::Sender::new(catalog.revision),
            catalog: RwLock::new(catalog),
            on_commit: OnceLock::new(),
            claimant: ClaimantCell::default(),
            claimable: AtomicBool::new(true),
            look_queued: AtomicBool::new(false),
            operations: Arc::default(),
            spent: OnceLock::new(),
            tenants: Arc::default(),
            metrics: Tally::default(),
            writable: AtomicBool::new(true),
            failed: CancellationToken::new(),
            readers,
            entry_notes,
            mark,
            #[cfg(test)]
            commits_fail: AtomicBool::new(false),
        }
    }

    pub(super) fn publish_catalog(&self, catalog: Arc<Catalog>) {
        let revision = catalog.revision;
        *self.catalog.write() = catalog;
        self.catalog_changed.send_replace(revision);
    }

    pub(super) fn catalog_changes(&self) -> watch::Receiver<u64> {
        self.catalog_changed.subscribe()
    }

    /// Sets who is given jobs; once.
    pub(super) fn set_claimant(&self, claimant: Weak<dyn Claimant>) {
        if self.claimant.set(claimant).is_err() {
            tracing::error!("a second claimant was refused");
        }
    }

    /// Who is given jobs, while it lives.
    pub(super) fn claimant(&self) -> Option<Arc<dyn Claimant>> {
        self.claimant.get()?.upgrade()
    }

    /// Sequentially consistent, like the reading in `begin_look`: either the writer, which asks the claimant after
    /// this, finds that it wants jobs, or the claimant finds that there are some.
    pub(super) fn set_claimable(&self, claimable: bool) {
        self.claimable.store(claimable, Ordering::SeqCst);
    }

    /// Whether a `Look` is worth queueing: there may be jobs, and none is queued.
    pub(super) fn begin_look(&self) -> bool {
        self.claimable.load(Ordering::SeqCst) && !self.look_queued.swap(true, Ordering::SeqCst)
    }

    /// The `Look` has left the queue, or never got in.
    pub(super) fn end_look(&self) {
        self.look_queued.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("writable", &self.is_writable()).finish_non_exhaustive()
    }
}
