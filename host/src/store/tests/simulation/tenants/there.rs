//! What is there of each tenant, counted from the rows: of all tenants at once, since it is asked after every step.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::*;

/// The length of what is kept by a job's id, and whose it is.
macro_rules! of_job {
    ($table:literal, $column:literal) => {
        concat!(
            "SELECT coalesce((SELECT tenant_id FROM live_jobs WHERE id = job_id),
                (SELECT tenant_id FROM finished_jobs WHERE id = job_id)) AS tenant_id, length(",
            $column,
            ") AS bytes FROM ",
            $table,
            " UNION ALL "
        )
    };
}
const STORED: &str = concat!(
    "SELECT tenant_id, sum(bytes), 0 FROM (",
    of_job!("payloads", "body"),
    of_job!("outputs", "body"),
    of_job!("attempt_logs", "lines"),
    "SELECT tenant_id, coalesce(octet_length(on_success), 0) + coalesce(octet_length(on_failure), 0)
        + coalesce(octet_length(on_finish), 0) FROM batches
    UNION ALL SELECT tenant_id, length(payload) + octet_length(definition) + coalesce(octet_length(declared), 0)
        FROM schedules
    UNION ALL SELECT tenant_id, octet_length(user_name) + octet_length(message) + coalesce(length(data), 0)
        FROM notifications
    UNION ALL SELECT tenant_id, octet_length(key) + length(request_hash) + length(jobs) + coalesce(length(answers), 0)
        FROM idempotency_keys) GROUP BY tenant_id"
);
const KEPT_STORED: &str = "SELECT tenant_id, bytes, 0 FROM stored_bytes";
const WAITING: &str = "SELECT tenant_id, count(*), 0 FROM live_jobs WHERE state <> 'running' GROUP BY tenant_id";
const HELD: &str = "SELECT tenant_id, count(*), 0 FROM live_jobs WHERE lease_host IS NOT NULL GROUP BY tenant_id";
const KV: &str = "SELECT tenant_id, count(*), sum(octet_length(bucket) + octet_length(key) + length(value))
    FROM kv_entries GROUP BY tenant_id";
const KEPT_KV: &str = "SELECT tenant_id, keys, bytes FROM kv_usage";
const SECRETS: &str = "SELECT tenant_id, count(*), 0 FROM secrets GROUP BY tenant_id";
const SCHEDULES: &str = "SELECT tenant_id, count(*), 0 FROM schedules GROUP BY tenant_id";
const MODULES: &str = "SELECT tenant_id, count(*), 0 FROM modules GROUP BY tenant_id";
const AUDIT: &str = "SELECT tenant_id, count(*), sum(octet_length(who) + octet_length(action) + octet_length(object)
        + coalesce(octet_length(before), 0) + coalesce(octet_length(after), 0))
    FROM audit WHERE tenant_id IS NOT NULL GROUP BY tenant_id";
const KEPT_AUDIT: &str = "SELECT tenant_id, rows, bytes FROM audit_rows";
const STATES: &str = "SELECT tenant_id, state, count(*) FROM (SELECT tenant_id, state FROM live_jobs
    UNION ALL SELECT tenant_id, state FROM finished_jobs) GROUP BY tenant_id, state";

/// By tenant: how many, and of how many bytes, where both are asked for.
pub(super) struct Of(BTreeMap<i64, (u64, u64)>);

impl Of {
    fn read(sql: &Connection, query: &str) -> Self {
        let mut statement = sql.prepare_cached(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
        Of(rows.map(Result::unwrap).collect())
    }

    pub(super) fn one(&self, tenant: TenantId) -> u64 {
        self.both(tenant).0
    }

    pub(super) fn both(&self, tenant: TenantId) -> (u64, u64) {
        self.0.get(&tenant.0).copied().unwrap_or_default()
    }
}

/// What is there, and what is kept beside it of how much that is.
pub(super) struct There {
    pub(super) stored: Of,
    pub(super) kept_stored: Of,
    pub(super) waiting: Of,
    pub(super) held: Of,
    pub(super) kv: Of,
    pub(super) kept_kv: Of,
    pub(super) secrets: Of,
    pub(super) schedules: Of,
    pub(super) modules: Of,
    pub(super) audit: Of,
    pub(super) kept_audit: Of,
    states: Vec<(i64, String, u64)>,
}

impl There {
    pub(super) fn read(sql: &Connection) -> Self {
        let mut states = sql.prepare_cached(STATES).unwrap();
        let states = states.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        Self {
            stored: stored(sql),
            kept_stored: Of::read(sql, KEPT_STORED),
            waiting: Of::read(sql, WAITING),
            held: Of::read(sql, HELD),
            kv: Of::read(sql, KV),
            kept_kv: Of::read(sql, KEPT_KV),
            secrets: Of::read(sql, SECRETS),
            schedules: Of::read(sql, SCHEDULES),
            modules: Of::read(sql, MODULES),
            audit: Of::read(sql, AUDIT),
            kept_audit: Of::read(sql, KEPT_AUDIT),
            states: states.map(Result::unwrap).collect(),
        }
    }

    /// Jobs by their states.
    pub(super) fn states(&self, tenant: TenantId) -> BTreeMap<&str, u64> {
        let own = self.states.iter().filter(|(of, ..)| *of == tenant.0);
        own.map(|(_, state, jobs)| (state.as_str(), *jobs)).collect()
    }
}

/// Payloads, outputs, logs and whatever else counts, added up.
pub(super) fn stored(sql: &Connection) -> Of {
    Of::read(sql, STORED)
}
