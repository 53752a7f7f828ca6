//! Keeps the write-ahead log bounded. A thread of its own copies the log into the database, and syncs the database,
//! while the writer goes on; the writer then folds in the little that came meanwhile, so that the log can begin anew.
//!
//! The writer never waits for a reader. While something reads an old state (a backup does for minutes), the log can't
//! begin anew and grows; at its bound the writer refuses to write until it can.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::connection::open_checkpointer;
use super::error::StoreError;

/// Sizes of the log at which something is done about it, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalBounds {
    /// It is folded in from here on.
    pub(super) checkpoint: u64,
    /// From here on nothing is written until it has begun anew.
    pub(super) max: u64,
}

/// Those of a host. The bound is what a busy host writes during a backup of some minutes; lookups in a longer log would
/// slow every read.
pub(super) const WAL_BOUNDS: WalBounds = WalBounds { checkpoint: 32 << 20, max: 1 << 30 };

/// `SQLite`'s page, with the log's frame header.
const FRAME_BYTES: u64 = 4_096 + 24;
/// What the thread may leave to the writer: a mebibyte, to be copied and synced between two transactions.
const FRAMES_LEFT_MAX: i64 = 256;
/// Copies made in a row to come that near; the writer goes on meanwhile.
const COPIES_MAX: usize = 5;

/// The writer's side.
pub(super) struct Checkpointing {
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<File>>,
    copied: Arc<AtomicBool>,
    /// The thread's; the writer uses it only when the thread does not.
    connection: Arc<Mutex<Connection>>,
    frames: Arc<AtomicU64>,
    bounds: WalBounds,
}

/// The database as a file, to be synced. To be dropped after the last connection: closing any descriptor of a file frees
/// the locks that the whole process has on it.
pub(super) type DatabaseFile = Option<File>;

/// What a checkpoint came to.
struct Folded {
    /// In the log, and not in the database.
    frames_left: i64,
    frames: i64,
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
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let connection = Arc::new(Mutex::new(open_checkpointer(path)?));
        let (wake, woken) = bounded(1);
        let copied = Arc::new(AtomicBool::new(false));
        let (done, at_work) = (Arc::clone(&copied), Arc::clone(&connection));
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || copy_when_woken(&at_work, file, &woken, &done))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), copied, connection, frames, bounds })
    }

    /// Called between transactions; tells the log's size.
    pub(super) fn after_commit(&mut self, writer: &Connection, wal_bytes: &AtomicU64) {
        let bytes = self.bytes();
        wal_bytes.store(bytes, Ordering::Relaxed);
        if bytes < self.bounds.checkpoint {
            return;
        }
        if self.copied.swap(false, Ordering::AcqRel) {
            // Nearly everything is copied; the rest is a few pages, and then the next commit starts the log anew.
            let _folded = fold(writer, "PRAGMA wal_checkpoint(PASSIVE)");
        } else {
            self.wake();
        }
    }

    /// Called before a transaction: whether the log has room for it. Never waits.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        let full = StoreError::LogFull { bytes_max: self.bounds.max };
        if self.bytes() < self.bounds.max {
            return Ok(());
        }
        // Only after the thread has copied what there is: the writer would be busy with it for long.
        if !self.copied.load(Ordering::Acquire) {
            self.wake();
            return Err(full);
        }
        let Some(connection) = self.connection.try_lock() else { return Err(full) };
        self.copied.store(false, Ordering::Release);
        if fold(&connection, "PRAGMA wal_checkpoint(RESTART)").is_none() {
            return Err(full);
        }
        self.frames.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.frames.load(Ordering::Relaxed) * FRAME_BYTES
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Full: it will look anyway.
            let _awake = wake.try_send(());
        }
    }

    /// Ends the thread.
    pub(super) fn stop(mut self) -> DatabaseFile {
        self.wake = None;
        let file = self.thread.take().and_then(|thread| thread.join().ok());
        if file.is_none() {
            tracing::error!("the checkpointer panicked");
        }
        file
    }
}

fn copy_when_woken(connection: &Mutex<Connection>, file: File, woken: &Receiver<()>, copied: &AtomicBool) -> File {
    let mut synced = 0;
    while woken.recv().is_ok() {
        if copied.load(Ordering::Acquire) {
            continue;
        }
        let connection = connection.lock();
        if copy(&connection, &file, &mut synced) {
            copied.store(true, Ordering::Release);
        }
    }
    file
}

