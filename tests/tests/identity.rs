//! Keys and roles: who may do what, what is hidden from whom, and what a refusal does not say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};
use stoker_tests::{Api, TestHost, eventually, make_key, make_tenant, run_stoker, with_role};

const ADMIN_KEY: &str = "the-admins-long-key";

fn host() -> TestHost {
    TestHost::builder().workers(0).admin_key(ADMIN_KEY).start()
}

#[test]
fn credentials_that_are_no_good_look_the_same() {
    let host = host();
    let (revoked_id, revoked) = make_key(&host, "default", "gone", "viewer");
    host.delete(&format!("/v1/keys/{revoked_id}")).expect_status(204);
    let mut answers = Vec::new();
    for key in [revoked.as_str(), "stk_00000000000000000000000000000000000000000000", "x", "a.b.c"] {
        answers.push(host.with_key(Some(key)).get("/v1/jobs"));
    }
    answers.push(host.with_key(None).get("/v1/jobs"));
    answers.push(host.with_key(None).request("GET", "/v1/jobs", &[("authorization", "Basic eDp5")], None));
    answers.push(host.with_key(None).request("GET", "/v1/jobs", &[("cookie", "stoker_session=0123")], None));
    // Only streams take it there, and nothing says that it was good.
    answers.push(host.with_key(None).get(&format!("/v1/jobs?access_token={ADMIN_KEY}")));
    for answer in &answers {
        assert_eq!(answer.status, 401, "{answer}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.body, answers[0].body, "{answer}");
    }
    host.with_key(None).get("/health/live").expect_status(200);
    host.get("/v1/jobs?access_token=x").expect_problem(422);
}

#[test]
fn a_key_is_shown_once_and_worth_nothing_once_revoked() {
    let host = host();
    let (id, key) = make_key(&host, "default", "ci", "operator");
    assert!(key.starts_with("stk_") && key.len() == 48, "{key}");
    let shown = host.get(&format!("/v1/keys/{id}"));
    let listed = host.get("/v1/keys");
    for answer in [&shown, &listed] {
        assert!(!answer.text().contains(&key) && answer.text().contains(&key[..12]), "{answer}");
    }
    let ci = host.with_key(Some(&key));
    ci.get("/v1/jobs").expect_status(200);
    assert!(host.get(&format!("/v1/keys/{id}")).expect(200)["last_used_at"].is_string());
    host.delete(&format!("/v1/keys/{id}")).expect_status(204);
    ci.get("/v1/jobs").expect_problem(401);
    host.get(&format!("/v1/keys/{id}")).expect_problem_saying(404, &["key_not_found"]);
    for (body, said) in [
        (json!({"name": "a b", "role": "viewer"}), "/name"),
        (json!({"name": "a", "role": "root"}), "/role"),
        (json!({"name": "a", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"name": "a", "role": "viewer", "tenant": "x"}), "tenant"),
    ] {
        host.post("/v1/keys", &body).expect_problem_saying(422, &[said]);
    }
}

#[test]
fn keys_outlive_a_restart_and_expire() {
    let mut host = host();
    let (_, key) = make_key(&host, "default", "ci", "viewer");
    let short = host.post("/v1/keys", &json!({"name": "short", "role": "viewer", "expires_in": 1})).expect(201);
    let short = short["key"].as_str().expect("a key").to_owned();
    eventually("the key expires", || (host.with_key(Some(&short)).get("/v1/jobs").status == 401).then_some(()));
    host.restart();
    host.with_key(Some(&key)).get("/v1/jobs").expect_status(200);
    host.with_key(Some(&short)).get("/v1/jobs").expect_problem(401);
}

/// What a role may not do is refused by every route, and the refusal says what is needed. New routes fall under it by
/// themselves.
#[test]
fn too_small_a_role_is_refused_everywhere() {
    let host = host();
    let roles = ["user", "viewer", "producer", "operator", "admin"];
    // A user has no key, but a token.
    let token = host.post("/v1/notifications/tokens", &json!({"user": "ann", "expires_in": "1h"})).expect(201);
    let user = host.with_key(Some(token["token"].as_str().expect("a token")));
    let keys = roles[1..].iter().map(|role| with_role(&host, "default", role));
    let clients: Vec<Api> = std::iter::once(user).chain(keys).collect();
    let document = host.get("/openapi.json").expect(200);
    let mut refused = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let needed = operation["x-stoker-role"].as_str().expect("a role");
            let Some(least) = roles.iter().position(|role| *role == needed) else {
                assert_eq!(needed, "anybody", "{method} {path}");
                continue;
            };
            let path = path.replace("{id}", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV").replace(['{', '}'], "");
            for client in &clients[..least] {
                let answer = client.request(&method.to_uppercase(), &path, &[], None);
                let problem = answer.expect_problem(403);
                assert_eq!(
                    (&problem["code"], &problem["needed_role"]),
                    (&json!("forbidden"), &json!(needed)),
                    "{path}"
                );
                refused += 1;
            }
            let nobody = host.with_key(None).request(&method.to_uppercase(), &path, &[], None);
            assert!(nobody.status == 401 || nobody.status == 303, "{method} {path}: {nobody}");
        }
    }
    assert!(refused > 140, "{refused}");
}

