//! Databases that are files, without a guest: fences, rules, bounds, what is dropped, and what a backup takes along.

use std::time::{Duration, Instant};

use super::*;
use crate::job::database::{DatabaseStep, Script, SqlValue};
use crate::job::{ByteSize, DatabaseError, DatabaseName, Most, Quotas};
use crate::store::{DatabasePlace, DeleteDatabaseResult, Holder, PutDatabaseResult, SqliteSession, TenantChange};

fn name(text: &str) -> DatabaseName {
    text.parse().unwrap()
}

/// A job that is held, and its database `app`.
async fn opened(harness: &Harness) -> (Holder, SqliteSession) {
    let holder = held(harness).await;
    let put = harness.store.put_database(TENANT, name("app"), DatabasePlace::Sqlite).await.unwrap();
    assert!(matches!(put, PutDatabaseResult::Created(_) | PutDatabaseResult::There(_)));
    let mut session = harness.store.sqlite_session(TENANT, &name("app"), holder);
    session.make().await.unwrap();
    (holder, session)
}

fn path_of(harness: &Harness, name: &str) -> std::path::PathBuf {
    harness.directory.path().join("databases").join(TENANT.0.to_string()).join(format!("{name}.db"))
}

fn refused(result: Result<impl std::fmt::Debug, DatabaseError>, words: &str) {
    match result {
        Err(DatabaseError::Refused(why)) if why.contains(words) => {}
        other => panic!("{words}: {other:?}"),
    }
}

async fn held(harness: &Harness) -> Holder {
    harness.module("m", &["k"]).await;
    harness.enqueue(job(harness.kind("k"))).await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let jobs = harness.claim(host, 1).await;
    Holder::of(&jobs[0].lease)
}

async fn execute(session: &mut SqliteSession, sql: &str) -> Result<u64, DatabaseError> {
    session.execute(sql.to_owned(), Vec::new()).await
}

async fn number(session: &mut SqliteSession, sql: &str) -> i64 {
    let rows = session.query(sql.to_owned(), Vec::new()).await.unwrap().rows;
    match rows[0][0] {
        SqlValue::Integer(number) => number,
        ref other => panic!("{other:?}"),
    }
}

fn step(result: &str) -> DatabaseStep {
    DatabaseStep { name: "s".parse().unwrap(), occurrence: 0, shape: "i".into(), result: result.into() }
}

#[tokio::test]
async fn an_older_lease_writes_no_more_once_a_newer_one_has() {
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (who TEXT)").await.unwrap();
    // As the next execution of the job would.
    let newer = Holder { number: holder.number + 1, ..holder };
    let mut later = harness.store.sqlite_session(TENANT, &name("app"), newer);
    // The store does not know it as the job's: it is not believed.
    assert_eq!(execute(&mut later, "INSERT INTO t VALUES ('never')").await, Err(DatabaseError::StaleLease));
    let path = path_of(&harness, "app");
    let sql = rusqlite::Connection::open(path).unwrap();
    let noted: i64 = sql.query_row("SELECT lease FROM _stoker_attempts", [], |row| row.get(0)).unwrap();
    assert_eq!(noted, holder.number);
    sql.execute("UPDATE _stoker_attempts SET lease = lease + 1", []).unwrap();
    drop(sql);
    // What a newer one has noted there stands in the way of an older one, whatever the store says.
    assert_eq!(execute(&mut session, "INSERT INTO t VALUES ('old')").await, Err(DatabaseError::StaleLease));
    assert_eq!(session.begin().await, Err(DatabaseError::StaleLease));
    assert_eq!(number(&mut session, "SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn a_steps_result_is_there_with_what_it_did_or_neither() {
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (n)").await.unwrap();
    let begin = |session: SqliteSession| async move {
        let mut session = session;
        let known = session.begin_step("s".parse().unwrap(), 0).await.unwrap();
        (session, known)
    };
    let (mut session, known) = begin(session).await;
    assert_eq!(known, None);
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    // The host dies here.
    drop(session);
    let (mut session, known) = begin(harness.store.sqlite_session(TENANT, &name("app"), holder)).await;
    assert_eq!(known, None);
    execute(&mut session, "INSERT INTO t VALUES (2)").await.unwrap();
    session.commit_step(step("7")).await.unwrap();
    drop(session);
    let (mut session, known) = begin(harness.store.sqlite_session(TENANT, &name("app"), holder)).await;
    assert_eq!(known.unwrap().result, "7");
    assert_eq!(number(&mut session, "SELECT sum(n) FROM t").await, 2);
    // No transaction is left open by what was known.
    execute(&mut session, "INSERT INTO t VALUES (3)").await.unwrap();
    let mut other = harness.store.sqlite_session(TENANT, &name("app"), holder);
    assert_eq!(number(&mut other, "SELECT count(*) FROM t").await, 2);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_broken_off() {
    const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (n)").await.unwrap();
    session.begin().await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    let endless = session.query(ENDLESS.to_owned(), Vec::new());
    assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err());
    drop(session);
    let began = Instant::now();
    let mut other = harness.store.sqlite_session(TENANT, &name("app"), holder);
    execute(&mut other, "INSERT INTO t VALUES (2)").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(number(&mut other, "SELECT sum(n) FROM t").await, 2);
}

#[tokio::test]
async fn functions_that_would_run_for_minutes_do_not() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (a TEXT, b TEXT)").await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (replace(hex(zeroblob(1500000)), '0', 'a'), NULL)").await.unwrap();
    execute(&mut session, "UPDATE t SET b = substr(a, 1, 1500000) || 'b'").await.unwrap();
    let asked = "SELECT instr(a, b) + length(replace(a, b, '')) + length(trim(a, b)) FROM t";
    assert_eq!(number(&mut session, asked).await, 3_000_000);
    refused(session.query("SELECT unhex(a, b) FROM t".to_owned(), Vec::new()).await, "rule `time`: `unhex`");
    refused(session.query("SELECT json_patch(a, b) FROM t".to_owned(), Vec::new()).await, "rule `time`: `json_patch`");
}

