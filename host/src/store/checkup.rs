//! A look at a data directory from outside, which changes nothing in it: is it in use, can its database be read, what
//! would a start say. For `stoker doctor`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row, params};
use rustix::fs::{FlockOperation, flock};

use super::connection::DATABASE_FILE;
use super::databases::bound_memory;
use super::lock::LOCK_FILE;
use super::loss::{Evidence, LOG_FILE};
use super::mark::FoundMark;
use super::migrate::known_version;
use super::secrets::SecretsKeyId;
use super::wal::WAL_BOUNDS;
use crate::regular_file;

const READ_VERSION: &str = "PRAGMA user_version";
/// Database and log together, to be copied for a look, bytes.
const COPY_BYTES_MAX: u64 = 256 << 20;
const COUNT_TABLES: &str = "SELECT count(*) FROM sqlite_schema";
const SECRETS_KEYS: &str = "SELECT key_id, count(*) FROM secrets GROUP BY key_id ORDER BY key_id LIMIT ?1";
const SECRETS_OF_KEY: &str = "SELECT tenants.name, secrets.name FROM secrets JOIN tenants ON tenants.id = tenant_id
    WHERE key_id = ?1 ORDER BY secrets.id LIMIT ?2";
/// Keys told of.
const KEYS_TOLD_MAX: usize = 20;
/// Secrets named of each.
const SECRETS_NAMED_MAX: usize = 10;

/// What was seen.
#[derive(Debug)]
pub struct Checkup {
    /// Who uses it.
    pub usage: Usage,
    /// Where its database is, or would be.
    pub database_path: PathBuf,
    /// Its database; `None`: there is none yet.
    pub database: Option<Result<DatabaseFacts, Unread>>,
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

/// Why nothing is known of a database.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// It can't be read.
    Damaged(String),
    /// It can't be read with what the log beside it holds.
    DamagedWithLog(String),
    /// A start would fold the log in, and this look could not.
    Untold(String),
}

/// Of a database that can be read.
#[derive(Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Its length, bytes.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: i64,
    /// The version this binary writes.
    pub schema_known: i64,
    /// Which keys its secrets are encrypted under; none where the schema is another one.
    pub secrets: Vec<SecretsUnderKey>,
}

