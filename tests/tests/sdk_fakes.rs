//! What passes with a fake host of the SDK passes on a real one: both run the same scripts of `guest-handlers`, natively and built, and
//! come to the same, to the last word; and the bounds the SDK keeps are the host's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Its lints are looked at where it is built.
#[allow(dead_code, missing_docs, clippy::all, clippy::pedantic)]
#[path = "../guests/handlers/src/script/mod.rs"]
mod script;

use serde_json::{Value, json};
use stoker_sdk::Failure;
use stoker_sdk::testing::FakeHost;
use stoker_tests::{Guest, TestHost, state_of, workspace_root};

/// Attempts of each script.
const ATTEMPTS: u32 = 2;

fn real_host() -> TestHost {
    let host = TestHost::builder().workers(4).env("STOKER_MAIL_SENDER", "Shop <noreply@shop.example>").start();
    host.upload(Guest::Handlers);
    host.upload(Guest::Hello);
    let grants = json!({
        "kv": ["counts"], "enqueue": ["hello"], "events": ["order.*"], "notify": true,
        "mail": ["noreply@shop.example", "*@news.example"], "databases": ["app", "tenant-*"],
    });
    let retry = json!({"strategy": "fixed", "delay": 20});
    host.set_kind("script", &json!({"grants": grants, "retry": retry, "max_attempts": ATTEMPTS, "timeout": "1m"}));
    host
}

fn fake_host() -> FakeHost {
    FakeHost::new()
        .bucket("counts")
        .may_enqueue("hello")
        .may_emit("order.*")
        .may_notify()
        .may_send_mail("noreply@shop.example")
        .may_send_mail("*@news.example")
        .mail_sender("Shop <noreply@shop.example>")
        .database("app")
        .database("tenant-*")
}

/// What a script comes to: its output, or why it failed. Each mail has an id of its own.
fn shown(mut output: Value) -> Value {
    for value in output.as_array_mut().into_iter().flatten() {
        if let Some((_, domain)) =
            value.as_str().filter(|text| text.starts_with("<mail_")).and_then(|id| id.split_once('@'))
        {
            *value = json!(format!("<mail@{domain}"));
        }
    }
    output
}

fn on_real(host: &TestHost, payload: &Value) -> Value {
    let job = host.wait_end(&host.enqueue_kind("script", payload));
    if state_of(&job) == "succeeded" { shown(job["output"].clone()) } else { job["error"]["message"].clone() }
}

fn on_fake(payload: &Value) -> Value {
    let payload = payload.to_string();
    let mut host = fake_host();
    for attempt in 1..=ATTEMPTS {
        host = host.attempt(attempt, ATTEMPTS);
        match host.run_json::<script::script>(&payload) {
            Ok(output) => return shown(serde_json::from_str(&output).unwrap()),
            Err(Failure::Retry { .. }) if attempt < ATTEMPTS => {}
            Err(failure) => return json!(failure.to_string()),
        }
    }
    unreachable!("the last attempt has an end")
}

/// Compares what each line comes to in one script.
#[track_caller]
fn assert_same(host: &TestHost, lines: &[Value]) {
    let payload = json!({"lines": lines, "goes_on": true});
    let (real, fake) = (on_real(host, &payload), on_fake(&payload));
    let (Some(real), Some(fake)) = (real.as_array(), fake.as_array()) else {
        panic!("a script failed\non a host:      {real}\non a fake one: {fake}");
    };
    assert_eq!((real.len(), fake.len()), (lines.len(), lines.len()));
    for ((line, real), fake) in lines.iter().zip(real).zip(fake) {
        let line: String = line.to_string().chars().take(300).collect();
        assert_eq!(fake, real, "on a fake host, and on a real one: {line}");
    }
}