/// Threads of statements that are busy.
fn busy() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = threads.map(|thread| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
    stats.filter(|stat| stat.contains("(stoker-sql) R ")).count()
}

#[tokio::test]
async fn what_does_not_end_takes_its_own_tenants_place_only() {
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    // Without a look in between, and each of them for seconds.
    let slow = format!(
        "SELECT {} FROM (SELECT replace(hex(zeroblob(2000000)), '0', 'a') AS a, '%' || replace(hex(zeroblob(495)), '0', 'a') || 'b' AS b)",
        ["a LIKE b"; 30].join(" + ")
    );
    let others =
        [super::tenants::make(&harness.store, "acme").await, super::tenants::make(&harness.store, "more").await];
    let mut statements = tokio::task::JoinSet::new();
    for tenant in others {
        harness.store.put_database(tenant, name("app"), DatabasePlace::Sqlite).await.unwrap();
        for _ in 0..5 {
            let mut session = harness.store.sqlite_session(tenant, &name("app"), holder);
            session.make().await.unwrap();
            let slow = slow.clone();
            statements.spawn(async move { session.query(slow, Vec::new()).await });
        }
    }
    let began = Instant::now();
    while busy() < 8 {
        assert!(began.elapsed() < Duration::from_secs(30), "{} of them run", busy());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    statements.shutdown().await;
    assert_eq!(number(&mut session, "SELECT 1").await, 1);
    assert!(busy() >= 8, "they have ended: this says nothing");
}

#[tokio::test]
async fn scripts_are_applied_once_by_whoever_comes_first() {
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    let scripts = |count: u32| -> Vec<Script> {
        (1..=count).map(|number| Script { number, sql: format!("CREATE TABLE t{number} (id)") }).collect()
    };
    let mut other = harness.store.sqlite_session(TENANT, &name("app"), holder);
    let (one, two) = tokio::join!(session.migrate(scripts(20)), other.migrate(scripts(20)));
    assert_eq!(one.unwrap() + two.unwrap(), 20);
    assert_eq!(session.migrate(scripts(21)).await, Ok(1));
    session.begin().await.unwrap();
    assert!(matches!(session.migrate(scripts(22)).await, Err(DatabaseError::Refused(_))));
    drop(session);
    let mut changed = scripts(21);
    changed[6].sql.push(' ');
    assert!(other.migrate(changed).await.unwrap_err().to_string().contains("migration 7"));
}

#[tokio::test]
async fn none_is_deleted_while_somebody_is_at_it_and_nothing_of_it_comes_back() {
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (n)").await.unwrap();
    session.begin().await.unwrap();
    let delete = || harness.store.delete_database(TENANT, name("app"));
    assert_eq!(delete().await.unwrap(), DeleteDatabaseResult::InUse);
    session.commit().await.unwrap();
    assert_eq!(delete().await.unwrap(), DeleteDatabaseResult::Deleted);
    assert_eq!(delete().await.unwrap(), DeleteDatabaseResult::NotFound);
    assert!(matches!(execute(&mut session, "DELETE FROM t").await, Err(DatabaseError::Unavailable(_))));
    harness.store.put_database(TENANT, name("app"), DatabasePlace::Sqlite).await.unwrap();
    let mut anew = harness.store.sqlite_session(TENANT, &name("app"), holder);
    anew.make().await.unwrap();
    assert_eq!(number(&mut anew, "SELECT count(*) FROM sqlite_schema WHERE name = 't'").await, 0);
}

#[tokio::test]
async fn a_link_in_place_of_a_file_is_not_followed() {
    let harness = Harness::new();
    let holder = held(&harness).await;
    harness.store.put_database(TENANT, name("app"), DatabasePlace::Sqlite).await.unwrap();
    let mut session = harness.store.sqlite_session(TENANT, &name("app"), holder);
    let path = path_of(&harness, "app");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let elsewhere = harness.directory.path().join("elsewhere.db");
    std::fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, path).unwrap();
    assert!(matches!(session.make().await, Err(DatabaseError::Unavailable(_))));
    assert_eq!(std::fs::read(elsewhere).unwrap(), b"");
}

