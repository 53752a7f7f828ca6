//! Mail: committed with the success of its job, and given to a real SMTP server until that has it, or says that it never will.
//!
//! `STOKER_CRASH_ROUNDS` says how often the host is killed, `STOKER_SEED` replays the moments.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use stoker_tests::{Guest, HostBuilder, SmtpServer, TestHost, crash_rounds, eventually, make_tenant, seed, with_role};

/// Rounds when nobody says otherwise.
const KILL_ROUNDS_DEFAULT: usize = 6;
/// Mails of one round.
const MAILS_OF_ROUND: usize = 8;

const SENDER: &str = "noreply@shop.example";

fn builder() -> HostBuilder {
    TestHost::builder().env("STOKER_MAIL_SENDER", format!("Shop <{SENDER}>")).env("STOKER_MAIL_RETRY_BASE", "100ms")
}

/// With handlers that may send mail.
fn furnished(host: TestHost) -> TestHost {
    host.upload(Guest::Handlers);
    host.set_kind("script", &json!({"grants": {"mail": [SENDER, "*@news.example"]}, "max_attempts": 2}));
    host
}

fn line(to: &[&str], subject: &str) -> Value {
    json!({"do": "mail", "to": to, "subject": subject, "text": format!("About {subject}.")})
}

fn script(lines: &[Value]) -> Value {
    let retry = json!({"strategy": "fixed", "delay": 20});
    json!({"kind": "script", "payload": {"lines": lines}, "retry": retry})
}

/// Runs a job that sends one mail; gives the job.
#[track_caller]
fn send(host: &TestHost, to: &[&str], subject: &str) -> Value {
    let job = host.run(&script(&[line(to, subject)]));
    assert_eq!(job["state"], "succeeded", "{job:#}");
    job
}

/// The one mail of a job, once it is so far.
#[track_caller]
fn mail_of(host: &TestHost, job: &Value, state: &str) -> Value {
    let job = job["id"].as_str().unwrap();
    let mut seen = Value::Null;
    eventually(&format!("the mail of {job} is {state}"), || {
        seen = host.get(&format!("/v1/mail?job={job}")).expect(200)["items"][0].clone();
        (seen["state"] == state).then_some(())
    });
    seen
}

fn states(mail: &Value) -> Vec<(&str, &str)> {
    let recipients = mail["recipients"].as_array().unwrap();
    let of = |recipient: &'_ Value| -> (&'static str, &'static str) {
        let text = |field: &str| recipient[field].as_str().unwrap().to_owned().leak() as &'static str;
        (text("address"), text("state"))
    };
    recipients.iter().map(of).collect()
}

fn header<'a>(taken: &'a Value, name: &str) -> Option<&'a str> {
    let headers = taken["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name))?;
    found[1].as_str()
}

