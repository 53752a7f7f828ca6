//! Guests built for earlier hosts, kept as binaries: they run on this one, unchanged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{TestHost, kept_guests};

#[test]
fn guests_of_earlier_hosts_still_run() {
    let kept = kept_guests();
    assert!(!kept.is_empty(), "no guest is kept in tests/guests/kept");
    for (name, wasm) in kept {
        let host = TestHost::start();
        let module = host.upload_bytes("kept", &wasm);
        let kinds = module["kinds"].to_string();
        println!("{name}: {kinds}");
        assert!(kinds.contains("hello"), "a kept guest this test has no input for: {name} serves {kinds}");
        let output = host.run_kind("hello", &json!({"name": "Ada"}));
        assert!(output["greeting"].as_str().is_some_and(|greeting| greeting.contains("Ada")), "{name}: {output}");
    }
}
