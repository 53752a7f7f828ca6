//! `stoker dev` beside what else is on a developer's machine: configurations of other hosts, folders that come and go,
//! hosts that do not answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use stoker_tests::{FakeHost, Guest, Running, TestHost, eventually, run_stoker};

/// Where its own host listens, by what it said.
fn own_url(said: &str) -> String {
    said.split("host at ").nth(1).unwrap().split(',').next().unwrap().to_owned()
}

#[test]
fn its_own_host_is_as_it_needs_it_whatever_other_hosts_are_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(Guest::Hello.path(), home.path().join("hello.wasm")).unwrap();
    let production = "listen = \"0.0.0.0:80\"\ndata_dir = \"/nowhere\"\nworkers = 0\nlog = \"off\"\nlog_format = \"json\"\n\
        admin_key = \"0123456789abcdef-of-the-file\"\nallowed_hosts = [\"jobs.example.com\"]\nfuel_max = 11000000000\n";
    std::fs::write(home.path().join("stoker.toml"), production).unwrap();
    let environment = [
        ("STOKER_URL", "http://127.0.0.1:9"),
        ("STOKER_KEY", "0123456789abcdef-of-the-client"),
        ("STOKER_ADMIN_KEY", "0123456789abcdef-of-the-environment"),
        ("STOKER_LOG", "warn"),
        ("STOKER_WORKERS", "0"),
        ("STOKER_LISTEN", "127.0.0.1:9"),
        ("STOKER_DATA_DIR", "/nowhere"),
        ("STOKER_TIMEOUT_MAX", "31s"),
    ];
    let mut dev = Running::start(&["dev", "hello.wasm", "--own-host"], &environment, home.path());
    let said = dev.wait_said("stoker enqueue hello");
    let url = own_url(&said);
    assert!(said.contains(&format!("--wait --url {url}")), "another terminal has the same environment: {said}");
    let run = |args: &[&str]| {
        let args = [args, &["--url", &url]].concat();
        run_stoker(&args, &[], home.path(), b"")
    };
    assert!(run(&["enqueue", "hello", r#"{"name":"Ada"}"#, "--wait"]).expect_success().contains("Hello, Ada!"));
    // What limits jobs is what it will be where they are meant to run.
    run(&["enqueue", "hello", "{}", "--fuel", "11000000001"]).expect_failure(&["11000000000"]);
    run(&["enqueue", "hello", "{}", "--timeout", "32s"]).expect_failure(&["31s"]);
    assert!(home.path().join(".stoker/data/stoker.db").is_file());
    assert!(dev.terminate().success(), "{}", dev.said());
    let log = std::fs::read_to_string(home.path().join(".stoker/host.log")).unwrap();
    for secret in ["of-the-file", "of-the-client", "of-the-environment"] {
        assert!(!log.contains(secret) && !dev.said().contains(secret), "{log}");
    }
}

#[test]
fn a_host_of_its_own_and_one_that_is_named_exclude_each_other() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a.wasm"), "").unwrap();
    let args = ["dev", "a.wasm", "--own-host", "--url", "http://127.0.0.1:9"];
    run_stoker(&args, &[], home.path(), b"").expect_failure(&["--own-host", "--url", "leave out one"]);
}

#[test]
fn the_first_ctrl_c_ends_it_while_a_host_does_not_answer() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(Guest::Hello.path(), home.path().join("hello.wasm")).unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let host = FakeHost::start({
        let asked = Arc::clone(&asked);
        move |target| {
            asked.fetch_or(target.starts_with("PUT /v1/modules/hello"), Ordering::Relaxed);
            (target == "GET /health/live").then(|| r#"{"status":"live"}"#.to_owned())
        }
    });
    let mut dev = Running::start(&["dev", "hello.wasm", "--url", host.url()], &[], home.path());
    eventually("the upload", || asked.load(Ordering::Relaxed).then_some(()));
    dev.interrupt();
    assert!(dev.wait_exit().success(), "{}", dev.said());
}

#[test]
fn the_second_ctrl_c_ends_it_at_once_and_its_host_goes_by_itself() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(Guest::Hello.path(), home.path().join("hello.wasm")).unwrap();
    let mut dev = Running::start(&["dev", "hello.wasm", "--own-host"], &[], home.path());
    let url = own_url(&dev.wait_said("stoker enqueue hello"));
    let data_dir = home.path().join(".stoker/data");
    let pid = std::fs::read_to_string(data_dir.join("stoker.lock")).unwrap();
    let host = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(host, Signal::STOP).unwrap();
    dev.interrupt();
    dev.wait_said("stopping the host");
    dev.interrupt();
    assert_eq!(dev.wait_exit().code(), Some(130), "{}", dev.said());
    kill_process(host, Signal::CONT).unwrap();
    let address = url.strip_prefix("http://").unwrap().to_owned();
    eventually("the host is gone", || std::net::TcpStream::connect(&address).is_err().then_some(()));
}

