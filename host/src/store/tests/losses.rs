//! What is missing or damaged is found at the start: no lost database becomes an empty store, no lost commit goes
//! unnoticed, and what was made in order opens.

use super::*;

/// The directory as a host that is killed now leaves it, without `but`.
fn killed(harness: &Harness, but: &[&str]) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for name in ["stoker.db", "stoker.db-wal", "stoker.mark", "entered.slots"] {
        if !but.contains(&name) {
            std::fs::copy(harness.directory.path().join(name), left.path().join(name)).unwrap();
        }
    }
    left
}

fn refusal(directory: &Path, harness: &Harness) -> OpenError {
    open_at(directory, harness.aging, &harness.clock).expect_err("this directory must be refused")
}

async fn assert_opens(directory: &Path, harness: &Harness, job: JobId) {
    let store = open_at(directory, harness.aging, &harness.clock).unwrap();
    assert!(store.job(TENANT, job).await.unwrap().is_some());
    store.close().await.unwrap();
}

/// Something is folded in, something is only in the log.
async fn with_a_log() -> (Harness, JobId) {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    harness.enqueue(job(harness.kind("k"))).await;
    harness.reopen().await;
    let newest = harness.enqueue(job(harness.kind("k"))).await;
    (harness, newest)
}

#[tokio::test]
async fn a_lost_database_is_no_new_store() {
    let harness = Harness::new();
    harness.store.close().await.unwrap();
    let database = harness.database();
    let tableless = || {
        let sql = rusqlite::Connection::open(&database).unwrap();
        let _mode: String = sql.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
    };
    std::fs::remove_file(&database).unwrap();
    for (what, damage) in [
        ("missing", &(|| {}) as &dyn Fn()),
        ("empty", &|| std::fs::write(&database, "").unwrap()),
        ("no tables", &tableless),
    ] {
        damage();
        let error = refusal(harness.directory.path(), &harness);
        assert!(matches!(error, OpenError::Lost { .. }), "{error}");
        let said = error.to_string();
        for word in [what, "stoker.db", "stoker.mark", "entered.slots", "backup", "move"] {
            assert!(said.contains(word), "`{word}` is missing: {said}");
        }
    }
    // Refusing changes nothing: still refused.
    assert!(matches!(refusal(harness.directory.path(), &harness), OpenError::Lost { .. }));
}

#[tokio::test]
async fn every_trace_is_enough_and_a_first_start_cut_short_leaves_none() {
    let harness = Harness::new();
    for trace in ["stoker.mark", "entered.slots", "stoker.db-wal", "artifacts"] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(trace), "x").unwrap();
        let error = refusal(directory.path(), &harness);
        assert!(matches!(&error, OpenError::Lost { traces, .. } if traces == trace), "{error}");
        assert!(directory.path().join(trace).exists(), "evidence must stay");
    }
    // Before the first script ran.
    let directory = tempfile::tempdir().unwrap();
    drop(super::super::connection::open_writer(&directory.path().join("stoker.db")).unwrap());
    std::fs::write(directory.path().join("stoker.lock"), "1").unwrap();
    open_at(directory.path(), harness.aging, &harness.clock).unwrap().close().await.unwrap();
    // After it, before anything else was made.
    for name in ["stoker.mark", "entered.slots"] {
        std::fs::remove_file(directory.path().join(name)).unwrap();
    }
    open_at(directory.path(), harness.aging, &harness.clock).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_lost_log_is_noticed() {
    let (harness, newest) = with_a_log().await;
    assert_opens(killed(&harness, &[]).path(), &harness, newest).await;

    let left = killed(&harness, &["stoker.db-wal"]);
    for _ in 0..2 {
        let error = refusal(left.path(), &harness);
        assert!(matches!(error, OpenError::Behind { found: 1, acknowledged: 2, .. }), "{error}");
        assert!(error.to_string().contains("-wal"), "{error}");
    }
    // Cut, which is what a bad copy does.
    let cut = killed(&harness, &[]);
    std::fs::File::options().write(true).open(cut.path().join("stoker.db-wal")).unwrap().set_len(64).unwrap();
    assert!(matches!(refusal(cut.path(), &harness), OpenError::Behind { .. }));
    // The way on that the message names.
    std::fs::remove_file(left.path().join("stoker.mark")).unwrap();
    let store = open_at(left.path(), harness.aging, &harness.clock).unwrap();
    assert!(store.job(TENANT, newest).await.unwrap().is_none());
    let next = store.enqueue(TENANT, job(harness.kind("k"))).await.unwrap();
    store.close().await.unwrap();
    let EnqueueResult::Created(next) = next else { panic!("{next:?}") };
    assert_opens(left.path(), &harness, next.id).await;
    // Something else folded the log in: nothing is lost, and nothing is said.
    let folded = killed(&harness, &[]);
    let sql = rusqlite::Connection::open(folded.path().join("stoker.db")).unwrap();
    let _tables: i64 = sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    drop(sql);
    assert!(!folded.path().join("stoker.db-wal").exists());
    assert_opens(folded.path(), &harness, newest).await;
}

