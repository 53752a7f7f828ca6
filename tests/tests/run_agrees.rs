//! `stoker run` and a host agree: on the state after one execution, the output, the error, the log and the progress of
//! every guest there is; and on the words in which they refuse a module or a payload.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stoker_tests::{
    Exited, Guest, TestHost, cache_dir, project_settings, run_stoker, state_of, with_settings, workspace_root,
};

/// More than any guest here uses before its time is up.
const FUEL_AMPLE: u64 = 1_000_000_000_000;

/// A module and what is run of it.
struct Group {
    /// The module's name on both sides.
    name: String,
    wasm: PathBuf,
    cases: Vec<Case>,
}

/// One job, made twice.
#[derive(Clone)]
struct Case {
    kind: String,
    payload: Value,
    settings: Value,
    /// Places in the output that tell of the one execution: a job's id, a moment. They are there, and differ.
    own: &'static [&'static str],
}

fn case(kind: &str, payload: Value) -> Case {
    Case { kind: kind.to_owned(), payload, settings: json!({}), own: &[] }
}

impl Case {
    fn with(mut self, settings: Value) -> Case {
        self.settings = settings;
        self
    }

    fn telling(mut self, own: &'static [&'static str]) -> Case {
        self.own = own;
        self
    }
}

fn handlers() -> Vec<Case> {
    let none = || json!({});
    let in_time = || json!({"timeout": 300, "fuel": FUEL_AMPLE, "memory": 256 << 20});
    vec![
        case("busy-loop", none()).with(json!({"fuel": 20_000_000})),
        case("busy-loop-fuelled", none()).with(json!({"timeout": 300})),
        case("eat-memory", none()).with(json!({"memory": 32 << 20})),
        case("echo", json!({"text": "zażółć \u{1F600} \u{0}", "number": -0.5, "nested": [[], {}]})).telling(&[
            "/job_id",
            "/created_at_ms",
            "/run_at_ms",
            "/deadline_ms",
        ]),
        case("config", json!({"names": ["greeting", "none"]})),
        case("config", json!({"names": ["greeting"]})).with(json!({"grants": {"config": {"greeting": "Hi"}}})),
        case("http", json!({"requests": [{"url": "https://api.example.com/"}]})),
        case("http", json!({"must": true, "requests": [{"url": "https://api.example.com/"}]})),
        case("http", json!({"requests": [{"url": "http://127.0.0.1:9/"}]}))
            .with(json!({"grants": {"http": ["http://127.0.0.1:9"]}})),
        case("sockets", none()),
        case("sockets", json!({"fail": true})),
        case("entered-at", none()).telling(&["/entered_at_us"]),
        case("exit", json!({"code": 3})),
        case("exit", none()),
        case("fail-error", none()),
        case("fail-fatal", none()),
        case("fail-followed", none()),
        case("fail-retry", none()),
        case("fail-retry", json!({"succeed_on_attempt": 1})),
        case("fail-retry", none()).with(json!({"retry_on": []})),
        case("fail-retry-after", json!({"after_ms": 60_000})),
        case("flood-logs", none()),
        case("flood-stdout", none()),
        case("host-calls", none()),
        case("huge-output", none()),
        case("huge-output", none()).with(json!({"output": "4MiB"})),
        case("limits", none()).with(json!({"fuel": 500_000_000})).telling(&["/remaining_time_ms"]),
        case("log-lines", none()),
        case("memory-copy", none()).with(in_time()),
        case("panic", none()),
        case("panic", none()).with(json!({"retry_on": ["timeout"]})),
        case("progress", none()),
        case("recurse", none()),
        case("sleep", none()).with(in_time()),
        // A job that runs after no other one, on both sides.
        case("parents", json!({"parents": ["fetch", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"]})),
        case("snooze", json!({"until_ms": 4_000_000_000_000_u64})),
        case("trap", none()),
        case("trap", none()).with(json!({"max_attempts": 1})),
        case("secret-get", json!({"names": ["granted", "other"]})).with(json!({"grants": {"secrets": ["granted"]}})),
        case("secret-said", json!({"name": "other"})),
        case("kv-count", json!({"times": 3})).with(json!({"grants": {"kv": ["counts"]}})),
        case("kv-value", json!({"bucket": "values", "key": "k", "value": "v"}))
            .with(json!({"grants": {"kv": ["values"]}})),
        case("kv-value", json!({"bucket": "values", "bytes": 300_000, "key": "k"}))
            .with(json!({"grants": {"kv": ["values"]}})),
        case("kv-value", json!({"bucket": "closed", "fail": true})),
        case("kv-late", json!({"ms": 1})).with(json!({"grants": {"kv": ["late"]}})),
        case("wait-for-cancel", none()).with(in_time()),
        case("wrong-output", none()),
    ]
    .into_iter()
    .chain(scripts())
    .collect()
}

/// What is durable: a first execution of it.
fn scripts() -> Vec<Case> {
    let script = |lines: Value| case("script", json!({ "lines": lines }));
    let granted = |grants: Value| json!({ "grants": grants });
    let step = |name: &str| json!({"do": "step", "name": name, "result": {"made": [1, "two"]}});
    let mail =
        |to: &str| json!([{"do": "mail", "from": "noreply@example.org", "to": [to], "subject": "Hi", "text": "There"}]);
    let database = |query: &str| {
        let migration = "CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (1), (2)";
        json!([{"do": "database", "database": "books", "migrations": [migration], "sql": [query]}])
    };
    vec![
        script(json!([step("one"), step("one"), {"do": "key"}])).telling(&["/2"]),
        script(json!([{"do": "nested"}])),
        script(json!([{"do": "step", "name": "long", "bytes": 1_500_000}])),
        script(json!([step("one"), {"do": "step", "name": "two", "fail_attempts": 1}])),
        script(json!([step("one"), {"do": "sleep", "name": "rest", "ms": 3_600_000}])),
        script(json!([{"do": "wait", "event": "paid", "correlation": "order-1", "ms": 3_600_000}])),
        script(json!([{"do": "notify", "user": "ada", "level": "info", "message": "Hi"}])),
        script(json!([{"do": "notify", "user": "ada", "level": "info", "message": "Hi"}]))
            .with(granted(json!({"notify": true}))),
        script(json!([{"do": "notify", "user": "a\u{7}da", "level": "info", "message": "Hi"}]))
            .with(granted(json!({"notify": true}))),
        script(json!([{"do": "emit", "event": "paid", "correlation": "order-1", "data": {"sum": 3}}])),
        script(json!([{"do": "emit", "event": "paid", "correlation": "order-1", "data": {"sum": 3}}]))
            .with(granted(json!({"events": ["paid"]}))),
        script(json!([{"do": "enqueue", "kind": "echo", "payload": {}}])),
        script(json!([{"do": "enqueue", "kind": "echo", "payload": {}}])).with(granted(json!({"enqueue": ["echo"]}))),
        script(mail("ada@example.org")),
        script(mail("ada@example.org")).with(granted(json!({"mail": ["noreply@example.org"]}))).telling(&["/0"]),
        script(mail("no address")).with(granted(json!({"mail": ["noreply@example.org"]}))),
        script(database("SELECT 1")),
        script(database("SELECT sum(n), 'a', NULL, 1.5 FROM numbers")).with(granted(json!({"databases": ["books"]}))),
        script(database("ATTACH 'x' AS y")).with(granted(json!({"databases": ["books"]}))),
        script(database("SELECT nothing FROM numbers")).with(granted(json!({"databases": ["books"]}))),
    ]
}

fn raw() -> Vec<Case> {
    ["not-json", "empty-output", "truncated-json", "long-message", "endless-snooze"]
        .map(|kind| case(kind, json!(1)))
        .to_vec()
}

/// The cases of a command, as a core module and as a component.
fn commands(name: &str) -> Vec<Case> {
    let run = |payload: Value| case(name, payload);
    let none = || run(json!(null));
    match name {
        "abort" | "flood" | "read-file" => vec![none()],
        "busy" => {
            vec![none().with(json!({"timeout": 300, "fuel": FUEL_AMPLE})), none().with(json!({"fuel": 20_000_000}))]
        }
        "cat" => vec![
            run(json!({"any": ["thing", 1.5, null]})),
            run(json!("größe \u{1F600}\n")).with(json!({"stdin": "text", "stdout": "text"})),
            run(json!("abc")).with(json!({"stdin": "text", "stdout": "bytes"})),
            run(json!("[1, 2")).with(json!({"stdin": "text", "stdout": "json"})),
        ],
        "eat-memory" => vec![none().with(json!({"memory": 32 << 20}))],
        "env-args" => vec![
            none()
                .with(json!({"args": ["--flag", "two words"], "env": {"COLOUR": "blue"}}))
                .telling(&["/env/STOKER_JOB_ID"]),
        ],
        "exit-code" => {
            let mut cases: Vec<Case> = [0, 75, 65, 1, 125].map(|code| run(json!({"code": code}))).to_vec();
            cases.push(run(json!({"code": 1})).with(json!({"exit_failure": "fatal"})));
            cases.push(run(json!({"no": "code"})));
            cases
        }
        "not-json" => vec![none(), none().with(json!({"stdout": "text"}))],
        "not-utf8" => vec![none().with(json!({"stdout": "text"})), none().with(json!({"stdout": "bytes"}))],
        "sleep" => vec![none().with(json!({"timeout": 300}))],
        other => panic!("the command `{other}` has no case here"),
    }
}

/// The cases of an example in `jobs/`.
fn jobs(name: &str) -> Vec<Case> {
    match name {
        "hello" => vec![case("hello", json!({"name": "Ada"})), case("hello", json!({"name": " "}))],
        "thumbnail" => {
            let photo = std::fs::read(workspace_root().join("jobs/thumbnail/landscape.jpg")).unwrap();
            let image = STANDARD.encode(photo);
            vec![
                case("thumbnail", json!({"image": image, "max_width": 32, "max_height": 32, "format": "png"})),
                case("thumbnail", json!({"image": "not base64 !!!"})),
            ]
        }
        "csv-report" => {
            let report = |bad_rows: &str| json!({"csv": "a,n\nx,1\ny,one\nx,2.5\n", "group_by": ["a"], "sum": ["n"], "bad_rows": bad_rows});
            vec![case("csv.report", report("skip")), case("csv.report", report("fail"))]
        }
        "trial" => {
            let asked = json!({"user": "ann", "days": 1});
            vec![case("trial", json!({"user": " ", "days": 1})), case("trial", asked).with(json!({"max_attempts": 1}))]
        }
        "markdown" => {
            vec![case("markdown", json!("# Hi\n\n<b>bold</b>"))]
        }
        "checksum-c" => vec![
            case("checksum", json!("abc")),
            case("checksum", json!("abc")).with(json!({"args": ["--no-such-option"]})),
        ],
        "words-go" => vec![case("words", json!("to be or not to be"))],
        other => panic!("the example `{other}` has no case here"),
    }
}

/// Names of the entries of a folder of the workspace, without an ending.
fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(workspace_root().join(folder)).unwrap().flatten();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(!names.is_empty(), "{folder} has moved");
    names
}

fn built(name: &str) -> PathBuf {
    Guest::Hello.path().with_file_name(format!("{name}.wasm"))
}

/// Every guest there is, examples as they are deployed; one without a case fails.
fn groups(made: &Path) -> Vec<Group> {
    let mut groups = vec![
        Group { name: "handlers".to_owned(), wasm: Guest::Handlers.path(), cases: handlers() },
        Group { name: "raw".to_owned(), wasm: Guest::Raw.path(), cases: raw() },
    ];
    for command in names_in("tests/guests/commands/src/bin") {
        let component = format!("{command}-component");
        let mut cases = commands(&command);
        // The two modules named like kinds of the handlers serve those names nowhere else.
        let taken = handlers().iter().chain(&raw()).any(|handler| handler.kind == command);
        let name = if taken { format!("{command}-command") } else { command.clone() };
        for (name, file) in [(name, &command), (component.clone(), &component)] {
            for case in &mut cases {
                case.kind.clone_from(&name);
            }
            groups.push(Group { name, wasm: built(file), cases: cases.clone() });
        }
    }
    for job in names_in("jobs").into_iter().filter(|job| workspace_root().join("jobs").join(job).is_dir()) {
        let cases = jobs(&job);
        let guest = Guest::EXAMPLES.into_iter().find(|guest| guest.folder() == Some(job.as_str()));
        let guest = guest.unwrap_or_else(|| panic!("`{job}` is not among Guest::EXAMPLES"));
        // Where there is a compiler for it.
        let Some(wasm) = guest.wasm_if_compiled() else { continue };
        let name = guest.module_name().to_owned();
        let mut path = guest.path();
        if workspace_root().join("jobs").join(&job).join("handler.toml").is_file() {
            path = made.join(format!("{name}.wasm"));
            std::fs::write(&path, with_settings(wasm, &project_settings(&format!("jobs/{job}")))).unwrap();
        }
        groups.push(Group { name, wasm: path, cases });
    }
    groups
}

/// `stoker run`; its compiled modules are kept from one run of the tests to the next.
fn run(host: &TestHost, wasm: &Path, args: &[&str], stdin: &str) -> Exited {
    let cache = cache_dir().display().to_string();
    let wasm = wasm.display().to_string();
    let args: Vec<&str> = ["run", &wasm].into_iter().chain(args.iter().copied()).collect();
    run_stoker(&args, &[("XDG_CACHE_HOME", &cache)], host.home(), stdin.as_bytes())
}

/// What both sides must say alike; `own` places of the output are there and are left out.
fn comparable(said: &Value, log: &[Value], dropped: &Value, own: &[&str]) -> Value {
    let mut output = said["output"].clone();
    for place in own {
        let told = output.pointer_mut(place).unwrap_or_else(|| panic!("no {place}: {said:#}"));
        assert!(!told.is_null(), "{place} is not told: {said:#}");
        *told = Value::Null;
    }
    // How long a step took is its execution's own.
    let message = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.split(" is recorded, ").next().unwrap_or_default().to_owned()
    };
    // One that is put off has used no attempt; a run says which one it was.
    let attempt = if ["scheduled", "blocked"].contains(&state_of(said)) { &Value::Null } else { &said["attempt"] };
    // A job that is run again begins with none; a run tells how far this execution came.
    let is_to_follow = ["retrying", "scheduled", "blocked"].contains(&state_of(said));
    let progress = if is_to_follow { &Value::Null } else { &said["progress"] };
    let mut error = said["error"].clone();
    if error["reason"] == "timeout" {
        // The guest was stopped where it was: at work there is a backtrace, waiting for the host there is none.
        error["detail"] = Value::Null;
    }
    let log: Vec<Value> = log.iter().map(|line| json!([line["level"], message(line)])).collect();
    json!({
        "kind": said["kind"], "state": said["state"], "attempt": attempt, "max_attempts": said["max_attempts"],
        "output": output, "error": error, "progress": progress, "log": log, "dropped": dropped,
        "digest": said["module"]["digest"], "name": said["module"]["name"],
    })
}

fn assert_agree(host: &TestHost, group: &Group, case: &Case) {
    let Case { kind, payload, settings, own } = case;
    host.set_kind(kind, settings);
    let id = host.enqueue_kind(kind, payload);
    let job = host.wait_until(&id, "past its first execution", |job| !["ready", "running"].contains(&state_of(job)));
    if !["succeeded", "failed"].contains(&state_of(&job)) {
        host.act(&format!("/v1/jobs/{id}/cancel"));
    }
    let logs = host.get(&format!("/v1/jobs/{id}/logs")).expect(200);
    let logged = logs["items"].as_array().and_then(|items| items.first()).cloned().unwrap_or_default();
    let no_lines = Vec::new();
    let lines = logged["lines"].as_array().unwrap_or(&no_lines);
    let dropped = logged.get("dropped").cloned().unwrap_or_else(|| json!(0));
    let expected = comparable(&job, lines, &dropped, own);

    let args = [kind, "-", "--name", &group.name, "--settings", &settings.to_string(), "--json"];
    let exited = run(host, &group.wasm, &args, &payload.to_string());
    let said: Value = serde_json::from_str(&exited.stdout)
        .unwrap_or_else(|error| panic!("{kind}: {error}\n{}\n{}", exited.stdout, exited.stderr));
    let found = comparable(&said, said["logs"].as_array().unwrap(), &said["logs_dropped"], own);
    assert_eq!(found, expected, "{} {kind} with {settings}", group.name);
    assert_eq!(exited.stderr, "", "--json says nothing beside");
    assert_eq!(exited.status.success(), state_of(&said) == "succeeded", "{:?}: {said:#}", exited.status);
    let is_to_follow = ["retrying", "scheduled", "blocked"].contains(&state_of(&said));
    assert_eq!(said["delay_ms"].as_u64().is_some(), is_to_follow, "{said:#}");
}

fn assert_module_agrees(host: &TestHost, group: &Group) {
    let module = host.upload_bytes(&group.name, &std::fs::read(&group.wasm).unwrap());
    let name_of = |kind: &Value| kind.as_str().or_else(|| kind["name"].as_str()).map(str::to_owned).unwrap();
    for kind in module["kinds"].as_array().unwrap() {
        let kind = name_of(kind);
        assert!(group.cases.iter().any(|case| case.kind == kind), "kind `{kind}` of {} has no case", group.name);
    }
    for case in &group.cases {
        assert_agree(host, group, case);
    }
}

#[test]
fn every_guest_comes_to_the_same_here_and_on_a_host() {
    // Interpreters of other languages, compiled by a host that is itself not optimised, two at once.
    let mut host = TestHost::builder().flag("--compile-timeout", "4m").start();
    let groups = std::sync::Mutex::new(groups(host.home()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(group) = ({ groups.lock().unwrap().pop() }) else { break };
                    assert_module_agrees(&host, &group);
                }
            });
        }
    });
    host.leave_work_behind();
}

