//! The logs of a job that are kept: which there are, and their lines, which are unpacked piece by piece by whoever shows
//! them.

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::catalog::TenantId;
use super::codec::{PackedLines, packed_lines};
use super::error::StoreError;
use super::model::{KeptLog, LogPage};
use super::rows::any_row;
use crate::job::{JobId, LogLine};

/// Logs of one answer, as they are stored, bytes: after one that passes this the next page begins.
const LOGS_BYTES_MAX: usize = 4 << 20;

// The length of a value is read without the value.
const LOGS: &str = "SELECT execution, attempt, dropped, length(lines) FROM attempt_logs
    WHERE job_id = ?1 AND execution < ?2 ORDER BY execution DESC";
const LINES: &str = "SELECT execution, lines FROM attempt_logs
    WHERE job_id = ?1 AND execution BETWEEN ?2 AND ?3 ORDER BY execution";

/// Which logs there are of a tenant's job before an execution: the newest that fit, in order.
pub(super) fn logs(
    sql: &Connection,
    tenant: TenantId,
    job: JobId,
    before: Option<i64>,
) -> Result<Option<LogPage>, StoreError> {
    if any_row(sql, tenant, job)?.is_none() {
        return Ok(None);
    }
    let mut statement = sql.prepare_cached(LOGS)?;
    let mut rows = statement.query(params![job.to_bytes(), before.unwrap_or(i64::MAX)])?;
    let mut page = LogPage { items: Vec::new(), next: None };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if bytes >= LOGS_BYTES_MAX {
            page.next = page.items.last().map(|log| log.execution);
            break;
        }
        let log = KeptLog {
            execution: row.get(0)?,
            attempt: row.get(1)?,
            dropped: row.get::<_, i64>(2)?.unsigned_abs(),
            bytes: row.get(3)?,
        };
        bytes += log.bytes;
        page.items.push(log);
    }
    page.items.reverse();
    Ok(Some(page))
}

/// The lines of these executions of a tenant's job, in order; of those whose logs are still kept.
pub(super) fn log_lines(
    sql: &Connection,
    tenant: TenantId,
    job: JobId,
    (first, last): (i64, i64),
) -> Result<Vec<(i64, KeptLines)>, StoreError> {
    if any_row(sql, tenant, job)?.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = sql.prepare_cached(LINES)?;
    let mut rows = statement.query(params![job.to_bytes(), first, last])?;
    let mut logs = Vec::new();
    while let Some(row) = rows.next()? {
        logs.push((row.get(0)?, KeptLines::new(row.get::<_, Vec<u8>>(1)?.into())?));
    }
    Ok(logs)
}

/// The lines of one log, as they are stored.
#[derive(Debug)]
pub struct KeptLines(PackedLines);

impl KeptLines {
    fn new(packed: Bytes) -> Result<Self, StoreError> {
        packed_lines(packed).map(Self)
    }

    /// Takes the next lines, as many as are stored in so many bytes, at least one. None at the end.
    pub fn piece(&mut self, bytes_max: usize) -> Result<Vec<LogLine>, StoreError> {
        let (mut lines, before) = (Vec::new(), self.0.bytes_left());
        while before - self.0.bytes_left() < bytes_max
            && let Some(line) = self.0.next_line()?
        {
            lines.push(line);
        }
        Ok(lines)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::codec::pack_log;
    use super::*;
    use crate::job::{LogLevel, Timestamp};

    #[test]
    fn lines_are_taken_piece_by_piece_and_each_once() {
        let line = |number: i64| LogLine {
            at: Timestamp(number),
            level: LogLevel::Stderr,
            message: format!("{number} {}", "é".repeat(50)),
        };
        for total in [0, 1, 3, 200] {
            let lines: Vec<LogLine> = (0..total).map(line).collect();
            let packed = Bytes::from(pack_log(&lines).unwrap());
            let mut kept = KeptLines::new(packed.clone()).unwrap();
            let pieces: Vec<Vec<LogLine>> = std::iter::from_fn(|| {
                let piece = kept.piece(250).unwrap();
                (!piece.is_empty()).then_some(piece)
            })
            .collect();
            assert!(pieces.iter().all(|piece| piece.len() <= 3), "{total}");
            assert_eq!(pieces.concat(), lines);
            if total > 0 {
                let mut cut = KeptLines::new(packed.slice(..packed.len() - 1)).unwrap();
                assert!(cut.piece(usize::MAX).is_err(), "{total}");
            }
        }
    }
}