#[test]
fn nobody_makes_a_key_above_their_own_or_in_another_tenant() {
    let host = host();
    make_tenant(&host, "acme");
    let operator = with_role(&host, "acme", "operator");
    operator
        .post("/v1/keys", &json!({"name": "up", "role": "admin"}))
        .expect_problem_saying(403, &["`admin`", "`operator`"]);
    let made = operator.post("/v1/keys", &json!({"name": "app", "role": "producer"})).expect(201);
    assert_eq!(made["tenant"], "acme");
    let (foreign, _) = make_key(&host, "default", "foreign", "viewer");
    for path in [format!("/v1/keys/{foreign}"), "/v1/keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()] {
        operator.get(&path).expect_problem_saying(404, &["key_not_found"]);
        operator.delete(&path).expect_problem_saying(404, &["key_not_found"]);
    }
    let names = |api: &Api| -> Vec<Value> {
        let page = api.get("/v1/keys").expect(200);
        page["items"].as_array().expect("items").iter().map(|key| key["name"].clone()).collect()
    };
    assert_eq!(names(&operator), ["app", "operator-key"]);
    assert_eq!(names(&host), ["foreign", "app", "operator-key"]);
    for (name, answer) in [("default", 404), ("nobody", 404), ("acme", 200)] {
        let found = operator.request("GET", "/v1/jobs", &[("stoker-tenant", name)], None);
        assert_eq!(found.status, answer, "{found}");
    }
}

#[test]
fn tenants_do_not_see_each_other() {
    let mut host = host();
    host.leave_work_behind();
    make_tenant(&host, "acme");
    let [acme, other] = ["acme", "default"].map(|tenant| with_role(&host, tenant, "operator"));
    acme.put("/v1/queues/secret-queue", &json!({"priority": 1})).expect_status(200);
    let schedules = acme.get("/v1/schedules").expect(200);
    assert_eq!(schedules["items"], json!([]));
    acme.get("/v1/queues/secret-queue").expect_status(200);
    let hidden = other.get("/v1/queues/secret-queue").expect_problem(404);
    let absent = other.get("/v1/queues/secret-thing").expect_problem(404);
    assert_eq!(hidden["code"], absent["code"]);
    assert!(!other.get("/v1/queues").text().contains("secret-queue"));
    assert!(!hidden["detail"].as_str().expect("text").contains("did you mean"), "{hidden}");
    other.delete("/v1/queues/secret-queue").expect_problem(404);
    acme.get("/v1/queues/secret-queue").expect_status(200);
    let seen = other.get("/v1/audit").text();
    assert!(!seen.contains("secret-queue"), "{seen}");
}

#[test]
fn the_first_key_of_an_open_host_is_an_admins() {
    let host = TestHost::builder().workers(0).start();
    assert!(host.log().contains("stoker keys create"), "{}", host.log());
    host.post("/v1/keys", &json!({"name": "a", "role": "operator"})).expect_problem_saying(409, &["admin_key_needed"]);
    let (id, key) = make_key(&host, "default", "root", "admin");
    host.get("/v1/jobs").expect_problem(401);
    let admin = host.with_key(Some(&key));
    let (other, _) = make_key(&admin, "default", "app", "viewer");
    admin.delete(&format!("/v1/keys/{id}")).expect_problem_saying(409, &["admin_key_needed"]);
    admin.delete(&format!("/v1/keys/{other}")).expect_status(204);
    // Not even if it is the last of all.
    admin.delete(&format!("/v1/keys/{id}")).expect_problem_saying(409, &["admin_key_needed"]);
    host.get("/v1/jobs").expect_problem(401);
}