#[tokio::test]
async fn a_statement_takes_no_more_memory_than_it_may() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    let many = |function: &str| format!("SELECT {}", vec![format!("{function}(8000000)"); 400].join(", "));
    for sql in [
        many("randomblob"),
        many("zeroblob") + " UNION SELECT " + &vec!["randomblob(8000000)"; 400].join(", "),
        format!("SELECT max({})", vec!["hex(zeroblob(4000000))"; 100].join(", ")),
        format!("SELECT {} FROM (SELECT 1)", vec!["group_concat(hex(zeroblob(4000000)))"; 64].join(", ")),
    ] {
        refused(session.query(sql, Vec::new()).await, "rule `memory`");
    }
    // What it takes of it is given back, and what is open goes on.
    session.begin().await.unwrap();
    execute(&mut session, "CREATE TABLE t (b)").await.unwrap();
    refused(session.query(many("randomblob"), Vec::new()).await, "rule `memory`");
    execute(&mut session, "INSERT INTO t VALUES (zeroblob(8000000))").await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(number(&mut session, "SELECT length(b) FROM t").await, 8_000_000);
}

#[tokio::test]
async fn expressions_that_are_put_into_each_other_do_not_end_the_host() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    let chain = |count: usize, begins: &str, ends: &str| {
        let parts: Vec<String> =
            (1..=count).map(|n| format!("c{n} AS (SELECT {begins}x{ends} AS x FROM c{})", n - 1)).collect();
        format!("WITH c0 AS (SELECT 1 AS x), {} SELECT x FROM c{count}", parts.join(", "))
    };
    let said = |result: Result<crate::job::database::SqlRows, DatabaseError>| match result {
        Ok(rows) => assert_eq!(rows.rows.len(), 1),
        Err(DatabaseError::Sql { message, .. }) => assert!(message.contains("nested too deep"), "{message}"),
        result => refused(result, "rule `memory`"),
    };
    for (count, begins, ends) in
        [(60, "", "+1".repeat(150)), (600, "", "+1".repeat(190)), (2_000, &*"~".repeat(60), String::new())]
    {
        said(session.query(chain(count, begins, &ends), Vec::new()).await);
    }
    let columns: Vec<String> = (1..=45).map(|n| format!("g{n} AS (g{}{})", n - 1, "+1".repeat(190))).collect();
    execute(&mut session, &format!("CREATE TABLE g (g0, {})", columns.join(", "))).await.unwrap();
    execute(&mut session, "INSERT INTO g (g0) VALUES (1)").await.unwrap();
    said(session.query("SELECT g45 FROM g".to_owned(), Vec::new()).await);
    for view in 1..=150 {
        let of = if view == 1 { "(SELECT 1 AS x)".to_owned() } else { format!("v{}", view - 1) };
        execute(&mut session, &format!("CREATE VIEW v{view} AS SELECT x{} AS x FROM {of}", "+1".repeat(190)))
            .await
            .unwrap();
    }
    said(session.query("SELECT x FROM v150".to_owned(), Vec::new()).await);
    assert_eq!(number(&mut session, "SELECT 7").await, 7);
}

