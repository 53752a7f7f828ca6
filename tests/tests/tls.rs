//! TLS: what is spoken, that a changed certificate is used, that a bad one is refused, and that half a handshake is not waited for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use stoker_tests::{HostBuilder, TestHost, cookie_of, eventually, log_in, run_stoker, workspace_root};

const ADMIN_KEY: &str = "the-admins-long-key";

fn certificates() -> PathBuf {
    workspace_root().join("tests/certificates")
}

/// Copies a certificate and its key to where the host looks for them.
fn put(name: &str, folder: &Path) {
    for ending in ["pem", "key"] {
        let copied = folder.join(format!("copy.{ending}"));
        std::fs::copy(certificates().join(format!("{name}.{ending}")), &copied).expect("a copy");
        std::fs::rename(copied, folder.join(format!("host.{ending}"))).expect("a rename");
    }
}

fn with_tls(folder: &Path) -> HostBuilder {
    TestHost::builder()
        .workers(0)
        .admin_key(ADMIN_KEY)
        .flag("--tls-cert", folder.join("host.pem").display())
        .flag("--tls-key", folder.join("host.key").display())
}

#[test]
fn requests_and_commands_go_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).start();
    assert!(host.url().starts_with("https://"), "{}", host.url());
    host.get("/v1/jobs").expect_status(200);
    let opened = log_in(&host, ADMIN_KEY).expect_status(303);
    assert!(opened.header("set-cookie").expect("a cookie").contains("; Secure"), "{opened}");
    host.with_key(None).request("GET", "/v1/jobs", &[("cookie", &cookie_of(&opened))], None).expect_status(200);

    let ca = certificates().join("ca.pem").display().to_string();
    let envs = [("STOKER_URL", host.url()), ("STOKER_KEY", ADMIN_KEY)];
    let keys = |more: &[&str]| run_stoker(&[&["keys", "list"], more].concat(), &envs, folder.path(), b"");
    keys(&["--ca-cert", &ca]).expect_success();
    // Not followed from what everybody trusts.
    keys(&[]).expect_failure(&["certificate"]);
    keys(&["--ca-cert", "nowhere.pem"]).expect_failure(&["--ca-cert", "nowhere.pem"]);
}

#[test]
fn a_changed_certificate_is_used_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).start();
    std::fs::write(folder.path().join("host.pem"), "no certificate").expect("a file");
    eventually("the bad one is noticed", || host.log().contains("the old one stays").then_some(()));
    host.api().get("/v1/jobs").expect_status(200);
    put("two", folder.path());
    eventually("the new one is noticed", || host.log().contains("read again").then_some(()));
    host.with_key(None).get("/health/live").expect_status(200);
}

#[test]
fn files_that_can_not_be_used_refuse_to_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |ending: &str| folder.path().join(format!("host.{ending}"));
    let refused = |said: &str| {
        let (status, log) = with_tls(folder.path()).try_start().expect_err("it can't speak TLS");
        assert!(!status.success() && log.contains(said), "{said}: {log}");
    };
    refused("tls_cert");
    put("one", folder.path());
    std::fs::write(file("pem"), "").expect("a file");
    refused("tls_cert");
    put("one", folder.path());
    std::fs::write(file("key"), "").expect("a file");
    refused("tls_key");
    put("one", folder.path());
    std::fs::copy(certificates().join("two.key"), file("key")).expect("a copy");
    refused("can't be used");
}

#[test]
fn who_does_not_shake_hands_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).flag("--request-head-timeout", "200ms").start();
    let mut silent = TcpStream::connect(host.authority()).expect("a connection");
    // The host closes it: nothing, or a reset.
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    host.get("/v1/jobs").expect_status(200);
}
