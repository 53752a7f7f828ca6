//! What the attacks go against: a host with a tenant of the attacker and a good one beside it, servers that it may and that it may not
//! reach, and names that lead to them.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stoker_tests::{
    Api, Connection, NameServer, ReceivedRequest, TestHost, WebServer, gzip_of_zeros, job_id, make_key, respond,
    wait_for_the_end, with_role,
};

/// Of the host.
const ADMIN_KEY: &str = "the-admins-key-of-this-test";
/// Attempts at once: a few more than the attacker may have.
const WORKERS: u32 = 8;
/// Requests of one attempt.
pub const REQUESTS_MAX: usize = 100;
/// Jobs of the attacker that wait: all attacks, and some of those that multiply.
pub const WAITING_JOBS_MAX: u64 = 400;
/// What the attacker may keep in its key-value store.
pub const KV_BYTES_MAX: u64 = 2 << 20;
/// Zeros in a bomb, bytes.
const BOMB_BYTES: usize = 256 << 20;
/// What the attacker is given and tells: with characters that every encoding changes.
pub const SAID: &str = "sk_live/9fB27\"TqXwK+Rmv 3yzed8hc";
/// What the good tenant keeps.
pub const KEPT: &str = "of good alone";

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// What a name that changes leads to the second time.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A request's head, and all of its body that came.
pub type Received = (String, Vec<u8>);

/// Servers of both sides.
pub struct Servers {
    pub names: NameServer,
    /// Granted to nobody.
    pub private: WebServer,
    pub silent: WebServer,
    pub dripping: WebServer,
    pub endless: WebServer,
    pub endless_head: WebServer,
    pub packed: WebServer,
    pub packed_bytes: usize,
    pub taking: WebServer,
    pub flooded: WebServer,
    pub hoarded: WebServer,
    pub redirecting: WebServer,
    /// Where a name that changes leads first.
    pub outside: WebServer,
    /// The same port, where it leads then.
    pub inside: WebServer,
    /// For odd heads.
    pub headed: WebServer,
    /// For odd bodies, and what it has read of them.
    pub bodied: WebServer,
    pub bodies: Arc<Mutex<Vec<Received>>>,
}

impl Servers {
    pub fn start() -> Self {
        let (outside, inside) = two_at_one_port();
        let private = WebServer::saying("private");
        let packed = gzip_of_zeros(BOMB_BYTES);
        let bodies: Arc<Mutex<Vec<Received>>> = Arc::default();
        let read = Arc::clone(&bodies);
        Self {
            names: NameServer::start(addresses),
            redirecting: WebServer::redirecting(private.url("/secret")),
            private,
            silent: WebServer::never_answering(),
            dripping: WebServer::dripping(),
            endless: WebServer::endless(),
            endless_head: WebServer::endless_head(),
            packed_bytes: packed.len(),
            packed: WebServer::packed(packed),
            taking: WebServer::never_answering(),
            flooded: WebServer::saying("ok"),
            hoarded: WebServer::never_answering(),
            outside,
            inside,
            headed: WebServer::saying("ok"),
            bodied: WebServer::start(move |request, connection| read_all(request, connection, &read)),
            bodies,
        }
    }
}

/// What a name leads to, the so-and-so-many-th time.
fn addresses(name: &str, before: usize) -> Option<Vec<Ipv4Addr>> {
    Some(match name {
        "silent.test" => return None,
        "fickle.test" if before.is_multiple_of(2) => vec![LOOPBACK],
        "fickle.test" => vec![ELSEWHERE],
        "private.test" => vec![Ipv4Addr::new(10, 0, 0, 1)],
        "link-local.test" => vec![Ipv4Addr::new(169, 254, 0, 1)],
        "metadata.test" | "metadata.google.internal" => vec![Ipv4Addr::new(169, 254, 169, 254)],
        "zero.test" => vec![Ipv4Addr::UNSPECIFIED],
        "mixed.test" => vec![Ipv4Addr::new(192, 0, 2, 1), LOOPBACK],
        _ => vec![LOOPBACK],
    })
}

fn two_at_one_port() -> (WebServer, WebServer) {
    stoker_tests::eventually("a port that is free at two addresses", || {
        let outside = WebServer::saying("outside");
        let inside = WebServer::saying_at(ELSEWHERE, outside.port(), "inside")?;
        Some((outside, inside))
    })
}

