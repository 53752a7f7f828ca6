//! JSON Web Tokens: who signed them, for whom, until when, and what they may say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use stoker_tests::{
    HostBuilder, TestHost, WebServer, eventually, make_tenant, respond, wait_for_the_end, workspace_root,
};

const ADMIN_KEY: &str = "the-admins-long-key";
const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

fn builder(alg: &str) -> HostBuilder {
    TestHost::builder()
        .workers(0)
        .admin_key(ADMIN_KEY)
        .flag("--jwt-alg", alg)
        .flag("--jwt-issuer", "https://idp.example")
        .flag("--jwt-audience", "stoker")
        .flag("--jwt-leeway", "1s")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.example", "aud": ["stoker", "other"], "exp": now() + 600, "nbf": now() - 5,
        "sub": "ann", "role": "operator", "tenant": "default",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(signed.as_bytes())))
}

fn hs256(secret: &str, claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    token(&json!({"alg": "HS256", "typ": "JWT"}), claims, |text| hmac::sign(&key, text).as_ref().to_vec())
}

#[test]
fn what_a_token_says_must_hold() {
    let host = builder("HS256").env("STOKER_JWT_SECRET", SECRET).start();
    make_tenant(&host, "acme");
    let status = |token: &str| host.with_key(Some(token)).get("/v1/keys").status;
    assert_eq!(status(&hs256(SECRET, &claims())), 200);
    assert_eq!(status(&hs256(SECRET, &with("tenant", json!("acme")))), 200);
    assert_eq!(status(&hs256(SECRET, &with("role", json!("viewer")))), 403);
    let wrong = host.with_key(Some("x")).get("/v1/keys").expect_status(401);
    for (name, value) in [
        ("exp", json!(now() - 60)),
        ("exp", Value::Null),
        ("nbf", json!(now() + 60)),
        ("aud", json!("other")),
        ("iss", json!("https://evil.example")),
        ("role", json!("admin")),
        ("role", Value::Null),
        ("tenant", json!("nobody")),
        ("tenant", Value::Null),
    ] {
        // Past a few of them nothing is looked at for a moment.
        let answer = eventually("the token is looked at", || {
            let answer = host.with_key(Some(&hs256(SECRET, &with(name, value.clone())))).get("/v1/keys");
            (answer.status != 429).then_some(answer)
        });
        assert_eq!((answer.status, &answer.body), (401, &wrong.body), "{name} {value}: {answer}");
    }
    let log = host.log();
    assert!(!log.contains(SECRET) && !log.contains(&hs256(SECRET, &claims())), "{log}");
}

#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let host =
        builder("HS256").env("STOKER_JWT_SECRET", SECRET).flag("--log", "info,stoker::api::identity=debug").start();
    let none = token(&json!({"alg": "none"}), &claims(), |_| Vec::new());
    let another = hs256("another-secret-of-thirty-two-bytes!!", &claims());
    let good = hs256(SECRET, &claims());
    let changed = format!("{}x", &good[..good.len() - 1]);
    for bad in [none, another, changed, good[..good.len() - 3].to_owned()] {
        host.with_key(Some(&bad)).get("/v1/jobs").expect_problem(401);
        assert!(!host.log().contains(&bad), "{}", host.log());
    }
    // The caller is told nothing, and whoever sets tokens up can look.
    for why in ["says that it is signed otherwise", "its signature is not that of the key"] {
        assert!(host.log().contains(why), "{}", host.log());
    }
    host.with_key(Some(&good)).put("/v1/queues/mail", &json!({"priority": 1})).expect_status(200);
    let row = host.get("/v1/audit?object=queue/mail").expect(200)["items"][0].clone();
    assert_eq!((&row["who"], &row["tenant"]), (&json!("jwt:ann"), &json!("default")));
}

#[test]
fn an_admin_by_token_only_where_that_is_allowed() {
    let allowed = builder("HS256").env("STOKER_JWT_SECRET", SECRET).flag("--jwt-admin-allowed", true).start();
    allowed.with_key(Some(&hs256(SECRET, &with("role", json!("admin"))))).get("/metrics").expect_status(200);
}

