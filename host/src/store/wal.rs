//! Keeps the write-ahead log bounded. A thread of its own copies the log into the database while the writer goes on;
//! the writer then folds in the little that came meanwhile, so that the log can begin anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::connection::open_checkpointer;
use super::error::StoreError;

/// Sizes of the log at which something is done about it, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalBounds {
    /// It is folded in from here on.
    checkpoint: u64,
    /// Past this the writer itself waits until all reads of an older state have ended and it is folded in.
    max: u64,
    /// After a wait in vain (the connection's busy timeout) the writer tries again only this much later.
    retry: u64,
}

/// Those of a host.
pub(super) const WAL_BOUNDS: WalBounds = WalBounds { checkpoint: 32 << 20, max: 256 << 20, retry: 16 << 20 };

/// `SQLite`'s page, with the log's frame header.
const FRAME_BYTES: u64 = 4_096 + 24;

/// The writer's side.
pub(super) struct Checkpointing {
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    copied: Arc<AtomicBool>,
    /// Held by the thread while it copies: `SQLite` would refuse a second checkpoint meanwhile instead of waiting.
    copying: Arc<Mutex<()>>,
    frames: Arc<AtomicU64>,
    bounds: WalBounds,
    wait_until_bytes: u64,
}

impl Checkpointing {
    /// Starts the thread and watches the log of the writer's connection.
    pub(super) fn start(writer: &mut Connection, path: &Path, bounds: WalBounds) -> Result<Self, StoreError> {
        let frames = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&frames);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::os::raw::c_int| {
            seen.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = open_checkpointer(path)?;
        let (wake, woken) = bounded(1);
        let copied = Arc::new(AtomicBool::new(false));
        let copying = Arc::new(Mutex::new(()));
        let (done, at_work) = (Arc::clone(&copied), Arc::clone(&copying));
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || copy_when_woken(&connection, &woken, &done, &at_work))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), copied, copying, frames, bounds, wait_until_bytes: 0 })
    }

    /// Called between transactions; tells the log's size.
    pub(super) fn after_commit(&mut self, writer: &Connection, wal_bytes: &AtomicU64) {
        let bytes = self.frames.load(Ordering::Relaxed) * FRAME_BYTES;
        wal_bytes.store(bytes, Ordering::Relaxed);
        let WalBounds { checkpoint, max, retry } = self.bounds;
        if bytes < checkpoint {
            self.wait_until_bytes = 0;
            return;
        }
        if self.copied.swap(false, Ordering::AcqRel) {
            // Nearly everything is copied; the rest is a few pages, and then the next commit starts the log anew.
            fold(writer, "PRAGMA wal_checkpoint(PASSIVE)");
        } else if bytes > max.max(self.wait_until_bytes) {
            let _none_at_work = self.copying.lock();
            fold(writer, "PRAGMA wal_checkpoint(RESTART)");
            self.wait_until_bytes = bytes + retry;
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

fn copy_when_woken(connection: &Connection, woken: &Receiver<()>, copied: &AtomicBool, copying: &Mutex<()>) {
    while woken.recv().is_ok() {
        let _at_work = copying.lock();
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::connection::{open_reader, open_writer};
    use super::*;

    const BOUNDS: WalBounds = WalBounds { checkpoint: 64 << 10, max: 256 << 10, retry: 128 << 10 };
    /// What the commits of a test put into the log, were it never to begin anew: many times the bound.
    const WRITTEN_BYTES_MIN: u64 = 3 << 20;
    const COMMITS: u64 = WRITTEN_BYTES_MIN / FRAME_BYTES;
    /// How long a reader waits for the writer to wait for it.
    const DEADLINE: Duration = Duration::from_secs(20);

    struct Log {
        directory: tempfile::TempDir,
        writer: Connection,
    }

    impl Log {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let writer = open_writer(&directory.path().join("db")).unwrap();
            writer.execute_batch("CREATE TABLE t (body BLOB)").unwrap();
            Self { directory, writer }
        }

        /// A read of the state as it is now, until it is dropped.
        fn read(&self) -> Connection {
            let reader = open_reader(&self.directory.path().join("db")).unwrap();
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
            reader
        }

        /// Commits many times; gives the most the log ever held, bytes.
        fn write(&mut self) -> u64 {
            let path = self.directory.path().join("db");
            let mut checkpointing = Checkpointing::start(&mut self.writer, &path, BOUNDS).unwrap();
            let (bytes, mut peak) = (AtomicU64::new(0), 0);
            for _ in 0..COMMITS {
                self.writer.execute("INSERT INTO t VALUES (zeroblob(3000))", []).unwrap();
                checkpointing.after_commit(&self.writer, &bytes);
                peak = peak.max(bytes.load(Ordering::Relaxed));
            }
            checkpointing.stop();
            peak
        }

        fn file_bytes(&self) -> u64 {
            self.directory.path().join("db-wal").metadata().unwrap().len()
        }
    }

    #[test]
    fn past_the_bound_the_writer_waits_for_a_read_and_the_log_begins_anew() {
        static WRITER_WAITS: AtomicBool = AtomicBool::new(false);
        let mut log = Log::new();
        let wait = |_| {
            WRITER_WAITS.store(true, Ordering::Release);
            std::thread::yield_now();
            true
        };
        log.writer.busy_handler(Some(wait)).unwrap();
        let reader = log.read();
        let reading = std::thread::spawn(move || {
            let deadline = Instant::now() + DEADLINE;
            while !WRITER_WAITS.load(Ordering::Acquire) && Instant::now() < deadline {
                std::thread::yield_now();
            }
            drop(reader);
        });
        let peak = log.write();
        reading.join().unwrap();
        assert!(WRITER_WAITS.load(Ordering::Acquire), "the writer never waited");
        assert!(peak > BOUNDS.max, "the bound was not reached: {peak}");
        let bound = BOUNDS.max + 16 * FRAME_BYTES;
        assert!(peak <= bound && log.file_bytes() <= bound, "{peak} and {} bytes", log.file_bytes());
    }

    #[test]
    fn a_read_that_outlasts_the_wait_is_waited_for_again_only_so_often() {
        static WAITS: AtomicU64 = AtomicU64::new(0);
        let mut log = Log::new();
        let give_up = |_| {
            WAITS.fetch_add(1, Ordering::Relaxed);
            false
        };
        log.writer.busy_handler(Some(give_up)).unwrap();
        let reader = log.read();
        let peak = log.write();
        let waits = WAITS.swap(0, Ordering::Relaxed);
        let waits_max = (peak - BOUNDS.max) / BOUNDS.retry + 1;
        assert!(waits > 0 && waits <= waits_max, "{waits} waits, at most {waits_max} expected");
        // Once the read is over the log begins anew by itself.
        drop(reader);
        let peak = log.write();
        assert!(peak > WRITTEN_BYTES_MIN, "the log is as long as it was: {peak}");
        assert!(log.write() <= BOUNDS.max + 16 * FRAME_BYTES, "and then it is not");
    }
}
