//! What tenants used, as clients see it.

use serde::Serialize;

use super::time::Instant;
use crate::job::quota::DAY_MS;
use crate::job::{KindName, TenantName, Timestamp};
use crate::store::UsageRow;

/// What one tenant used on one day (UTC) for one kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Usage<'a> {
    /// Whose; `null`: of a tenant that was deleted long ago.
    #[schema(value_type = Option<String>)]
    pub tenant: Option<&'a TenantName>,
    /// The day, like `2026-11-22`.
    #[schema(example = "2026-11-22")]
    pub day: String,
    /// The kind.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// Jobs enqueued.
    pub jobs: u64,
    /// Executions that ended, however they did.
    pub attempts: u64,
    /// Fuel they used.
    pub fuel: u64,
    /// How long their guests ran, µs.
    pub run_us: u64,
    /// Payloads of the jobs enqueued, bytes.
    pub bytes_in: u64,
    /// Outputs, bytes.
    pub bytes_out: u64,
    /// Payloads, outputs and logs that came to be kept, bytes.
    pub bytes_stored: u64,
    /// HTTP calls of guests.
    pub http_calls: u64,
}

impl<'a> From<&'a UsageRow> for Usage<'a> {
    fn from(row: &'a UsageRow) -> Self {
        Self {
            tenant: row.tenant.as_ref(),
            day: day_text(row.day),
            kind: &row.kind,
            jobs: row.jobs,
            attempts: row.attempts,
            fuel: row.fuel,
            run_us: row.run_us,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            bytes_stored: row.bytes_stored,
            http_calls: row.http_calls,
        }
    }
}

/// `2026-11-22`, of the day counted from 1970.
fn day_text(day: i64) -> String {
    let begins = Instant(Timestamp(day.saturating_mul(DAY_MS))).to_string();
    begins.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_dates() {
        for (day, text) in [(0, "1970-01-01"), (20_779, "2026-11-22")] {
            assert_eq!(day_text(day), text);
        }
    }
}
