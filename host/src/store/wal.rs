//! Keeps the write-ahead log bounded. A thread of its own copies the log into the database while the writer goes on;
//! the writer then folds in the little that came meanwhile, so that the log can begin anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;

use super::connection::open_checkpointer;
use super::error::StoreError;
use super::shared::Shared;

/// The log is folded in from this size on, bytes.
const WAL_CHECKPOINT_BYTES: u64 = 32 << 20;
/// Past this size the writer itself waits until the log is folded in, bytes.
const WAL_BYTES_MAX: u64 = 256 << 20;
/// After a failed attempt the writer tries again only this much later, bytes of log.
const WAL_RETRY_BYTES: u64 = 16 << 20;
/// SQLite's page, with the log's frame header.
const FRAME_BYTES: u64 = 4_096 + 24;

/// The writer's side.
pub(super) struct Checkpointing {
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    copied: Arc<AtomicBool>,
    frames: Arc<AtomicU64>,
    wait_until_bytes: u64,
}

impl Checkpointing {
    /// Starts the thread and watches the log of the writer's connection.
    pub(super) fn start(writer: &mut Connection, path: &Path) -> Result<Self, StoreError> {
        let frames = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&frames);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::os::raw::c_int| {
            seen.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = open_checkpointer(path)?;
        let (wake, woken) = bounded(1);
        let copied = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&copied);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || copy_when_woken(&connection, &woken, &done))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), copied, frames, wait_until_bytes: 0 })
    }

    /// Called between transactions.
    pub(super) fn after_commit(&mut self, writer: &Connection, shared: &Shared) {
        let bytes = self.frames.load(Ordering::Relaxed) * FRAME_BYTES;
        shared.metrics.wal_bytes.store(bytes, Ordering::Relaxed);
        if bytes < WAL_CHECKPOINT_BYTES {
            self.wait_until_bytes = 0;
            return;
        }
        if self.copied.swap(false, Ordering::AcqRel) {
            // Nearly everything is copied; the rest is a few pages, and then the next commit starts the log anew.
            fold(writer, "PRAGMA wal_checkpoint(PASSIVE)");
        } else if bytes > WAL_BYTES_MAX.max(self.wait_until_bytes) {
            fold(writer, "PRAGMA wal_checkpoint(RESTART)");
            self.wait_until_bytes = bytes + WAL_RETRY_BYTES;
        } else if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }

    /// Ends the thread.
    pub(super) fn stop(mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpointer panicked");
        }
    }
}

fn copy_when_woken(connection: &Connection, woken: &Receiver<()>, copied: &AtomicBool) {
    while woken.recv().is_ok() {
        if !copied.load(Ordering::Acquire) && fold(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            copied.store(true, Ordering::Release);
        }
    }
}

/// Whether the log was copied as far as it went when this began.
fn fold(connection: &Connection, pragma: &str) -> bool {
    let result = connection
        .query_row(pragma, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    match result {
        Ok((busy, in_log, folded)) => {
            tracing::debug!(pragma, busy, in_log, folded, "checkpoint");
            busy == 0
        }
        Err(error) => {
            tracing::warn!(%error, pragma, "checkpoint failed");
            false
        }
    }
}