/// Compares how each script ends.
#[track_caller]
fn assert_same_ends(host: &TestHost, scripts: &[Value]) {
    for lines in scripts {
        let told: String = lines.to_string().chars().take(300).collect();
        let payload = json!({ "lines": lines });
        assert_eq!(on_fake(&payload), on_real(host, &payload), "on a fake host, and on a real one: {told}");
    }
}

#[test]
fn events_jobs_and_notifications_are_refused_in_the_same_words() {
    let host = real_host();
    let emit = |event: &str, correlation: &str, data: Value| json!({"do": "emit", "event": event, "correlation": correlation, "data": data});
    let notify = |user: &str, message: &str, data: Value| json!({"do": "notify", "user": user, "level": "info", "message": message, "data": data});
    let x = |bytes: usize| "x".repeat(bytes);
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert_same(
        &host,
        &[
            emit("order.paid", "7", json!({"cents": 1})),
            emit("order.", "", Value::Null),
            emit("invoice.paid", "", json!(1)),
            emit("", "", json!(1)),
            emit("order.a\nb", "", json!(1)),
            emit(&format!("order.{}", x(122)), "", json!(1)),
            emit(&format!("order.{}", x(123)), "", json!(1)),
            emit("order.paid", &x(255), json!(1)),
            emit("order.paid", &x(256), json!(1)),
            emit("order.paid", "ab\u{9b}", json!(1)),
            emit("order.paid", "", json!(x((256 << 10) - 2))),
            emit("order.paid", "", json!(x((256 << 10) - 1))),
            emit("order.paid", "", nested(100)),
            json!({"do": "enqueue", "kind": "hello", "payload": {"name": "Ada"}}),
            json!({"do": "enqueue", "kind": "hello2", "payload": {"name": "Ada"}}),
            json!({"do": "enqueue", "kind": "", "payload": {}}),
            notify("ann", "Hello", json!([1])),
            notify("", "Hello", json!(1)),
            notify(&x(128), &x(4 << 10), json!(1)),
            notify(&x(129), "Hello", json!(1)),
            notify("a\tb", "Hello", json!(1)),
            notify("ann", "", json!(1)),
            notify("ann", &x((4 << 10) + 1), json!(1)),
            notify("ann", "Hello", json!(x((64 << 10) - 2))),
            notify("ann", "Hello", json!(x((64 << 10) - 1))),
        ],
    );
    let many: Vec<Value> = (0..=1_000).map(|_| emit("order.paid", "", json!(1))).collect();
    assert_same(&host, &many);
}

#[test]
fn mail_is_taken_and_refused_alike() {
    let host = real_host();
    let mail = |fields: Value| {
        let mut line = json!({"do": "mail", "to": ["ada@example.com"], "subject": "Hello", "text": "Hi"});
        line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        line
    };
    let long = "x".repeat(513);
    let addresses = [
        "ada@example.com",
        " Ada@EXAMPLE.com ",
        "<ada@example.com>",
        "Ada Lovelace <ada@example.com>",
        "Zoë<zoe@example.com>",
        "J. R. <j@example.com>",
        ". <ada@example.com>",
        "\"Lovelace, Ada\" <ada@example.com>",
        "Lovelace, Ada <ada@example.com>",
        "\"a \\\"b\\\" <x@y>\" <ada@example.com>",
        "\"a\\ \\ b\" <ada@example.com>",
        "\"a b\"@example.com",
        "Ada <ada@example.com> x",
        "Ada <ada@example.com",
        "ada",
        "ada@",
        "@example.com",
        "a..b@example.com",
        ".a@example.com",
        "ada@example.com.",
        "ada@-example.com",
        "ada@example",
        "ada@exa mple.com",
        "ada@example.com, bob@example.com",
        "zoë@example.com",
        "ada@exämple.com",
        "a@b.example\r\nDATA",
        "a+b!{}@x-y.example",
        "",
        &long,
    ];
    let to_one = addresses.iter().map(|address| mail(json!({"to": [address]})));
    let others = [
        json!({"from": "News <weekly@NEWS.example>"}),
        json!({"from": "ceo@shop.example"}),
        json!({"from": "x"}),
        json!({"to": []}),
        json!({"to": vec!["ada@example.com"; 50]}),
        json!({"to": vec!["ada@example.com"; 50], "cc": ["bob@example.com"]}),
        json!({"bcc": ["ada"]}),
        json!({"subject": "a\r\nBcc: b@c.example"}),
        json!({"subject": "x".repeat(998)}),
        json!({"subject": "x".repeat(999)}),
        json!({"text": null}),
        json!({"text": null, "html": "<p>Hi</p>"}),
        json!({"headers": [["X-Order", "7"], ["List-Unsubscribe", "<https://example.com/>"]]}),
        json!({"headers": [["Bcc", "b@c.example"]]}),
        json!({"headers": [["X-A", "1\n2"]]}),
        json!({"headers": vec![["X-A", "1"]; 33]}),
        json!({"attachment": "x".repeat(600 << 10), "text": "x".repeat(300 << 10)}),
    ];
    let lines: Vec<Value> = to_one.chain(others.into_iter().map(mail)).collect();
    assert_same(&host, &lines);
}

