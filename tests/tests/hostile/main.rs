//! Hostile code of one tenant beside a good one: each attack ends as it should, nobody else notices, and what it says harms nobody who
//! reads it. `tests/guests/hostile` has the attacks that are handlers, this folder those that no SDK would build; `network` and
//! `others` say what becomes of handlers that were granted something, in the `scene` they go against.
//!
//! `cargo xtask hostile` runs this on a release build with `STOKER_HOSTILE_P99=3`: what the others' jobs wait and take may then
//! become no more than three times what it is without attacks.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoker_tests::{
    Api, Guest, Latencies, Prober, TestHost, is_terminal, job_id, reason_of, run_stoker, spelling_in, state_of,
    with_role, workspace_root,
};

mod answer_without_text;
mod attack;
mod close_everything;
mod deep_output;
mod gigabytes_in_a_name;
mod grow_table;
mod half_output;
mod lying_address;
mod lying_length;
mod many_pieces;
mod network;
mod others;
mod scene;
mod start_without_end;
mod wide_output;
mod write_elsewhere;

use attack::{Attack, Expected, Module};
use scene::{SAID, Scene};

/// Times each attack is made.
const TIMES: usize = 3;
/// Jobs of the others before the attacks begin.
const QUIET_JOBS: usize = 200;
/// How long all of it may take on a slow machine.
const ALL_DEADLINE: Duration = Duration::from_mins(5);
/// What a job is shown with, beside its output, bytes.
const JOB_BYTES_MAX: usize = 256 << 10;
/// What of the machine the host may use, MiB: eight attempts of 128 MiB, and itself.
const RESIDENT_MIB_MAX: u64 = 2_048;

