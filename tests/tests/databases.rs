//! SQL databases of handlers, through the real binary: closed until they are granted, within their rules and bounds, rolled back with
//! the attempt, in the backup; and steps in them happen once, wherever the host is killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, crash_rounds, make_tenant, run_stoker, state_of};

fn host() -> TestHost {
    let host = TestHost::builder().workers(4).start();
    ready(&host);
    host
}

fn ready(host: &TestHost) {
    host.upload(Guest::Handlers);
    host.set_kind("script", &json!({"grants": {"databases": ["app", "tenant-*"]}, "timeout": "1m", "max_attempts": 2}));
}

fn line(fields: &Value) -> Value {
    let mut line = json!({"do": "database", "database": "app"});
    line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    line
}

fn script(lines: &[Value]) -> Value {
    json!({"lines": lines.iter().map(line).collect::<Vec<_>>()})
}

fn run(host: &TestHost, lines: &[Value]) -> Vec<Value> {
    host.run_kind("script", &script(lines)).as_array().unwrap().clone()
}

/// What one statement comes to.
fn sql(host: &TestHost, statement: &str) -> Value {
    run(host, &[json!({"sql": [statement]})]).remove(0)
}

#[track_caller]
fn assert_refused(answer: &Value, words: &[&str]) {
    let said = answer["refused"].as_str().unwrap_or_else(|| panic!("it was not refused: {answer}"));
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, size REAL, raw BLOB, done INTEGER)";

#[test]
fn it_is_closed_until_it_is_granted() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let asked = script(&[json!({"sql": ["SELECT 1"]})]);
    assert_refused(&host.run_kind("script", &asked)[0], &["not granted the database"]);
    let failing = json!({"lines": [line(&json!({"sql": ["SELECT 1"]})), {"do": "fail", "attempts": 9}]});
    host.set_kind("script", &json!({"grants": {"databases": ["tenant-*"]}, "max_attempts": 1}));
    let job = host.run_failing("script", &failing, "capability_denied");
    assert!(job["error"]["message"].as_str().unwrap().contains("database app"), "{job:#}");
    let other = json!({"lines": [line(&json!({"database": "tenant-7", "sql": ["SELECT 7"]}))]});
    assert_eq!(host.run_kind("script", &other)[0], json!([[7]]));
    let wrong = json!({"lines": [line(&json!({"database": "tenant-/../x"}))]});
    assert_refused(&host.run_kind("script", &wrong)[0], &["a database's name must be"]);
}

