//! Uploads that are attacks: each is answered within the bounds of the compiling process, and the host goes on as before.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use stoker_tests::{Guest, Prober, TestHost, is_terminal, state_of};

mod attack;
mod chained_types;
mod deep_blocks;
mod deep_ifs;
mod deep_operands;
mod doubling_types;
mod endless_number;
mod false_debugging;
mod far_data;
mod giant_function;
mod huge_memory;
mod huge_table;
mod jump_table;
mod large_settings;
mod live_variables;
mod long_names;
mod lying_counts;
mod lying_locals;
mod lying_sizes;
mod many_components;
mod many_core_modules;
mod many_customs;
mod many_data;
mod many_elements;
mod many_functions;
mod many_globals;
mod many_imports;
mod many_tables;
mod names_of_nobody;
mod nested_components;
mod recursive_types;
mod sections_again;

use attack::Attack;

fn attacks() -> Vec<Attack> {
    vec![
        many_functions::ATTACK,
        deep_blocks::ATTACK,
        deep_ifs::ATTACK,
        deep_operands::ATTACK,
        giant_function::ATTACK,
        live_variables::ATTACK,
        jump_table::ATTACK,
        huge_table::ATTACK,
        many_tables::ATTACK,
        huge_memory::ATTACK,
        far_data::ATTACK,
        many_data::ATTACK,
        many_elements::ATTACK,
        many_globals::ATTACK,
        recursive_types::ATTACK,
        many_imports::ATTACK,
        long_names::ATTACK,
        nested_components::ATTACK,
        many_components::ATTACK,
        many_core_modules::ATTACK,
        doubling_types::ATTACK,
        chained_types::ATTACK,
        many_customs::ATTACK,
        names_of_nobody::ATTACK,
        false_debugging::ATTACK,
        large_settings::ATTACK,
        lying_sizes::ATTACK,
        lying_counts::ATTACK,
        lying_locals::ATTACK,
        endless_number::ATTACK,
        sections_again::ATTACK,
    ]
}

/// What compiling may take here: enough for a real module, and soon over for an attack.
const COMPILE_TIMEOUT: &str = "4s";
const COMPILE_MEMORY: &str = "384MiB";
/// Validating and compiling, each up to its timeout, on a machine that other tests use as well.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// What the answer may have, however large what it is about.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// What the host itself may use, MiB: bodies of two uploads, and what is compiled.
const RESIDENT_MIB_MAX: u64 = 768;
/// What `/health/live` has to answer within, at the 99th percentile: room for a debug build on a busy machine.
const LIVE_P99_MAX: Duration = Duration::from_millis(250);
/// Uploads at once.
const CALLERS: usize = 2;

/// Uploads one, and runs it where it was taken: it ends by itself or by a limit.
fn put(host: &TestHost, attack: &Attack) -> String {
    let (wasm, begun) = ((attack.wasm)(), Instant::now());
    let reply = host.put_module(attack.name, &wasm);
    let took = begun.elapsed();
    let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
    assert!(attack.expected.allows(reply.status, &code), "{}: {reply}", attack.name);
    assert!(took < ANSWER_MAX, "{} took {took:?}", attack.name);
    assert!(reply.body.len() < ANSWER_BYTES_MAX, "{}: an answer of {} bytes", attack.name, reply.body.len());
    let end = if reply.status == 201 {
        let request = json!({"kind": attack.name, "payload": null, "timeout": "5s", "max_attempts": 1});
        let job = host.run(&request);
        assert!(is_terminal(state_of(&job)));
        state_of(&job).to_owned()
    } else {
        host.get(&format!("/v1/modules/{}", attack.name)).expect_problem(404);
        code
    };
    format!("{}: {} bytes, {} {end}, {took:?}", attack.name, wasm.len(), reply.status)
}

#[test]
fn no_upload_harms_the_host() {
    let mut host =
        TestHost::builder().flag("--compile-timeout", COMPILE_TIMEOUT).flag("--compile-memory", COMPILE_MEMORY).start();
    host.upload(Guest::Hello);
    let pid = host.pid();
    let prober = Prober::of_health(host.api());
    let (attacks, next) = (attacks(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    println!("{}", put(&host, attack));
                    host.assert_still_runs();
                }
            });
        }
    });
    let took = prober.stop();
    let p99 = took.p99();
    println!("/health/live, {} times: p99 {p99:?}", took.times());
    assert!(p99 < LIVE_P99_MAX, "p99 {p99:?}");
    assert!(host.is_running() && host.pid() == pid);
    #[cfg(target_os = "linux")]
    assert!(host.memory_mib("VmHWM") < RESIDENT_MIB_MAX, "{} MiB", host.memory_mib("VmHWM"));
    let versions = host.get("/v1/modules?limit=500").expect(200);
    assert!(versions["items"].as_array().unwrap().len() <= attacks.len());
}

/// Every file of this folder is an attack that is made.
#[test]
fn every_attack_is_made() {
    let folder = stoker_tests::workspace_root().join("tests/tests/hostile_uploads");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = files
        .map(|file| file.path().file_stem().unwrap().to_string_lossy().replace('_', "-"))
        .filter(|name| name != "main" && name != "attack")
        .collect();
    let mut made: Vec<String> = attacks().iter().map(|attack| attack.name.to_owned()).collect();
    names.sort();
    made.sort();
    assert_eq!(names, made);
}
