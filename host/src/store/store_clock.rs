//! The store's own clock: counts milliseconds of running time, goes on after a restart where it stood, and does not
//! care what anybody sets the wall clock to. The ages of heartbeats are measured with it.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use crate::job::{Clock, Timestamp};

const READ: &str = "SELECT value FROM meta WHERE name = 'store_clock_ms'";
const WRITE: &str = "INSERT INTO meta (name, value) VALUES ('store_clock_ms', ?1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct StoreClock {
    clock: Arc<dyn Clock>,
    base_ms: i64,
    opened_at: Duration,
}

impl std::fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreClock").field("base_ms", &self.base_ms).finish_non_exhaustive()
    }
}

impl StoreClock {
    /// Goes on where the last process stopped writing it down.
    pub(super) fn resume(sql: &Connection, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let base_ms = sql.query_row(READ, [], |row| row.get(0)).optional()?.unwrap_or(0);
        Ok(Self { opened_at: clock.monotonic(), clock, base_ms })
    }

    /// Milliseconds of running time.
    pub(super) fn now_ms(&self) -> i64 {
        let since_open = self.clock.monotonic().saturating_sub(self.opened_at);
        self.base_ms.saturating_add(i64::try_from(since_open.as_millis()).unwrap_or(i64::MAX))
    }

    /// The same, nanoseconds: the unit of rates.
    pub(super) fn now_ns(&self) -> i64 {
        self.now_ms().saturating_mul(1_000_000)
    }

    /// The wall clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes down where it stands.
    pub(super) fn save(&self, sql: &Connection) -> Result<(), StoreError> {
        sql.prepare_cached(WRITE)?.execute(params![self.now_ms()])?;
        Ok(())
    }
}