#[test]
fn rows_have_types_and_scripts_go_forward() {
    let host = host();
    let answers = run(
        &host,
        &[
            json!({"migrations": [NOTES], "sql": ["INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5)"],
                "parameters": [1, "one", 0.5, [1, 255], true]}),
            json!({"sql": ["SELECT * FROM notes"]}),
            json!({"sql": ["INSERT INTO notes (text) VALUES ('a'), ('b') RETURNING id"]}),
            json!({"sql": ["UPDATE notes SET done = 1 WHERE id > 1"]}),
            json!({"sql": ["INSERT INTO notes (text) VALUES ('a')"]}),
            json!({"sql": ["SELECT ?1"]}),
            json!({"sql": ["SELECT 1; SELECT 2"]}),
        ],
    );
    assert_eq!(answers[0], 1);
    assert_eq!(answers[1], json!([[1, "one", 0.5, {"bytes": [1, 255]}, 1]]));
    assert_eq!(answers[2], json!([[2], [3]]));
    assert_eq!(answers[3], 2);
    assert_refused(&answers[4], &["notes.text", "SQLITE_CONSTRAINT_UNIQUE"]);
    assert_refused(&answers[5], &["has 1 parameters, and 0 are given"]);
    assert_refused(&answers[6], &["one statement at a time"]);

    let changed = run(&host, &[json!({"migrations": ["CREATE TABLE notes (id)"]})]);
    assert_refused(&changed[0], &["migration 1 was applied with another text"]);
    let broken = run(&host, &[json!({"migrations": [NOTES, "CREATE TABLE more (id); nonsense"]})]);
    assert_refused(&broken[0], &["migration 2", "nonsense"]);
    assert_eq!(
        sql(&host, "SELECT count(*) FROM sqlite_schema WHERE name = 'more'"),
        json!([[0]]),
        "all of it or nothing"
    );
    assert_eq!(run(&host, &[json!({"migrations": [NOTES, "CREATE TABLE more (id)"]})]), [Value::Null]);
    let detail = host.get("/v1/databases/app").expect(200);
    let numbers: Vec<_> = detail["migrations"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
    assert_eq!(numbers, [1, 2], "{detail:#}");
    assert!(detail["size_bytes"].as_u64().unwrap() > 0 && detail["engine"] == "sqlite", "{detail:#}");
}

#[test]
fn what_is_not_allowed_is_refused_by_its_rule() {
    let host = host();
    for (statement, rule) in [
        ("ATTACH ':memory:' AS other", "`ATTACH` is not allowed"),
        ("/* a */ COMMIT", "transactions are begun"),
        ("VACUUM INTO '/tmp/stolen.db'", "`VACUUM` is not allowed"),
        ("SELECT load_extension('x')", "rule `extensions`"),
        ("SELECT hex(fts3_tokenizer('simple'))", "rule `extensions`"),
        ("SELECT count(*) FROM fts3tokenize WHERE input = 'x'", "rule `virtual tables`"),
        ("SELECT count(*) FROM dbstat", "rule `virtual tables`"),
        ("SELECT * FROM pragma_table_info('_stoker_steps')", "rule `pragmas`"),
        ("PRAGMA journal_mode = OFF", "rule `pragmas`"),
        ("PRAGMA writable_schema = 1", "rule `pragmas`"),
        ("PRAGMA foreign_keys = 0", "can be asked, not set"),
        ("DELETE FROM _stoker_attempts", "rule `host tables`"),
        ("CREATE TABLE _stoker_mine (id)", "rule `host tables`"),
        ("DROP TABLE _stoker_steps", "rule `host tables`"),
        ("CREATE TEMP TABLE t (id)", "rule `temporary`"),
        ("CREATE TABLE temp.t (id)", "rule `temporary`"),
        ("CREATE VIEW temp.t AS SELECT 1", "rule `temporary`"),
        ("CREATE TRIGGER temp.t AFTER INSERT ON main._stoker_steps BEGIN SELECT 1; END", "rule `"),
        ("CREATE VIRTUAL TABLE t USING dbstat", "rule `virtual tables`"),
    ] {
        assert_refused(&sql(&host, statement), &[rule]);
    }
    run(
        &host,
        &[json!({"migrations": ["CREATE TABLE plain (id INTEGER PRIMARY KEY); ALTER TABLE plain RENAME TO plainer"]})],
    );
    let trigger = "CREATE TRIGGER temp.t AFTER INSERT ON main.plainer BEGIN SELECT 1; END";
    assert_refused(&sql(&host, trigger), &["rule `temporary`"]);
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i FROM n";
    let many = |most: u64| run(&host, &[json!({"sql": [rows], "parameters": [most]})]).remove(0);
    assert_eq!(many(10_000).as_array().unwrap().len(), 10_000);
    assert_refused(&many(10_001), &["at most 10000 rows"]);
    assert_refused(&sql(&host, "SELECT zeroblob(5000000)"), &["at most 4MiB"]);
    assert_refused(&sql(&host, "SELECT zeroblob(100000000)"), &["SQLITE_TOOBIG"]);
    assert_eq!(sql(&host, "PRAGMA foreign_keys"), json!([[1]]));
    assert_eq!(
        run(
            &host,
            &[
                json!({"migrations": ["CREATE TABLE plain (id INTEGER PRIMARY KEY); ALTER TABLE plain RENAME TO plainer",
                    "CREATE VIRTUAL TABLE words USING fts5 (text); INSERT INTO words VALUES ('one two')"],
            "sql": ["SELECT text FROM words WHERE words MATCH 'two'"]})
            ]
        ),
        [json!([["one two"]])]
    );
}

#[test]
fn what_is_open_ends_with_the_attempt() {
    let host = host();
    run(&host, &[json!({"migrations": [NOTES]})]);
    let insert = "INSERT INTO notes (text) VALUES ('x')";
    let count = || sql(&host, "SELECT count(*) FROM notes");
    host.set_kind("script", &json!({"grants": {"databases": ["app"]}, "max_attempts": 1}));
    for then in ["trap", "fail"] {
        let lines = script(&[json!({"sql": [insert], "transaction": true, "then": then})]);
        let id = host.enqueue_kind("script", &lines);
        host.wait_for(&id, "failed");
        assert_eq!(count(), json!([[0]]), "{then}");
    }
    run(&host, &[json!({"sql": [insert], "transaction": true})]);
    assert_eq!(count(), json!([[1]]));
    // The second statement rolls all of it back; what is not said by a call is an error.
    let lost = json!({"sql": ["INSERT INTO notes (text) VALUES ('y')", "INSERT OR ROLLBACK INTO notes (text) VALUES ('x')",
        "INSERT INTO notes (text) VALUES ('z')"], "transaction": true});
    assert_refused(&run(&host, &[lost])[0], &["SQLITE_CONSTRAINT_UNIQUE"]);
    assert_eq!(count(), json!([[1]]));
}

const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[test]
fn a_cancel_interrupts_a_long_statement_and_others_go_on() {
    let host = host();
    run(&host, &[json!({"migrations": [NOTES]})]);
    let long = json!({"sql": ["INSERT INTO notes (text) VALUES ('never')", ENDLESS], "transaction": true});
    let id = host.enqueue_kind("script", &script(&[long]));
    host.wait_for(&id, "running");
    // Reads need no turn.
    assert_eq!(sql(&host, "SELECT count(*) FROM notes"), json!([[0]]));
    host.act(&format!("/v1/jobs/{id}/cancel")).expect_status(202);
    host.wait_for(&id, "cancelled");
    // The turn to write is free, and nothing is left.
    assert_eq!(sql(&host, "INSERT INTO notes (text) VALUES ('after')"), 1);
    assert_eq!(sql(&host, "SELECT text FROM notes"), json!([["after"]]));
    host.set_kind("script", &json!({"grants": {"databases": ["app"]}, "timeout": "300ms", "max_attempts": 1}));
    let id = host.enqueue_kind("script", &script(&[json!({"sql": [ENDLESS]})]));
    let job = host.wait_for(&id, "failed");
    assert_eq!(job["error"]["reason"], "timeout", "{job:#}");
}

#[test]
fn a_tenant_has_its_own_and_no_more_than_its_quotas() {
    let host = host();
    run(&host, &[json!({"migrations": [NOTES], "sql": ["INSERT INTO notes (text) VALUES ('of default')"]})]);
    make_tenant(&host, "acme");
    let acme = host.in_tenant("acme");
    acme.upload(Guest::Handlers);
    acme.set_kind("script", &json!({"grants": {"databases": ["*"]}, "max_attempts": 1}));
    let run = |fields: Value| acme.run_kind("script", &script(&[fields]))[0].clone();
    assert_refused(&run(json!({"sql": ["SELECT * FROM notes"]})), &["no such table"]);
    host.merge_patch("/v1/tenants/acme", &json!({"quotas": {"databases": 2, "database_bytes": "1MiB"}})).expect(200);
    run(json!({"database": "two", "sql": ["SELECT 1"]}));
    assert_refused(&run(json!({"database": "three", "sql": ["SELECT 1"]})), &["`databases`"]);
    acme.put("/v1/databases/three", &json!({"engine": "sqlite"})).expect_problem_saying(403, &["quota_exceeded"]);
    run(json!({"migrations": ["CREATE TABLE filling (raw BLOB)"]}));
    let fill = json!({"sql": ["INSERT INTO filling VALUES (zeroblob(600000))", "INSERT INTO filling VALUES (zeroblob(600000))"],
        "transaction": true});
    assert_refused(&run(fill), &["`database_bytes`"]);
    assert_eq!(run(json!({"sql": ["SELECT count(*) FROM filling"]})), json!([[0]]));
    run(json!({"sql": ["INSERT INTO filling VALUES (zeroblob(600000))"]}));
    assert_refused(
        &run(json!({"database": "two", "migrations": ["CREATE TABLE f AS SELECT zeroblob(600000) AS raw"]})),
        &["quota"],
    );
    // Nothing else stops.
    assert_eq!(sql(&host, "SELECT text FROM notes"), json!([["of default"]]));

    let listed = acme.get("/v1/databases").expect(200);
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["app", "two"], "{listed:#}");
    acme.delete("/v1/databases/two").expect_status(204);
    acme.delete("/v1/databases/two").expect_problem_saying(404, &["database_not_found"]);
    assert_refused(&run(json!({"sql": ["SELECT * FROM notes"]})), &["no such table"]);
    let folders = || std::fs::read_dir(host.data_dir().join("databases")).unwrap().count();
    assert_eq!(folders(), 2);
    host.delete("/v1/tenants/acme?without_export=true");
    stoker_tests::eventually("the tenant goes with its files", || {
        (host.get("/v1/tenants/acme").status == 404).then_some(())
    });
    assert_eq!(folders(), 1);
    assert_eq!(sql(&host, "SELECT text FROM notes"), json!([["of default"]]));
}

