//! Databases on a real server, of `PostgreSQL`: the same calls as those that are files, the same bounds, and steps that happen once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Guest, PostgresServer, TestHost, crash_rounds, state_of, with_role};

struct Scene {
    server: PostgresServer,
    host: TestHost,
}

impl Scene {
    fn begin() -> Self {
        let server = PostgresServer::start();
        let host = TestHost::builder()
            .workers(4)
            .admin_key("the-admins-long-key")
            .env("STOKER_SECRETS_KEY", "07".repeat(32))
            .start();
        host.upload(Guest::Handlers);
        host.set_kind("script", &json!({"grants": {"databases": ["app"]}, "timeout": "1m", "max_attempts": 3}));
        host.put("/v1/secrets/pg-url", &json!({"value": server.url()})).expect_status(201);
        let named = json!({"engine": "postgres", "url_secret": "pg-url", "addresses": [server.address()]});
        host.put("/v1/databases/app", &named).expect_status(201);
        Self { server, host }
    }

    fn run(&self, fields: &Value) -> Value {
        self.host.run_kind("script", &script(std::slice::from_ref(fields)))[0].clone()
    }

    fn sql(&self, statement: &str) -> Value {
        self.run(&json!({"sql": [statement]}))
    }
}

fn script(lines: &[Value]) -> Value {
    let line = |fields: &Value| {
        let mut line = json!({"do": "database", "database": "app"});
        line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        line
    };
    json!({"lines": lines.iter().map(line).collect::<Vec<_>>()})
}

#[track_caller]
fn assert_refused(answer: &Value, words: &[&str]) {
    let said = answer["refused"].as_str().unwrap_or_else(|| panic!("it was not refused: {answer}"));
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 1000000000000)";

#[test]
fn values_have_types_and_rules_hold() {
    let scene = Scene::begin();
    let table = "CREATE TABLE things (id bigint PRIMARY KEY, name text, price numeric(10,2), raw bytea, done boolean,
        at timestamptz, day date, tag uuid, extra jsonb, share float8);
        CREATE TYPE mood AS ENUM ('fine', 'bad')";
    let insert = "INSERT INTO things VALUES ($1, $2, '12.30', $3, $4, '2026-01-02 03:04:05.5+00', '1999-12-31',
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', $5, $6)";
    let made = json!({"migrations": [table], "sql": [insert],
        "parameters": [7, "seven", [1, 255], true, {"a": [1]}, 0.25]});
    assert_eq!(scene.run(&made), 1);
    let row = json!([[7, "seven", "12.30", {"bytes": [1, 255]}, true, "2026-01-02T03:04:05.5Z", "1999-12-31",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{\"a\": [1]}", 0.25]]);
    assert_eq!(scene.sql("SELECT * FROM things"), row);
    assert_eq!(
        scene.sql("SELECT 'fine'::mood, NULL::int, 1::int2, 'a'::varchar, -0.5::numeric"),
        json!([["fine", null, 1, "a", "-0.5"]])
    );
    assert_eq!(scene.sql("UPDATE things SET done = false RETURNING id"), json!([[7]]));
    assert_refused(&scene.sql("INSERT INTO things (id) VALUES (7)"), &["things_pkey", "23505"]);
    assert_refused(&scene.sql("SELECT point(1, 2)"), &["type `point`", "::text"]);
    assert_refused(&scene.sql("SELECT 1; SELECT 2"), &["42601"]);
    for (statement, rule) in [
        ("/* x */ COMMIT", "transactions are begun"),
        ("COPY things TO PROGRAM 'cat'", "`COPY` is not allowed"),
        ("DELETE FROM _stoker_attempts", "rule `host tables`"),
        ("SELECT * FROM generate_series(1, 10001)", "at most 10000 rows"),
        ("SELECT repeat('x', 5000000)", "at most 4MiB"),
        ("SELECT $1::int", "1 parameters"),
    ] {
        assert_refused(&scene.sql(statement), &[rule]);
    }
    let changed = scene.run(&json!({"migrations": ["CREATE TABLE other (id int)"]}));
    assert_refused(&changed, &["migration 1 was applied with another text"]);
    let broken = scene.run(&json!({"migrations": [table, "CREATE TABLE more (id int); nonsense"]}));
    assert_refused(&broken, &["migration 2", "42601"]);
    assert_eq!(scene.server.ask("SELECT to_regclass('more') IS NULL"), "t");
    let detail = scene.host.get("/v1/databases/app").expect(200);
    assert_eq!((&detail["engine"], &detail["migrations"][0]["number"]), (&json!("postgres"), &json!(1)), "{detail:#}");
    assert!(!detail.to_string().contains("a-long-password"), "{detail}");
}

