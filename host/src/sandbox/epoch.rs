//! The ticker: advances the engine's epoch while guests run, sleeps while none does.
//! What a guest does at a tick (yield, end) is decided in `invocation`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Engine;

use super::model::SandboxError;

/// Longest time a busy guest keeps its thread to itself.
const TICK_MS: u64 = 1;
/// Ticks without a guest before the thread goes to sleep: waking it costs a system call, which a steady stream of
/// short jobs should not pay each time.
const IDLE_TICKS_MAX: u32 = 50;

/// One thread per engine.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    waker: std::thread::Thread,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: Engine) -> Result<Ticker, SandboxError> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new()
            .name("stoker-epoch".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.tick(&engine)
            })
            .map_err(|error| SandboxError::Engine(format!("cannot start the epoch thread: {error}")))?;
        let waker = thread.thread().clone();
        Ok(Ticker { shared, thread: Mutex::new(Some(thread)), waker })
    }

    /// Ticks as long as what is returned lives.
    pub(super) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.waker.unpark();
        }
        Running(&self.shared.running)
    }

    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.waker.unpark();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the epoch thread panicked");
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn tick(&self, engine: &Engine) {
        let mut idle_ticks = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            if self.running.load(Ordering::SeqCst) > 0 {
                idle_ticks = 0;
            } else {
                idle_ticks += 1;
            }
            if idle_ticks >= IDLE_TICKS_MAX {
                // Announced before looking once more: a guest that starts in between sees it and wakes us.
                self.asleep.store(true, Ordering::SeqCst);
                while self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle_ticks = 0;
            }
            std::thread::sleep(Duration::from_millis(TICK_MS));
            engine.increment_epoch();
        }
    }
}

/// A guest is running.
#[derive(Debug)]
pub(super) struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
