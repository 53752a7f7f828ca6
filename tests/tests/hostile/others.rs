//! Attacks on what is others': their jobs, keys, values and secrets, the room that all share, and whoever reads what a handler says.
//! Handlers in `tests/guests/hostile`, with grants of their own.

use serde_json::{Value, json};
use stoker_tests::{UNFINISHED_STATES, eventually, spelling_in};

use super::attack::Attack;
use super::scene::{KV_BYTES_MAX, SAID, Scene, WAITING_JOBS_MAX};

pub fn attacks(scene: &Scene) -> Vec<Attack> {
    let host = scene.admin.authority();
    let of_host = |secret: &str| json!({"http": [scene.admin.url()], "secrets": [secret]});
    let told = json!({"secrets": ["said"]});
    vec![
        Attack::failing("use-what-is-not-granted", &["capability_denied"])
            .told(json!({"to": format!("127.0.0.1:{}", scene.servers.private.port())}))
            .leaving(all_is_denied),
        Attack::giving("jobs-of-others", json!([]))
            .told(json!({"to": host, "job": scene.victim, "tenant": "good"}))
            .granted(of_host("operator-key"))
            .leaving(nothing_of_good_changed),
        Attack::giving("kv-of-others", json!([])).granted(json!({"kv": ["shared"]})).leaving(nothing_of_good_changed),
        Attack::giving("secrets-of-others", json!([]))
            .granted(json!({"secrets": ["theirs"]}))
            .leaving(nothing_of_good_changed),
        Attack::giving("fill-the-store", json!(true)).granted(json!({"kv": ["large"]})).leaving(others_have_room),
        Attack::failing("say-a-secret", &["handler_error"]).granted(told.clone()).leaving(nothing_is_said),
        Attack::failing("panic-with-a-secret", &["trap"]).granted(told.clone()).leaving(nothing_is_said),
        Attack::succeeding("return-a-secret").granted(told).leaving(nothing_is_said),
        // The last one: its jobs come after all others', and are gone when the test is over.
        Attack::succeeding("enqueue-itself-twice")
            .told(json!({"to": host}))
            .granted(of_host("producer-key"))
            .leaving(the_quota_ends_it),
    ]
}

fn all_is_denied(scene: &Scene, jobs: &[Value]) -> Vec<String> {
    let server = &scene.servers.private;
    let expected = json!([format!("http 127.0.0.1:{}", server.port()), "kv shared", "sockets", "secret said"]);
    let denied = jobs.iter().map(|job| scene.attacker.attempts(job["id"].as_str().unwrap())[0]["denied"].clone());
    let mut complaints: Vec<String> =
        denied.filter(|denied| *denied != expected).map(|denied| format!("denied was {denied}")).collect();
    if server.connections() > 0 {
        complaints.push("somebody came to the private server".to_owned());
    }
    complaints
}

fn nothing_of_good_changed(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let after = scene.of_good();
    if after == scene.before { Vec::new() } else { vec![format!("{:#} has become {after:#}", scene.before)] }
}

fn others_have_room(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let used = scene.used("kv_bytes");
    let reply = scene.good.put("/v1/kv/room/left", &json!({"value": "x".repeat(100_000)}));
    scene.good.delete("/v1/kv/room/left").expect_status(204);
    let is_right = reply.status == 201 && (1..=KV_BYTES_MAX).contains(&used);
    if is_right { Vec::new() } else { vec![format!("{used} bytes are kept; another tenant's: {reply}")] }
}

/// Neither in what is shown of the jobs, nor in any spelling.
fn nothing_is_said(scene: &Scene, jobs: &[Value]) -> Vec<String> {
    let mut complaints = Vec::new();
    for job in jobs {
        for part in ["", "/attempts", "/logs", "/history"] {
            let reply = scene.attacker.get(&format!("/v1/jobs/{}{part}", job["id"].as_str().unwrap()));
            complaints.extend(spelling_in(&reply.body, SAID).map(|spelling| format!("`{spelling}` is in {reply}")));
        }
        // It was said, and taken out.
        let is_told = job.to_string().contains("[secret said]");
        complaints.extend((!is_told).then(|| format!("nothing was taken out of {job}")));
    }
    complaints
}

/// It multiplies until the quota is in the way, and never gets past it; without room it ends.
fn the_quota_ends_it(scene: &Scene, _jobs: &[Value]) -> Vec<String> {
    let bombs = |query: &str| {
        let path = format!("/v1/jobs?kind=enqueue-itself-twice&{query}");
        scene.attacker.get(&path).expect(200)["items"].as_array().unwrap().clone()
    };
    let mut most = 0;
    eventually("a quota is in the way", || {
        most = most.max(scene.used("waiting_jobs"));
        let ended = bombs("state=succeeded&limit=10");
        let is_refused = |job: &Value| {
            let output = scene.attacker.job(job["id"].as_str().unwrap())["output"].to_string();
            output.contains("waiting_jobs") || output.contains("enqueues_per_second")
        };
        ended.iter().any(is_refused).then_some(())
    });
    scene.admin.merge_patch("/v1/tenants/attacker", &json!({"quotas": {"waiting_jobs": 0}})).expect_status(200);
    eventually("no bomb is left", || {
        most = most.max(scene.used("waiting_jobs"));
        UNFINISHED_STATES.iter().all(|state| bombs(&format!("state={state}&limit=1")).is_empty()).then_some(())
    });
    let mut complaints = nothing_of_good_changed(scene, &[]);
    if !(1..=WAITING_JOBS_MAX).contains(&most) {
        complaints.push(format!("{most} jobs waited"));
    }
    complaints
}