/// Reads to the end and answers as soon as all is there that was announced.
fn read_all(
    request: &ReceivedRequest,
    connection: &mut dyn Connection,
    read: &Mutex<Vec<Received>>,
) -> std::io::Result<()> {
    let mut body = request.rest.clone();
    let announced = content_length(&request.head);
    let mut buffer = [0; 4_096];
    while announced.is_none_or(|length| body.len() < length) {
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => body.extend_from_slice(&buffer[..bytes]),
        }
    }
    let is_whole = announced.is_some_and(|length| body.len() == length);
    read.lock().unwrap().push((request.head.clone(), body));
    if is_whole {
        respond(connection, "200 OK", "", "")?;
        wait_for_the_end(connection);
    }
    Ok(())
}

/// What a head says of its body.
pub fn content_length(head: &str) -> Option<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok())
}

/// All of it, with the host.
pub struct Scene {
    pub servers: Servers,
    pub admin: Api,
    /// With an operator's key.
    pub attacker: Api,
    /// With an operator's key.
    pub good: Api,
    /// A job of the good tenant, not to begin for long.
    pub victim: String,
    /// As it was before.
    pub before: Value,
}

impl Scene {
    /// Nobody there: for who asks only which attacks there are.
    pub fn empty() -> Self {
        let nobody = || Api::new("http://127.0.0.1:9", None);
        Self {
            servers: Servers::start(),
            admin: nobody(),
            attacker: nobody(),
            good: nobody(),
            victim: String::new(),
            before: Value::Null,
        }
    }

    /// The host with its two tenants, `attacker` and `good`.
    pub fn start() -> (TestHost, Self) {
        let servers = Servers::start();
        let host = TestHost::builder()
            .workers(WORKERS)
            .admin_key(ADMIN_KEY)
            .env("STOKER_SECRETS_KEY", "5a".repeat(32))
            .flag("--egress-dns", servers.names.address())
            .flag("--egress-requests", REQUESTS_MAX)
            .flag("--egress-request-max", "1MiB")
            .flag("--egress-response-max", "2MiB")
            .start();
        let quotas = json!({
            "running_jobs": WORKERS / 2, "waiting_jobs": WAITING_JOBS_MAX, "enqueues_per_second": WAITING_JOBS_MAX / 2,
            "kv_bytes": KV_BYTES_MAX, "run_time_per_day": "2h",
        });
        host.post("/v1/tenants", &json!({"name": "attacker", "quotas": quotas})).expect_status(201);
        host.post("/v1/tenants", &json!({"name": "good"})).expect_status(201);
        let mut scene = Self {
            attacker: with_role(&host, "attacker", "operator"),
            good: with_role(&host, "good", "operator"),
            admin: host.api(),
            servers,
            victim: String::new(),
            before: Value::Null,
        };
        scene.furnish();
        (host, scene)
    }

    fn furnish(&mut self) {
        let put = |api: &Api, path: &str, value: &str| {
            api.put(path, &json!({"value": value})).expect_status(201);
        };
        put(&self.attacker, "/v1/secrets/said", SAID);
        for role in ["producer", "operator"] {
            let (_, key) = make_key(&self.admin, "attacker", &format!("a-{role}"), role);
            put(&self.attacker, &format!("/v1/secrets/{role}-key"), &key);
        }
        self.good.upload(stoker_tests::Guest::Hello);
        put(&self.good, "/v1/secrets/theirs", KEPT);
        put(&self.good, "/v1/kv/shared/ada", KEPT);
        put(&self.good, "/v1/kv/private/ada", KEPT);
        let payload = json!({"name": KEPT});
        let waiting = json!({"kind": "hello", "payload": payload, "delay": "10h"});
        self.victim = job_id(&self.good.post("/v1/jobs", &waiting).expect(201));
        self.before = self.of_good();
    }

    /// What the good tenant has that attacks are after.
    pub fn of_good(&self) -> Value {
        let victim = format!("/v1/jobs/{}", self.victim);
        let paths =
            [&victim[..], &format!("{victim}/history"), "/v1/kv/shared", "/v1/kv/shared/ada", "/v1/kv/private/ada"];
        let seen = paths.map(|path| self.good.get(path).expect(200));
        let settled = seen.map(|mut seen| {
            // It counts down.
            seen["waiting"] = Value::Null;
            seen
        });
        json!([settled, self.good.get("/v1/secrets").expect(200), self.good.get("/v1/kv").expect(200)])
    }

    /// How much of a quota the attacker has used.
    pub fn used(&self, quota: &str) -> u64 {
        let tenant = self.admin.get("/v1/tenants/attacker").expect(200);
        let uses = tenant["quota_uses"].as_array().unwrap();
        uses.iter().find(|row| row["quota"] == quota).unwrap()["used"].as_u64().unwrap()
    }
}
