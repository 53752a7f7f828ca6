//! Threads with room for the deepest schemas. They give way to everything that others wait for.

use std::cell::Cell;
use std::io;

use crate::niceness;

/// Stack for compiling and dropping the largest schemas, and for long checks, bytes. Only what is used is ever mapped.
pub(super) const DEEP_STACK_BYTES: usize = 128 << 20;
/// Steps of niceness below the rest of the process, and above the guests.
const NICENESS: i32 = 5;

thread_local! {
    static IS_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// Does the work on a deep stack: this one, or that of another thread, for which it waits.
pub(super) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    if IS_DEEP.get() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let worker = builder().spawn_scoped(scope, || deeply(work))?;
        worker.join().map_err(|_| io::Error::other("the work failed"))
    })
}

/// Drops it on a deep stack, without waiting for that. Without memory for a thread it is dropped here: better than
/// never, and nearly always deep enough.
pub(super) fn drop_deep<T: Send + 'static>(dropped: T) {
    if !IS_DEEP.get() {
        let _spawned = spawn_deep(move || drop(dropped));
    }
}

/// Starts the work on a thread of its own.
pub(super) fn spawn_deep(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    builder()
        .spawn(|| {
            niceness::give_way(NICENESS, "threads for schemas");
            deeply(work);
        })
        .map(drop)
}

fn builder() -> std::thread::Builder {
    std::thread::Builder::new().name("stoker-schema".to_owned()).stack_size(DEEP_STACK_BYTES)
}

fn deeply<T>(work: impl FnOnce() -> T) -> T {
    IS_DEEP.set(true);
    work()
}