#[test]
fn steps_sleeps_and_waits_end_alike() {
    let host = real_host();
    let x = |bytes: usize| "x".repeat(bytes);
    let step = |name: &str| json!({"do": "step", "name": name, "result": 1});
    let sized = |bytes: usize| json!({"do": "step", "name": "sized", "bytes": bytes});
    let sleep = |name: &str, ms: u64| json!({"do": "sleep", "name": name, "ms": ms});
    let wait = |event: &str, correlation: &str, ms: u64| json!({"do": "wait", "event": event, "correlation": correlation, "ms": ms});
    let year_ms = 366 * 86_400_000_u64;
    let full: Vec<Value> = (0..5).map(|_| sized((256 << 10) - 2)).collect();
    assert_same_ends(
        &host,
        &[
            json!([step("a"), sleep("b", 5), wait("order.paid", "7", 5), step("a")]),
            json!([step("")]),
            json!([step("a\nb")]),
            json!([step(&x(128)), step(&x(129))]),
            json!([sized((256 << 10) - 1)]),
            json!(full),
            json!([{"do": "nested"}]),
            json!([{"do": "step", "name": "a", "renamed": true}, {"do": "fail", "attempts": 1}]),
            json!([{"do": "step", "name": "a", "retyped": true}, {"do": "fail", "attempts": 1}]),
            json!([{"do": "step", "name": "a", "fail_attempts": 1}, step("b")]),
            json!([{"do": "step", "name": "a", "fail_attempts": 2}]),
            json!([step("a"), {"do": "step", "name": "a", "fail_attempts": 1}, {"do": "fail", "attempts": 1}]),
            json!([sleep("a", year_ms + 1)]),
            json!([sleep("", 1)]),
            json!([wait("order.paid", "7", year_ms + 1)]),
            json!([wait("order.paid", &x(256), 1)]),
            json!([wait("order.paid", "a\tb", 1)]),
            json!([wait("", "", 1)]),
        ],
    );
}

#[test]
fn a_step_that_cannot_be_recorded_does_not_stand_in_the_way() {
    let host = real_host();
    let in_database = |step: &str, sql: &str| json!({"do": "database", "database": "app", "step": step, "sql": [sql]});
    let lines = [
        json!({"do": "step", "name": "large", "bytes": 256 << 10}),
        json!({"do": "step", "name": "large", "result": "small"}),
        json!({"do": "database", "database": "app", "migrations": ["CREATE TABLE notes (text)"]}),
        in_database("large", "INSERT INTO notes SELECT printf('%.*c', 262143, 'x') RETURNING text"),
        in_database("small", "INSERT INTO notes VALUES ('y')"),
        json!({"do": "database", "database": "app", "sql": ["SELECT text FROM notes"]}),
        json!({"do": "step", "name": "last", "result": 1}),
    ];
    let payload = json!({"lines": lines, "goes_on": true});
    let real = on_real(&host, &payload);
    assert_eq!(on_fake(&payload), real);
    let said = |line: usize| real[line]["failed"].as_str().unwrap_or_default();
    assert!(said(0).contains("it may have at most 256KiB") && said(3).contains("it may have at most 256KiB"), "{real}");
    assert_eq!((&real[1], &real[4], &real[5], &real[6]), (&json!("small"), &json!(1), &json!([["y"]]), &json!(1)));
}