/// Secrets encrypted under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsUnderKey {
    /// Its id.
    pub key: SecretsKeyId,
    /// How many there are, of all tenants.
    pub secrets: u64,
    /// Some of them, as `tenant/name`.
    pub named: Vec<String>,
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
    let (seen, reached) = match database.exists().then(|| facts(data_dir, &usage, &evidence)) {
        Some(Ok((facts, reached))) => (Some(Ok(facts)), reached),
        Some(Err(unread)) => (Some(Err(unread)), None),
        None => (None, None),
    };
    let refusal = refusal.or(reached);
    Ok(Checkup {
        database: seen,
        database_path: database,
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

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// With why a host would not start on it.
fn facts(data_dir: &Path, usage: &Usage, evidence: &Evidence) -> Result<(DatabaseFacts, Option<String>), Unread> {
    let (database, log) = (data_dir.join(DATABASE_FILE), data_dir.join(LOG_FILE));
    regular_file::open_to_read(&database).map_err(|error| Unread::Damaged(error.to_string()))?;
    let (bytes, log_bytes) = (length(&database), length(&log));
    let has_log = log_bytes > 0 && bytes > 0;
    let Looked { schema, refusal, secrets } = match usage {
        Usage::Free if has_log => read_with_log(data_dir, bytes.saturating_add(log_bytes), evidence)?,
        Usage::Unknown(_) if has_log => {
            return Err(Unread::Untold("it can't be told whether a host writes to it".to_owned()));
        }
        Usage::Free | Usage::InUse(_) | Usage::Unknown(_) => {
            read(&database, usage, evidence).map_err(|error| Unread::Damaged(error.to_string()))?
        }
    };
    Ok((DatabaseFacts { bytes, schema, schema_known: known_version(), secrets }, refusal))
}

/// What a start would read: the log holds pages that the database has not got yet, or has only in part. Read in a private
/// copy, since reading them where they are would fold the log in.
fn read_with_log(data_dir: &Path, bytes: u64, evidence: &Evidence) -> Result<Looked, Unread> {
    if bytes > COPY_BYTES_MAX {
        return Err(Unread::Untold("both together are too large to be copied for a look".to_owned()));
    }
    let make = || -> std::io::Result<tempfile::TempDir> {
        let copies = tempfile::Builder::new().prefix("stoker-doctor-").tempdir()?;
        for name in [DATABASE_FILE, LOG_FILE] {
            // Without its permissions: a copy can be written to.
            let mut original = regular_file::open_to_read(&data_dir.join(name))?;
            std::io::copy(&mut original, &mut File::create(copies.path().join(name))?)?;
        }
        Ok(copies)
    };
    let copies = make().map_err(|error| Unread::Untold(format!("no copy can be made for a look: {error}")))?;
    read_copy(&copies.path().join(DATABASE_FILE), evidence).map_err(|error| match usage(data_dir) {
        Usage::Free => Unread::DamagedWithLog(error.to_string()),
        // Copied while it was being written.
        Usage::InUse(_) | Usage::Unknown(_) => Unread::Untold("a host has begun to use it".to_owned()),
    })
}

fn read_copy(copy: &Path, evidence: &Evidence) -> rusqlite::Result<Looked> {
    let _is_bounded = bound_memory();
    let sql = Connection::open(copy)?;
    // A copy need not outlast anything.
    sql.pragma_update(None, "synchronous", "OFF")?;
    look(&sql, Some(evidence))
}

/// What a database says.
struct Looked {
    /// The version of its schema.
    schema: i64,
    /// Why a host would not start on it.
    refusal: Option<String>,
    secrets: Vec<SecretsUnderKey>,
}

/// No `evidence`: a host is writing, and what is marked is not what is read at the same moment.
fn look(sql: &Connection, evidence: Option<&Evidence>) -> rusqlite::Result<Looked> {
    let _tables: i64 = sql.query_row(COUNT_TABLES, [], |row| row.get(0))?;
    let schema = sql.query_row(READ_VERSION, [], |row| row.get(0))?;
    if schema != known_version() {
        return Ok(Looked { schema, refusal: None, secrets: Vec::new() });
    }
    let refusal = evidence.map(|evidence| evidence.refusal_of_commits(sql)).transpose()?.flatten();
    Ok(Looked { schema, refusal: refusal.map(|error| error.to_string()), secrets: secrets_under_keys(sql)? })
}

fn secrets_under_keys(sql: &Connection) -> rusqlite::Result<Vec<SecretsUnderKey>> {
    let mut keys = sql.prepare(SECRETS_KEYS)?;
    let mut of_key = sql.prepare(SECRETS_OF_KEY)?;
    let keys = keys.query_map([KEYS_TOLD_MAX], |row| Ok((SecretsKeyId(row.get(0)?), row.get(1)?)))?;
    keys.map(|row| {
        let (key, secrets) = row?;
        let name = |row: &Row<'_>| Ok(format!("{}/{}", row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let named = of_key.query_map(params![key.0, SECRETS_NAMED_MAX], name)?.collect::<Result<_, _>>()?;
        Ok(SecretsUnderKey { key, secrets, named })
    })
    .collect()
}

fn read(database: &Path, usage: &Usage, evidence: &Evidence) -> rusqlite::Result<Looked> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    // Where no host has it open, a reader would leave an index of the log behind, unless it takes the file for one that
    // never changes.
    let immutable = if matches!(usage, Usage::InUse(_)) { "" } else { "&immutable=1" };
    let _is_bounded = bound_memory();
    let sql = Connection::open_with_flags(format!("file:{}?mode=ro{immutable}", escaped(database)), flags)?;
    look(&sql, matches!(usage, Usage::Free).then_some(evidence))
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
        let options = StoreOptions {
            data_dir: data_dir.clone(),
            priority_aging: std::time::Duration::ZERO,
            tenant_pace: crate::job::Pace::default(),
            quotas: crate::job::Quotas::default(),
            retention: crate::job::Retention::HOST,
        };
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
        let unread = seen.database.unwrap().unwrap_err();
        assert!(matches!(&unread, Unread::Damaged(error) if error.contains("not a database")), "{unread:?}");
        std::fs::remove_file(data_dir.join(DATABASE_FILE)).unwrap();
        let seen = checkup(&data_dir).unwrap();
        assert!(seen.refusal.is_some_and(|refusal| refusal.contains("missing")) && seen.database.is_none());
    }
}
