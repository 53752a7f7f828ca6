//! The hub, with the unmodified `@microsoft/signalr` from npm: what it is told, by whom, over what, and what it is told when it
//! can't be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::TcpListener;

use serde_json::{Value, json};
use stoker_tests::{Api, Guest, HubClient, TestHost, eventually};

const ADMIN_KEY: &str = "the-admins-key-of-this-test";
const TRANSPORTS: [&str; 2] = ["ws", "sse"];

fn started(host: stoker_tests::HostBuilder) -> TestHost {
    let host = host.admin_key(ADMIN_KEY).start();
    host.upload(Guest::Handlers);
    host.set_kind("script", &json!({"grants": {"notify": true}}));
    host
}

#[track_caller]
fn tell(api: &Api, user: &str, level: &str, message: &str) {
    let line = json!({"do": "notify", "user": user, "level": level, "message": message});
    let id = api.enqueue_kind("script", &json!({"lines": [line]}));
    api.wait_for(&id, "succeeded");
}

#[track_caller]
fn token(api: &Api, user: &str, expires_in: &str) -> String {
    let made = api.post("/v1/notifications/tokens", &json!({"user": user, "expires_in": expires_in})).expect(201);
    made["token"].as_str().unwrap().to_owned()
}

fn options(host: &TestHost, token: &str, more: &Value) -> Value {
    let mut options = json!({"url": format!("{}/hubs/notifications", host.url()), "token": token});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn said(error: &Value) -> &str {
    error["error"].as_str().unwrap_or_default()
}

#[test]
fn every_tab_of_a_user_is_told_and_nobody_elses() {
    let host = started(TestHost::builder());
    for transport in TRANSPORTS {
        let connect = |user: &str| {
            let options = options(&host, &token(&host, user, "1h"), &json!({"transport": transport, "tabs": 2}));
            let client = HubClient::start(&options);
            client.expect_of_tabs("connected", 2);
            client
        };
        let (mut ann, mut bob) = (connect("ann"), connect("bob"));
        tell(&host, "ann", "success", "for \"ann\"\nalone");
        for received in ann.expect_of_tabs("received", 2) {
            let told = (&received["type"], &received["message"], &received["more"]);
            assert_eq!(told, (&json!("Success"), &json!("for \"ann\"\nalone"), &json!(0)), "{transport}");
        }
        tell(&host, "bob", "error", "for bob");
        for received in bob.expect_of_tabs("received", 2) {
            // The first thing that bob hears is not ann's.
            assert_eq!((&received["type"], &received["message"]), (&json!("Error"), &json!("for bob")), "{transport}");
        }
        ann.say("invoke SendToAll");
        let invoked = ann.expect("invoked");
        assert!(said(&invoked).contains("no method `SendToAll`"), "{transport}: {invoked}");
        for left in [ann.stop(), bob.stop()] {
            // Of a stop of one's own nothing is said but that.
            assert!(left.iter().all(|event| event["event"] == "closed" && event["error"].is_null()), "{left:?}");
        }
    }
    // Without a transport that is named: the client chooses, and negotiates; or it does not negotiate at all.
    for more in [json!({}), json!({"transport": "ws", "skipNegotiation": true})] {
        let client = HubClient::start(&options(&host, &token(&host, "eve", "1h"), &more));
        client.expect("connected");
        tell(&host, "eve", "info", "hello");
        assert_eq!(client.expect("received")["type"], "Info");
    }
    let log = host.log();
    assert!(!log.contains("stu_"), "{log}");
}

#[test]
fn clients_come_again_after_a_restart_and_go_on() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut host = started(TestHost::builder().flag("--listen", &listen));
    for (transport, is_killed) in [("ws", false), ("sse", false), ("ws", true), ("sse", true)] {
        let user = format!("{transport}-{is_killed}");
        let client = HubClient::start(&options(&host, &token(&host, &user, "1h"), &json!({"transport": transport})));
        client.expect("connected");
        tell(&host, &user, "info", "before");
        assert_eq!(client.expect("received")["message"], "before");
        if is_killed {
            host.kill9();
        } else {
            assert!(host.terminate().success());
        }
        let reconnecting = client.expect("reconnecting");
        let is_told = said(&reconnecting).contains("the host is stopping");
        assert_eq!(is_told, !is_killed, "{user}: {reconnecting}");
        host.restart();
        client.expect("reconnected");
        tell(&host, &user, "warning", "after");
        let received = client.expect("received");
        assert_eq!((&received["type"], &received["message"]), (&json!("Warning"), &json!("after")), "{user}");
    }
}

