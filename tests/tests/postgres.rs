//! Databases on a real server, of `PostgreSQL`: the same calls as those that are files, the same bounds, and steps that happen once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Guest, HostBuilder, PostgresServer, TestHost, WebServer, crash_rounds, state_of, with_role};

struct Scene {
    server: PostgresServer,
    host: TestHost,
}

/// What is said of those that live in the server.
const HOSTS_CONNECTIONS: &str = "FROM pg_stat_activity WHERE application_name = 'stoker'";

fn builder() -> HostBuilder {
    TestHost::builder().workers(4).admin_key("the-admins-long-key").env("STOKER_SECRETS_KEY", "07".repeat(32))
}

impl Scene {
    fn begin() -> Self {
        Self::of(PostgresServer::start(), builder())
    }

    fn of(server: PostgresServer, builder: HostBuilder) -> Self {
        let host = builder.start();
        host.upload(Guest::Handlers);
        host.set_kind("script", &json!({"grants": {"databases": ["app"]}, "timeout": "1m", "max_attempts": 3}));
        host.put("/v1/secrets/pg-url", &json!({"value": server.url()})).expect_status(201);
        let named = json!({"engine": "postgres", "url_secret": "pg-url", "addresses": [server.address()]});
        host.put("/v1/databases/app", &named).expect_status(201);
        Self { server, host }
    }

