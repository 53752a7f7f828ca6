//! When to look again at jobs that have ended: gathered in memory, written as one row per commit and moment, so that the end of
//! a job costs sixteen bytes and no row of its own. A look decides anew; an entry that proves wrong costs a look.
//!
//! Moments are counted by the store's own clock: whatever somebody sets the wall clock to, nothing is looked at too early.

use rusqlite::{Connection, params};

use super::error::StoreError;
use crate::job::JobId;

// The key may have come before: a job that ended, was brought back and ended again within the second.
const WRITE: &str = "INSERT INTO looks_due (due_ms, first_job, jobs) VALUES (?1, ?2, ?3)
    ON CONFLICT (due_ms, first_job) DO UPDATE SET jobs = CAST(jobs || excluded.jobs AS BLOB)";

/// Moments are rounded up to this, ms: the jobs of a commit share a row.
const MOMENT_MS: i64 = 1_000;

/// The looks of one transaction, in order, so that those of a failed operation can be taken back.
#[derive(Debug, Default)]
pub(super) struct Looks {
    looks: Vec<(i64, [u8; 16])>,
    /// Those before here belong to operations that are done.
    settled: usize,
}

impl Looks {
    /// Look at the job at this moment of the store's clock, or a little later.
    pub(super) fn add(&mut self, due_ms: i64, job: JobId) {
        let rounded = due_ms.saturating_add(MOMENT_MS - 1);
        self.looks.push((rounded - rounded.rem_euclid(MOMENT_MS), job.to_bytes()));
    }

    /// From here on a rewind goes no further back.
    pub(super) fn settle(&mut self) {
        self.settled = self.looks.len();
    }

    /// Takes back what came after the last `settle`.
    pub(super) fn rewind(&mut self) {
        self.looks.truncate(self.settled);
    }

    pub(super) fn clear(&mut self) {
        self.looks.clear();
        self.settled = 0;
    }

    /// Writes them, a row for each moment.
    pub(super) fn flush(&mut self, sql: &Connection) -> Result<(), StoreError> {
        if self.looks.is_empty() {
            return Ok(());
        }
        // Stable: within a moment in the order of their ends.
        self.looks.sort_by_key(|(due_ms, _)| *due_ms);
        let mut write = sql.prepare_cached(WRITE)?;
        for group in self.looks.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((due_ms, first)) = group.first() else { continue };
            let jobs: Vec<u8> = group.iter().flat_map(|(_, job)| *job).collect();
            write.execute(params![due_ms, first, jobs])?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rounded_up() {
        let mut looks = Looks::default();
        for due_ms in [0, 1, 999, 1_000, 1_001] {
            looks.add(due_ms, JobId::from_u128(1));
        }
        let moments: Vec<i64> = looks.looks.iter().map(|(due_ms, _)| *due_ms).collect();
        assert_eq!(moments, [0, 1_000, 1_000, 1_000, 2_000]);
    }

    #[test]
    fn what_is_taken_back_is_not_written() {
        let mut looks = Looks::default();
        looks.add(5, JobId::from_u128(1));
        looks.settle();
        looks.add(5, JobId::from_u128(2));
        looks.rewind();
        looks.add(7, JobId::from_u128(3));
        assert!(crate::store::databases::bound_memory());
        let sql = Connection::open_in_memory().unwrap();
        sql.execute_batch(
            "CREATE TABLE looks_due (due_ms INTEGER, first_job BLOB, jobs BLOB, PRIMARY KEY (due_ms, first_job))",
        )
        .unwrap();
        looks.flush(&sql).unwrap();
        looks.flush(&sql).unwrap();
        let bytes: i64 = sql.query_row("SELECT length(jobs) FROM looks_due", [], |row| row.get(0)).unwrap();
        assert_eq!(bytes, 4 * 16, "two jobs, written twice under the same key");
        looks.clear();
        looks.flush(&sql).unwrap();
    }
}
