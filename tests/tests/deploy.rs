//! Versions from the command line: what a deploy says about the jobs that wait, going back, and following a job's log.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{
    Exited, HandlerModule, KindOf, Running, TestHost, core_module, eventually, job_id, reason_of, run_stoker,
};

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

const NAMED: &str = r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
const NAMED_AND_AGED: &str = r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},
    "required":["name","age"]}"#;

/// A file `{name}.wasm` in the host's home, a module that serves these kinds.
fn built(host: &TestHost, name: &str, kinds: impl IntoIterator<Item = KindOf>, answer: &str) -> String {
    let file = format!("{name}.wasm");
    std::fs::write(host.home().join(&file), HandlerModule::serving(kinds).answering(answer).wasm()).unwrap();
    file
}

fn digest_of_active(host: &TestHost, module: &str) -> String {
    host.get(&format!("/v1/modules/{module}")).expect(200)["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_deploy_that_breaks_waiting_jobs_is_told_forced_and_taken_back() {
    let mut host = TestHost::builder().workers(0).start();
    let first = built(&host, "first", [KindOf::any("greet").input(NAMED)], "1");
    let second =
        built(&host, "second", [KindOf::any("greet").input(NAMED_AND_AGED).settings(r#"{"timeout":"5s"}"#)], "2");
    let said = stoker(&host, &["deploy", &first, "--name", "greet"]).expect_success();
    assert!(said.contains("a new version is active") && said.contains("greet"), "{said}");
    let active = digest_of_active(&host, "greet");
    let waiting: Vec<String> = (0..7).map(|n| host.enqueue_kind("greet", &json!({"name": format!("n{n}")}))).collect();

    // It names the field, the jobs and a way out, and changes nothing.
    let refused = stoker(&host, &["deploy", &second, "--name", "greet"]);
    let shown = refused.stdout.clone();
    let said = refused.expect_failure(&["not activated", "7 waiting jobs", "age", "--force", "serde(default)"]);
    // What is wrong with all of them is said once, and what lists them does.
    assert!(said.contains(&format!("(7 jobs, e.g. {})", waiting[0])), "{said}");
    assert!(said.contains("stoker jobs --unfinished --kind greet"), "{said}");
    let listed = stoker(&host, &["jobs", "--kind", "greet", "--unfinished", "--quiet"]).expect_success();
    assert!(waiting.iter().all(|id| listed.contains(id.as_str())), "{listed}");
    for words in ["stored, not active", "`age` is new and required", "`timeout` is 5s now", "all 7"] {
        assert!(shown.contains(words), "no `{words}` in {shown}");
    }
    assert_eq!(digest_of_active(&host, "greet"), active);
    let versions = stoker(&host, &["modules", "greet"]).expect_success();
    assert!(versions.contains("never") && versions.contains("active"), "{versions}");
    let again = stoker(&host, &["deploy", &second, "--name", "greet", "--json"]);
    assert!(!again.status.success());
    let again = json_of(&again.stdout);
    let jobs = &again["changes"]["kinds"][0]["jobs"];
    assert_eq!((&again["activated"], &again["module"]["active"]), (&json!(false), &json!(false)));
    assert_eq!((&jobs["unfinished"], &jobs["checked"], &jobs["refused"]), (&json!(7), &json!(7), &json!(7)));
    assert_eq!((&jobs["violations"][0]["jobs"], &jobs["unchecked"]), (&json!(7), &Value::Null), "{jobs:#}");

    let forced = json_of(&stoker(&host, &["deploy", &second, "--name", "greet", "--force", "--json"]).expect_success());
    assert_eq!((&forced["activated"], &forced["module"]["active"]), (&json!(true), &json!(true)));
    host.restart_with(|host| host.workers(1));
    for id in &waiting {
        let failed = host.wait_for(id, "failed");
        assert_eq!(reason_of(&failed), "invalid_payload");
        let detail = failed["error"]["detail"].as_str().unwrap();
        assert!(detail.starts_with("(the whole payload): ") && detail.contains("age"), "{failed:#}");
    }
    let listed = stoker(&host, &["jobs", "--kind", "greet", "--unfinished", "--quiet"]).expect_success();
    assert_eq!(listed, "", "they have ended");
    let page = stoker(&host, &["job", &waiting[0]]).expect_success();
    assert!(page.contains("what to do") && page.contains("stoker rollback greet"), "{page}");

    let back = stoker(&host, &["rollback", "greet"]).expect_success();
    assert!(back.contains("went back") && back.contains("`age` is gone"), "{back}");
    assert_eq!(digest_of_active(&host, "greet"), active);
    let mut retry = vec!["retry"];
    retry.extend(waiting.iter().map(String::as_str));
    let said = stoker(&host, &retry).expect_success();
    assert!(waiting.iter().all(|id| said.contains(id.as_str())), "{said}");
    for id in &waiting {
        assert_eq!(host.wait_for(id, "succeeded")["output"], 1);
    }

    // And forth again, by the beginning of its digest.
    let digest = forced["module"]["digest"].as_str().unwrap();
    stoker(&host, &["rollback", "greet", &digest[..20]]).expect_success();
    assert_eq!(digest_of_active(&host, "greet"), digest);
    stoker(&host, &["rollback", "greet", "sha256:ffff"]).expect_failure(&["no version", "stoker modules greet"]);
    stoker(&host, &["rollback", "gret"]).expect_failure(&["no module", "did you mean `greet`?", "`stoker modules`"]);

    // Back again, and there is nothing before that: not forth to what was just left.
    stoker(&host, &["rollback", "greet"]).expect_success();
    assert_eq!(digest_of_active(&host, "greet"), active);
    let forth = format!("`stoker rollback greet {}` goes to a newer one", &digest[..19]);
    stoker(&host, &["rollback", "greet"]).expect_failure(&[&forth]);
    assert_eq!(digest_of_active(&host, "greet"), active);
}

#[test]
fn a_kind_that_jobs_need_is_not_dropped_unless_forced() {
    let mut host = TestHost::builder().workers(0).leaves_work_behind().start();
    let both = built(&host, "both", [KindOf::any("keep"), KindOf::any("drop")], "1");
    let one = built(&host, "one", [KindOf::any("keep"), KindOf::any("more")], "1");
    stoker(&host, &["deploy", &both, "--name", "m"]).expect_success();
    let id = host.enqueue_kind("drop", &json!({}));
    stoker(&host, &["deploy", &one, "--name", "m"]).expect_failure(&["`drop`", "no_handler", "--force"]);
    let forced = stoker(&host, &["deploy", &one, "--name", "m", "--force"]).expect_success();
    for words in ["drop (gone)", "more (new)", "keep (same)"] {
        assert!(forced.contains(words), "no `{words}` in {forced}");
    }
    host.restart_with(|host| host.workers(1));
    let page = eventually("the job waits for a handler", || {
        let page = stoker(&host, &["job", &id]).expect_success();
        page.contains("deploy a module that serves").then_some(page)
    });
    assert!(page.contains("`drop`"), "{page}");
    let gone = stoker(&host, &["kinds", "drop"]).expect_success();
    assert!(gone.contains("nobody serves it"), "{gone}");
    // Whoever comes first keeps the kind.
    let taken = built(&host, "taken", [KindOf::any("keep")], "3");
    for flags in [&["deploy", taken.as_str()][..], &["deploy", &taken, "--force"]] {
        let said = stoker(&host, flags).expect_failure(&["`keep` is served by `m`", "what to do", "/v1/modules/m"]);
        assert!(!said.contains("--force"), "{said}");
        host.get("/v1/modules/taken").expect_problem(404);
    }
    let wasm = std::fs::read(host.home().join(&taken)).unwrap();
    let headers = [("content-type", "application/wasm")];
    let stored = host.request("PUT", "/v1/modules/taken?activate=false", &headers, Some(&wasm)).expect(201);
    let digest = stored["digest"].as_str().unwrap();
    let changes = host.get(&format!("/v1/modules/taken/versions/{digest}/changes")).expect(200);
    let owned_by = &changes["kinds"][0]["owned_by"];
    assert_eq!(owned_by["module"], "m", "{changes:#}");
    assert!(owned_by["message"].as_str().unwrap().contains("rename the kind"), "{changes:#}");
    stoker(&host, &["rollback", "taken", digest]).expect_failure(&["`keep` is served by `m`"]);
}

#[test]
fn a_version_stored_for_later_is_there_and_not_active() {
    let host = TestHost::start();
    let wasm = HandlerModule::serving([KindOf::any("later")]).wasm();
    let put = |query: &str| {
        host.request("PUT", &format!("/v1/modules/m?{query}"), &[("content-type", "application/wasm")], Some(&wasm))
    };
    put("activate=false&force=true").expect_problem_saying(422, &["force", "activate"]);
    let stored = put("activate=false").expect(201);
    assert_eq!((&stored["active"], &stored["activated_at"]), (&json!(false), &Value::Null));
    assert_eq!(put("activate=false").expect(200)["active"], json!(false));
    host.post("/v1/jobs", &json!({"kind": "later"})).expect_problem(404);
    let digest = stored["digest"].as_str().unwrap();
    let changes = host.get(&format!("/v1/modules/m/versions/{digest}/changes")).expect(200);
    assert_eq!((&changes["active"], &changes["kinds"][0]["change"]), (&Value::Null, &json!("added")));
    assert_eq!(host.get(&format!("/v1/modules/m/versions/{digest}/wasm")).expect_status(200).body, wasm);
    assert_eq!(host.get("/v1/modules").expect(200)["items"][0]["digest"], stored["digest"]);
    let unknown = "0".repeat(64);
    host.get(&format!("/v1/modules/m/versions/sha256:{unknown}/changes")).expect_problem(404);

    let active = host.post("/v1/modules/m/activate", &json!({"digest": digest})).expect(200);
    assert!(active["active"] == json!(true) && active["activated_at"].is_string(), "{active:#}");
    assert_eq!(host.run_kind("later", &json!({})), Value::Null);
    let same = host.get(&format!("/v1/modules/m/versions/{digest}/changes")).expect(200);
    assert_eq!(same["kinds"][0]["change"], "unchanged");
}

#[test]
fn kinds_are_shown_and_set_from_the_command_line() {
    let host = TestHost::start();
    let file = built(&host, "greet", [KindOf::any("greet").input(NAMED).settings(r#"{"timeout":"5s"}"#)], "1");
    stoker(&host, &["deploy", &file]).expect_success();
    let page = stoker(&host, &["kinds", "greet"]).expect_success();
    assert!(page.contains("timeout") && page.contains("module") && page.contains("\"required\""), "{page}");
    let set = stoker(&host, &["kinds", "greet", "--set", "timeout=2m", "--set", "max_attempts=2", "--json"]);
    let set = json_of(&set.expect_success());
    assert_eq!(set["operator_settings"], json!({"timeout": "2m", "max_attempts": 2}));
    let unset = json_of(&stoker(&host, &["kinds", "greet", "--unset", "timeout", "--json"]).expect_success());
    assert_eq!((&unset["settings"]["timeout"], &unset["settings"]["max_attempts"]), (&json!("5s"), &json!(2)));
    stoker(&host, &["kinds", "greet", "--unset", "timeout"]).expect_failure(&["timeout", "max_attempts"]);
    stoker(&host, &["kinds", "greet", "--set", "fuel=lots"]).expect_failure(&["fuel"]);
    let table = stoker(&host, &["kinds"]).expect_success();
    assert!(table.contains("greet") && table.contains("5s"), "{table}");
    let table = stoker(&host, &["modules"]).expect_success();
    assert!(table.contains("greet") && table.contains("active"), "{table}");
}

#[test]
fn a_kind_may_have_a_slash_in_its_name() {
    let host = TestHost::start();
    let file = built(&host, "mail", [KindOf::any("mail/send:now").settings(r#"{"timeout":"5s"}"#)], "1");
    stoker(&host, &["deploy", &file]).expect_success();
    let page = stoker(&host, &["kinds", "mail/send:now"]).expect_success();
    assert!(page.contains("served by module mail"), "{page}");
    let set = stoker(&host, &["kinds", "mail/send:now", "--set", "timeout=9s", "--json"]).expect_success();
    assert_eq!(json_of(&set)["operator_settings"], json!({"timeout": "9s"}));
    let table = stoker(&host, &["kinds"]).expect_success();
    assert!(table.contains("9s"), "{table}");
    let ran = stoker(&host, &["enqueue", "mail/send:now", "{}", "--wait"]).expect_success();
    assert_eq!(ran.trim(), "1");
}

#[test]
fn two_who_set_at_once_do_not_undo_each_other() {
    let host = TestHost::start();
    let file = built(&host, "greet", [KindOf::any("greet")], "1");
    stoker(&host, &["deploy", &file]).expect_success();
    let patch = |body: &Value| {
        let headers = [("content-type", "application/merge-patch+json")];
        host.request("PATCH", "/v1/kinds/greet/settings", &headers, Some(body.to_string().as_bytes()))
    };
    std::thread::scope(|scope| {
        for name in ["fuel", "host_calls", "priority", "max_attempts"] {
            scope.spawn(move || {
                for value in 1..=9 {
                    patch(&json!({name: value})).expect(200);
                }
            });
        }
    });
    let operators = || host.get("/v1/kinds/greet").expect(200)["operator_settings"].clone();
    assert_eq!(operators(), json!({"priority": 9, "max_attempts": 9, "fuel": 9, "host_calls": 9}));

    // `null` removes, objects are merged, and what comes of it must be good.
    patch(&json!({"fuel": null, "host_calls": null, "max_attempts": null, "env": {"A": "1", "B": "2"}}))
        .expect_problem_saying(422, &["/env", "handler component"]);
    patch(
        &json!({"fuel": null, "host_calls": null, "max_attempts": null, "retry": {"strategy": "fixed", "delay": "5s"}}),
    )
    .expect(200);
    patch(&json!({"retry": {"delay": "7s"}})).expect(200);
    assert_eq!(operators(), json!({"priority": 9, "retry": {"strategy": "fixed", "delay": "7s"}}));
    patch(&json!({"retry": {"strategy": "list"}})).expect_problem_saying(422, &["/retry/delay"]);
    patch(&json!({"tiemout": null})).expect_problem_saying(422, &["/tiemout"]);
    patch(&json!({"timeout": "2h"})).expect_problem_saying(422, &["/timeout", "ceiling"]);
    patch(&json!(["timeout"])).expect_problem(422);
    let plain = host.request("PATCH", "/v1/kinds/greet/settings", &[("content-type", "text/plain")], Some(b"{}"));
    plain.expect_problem_saying(415, &["merge-patch+json"]);
    host.request("PATCH", "/v1/kinds/great/settings", &[("content-type", "application/json")], Some(b"{}"))
        .expect_problem_saying(404, &["greet"]);
    // From the command line an object is set as a whole.
    let set = ["kinds", "greet", "--set", r#"retry={"strategy":"list","delays":["1s"]}"#, "--unset", "priority"];
    stoker(&host, &set).expect_success();
    assert_eq!(operators(), json!({"retry": {"strategy": "list", "delays": ["1s"]}}));
}

/// A command that writes a line to standard error and never ends.
const TALKS_AND_SPINS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "still at it\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 12))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (loop $spin (br $spin))))"#;

#[test]
fn lines_of_a_running_job_are_seen_and_followed() {
    let host = TestHost::start();
    host.upload_bytes("spin", &core_module(TALKS_AND_SPINS));
    let id = host.enqueue_kind("spin", &json!({}));
    let logs = format!("/v1/jobs/{id}/logs");
    let running = eventually("the line of the running attempt", || {
        let logs = host.get(&logs).expect(200);
        (logs["items"][0]["lines"][0]["message"] == "still at it").then_some(logs)
    });
    assert_eq!(running["items"][0]["running"], json!(true), "{running:#}");
    let followed = std::thread::scope(|scope| {
        let follower = scope.spawn(|| stoker(&host, &["logs", "-f", &id]));
        stoker(&host, &["cancel", &id]).expect_success();
        follower.join().unwrap()
    });
    assert_eq!(followed.status.code(), Some(1), "{followed:?}");
    assert_eq!(followed.stdout.matches("still at it").count(), 1, "{followed:?}");
    assert!(followed.stderr.contains("cancelled") && followed.stderr.contains("stoker retry"), "{followed:?}");
    assert_eq!(host.get(&logs).expect(200)["items"][0]["running"], json!(false));

    // One that succeeds, and one nobody knows.
    let file = built(&host, "fine", [KindOf::any("fine")], "1");
    stoker(&host, &["deploy", &file]).expect_success();
    let done = job_id(&host.run(&json!({"kind": "fine", "payload": {}})));
    assert!(stoker(&host, &["logs", "-f", &done]).status.success());
    stoker(&host, &["logs", "-f", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"]).expect_failure(&["no job"]);
    let some = stoker(&host, &["cancel", &done, &id]);
    some.expect_failure(&[&done, "1 of 2 jobs"]);
}

#[test]
fn a_host_that_goes_is_told_at_once_and_its_lines_go_on_when_it_is_back() {
    let mut host = TestHost::start();
    host.upload_bytes("spin", &core_module(TALKS_AND_SPINS));
    let id = host.enqueue_kind("spin", &json!({}));
    let mut follower = Running::start(&["logs", "-f", &id, "--url", host.url()], &[], host.home());
    follower.wait_said("still at it");
    let address = host.url().strip_prefix("http://").unwrap().to_owned();
    host.kill9();
    let said = follower.wait_said(&format!("the host at http://{address} doesn't answer; trying again for 1m"));
    assert_eq!(said.lines().count(), 2, "{said}");
    host.restart_with(|builder| builder.flag("--listen", &address));
    follower.wait_said("is back");
    // Its second execution logs as the first did, which the host had no time to keep.
    let said = follower.wait_said_times("still at it", 2);
    assert!(said.matches("doesn't answer").count() == 1 && said.matches("is back").count() == 1, "{said}");
    stoker(&host, &["cancel", &id]).expect_success();
    assert_eq!(follower.wait_exit().code(), Some(1));
    assert_eq!(follower.said().matches("still at it").count(), 2, "{}", follower.said());
}

/// As rustc leaves a library without the SDK for a browser, or with what `wasm-bindgen` adds.
const FOR_A_BROWSER: &str = r#"(module (memory (export "memory") 17)
    (global (export "__data_end") i32 (i32.const 1048576)) (global (export "__heap_base") i32 (i32.const 1048576))
    (func (export "greet") (param i32) (result i32) local.get 0))"#;
const BOUND_TO_A_BROWSER: &str = r#"(module
    (import "__wbindgen_placeholder__" "__wbindgen_describe" (func (param i32)))
    (memory (export "memory") 17) (func (export "greet")))"#;

#[test]
fn a_library_for_another_target_is_refused_with_what_to_build() {
    let host = TestHost::start();
    let source = "#[unsafe(no_mangle)]\npub extern \"C\" fn greet(n: u32) -> u32 { n + 1 }\n";
    std::fs::write(host.home().join("greet.rs"), source).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let args =
        ["--crate-type", "cdylib", "--target", "wasm32-wasip1", "--edition", "2024", "-o", "wasip1.wasm", "greet.rs"];
    let compiled = std::process::Command::new(rustc).args(args).current_dir(host.home()).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    std::fs::write(host.home().join("browser.wasm"), core_module(FOR_A_BROWSER)).unwrap();
    std::fs::write(host.home().join("bound.wasm"), core_module(BOUND_TO_A_BROWSER)).unwrap();
    let said = ["no_entry", "`greet`", "what to do:", "the target wasm32-wasip2", "stoker_sdk::module!(greet)"];
    for file in ["wasip1.wasm", "browser.wasm", "bound.wasm"] {
        stoker(&host, &["deploy", file]).expect_failure(&said);
        stoker(&host, &["run", file]).expect_failure(&said);
    }
    assert_eq!(host.get("/v1/modules").expect(200)["items"], json!([]));
}