struct Edwards {
    id: &'static str,
    pair: Ed25519KeyPair,
}

impl Edwards {
    fn new(id: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { id, pair: Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key") }
    }

    fn public(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "use": "sig", "alg": "EdDSA", "x": x})
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.id});
        token(&header, claims, |text| self.pair.sign(text).as_ref().to_vec())
    }
}

fn write_set(path: &Path, keys: &[Value]) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, json!({"keys": keys}).to_string()).expect("a file");
    std::fs::rename(fresh, path).expect("a rename");
}

#[test]
fn keys_rotate_and_a_broken_set_takes_none_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("keys.json");
    let (old, new) = (Edwards::new("old"), Edwards::new("new"));
    write_set(&set, &[old.public()]);
    let host = builder("EdDSA").flag("--jwt-jwks", set.display()).start();
    let status = |token: &str| host.with_key(Some(token)).get("/v1/jobs").status;
    assert_eq!(status(&old.sign(&claims())), 200);
    write_set(&set, &[old.public(), new.public()]);
    // A key that is not known is looked for.
    assert_eq!(status(&new.sign(&claims())), 200);
    // Signed by one, named after the other.
    let renamed = Edwards { id: "old", pair: Edwards::new("x").pair };
    assert_eq!(status(&renamed.sign(&claims())), 401);
    std::fs::write(&set, "broken").expect("a file");
    assert_eq!(status(&Edwards::new("newest").sign(&claims())), 401);
    assert_eq!(status(&new.sign(&with("sub", json!("bob")))), 200);
}