#[test]
fn a_host_that_had_keys_is_open_again_only_by_a_reset() {
    let mut host = TestHost::builder().workers(0).start();
    let short = json!({"name": "root", "role": "admin", "expires_in": 1});
    let key = host.post("/v1/keys", &short).expect(201)["key"].as_str().expect("a key").to_owned();
    eventually("it expires", || (host.with_key(Some(&key)).get("/v1/jobs").status == 401).then_some(()));
    host.get("/v1/jobs").expect_problem(401);
    // Whoever sets `admin_key` gets in and may revoke the rest; without it the host is as closed as before.
    host.restart_with(|builder| builder.admin_key(ADMIN_KEY));
    let keys = host.get("/v1/keys").expect(200);
    let id = keys["items"][0]["id"].as_str().expect("an id").to_owned();
    host.delete(&format!("/v1/keys/{id}")).expect_status(204);
    host.terminate();
    let data = host.data_dir();
    let mut host = TestHost::builder().workers(0).data_dir(data.clone()).start();
    host.get("/v1/jobs").expect_problem(401);
    assert!(host.log().contains("stoker keys reset"), "{}", host.log());
    let directory = data.display().to_string();
    let reset = || run_stoker(&["keys", "reset", "--data-dir", &directory, "--json"], &[], Path::new("/"), b"");
    reset().expect_failure(&["in use"]);
    host.terminate();
    let done: Value = serde_json::from_str(&reset().expect_success()).expect("JSON");
    assert_eq!(done, json!({"keys": 0, "reset": true}));
    let host = TestHost::builder().workers(0).data_dir(data).start();
    host.get("/v1/jobs").expect_status(200);
    let row = host.get("/v1/audit?action=key.reset").expect(200)["items"][0].clone();
    assert_eq!((&row["who"], &row["via"]), (&json!("data_dir"), &json!("cli")), "{row}");
}

#[test]
fn a_host_that_lost_its_admin_key_stays_closed() {
    let mut host = TestHost::builder().workers(0).admin_key(ADMIN_KEY).start();
    host.get("/v1/jobs").expect_status(200);
    host.terminate();
    let data = host.data_dir();
    let mut host = TestHost::builder().workers(0).data_dir(data.clone()).start();
    host.get("/v1/jobs").expect_problem(401);
    assert!(host.log().contains("stoker keys reset"), "{}", host.log());
    host.terminate();
    let directory = data.display().to_string();
    let reset =
        |directory: &str| run_stoker(&["keys", "reset", "--data-dir", directory, "--json"], &[], Path::new("/"), b"");
    reset(&directory).expect_success();
    // There is nothing left to reset, and nothing was made where there was nothing.
    reset(&directory).expect_failure(&["does not ask for keys"]);
    let empty = data.join("empty");
    std::fs::create_dir(&empty).expect("a directory");
    reset(&empty.display().to_string()).expect_failure(&["there is no", "stoker.db"]);
    assert_eq!(std::fs::read_dir(&empty).expect("a directory").count(), 0);
    let host = TestHost::builder().workers(0).data_dir(data).start();
    host.get("/v1/jobs").expect_status(200);
}

#[test]
fn a_stored_admins_key_lets_a_host_listen_elsewhere() {
    let mut host = TestHost::builder().workers(0).start();
    let elsewhere = |host: &TestHost| {
        let data = host.data_dir();
        TestHost::builder().workers(0).data_dir(data).flag("--listen", "0.0.0.0:0").try_start()
    };
    host.terminate();
    let (status, log) = elsewhere(&host).expect_err("nobody could be told from others");
    assert!(!status.success() && log.contains("stoker keys create") && log.contains("STOKER_ADMIN_KEY"), "{log}");
    host.restart();
    make_key(&host, "default", "root", "admin");
    host.terminate();
    drop(elsewhere(&host).expect("an admin's key is there"));
}