/// Copies the log until little is left, and syncs the database, which `SQLite` does not where a writer goes on meanwhile.
/// `synced`: frames that the last sync covered. Returns whether the writer can do the rest.
fn copy(connection: &Connection, file: &File, synced: &mut i64) -> bool {
    let mut frames_before = 0;
    for _ in 0..COPIES_MAX {
        let Some(Folded { frames, frames_left }) = fold(connection, "PRAGMA wal_checkpoint(PASSIVE)") else {
            return false;
        };
        let folded = frames - frames_left;
        if folded != *synced {
            if let Err(error) = file.sync_data() {
                tracing::warn!(%error, "the database could not be synced after a checkpoint");
                return false;
            }
            *synced = folded;
        }
        // A read of an older state holds the rest back.
        if frames_left > FRAMES_LEFT_MAX {
            return false;
        }
        if frames - frames_before <= FRAMES_LEFT_MAX {
            break;
        }
        frames_before = frames;
    }
    true
}

/// Moves the log into the database; `None` where that could not be done, or not as it was asked.
fn fold(connection: &Connection, pragma: &str) -> Option<Folded> {
    let result = connection
        .query_row(pragma, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    match result {
        Ok((busy, frames, folded)) => {
            tracing::debug!(pragma, busy, frames, folded, "checkpoint");
            (busy == 0).then_some(Folded { frames, frames_left: frames - folded })
        }
        Err(error) => {
            tracing::warn!(%error, pragma, "checkpoint failed");
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::connection::{open_reader, open_writer};
    use super::*;

    const BOUNDS: WalBounds = WalBounds { checkpoint: 64 << 10, max: 1 << 20 };
    /// What the commits of a test put into the log, were it never to begin anew: many times the bound.
    const WRITTEN_BYTES_MIN: u64 = 6 << 20;
    const COMMITS: u64 = WRITTEN_BYTES_MIN / FRAME_BYTES;
    /// More than one commit of these tests.
    const COMMIT_BYTES_MAX: u64 = 16 * FRAME_BYTES;

    struct Log {
        directory: tempfile::TempDir,
        writer: Connection,
        checkpointing: Option<Checkpointing>,
    }

    impl Drop for Log {
        fn drop(&mut self) {
            self.checkpointing.take().map(Checkpointing::stop);
        }
    }

    impl Log {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("db");
            let mut writer = open_writer(&path).unwrap();
            writer.execute_batch("CREATE TABLE t (body BLOB)").unwrap();
            writer.busy_handler(Some(|_| panic!("the writer waits"))).unwrap();
            let checkpointing = Checkpointing::start(&mut writer, &path, BOUNDS).unwrap();
            Self { directory, writer, checkpointing: Some(checkpointing) }
        }

        /// A read of the state as it is now, until it is dropped.
        fn read(&self) -> Connection {
            let reader = open_reader(&self.directory.path().join("db")).unwrap();
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
            reader
        }

        /// Commits once, unless that is refused; gives the log's size, bytes.
        fn commit(&mut self) -> Result<u64, StoreError> {
            let checkpointing = self.checkpointing.as_mut().unwrap();
            checkpointing.has_room()?;
            self.writer.execute("INSERT INTO t VALUES (zeroblob(3000))", []).unwrap();
            let bytes = AtomicU64::new(0);
            checkpointing.after_commit(&self.writer, &bytes);
            Ok(bytes.into_inner())
        }

        fn file_bytes(&self) -> u64 {
            self.directory.path().join("db-wal").metadata().unwrap().len()
        }
    }

    #[test]
    fn a_long_read_stalls_no_commit_and_at_the_bound_writes_are_refused() {
        let mut log = Log::new();
        log.commit().unwrap();
        let reader = log.read();
        let mut peak = 0;
        let refused = loop {
            match log.commit() {
                Ok(bytes) => peak = peak.max(bytes),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::LogFull { bytes_max } if bytes_max == BOUNDS.max), "{refused}");
        let bound = BOUNDS.max + COMMIT_BYTES_MAX;
        assert!(peak >= BOUNDS.max && peak <= bound && log.file_bytes() <= bound, "{peak} and {}", log.file_bytes());
        for _ in 0..100 {
            assert!(log.commit().is_err(), "the read is not over");
        }
        drop(reader);
        // The thread copies, and then the log begins anew.
        while log.commit().is_err() {
            std::thread::yield_now();
        }
        assert!(log.commit().unwrap() < BOUNDS.checkpoint);
    }

    #[test]
    fn without_long_reads_the_log_begins_anew_long_before_its_bound() {
        let mut log = Log::new();
        let (mut peak, mut refused) = (0, 0);
        for _ in 0..COMMITS {
            if let Ok(bytes) = log.commit() {
                peak = peak.max(bytes);
            } else {
                refused += 1;
                std::thread::yield_now();
            }
        }
        let bound = BOUNDS.max + COMMIT_BYTES_MAX;
        assert!(peak <= bound && log.file_bytes() <= bound, "{peak} and {} bytes", log.file_bytes());
        assert!(refused < COMMITS / 2, "{refused} refused");
    }
}