#[test]
fn es256_is_checked_with_the_keys_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("keys.json");
    let random = SystemRandom::new();
    let rule = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(rule, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(rule, document.as_ref(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
    write_set(&set, &[json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": x, "y": y})]);
    let host = builder("ES256").flag("--jwt-jwks", set.display()).start();
    let sign = |text: &[u8]| pair.sign(&random, text).expect("a signature").as_ref().to_vec();
    let good = token(&json!({"alg": "ES256", "kid": "a"}), &claims(), sign);
    host.with_key(Some(&good)).get("/v1/jobs").expect_status(200);
    // The public key is no secret.
    let forged = hs256(&URL_SAFE_NO_PAD.encode(point), &claims());
    host.with_key(Some(&forged)).get("/v1/jobs").expect_problem(401);
}

#[test]
fn a_set_that_is_not_there_refuses_to_start() {
    let (status, log) = builder("RS256").flag("--jwt-jwks", "/nowhere/keys.json").try_start().expect_err("no keys");
    assert!(!status.success() && log.contains("jwt_jwks") && log.contains("/nowhere/keys.json"), "{log}");
}

struct Rsa {
    id: &'static str,
    pair: RsaKeyPair,
}

impl Rsa {
    fn new(id: &'static str, file: &str) -> Self {
        let file = workspace_root().join("tests/certificates").join(file);
        let key = PrivatePkcs8KeyDer::from_pem_file(file).expect("a key");
        Self { id, pair: RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("a key") }
    }

    fn components(&self) -> PublicKeyComponents<Vec<u8>> {
        PublicKeyComponents::from(self.pair.public())
    }

    fn public(&self) -> Value {
        let PublicKeyComponents { n, e } = self.components();
        let [n, e] = [n, e].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({"kty": "RSA", "kid": self.id, "use": "sig", "n": n, "e": e})
    }

    fn sign_as(&self, header: &Value, claims: &Value) -> String {
        token(header, claims, |text| {
            let mut signature = vec![0; self.pair.public().modulus_len()];
            self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).expect("a signature");
            signature
        })
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": "RS256", "kid": self.id}), claims)
    }
}

#[test]
fn rs256_is_checked_with_the_keys_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("keys.json");
    let (one, two) = (Rsa::new("one", "token-one.key"), Rsa::new("two", "token-two.key"));
    let edwards = Edwards::new("edwards");
    write_set(&set, &[one.public(), edwards.public()]);
    let host = builder("RS256").flag("--jwt-jwks", set.display()).start();
    make_tenant(&host, "acme");
    let with_token = |token: &str| host.with_key(Some(token));
    with_token(&one.sign(&claims())).get("/v1/keys").expect_status(200);
    with_token(&one.sign(&with("role", json!("viewer")))).get("/v1/keys").expect_problem(403);
    with_token(&one.sign(&with("tenant", json!("acme")))).put("/v1/queues/mail", &json!({"priority": 1})).expect(200);
    host.get("/v1/queues/mail").expect_problem(404);
    // The only key there is of this kind, and not named.
    with_token(&one.sign_as(&json!({"alg": "RS256"}), &claims())).get("/v1/jobs").expect_status(200);
    for bad in [
        two.sign(&claims()),
        Rsa { id: "one", ..two }.sign(&claims()),
        // Good signatures, of a kind this host does not take.
        edwards.sign(&claims()),
        one.sign_as(&json!({"alg": "RS512", "kid": "one"}), &claims()),
        // The public key taken for a secret.
        hs256(&URL_SAFE_NO_PAD.encode(one.components().n), &claims()),
        one.sign(&with("exp", json!(now() - 60))),
    ] {
        with_token(&bad).get("/v1/jobs").expect_problem(401);
    }
}

#[test]
fn eddsa_is_checked_with_the_keys_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("keys.json");
    let (one, other) = (Edwards::new("one"), Edwards::new("one"));
    write_set(&set, &[one.public()]);
    let host = builder("EdDSA").flag("--jwt-jwks", set.display()).start();
    let good = one.sign(&claims());
    host.with_key(Some(&good)).get("/v1/keys").expect_status(200);
    host.with_key(Some(&one.sign(&with("role", json!("viewer"))))).get("/v1/keys").expect_problem(403);
    let (head, signature) = good.rsplit_once('.').expect("three parts");
    let (header, _) = head.split_once('.').expect("three parts");
    let admin = URL_SAFE_NO_PAD.encode(with("role", json!("admin")).to_string());
    for bad in [
        other.sign(&claims()),
        // What was signed said something else.
        format!("{header}.{admin}.{signature}"),
        format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{head}."),
        token(&json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false}), &claims(), |text| {
            one.pair.sign(text).as_ref().to_vec()
        }),
        one.sign(&with("aud", json!("other"))),
    ] {
        host.with_key(Some(&bad)).get("/v1/jobs").expect_problem(401);
    }
}