#[tokio::test]
async fn tables_take_no_more_memory_than_they_may() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    let columns =
        (0..400).map(|number| format!("a_column_with_a_long_name_{number} TEXT")).collect::<Vec<_>>().join(", ");
    session.begin().await.unwrap();
    for table in 0.. {
        assert!(table < 2_000, "as many as it likes");
        match execute(&mut session, &format!("CREATE TABLE t{table} ({columns})")).await {
            Ok(_) => {}
            result => {
                refused(result, "rule `memory`");
                break;
            }
        }
    }
    session.rollback().await.unwrap();
    execute(&mut session, "CREATE TABLE t (n)").await.unwrap();
}

#[tokio::test]
async fn what_is_sorted_takes_no_more_temporary_files_than_it_may() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    let sorted = |count: u32| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}),
             large AS MATERIALIZED (SELECT zeroblob(40000) AS b, i FROM n ORDER BY -i, b)
             SELECT count(*) FROM large"
        )
    };
    assert_eq!(number(&mut session, &sorted(3_000)).await, 3_000);
    for _ in 0..2 {
        refused(session.query(sorted(40_000), Vec::new()).await, "rule `temporary space`");
    }
    // Nothing of it is left.
    assert_eq!(number(&mut session, &sorted(3_000)).await, 3_000);
}

#[tokio::test]
async fn nothing_gets_a_name_of_the_hosts_or_refers_to_what_is_the_hosts() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (job BLOB)").await.unwrap();
    for sql in [
        "ALTER TABLE t RENAME TO _stoker_t",
        "CREATE INDEX _stoker_i ON t (job)",
        "CREATE TRIGGER _Stoker_g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE u (job BLOB REFERENCES _stoker_attempts (job))",
        "CREATE TABLE u (lease INTEGER REFERENCES _stoker_attempts (lease) ON DELETE CASCADE)",
        "CREATE VIEW pragma_foreign_key_list AS SELECT 1",
        "ALTER TABLE t RENAME TO Pragma_foreign_key_list",
        "ALTER TABLE t ADD COLUMN lease INTEGER REFERENCES _stoker_attempts (lease)",
    ] {
        refused(execute(&mut session, sql).await, "rule `host tables`");
        session.begin().await.unwrap();
        refused(execute(&mut session, sql).await, "rule `host tables`");
        session.rollback().await.unwrap();
        refused(session.migrate(vec![Script { number: 1, sql: sql.to_owned() }]).await, "rule `host tables`");
    }
    assert_eq!(number(&mut session, "SELECT count(*) FROM sqlite_schema WHERE name = 't'").await, 1);
    assert_eq!(number(&mut session, "SELECT count(*) FROM _stoker_migrations").await, 0);
}

#[tokio::test]
async fn what_a_statement_sets_ends_with_it() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE parents (id INTEGER PRIMARY KEY)").await.unwrap();
    execute(&mut session, "CREATE TABLE children (parent INTEGER REFERENCES parents)").await.unwrap();
    session.query("PRAGMA defer_foreign_keys = ON".to_owned(), Vec::new()).await.unwrap();
    session.begin().await.unwrap();
    let orphan = execute(&mut session, "INSERT INTO children VALUES (7)").await;
    assert!(matches!(&orphan, Err(DatabaseError::Sql { code, .. }) if code.ends_with("FOREIGNKEY")), "{orphan:?}");
}