#[test]
fn guests_of_earlier_hosts_agree_too() {
    for (name, wasm) in stoker_tests::kept_guests() {
        let host = TestHost::start();
        let path = host.home().join("kept.wasm");
        std::fs::write(&path, wasm).unwrap();
        let stem = Path::new(&name).file_stem().unwrap().to_string_lossy().into_owned();
        let group = Group { name: "kept".to_owned(), wasm: path, cases: jobs(&stem) };
        assert_module_agrees(&host, &group);
    }
}

/// What the host refuses, the command line refuses in the same words, and says nothing else.
fn assert_refused_alike(host: &TestHost, problem: &Value, wasm: &Path, args: &[&str]) {
    let exited = run(host, wasm, args, "");
    assert_eq!((exited.status.code(), exited.stdout.as_str()), (Some(1), ""), "{problem:#}\n{}", exited.stderr);
    let word = |field: &str| problem[field].as_str().unwrap().to_owned();
    let headline = format!("error: {} ({} {})", word("title"), problem["status"], word("code"));
    assert!(exited.stderr.starts_with(&headline), "{}\nwanted: {headline}", exited.stderr);
    let places = problem["errors"].as_array().cloned().unwrap_or_default();
    let mut words: Vec<String> = places.iter().map(|place| place["message"].as_str().unwrap().to_owned()).collect();
    words.extend(places.iter().map(|place| place["pointer"].as_str().unwrap().to_owned()));
    if places.is_empty() {
        // Whether an endless `describe` runs out of fuel or of time first depends on what else the machine does.
        let detail = word("detail");
        words.push(detail.split_once(", which is fixed").map_or(detail.clone(), |(_, help)| help.to_owned()));
    }
    for words in words {
        assert!(exited.stderr.contains(&words), "{}\nwanted: {words}", exited.stderr);
    }
}