#[test]
fn a_backup_takes_them_along_and_the_first_start_puts_them_back() {
    let host = host();
    let made = json!({"migrations": [NOTES, "CREATE TABLE large (raw BLOB); INSERT INTO large VALUES (zeroblob(3000000))"],
        "sql": ["INSERT INTO notes (text) VALUES ('kept')"], "step": "insert"});
    run(&host, &[made]);
    let copy = host.act("/v1/backup").expect_status(200);
    sql(&host, "INSERT INTO notes (text) VALUES ('after the backup')");
    let restored_dir = host.home().join("restored");
    std::fs::create_dir(&restored_dir).unwrap();
    std::fs::write(restored_dir.join("stoker.db"), &copy.body).unwrap();
    let mut restored = TestHost::builder().data_dir(&restored_dir).start();
    for _ in 0..2 {
        assert_eq!(sql(&restored, "SELECT text FROM notes"), json!([["kept"]]));
        assert_eq!(sql(&restored, "SELECT length(raw) FROM large"), json!([[3_000_000]]));
        assert_eq!(sql(&restored, "PRAGMA integrity_check"), json!([["ok"]]));
        sql(&restored, "UPDATE notes SET done = 1");
        assert_eq!(sql(&restored, "SELECT done FROM notes"), json!([[1]]));
        // What was put back once is not put back over what was written since.
        restored.restart();
    }
    assert_eq!(sql(&restored, "SELECT done FROM notes"), json!([[1]]));
}