/// How a server of keys behaves now.
#[derive(Clone)]
enum Manners {
    Says(&'static str, String),
    Redirects(String),
    HangsUp,
    Silent,
}

impl Manners {
    fn good(keys: &[Value]) -> Self {
        Manners::Says("200 OK", json!({"keys": keys}).to_string())
    }
}

/// A server of keys whose manners change.
fn key_server(manners: Manners) -> (WebServer, Arc<Mutex<Manners>>) {
    let now = Arc::new(Mutex::new(manners));
    let told = Arc::clone(&now);
    let server = WebServer::start(move |_, connection| {
        let manners = told.lock().expect("sound").clone();
        match manners {
            Manners::Says(status, body) => respond(connection, status, "content-type: application/json\r\n", &body),
            Manners::Redirects(to) => respond(connection, "302 Found", &format!("location: {to}\r\n"), ""),
            Manners::HangsUp => connection.flush(),
            Manners::Silent => {
                wait_for_the_end(connection);
                Ok(())
            }
        }
    });
    (server, now)
}

fn behave(manners: &Mutex<Manners>, now: Manners) {
    *manners.lock().expect("sound") = now;
}

/// What a host says of this token, once it looks at it: past a few bad ones nothing is looked at for a moment.
fn looked_at(host: &TestHost, token: &str) -> u16 {
    eventually("the token is looked at", || {
        let answer = host.with_key(Some(token)).get("/v1/jobs");
        (answer.status != 429).then_some(answer.status)
    })
}

#[test]
fn keys_by_url_rotate_and_nonsense_takes_none_away() {
    let elsewhere = WebServer::saying("{}");
    let two = json!({"keys": [Rsa::new("two", "token-two.key").public()]}).to_string();
    let nonsense = [
        Manners::Says("200 OK", "<html>".to_owned()),
        Manners::Says("200 OK", json!({"keys": []}).to_string()),
        Manners::Says("200 OK", two[..two.len() - 9].to_owned()),
        Manners::Says("200 OK", format!("{two}{}", " ".repeat(2 << 20))),
        Manners::Says("500 Internal Server Error", two),
        Manners::Redirects(elsewhere.url("/keys")),
        Manners::HangsUp,
    ];
    // Each with a host of its own: keys are asked for seldom, whatever is sent.
    let hosts: Vec<_> =
        nonsense.into_iter().map(|wrong| std::thread::spawn(move || keys_survive_and_rotate(wrong))).collect();
    for host in hosts {
        host.join().expect("each stands it");
    }
    assert_eq!(elsewhere.connections(), 0, "nobody is sent anywhere");
}

fn keys_survive_and_rotate(wrong: Manners) {
    let (one, two) = (Rsa::new("one", "token-one.key"), Rsa::new("two", "token-two.key"));
    let (server, manners) = key_server(Manners::good(&[one.public()]));
    let host = builder("RS256").flag("--jwt-jwks", server.url("/keys")).start();
    assert_eq!(looked_at(&host, &one.sign(&claims())), 200);
    assert_eq!(looked_at(&host, &one.sign(&with("sub", json!("bob")))), 200);
    assert_eq!(server.requests().len(), 1, "once for all tokens of a key that is known");
    behave(&manners, wrong);
    eventually("the keys are asked for again", || {
        assert_eq!(looked_at(&host, &two.sign(&claims())), 401);
        (server.requests().len() > 1).then_some(())
    });
    eventually("it is said", || host.log().contains("those known stay").then_some(()));
    assert_eq!(looked_at(&host, &one.sign(&with("sub", json!("ann again")))), 200, "it stays");
    // The new key comes, the old one goes.
    behave(&manners, Manners::good(&[two.public()]));
    eventually("the new key is known", || (looked_at(&host, &two.sign(&claims())) == 200).then_some(()));
    assert_eq!(looked_at(&host, &one.sign(&claims())), 401, "it was withdrawn, though its token was good before");
    assert!(server.requests().len() < 10, "keys are asked for seldom, whatever is sent");
}

#[test]
fn a_server_of_keys_that_is_away_or_silent_holds_up_nobody_else() {
    let one = Rsa::new("one", "token-one.key");
    let (server, manners) = key_server(Manners::Silent);
    // It need not be there when the host starts.
    let host = builder("RS256").flag("--jwt-jwks", server.url("/keys")).start();
    let waiting: Vec<_> = (0..4)
        .map(|number| {
            let api = host.with_key(Some(&one.sign(&with("sub", json!(format!("user {number}"))))));
            std::thread::spawn(move || api.get("/v1/jobs").status)
        })
        .collect();
    eventually("the keys are asked for", || (!server.requests().is_empty()).then_some(()));
    // Whoever has a key of the host does not wait for that.
    host.get("/v1/jobs").expect_status(200);
    host.with_key(None).get("/health/live").expect_status(200);
    assert!(waiting.iter().any(|asked| !asked.is_finished()), "somebody waited for the keys meanwhile");
    for asked in waiting {
        assert_ne!(asked.join().expect("an answer"), 200);
    }
    assert_eq!(server.requests().len(), 1, "all wait for the same answer");
    behave(&manners, Manners::good(&[one.public()]));
    eventually("it has come back", || (looked_at(&host, &one.sign(&claims())) == 200).then_some(()));
}
