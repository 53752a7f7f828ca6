//! Refuses to start where something durable is gone: a lost database must not become an empty store, and a database
//! that ends before what was acknowledged must not go on as if nothing had happened.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::connection::DATABASE_FILE;
use super::entry_notes::ENTRIES_FILE;
use super::error::OpenError;
use super::lock::LOCK_FILE;
use super::mark::{FoundMark, MARK_FILE, Mark, read_mark};
use crate::regular_file;

/// Beside the database; holds commits until they are folded in.
pub(super) const LOG_FILE: &str = "stoker.db-wal";
/// Made by the sandbox of a host, which starts after the store.
const ARTIFACTS_DIRECTORY: &str = "artifacts";
/// Where `SQLite` writes into the header how the file is to be read, and what stands there in a single file.
const READ_VERSION_OFFSET: u64 = 19;
const READ_VERSION_SINGLE_FILE: u8 = 1;

/// Beside the log; says where in it what is.
const LOG_INDEX_FILE: &str = "stoker.db-shm";
/// Must be files if they are there: `SQLite` would wait for a pipe, and for ever.
const FILES: [&str; 6] = [LOCK_FILE, DATABASE_FILE, LOG_FILE, LOG_INDEX_FILE, MARK_FILE, ENTRIES_FILE];

const READ_STORE_ID: &str = "SELECT value FROM meta WHERE name = 'store_id'";
const WRITE_STORE_ID: &str = "INSERT INTO meta (name, value) VALUES ('store_id', ?1)";
const LAST_COMMIT: &str = "SELECT max(commit_id) FROM events";
const TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// What a data directory held before it was opened.
pub(super) struct Evidence {
    data_dir: PathBuf,
    pub(super) mark: FoundMark,
    /// Files that only a store leaves: all of them are made after the tables.
    traces: Vec<&'static str>,
}

impl Evidence {
    /// Looks, and touches nothing: opening the database would remove the log of an empty one.
    pub(super) fn gather(data_dir: &Path) -> Result<Self, OpenError> {
        for name in FILES {
            let path = data_dir.join(name);
            regular_file::check(&path).map_err(|error| OpenError::system(&path, &error))?;
        }
        let mark = read_mark(data_dir).map_err(|error| OpenError::system(&data_dir.join(MARK_FILE), &error))?;
        let mut traces: Vec<&'static str> = [MARK_FILE, ENTRIES_FILE, ARTIFACTS_DIRECTORY]
            .into_iter()
            .filter(|name| data_dir.join(name).symlink_metadata().is_ok())
            .collect();
        if length(&data_dir.join(LOG_FILE)) > 0 {
            traces.push(LOG_FILE);
        }
        Ok(Self { data_dir: data_dir.to_owned(), mark, traces })
    }

    /// Whether a process left a log behind that it had not folded in.
    pub(super) fn has_log(&self) -> bool {
        self.traces.contains(&LOG_FILE)
    }

    /// Before the database is opened: it must be there if it was, and a log beside it must be its own.
    pub(super) fn check_files(&self) -> Result<(), OpenError> {
        let database = self.data_dir.join(DATABASE_FILE);
        if length(&database) == 0 {
            return self.refuse_traces(if database.exists() { "is empty" } else { "is missing" });
        }
        // Copies are made to be read as a single file; a host's own database never is.
        if self.traces.contains(&LOG_FILE) && read_version(&database) == Some(READ_VERSION_SINGLE_FILE) {
            return Err(OpenError::ForeignLog {
                path: database.display().to_string(),
                log: self.data_dir.join(LOG_FILE).display().to_string(),
            });
        }
        Ok(())
    }

    /// Before the first script runs: a file without tables is a new one.
    pub(super) fn check_tables(&self, sql: &Connection) -> rusqlite::Result<Result<(), OpenError>> {
        let tables: i64 = sql.query_row(TABLES, [], |row| row.get(0))?;
        Ok(if tables == 0 { self.refuse_traces("holds no tables") } else { Ok(()) })
    }

    /// Whether the database is the one this directory is marked for, and reaches as far as the mark. Gives what the
    /// mark must say from now on.
    pub(super) fn check_commits(&self, sql: &Connection) -> rusqlite::Result<Result<Mark, OpenError>> {
        let store_id = store_id(sql)?;
        let commit = sql.query_row(LAST_COMMIT, [], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0);
        let FoundMark::Sound(mark) = self.mark else {
            if self.mark == FoundMark::Damaged {
                tracing::warn!(file = MARK_FILE, "the mark is damaged; whether commits were lost cannot be told");
            }
            return Ok(Ok(Mark { store_id, commit }));
        };
        Ok(self.compare(mark, store_id, commit).map(|()| mark))
    }

    /// The same of a database of this version that is only looked at; `None`: it would be taken.
    pub(super) fn refusal_of_commits(&self, sql: &Connection) -> rusqlite::Result<Option<OpenError>> {
        let store_id: Option<i64> = sql.query_row(READ_STORE_ID, [], |row| row.get(0)).optional()?;
        let commit = sql.query_row(LAST_COMMIT, [], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0);
        let FoundMark::Sound(mark) = self.mark else { return Ok(None) };
        Ok(store_id.and_then(|store_id| self.compare(mark, store_id, commit).err()))
    }

    fn compare(&self, mark: Mark, store_id: i64, commit: i64) -> Result<(), OpenError> {
        let path = self.data_dir.join(DATABASE_FILE).display().to_string();
        let mark_path = self.data_dir.join(MARK_FILE).display().to_string();
        if mark.store_id != store_id {
            Err(OpenError::Foreign { path, mark: mark_path })
        } else if mark.commit > commit {
            Err(OpenError::Behind { path, mark: mark_path, found: commit, acknowledged: mark.commit })
        } else {
            Ok(())
        }
    }

    fn refuse_traces(&self, what: &'static str) -> Result<(), OpenError> {
        if self.traces.is_empty() {
            return Ok(());
        }
        Err(OpenError::Lost {
            path: self.data_dir.join(DATABASE_FILE).display().to_string(),
            what,
            data_dir: self.data_dir.display().to_string(),
            traces: self.traces.join(", "),
        })
    }
}

/// The store's own name for itself, drawn once; copies keep it.
fn store_id(sql: &Connection) -> rusqlite::Result<i64> {
    if let Some(id) = sql.query_row(READ_STORE_ID, [], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let id = i64::from(rand::random::<u32>()) << 24 | i64::from(rand::random::<u16>());
    sql.execute(WRITE_STORE_ID, [id])?;
    Ok(id)
}

/// Bytes in the file; 0 when there is none.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn read_version(database: &Path) -> Option<u8> {
    let mut version = [0];
    File::open(database).ok()?.read_exact_at(&mut version, READ_VERSION_OFFSET).ok()?;
    Some(version[0])
}
