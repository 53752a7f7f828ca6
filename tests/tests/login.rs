//! The way into the dashboard: a key for a session, which can do what the key can, and changes nothing without its page.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{TestHost, cookie_of, log_in, make_key};

const ADMIN_KEY: &str = "the-admins-long-key";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn host() -> TestHost {
    TestHost::builder().workers(0).admin_key(ADMIN_KEY).start()
}

/// The token of the page, as a person's browser would send it.
fn csrf_token(page: &str) -> String {
    let after = page.split("name=csrf_token value=\"").nth(1).expect("a token");
    after.split('"').next().expect("its end").to_owned()
}

#[test]
fn a_session_is_opened_used_and_ended() {
    let mut host = host();
    let (id, key) = make_key(&host, "default", "ops", "operator");
    let nobody = host.with_key(None);
    let away = nobody.get("/dashboard").expect_status(303);
    assert_eq!(away.header("location"), Some("/dashboard/login"));
    let form = nobody.get("/dashboard/login").expect_status(200);
    assert!(form.text().contains("<form method=post") && !form.text().contains("<script"), "{form}");
    assert!(form.header("content-security-policy").expect("a policy").contains("default-src 'none'"));

    let wrong = log_in(&host, "<b>wrong</b>").expect_status(401);
    assert!(wrong.header("set-cookie").is_none() && !wrong.text().contains("<b>wrong"), "{wrong}");
    let opened = log_in(&host, &key).expect_status(303);
    let attributes = opened.header("set-cookie").expect("a cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    let cookie = cookie_of(&opened);
    assert!(!cookie.contains(&key));

    host.restart();
    let nobody = host.with_key(None);
    let with_cookie = [("cookie", cookie.as_str())];
    let page = nobody.request("GET", "/dashboard", &with_cookie, None).expect_status(200).text();
    assert!(page.contains("key:ops:") && page.contains("operator") && page.contains("default"), "{page}");
    nobody.request("GET", "/v1/jobs", &with_cookie, None).expect_status(200);
    nobody.request("GET", "/metrics", &with_cookie, None).expect_problem(403);

    // Nothing is changed without the token of the page.
    let json_type = ("content-type", "application/json");
    let body = json!({"priority": 1}).to_string();
    let put = |headers: &[(&str, &str)]| nobody.request("PUT", "/v1/queues/mail", headers, Some(body.as_bytes()));
    put(&[with_cookie[0], json_type]).expect_problem_saying(403, &["csrf_token_wrong"]);
    put(&[with_cookie[0], json_type, ("x-csrf-token", "0")]).expect_problem_saying(403, &["csrf_token_wrong"]);
    let token = csrf_token(&page);
    let headers = [with_cookie[0], json_type, ("x-csrf-token", token.as_str())];
    put(&headers).expect_status(200);
    let foreign = [headers[0], headers[1], headers[2], ("origin", "http://evil.example")];
    put(&foreign).expect_problem_saying(403, &["foreign_origin"]);
    let row = host.get("/v1/audit?object=queue/mail").expect(200)["items"][0].clone();
    assert_eq!(row["via"], "dashboard");

    let logout =
        |form: &str| nobody.request("POST", "/dashboard/logout", &[with_cookie[0], FORM], Some(form.as_bytes()));
    logout("csrf_token=0").expect_problem(403);
    logout(&format!("csrf_token={token}")).expect_status(303);
    nobody.request("GET", "/v1/jobs", &with_cookie, None).expect_problem(401);
    let actions = host.get("/v1/audit?action=session.").text();
    assert!(actions.contains("session.login") && actions.contains("session.logout"), "{actions}");

    // A session ends with its key.
    let cookie = cookie_of(&log_in(&host, &key).expect_status(303));
    nobody.request("GET", "/v1/jobs", &[("cookie", &cookie)], None).expect_status(200);
    host.delete(&format!("/v1/keys/{id}")).expect_status(204);
    nobody.request("GET", "/v1/jobs", &[("cookie", &cookie)], None).expect_problem(401);
}

#[test]
fn the_admins_key_logs_in_and_another_one_ends_its_sessions() {
    let mut host = host();
    let cookie = cookie_of(&log_in(&host, ADMIN_KEY).expect_status(303));
    let page = host.with_key(None).request("GET", "/dashboard", &[("cookie", &cookie)], None).expect_status(200);
    assert!(page.text().contains("admin_key"), "{page}");
    host.restart_with(|builder| builder.admin_key("another-admins-long-key"));
    host.with_key(None).request("GET", "/v1/jobs", &[("cookie", &cookie)], None).expect_problem(401);
}

#[test]
fn the_oldest_of_too_many_sessions_ends() {
    let host = host();
    let cookies: Vec<String> = (0..11).map(|_| cookie_of(&log_in(&host, ADMIN_KEY).expect_status(303))).collect();
    let status = |cookie: &String| host.with_key(None).request("GET", "/v1/jobs", &[("cookie", cookie)], None).status;
    assert_eq!(cookies.iter().filter(|cookie| status(cookie) == 200).count(), 10);
    assert_eq!(status(&cookies[10]), 200);
}

#[test]
fn an_open_host_says_so() {
    let host = TestHost::builder().workers(0).start();
    for path in ["/dashboard", "/dashboard/login"] {
        assert!(host.get(path).expect_status(200).text().contains("no keys"), "{path}");
    }
}