#[test]
fn an_expired_token_is_an_error_that_says_so() {
    let host = started(TestHost::builder());
    let expired = token(&host, "ann", "1s");
    eventually("it has expired", || {
        (host.with_key(Some(&expired)).get("/v1/notifications").status == 401).then_some(())
    });
    for transport in TRANSPORTS {
        let client = HubClient::start(&options(&host, &expired, &json!({"transport": transport})));
        let failed = client.expect("failed");
        assert!(said(&failed).contains("401") && said(&failed).contains("the token has expired"), "{failed}");
    }
    for wrong in ["", "stu_AAAA.AAAA", "not a token"] {
        let failed = HubClient::start(&options(&host, wrong, &json!({}))).expect("failed");
        assert!(said(&failed).contains("401") && said(&failed).contains("unauthorized"), "{wrong}: {failed}");
    }
    let skipping = json!({"transport": "ws", "skipNegotiation": true});
    HubClient::start(&options(&host, &expired, &skipping)).expect("failed");
    // Nothing else has stopped.
    let client = HubClient::start(&options(&host, &token(&host, "ann", "1h"), &json!({})));
    client.expect("connected");
    tell(&host, "ann", "info", "still here");
    client.expect("received");
}

#[test]
fn a_connection_ends_with_its_token_and_comes_again_with_a_new_one() {
    let host = started(TestHost::builder());
    for transport in TRANSPORTS {
        let mut client =
            HubClient::start(&options(&host, &token(&host, "ann", "3s"), &json!({"transport": transport})));
        client.expect("connected");
        client.say(&format!("token {}", token(&host, "ann", "1h")));
        client.expect("token");
        let reconnecting = client.expect("reconnecting");
        assert!(said(&reconnecting).contains("the token has expired"), "{transport}: {reconnecting}");
        client.expect("reconnected");
        tell(&host, "ann", "info", "again");
        assert_eq!(client.expect("received")["message"], "again");
    }
}

#[test]
fn another_protocol_is_an_error_that_names_this_one() {
    let host = started(TestHost::builder());
    let ann = token(&host, "ann", "1h");
    // Who negotiates is not offered what it would need; who does not is told when it greets.
    for (more, part) in [
        (json!({}), "'WebSockets' does not support Binary"),
        (json!({"transport": "ws", "skipNegotiation": true}), "`messagepack` is not spoken here; connect with `json`"),
    ] {
        let mut more = more;
        more["protocol"] = "messagepack".into();
        let failed = HubClient::start(&options(&host, &ann, &more)).expect("failed");
        assert!(said(&failed).contains(part), "{failed}");
    }
}

/// Two seconds instead of the thirty after which a client gives up, and a tenth of one instead of fifteen.
#[test]
fn silence_is_filled_with_signs_of_life() {
    let host = started(TestHost::builder().flag("--hub-keep-alive", "100ms"));
    for transport in TRANSPORTS {
        let more = json!({"transport": transport, "serverTimeoutMs": 2_000});
        let quiet = HubClient::start(&options(&host, &token(&host, "quiet", "1h"), &more));
        quiet.expect("connected");
        // Another connection lasts as long as its token: longer than the first one's patience.
        let clock = HubClient::start(&options(&host, &token(&host, "clock", "5s"), &json!({"transport": transport})));
        clock.expect("connected");
        clock.expect("reconnecting");
        assert_eq!(quiet.happened(), [] as [Value; 0], "{transport}");
        tell(&host, "quiet", "info", "at last");
        assert_eq!(quiet.expect("received")["message"], "at last");
    }
}

/// Without them the same client gives up: what is told above is not for nothing.
#[test]
fn a_client_that_is_told_nothing_gives_up() {
    let host = started(TestHost::builder().flag("--hub-keep-alive", "20s"));
    let more = json!({"transport": "ws", "serverTimeoutMs": 1_000});
    let client = HubClient::start(&options(&host, &token(&host, "ann", "1h"), &more));
    client.expect("connected");
    let reconnecting = client.expect("reconnecting");
    assert!(said(&reconnecting).contains("timeout"), "{reconnecting}");
    client.expect("reconnected");
}

#[test]
fn a_client_that_shows_no_sign_of_life_is_told_and_dropped() {
    let host = started(TestHost::builder().flag("--hub-client-timeout", "1s"));
    for transport in TRANSPORTS {
        // The client shows one every fifteen seconds.
        let client = HubClient::start(&options(&host, &token(&host, "ann", "1h"), &json!({"transport": transport})));
        client.expect("connected");
        let reconnecting = client.expect("reconnecting");
        assert!(said(&reconnecting).contains("silent for too long"), "{transport}: {reconnecting}");
        client.expect("reconnected");
    }
}
