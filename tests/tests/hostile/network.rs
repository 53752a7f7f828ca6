//! Attacks by requests: on whom they reach, on what they are made of, on who waits for them. Handlers in `tests/guests/hostile`, against
//! the servers of the scene.

use serde_json::{Value, json};
use stoker_tests::{WebServer, eventually};

use super::TIMES;
use super::attack::Attack;
use super::scene::{REQUESTS_MAX, Scene, content_length};

/// Connections an attempt may have open.
const CONNECTIONS_MAX: usize = 16;

/// Told of a server, and granted it by its address.
fn at(attack: Attack, server: &WebServer) -> Attack {
    attack.told(json!({"to": authority(server)})).granted(json!({"http": [server.grant()]}))
}

fn authority(server: &WebServer) -> String {
    format!("127.0.0.1:{}", server.port())
}

pub fn attacks(scene: &Scene) -> Vec<Attack> {
    let servers = &scene.servers;
    let own = scene.admin.authority().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let ports = json!({"ports": [servers.private.port(), own]});
    let everybody = json!({"http": ["*"]});
    let fickle = servers.outside.url_by("fickle.test", "");
    vec![
        at(Attack::failing("wait-for-drops", &["timeout"]), &servers.dripping),
        at(Attack::failing("wait-for-silence", &["timeout"]), &servers.silent),
        Attack::failing("ask-silent-names", &["timeout"])
            .told(json!({"to": "silent.test"}))
            .granted(json!({"http": ["http://silent.test"]})),
        at(Attack::giving("read-endless-body", json!("too large")), &servers.endless),
        at(Attack::giving("read-endless-head", json!("too large")), &servers.endless_head),
        at(Attack::giving("take-a-bomb", json!(servers.packed_bytes)), &servers.packed),
        at(Attack::giving("upload-without-end", json!(true)), &servers.taking),
        at(Attack::failing("flood-requests", &["host_calls_exceeded"]), &servers.flooded).leaving(few_requests),
        at(Attack::failing("hoard-connections", &["timeout"]), &servers.hoarded).leaving(few_connections),
        Attack::failing("hoard-requests", &["trap", "host_calls_exceeded", "memory_exceeded"]),
        Attack::giving("reach-inside-by-address", json!([]))
            .told(ports.clone())
            .granted(everybody.clone())
            .leaving(nobody_inside),
        Attack::giving("reach-inside-by-name", json!([])).told(ports).granted(everybody).leaving(nobody_inside),
        at(Attack::giving("reach-inside-by-redirect", json!([])), &servers.redirecting).leaving(nobody_inside),
        Attack::giving("reach-inside-by-rebinding", json!([]))
            .told(json!({"to": format!("fickle.test:{}", servers.outside.port())}))
            .granted(json!({"http": [fickle, servers.outside.grant()]}))
            .leaving(nobody_rebound),
        at(Attack::giving("smuggle-headers", json!([])), &servers.headed).leaving(heads_are_the_hosts),
        at(Attack::giving("smuggle-request-lines", json!([])), &servers.headed).leaving(heads_are_the_hosts),
        at(Attack::giving("smuggle-bodies", Value::Null), &servers.bodied).leaving(bodies_are_as_announced),
    ]
}

fn complaint(is_wrong: bool, what: impl FnOnce() -> String) -> Vec<String> {
    if is_wrong { vec![what()] } else { Vec::new() }
}

fn few_requests(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let connections = scene.servers.flooded.connections();
    complaint(connections != TIMES * REQUESTS_MAX, || format!("{connections} requests came"))
}

/// And none is left once its attempt has ended.
fn few_connections(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let server = &scene.servers.hoarded;
    eventually("nothing of the hoard is open", || (server.open_connections() == 0).then_some(()));
    let connections = server.connections();
    complaint(!(1..=TIMES * CONNECTIONS_MAX).contains(&connections), || format!("{connections} connections were open"))
}

/// What was tried is said, and nothing of it came to anybody.
fn nobody_inside(scene: &Scene, jobs: &[Value]) -> Vec<String> {
    let connections = scene.servers.private.connections();
    let mut complaints = complaint(connections > 0, || format!("{connections} connections to the private server"));
    for job in jobs {
        let attempts = scene.attacker.attempts(job["id"].as_str().unwrap());
        let is_said = attempts[0]["denied"].as_array().is_some_and(|denied| !denied.is_empty());
        complaints.extend(complaint(!is_said, || format!("not said to be denied: {}", attempts[0])));
    }
    complaints
}

fn nobody_rebound(scene: &Scene, jobs: &[Value]) -> Vec<String> {
    let (outside, inside) = (&scene.servers.outside, &scene.servers.inside);
    let mut complaints = nobody_inside(scene, jobs);
    complaints.extend(complaint(inside.connections() > 0, || "somebody came inside".to_owned()));
    // Otherwise it was refused for another reason.
    complaints.extend(complaint(outside.connections() < TIMES, || "nobody came outside".to_owned()));
    complaints
}

/// Whatever came to the server has one head, and nothing in it that is the host's to say.
fn heads_are_the_hosts(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let server = &scene.servers.headed;
    let requests = server.requests();
    let mut complaints = complaint(requests.len() < TIMES, || "no plain request came".to_owned());
    complaints.extend(requests.iter().filter_map(|request| odd_head(&request.head, &authority(server))));
    complaints
}

fn odd_head(head: &str, authority: &str) -> Option<String> {
    let (first, lines) = head.split_once("\r\n")?;
    let fields: Vec<(String, &str)> = lines
        .split("\r\n")
        .map(|line| {
            line.split_once(':')
                .map_or((line.to_owned(), ""), |(name, value)| (name.to_ascii_lowercase(), value.trim()))
        })
        .collect();
    let values = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect()
    };
    let is_of_host = |name: &str| {
        ["transfer-encoding", "upgrade", "te", "keep-alive", "http2-settings", "x-smuggled"].contains(&name)
            || name.starts_with("proxy-")
    };
    let breaks = head.matches("\r\n").count();
    let is_sound = [head.matches('\r').count(), head.matches('\n').count()] == [breaks, breaks]
        && first.split(' ').count() == 3
        && !head.contains("smuggled")
        && values("host") == [authority]
        && values("connection") == ["close"]
        && values("content-length").len() <= 1
        && !fields.iter().any(|(name, _)| is_of_host(name));
    (!is_sound).then(|| format!("a head came: {head:?}"))
}

/// No body is longer than it was said to be, and nothing in one is another request.
fn bodies_are_as_announced(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let read = scene.servers.bodies.lock().unwrap();
    let odd = read.iter().filter(|(head, body)| {
        let is_short = content_length(head).is_some_and(|length| body.len() <= length);
        !is_short || body.windows(8).any(|word| word == b"smuggled") || head.contains("smuggled")
    });
    let mut complaints: Vec<String> =
        odd.map(|(head, body)| format!("a body came: {head:?} {:?}", String::from_utf8_lossy(body))).collect();
    let requests = scene.servers.bodied.requests();
    complaints.extend(requests.iter().filter_map(|request| odd_head(&request.head, &authority(&scene.servers.bodied))));
    complaints
}
