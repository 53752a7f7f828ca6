//! Databases that are files, without a guest: fences, rules, bounds, what is dropped, and what a backup takes along.

use std::time::{Duration, Instant};

use super::*;
use crate::job::database::{DatabaseStep, Script, SqlValue};
use crate::job::{DatabaseError, DatabaseName};
use crate::store::{DatabasePlace, DeleteDatabaseResult, Holder, PutDatabaseResult, SqliteSession};

fn name(text: &str) -> DatabaseName {
    text.parse().unwrap()
}

/// A job that is held, and its database `app`.
async fn opened(harness: &Harness) -> (Holder, SqliteSession) {
    let holder = held(harness).await;
    let put = harness.store.put_database(TENANT, name("app"), DatabasePlace::Sqlite).await.unwrap();
    assert!(matches!(put, PutDatabaseResult::Created(_) | PutDatabaseResult::There(_)));
    (holder, harness.store.sqlite_session(TENANT, &name("app"), holder))
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
    let path = harness.directory.path().join("databases").join(TENANT.0.to_string()).join("app.db");
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
    assert_eq!(number(&mut anew, "SELECT count(*) FROM sqlite_schema WHERE name = 't'").await, 0);
}

#[tokio::test]
async fn a_link_in_place_of_a_file_is_not_followed() {
    let harness = Harness::new();
    let (_, mut session) = opened(&harness).await;
    let folder = harness.directory.path().join("databases").join(TENANT.0.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let elsewhere = harness.directory.path().join("elsewhere.db");
    std::fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("app.db")).unwrap();
    assert!(matches!(session.make().await, Err(DatabaseError::Unavailable(_))));
    assert_eq!(std::fs::read(elsewhere).unwrap(), b"");
}
