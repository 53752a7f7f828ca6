//! A consistent copy of the database while the host runs, in one step from a connection of its own; then, into the same file, copies
//! of tenants' databases, each in one step as well.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::connection::open_reader;
use super::databases::{carried_bytes, pack};
use super::error::StoreError;
use super::notifications::FORGET_KEY;

/// A copy leaves so much of the disk to the host, which goes on writing while it is made and fetched: twice what the log
/// has before it is folded in, bytes.
const ROOM_LEFT_BYTES: u64 = 64 << 20;

/// Copies the database at `source` into the new file `destination`. How many of tenants' databases had to be left out.
pub(super) fn back_up(source: &Path, destination: &Path) -> Result<usize, StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", destination.display()));
    OpenOptions::new().write(true).create_new(true).open(destination).map_err(failed)?;
    let result = copy(source, destination).and_then(|left_out| {
        File::open(destination).and_then(|file| file.sync_all()).map_err(failed)?;
        let directory = destination.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        Ok(left_out)
    });
    if result.is_err() {
        // Half a copy is worse than none.
        let _left_behind = std::fs::remove_file(destination);
    }
    result
}

fn copy(source: &Path, destination: &Path) -> Result<usize, StoreError> {
    let from = open_reader(source)?;
    check_room(&from, source, destination)?;
    let mut to = Connection::open(destination)?;
    let step = Backup::new(&from, &mut to)?.step(-1)?;
    match step {
        StepResult::Done => {}
        other => return Err(StoreError::Unavailable(format!("the copy stopped: {other:?}"))),
    }
    // What leaves the machine makes nobody a user of this host.
    to.execute_batch(FORGET_KEY)?;
    // Read back without the log's side files: a single file is what people move around.
    let _mode: String = to.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    let mut left_out = 0;
    if let Some(directory) = source.parent() {
        // It is synced once, when all is in it.
        to.pragma_update(None, "synchronous", "off")?;
        left_out = pack(&mut to, directory, &destination.with_extension("database"))?;
    }
    to.close().map_err(|(_, error)| StoreError::from(error))?;
    Ok(left_out)
}

/// Whether the disk has room for the copy and for what the host writes meanwhile.
fn check_room(from: &Connection, source: &Path, destination: &Path) -> Result<(), StoreError> {
    let number = |pragma: &str| from.query_row(pragma, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    // Each database stands beside the copy until it is in it; that of the largest is at most what all have.
    let databases_bytes = source.parent().map_or(0, carried_bytes).saturating_mul(2);
    let store_bytes = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
    let copy_bytes = store_bytes.saturating_add(databases_bytes);
    let disk = rustix::fs::statvfs(destination).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free_bytes < copy_bytes.saturating_add(ROOM_LEFT_BYTES) {
        return Err(StoreError::NoRoomForCopy { copy_bytes, left_bytes: ROOM_LEFT_BYTES, free_bytes });
    }
    Ok(())
}
