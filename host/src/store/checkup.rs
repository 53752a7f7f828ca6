//! A look at a data directory from outside, which changes nothing in it: is it in use, can its database be read, what
//! would a start say. For `stoker doctor`.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::connection::DATABASE_FILE;
use super::lock::LOCK_FILE;
use super::loss::{Evidence, LOG_FILE};
use super::mark::FoundMark;
use super::migrate::known_version;
use super::wal::WAL_BOUNDS;
use crate::regular_file;

const READ_VERSION: &str = "PRAGMA user_version";
const COUNT_TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// What was seen.
#[derive(Debug)]
pub struct Checkup {
    /// Who uses it.
    pub usage: Usage,
    /// Its database; `None`: there is none yet.
    pub database: Option<Result<DatabaseFacts, String>>,
    /// Why a host would not start here, in its words.
    pub refusal: Option<String>,
    /// What the mark is.
    pub mark: MarkFacts,
    /// Length of the write-ahead log, bytes.
    pub wal_bytes: u64,
    /// From this length on nothing is written until it has begun anew, bytes.
    pub wal_bytes_max: u64,
}

/// Who uses the directory.
#[derive(Debug, PartialEq, Eq)]
pub enum Usage {
    /// Nobody.
    Free,
    /// A process, with its id where that is known.
    InUse(Option<u32>),
    /// It can't be told.
    Unknown(String),
}

/// Of a database that can be read.
#[derive(Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Where it is.
    pub path: PathBuf,
    /// Its length, bytes.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: i64,
    /// The version this binary writes.
    pub schema_known: i64,
}

/// What is beside the database.
#[derive(Debug, PartialEq, Eq)]
pub enum MarkFacts {
    /// None: a new directory, or a restored copy.
    Absent,
    /// It can't be read.
    Damaged,
    /// Commits up to this one were acknowledged.
    Sound(i64),
}

/// Looks. An error says that the directory itself can't be read, or holds something else where a file must be.
pub fn checkup(data_dir: &Path) -> Result<Checkup, String> {
    let usage = usage(data_dir);
    let evidence = Evidence::gather(data_dir).map_err(|error| error.to_string())?;
    let refusal = match usage {
        // What is being written may look half done.
        Usage::InUse(_) => None,
        Usage::Free | Usage::Unknown(_) => evidence.check_files().err().map(|error| error.to_string()),
    };
    let database = data_dir.join(DATABASE_FILE);
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    Ok(Checkup {
        database: database.exists().then(|| facts(&database, length(&database), &usage)),
        usage,
        refusal,
        mark: match evidence.mark {
            FoundMark::Absent => MarkFacts::Absent,
            FoundMark::Damaged => MarkFacts::Damaged,
            FoundMark::Sound(mark) => MarkFacts::Sound(mark.commit),
        },
        wal_bytes: length(&data_dir.join(LOG_FILE)),
        wal_bytes_max: WAL_BOUNDS.max,
    })
}

/// Asks for the lock and gives it back at once. It is shared, so that two who look don't see each other.
fn usage(data_dir: &Path) -> Usage {
    let mut file = match regular_file::open_to_read(&data_dir.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Usage::Free,
        Err(error) => return Usage::Unknown(error.to_string()),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Usage::Free,
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _unreadable = file.read_to_string(&mut pid);
            Usage::InUse(pid.trim().parse().ok())
        }
        Err(error) => Usage::Unknown(error.to_string()),
    }
}

fn facts(database: &Path, bytes: u64, usage: &Usage) -> Result<DatabaseFacts, String> {
    regular_file::open_to_read(database).map_err(|error| error.to_string())?;
    let schema = read_version(database, usage).map_err(|error| error.to_string())?;
    Ok(DatabaseFacts { path: database.to_owned(), bytes, schema, schema_known: known_version() })
}

fn read_version(database: &Path, usage: &Usage) -> rusqlite::Result<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    // Where no host has it open, a reader would leave an index of the log behind, unless it takes the file for one that
    // never changes.
    let immutable = if matches!(usage, Usage::InUse(_)) { "" } else { "&immutable=1" };
    let sql = Connection::open_with_flags(format!("file:{}?mode=ro{immutable}", escaped(database)), flags)?;
    let _tables: i64 = sql.query_row(COUNT_TABLES, [], |row| row.get(0))?;
    sql.query_row(READ_VERSION, [], |row| row.get(0))
}

/// The path as it may stand in a URI.
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    percent_encoding::percent_encode(path.as_os_str().as_bytes(), percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2F", "/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::{Store, StoreOptions};
    use crate::system_clock::SystemClock;

    fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let read = |entry: std::fs::DirEntry| (entry.path(), std::fs::read(entry.path()).unwrap_or_default());
        std::fs::read_dir(directory).unwrap().flatten().map(read).collect()
    }

    #[tokio::test]
    async fn a_look_changes_nothing_and_tells_what_a_start_would() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("a b%?");
        let options = StoreOptions { data_dir: data_dir.clone(), priority_aging: std::time::Duration::ZERO };
        let store = Store::open(&options, std::sync::Arc::new(SystemClock::default())).unwrap();
        let seen = checkup(&data_dir).unwrap();
        assert_eq!(seen.usage, Usage::InUse(Some(std::process::id())));
        assert_eq!(seen.database.unwrap().unwrap().schema, known_version());
        store.close().await.unwrap();
        drop(store);

        let before = contents(&data_dir);
        let seen = checkup(&data_dir).unwrap();
        assert_eq!((&seen.usage, &seen.refusal), (&Usage::Free, &None));
        assert!(matches!(seen.mark, MarkFacts::Sound(_)), "{seen:?}");
        assert_eq!(seen.database.unwrap().unwrap().schema, known_version());
        assert_eq!(contents(&data_dir), before);

        std::fs::write(data_dir.join(DATABASE_FILE), "no database, not at all").unwrap();
        let seen = checkup(&data_dir).unwrap();
        assert!(seen.database.unwrap().unwrap_err().contains("not a database"));
        std::fs::remove_file(data_dir.join(DATABASE_FILE)).unwrap();
        let seen = checkup(&data_dir).unwrap();
        assert!(seen.refusal.is_some_and(|refusal| refusal.contains("missing")) && seen.database.is_none());
    }
}
