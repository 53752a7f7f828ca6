//! The files of databases: where they lie, how they are made and removed, and the connections that are open to them. Connections are
//! opened when they are asked for and closed when nobody has used them for a while; there are never more than these.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;

use super::connection::GuestConnection;
use super::errors::told;
use super::threads::Threads;
use super::watch::Watch;
use crate::each_tenant::EachTenant;
use crate::job::{DatabaseError, DatabaseName};
use crate::regular_file;
use crate::store::catalog::TenantId;

/// The folder inside the data directory.
pub(super) const FOLDER: &str = "databases";
/// Connections in use at once: of the host, of a tenant, of a database.
const CONNECTIONS_MAX: usize = 64;
const CONNECTIONS_OF_TENANT_MAX: usize = 24;
pub(super) const CONNECTIONS_OF_DATABASE_MAX: u32 = 8;
/// Statements that run at once, each on a thread: of the host, of a tenant.
const STATEMENTS_MAX: usize = 8;
const STATEMENTS_OF_TENANT_MAX: usize = 5;
/// Threads for them: each tenant can have some that do not end when they should.
const THREADS_MAX: usize = 64;
/// Connections of one database that are kept though nobody uses them.
const IDLE_OF_DATABASE_MAX: usize = 4;
/// How long.
const IDLE_TIME_MAX: Duration = Duration::from_secs(20);
/// Of folders and files: the user's alone.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What stands beside a file while it is in use.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// All of them.
pub(in crate::store) struct SqliteFiles {
    folder: PathBuf,
    files: Mutex<FxHashMap<(TenantId, DatabaseName), Arc<DatabaseFile>>>,
    pub(super) places: Arc<Semaphore>,
    pub(super) places_of_tenants: EachTenant<TenantId>,
    pub(super) statements: Arc<Semaphore>,
    pub(super) threads: Threads,
    pub(super) statements_of_tenants: EachTenant<TenantId>,
}

/// One.
pub(super) struct DatabaseFile {
    pub(super) tenant: TenantId,
    pub(super) name: DatabaseName,
    path: PathBuf,
    /// Whose turn it is to write.
    pub(super) turn: Arc<Semaphore>,
    pub(super) places: Arc<Semaphore>,
    idle: Mutex<Vec<(GuestConnection, Instant)>>,
    /// What is not committed yet included; 0: it was not opened yet.
    bytes: Arc<AtomicU64>,
    /// It is being deleted.
    is_removed: AtomicBool,
}

