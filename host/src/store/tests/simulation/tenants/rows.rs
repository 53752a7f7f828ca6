//! The whole database by whose its rows are. Found out from the tables themselves: one that comes later and names a tenant or a job
//! falls under it by itself, and one that names neither fails until somebody says here whose its rows are.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

/// Of nobody in particular: the host's own, hints, and what is addressed by its content.
const NOBODYS: [&str; 12] = [
    "deleted_tenants",
    "events",
    "host_access",
    "hosts",
    "looks_due",
    "meta",
    "module_chunks",
    "secrets_keys",
    "sqlite_sequence",
    "stored_bytes_scan",
    "sweep",
    "user_token_key",
];
/// What outlives its tenant, on purpose.
const OUTLIVES: [&str; 3] = ["audit", "audit_rows", "usage"];
/// What may be the host's own.
const HOSTS_TOO: [&str; 2] = ["api_keys", "audit"];

/// By which column a row says whose it is, the surest first.
const OWNERS: [(&str, &str); 9] = [
    ("tenant_id", "row.tenant_id"),
    ("schedule_id", "(SELECT tenant_id FROM schedules WHERE id = row.schedule_id)"),
    ("limit_code", OWNER_OF_LIMIT),
    ("credential_hash", "(SELECT tenant_id FROM api_keys WHERE hash = row.credential_hash)"),
    ("job_id", "(SELECT tenant_id FROM jobs WHERE id = row.job_id)"),
    ("mail_id", "(SELECT tenant_id FROM mails WHERE id = row.mail_id)"),
    ("child_id", "(SELECT tenant_id FROM jobs WHERE id = row.child_id)"),
    ("cause", "(SELECT tenant_id FROM jobs WHERE id = row.cause)"),
    ("deleting_since", "row.id"),
];
const OWNER_OF_LIMIT: &str = "CASE row.limit_code % 4 WHEN 3 THEN row.limit_code / 4
    WHEN 0 THEN (SELECT tenant_id FROM kinds WHERE id = row.limit_code / 4)
    WHEN 2 THEN (SELECT tenant_id FROM queues WHERE id = row.limit_code / 4)
    ELSE (SELECT tenant_id FROM concurrency_keys WHERE id = row.limit_code / 4) END";
const JOBS: &str =
    "WITH jobs AS (SELECT id, tenant_id FROM live_jobs UNION ALL SELECT id, tenant_id FROM finished_jobs)";
const TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name";
const COLUMNS: &str = "SELECT name FROM pragma_table_info(?1)";

/// The tables that are somebody's, each with the query for its rows and whose they are.
pub(super) struct Tables(Vec<(String, String)>);

impl Tables {
    pub(super) fn of(sql: &Connection) -> Self {
        let mut tables = Vec::new();
        for table in names(sql, TABLES, "").into_iter().filter(|table| !NOBODYS.contains(&table.as_str())) {
            let columns = names(sql, COLUMNS, &table);
            let known = OWNERS.iter().find(|(column, _)| columns.iter().any(|name| name == column));
            let (_, owner) = known.unwrap_or_else(|| panic!("whose are the rows of {table}? It has {columns:?}"));
            let shown: Vec<String> = columns.iter().map(|column| format!("quote(row.{column})")).collect();
            let query = format!("{JOBS} SELECT {owner}, {} FROM {table} AS row ORDER BY 2", shown.join(" || ' ' || "));
            tables.push((table, query));
        }
        Tables(tables)
    }

    pub(super) fn read(&self, sql: &Connection) -> Rows {
        let mut all = Rows::default();
        // One state of the database, not one a table.
        sql.execute_batch("BEGIN").unwrap();
        for (table, query) in &self.0 {
            let mut statement = sql.prepare_cached(query).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, String>(1)?)));
            for (owner, shown) in rows.unwrap().map(Result::unwrap) {
                all.0.entry((owner, table.clone())).or_default().push(shown);
            }
        }
        sql.execute_batch("COMMIT").unwrap();
        all
    }
}

/// By owner (`None`: nobody who is known) and table.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<(Option<i64>, String), Vec<String>>);

impl Rows {
    /// Rows of others are what they were.
    pub(super) fn assert_unchanged_since(&self, before: &Rows, may_have_changed: impl Fn(Option<i64>) -> bool) {
        for (place, rows) in &self.0 {
            let was = before.0.get(place);
            let may = may_have_changed(place.0);
            assert!(may || was == Some(rows), "{place:?} was {was:#?}, and is {rows:#?}");
        }
        for place in before.0.keys() {
            let may = may_have_changed(place.0);
            assert!(may || self.0.contains_key(place), "{place:?} is gone: {:#?}", before.0[place]);
        }
    }

    /// Every row is somebody's who is there, but for what outlives its tenant.
    pub(super) fn assert_owners_are(&self, tenants: &BTreeSet<i64>) {
        for ((owner, table), rows) in &self.0 {
            let is_known = match owner {
                Some(owner) => tenants.contains(owner) || OUTLIVES.contains(&table.as_str()),
                None => HOSTS_TOO.contains(&table.as_str()),
            };
            assert!(is_known, "rows of {table} are of {owner:?}, who is not there: {rows:#?}");
        }
    }
}

fn names(sql: &Connection, query: &str, of: &str) -> Vec<String> {
    let mut statement = sql.prepare_cached(query).unwrap();
    let parameters: &[&dyn rusqlite::ToSql] = if of.is_empty() { &[] } else { &[&of] };
    statement.query_map(parameters, |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
