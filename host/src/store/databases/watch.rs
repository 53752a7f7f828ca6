//! What watches a connection while something runs on it: whose statement it is, when it must have ended, whether somebody wants it to
//! end, and which rule it broke.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use rusqlite::InterruptHandle;

/// Instructions of `SQLite`'s machine between two looks. One of them can be a function of a value of megabytes.
pub(super) const INSTRUCTIONS: std::os::raw::c_int = 100;

/// Of one connection.
#[derive(Default)]
pub(super) struct Watch {
    /// What runs is a handler's, and asked about.
    by_guest: AtomicBool,
    /// What runs is to end.
    stopped: AtomicBool,
    /// Tables were made or changed.
    altered: AtomicBool,
    /// Of the database.
    path: PathBuf,
    run: Mutex<Run>,
    refused: Mutex<Option<String>>,
}

#[derive(Default)]
struct Run {
    /// Counts them: who wants one to end never ends the next.
    number: u64,
    is_running: bool,
    deadline: Option<Instant>,
    interrupt: Option<InterruptHandle>,
}

/// Ends what runs, should it be dropped before it is disarmed.
pub(super) struct Stopper {
    watch: Arc<Watch>,
    number: u64,
    is_armed: bool,
}

impl Watch {
    /// Of a connection to this file.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Of the database, for the log.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_interrupt(&self, interrupt: InterruptHandle) {
        self.run.lock().interrupt = Some(interrupt);
    }

    /// Something is about to run, until then.
    pub(super) fn begin(self: &Arc<Self>, deadline: Instant) -> Stopper {
        let mut run = self.run.lock();
        run.number += 1;
        run.is_running = true;
        run.deadline = Some(deadline);
        self.stopped.store(false, Ordering::Release);
        Stopper { watch: Arc::clone(self), number: run.number, is_armed: true }
    }

    /// It has ended: nobody ends it any more.
    fn end(&self) {
        let mut run = self.run.lock();
        run.is_running = false;
        run.deadline = None;
        self.stopped.store(false, Ordering::Release);
    }

    /// Asked every so many instructions: whether what runs is to be broken off.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Whether nothing more is to be done for it.
    pub(super) fn is_over(&self) -> bool {
        self.is_stopped() || self.is_late()
    }

    /// Whether what runs has had its time.
    pub(super) fn is_late(&self) -> bool {
        self.run.lock().deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Runs SQL of a handler: every part of it is asked about.
    pub(super) fn by_guest<T>(&self, run: impl FnOnce() -> T) -> T {
        self.refused.lock().take();
        self.by_guest.store(true, Ordering::Release);
        let _asked = Asked(self);
        run()
    }

    /// A statement of a handler makes or changes a table.
    pub(super) fn alter(&self) {
        self.altered.store(true, Ordering::Release);
    }

    /// Whether tables were made or changed since this was last asked.
    pub(super) fn was_altered(&self) -> bool {
        self.altered.swap(false, Ordering::AcqRel)
    }

    pub(super) fn is_guests(&self) -> bool {
        self.by_guest.load(Ordering::Acquire)
    }

    /// It broke a rule. The first is told.
    pub(super) fn refuse(&self, rule: String) {
        self.refused.lock().get_or_insert(rule);
    }

    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().take()
    }
}

/// A handler's SQL runs; no longer, however it ends.
struct Asked<'a>(&'a Watch);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.by_guest.store(false, Ordering::Release);
    }
}

/// Something runs; no longer, however it ends.
pub(super) struct Running(pub(super) Arc<Watch>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Stopper {
    /// Ends what it was made for, if that still runs.
    pub(super) fn stop(&self) {
        let run = self.watch.run.lock();
        if run.is_running && run.number == self.number {
            self.watch.stopped.store(true, Ordering::Release);
            // Under the lock: it never meets what runs next.
            if let Some(interrupt) = &run.interrupt {
                interrupt.interrupt();
            }
        }
    }

    pub(super) fn disarm(mut self) {
        self.is_armed = false;
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        if self.is_armed {
            self.stop();
        }
    }
}