/// With those that need no grant first.
fn attacks(scene: &Scene) -> Vec<Attack> {
    let any_end: &[&str] = &["timeout", "fuel_exhausted", "host_calls_exceeded", "memory_exceeded", "trap"];
    let ids = json!({"jobs": [scene.victim, "job_01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "../../1", "' OR 1=1 --"]});
    let mut attacks = vec![
        Attack::failing("spin", &["timeout"]),
        Attack::failing("spin-in-copies", &["timeout"]),
        Attack::failing("ignore-cancellation", &["timeout", "host_calls_exceeded"]),
        Attack::failing("grow-memory", &["memory_exceeded", "timeout"]),
        Attack::failing("hold-memory", &["timeout"]),
        Attack::failing("recurse", &["stack_overflow"]),
        Attack::failing("huge-output", &["output_too_large"]).set(json!({"memory": "512MiB"})),
        Attack::failing("flood-logs", &["host_calls_exceeded"]),
        Attack::failing("one-long-line", &["trap"]),
        Attack::failing("flood-stdout", &["host_calls_exceeded"]),
        Attack::failing("terminal-escapes", &["handler_error"]),
        Attack::failing("html", &["handler_error"]),
        Attack::failing("huge-error", &["output_too_large"]),
        Attack::failing("flood-progress", &["host_calls_exceeded"]),
        Attack::failing("flood-random", any_end),
        Attack::failing("flood-clocks", &["host_calls_exceeded", "timeout"]),
        Attack::failing("hoard-timers", any_end),
        Attack::failing("hoard-headers", any_end),
        Attack::failing("poll-thousands", any_end),
        Attack::failing("sleep-for-ever", &["timeout"]),
        Attack::giving("read-files", json!([[], 0])),
        Attack::giving("read-environment", json!([])),
        Attack::giving("sockets", json!([])),
        Attack::giving_another("guess-randomness"),
        Attack::giving("leave-something", json!(false)),
        Attack::giving("outputs-of-others", json!(["none", "none", "none", "none", "none"])).told(ids),
        Attack::going_on("snooze-at-once"),
        Attack::going_on("fail-at-once").set(json!({"max_attempts": 1_000})),
        Attack::failing("trap", &["trap"]),
        deep_output::attack(),
        wide_output::attack(),
        half_output::attack(),
        lying_length::attack(),
        lying_address::attack(),
        answer_without_text::attack(),
        grow_table::attack(),
        start_without_end::attack(),
        write_elsewhere::attack(),
        many_pieces::attack(),
        close_everything::attack(),
        gigabytes_in_a_name::attack(),
    ];
    attacks.extend(network::attacks(scene));
    attacks.extend(others::attacks(scene));
    attacks
}

/// A good job's way from enqueue to its result, as its caller sees it.
fn good_job(api: &Api) {
    let request = json!({"kind": "hello", "payload": {"name": "Ada"}});
    let job = api.post_with("/v1/jobs", &[("prefer", "wait=30")], &request).expect(200);
    assert_eq!(state_of(&job), "succeeded", "{job:#}");
}

/// Waits for an attack's end, or takes it away where it has none; the job as it then is.
fn end(attacker: &Api, attack: &Attack, id: &str) -> Value {
    if matches!(attack.expected, Expected::GoesOn) {
        assert!(!is_terminal(state_of(&attacker.job(id))), "{}", attack.name);
        let reply = attacker.act(&format!("/v1/jobs/{id}/cancel"));
        assert!(matches!(reply.status, 200 | 202), "{reply}");
    }
    attacker.wait_end(id)
}

/// What is wrong with how an attack ended.
fn complaints(attack: &Attack, jobs: &[Value]) -> Vec<String> {
    let is_as_expected = |job: &Value| match &attack.expected {
        Expected::Fails(reasons) => state_of(job) == "failed" && reasons.contains(&reason_of(job)),
        Expected::Gives(output) => state_of(job) == "succeeded" && job["output"] == *output,
        Expected::GivesAnother | Expected::Succeeds => state_of(job) == "succeeded",
        Expected::GoesOn => state_of(job) == "cancelled",
    };
    let odd = jobs.iter().filter(|job| !is_as_expected(job));
    let mut complaints: Vec<String> =
        odd.map(|job| format!("{}: {} {} {}", attack.name, state_of(job), job["error"], job["output"])).collect();
    // Whatever it was: what is kept of it is bounded.
    let large = jobs.iter().map(|job| job.to_string().len()).filter(|bytes| *bytes > JOB_BYTES_MAX);
    complaints.extend(large.map(|bytes| format!("{}: a job of {bytes} bytes", attack.name)));
    let outputs: BTreeSet<String> = jobs.iter().map(|job| job["output"].to_string()).collect();
    if matches!(attack.expected, Expected::GivesAnother) && outputs.len() < jobs.len() {
        complaints.push(format!("{}: {outputs:?}", attack.name));
    }
    complaints
}

/// Uploads all attacks as the attacker's operator. What a kind is granted is an admin's to say.
fn prepare(scene: &Scene, attacks: &[Attack]) {
    let mut uploaded = BTreeSet::new();
    for attack in attacks {
        let (name, wasm) = attack.upload();
        if uploaded.insert(name) {
            scene.attacker.upload_bytes(name, &wasm);
        }
        if attack.grants.is_null() {
            scene.attacker.set_kind(attack.name, &attack.kind_settings());
        } else {
            scene.admin.in_tenant("attacker").set_kind(attack.name, &attack.kind_settings());
        }
    }
}

#[test]
fn hostile_code_harms_nobody() {
    let (mut host, scene) = Scene::start();
    let attacks = attacks(&scene);
    prepare(&scene, &attacks);
    let (pid, good) = (host.pid(), with_role(&host, "good", "producer"));
    let quiet = Latencies::of(QUIET_JOBS, || good_job(&good)).p99();

    let requests = attacks.iter().map(|attack| json!({"kind": attack.name, "payload": attack.payload}));
    let requests: Vec<Value> = std::iter::repeat_n(requests, TIMES).flatten().collect();
    let begun = Instant::now();
    let ids = scene.attacker.enqueue_lines(requests);
    let prober = Prober::start(move || good_job(&good));
    let mut wrong = Vec::new();
    for (index, attack) in attacks.iter().enumerate() {
        let of_attack = ids.iter().skip(index).step_by(attacks.len());
        let jobs: Vec<Value> = of_attack.map(|id| end(&scene.attacker, attack, id)).collect();
        wrong.extend(complaints(attack, &jobs));
        let left = attack.aftermath.map(|aftermath| aftermath(&scene, &jobs)).unwrap_or_default();
        wrong.extend(left.into_iter().map(|complaint| format!("{}: {complaint}", attack.name)));
    }
    let took = prober.stop();
    println!(
        "{} attacks, {TIMES} times each, in {:?}; p99 of {} good jobs {:?}, before {quiet:?}",
        attacks.len(),
        begun.elapsed(),
        took.times(),
        took.p99()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(begun.elapsed() < ALL_DEADLINE, "{:?}", begun.elapsed());
    if let Some(times) = std::env::var("STOKER_HOSTILE_P99").ok().and_then(|text| text.parse::<f64>().ok()) {
        let beside = took.p99();
        assert!(beside.as_secs_f64() <= quiet.as_secs_f64() * times, "{beside:?} beside attacks, {quiet:?} without");
    }
    scene.good.assert_still_runs();
    assert_eq!(spelling_in(host.log().as_bytes(), SAID), None, "{}", host.log());
    assert!(host.is_running() && host.pid() == pid);
    #[cfg(target_os = "linux")]
    assert!(host.memory_mib("VmHWM") < RESIDENT_MIB_MAX, "{} MiB", host.memory_mib("VmHWM"));
}

/// What a terminal would obey.
fn harmful(text: &str) -> Option<char> {
    text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(c))
}

#[test]
fn what_they_say_is_shown_as_text() {
    let host = TestHost::start();
    host.upload_bytes("hostile", &Guest::Hostile.wasm());
    for kind in ["terminal-escapes", "html"] {
        let job = host.run(&json!({"kind": kind, "payload": {}, "max_attempts": 1}));
        let id = job_id(&job);
        for arguments in [&["job", &id][..], &["logs", &id], &["jobs"], &["dead-letters"]] {
            let exited = run_stoker(arguments, &[("STOKER_URL", host.url())], host.home(), b"");
            let said = exited.stdout + &exited.stderr;
            assert_eq!(harmful(&said), None, "{arguments:?}: {said:?}");
        }
        // JSON escapes what is no text; a browser takes it for nothing but JSON.
        for path in [format!("/v1/jobs/{id}"), format!("/v1/jobs/{id}/logs"), format!("/v1/jobs/{id}/attempts")] {
            let reply = host.get(&path).expect_status(200);
            assert!(reply.header("content-type").unwrap().starts_with("application/json"), "{reply}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert!(reply.body.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\n'), "{reply}");
        }
    }
    assert_eq!(harmful(&host.log()), None, "{}", host.log());
}

/// Every file of both folders is an attack that is made, and there are enough of them, with grants and without.
#[test]
fn every_attack_is_made() {
    let root = workspace_root().join("tests");
    let mut names = BTreeSet::new();
    for folder in ["guests/hostile/src", "tests/hostile"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            let name = file.path().file_stem().unwrap().to_string_lossy().replace('_', "-");
            if !["lib", "main", "attack", "scene", "network", "others"].contains(&&name[..]) {
                names.insert(name);
            }
        }
    }
    let attacks = attacks(&Scene::empty());
    let made: BTreeSet<String> = attacks.iter().map(|attack| attack.name.to_owned()).collect();
    assert_eq!(names, made);
    assert!(made.len() >= 40, "{} attacks", made.len());
    assert!(attacks.iter().any(|attack| matches!(attack.module, Module::Own(_))));
    assert!(attacks.iter().filter(|attack| !attack.grants.is_null()).count() >= 20);
}