#[test]
fn keys_of_buckets_are_bounded_alike() {
    let host = real_host();
    let set = |key: &str, value: &str, ms: u64| json!({"do": "set_for", "key": key, "value": value, "ms": ms});
    let year_ms = 366 * 86_400_000_u64;
    let x = |bytes: usize| "x".repeat(bytes);
    assert_same(
        &host,
        &[
            set("a", "1", year_ms),
            set("a", "1", year_ms + 1),
            set("a", "1", 0),
            set("", "1", 60_000),
            set("a\n", "1", 60_000),
            set(&x(512), "1", 60_000),
            set(&x(513), "1", 60_000),
            set("b", &x(256 << 10), 60_000),
            set("b", &x((256 << 10) + 1), 60_000),
            json!({"do": "keys_with", "prefix": "a"}),
        ],
    );
}

#[test]
fn statements_come_to_the_same() {
    let host = real_host();
    let line = |fields: Value| {
        let mut line = json!({"do": "database", "database": "app"});
        line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        line
    };
    let sql = |statement: &str| line(json!({"sql": [statement]}));
    let notes =
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE CHECK (text <> 'no'), parent REFERENCES notes)";
    let statements = [
        "INSERT INTO notes (text) VALUES ('a'), ('b') RETURNING id",
        "INSERT INTO notes (text) VALUES ('a')",
        "INSERT INTO notes (text) VALUES ('no')",
        "INSERT INTO notes (parent) VALUES (99)",
        "INSERT INTO notes (text) VALUES (\"x\")",
        "SELECT * FROM nowhere",
        "SELEC 1",
        "SELECT 1; SELECT 2",
        "",
        "SELECT ?1",
        "-- a\nCOMMIT",
        "SAVEPOINT a",
        "PREPARE a",
        "EXPLAIN COMMIT",
        "ATTACH 'x' AS x",
        "VACUUM",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 7",
        "PRAGMA user_version",
        "PRAGMA table_info(notes)",
        "SELECT * FROM pragma_table_info('notes')",
        "CREATE TEMP TABLE t (a)",
        "CREATE VIRTUAL TABLE t USING dbstat",
        "CREATE VIRTUAL TABLE t USING fts5 (a)",
        "DELETE FROM _stoker_steps",
        "CREATE TABLE u (job BLOB REFERENCES _stoker_steps (job))",
        "CREATE INDEX _stoker_i ON notes (id)",
        "DROP TABLE _stoker_migrations",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('x')",
        "SELECT CAST(x'ff' AS TEXT)",
        "SELECT zeroblob(5000000)",
        "SELECT zeroblob(9000000)",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) SELECT i FROM n",
        "SELECT count(*), max(text), 1.5, NULL, x'00ff' FROM notes",
    ];
    let long = format!("SELECT '{}'", "x".repeat(256 << 10));
    let others = [
        line(json!({"migrations": [notes, "CREATE TABLE more (a)"]})),
        line(json!({"migrations": ["CREATE TABLE other (a)"]})),
        line(json!({"migrations": [notes, "CREATE TABLE more (a)", "COMMIT"]})),
        line(json!({"migrations": [notes, "CREATE TABLE more (a)", "CREATE TABLE third (a); SELECT a FROM nowhere"]})),
        line(json!({"migrations": [notes, "CREATE TABLE more (a)", "SELECT ?1"]})),
        line(json!({"sql": ["INSERT INTO more VALUES (1)", "INSERT INTO more VALUES (2)"], "transaction": true})),
        line(json!({"sql": ["INSERT INTO more VALUES (3)", "SELECT a FROM nowhere"], "transaction": true})),
        line(json!({"sql": ["INSERT OR ROLLBACK INTO notes (text) VALUES ('a')", "SELECT 1"], "transaction": true})),
        line(json!({"sql": ["SELECT ?1, ?2"], "parameters": [1, "x"]})),
        line(json!({"sql": ["SELECT ?1, ?2"], "parameters": [1]})),
        line(json!({"sql": [long]})),
        line(json!({"step": "in the database", "sql": ["INSERT INTO more VALUES (4)"]})),
        sql("SELECT a FROM more"),
        line(json!({"database": "tenant-7", "sql": ["SELECT 7"]})),
        line(json!({"database": "other", "sql": ["SELECT 7"]})),
        line(json!({"database": "tenant-/../x"})),
    ];
    let made = line(json!({"migrations": [notes]}));
    let lines: Vec<Value> = std::iter::once(made).chain(statements.map(sql)).chain(others).collect();
    assert_same(&host, &lines);
    let opened: Vec<Value> =
        (0..9).map(|n| line(json!({"database": format!("tenant-{n}"), "sql": ["SELECT 1"]}))).collect();
    assert_same(&host, &opened);
}