#[test]
fn what_a_host_refuses_is_refused_here_in_the_same_words() {
    let host = TestHost::start();
    let lies = names_in("tests/guests/liar/examples");
    std::thread::scope(|scope| {
        for lie in &lies {
            let host = &host;
            // The one that never ends takes its time on both sides.
            scope.spawn(move || {
                let wasm = built(lie);
                let problem = host.put_module(lie, &std::fs::read(&wasm).unwrap()).expect_problem(422);
                assert_refused_alike(host, &problem, &wasm, &[]);
            });
        }
    });
    for (name, bytes) in [("text", &b"no module"[..]), ("bare", b"\0asm\x01\0\0\0"), ("cut", b"\0asm\x01\0\0\0\x01")] {
        let wasm = host.home().join(format!("{name}.wasm"));
        std::fs::write(&wasm, bytes).unwrap();
        let problem = host.put_module(name, bytes).expect_problem(422);
        assert_refused_alike(&host, &problem, &wasm, &[]);
    }
    host.upload(Guest::Hello);
    let hello = Guest::Hello.path();
    for payload in [json!({}), json!({"name": 7, "more": true}), json!("x")] {
        let problem = host.post("/v1/jobs", &json!({"kind": "hello", "payload": payload})).expect_problem(422);
        assert_refused_alike(&host, &problem, &hello, &["hello", &payload.to_string()]);
    }
    let problem = host.post("/v1/jobs", &json!({"kind": "hallo", "payload": {}})).expect_problem(404);
    assert_refused_alike(&host, &problem, &hello, &["hallo", "{}"]);
    for settings in [json!({"timeout": "2h"}), json!({"stdin": "text"}), json!({"tiemout": 1}), json!([])] {
        let problem = host.put("/v1/kinds/hello/settings", &settings).expect_problem(422);
        assert_refused_alike(&host, &problem, &hello, &["hello", "{}", "--settings", &settings.to_string()]);
    }
    for (field, value, flag) in [("fuel", json!(0), "--fuel=0"), ("timeout", json!("9h"), "--timeout=9h")] {
        let request = json!({"kind": "hello", "payload": {"name": "Ada"}, field: value});
        let problem = host.post("/v1/jobs", &request).expect_problem(422);
        assert_refused_alike(&host, &problem, &hello, &["hello", r#"{"name":"Ada"}"#, flag]);
    }
    host.upload(Guest::Cat);
    host.set_kind("cat", &json!({"stdin": "text"}));
    let problem = host.post("/v1/jobs", &json!({"kind": "cat", "payload": {}})).expect_problem(422);
    assert_refused_alike(&host, &problem, &Guest::Cat.path(), &["cat", "{}", "--settings", r#"{"stdin":"text"}"#]);
}
