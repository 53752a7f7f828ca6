//! Databases inside of a backup: each is copied at one moment, after that of the store itself, and lies in pieces in a table of the
//! copy. The first start on it puts them back as files.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::files::{FOLDER, made, path_of, remove_file, without_links};
use crate::job::DatabaseName;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

/// Piece of one that could not be copied: it says why.
const NOT_CARRIED: i64 = -1;
/// Bytes of one piece.
const PIECE_BYTES: usize = 1 << 20;

const FILES: &str = "SELECT tenant_id, name, made FROM databases WHERE engine = 'sqlite' ORDER BY tenant_id, name";
const CARRY: &str = "INSERT INTO carried_databases (tenant_id, name, piece, bytes) VALUES (?1, ?2, ?3, ?4)";
const CARRIED: &str =
    "SELECT tenant_id, name, min(piece) >= 0 FROM carried_databases GROUP BY tenant_id, name ORDER BY tenant_id, name";
const PIECE: &str = "SELECT bytes FROM carried_databases WHERE tenant_id = ?1 AND name = ?2 AND piece = ?3";
const UNPACKED: &str = "DELETE FROM carried_databases WHERE tenant_id = ?1 AND name = ?2";

/// Bytes of all files of databases in a data directory.
pub(in crate::store) fn carried_bytes(directory: &Path) -> u64 {
    let Ok(tenants) = std::fs::read_dir(directory.join(FOLDER)) else { return 0 };
    let files = tenants.flatten().filter_map(|tenant| std::fs::read_dir(tenant.path()).ok()).flatten().flatten();
    files.map(|file| file.metadata().map_or(0, |file| file.len())).sum()
}

/// Puts the databases of a data directory into a copy of its store; `beside` is where a copy of each stands meanwhile. How many had to
/// be left out.
pub(in crate::store) fn pack(copy: &mut Connection, directory: &Path, beside: &Path) -> Result<usize, StoreError> {
    let mut left_out = 0;
    let folder = directory.join(FOLDER);
    for (tenant, name, was_made) in named(copy, FILES)? {
        let source = path_of(&folder, tenant, &name);
        // One that nobody has opened yet.
        if !was_made && !source.exists() {
            continue;
        }
        let packed = match copy_one(&source, beside) {
            Ok(()) => carry(copy, (tenant, &name), beside),
            // One tenant's damage leaves nobody else without a backup; who starts on this one is told.
            Err(Uncopied::File(error)) => {
                left_out += 1;
                tracing::error!(%error, path = %source.display(), "a tenant's database is not in the backup");
                let why = format!("{}: {error}", source.display()).into_bytes();
                let noted = copy.execute(CARRY, params![tenant.0, name.as_str(), NOT_CARRIED, why]);
                noted.map(|_| ()).map_err(StoreError::from)
            }
            Err(Uncopied::Now(error)) => Err(StoreError::Unavailable(format!("{}: {error}", source.display()))),
        };
        let _left_behind = remove_file(beside);
        packed?;
    }
    Ok(left_out)
}

/// What keeps one from being copied.
enum Uncopied {
    /// The file is not what it should be, and will not be so the next time.
    File(String),
    /// Anything else: the disk of the copy, a lock, what the process may open.
    Now(String),
}

impl Uncopied {
    /// The file can't be opened.
    fn opening(error: &std::io::Error) -> Self {
        // A link, a pipe or a folder is invalid input.
        let is_files = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::IsADirectory | ErrorKind::NotADirectory
        );
        if is_files { Uncopied::File(error.to_string()) } else { Uncopied::Now(error.to_string()) }
    }
}

impl From<rusqlite::Error> for Uncopied {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Uncopied::File(error.to_string()),
            _ => Uncopied::Now(error.to_string()),
        }
    }
}

fn copy_one(source: &Path, destination: &Path) -> Result<(), Uncopied> {
    let source = without_links(source).map_err(|error| Uncopied::opening(&error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let from = Connection::open_with_flags(source, flags)?;
    let mut to = Connection::open(destination)?;
    match Backup::new(&from, &mut to)?.step(-1)? {
        StepResult::Done => {}
        other => return Err(Uncopied::Now(format!("the copy stopped: {other:?}"))),
    }
    to.close().map_err(|(_, error)| error.into())
}

fn carry(copy: &mut Connection, (tenant, name): (TenantId, &DatabaseName), from: &Path) -> Result<(), StoreError> {
    let broken = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", from.display()));
    let mut file = File::open(from).map_err(broken)?;
    let transaction = copy.transaction()?;
    for piece in 0.. {
        let mut bytes = Vec::with_capacity(PIECE_BYTES);
        Read::by_ref(&mut file).take(PIECE_BYTES as u64).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.is_empty() {
            break;
        }
        transaction.prepare_cached(CARRY)?.execute(params![tenant.0, name.as_str(), piece, bytes])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Puts what a backup carries into files. A kill in between loses nothing: what is in its file is carried no more, and what is not
/// is put there by the next start.
pub(in crate::store) fn unpack(sql: &mut Connection, directory: &Path) -> Result<(), StoreError> {
    for (tenant, name, is_carried) in named(sql, CARRIED)? {
        if !is_carried {
            let why =
                sql.query_row(PIECE, params![tenant.0, name.as_str(), NOT_CARRIED], |row| row.get::<_, Vec<u8>>(0))?;
            let why = String::from_utf8_lossy(&why);
            tracing::error!(database = %name, tenant = tenant.0, %why, "a database is not in this backup, and is lost but for its name");
            sql.execute(UNPACKED, params![tenant.0, name.as_str()])?;
            continue;
        }
        let path = path_of(&directory.join(FOLDER), tenant, &name);
        write(sql, (tenant, &name), &path)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
        sql.execute(UNPACKED, params![tenant.0, name.as_str()])?;
        tracing::info!(database = %name, "a database was put back from the backup");
    }
    Ok(())
}

fn write(sql: &Connection, (tenant, name): (TenantId, &DatabaseName), path: &Path) -> std::io::Result<()> {
    let piece = |piece: i64| {
        let found = sql.query_row(PIECE, params![tenant.0, name.as_str(), piece], |row| row.get::<_, Vec<u8>>(0));
        match found {
            Ok(bytes) => Ok(Some(bytes)),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(std::io::Error::other(error)),
        }
    };
    let unfinished = made(&PathBuf::from(format!("{}.restored", path.display())))?;
    let mut file = File::create(&unfinished)?;
    let mut next = 0;
    while let Some(bytes) = piece(next)? {
        file.write_all(&bytes)?;
        next += 1;
    }
    file.sync_all()?;
    // What stands beside another file would be taken for this one's.
    remove_file(path)?;
    let folder = unfinished.parent().unwrap_or(Path::new("."));
    std::fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

fn named(sql: &Connection, statement: &str) -> Result<Vec<(TenantId, DatabaseName, bool)>, StoreError> {
    let mut statement = sql.prepare(statement)?;
    let rows = statement.query_map([], |row| Ok((TenantId(row.get(0)?), row.get::<_, String>(1)?, row.get(2)?)))?;
    rows.map(|row| {
        let (tenant, name, is_so) = row?;
        Ok((tenant, name.parse().map_err(StoreError::internal)?, is_so))
    })
    .collect()
}