#[test]
fn guesses_are_slowed_down_and_good_keys_are_not() {
    let host = host();
    let (_, key) = make_key(&host, "default", "app", "viewer");
    let good = host.with_key(Some(&key));
    let mut refused = None;
    for guess in 0..40 {
        let answer = host.with_key(Some(&format!("guess-{guess}"))).get("/v1/jobs");
        good.get("/v1/jobs").expect_status(200);
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401, "{answer}");
    }
    let refused = refused.expect("guesses are slowed down");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    refused.expect_problem_saying(429, &["too_many_failures"]);
    good.get("/v1/jobs").expect_status(200);
}

#[test]
fn who_guesses_keeps_no_key_out_that_comes_for_the_first_time() {
    let host = host();
    let keys: Vec<String> =
        (0..12).map(|index| make_key(&host, "default", &format!("app-{index}"), "viewer").1).collect();
    let mut guesses = (0..100).map(|guess| host.with_key(Some(&format!("guess-{guess}"))).get("/v1/jobs").status);
    assert!(guesses.any(|status| status == 429), "guesses are slowed down");
    for key in &keys {
        host.with_key(Some(key)).get("/v1/jobs").expect_status(200);
    }
}

#[test]
fn a_key_that_is_revoked_while_its_body_comes_makes_no_other() {
    let host = host();
    let (id, key) = make_key(&host, "default", "app", "operator");
    let body = r#"{"name": "another", "role": "operator"}"#;
    let mut stream = TcpStream::connect(host.authority()).unwrap();
    let head = format!(
        "POST /v1/keys HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // From here on the body is waited for.
    let mut go_on = [0; 12];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    host.delete(&format!("/v1/keys/{id}")).expect_status(204);
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 401"), "{answer}");
    assert_eq!(host.get("/v1/keys").expect(200)["items"], json!([]));
}

/// Where a browser can set no header.
const STREAMS: [&str; 3] = ["/v1/stream", "/v1/notifications/stream", "/hubs/notifications"];

#[test]
fn a_token_in_the_query_is_taken_by_streams_alone_and_never_told() {
    // Whatever the host logs.
    let host = TestHost::builder().workers(0).admin_key(ADMIN_KEY).flag("--log", "trace").start();
    let (_, key) = make_key(&host, "default", "stream", "viewer");
    let described = host.get("/openapi.json").expect(200);
    let nobody = host.with_key(None);
    let mut asked = 0;
    for (path, actions) in described["paths"].as_object().expect("paths") {
        let is_stream = STREAMS.contains(&path.as_str());
        for (method, action) in actions.as_object().expect("methods") {
            if is_stream || action["x-stoker-role"] == "anybody" {
                continue;
            }
            let filled = path.replace(['{', '}'], "");
            let url = format!("{filled}?access_token={ADMIN_KEY}");
            let answer = nobody.request(&method.to_uppercase(), &url, &[], None);
            let is_page = path == "/dashboard" && answer.status == 303;
            assert!(answer.status == 401 || is_page, "{method} {url}: {answer}");
            let location = answer.header("location").unwrap_or_default();
            assert!(!answer.text().contains(ADMIN_KEY) && !location.contains(ADMIN_KEY), "{answer}");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
    // With a good credential beside it, it is a parameter nobody knows, and is not quoted.
    let viewer = host.with_key(Some(&key));
    let refused = viewer.get(&format!("/v1/jobs?access_token={ADMIN_KEY}"));
    assert_eq!(refused.status, 422, "{refused}");
    assert!(!refused.text().contains(ADMIN_KEY), "{refused}");
    // On a stream it counts, and goes no further.
    for path in STREAMS {
        nobody.get(&format!("{path}?access_token=wrong-and-long-enough")).expect_status(401);
        // None of them stays open: there is no such path, or what follows is refused.
        let taken = nobody.get(&format!("{path}?access_token={key}&wrong=1"));
        assert!([404, 422].contains(&taken.status), "{taken}");
        assert!(!taken.text().contains(&key), "{taken}");
    }
    // Where nobody has to say who they are, and where there is nothing, it is not told either.
    for path in ["/health", "/openapi.json", "/nothing", "/v1/jobs/5", "/dashboard/login"] {
        let answer = nobody.get(&format!("{path}?access%5Ftoken={key}"));
        assert!(!answer.text().contains(&key), "{answer}");
    }
    let log = host.log();
    for hidden in [ADMIN_KEY, &key, "wrong-and-long-enough"] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}
