//! Compiled modules are native code: none is believed for lying in the right folder. Whole flows through the real binary,
//! with folders others could write to, projects that bring folders along, and links that lead astray.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;
use stoker_tests::{Guest, Running, TestHost, run_stoker};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn compiled_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "cwasm")).count()
}

fn doctor(data_dir: &Path) -> String {
    let data_dir = data_dir.display().to_string();
    let exited =
        run_stoker(&["doctor", "--data-dir", &data_dir, "--url", "http://127.0.0.1:1"], &[], data_dir.as_ref(), b"");
    exited.stdout
}

fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("native code")).collect()
}

#[test]
fn a_project_brings_no_compiled_modules_along() {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::copy(Guest::Hello.path(), project.join("hello.wasm")).unwrap();
    let cache = home.path().join("cache");
    let environment = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
    let artifacts = project.join(".stoker/data/artifacts");
    for round in ["as dev makes it", "with a key that came along"] {
        let mut dev = Running::start(&["dev", "hello.wasm", "--own-host"], &environment, &project);
        dev.wait_said("stoker enqueue hello");
        assert!(dev.terminate().success(), "{round}: {}", dev.said());
        assert_eq!(compiled_in(&cache.join("stoker/run")), 1, "{round}");
        assert_eq!(compiled_in(&artifacts), 0, "{round}");
        // With it the host would not start, did it look there.
        fs::create_dir_all(artifacts.join("artifact.key")).unwrap();
    }
    // Nor does it write through links that came along.
    let victim = home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for name in ["host.log", "data/stoker.lock"] {
        let link = project.join(".stoker").join(name);
        fs::remove_file(&link).unwrap();
        symlink(&victim, &link).unwrap();
        let exited = run_stoker(&["dev", "hello.wasm", "--own-host"], &environment, &project, b"");
        exited.expect_failure(&[name, "link", "move it away"]);
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn a_host_believes_nothing_others_could_have_written_and_says_what_to_do() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    host.terminate();
    assert!(warnings(&host.log()).is_empty(), "{}", host.log());
    let artifacts = host.data_dir().join("artifacts");
    assert_eq!(compiled_in(&artifacts), 1);
    assert!(!doctor(&host.data_dir()).contains("native code"));

    set_mode(&artifacts, 0o777);
    let said = doctor(&host.data_dir());
    assert!(said.contains("problem compiled modules: other users can write to") && said.contains("rm -r"), "{said}");
    host.restart();
    host.upload(Guest::Cat);
    let done = host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}}));
    assert_eq!(done["output"]["greeting"], "Hello, Ada!");
    host.terminate();
    let log = host.log();
    assert!(warnings(&log).len() == 1 && warnings(&log)[0].contains("rm -r"), "{log}");
    assert_eq!(compiled_in(&artifacts), 1, "as it was");

    // Here only the key is at fault, and another one is made.
    set_mode(&artifacts, 0o700);
    let key = artifacts.join("artifact.key");
    let known = fs::read(&key).unwrap();
    set_mode(&key, 0o644);
    let said = doctor(&host.data_dir());
    assert!(
        said.contains("problem compiled modules: other users can get at") && said.contains("artifact.key"),
        "{said}"
    );
    host.restart();
    assert_eq!(warnings(&host.log()).len(), 1, "{}", host.log());
    host.terminate();
    assert_ne!(fs::read(&key).unwrap(), known);
    host.restart();
    assert!(warnings(&host.log()).is_empty(), "{}", host.log());
}

#[test]
fn links_that_lead_nowhere_are_named_by_host_and_doctor() {
    let home = tempfile::tempdir().unwrap();
    let mut host = TestHost::start();
    host.terminate();
    let data_dir = host.data_dir();
    for (name, target) in [("artifacts/artifact.key", "nowhere"), ("artifacts", "nowhere"), ("artifacts", "artifacts")]
    {
        let link = data_dir.join(name);
        let aside = home.path().join("aside");
        fs::rename(&link, &aside).unwrap();
        symlink(target, &link).unwrap();
        let expected = format!("{}: it is a link that leads nowhere; move it away", link.display());
        let data_dir = data_dir.display().to_string();
        let serve = run_stoker(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir], &[], home.path(), b"");
        serve.expect_failure(&[&*expected]);
        let said = doctor(data_dir.as_ref());
        assert!(said.contains(&format!("problem compiled modules: {expected}")), "{said}");
        assert!(link.is_symlink(), "{name} is as it was");
        fs::remove_file(&link).unwrap();
        fs::rename(&aside, &link).unwrap();
    }
    host.restart();
}