#[tokio::test]
async fn two_that_grow_at_once_do_not_both_get_the_room_that_is_there_once() {
    let harness = Harness::new();
    let (holder, mut one) = opened(&harness).await;
    harness.store.put_database(TENANT, name("b"), DatabasePlace::Sqlite).await.unwrap();
    let mut two = harness.store.sqlite_session(TENANT, &name("b"), holder);
    two.make().await.unwrap();
    let quotas = Quotas { database_bytes: Some(Most::Of(ByteSize(10 << 20))), ..Quotas::default() };
    let change = TenantChange { quotas: Some(quotas), ..TenantChange::default() };
    harness.store.change_tenant(TENANT, change).await.unwrap();
    for session in [&mut one, &mut two] {
        execute(session, "CREATE TABLE t (b)").await.unwrap();
        session.begin().await.unwrap();
    }
    execute(&mut one, "INSERT INTO t VALUES (zeroblob(6000000))").await.unwrap();
    let second = execute(&mut two, "INSERT INTO t VALUES (zeroblob(6000000))").await;
    assert!(matches!(second, Err(DatabaseError::Quota(_))), "{second:?}");
    one.commit().await.unwrap();
    two.rollback().await.unwrap();
    // What takes nothing more is let through, and what makes room.
    execute(&mut two, "INSERT INTO t VALUES (1)").await.unwrap();
    execute(&mut one, "DELETE FROM t").await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_gone_or_damaged_is_no_empty_database() {
    let harness = Harness::new();
    let (holder, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (n)").await.unwrap();
    drop(session);
    harness.store.close_idle_databases().await;
    let path = path_of(&harness, "app");
    let damaged = path.with_file_name("b.db");
    harness.store.put_database(TENANT, name("b"), DatabasePlace::Sqlite).await.unwrap();
    std::fs::write(&damaged, vec![7; 8192]).unwrap();
    std::fs::remove_file(&path).unwrap();
    let unavailable = |result: Result<(), DatabaseError>, words: &str| match result {
        Err(DatabaseError::Unavailable(why)) if why.contains(words) => {}
        other => panic!("{words}: {other:?}"),
    };
    unavailable(harness.store.sqlite_session(TENANT, &name("app"), holder).make().await, "gone");
    unavailable(harness.store.sqlite_session(TENANT, &name("b"), holder).make().await, "damaged");
    assert!(!path.exists());
    // Neither keeps the rest out of a backup, and neither becomes an empty one behind it.
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(harness.store.backup(folder.path().join("stoker.db")).await.unwrap(), 2);
    let restored = open_at(folder.path(), harness.aging, &harness.clock).unwrap();
    for gone in ["app", "b"] {
        assert!(restored.database(TENANT, name(gone)).await.unwrap().is_some());
        assert!(!folder.path().join("databases").join(TENANT.0.to_string()).join(format!("{gone}.db")).exists());
    }
    restored.close().await.unwrap();
    // Deleted, it can be made anew.
    assert_eq!(harness.store.delete_database(TENANT, name("app")).await.unwrap(), DeleteDatabaseResult::Deleted);
    harness.store.put_database(TENANT, name("app"), DatabasePlace::Sqlite).await.unwrap();
    harness.store.sqlite_session(TENANT, &name("app"), holder).make().await.unwrap();
}

#[tokio::test]
async fn what_is_taken_back_counts_no_more() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    execute(&mut session, "CREATE TABLE t (b)").await.unwrap();
    for round in 0..8 {
        session.begin().await.unwrap();
        for _ in 0..3 {
            execute(&mut session, "INSERT INTO t VALUES (zeroblob(1000000))").await.unwrap();
        }
        if round < 7 {
            session.rollback().await.unwrap();
        } else {
            session.commit().await.unwrap();
        }
    }
    assert_eq!(number(&mut session, "SELECT count(*) FROM t").await, 3);
    // Nor does one who begins to read make what is open look smaller.
    session.begin().await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (zeroblob(8000000))").await.unwrap();
    let open_bytes = harness.store.database_bytes(TENANT, &name("app"));
    assert!(open_bytes > 11_000_000, "{open_bytes}");
    assert_eq!(harness.store.applied_scripts(TENANT, &name("app")).await.unwrap(), []);
    assert_eq!(harness.store.database_bytes(TENANT, &name("app")), open_bytes);
    session.rollback().await.unwrap();
    assert!(harness.store.database_bytes(TENANT, &name("app")) < 4_000_000);
}

#[tokio::test]
async fn an_attempt_that_is_over_makes_no_database() {
    let harness = Harness::new();
    let (holder, _) = opened(&harness).await;
    let newer = Holder { number: holder.number + 1, ..holder };
    assert_eq!(harness.store.put_database_of_attempt(TENANT, name("c"), newer).await.unwrap(), None);
    assert_eq!(harness.store.database(TENANT, name("c")).await.unwrap(), None);
    let made = harness.store.put_database_of_attempt(TENANT, name("c"), holder).await.unwrap();
    assert!(matches!(made, Some(PutDatabaseResult::Created(_))));
}