    fn asks(&self, sql: &str, answer: &str) {
        stoker_tests::eventually(sql, || (self.server.ask(sql) == answer).then_some(()));
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
    let runs = |count: &str| scene.asks(running, count);
    runs("1");
    scene.host.act(&format!("/v1/jobs/{id}/cancel")).expect_status(202);
    scene.host.wait_for(&id, "cancelled");
    runs("0");
    assert_eq!(scene.server.ask("SELECT count(*) FROM done"), "1");
}

#[test]
fn no_script_and_no_statement_ends_the_hosts_transaction() {
    let scene = Scene::begin();
    let migrate = |scripts: &[&str]| scene.run(&json!({"migrations": scripts}));
    for end in ["/*;*/ COMMIT", "END;", "/* /* */ */COMMIT AND CHAIN", "ABORT", "PREPARE TRANSACTION 'x'"] {
        let script = format!("CREATE TABLE kept (id int); {end}");
        assert_refused(&migrate(&[&script]), &["migration 1", "transactions are begun"]);
    }
    let commits = "DO $$ BEGIN COMMIT; END $$";
    assert_refused(&migrate(&[&format!("CREATE TABLE kept (id int); {commits}")]), &["migration 1", "2D000"]);
    assert_refused(&scene.sql(commits), &["2D000"]);
    assert_eq!(scene.server.ask("SELECT to_regclass('kept') IS NULL, count(*) FROM _stoker_migrations"), "t|0");

    // Where strings end is not where they seem to: what is several statements to the server is not run.
    let other_strings = "SELECT set_config('standard_conforming_strings', 'off', false)";
    let hides = r"CREATE TABLE kept (id int); SELECT '\''; COMMIT; BEGIN; SELECT '1' AS x --'";
    assert_refused(&migrate(&[other_strings, hides]), &["migration 2", "42601"]);
    assert_eq!(scene.server.ask("SELECT to_regclass('kept') IS NULL, max(number) FROM _stoker_migrations"), "t|1");

    // Statements with semicolons in them are one, and where the host's tables are no setting changes.
    let functions = "CREATE FUNCTION one() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 0; SELECT 1; END;
        CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END; $$;
        CREATE TABLE public.done (id int); SELECT set_config('search_path', '', false)";
    assert_eq!(scene.run(&json!({"migrations": [other_strings, functions], "sql": ["SELECT one()"]})), json!([[1]]));
    assert_refused(&scene.sql("CALL commits()"), &["2D000"]);
    let step =
        json!({"step": "once", "sql": ["SET LOCAL search_path = nowhere", "INSERT INTO public.done VALUES (1)"]});
    assert_eq!(scene.run(&step), 1);
    assert_eq!(scene.server.ask("SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM _stoker_steps)"), "1|1");
}

#[test]
fn what_a_handler_leaves_on_a_connection_is_nobodys() {
    let scene = Scene::begin();
    scene.run(&json!({"migrations": ["CREATE TYPE mood AS ENUM ('fine'); CREATE TABLE moods (mood mood)"]}));
    let mood = "SELECT 'fine'::mood";
    assert_eq!(scene.sql(mood), json!([["fine"]]));
    // What is prepared on it is the host's, which asks with it for types.
    assert_refused(&scene.sql("DEALLOCATE ALL"), &["`DEALLOCATE` is not allowed"]);
    let hidden = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$";
    scene.run(&json!({"sql": [hidden]}));
    assert_refused(&scene.sql(mood), &["can't be used now"]);
    assert_eq!(scene.sql(mood), json!([["fine"]]));
    for (statement, setting) in [("RESET ALL", "ALL"), ("SET statement_timeout = 0", "statement_timeout")] {
        assert_refused(&scene.sql(statement), &["rule `settings`", setting]);
    }
    scene.run(
        &json!({"sql": ["DO $$ BEGIN PERFORM set_config('idle_in_transaction_session_timeout', '0', false); END $$"]}),
    );
    // Longer than any attempt, and not for ever.
    assert_eq!(scene.sql("SHOW idle_in_transaction_session_timeout"), json!([["61min"]]));
    assert_eq!(scene.sql("SHOW tcp_keepalives_idle"), json!([["60"]]));
}

#[test]
fn a_call_that_is_dropped_takes_its_connection_along() {
    let scene = Scene::begin();
    assert_eq!(scene.sql("SELECT 1"), json!([[1]]));
    let open = format!("SELECT count(*) {HOSTS_CONNECTIONS}");
    assert_eq!(scene.server.ask(&open), "1", "it is kept");
    let held = scene.server.hold("LOCK TABLE _stoker_migrations IN ACCESS EXCLUSIVE MODE");
    let id = scene.host.enqueue_kind("script", &script(&[json!({"migrations": ["SELECT 1"]})]));
    scene.asks(&format!("{open} AND wait_event_type = 'Lock'"), "1");
    scene.host.act(&format!("/v1/jobs/{id}/cancel")).expect_status(202);
    scene.host.wait_for(&id, "cancelled");
    // Kept it would be for a minute.
    let gone = || (scene.server.ask(&open) == "0").then_some(());
    stoker_tests::eventually_within(std::time::Duration::from_secs(30), "it is closed", gone);
    drop(held);
    assert_eq!(scene.sql("SELECT 1 FROM pg_sleep(1.5)"), json!([[1]]));
}

#[test]
fn what_no_result_may_be_is_not_kept_to_be_refused() {
    let scene = Scene::begin();
    let bound = ["at most 4MiB", "at once"];
    assert_refused(&scene.sql("SELECT repeat('x', 50000000)"), &bound);
    assert_refused(&scene.sql("DO $$ BEGIN RAISE NOTICE '%', repeat('x', 50000000); END $$"), &bound);
    assert_refused(&scene.sql("DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 50000000); END $$"), &bound);
    let inside = scene.run(&json!({"sql": ["SELECT repeat('x', 50000000)"], "transaction": true}));
    assert_refused(&inside, &bound);
    let numbers: Vec<String> = (0..40).map(|column| format!("1e131000::numeric AS c{column}")).collect();
    assert_refused(&scene.sql(&format!("SELECT {}", numbers.join(", "))), &["at most 4MiB"]);
    assert_eq!(scene.sql("SELECT length(repeat('x', 50000000))"), json!([[50_000_000]]));
}

#[test]
fn types_that_are_made_of_types_are_refused_by_name_and_however_deep_end_nobody() {
    let scene = Scene::begin();
    let mut types = vec!["CREATE TYPE c0 AS (x int)".to_owned(), "CREATE DOMAIN d0 AS int[]".to_owned()];
    types.extend((1..=400).map(|depth| format!("CREATE TYPE c{depth} AS (x c{}[])", depth - 1)));
    types.extend((1..=400).map(|depth| format!("CREATE DOMAIN d{depth} AS d{}", depth - 1)));
    scene.run(&json!({"migrations": [types.join(";")]}));
    for (statement, name) in [
        ("SELECT ROW(1)::c0", "`c0`"),
        ("SELECT ARRAY[ROW(ARRAY[ROW(1)::c0])::c1]", "`c1[]`"),
        ("SELECT ARRAY[1, 2]::d3", "`int4[]`"),
        ("SELECT ARRAY[ARRAY[1, 2]::d3]", "`d3[]`"),
        ("SELECT int4range(1, 2)", "`int4range`"),
        ("SELECT ROW(1, 2)", "`record`"),
    ] {
        assert_refused(&scene.sql(statement), &["type ", name, "column::text"]);
        assert_eq!(scene.sql(&format!("SELECT length(({statement})::text) > 0")), json!([[true]]), "{statement}");
    }
    let deep = |statement: &str| scene.run(&json!({"sql": [statement], "parameters": ["{1}"]}));
    assert_eq!(deep("SELECT ($1::d20)::text"), json!([["{1}"]]));
    assert_refused(&deep("SELECT ($1::d400)::text"), &["made of too many others"]);
    assert_refused(&scene.sql("SELECT NULL::c400"), &["made of too many others", "column::text"]);
    assert_eq!(scene.sql("SELECT (NULL::c400)::text"), json!([[null]]));
}

#[test]
fn old_notes_go() {
    let scene = Scene::begin();
    assert_eq!(scene.run(&json!({"step": "new", "sql": ["SELECT 1"]})), json!([[1]]));
    scene.server.ask(
        "INSERT INTO _stoker_attempts SELECT decode(lpad(n::text, 32, '0'), 'hex'), 1, 1000 FROM generate_series(1, 250) n;
        INSERT INTO _stoker_steps SELECT decode(lpad(n::text, 32, '0'), 'hex'), 'old', 0, 'x', '1', 1000 FROM generate_series(1, 150) n",
    );
    let mut scene = scene;
    scene.host.restart();
    let notes = "SELECT (SELECT count(*) FROM _stoker_attempts), (SELECT count(*) FROM _stoker_steps)";
    for left in ["151|51", "51|1", "1|1", "1|1"] {
        assert_eq!(scene.sql("SELECT 1"), json!([[1]]));
        assert_eq!(scene.server.ask(notes), left);
    }
}

#[test]
fn a_statement_that_outlives_its_lease_is_not_committed() {
    let builder = || builder().flag("--lease-ttl", "3s").leaves_work_behind();
    let mut scene = Scene::of(PostgresServer::start(), builder());
    scene.run(&json!({"migrations": ["CREATE TABLE done (who text)"]}));
    let held = scene.server.hold("LOCK TABLE done IN ACCESS EXCLUSIVE MODE");
    let id = scene.host.enqueue_kind("script", &script(&[json!({"sql": ["INSERT INTO done VALUES ('x')"]})]));
    scene.asks(
        &format!("SELECT count(*) {HOSTS_CONNECTIONS} AND query LIKE 'INSERT INTO done%' AND wait_event_type = 'Lock'"),
        "1",
    );
    scene.host.freeze();
    // Who deletes the lock has two hosts.
    std::fs::remove_file(scene.host.data_dir().join("stoker.lock")).unwrap();
    let other = builder().data_dir(scene.host.data_dir()).start();
    // It waits there for the frozen one's transaction, in which the insert is done now, and not committed.
    scene.asks(&format!("SELECT count(*) {HOSTS_CONNECTIONS} AND query LIKE 'INSERT INTO _stoker_attempts%' AND wait_event_type = 'Lock'"), "1");
    drop(held);
    scene.host.thaw();
    scene.host.wait_exit(stoker_tests::DEADLINE);
    other.wait_for(&id, "succeeded");
    assert_eq!(scene.server.ask("SELECT count(*) FROM done"), "1");
}

#[test]
fn certificates_of_servers_are_verified() {
    let trusts = builder().flag("--egress-ca-file", WebServer::authority_file().display());
    let scene = Scene::of(PostgresServer::start_tls(), trusts);
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(scene.sql(encrypted), json!([[true]]));
    // What is read and bounded is what is inside of it; a cancel goes through it as well.
    assert_refused(&scene.sql("SELECT repeat('x', 50000000)"), &["at most 4MiB", "at once"]);
    let id = scene.host.enqueue_kind("script", &script(&[json!({"sql": [ENDLESS]})]));
    let running = format!("SELECT count(*) {HOSTS_CONNECTIONS} AND state = 'active'");
    scene.asks(&running, "1");
    scene.host.act(&format!("/v1/jobs/{id}/cancel")).expect_status(202);
    scene.host.wait_for(&id, "cancelled");
    scene.asks(&running, "0");
    let named = scene.server.url().replace("127.0.0.1", "localhost");
    scene.host.put("/v1/secrets/pg-url", &json!({"value": named})).expect_status(200);
    let both = [scene.server.address(), scene.server.address().replace("127.0.0.1", "[::1]")];
    let named = json!({"engine": "postgres", "url_secret": "pg-url", "addresses": both});
    scene.host.put("/v1/databases/app", &named).expect_status(200);
    assert_refused(&scene.sql("SELECT 1"), &["its certificate is not of the host that its URL names"]);

    let wary = Scene::of(PostgresServer::start_tls(), builder());
    assert_refused(&wary.sql("SELECT 1"), &["vouches for its certificate", "`egress_ca_file`"]);
    let plain = PostgresServer::start();
    wary.host
        .put("/v1/secrets/pg-url", &json!({"value": format!("{}?sslmode=require", plain.url())}))
        .expect_status(200);
    let named = json!({"engine": "postgres", "url_secret": "pg-url", "addresses": [plain.address()]});
    wary.host.put("/v1/databases/app", &named).expect_status(200);
    assert_refused(&wary.sql("SELECT 1"), &["it does not speak TLS"]);
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
}

#[test]
fn a_server_is_named_by_a_secret_that_holds_a_url() {
    let scene = Scene::begin();
    let put =
        |secret: &str| scene.host.put("/v1/databases/other", &json!({"engine": "postgres", "url_secret": secret}));
    put("missing").expect_problem_saying(422, &["/url_secret", "no secret `missing`"]);
    scene.host.put("/v1/secrets/other-url", &json!({"value": "postgres://u:hunter22@a,b/app"})).expect_status(201);
    let refused = put("other-url").expect_problem_saying(422, &["/url_secret", "several hosts"]);
    assert!(!refused.to_string().contains("hunter22"), "{refused}");
    // One where nobody answers is named all the same.
    scene
        .host
        .put("/v1/secrets/other-url", &json!({"value": "postgres://u:hunter22@127.0.0.1:1/app"}))
        .expect_status(200);
    put("other-url").expect_status(201);
    put("other-url").expect_status(200);
    scene.host.delete("/v1/secrets/pg-url").expect_status(200);
    scene.host.get("/v1/databases/app").expect_problem_saying(503, &["no secret `pg-url`"]);
}
