//! Gives pages that nothing needs any more back to the file system, a few at a time, where the database was made so that it
//! can (since retention there is; an older one keeps its size and fills the pages anew).

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::error::StoreError;

/// So many free pages are kept, to be filled again: 16 MiB.
const FREE_PAGES_KEPT: i64 = 4_096;
/// Beside them one in so many of all pages is kept.
const FREE_SHARE_KEPT: i64 = 10;
/// Pages given back by one operation.
const RETURNED_PAGES_MAX: i64 = 512;
/// After so long an operation gives back no further page.
const RETURN_TIME: Duration = Duration::from_millis(8);
/// What `PRAGMA auto_vacuum` calls it.
const INCREMENTAL: i64 = 2;

/// Gives back a few of the free pages there are too many of; `true` when more are left.
pub(super) fn give_back_pages(sql: &Connection) -> Result<bool, StoreError> {
    let number = |pragma: &str| sql.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let free = number("PRAGMA freelist_count")?;
    let excess = free - FREE_PAGES_KEPT.max(number("PRAGMA page_count")? / FREE_SHARE_KEPT);
    if excess <= 0 || number("PRAGMA auto_vacuum")? != INCREMENTAL {
        return Ok(false);
    }
    let began = Instant::now();
    let mut give_back = sql.prepare(&format!("PRAGMA incremental_vacuum({})", excess.min(RETURNED_PAGES_MAX)))?;
    // A page a step.
    let mut pages = give_back.raw_query();
    while began.elapsed() < RETURN_TIME && pages.next()?.is_some() {}
    drop(pages);
    let left = number("PRAGMA freelist_count")?;
    Ok(left < free && left > free - excess)
}