impl std::fmt::Debug for SqliteFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteFiles").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SqliteFiles {
    /// Those in this data directory.
    pub(in crate::store) fn in_directory(directory: &Path) -> Self {
        Self {
            folder: directory.join(FOLDER),
            files: Mutex::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            places_of_tenants: EachTenant::with(CONNECTIONS_OF_TENANT_MAX),
            statements: Arc::new(Semaphore::new(STATEMENTS_MAX)),
            threads: Threads::new(THREADS_MAX),
            statements_of_tenants: EachTenant::with(STATEMENTS_OF_TENANT_MAX),
        }
    }

    pub(super) fn file(&self, tenant: TenantId, name: &DatabaseName) -> Arc<DatabaseFile> {
        let mut files = self.files.lock();
        let file = files.entry((tenant, name.clone())).or_insert_with(|| {
            Arc::new(DatabaseFile {
                tenant,
                name: name.clone(),
                path: path_of(&self.folder, tenant, name),
                turn: Arc::new(Semaphore::new(1)),
                places: Arc::new(Semaphore::new(CONNECTIONS_OF_DATABASE_MAX as usize)),
                idle: Mutex::default(),
                bytes: Arc::default(),
                is_removed: AtomicBool::new(false),
            })
        });
        Arc::clone(file)
    }

    /// Closes what nobody has used for a while. Blocking.
    pub(in crate::store) fn close_idle(&self) {
        self.close_unused_since(IDLE_TIME_MAX);
    }

    /// Closes what nobody uses, so that the files are whole without what stands beside them. Blocking.
    pub(in crate::store) fn close_all(&self) {
        self.close_unused_since(Duration::ZERO);
    }

    fn close_unused_since(&self, longest: Duration) {
        let files: Vec<Arc<DatabaseFile>> = self.files.lock().values().map(Arc::clone).collect();
        for file in &files {
            let old: Vec<_> = file.idle.lock().extract_if(.., |(_, since)| since.elapsed() >= longest).collect();
            for (connection, _) in old {
                connection.close_tidily();
            }
        }
        drop(files);
        // Nobody has it, and nothing is open: it is made anew when it is asked for.
        self.files.lock().retain(|_, file| Arc::strong_count(file) > 1 || !file.idle.lock().is_empty());
    }

    /// Bytes of one database, what is only in its log included; 0 where it was never opened.
    pub(super) fn bytes(&self, tenant: TenantId, name: &DatabaseName) -> u64 {
        let known = self.files.lock().get(&(tenant, name.clone())).map_or(0, |file| file.bytes.load(Ordering::Relaxed));
        if known > 0 { known } else { bytes_of(&path_of(&self.folder, tenant, name)) }
    }

    /// Bytes of all databases of a tenant but this one.
    pub(in crate::store) fn bytes_of_tenant(&self, tenant: TenantId, but: Option<&DatabaseName>) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.folder.join(tenant.0.to_string())) else { return 0 };
        let named = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_suffix(".db")?.parse::<DatabaseName>().ok()
        });
        named.filter(|name| but != Some(name)).map(|name| self.bytes(tenant, &name)).sum()
    }

    /// Removes a file that nobody is at; whoever holds it finds it removed. Blocking.
    pub(super) fn remove(&self, file: &DatabaseFile) -> std::io::Result<()> {
        let idle = std::mem::take(&mut *file.idle.lock());
        drop(idle);
        remove_file(&file.path)?;
        let folder = file.path.parent().unwrap_or(&self.folder);
        match File::open(folder) {
            Ok(folder) => folder.sync_all(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether this is what a database of that name is, still.
    pub(super) fn knows(&self, file: &Arc<DatabaseFile>) -> bool {
        let files = self.files.lock();
        files.get(&(file.tenant, file.name.clone())).is_some_and(|known| Arc::ptr_eq(known, file))
    }

    /// From here on it can be made anew.
    pub(super) fn forget(&self, file: &DatabaseFile) {
        self.files.lock().remove(&(file.tenant, file.name.clone()));
    }

    /// Removes the folder of a tenant that has no file left. Blocking.
    pub(super) fn remove_folder(&self, tenant: TenantId) {
        // One that was never made is as good as one that is gone.
        let _nothing_there = std::fs::remove_dir(self.folder.join(tenant.0.to_string()));
    }
}

impl DatabaseFile {
    /// A connection nobody uses.
    pub(super) fn idle_connection(&self) -> Option<GuestConnection> {
        self.idle.lock().pop().map(|(connection, _)| connection)
    }

    /// A new one. Blocking.
    pub(super) fn new_connection(&self) -> rusqlite::Result<GuestConnection> {
        let path = without_links(&self.path).map_err(|error| cannot_open(&self.path, &error))?;
        GuestConnection::open(&path, Arc::clone(&self.bytes))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, if it never `was_made`. Blocking.
    pub(super) fn make(&self, was_made: bool) -> Result<(), DatabaseError> {
        if was_made {
            // One that was cut to nothing is gone as well, unless all of it is in its log.
            if self.path.symlink_metadata().is_ok_and(|file| file.len() > 0 || self.log_bytes() > 0) {
                return Ok(());
            }
            tracing::error!(path = %self.path.display(), "the file of a tenant's database is gone; put it back, or delete the database");
            return Err(DatabaseError::Unavailable(
                "the database's file is gone from the host; the host's log says which it is".to_owned(),
            ));
        }
        let made = made(&self.path).map_err(|error| cannot_open(&self.path, &error));
        made.map(|_| ()).map_err(|error| told(&Watch::of(&self.path), &error))
    }

    /// Somebody is done with it.
    pub(super) fn give_back(&self, connection: GuestConnection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_OF_DATABASE_MAX && !self.is_removed() {
            idle.push((connection, Instant::now()));
        }
    }

    /// Bytes of its log.
    pub(super) fn log_bytes(&self) -> u64 {
        std::fs::metadata(beside(&self.path, "-wal")).map_or(0, |file| file.len())
    }

    pub(super) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    /// Whether it is being deleted, from now on.
    pub(super) fn set_removed(&self, is_removed: bool) {
        self.is_removed.store(is_removed, Ordering::Release);
    }
}

/// Of a file that nobody has opened yet: what is in its log may be new.
fn bytes_of(path: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    length(path).saturating_add(length(&beside(path, "-wal")))
}

pub(super) fn path_of(folder: &Path, tenant: TenantId, name: &DatabaseName) -> PathBuf {
    folder.join(tenant.0.to_string()).join(format!("{name}.db"))
}

/// Removes a database and what stands beside it. The database first: what is beside it is nothing without it.
pub(super) fn remove_file(path: &Path) -> std::io::Result<()> {
    for path in std::iter::once(path.to_owned()).chain(BESIDE.map(|end| beside(path, end))) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// The path of a file that is there, made where it was not, without a link in it.
pub(super) fn made(path: &Path) -> std::io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folders(folder)?;
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = regular_file::open_no_link(path, &options)?;
    if is_new {
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
    }
    without_links(path)
}

/// The path of a file that is there, without a link in it.
pub(super) fn without_links(path: &Path) -> std::io::Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folders(folder)?;
    regular_file::open_no_link(path, OpenOptions::new().read(true).write(true))?;
    let name = path.file_name().ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    Ok(std::fs::canonicalize(folder)?.join(name))
}

/// The folder of databases and that of a tenant in it: folders, and no links.
pub(super) fn make_folders(of_tenant: &Path) -> std::io::Result<()> {
    for folder in [of_tenant.parent(), Some(of_tenant)].into_iter().flatten() {
        match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
            Ok(()) => File::open(folder.parent().unwrap_or(Path::new(".")))?.sync_all()?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !folder.symlink_metadata()?.is_dir() {
                    return Err(Error::new(ErrorKind::InvalidInput, "it must be a folder, and no link; move it away"));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn cannot_open(path: &Path, error: &Error) -> rusqlite::Error {
    tracing::warn!(%error, path = %path.display(), "the file of a tenant's database can't be opened");
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let code = if full { rusqlite::ffi::SQLITE_FULL } else { rusqlite::ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_deleted_is_not_the_next_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let files = SqliteFiles::in_directory(folder.path());
        let name: DatabaseName = "app".parse().unwrap();
        // Held by two that want to delete it.
        let old = files.file(TenantId(1), &name);
        assert!(files.knows(&old));
        files.remove(&old).unwrap();
        files.forget(&old);
        assert!(!files.knows(&old));
        let anew = files.file(TenantId(1), &name);
        assert!(files.knows(&anew) && !files.knows(&old));
    }
}