#[test]
fn what_is_open_ends_with_the_attempt_and_what_runs_is_cancelled() {
    let scene = Scene::begin();
    scene.run(&json!({"migrations": ["CREATE TABLE done (name text)"]}));
    let insert = "INSERT INTO done VALUES ('x')";
    scene.host.set_kind("script", &json!({"grants": {"databases": ["app"]}, "max_attempts": 1, "timeout": "1m"}));
    for then in ["trap", "fail"] {
        let id =
            scene.host.enqueue_kind("script", &script(&[json!({"sql": [insert], "transaction": true, "then": then})]));
        scene.host.wait_for(&id, "failed");
    }
    assert_eq!(scene.server.ask("SELECT count(*) FROM done"), "0");
    assert_eq!(scene.run(&json!({"sql": [insert], "transaction": true})), 1);
    assert_eq!(scene.server.ask("SELECT count(*) FROM done"), "1");

    let id = scene.host.enqueue_kind("script", &script(&[json!({"sql": [insert, ENDLESS], "transaction": true})]));
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stoker' AND state = 'active' AND query LIKE '%generate_series%'";
    let runs = |count: &str| {
        stoker_tests::eventually("the server says what runs", || (scene.server.ask(running) == count).then_some(()));
    };
    runs("1");
    scene.host.act(&format!("/v1/jobs/{id}/cancel")).expect_status(202);
    scene.host.wait_for(&id, "cancelled");
    runs("0");
    assert_eq!(scene.server.ask("SELECT count(*) FROM done"), "1");
}

#[test]
fn a_server_that_is_down_is_an_error_of_the_call() {
    let mut scene = Scene::begin();
    assert_eq!(scene.sql("SELECT 1"), json!([[1]]));
    scene.server.stop();
    assert_refused(&scene.sql("SELECT 1"), &["can't be used now"]);
    scene.host.get("/v1/databases/app").expect_problem_saying(503, &["database_unavailable"]);
    // Nothing else stops.
    scene.host.upload(Guest::Hello);
    scene.host.assert_still_runs();
    scene.server.start_again();
    assert_eq!(scene.sql("SELECT 2"), json!([[2]]));
}

#[test]
fn a_step_on_a_server_happens_once_wherever_the_host_is_killed() {
    let mut scene = Scene::begin();
    let rounds = crash_rounds(6);
    scene.run(&json!({"migrations": ["CREATE TABLE done (job text, step text)"]}));
    let step = |round: usize, name: &str, hold_ms: u64| json!({"step": name, "sql": [format!("INSERT INTO done VALUES ('{round}', '{name}')")], "hold_ms": hold_ms});
    let mut jobs = Vec::new();
    for round in 0..rounds {
        let hold_ms = [2_000, 0, 20][round % 3];
        let lines = script(&[step(round, "first", 0), step(round, "second", hold_ms), step(round, "third", 0)]);
        let id = scene.host.enqueue_kind("script", &lines);
        scene.host.wait_until(&id, "somewhere in its steps", |job| {
            job["progress"]["done"].as_u64().unwrap_or(0) >= [0, 1, 2][round % 3] || state_of(job) == "succeeded"
        });
        scene.host.kill9();
        scene.host.restart();
        jobs.push(id);
    }
    for id in &jobs {
        scene.host.wait_for(id, "succeeded");
    }
    assert_eq!(scene.server.ask("SELECT job, step FROM done GROUP BY job, step HAVING count(*) <> 1"), "");
    assert_eq!(scene.server.ask("SELECT count(*) FROM done"), (3 * rounds).to_string());
}

#[test]
fn where_a_server_is_an_admin_says() {
    let scene = Scene::begin();
    let api = with_role(&scene.host, "default", "operator");
    let named = |address: &str| json!({"engine": "postgres", "url_secret": "pg-url", "addresses": [address]});
    api.put("/v1/databases/inner", &named("10.0.0.1:5432")).expect_problem_saying(422, &["/addresses/0", "admin"]);
    api.put("/v1/databases/inner", &json!({"engine": "postgres", "url_secret": "pg-url"})).expect_status(201);
    let detail = api.get("/v1/databases/inner").expect_problem_saying(503, &["loopback", "addresses"]);
    assert!(!detail.to_string().contains("a-long-password"), "{detail}");
    api.put("/v1/databases/none", &json!({"engine": "postgres", "url_secret": "missing"})).expect_status(201);
    api.get("/v1/databases/none").expect_problem_saying(503, &["no secret `missing`"]);
}
