//! What a connection to a tenant's database takes of the host: memory and temporary files. `SQLite` knows no bound of either per
//! connection, so that every allocation (`memory.rs`) and every write to a temporary file (`temporary.rs`) asks here, on the thread it
//! happens on; past its bound it is refused, which `SQLite` is built to take. Whatever runs outside of [`Bounds::within`] is not counted.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Memory of one connection while a statement runs on it, bytes.
pub(super) const MEMORY_MAX: i64 = 64 << 20;
/// Memory a connection may take more while a statement is prepared on it, its schema included, bytes. It bounds how deep expressions that are
/// put into each other can be (`threads.rs`).
pub(super) const PREPARED_MAX: i64 = 16 << 20;
/// Memory of one connection between statements: its cache, and its schema, bytes.
pub(super) const MEMORY_KEPT_MAX: i64 = 8 << 20;
/// Temporary files of one connection together, bytes.
pub(super) const TEMPORARY_MAX: u64 = 512 << 20;

/// Of one connection.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    memory: AtomicI64,
    temporary: AtomicU64,
}

/// Which bound it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// [`MEMORY_MAX`].
    Memory,
    /// [`TEMPORARY_MAX`].
    Temporary,
}

thread_local! {
    static TAKEN: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(i64::MAX) };
    static REFUSED: Cell<Option<Bound>> = const { Cell::new(None) };
    static CURRENT: RefCell<Option<Arc<Bounds>>> = const { RefCell::new(None) };
}

/// Ends the count on this thread, however what ran has ended.
struct Counting<'a>(&'a Bounds);

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.0.memory.store(TAKEN.get(), Ordering::Relaxed);
        MOST.set(i64::MAX);
        CURRENT.take();
    }
}

impl Bounds {
    /// Runs something on the connection, within its bounds.
    pub(super) fn within<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        TAKEN.set(self.memory.load(Ordering::Relaxed));
        MOST.set(MEMORY_MAX);
        REFUSED.set(None);
        CURRENT.replace(Some(Arc::clone(self)));
        let _counting = Counting(self);
        run()
    }

    /// Whether it takes more than a connection may between statements.
    pub(super) fn is_large(&self) -> bool {
        self.memory.load(Ordering::Relaxed) > MEMORY_KEPT_MAX
    }

    /// A temporary file of it is to be larger by so many bytes. Whether it may.
    pub(super) fn take_temporary(&self, bytes: u64) -> bool {
        let taken = self.temporary.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if taken > TEMPORARY_MAX {
            self.give_temporary(bytes);
            REFUSED.set(Some(Bound::Temporary));
        }
        taken <= TEMPORARY_MAX
    }

    /// A temporary file of it is smaller by so many bytes.
    pub(super) fn give_temporary(&self, bytes: u64) {
        self.temporary.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Those of what runs on this thread; none where nothing is counted.
pub(super) fn current() -> Option<Arc<Bounds>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs something whose failure for want of memory nobody could take; it takes little.
pub(super) fn beyond<T>(run: impl FnOnce() -> T) -> T {
    within_most(i64::MAX, run)
}

fn within_most<T>(most: i64, run: impl FnOnce() -> T) -> T {
    struct Bounded(i64);
    impl Drop for Bounded {
        fn drop(&mut self) {
            MOST.set(self.0);
        }
    }
    let _bounded = Bounded(MOST.replace(most));
    run()
}

/// Runs what prepares a statement.
pub(super) fn preparing<T>(run: impl FnOnce() -> T) -> T {
    within_most(MOST.get().min(TAKEN.get().saturating_add(PREPARED_MAX)), run)
}

/// Whether what runs here has taken more than may stay.
pub(super) fn keeps_much() -> bool {
    MOST.get() != i64::MAX && TAKEN.get() > MEMORY_KEPT_MAX
}

/// The bound that was met last since it began, if any was.
pub(super) fn refused() -> Option<Bound> {
    REFUSED.get()
}

/// Whether so many bytes more may be taken on this thread.
pub(super) fn may_take(bytes: i64) -> bool {
    let may = TAKEN.get().saturating_add(bytes) <= MOST.get();
    if !may {
        REFUSED.set(Some(Bound::Memory));
    }
    may
}

/// So many bytes were taken, or given back.
pub(super) fn note(bytes: i64) {
    TAKEN.set(TAKEN.get().saturating_add(bytes));
}
