//! Threads that run SQL of handlers, with stacks as deep as it can make `SQLite` go: views, common tables and generated columns are put
//! into each other without regard to the bound on an expression's depth, and a stack that overflows is the end of the host. How deep
//! they go is bounded by the memory a statement may take while it is prepared (`bounds.rs`): a level is at least one node of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Of a thread, bytes: reserved, and taken as it is used. A node of an expression has 72 bytes of memory at least, and a level of recursion
/// less than 1,000 bytes of stack.
const STACK_BYTES: usize = 512 << 20;

/// See the file's head.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    /// So many at most.
    pub(super) fn new(most: usize) -> Self {
        let runtime = Builder::new_current_thread()
            .thread_name("stoker-sql")
            .thread_stack_size(STACK_BYTES)
            .max_blocking_threads(most)
            .build()
            .inspect_err(|error| tracing::error!(%error, "there are no threads for databases"));
        Self(runtime.ok())
    }

    /// Runs something there. `None`: there are none.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
        let runtime = self.0.as_ref()?.handle();
        // It panics where the system gives it no thread: a stack takes much of a small address space.
        catch_unwind(AssertUnwindSafe(|| runtime.spawn_blocking(work))).ok()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // What runs there ends by itself: nobody listens any more.
            runtime.shutdown_background();
        }
    }
}