/// What stands behind `const NAME…` up to its end, whatever its lines are.
fn constant<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = source.split_once(&format!("const {name}: "))?;
    // The type may have a semicolon of its own.
    let (_, value) = behind.split_once(" = ")?;
    value.split_once(";\n").map(|(value, _)| value)
}

fn blanks_apart(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_bounds_of_fakes_are_the_hosts() {
    const MARK: &str = " Host: `";
    let root = workspace_root();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut compared = 0;
    for file in ["testing/bounds.rs", "database/fake/statement.rs", "database/fake/connection.rs"] {
        let own = read(&format!("guest-sdk/src/{file}"));
        for marked in own.split(MARK).skip(1) {
            // `job/step/model.rs`. or `job/step/model.rs` `BYTES_MAX`.
            let (line, behind) = marked.split_once('\n').unwrap();
            let mut named = line.split('`').step_by(2).filter(|part| !part.is_empty() && *part != ".");
            let host_file = named.next().unwrap();
            let (_, declared) = behind.split_once("const ").unwrap();
            let (name, _) = declared.split_once(':').unwrap();
            let host_name = named.next().unwrap_or(name);
            let host = read(&format!("host/src/{host_file}"));
            let expected = constant(&host, host_name).unwrap_or_else(|| panic!("{host_file} has no `{host_name}`"));
            let found = constant(&own, name).unwrap();
            assert_eq!(
                blanks_apart(found),
                blanks_apart(expected),
                "`{name}` of {file}, and `{host_name}` of {host_file}"
            );
            compared += 1;
        }
    }
    assert!(compared > 40, "only {compared} bounds were compared");
    let (bounds, quotas) = (read("guest-sdk/src/testing/bounds.rs"), read("host/src/job/quota.rs"));
    for (own, quota) in [("KV_BYTES", "kv_bytes"), ("DATABASE_BYTES", "database_bytes")] {
        let expected = format!("{quota}: Some(Most::Of(ByteSize({}))),", constant(&bounds, own).unwrap());
        assert!(quotas.contains(&expected), "{expected}");
    }
}

#[test]
fn the_rules_of_statements_are_the_hosts() {
    let read = |path: &str| std::fs::read_to_string(workspace_root().join(path)).unwrap();
    // Behind what each says of itself.
    let rules = |text: &str| text.split_once("/// Pragmas that only tell").unwrap().1.to_owned();
    let own = rules(&read("guest-sdk/src/database/fake/rules.rs"));
    assert_eq!(own, rules(&read("host/src/store/databases/rules.rs")));
}