/// A project whose build copies `in.wasm`.
fn copying_project(folder: &Path, guest: Guest) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(guest.path(), folder.join("in.wasm")).unwrap();
    let manifest = "name = \"hello\"\nbuild = [\"cp\", \"in.wasm\", \"out.wasm\"]\nwasm = \"out.wasm\"\n";
    std::fs::write(folder.join("handler.toml"), manifest).unwrap();
}

#[test]
fn a_folder_that_goes_and_comes_back_is_built_again() {
    let (host, home) = (TestHost::start(), tempfile::tempdir().unwrap());
    let above = home.path().join("above");
    let folder = above.join("project");
    copying_project(&folder, Guest::Hello);
    let mut dev = Running::start(&["dev", ".", "--url", host.url()], &[], &folder);
    dev.wait_said("watching for changes");
    for (round, (guest, gone)) in
        [(Guest::Cat, &folder), (Guest::Hello, &above), (Guest::Cat, &folder)].into_iter().enumerate()
    {
        std::fs::remove_dir_all(gone).unwrap();
        let said = dev.wait_said_times("is gone; once it is there again", round + 1);
        assert!(said.contains("stays active") && !said.contains("Cargo.toml"), "{said}");
        copying_project(&folder, guest);
        dev.wait_said_times("deployed hello", round + 2);
    }
    // One that comes back before anybody looks is another one all the same.
    std::fs::rename(&folder, above.join("old")).unwrap();
    copying_project(&folder, Guest::Hello);
    dev.wait_said_times("deployed hello", 5);
    std::fs::copy(Guest::Cat.path(), folder.join("in.wasm")).unwrap();
    dev.wait_said_times("deployed hello", 6);
    assert!(dev.terminate().success());
}

#[test]
fn its_own_host_begins_anew_where_its_data_went_with_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("project");
    copying_project(&folder, Guest::Hello);
    let mut dev = Running::start(&["dev", "--own-host"], &[], &folder);
    let url = own_url(&dev.wait_said("watching for changes"));
    std::fs::remove_dir_all(&folder).unwrap();
    dev.wait_said("is gone; once it is there again");
    copying_project(&folder, Guest::Hello);
    let said = dev.wait_said_times("deployed hello", 2);
    assert!(said.contains("it starts anew"), "{said}");
    let args = ["enqueue", "hello", r#"{"name":"Ada"}"#, "--wait", "--url", &url];
    assert!(run_stoker(&args, &[], home.path(), b"").expect_success().contains("Hello, Ada!"));
    assert!(dev.terminate().success(), "{}", dev.said());
    let address = url.strip_prefix("http://").unwrap().to_owned();
    eventually("the host is gone", || std::net::TcpStream::connect(&address).is_err().then_some(()));
}

#[test]
fn too_many_files_are_told_once() {
    let (host, home) = (TestHost::start(), tempfile::tempdir().unwrap());
    copying_project(home.path(), Guest::Hello);
    let many = home.path().join("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..10_001 {
        std::fs::File::create(many.join(number.to_string())).unwrap();
    }
    // What is looked at first must be seen to change.
    let manifest = std::fs::read_to_string(home.path().join("handler.toml")).unwrap();
    std::fs::write(home.path().join("handler.toml"), manifest + "watch = [\"in.wasm\", \"many\"]\n").unwrap();
    let mut dev = Running::start(&["dev", ".", "--url", host.url()], &[], home.path());
    dev.wait_said("watching for changes");
    for (round, guest) in [Guest::Cat, Guest::Hello].into_iter().enumerate() {
        std::fs::copy(guest.path(), home.path().join("in.wasm")).unwrap();
        dev.wait_said_times("deployed hello", round + 2);
    }
    assert!(dev.terminate().success());
    assert_eq!(dev.said().matches("too many files").count(), 1, "{}", dev.said());
}

#[test]
fn a_file_named_by_its_name_alone_is_watched() {
    let (host, home) = (TestHost::start(), tempfile::tempdir().unwrap());
    std::fs::copy(Guest::Hello.path(), home.path().join("m.wasm")).unwrap();
    let mut dev = Running::start(&["dev", "m.wasm", "--url", host.url()], &[], home.path());
    dev.wait_said("watching for changes");
    std::fs::copy(Guest::Cat.path(), home.path().join("m.wasm")).unwrap();
    dev.wait_said_times("deployed m", 2);
    assert!(dev.terminate().success());
}
