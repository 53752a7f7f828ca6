//! The threads guests run on: their own, as many as told, with a lower priority than everything else in the process,
//! so that a host full of busy guests still answers its API.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use super::model::SandboxError;
use crate::niceness;

/// Steps of niceness below the rest of the process.
const NICENESS: i32 = 10;
/// Tasks a thread runs before it looks at timers: a guest's slice is up to a tick long, so the usual 61 would let a
/// timer wait for a tenth of a second.
const TASKS_BETWEEN_TIMERS: u32 = 8;
/// A thread that does not come back within this time is left behind: the process is about to end.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct GuestThreads {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl GuestThreads {
    pub(super) fn start(threads: usize) -> Result<GuestThreads, SandboxError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("stoker-guest")
            .event_interval(TASKS_BETWEEN_TIMERS)
            .enable_all()
            .on_thread_start(|| niceness::give_way(NICENESS, "guest threads"))
            .build()
            .map_err(|error| SandboxError::Engine(format!("cannot start the guest threads: {error}")))?;
        Ok(GuestThreads { handle: runtime.handle().clone(), runtime: Mutex::new(Some(runtime)) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Drops what still runs and joins the threads, except those stuck past the timeout. Blocking.
    pub(super) fn join(&self) {
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_timeout(JOIN_TIMEOUT);
        }
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        // The last owner may be a task of any runtime, where blocking is not allowed.
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}