#[tokio::test]
async fn what_is_refused_stays_as_it_is_found_and_a_look_says_that_it_is() {
    let (harness, _) = with_a_log().await;
    for _ in 0..5 {
        harness.enqueue(job(harness.kind("k"))).await;
    }
    let left = killed(&harness, &[]);
    assert_eq!(super::super::checkup::checkup(left.path()).unwrap().refusal, None);
    // Some of its commits are whole.
    let log = std::fs::File::options().write(true).open(left.path().join("stoker.db-wal")).unwrap();
    log.set_len(log.metadata().unwrap().len() * 2 / 3).unwrap();
    let files =
        || ["stoker.db", "stoker.db-wal", "stoker.mark"].map(|name| std::fs::read(left.path().join(name)).unwrap());
    let before = files();
    let said = super::super::checkup::checkup(left.path()).unwrap().refusal.unwrap();
    let error = refusal(left.path(), &harness);
    assert!(matches!(error, OpenError::Behind { .. }), "{error}");
    assert_eq!(said, error.to_string());
    assert!(files() == before, "a way back is to put the whole log there again");
}

#[tokio::test]
async fn a_copy_opens_alone_and_never_on_top_of_what_was_there() {
    let (harness, newest) = with_a_log().await;
    let alone = tempfile::tempdir().unwrap();
    harness.store.backup(alone.path().join("stoker.db")).await.unwrap();
    let copy = std::fs::read(alone.path().join("stoker.db")).unwrap();
    assert_opens(alone.path(), &harness, newest).await;
    assert_opens(alone.path(), &harness, newest).await;

    harness.enqueue(job(harness.kind("k"))).await;
    let onto_a_log = killed(&harness, &[]);
    std::fs::write(onto_a_log.path().join("stoker.db"), &copy).unwrap();
    let error = refusal(onto_a_log.path(), &harness);
    assert!(matches!(error, OpenError::ForeignLog { .. }), "{error}");
    assert!(onto_a_log.path().join("stoker.db-wal").exists());

    harness.store.close().await.unwrap();
    std::fs::write(harness.database(), &copy).unwrap();
    let error = refusal(harness.directory.path(), &harness);
    assert!(matches!(error, OpenError::Behind { found: 2, acknowledged: 3, .. }), "{error}");

    let (other, _) = with_a_log().await;
    other.store.close().await.unwrap();
    std::fs::copy(other.database(), harness.database()).unwrap();
    let error = refusal(harness.directory.path(), &harness);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_mark_costs_a_warning_and_is_mended() {
    let (mut harness, newest) = with_a_log().await;
    harness.store.close().await.unwrap();
    let mark = harness.directory.path().join("stoker.mark");
    let sound = std::fs::read(&mark).unwrap();
    std::fs::write(&mark, "nonsense").unwrap();
    harness.reopen().await;
    assert!(harness.store.job(TENANT, newest).await.unwrap().is_some());
    assert_eq!(std::fs::read(&mark).unwrap(), sound);
}

#[tokio::test]
async fn damage_that_a_write_meets_ends_the_store_before_there_is_more() {
    let (mut harness, _) = with_a_log().await;
    harness.store.close().await.unwrap();
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'job_tags'";
    let page: usize = sql.query_row(root, [], |row| row.get(0)).unwrap();
    let page_bytes: usize = sql.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    drop(sql);
    let mut bytes = std::fs::read(harness.database()).unwrap();
    bytes[(page - 1) * page_bytes..page * page_bytes].fill(0x55);
    std::fs::write(harness.database(), bytes).unwrap();
    harness.reopen().await;
    let kind = harness.kind("k");
    harness.enqueue(job(kind)).await;
    let mut tagged = job(kind);
    tagged.spec.tags = vec!["t".into()];
    let enqueued = harness.store.enqueue(TENANT, tagged).await;
    assert!(matches!(enqueued, Err(StoreError::Damaged(_))), "{enqueued:?}");
    harness.store.failed().cancelled().await;
    assert!(!harness.store.is_writable());
    let enqueued = harness.store.enqueue(TENANT, job(kind)).await;
    assert!(matches!(enqueued, Err(StoreError::Closed)), "{enqueued:?}");
}

#[tokio::test]
async fn a_damaged_database_says_what_to_do() {
    let (harness, _) = with_a_log().await;
    harness.store.close().await.unwrap();
    let sound = std::fs::read(harness.database()).unwrap();
    let mut no_database = sound.clone();
    no_database[..16].copy_from_slice(b"a text, not a DB");
    let mut torn = sound.clone();
    torn[100..].fill(0x55);
    for bytes in [no_database, torn] {
        std::fs::write(harness.database(), bytes).unwrap();
        let said = refusal(harness.directory.path(), &harness).to_string();
        for word in ["stoker.db", "is damaged", "backup"] {
            assert!(said.contains(word), "`{word}` is missing: {said}");
        }
    }
    std::fs::write(harness.database(), sound).unwrap();
    let notes = harness.directory.path().join("entered.slots");
    std::fs::remove_file(&notes).unwrap();
    std::fs::create_dir(&notes).unwrap();
    let said = refusal(harness.directory.path(), &harness).to_string();
    assert!(said.contains("entered.slots") && said.contains("directory"), "{said}");
}