#[test]
fn a_mail_arrives_encrypted_and_logged_in_with_all_it_holds() {
    let server = SmtpServer::builder().tls().login("stoker", "a-hidden-password").start();
    let host = furnished(server.used_by(builder()).start());
    assert_eq!(host.get("/v1/mail").expect(200)["server"]["state"], "unknown");
    let mail = json!({
        "do": "mail", "to": ["Ada Lovelace <ada@example.com>"], "cc": ["bob@example.com"], "bcc": ["eve@example.com"],
        "from": "Weekly <weekly@news.example>", "subject": "Grüße ✓", "text": "Hello.\n.\nBye.\n", "html": "<p>Hello</p>",
        "headers": [["X-Order", "7"]], "attachment": "attached text",
    });
    let job = host.run(&script(&[mail]));
    let shown = mail_of(&host, &job, "sent");
    let taken = server.taken();
    assert_eq!(taken.len(), 1, "{taken:#?}");
    let taken = &taken[0];
    assert_eq!((&taken["tls"], &taken["user"]), (&json!(true), &json!("stoker")));
    assert_eq!(taken["message_id"], job["output"][0], "the handler was told under which name it goes out");
    assert_eq!(taken["message_id"], shown["message_id"]);
    assert_eq!(taken["from"], "weekly@news.example");
    assert_eq!(taken["to"], json!(["ada@example.com", "bob@example.com", "eve@example.com"]));
    assert_eq!(taken["subject"], "Grüße ✓");
    assert_eq!(taken["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), "Hello.\n.\nBye.");
    assert_eq!(taken["html"].as_str().unwrap().trim_end(), "<p>Hello</p>");
    assert_eq!(taken["attachments"], json!(["attached.txt"]));
    assert_eq!(header(taken, "X-Order"), Some("7"));
    assert_eq!(header(taken, "To"), Some("Ada Lovelace <ada@example.com>"));
    assert_eq!(header(taken, "Bcc"), None, "{taken:#}");

    let detail = host.get(&format!("/v1/mail/{}", shown["id"].as_str().unwrap())).expect(200);
    assert_eq!((&detail["text"], &detail["attempts"]), (&json!("Hello.\n.\nBye.\n"), &json!(1)));
    assert_eq!(
        detail["attachments"],
        json!([{"name": "attached.txt", "content_type": "text/plain", "size_bytes": 13}])
    );
    let of_job = host.job(job["id"].as_str().unwrap());
    assert_eq!(of_job["mail"][0]["id"], shown["id"]);
    assert_eq!(of_job["mail"][0]["recipients"].as_array().unwrap().len(), 3);
    let page = host.get("/v1/mail?state=sent").expect(200);
    assert_eq!((&page["counts"], &page["server"]["state"]), (&json!({"sent": 1}), &json!("reachable")));
    let metrics = host.get("/metrics").text();
    assert!(metrics.contains("stoker_mails{tenant=\"default\",state=\"sent\"} 1"), "{metrics}");
    assert!(metrics.contains("stoker_mail_recipients_total{answer=\"sent\"} 3"), "{metrics}");
    assert!(!host.log().contains("a-hidden-password") && host.log().contains("smtp_password = (set, hidden)"));
}

#[test]
fn what_is_not_granted_or_no_mail_is_told_to_the_handler() {
    let host = furnished(builder().start());
    let mut foreign = line(&["ada@example.com"], "a");
    foreign["from"] = json!("ceo@shop.example");
    let mut injected = line(&["ada@example.com"], "a\r\nBcc: everybody@example.com");
    injected["from"] = json!(SENDER);
    let nobody = line(&["ada"], "a");
    let job = host.run(&script(&[foreign.clone(), injected, nobody]));
    let said: Vec<&str> =
        job["output"].as_array().unwrap().iter().map(|said| said["refused"].as_str().unwrap()).collect();
    assert!(said[0].contains("not granted"), "{said:?}");
    assert!(said[1].starts_with("subject: must hold no control characters"), "{said:?}");
    assert!(said[2].starts_with("to/0: `ada` is no address of mail"), "{said:?}");
    assert_eq!(host.attempts(job["id"].as_str().unwrap())[0]["denied"], json!(["mail ceo@shop.example"]));
    assert_eq!(host.get("/v1/mail").expect(200)["items"], json!([]));
    let failed = host.run(&script(&[foreign, json!({"do": "trap"})]));
    assert_eq!(failed["error"]["reason"], "capability_denied");
}

#[test]
fn only_an_admin_grants_senders() {
    let host = TestHost::builder().admin_key("the-admins-long-key").leaves_work_behind().start();
    host.upload(Guest::Handlers);
    let operator = with_role(&host, "default", "operator");
    let settings = json!({"grants": {"mail": [SENDER]}});
    let refused = operator.put("/v1/kinds/script/settings", &settings);
    assert!(matches!(refused.status, 403 | 422), "{refused}");
    assert!(refused.text().contains("/grants/mail/0"), "{refused}");
    host.put("/v1/kinds/script/settings", &settings).expect_status(200);
}

#[test]
fn a_refused_login_is_shown_and_nothing_else_stops() {
    let server = SmtpServer::builder().tls().login("stoker", "the-right-password").start();
    let wrong = server.used_by(builder()).env("STOKER_SMTP_PASSWORD", "the-wrong-password");
    let mut host = furnished(wrong.start());
    let job = send(&host, &["ada@example.com"], "a");
    let mut error = String::new();
    eventually("the mail says what is wrong", || {
        let mail = host.get(&format!("/v1/mail?job={}", job["id"].as_str().unwrap())).expect(200);
        error = mail["items"][0]["error"].as_str().unwrap_or_default().to_owned();
        (mail["items"][0]["state"] == "queued" && !error.is_empty()).then_some(())
    });
    assert!(error.starts_with("the SMTP server refuses the login: 535"), "{error}");
    let page = host.get("/v1/mail").expect(200);
    assert_eq!((&page["server"]["state"], &page["server"]["error"]), (&json!("failing"), &json!(error)));
    assert!(host.get("/metrics").text().contains("stoker_mail_server_failing 1"));
    assert!(host.log().contains("refuses the login") && !host.log().contains("the-wrong-password"));
    assert_eq!(host.get("/health/ready").status, 200);
    send(&host, &["bob@example.com"], "jobs go on");
    assert!(server.taken().is_empty());

    host.restart_with(|host| server.used_by(host));
    mail_of(&host, &job, "sent");
}

#[test]
fn one_of_three_is_refused_and_the_others_have_it() {
    let server = SmtpServer::builder().start();
    let host = furnished(server.used_by(builder()).start());
    let job = send(&host, &["ada@example.com", "refuse@example.com", "bob@example.com"], "one of three");
    let mail = mail_of(&host, &job, "partly_sent");
    let expected = [("ada@example.com", "sent"), ("refuse@example.com", "refused"), ("bob@example.com", "sent")];
    assert_eq!(states(&mail), expected);
    assert_eq!(mail["recipients"][1]["answer"], "550 5.1.1 no such user");
    assert_eq!(mail["error"], "refuse@example.com: 550 5.1.1 no such user");
    let of_job = host.job(job["id"].as_str().unwrap());
    assert_eq!((&of_job["state"], &of_job["mail"][0]["state"]), (&json!("succeeded"), &json!("partly_sent")));
    assert_eq!(server.taken().len(), 1);
    assert_eq!(server.taken()[0]["to"], json!(["ada@example.com", "bob@example.com"]));

    let all_refused = send(&host, &["refuse@example.com"], "nobody");
    mail_of(&host, &all_refused, "failed");
    let after = send(&host, &["eve@example.com"], "after that");
    mail_of(&host, &after, "sent");

    // Asked for again it goes to whom was refused, and to nobody twice.
    let id = mail["id"].as_str().unwrap();
    host.act(&format!("/v1/mail/{id}/send")).expect_status(200);
    eventually("it was tried again", || {
        let mail = host.get(&format!("/v1/mail/{id}")).expect(200);
        (mail["attempts"] == 2 && mail["state"] == "partly_sent").then_some(())
    });
    assert_eq!(server.taken().len(), 2, "{:#?}", server.taken());
}

#[test]
fn who_says_later_is_asked_again_under_the_same_name() {
    let server = SmtpServer::builder().start();
    let host = furnished(server.used_by(builder()).start());
    let job = send(&host, &["ada@example.com", "later-2@example.com"], "later");
    let mail = mail_of(&host, &job, "sent");
    assert_eq!(mail["attempts"], 3);
    let taken = server.taken();
    assert_eq!(taken.len(), 2, "{taken:#?}");
    assert_eq!((&taken[0]["to"], &taken[1]["to"]), (&json!(["ada@example.com"]), &json!(["later-2@example.com"])));
    for field in ["message_id", "date", "text"] {
        assert_eq!(taken[0][field], taken[1][field], "{field}");
    }
}

#[test]
fn a_server_that_is_down_gets_its_mail_when_it_is_up() {
    let mut server = SmtpServer::builder().start();
    let host = furnished(server.used_by(builder()).start());
    server.stop();
    let jobs: Vec<Value> = (0..3).map(|n| send(&host, &["ada@example.com"], &format!("down {n}"))).collect();
    eventually("it is shown", || {
        let page = host.get("/v1/mail").expect(200);
        let is_shown = page["items"].as_array().unwrap().iter().any(|mail| {
            mail["error"].as_str().is_some_and(|error| error.starts_with("the SMTP server can't be reached: "))
        });
        (is_shown && page["server"]["state"] == "failing" && page["counts"]["queued"] == 3).then_some(())
    });
    assert_eq!(host.get("/health/ready").status, 200);
    server.start();
    for job in &jobs {
        mail_of(&host, job, "sent");
    }
    assert_eq!(server.taken().len(), 3);
    assert_eq!(host.get("/v1/mail").expect(200)["server"]["state"], "reachable");
}

#[test]
fn a_server_that_wants_a_login_first_fails_no_mail() {
    let server = SmtpServer::builder().login("ada", "right").start();
    let mut host = furnished(server.used_without_login_by(builder()).start());
    let jobs: Vec<Value> = (0..3).map(|n| send(&host, &["ada@example.com"], &format!("{n}"))).collect();
    let mut page = Value::Null;
    eventually("the server is found to take no mail from this host", || {
        page = host.get("/v1/mail").expect(200);
        (page["server"]["state"] == "failing").then_some(())
    });
    let said = page["server"]["error"].as_str().unwrap();
    assert!(said.contains("530") && said.contains("`smtp_user`"), "{said}");
    assert_eq!(page["counts"], json!({"queued": 3}), "{page:#}");
    host.restart_with(|host| host.env("STOKER_SMTP_USER", "ada").env("STOKER_SMTP_PASSWORD", "right"));
    for job in &jobs {
        mail_of(&host, job, "sent");
    }
    assert_eq!(server.taken().len(), 3);
}

#[test]
fn no_half_a_line_break_goes_over_the_wire() {
    let server = SmtpServer::builder().start();
    let host = furnished(server.used_by(builder()).start());
    let smuggled = "MAIL FROM:<eve@example.com>\rRCPT TO:<ada@example.com>\rDATA\rSubject: smuggled\r\r.\r";
    let body = format!("a\rb\nc\r\n.\n.\r\n..\r\n\n.\r\r.\r\n{smuggled}\n.\r");
    let mut asked = line(&["ada@example.com"], "one");
    asked["text"] = json!(body);
    asked["html"] = json!(format!("<p>\r{body}</p>"));
    asked["attachment"] = json!(body);
    let job = host.run(&script(&[asked]));
    mail_of(&host, &job, "sent");
    mail_of(&host, &send(&host, &["ada@example.com"], "two"), "sent");

    let wire = String::from_utf8(server.wire()).unwrap();
    let rest = wire.replace("\r\n", "");
    assert!(!rest.contains(['\r', '\n']), "{wire:?}");
    assert!(wire.contains("\r\nc\r\n..\r\n..\r\n...\r\n\r\n..\r\n\r\n..\r\n"), "{wire:?}");
    let taken = server.taken();
    let subjects: Vec<_> = taken.iter().map(|taken| taken["subject"].clone()).collect();
    assert_eq!(subjects, ["one", "two"]);
    let arrived = body.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(taken[0]["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), arrived.trim_end());
}

#[test]
fn a_stop_does_not_wait_for_a_slow_server() {
    let server = SmtpServer::builder().start();
    let builder = server.used_by(builder()).env("STOKER_SHUTDOWN_GRACE", "60s").leaves_work_behind();
    let mut host = furnished(builder.start());
    let job = send(&host, &["hang@example.com"], "slow");
    eventually("the transmission hangs", || (server.taken().len() == 1).then_some(()));
    let began = Instant::now();
    assert!(host.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    server.let_go();
    host.restart();
    mail_of(&host, &job, "sent");
    let taken = server.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!((&taken[0]["message_id"], &taken[0]["date"]), (&taken[1]["message_id"], &taken[1]["date"]));
}

#[test]
fn no_more_goes_out_than_the_rate_allows_whatever_restarts() {
    let server = SmtpServer::builder().start();
    let mut host = furnished(server.used_by(builder()).env("STOKER_MAIL_RATE", "3/1h").start());
    let jobs: Vec<Value> = (0..5).map(|n| send(&host, &["ada@example.com"], &format!("rate {n}"))).collect();
    let is_held = |host: &TestHost| {
        let counts = host.get("/v1/mail").expect(200)["counts"].clone();
        (counts == json!({"queued": 2, "sent": 3})).then_some(())
    };
    eventually("three are sent", || is_held(&host));
    host.restart();
    // Another tenant has a rate of its own.
    make_tenant(&host, "other");
    let other = host.in_tenant("other");
    other.upload(Guest::Handlers);
    other.set_kind("script", &json!({"grants": {"mail": [SENDER]}}));
    other.run(&script(&[line(&["bob@example.com"], "of the other")]));
    eventually("the other's mail is sent", || {
        (other.get("/v1/mail").expect(200)["counts"] == json!({"sent": 1})).then_some(())
    });
    assert!(is_held(&host).is_some(), "{}", host.get("/v1/mail").text());
    assert_eq!(server.taken().len(), 4);
    host.restart_with(|host| host.env("STOKER_MAIL_RATE", "1000/s"));
    for job in &jobs {
        mail_of(&host, job, "sent");
    }
}

#[test]
fn without_a_server_mail_is_kept_and_sent_when_there_is_one() {
    let mut host = furnished(builder().start());
    let jobs: Vec<Value> = (0..3).map(|n| send(&host, &["ada@example.com"], &format!("kept {n}"))).collect();
    let page = host.get("/v1/mail").expect(200);
    assert_eq!((&page["counts"], &page["server"]["state"]), (&json!({"kept": 3}), &json!("not_configured")));
    let first = mail_of(&host, &jobs[0], "kept");
    let send_one = format!("/v1/mail/{}/send", first["id"].as_str().unwrap());
    assert_eq!(host.act(&send_one).expect_problem(409)["code"], "no_mail_server");
    assert_eq!(host.post("/v1/mail/send", &json!({"state": "kept"})).expect_problem(409)["code"], "no_mail_server");

    let server = SmtpServer::builder().start();
    host.restart_with(|host| server.used_by(host));
    assert_eq!(host.get("/v1/mail").expect(200)["counts"], json!({"kept": 3}), "nobody said that it is to be sent");
    host.act(&send_one).expect_status(200);
    mail_of(&host, &jobs[0], "sent");
    assert_eq!(server.taken()[0]["message_id"], first["message_id"]);
    assert_eq!(host.act(&send_one).expect_problem(409)["code"], "wrong_state");
    let queued = host.post("/v1/mail/send", &json!({"state": "kept"})).expect(200);
    assert_eq!(queued, json!({"queued": 2, "more": false, "next_cursor": null}));
    for job in &jobs {
        mail_of(&host, job, "sent");
    }
    assert_eq!(server.taken().len(), 3);
    assert_eq!(host.post("/v1/mail/send", &json!({"state": "sent"})).expect_problem(422)["code"], "invalid_request");
    let gone = format!("/v1/mail/{}", first["id"].as_str().unwrap());
    host.delete(&gone).expect_status(204);
    assert_eq!(host.get(&gone).expect_problem(404)["code"], "mail_not_found");
    assert_eq!(host.get("/v1/mail").expect(200)["counts"], json!({"sent": 2}));
    let audit = host.get("/v1/audit?limit=3").expect(200);
    let rows = audit["items"].as_array().unwrap().iter().map(|row| (row["action"].clone(), row["object"].clone()));
    let (id, by) = (first["id"].as_str().unwrap(), |action: &str, object: String| (json!(action), json!(object)));
    let expected = [
        by("mail.delete", format!("mail/{id}")),
        by("mail.send", "mails/kept".into()),
        by("mail.send", format!("mail/{id}")),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

#[test]
fn of_an_attempt_that_fails_nothing_is_sent() {
    let server = SmtpServer::builder().start();
    let host = furnished(server.used_by(builder()).start());
    let retried = host.run(&script(&[line(&["ada@example.com"], "twice asked"), json!({"do": "fail", "attempts": 1})]));
    assert_eq!((&retried["state"], &retried["attempt"]), (&json!("succeeded"), &json!(2)));
    let trapped = host.run(&script(&[line(&["ada@example.com"], "never"), json!({"do": "trap"})]));
    assert_eq!(trapped["state"], "failed");
    mail_of(&host, &retried, "sent");
    // An effect beside it that can't be takes it back as well.
    host.set_kind("script", &json!({"grants": {"mail": [SENDER], "enqueue": ["*"]}, "max_attempts": 1}));
    let enqueue = json!({"do": "enqueue", "kind": "no-such-kind", "payload": null});
    let rejected = host.run(&script(&[line(&["ada@example.com"], "never either"), enqueue]));
    assert_eq!(rejected["error"]["reason"], "effect_rejected", "{rejected:#}");
    let last = send(&host, &["ada@example.com"], "the last");
    mail_of(&host, &last, "sent");
    let subjects: Vec<Value> = server.taken().iter().map(|taken| taken["subject"].clone()).collect();
    assert_eq!(subjects, ["twice asked", "the last"]);
    assert_eq!(host.get("/v1/mail").expect(200)["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_can_not_be_is_said_at_the_start() {
    for (name, value, said) in [
        ("STOKER_SMTP_URL", "mail.example.com", "`smtp_url`"),
        ("STOKER_SMTP_USER", "ada", "`smtp_user`"),
        ("STOKER_MAIL_SENDER", "nobody", "`mail_sender`"),
        ("STOKER_MAIL_RATE", "fast", "`mail_rate`"),
    ] {
        let (_, log) = TestHost::builder().env(name, value).try_start().expect_err(name);
        assert!(log.contains(said), "{log}");
    }
    let exposed = TestHost::builder()
        .env("STOKER_SMTP_URL", "smtp://mail.example.com?tls=none")
        .env("STOKER_SMTP_USER", "ada")
        .env("STOKER_SMTP_PASSWORD", "a-hidden-password");
    let (_, log) = exposed.try_start().expect_err("a password in the clear");
    assert!(log.contains("for everybody on the way to read") && !log.contains("a-hidden-password"), "{log}");
}

/// When a host is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// When so many jobs are acknowledged.
    Enqueued(usize),
    /// While the server has a mail in hand and has not answered.
    InTransmission,
    /// When so many are sent.
    Sent(usize),
}

#[test]
fn a_kill_costs_at_most_one_transmission_more() {
    let mut random = StdRng::seed_from_u64(seed());
    let server = SmtpServer::builder().start();
    let builder = server.used_by(builder()).env("STOKER_MAIL_RATE", "1000000/s").leaves_work_behind();
    let mut host = furnished(builder.start());
    let rounds = crash_rounds(KILL_ROUNDS_DEFAULT);
    let mut jobs = 0;
    for round in 0..rounds {
        let moment = match round % 3 {
            0 => Moment::InTransmission,
            1 => Moment::Sent(random.random_range(0..MAILS_OF_ROUND)),
            _ => Moment::Enqueued(random.random_range(1..=MAILS_OF_ROUND)),
        };
        println!("round {round}: {moment:?}");
        server.hold();
        let (taken_before, hangs_at) = (server.taken().len(), random.random_range(0..MAILS_OF_ROUND));
        for n in 0..MAILS_OF_ROUND {
            let to = match moment {
                Moment::InTransmission if n == hangs_at => "hang@example.com",
                _ => "ada@example.com",
            };
            host.enqueue(&script(&[line(&[to], &format!("round {round} mail {n}"))]));
            jobs += 1;
            if matches!(moment, Moment::Enqueued(count) if count == n + 1) {
                break;
            }
        }
        match moment {
            Moment::Enqueued(_) => {}
            Moment::InTransmission => eventually("a transmission hangs", || {
                let to = json!(["hang@example.com"]);
                server.taken()[taken_before..].iter().any(|taken| taken["to"] == to).then_some(())
            }),
            Moment::Sent(count) => {
                eventually("some are taken", || (server.taken().len() >= taken_before + count).then_some(()));
            }
        }
        host.kill9();
        server.let_go();
        host.restart();
        eventually("all of the round is sent", || {
            let counts = host.get("/v1/mail").expect(200)["counts"].clone();
            (counts == json!({"sent": jobs})).then_some(())
        });
    }

    let mut committed = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = host.get(&format!("/v1/mail?limit=500{cursor}")).expect(200);
        for mail in page["items"].as_array().unwrap() {
            committed.insert(mail["message_id"].as_str().unwrap().to_owned(), mail["subject"].clone());
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(committed.len(), jobs);
    let mut transmissions: BTreeMap<String, usize> = BTreeMap::new();
    for taken in server.taken() {
        let message_id = taken["message_id"].as_str().unwrap().to_owned();
        assert_eq!(committed.get(&message_id), Some(&taken["subject"]), "nobody committed it: {taken:#}");
        *transmissions.entry(message_id).or_default() += 1;
    }
    assert_eq!(transmissions.len(), jobs, "a mail never arrived");
    let more: usize = transmissions.values().map(|count| count - 1).sum();
    assert!(more <= rounds, "{rounds} kills cost {more} transmissions more: {transmissions:#?}");
    // Those that hung were in the server's hand: the kill could not but cost one.
    assert!(more >= rounds.div_ceil(3), "{more} in {rounds} rounds: the kills met no transmission");
}