#[test]
fn a_backup_says_which_it_is_without() {
    let mut host = host();
    run(&host, &[json!({"migrations": [NOTES]})]);
    host.terminate();
    let folder = std::fs::read_dir(host.data_dir().join("databases")).unwrap().next().unwrap().unwrap();
    std::fs::remove_file(folder.path().join("app.db")).unwrap();
    host.restart();
    let backup = |file: &str, more: &[&str]| {
        let file = host.home().join(file);
        let mut args = vec!["backup", file.to_str().unwrap()];
        args.extend(more);
        let ran = run_stoker(&args, &[("STOKER_URL", host.url())], host.home(), b"");
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        assert!(ran.stderr.contains("a tenant's database is not in it"), "{ran:?}");
        assert!(std::fs::metadata(file).unwrap().len() > 0);
        ran.stdout
    };
    assert!(backup("told.db", &[]).contains("holds the backup"));
    let told: Value = serde_json::from_str(&backup("json.db", &["--json"])).unwrap();
    assert_eq!(told["databases_left_out"], 1);
    host.delete("/v1/databases/app").expect_status(204);
    let whole = host.home().join("whole.db");
    let ran = run_stoker(&["backup", whole.to_str().unwrap()], &[("STOKER_URL", host.url())], host.home(), b"");
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn a_step_in_a_database_happens_once_wherever_the_host_is_killed() {
    let mut host = TestHost::builder().workers(4).start();
    ready(&host);
    run(&host, &[json!({"migrations": ["CREATE TABLE done (job TEXT, step TEXT)"]})]);
    let step = |round: usize, name: &str, hold_ms: u64| json!({"step": name, "sql": [format!("INSERT INTO done VALUES ('{round}', '{name}')")], "hold_ms": hold_ms});
    let mut jobs = Vec::new();
    for round in 0..crash_rounds(6) {
        // Held before its commit, or let go: a kill comes before, in, or after it.
        let hold_ms = [2_000, 0, 20][round % 3];
        let lines = script(&[step(round, "first", 0), step(round, "second", hold_ms), step(round, "third", 0)]);
        let id = host.enqueue_kind("script", &lines);
        host.wait_until(&id, "somewhere in its steps", |job| {
            job["progress"]["done"].as_u64().unwrap_or(0) >= [0, 1, 2][round % 3] || state_of(job) == "succeeded"
        });
        host.kill9();
        host.restart();
        jobs.push(id);
    }
    for id in &jobs {
        host.wait_for(id, "succeeded");
    }
    let done = sql(&host, "SELECT job, step, count(*) FROM done GROUP BY job, step HAVING count(*) <> 1");
    assert_eq!(done, json!([]), "a step happened twice");
    let count = sql(&host, "SELECT count(*) FROM done");
    assert_eq!(count, json!([[3 * crash_rounds(6)]]), "a step was lost");
}

#[test]
fn who_was_taken_for_dead_commits_no_more() {
    let builder = || TestHost::builder().flag("--lease-ttl", "3s").leaves_work_behind();
    let mut frozen = builder().start();
    ready(&frozen);
    run(&frozen, &[json!({"migrations": ["CREATE TABLE done (who TEXT)"]})]);
    let lines = script(&[json!({"sql": ["INSERT INTO done VALUES ('x')"], "step": "once", "hold_ms": 4_000})]);
    let id = frozen.enqueue_kind("script", &lines);
    frozen.wait_until(&id, "in its transaction", |job| job["progress"]["message"] == "in the database");
    frozen.freeze();
    // Who deletes the lock has two hosts.
    std::fs::remove_file(frozen.data_dir().join("stoker.lock")).unwrap();
    let other = builder().data_dir(frozen.data_dir()).start();
    other.wait_until(&id, "given to the other host", |job| {
        job["attempt"].as_u64() >= Some(1) && state_of(job) != "succeeded"
    });
    // The frozen one holds the file: the other waits for it until it comes back, and finds that nothing was committed.
    frozen.thaw();
    frozen.wait_exit(stoker_tests::DEADLINE);
    other.wait_for(&id, "succeeded");
    assert_eq!(sql(&other, "SELECT count(*) FROM done"), json!([[1]]));
}

#[test]
fn operators_see_which_there_are() {
    let host = host();
    host.put("/v1/databases/made", &json!({"engine": "sqlite"})).expect_status(201);
    host.put("/v1/databases/made", &json!({"engine": "sqlite"})).expect_status(200);
    assert_eq!(host.get("/v1/databases/made").expect(200)["migrations"], json!([]));
    host.put("/v1/databases/made", &json!({"engine": "postgres", "url_secret": "x"}))
        .expect_problem_saying(409, &["database_other", "sqlite"]);
    host.put("/v1/databases/far", &json!({"engine": "postgres"})).expect_problem_saying(422, &["/url_secret"]);
    host.put("/v1/databases/x", &json!({"engine": "sqlite", "url_secret": "x"}))
        .expect_problem_saying(422, &["a file has none"]);
    host.put("/v1/databases/A", &json!({"engine": "sqlite"})).expect_problem(422);
    host.put("/v1/databases/a", &json!({})).expect_problem_saying(422, &["engine"]);
    host.get("/v1/databases/none").expect_problem_saying(404, &["database_not_found"]);
}
