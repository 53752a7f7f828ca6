//! Keeps the write-ahead log bounded. A thread of its own copies the log into the database, and syncs the database,
//! while the writer goes on; the writer then folds in the little that came meanwhile, so that the log can begin anew.
//!
//! A log that an earlier process left is folded in whole before anything else is written, and a failed sync of the
//! database ends the host: a part of what the system took may then not be on disk, and nothing would show it.
//!
//! The writer never waits for a reader. While something reads an old state (a backup does for minutes), the log can't
//! begin anew and grows; at its bound the writer refuses to write until it can.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    /// From here on as well, if that was not done for so long.
    pub(super) early: (u64, Duration),
    /// From here on nothing is written until it has begun anew.
    pub(super) max: u64,
}

/// Those of a host. One with little to do folds the log in early: what is synced at a time is then so little that commits hardly
/// wait for it; a busy one comes to 32 MiB before that. The bound is what a busy host writes during a backup of some minutes;
/// lookups in a longer log would slow every read.
pub(super) const WAL_BOUNDS: WalBounds =
    WalBounds { checkpoint: 32 << 20, early: (2 << 20, Duration::from_millis(500)), max: 1 << 30 };

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
    /// When the thread was last asked to fold it in.
    woken_at: Instant,
    /// What is in the log came from an earlier process, and may be on disk only in part.
    is_inherited: bool,
    /// A sync of the database failed.
    sync_failed: Arc<AtomicBool>,
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
    /// Starts the thread and watches the log of the writer's connection. `is_inherited`: there was a log already.
    pub(super) fn start(
        writer: &mut Connection,
        path: &Path,
        bounds: WalBounds,
        is_inherited: bool,
    ) -> Result<Self, StoreError> {
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
        let sync_failed = Arc::new(AtomicBool::new(false));
        let side = Copier {
            connection: Arc::clone(&connection),
            copied: Arc::clone(&copied),
            sync_failed: Arc::clone(&sync_failed),
        };
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || side.copy_when_woken(file, &woken))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            copied,
            connection,
            frames,
            bounds,
            woken_at: Instant::now(),
            is_inherited,
            sync_failed,
        })
    }

    /// Called between transactions; tells the log's size.
    pub(super) fn after_commit(&mut self, writer: &Connection, wal_bytes: &AtomicU64) {
        let bytes = self.bytes();
        wal_bytes.store(bytes, Ordering::Relaxed);
        if self.copied.load(Ordering::Acquire) {
            self.copied.store(false, Ordering::Release);
            // Nearly everything is copied; the rest is a few pages, and then the next commit starts the log anew.
            if let Err(StoreError::SyncFailed(_)) = fold(writer, "PRAGMA wal_checkpoint(PASSIVE)") {
                self.sync_failed.store(true, Ordering::Release);
            }
        } else if self.is_due(bytes) {
            self.woken_at = Instant::now();
            self.wake();
        }
    }

    fn is_due(&self, bytes: u64) -> bool {
        let (early, period) = self.bounds.early;
        bytes >= self.bounds.checkpoint || bytes >= early && self.woken_at.elapsed() >= period
    }

    /// Called before a transaction: whether the log has room for it. Never waits for
    /// a reader; before the first transaction an inherited log is folded in.
    pub(super) fn has_room(&mut self) -> Result<(), StoreError> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(StoreError::SyncFailed("a sync of the database failed".to_owned()));
        }
        if self.is_inherited {
            self.fold_in_inherited()?;
        }
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
        match fold(&connection, "PRAGMA wal_checkpoint(RESTART)") {
            Ok(Some(_)) => {}
            Err(error @ StoreError::SyncFailed(_)) => return Err(error),
            Ok(None) | Err(_) => return Err(full),
        }
        self.frames.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The earlier process may have ended because its disk failed: then a piece of the log may be in the system's memory
    /// and not on disk, and syncing the log again says nothing. Copied into the database it is written anew, and synced.
    fn fold_in_inherited(&mut self) -> Result<(), StoreError> {
        let in_use =
            || StoreError::Unavailable("what an earlier run left can't be folded in while it is read".to_owned());
        let Some(connection) = self.connection.try_lock() else { return Err(in_use()) };
        match fold(&connection, "PRAGMA wal_checkpoint(TRUNCATE)")? {
            Some(_) => {}
            None => return Err(in_use()),
        }
        drop(connection);
        self.is_inherited = false;
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

    /// The thread's connection.
    pub(super) fn connection(&self) -> Arc<Mutex<Connection>> {
        Arc::clone(&self.connection)
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

/// The thread's side.
struct Copier {
    connection: Arc<Mutex<Connection>>,
    copied: Arc<AtomicBool>,
    sync_failed: Arc<AtomicBool>,
}

impl Copier {
    fn copy_when_woken(self, file: File, woken: &Receiver<()>) -> File {
        let mut synced = 0;
        while woken.recv().is_ok() {
            if self.copied.load(Ordering::Acquire) || self.sync_failed.load(Ordering::Acquire) {
                continue;
            }
            let connection = self.connection.lock();
            match copy(&connection, &file, &mut synced) {
                Ok(copied) => self.copied.store(copied, Ordering::Release),
                Err(error) => {
                    tracing::error!(%error, "a checkpoint failed");
                    self.sync_failed.store(true, Ordering::Release);
                }
            }
        }
        file
    }
}

/// Copies the log until little is left, and syncs the database, which `SQLite` does not where a writer goes on meanwhile.
/// `synced`: frames that the last sync covered. Returns whether the writer can do the rest; fails only when a sync did.
fn copy(connection: &Connection, file: &File, synced: &mut i64) -> Result<bool, StoreError> {
    let mut frames_before = 0;
    for _ in 0..COPIES_MAX {
        let (frames, frames_left) = match fold(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(Some(Folded { frames, frames_left })) => (frames, frames_left),
            Err(error @ StoreError::SyncFailed(_)) => return Err(error),
            Ok(None) | Err(_) => return Ok(false),
        };
        let folded = frames - frames_left;
        if folded != *synced {
            file.sync_data().map_err(|error| StoreError::SyncFailed(error.to_string()))?;
            *synced = folded;
        }
        // A read of an older state holds the rest back.
        if frames_left > FRAMES_LEFT_MAX {
            return Ok(false);
        }
        if frames - frames_before <= FRAMES_LEFT_MAX {
            break;
        }
        frames_before = frames;
    }
    Ok(true)
}

/// Moves the log into the database; `None` where a reader was in the way.
fn fold(connection: &Connection, pragma: &str) -> Result<Option<Folded>, StoreError> {
    let result = connection
        .query_row(pragma, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    match result {
        Ok((busy, frames, folded)) => {
            tracing::debug!(pragma, busy, frames, folded, "checkpoint");
            Ok((busy == 0).then_some(Folded { frames, frames_left: frames - folded }))
        }
        Err(error) => {
            tracing::warn!(%error, pragma, "checkpoint failed");
            Err(error.into())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::connection::{open_reader, open_writer};
    use super::*;

    const BOUNDS: WalBounds = WalBounds { checkpoint: 64 << 10, early: (64 << 10, Duration::ZERO), max: 1 << 20 };
    /// What the commits of a test put into the log, were it never to begin anew: many times the size at which it is folded in.
    const WRITTEN_BYTES_MIN: u64 = 2 << 20;
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
            Self::bounded(BOUNDS)
        }

        fn bounded(bounds: WalBounds) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("db");
            let mut writer = open_writer(&path).unwrap();
            writer.execute_batch("CREATE TABLE t (body BLOB)").unwrap();
            writer.busy_handler(Some(|_| panic!("the writer waits"))).unwrap();
            let checkpointing = Checkpointing::start(&mut writer, &path, bounds, false).unwrap();
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

        fn is_copied(&self) -> bool {
            self.checkpointing.as_ref().unwrap().copied.load(Ordering::Acquire)
        }

        /// The thread does what it was asked for.
        fn wait_until_copied(&self) {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !self.is_copied() {
                assert!(Instant::now() < deadline, "the log is not copied");
                std::thread::yield_now();
            }
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
    fn after_a_failed_sync_of_the_database_nothing_is_written() {
        let mut log = Log::new();
        log.commit().unwrap();
        let connection = open_checkpointer(&log.directory.path().join("db")).unwrap();
        // No file: it can't be synced.
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let failed = copy(&connection, &null, &mut 0);
        assert!(matches!(failed, Err(StoreError::SyncFailed(_))), "{failed:?}");
        log.checkpointing.as_ref().unwrap().sync_failed.store(true, Ordering::Release);
        assert!(matches!(log.commit(), Err(StoreError::SyncFailed(_))));
    }

    #[test]
    fn an_inherited_log_is_folded_in_before_the_first_write() {
        let mut log = Log::new();
        log.commit().unwrap();
        let checkpointing = log.checkpointing.as_mut().unwrap();
        checkpointing.is_inherited = true;
        let reader = log.read();
        assert!(matches!(log.commit(), Err(StoreError::Unavailable(_))), "it is read");
        assert!(log.file_bytes() > 0);
        drop(reader);
        log.checkpointing.as_mut().unwrap().has_room().unwrap();
        assert_eq!(log.file_bytes(), 0);
        log.commit().unwrap();
    }

    #[test]
    fn without_long_reads_the_log_begins_anew_whenever_it_was_copied() {
        let never = (u64::MAX, Duration::ZERO);
        let early = (BOUNDS.checkpoint, Duration::ZERO);
        for bounds in [WalBounds { early: never, ..BOUNDS }, WalBounds { checkpoint: u64::MAX, early, ..BOUNDS }] {
            let mut log = Log::bounded(bounds);
            let mut peak = 0;
            for _ in 0..COMMITS {
                let was_copied = log.is_copied();
                let bytes = log.commit().unwrap();
                peak = peak.max(bytes);
                // Where it was, this commit has folded in the rest.
                if bytes >= BOUNDS.checkpoint && !was_copied {
                    log.wait_until_copied();
                }
            }
            let bound = BOUNDS.checkpoint + 2 * COMMIT_BYTES_MAX;
            assert!(peak <= bound && log.file_bytes() <= bound, "{peak} and {} bytes", log.file_bytes());
        }
    }

    #[test]
    fn a_small_log_is_left_alone_until_its_period_is_over() {
        let early = (BOUNDS.checkpoint, Duration::from_hours(1));
        let mut log = Log::bounded(WalBounds { checkpoint: u64::MAX, early, ..BOUNDS });
        while log.commit().unwrap() < 4 * BOUNDS.checkpoint {}
        assert!(!log.is_copied());
        log.checkpointing.as_mut().unwrap().bounds.early.1 = Duration::ZERO;
        log.commit().unwrap();
        log.wait_until_copied();
    }
}
