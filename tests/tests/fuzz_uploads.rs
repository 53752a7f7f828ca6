//! Modules nobody would write, by the thousand: made by wasm-smith, or guests with damaged bytes. Each upload is answered in
//! order, each one that is accepted can be run to an end that has a name, and the host goes on as before.
//!
//! `STOKER_FUZZ_MODULES` says how many (`cargo xtask fuzz-uploads` takes 10,000), `STOKER_SEED` replays them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arbitrary::Unstructured;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use stoker_tests::{
    Api, Guest, TestHost, core_module, eventually, is_terminal, job_id, make_tenant, reason_of, seed, state_of,
};
use wasm_smith::{Component, Config, Module};

/// Modules when nobody says otherwise.
const MODULES_DEFAULT: usize = 120;
/// Who uploads at once, each in a tenant of its own: a damaged guest may still serve the kind it served, and so may the other's.
const CALLERS: [&str; 2] = ["ada", "bob"];
/// What a module is made from, bytes.
const SEED_BYTES_MAX: usize = 4 << 10;
/// Between two looks at whether the host still does its work.
const MODULES_PER_LOOK: usize = 500;
/// What the host may use when all is over, MiB: more than at its start, and not with the number of modules.
const RESIDENT_MIB_MAX: u64 = 512;

/// What uploads are answered with; anything else is a bug.
const ANSWERS: [(u16, &str); 9] = [
    (201, ""),
    // The same bytes again.
    (200, ""),
    (422, "malformed_module"),
    (422, "unknown_imports"),
    (422, "no_entry"),
    (422, "module_limits"),
    (422, "invalid_settings"),
    (422, "compile_failed"),
    (422, "describe_failed"),
];

fn modules() -> usize {
    std::env::var("STOKER_FUZZ_MODULES").ok().and_then(|text| text.parse().ok()).unwrap_or(MODULES_DEFAULT)
}

/// The exports of a plain command, and some of what it may import.
fn command_shape() -> Config {
    let exports = core_module(r#"(module (memory (export "memory") 1 4) (func (export "_start")))"#);
    let imports = core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "environ_get" (func (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        )"#,
    );
    Config {
        exports: Some(exports),
        available_imports: Some(imports),
        allow_start_export: true,
        // What this host runs, so that some of it is run.
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        ..Config::default()
    }
}

/// Everything the generator can do, sensible or not.
fn any_shape(random: &mut StdRng) -> Config {
    Config {
        allow_invalid_funcs: random.random(),
        generate_custom_sections: true,
        max_memories: 4,
        max_tables: 4,
        memory64_enabled: random.random(),
        custom_page_sizes_enabled: random.random(),
        shared_everything_threads_enabled: random.random(),
        min_uleb_size: random.random_range(1..6),
        ..Config::default()
    }
}

/// A guest with some bytes changed, put in, or left out.
fn damaged_guest(random: &mut StdRng) -> Vec<u8> {
    let guests = [Guest::Hello, Guest::Cat, Guest::Raw, Guest::CatComponent];
    let mut wasm = guests[random.random_range(0..guests.len())].wasm();
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..wasm.len());
        match random.random_range(0..3) {
            0 => wasm[at] = random.random(),
            1 => wasm.insert(at, random.random()),
            _ => drop(wasm.drain(at..(at + random.random_range(1..64)).min(wasm.len()))),
        }
    }
    wasm
}

/// One module; the same for the same number.
fn module(number: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(number);
    let mut bytes = vec![0; random.random_range(64..SEED_BYTES_MAX)];
    random.fill(&mut bytes[..]);
    let mut given = Unstructured::new(&bytes);
    let made = match random.random_range(0..10) {
        0..=4 => Module::new(command_shape(), &mut given).map(|module| module.to_bytes()),
        5..=6 => Module::new(any_shape(&mut random), &mut given).map(|module| module.to_bytes()),
        7 => Component::new(Config::default(), &mut given).map(|component| component.to_bytes()),
        _ => return damaged_guest(&mut random),
    };
    // The generator may have had too few bytes: those are a module of a kind, too.
    made.unwrap_or(bytes)
}

/// Uploads it, runs it if that can be done, and takes it away; what came of it.
fn try_module(api: &Api, name: &str, wasm: &[u8]) -> String {
    let reply = api.put_module(name, wasm);
    let (status, answer) = (reply.status, reply.json());
    let code = answer["code"].as_str().unwrap_or_default();
    assert!(ANSWERS.contains(&(status, code)), "{reply}");
    if status == 422 {
        reply.expect_problem(422);
        return code.to_owned();
    }
    let mut ends = Vec::new();
    for kind in answer["kinds"].as_array().unwrap() {
        let kind = kind["name"].as_str().or(kind.as_str()).unwrap();
        let request = json!({"kind": kind, "payload": {"name": "Ada"}, "timeout": "1s", "fuel": 200_000_000,
            "max_attempts": 1});
        let reply = api.post("/v1/jobs", &request);
        // A damaged schema may refuse the payload.
        if reply.status == 422 {
            ends.push("invalid_payload".to_owned());
            continue;
        }
        let id = job_id(&reply.expect(201));
        let is_over = |job: &Value| is_terminal(state_of(job));
        let job = eventually("it ends, or asks to be run again, which may be in ten years", || {
            let job = api.job(&id);
            (is_over(&job) || job["waiting"]["reason"] == "snoozed").then_some(job)
        });
        if !is_over(&job) {
            api.act(&format!("/v1/jobs/{id}/cancel"));
        }
        let job = api.wait_end(&id);
        ends.push(format!("{} {}", state_of(&job), reason_of(&job)));
    }
    api.delete(&format!("/v1/modules/{name}")).expect_status(204);
    ends.join(", ")
}

#[test]
fn no_module_harms_the_host() {
    let mut host = TestHost::builder().flag("--compile-timeout", "20s").flag("--compile-memory", "512MiB").start();
    host.upload(Guest::Hello);
    let (pid, first, wanted) = (host.pid(), seed(), modules());
    let ends: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for caller in CALLERS {
            make_tenant(&host, caller);
            let (api, next, ends, host) = (host.in_tenant(caller), &next, &ends, &host);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= wanted {
                        return;
                    }
                    let number = first.wrapping_add(index as u64);
                    let end = try_module(&api, &format!("fuzz-{index}"), &module(number));
                    *ends.lock().unwrap().entry(end).or_default() += 1;
                    if index.is_multiple_of(MODULES_PER_LOOK) {
                        host.assert_still_runs();
                    }
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    println!("{wanted} modules: {ends:#?}");
    host.assert_still_runs();
    assert!(host.is_running() && host.pid() == pid);
    #[cfg(target_os = "linux")]
    assert!(host.memory_mib("VmRSS") < RESIDENT_MIB_MAX, "{} MiB after {wanted} modules", host.memory_mib("VmRSS"));
    // Some ran, some were refused: else this looks at nothing.
    let ran = ends.keys().filter(|end| end.contains("succeeded") || end.contains("failed ")).count();
    assert!(ran > 0 && ends.len() > ran, "{ends:#?}");
    for caller in CALLERS {
        let list: Value = host.in_tenant(caller).get("/v1/modules").expect(200);
        assert_eq!(list["items"], json!([]), "{list:#}");
    }
}
