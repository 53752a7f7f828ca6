//! The examples in `jobs/`, as they are deployed: each with the settings of its `handler.toml`, on real input.
//! `thumbnail` has a file of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, project_settings, state_of, with_settings, workspace_root};

/// A host with the example as its `handler.toml` has it deployed. `None` where it is not built for want of a compiler.
fn host_with(guest: Guest, folder: &str) -> Option<TestHost> {
    let wasm = guest.wasm_if_compiled()?;
    let host = TestHost::start();
    host.upload_bytes(guest.module_name(), &with_settings(wasm, &project_settings(folder)));
    Some(host)
}

/// Rows of a shop: region by region in turn, amounts 1, 2, 3 …, prices in cents.
fn sales(rows: u32) -> String {
    let regions = ["north", "south", "\"west, far\""];
    let rows = (1..=rows).map(|n| format!("{},{n},{}.{:02}\n", regions[n as usize % 3], n % 50, n % 100));
    "region,amount,price\n".chars().chain(rows.flat_map(|row| row.chars().collect::<Vec<_>>())).collect()
}

#[test]
fn csv_report_adds_up_tens_of_thousands_of_rows() {
    const ROWS: u32 = 45_000;
    let host = TestHost::start();
    host.upload(Guest::CsvReport);
    let payload = json!({"csv": sales(ROWS), "group_by": ["region"], "sum": ["amount", "price"]});
    let job = host.run(&json!({"kind": "csv.report", "payload": payload}));
    assert_eq!(state_of(&job), "succeeded", "{}", job["error"]);
    let output = &job["output"];
    assert_eq!((&output["rows"], &output["skipped"]), (&json!(ROWS), &json!(0)));
    let groups = output["groups"].as_array().unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group["group"]["region"].as_str().unwrap()).collect();
    assert_eq!(names, ["north", "south", "west, far"]);
    for (first, group) in [3, 1, 2].into_iter().zip(groups) {
        let count = ROWS / 3;
        let sum: u32 = (0..count).map(|n| first + 3 * n).sum();
        assert_eq!(group["count"], json!(count), "{group:#}");
        assert_eq!(group["totals"]["amount"]["sum"].as_f64(), Some(f64::from(sum)), "{group:#}");
    }
    let cents: u64 = (1..=u64::from(ROWS)).map(|n| n % 50 * 100 + n % 100).sum();
    let prices: f64 = groups.iter().map(|group| group["totals"]["price"]["sum"].as_f64().unwrap()).sum();
    assert_eq!(format!("{prices:.2}"), format!("{}.{:02}", cents / 100, cents % 100));

    assert_eq!(job["progress"]["done"], job["progress"]["total"], "{}", job["progress"]);
    assert_eq!(job["progress"]["total"], json!(payload["csv"].as_str().unwrap().len()));
    // A report of progress and a look for a cancel every thousand rows, and a few more.
    let host_calls = job["receipt"]["host_calls"].as_u64().unwrap();
    assert!((90..200).contains(&host_calls), "{}", job["receipt"]);
}

#[test]
fn csv_report_names_the_bad_row_or_leaves_it_out() {
    let host = TestHost::start();
    host.upload(Guest::CsvReport);
    let csv = "a,n\nx,1\nx,one\nx\nx,2\n";
    let payload = json!({"csv": csv, "group_by": ["a"], "sum": ["n"]});
    let job = host.run(&json!({"kind": "csv.report", "payload": payload}));
    assert_eq!((state_of(&job), &job["attempt"]), ("failed", &json!(1)), "{job:#}");
    let message = job["error"]["message"].as_str().unwrap();
    assert!(message.contains("line 3") && message.contains("\"one\""), "{message}");

    let payload = json!({"csv": csv, "group_by": ["a"], "sum": ["n"], "bad_rows": "skip"});
    let output = host.run_kind("csv.report", &payload);
    assert_eq!((&output["rows"], &output["skipped"]), (&json!(2), &json!(2)), "{output:#}");
    assert_eq!(output["skipped_rows"][1]["line"], json!(4), "{output:#}");
    assert_eq!(output["groups"][0]["totals"]["n"]["mean"], json!(1.5), "{output:#}");

    let wrong = json!({"kind": "csv.report", "payload": {"csv": csv, "bad_rows": "ignore"}});
    host.post("/v1/jobs", &wrong).expect_problem_saying(422, &["bad_rows"]);
}

#[test]
fn a_trial_that_is_paid_in_time_stays_open() {
    let host = TestHost::start();
    host.upload(Guest::Trial);
    host.upload(Guest::Handlers);
    host.set_kind("trial", &json!({"grants": {"kv": ["accounts"], "events": ["trial.*"], "notify": true}}));
    host.set_kind("script", &json!({"grants": {"events": ["trial.*"]}}));
    let id = host.enqueue_kind("trial", &json!({"user": "ann", "days": 14}));
    let waiting = host.wait_until(&id, "waiting for its payment", |job| job["waiting"]["reason"] == "event");
    assert_eq!(waiting["steps"][0]["result"], json!(1), "{waiting:#}");
    let paid = json!({"do": "emit", "event": "trial.paid", "correlation": "ann", "data": 4_200});
    host.run_kind("script", &json!({"lines": [paid]}));
    let job = host.wait_for(&id, "succeeded");
    assert_eq!(job["output"], json!({"account": 1, "paid_cents": 4_200}));
    assert_eq!(host.get("/v1/kv/accounts/account%2F1").expect(200)["value"], "\"ann\"");
    let told = host.get("/v1/notifications?user=ann").expect(200);
    assert_eq!(told["items"][0]["level"], "success", "{told:#}");
}

#[test]
fn markdown_of_strangers_becomes_html_without_scripts() {
    let host = host_with(Guest::Markdown, "jobs/markdown").expect("Rust is always there");
    let html = host.run_kind("markdown", &json!("# Hi\n\n[a](javascript:b) <script>c</script>\n"));
    assert_eq!(html, json!("<h1>Hi</h1>\n<p><a href=\"#\">a</a> &lt;script&gt;c&lt;/script&gt;</p>\n"));

    host.set_kind("markdown", &json!({"args": ["--trusted"]}));
    let html = host.run_kind("markdown", &json!("[a](javascript:b)\n\n<hr class=\"x\">\n"));
    assert_eq!(html, json!("<p><a href=\"javascript:b\">a</a></p>\n<hr class=\"x\">\n"));

    host.set_kind("markdown", &json!({"args": ["--trust"]}));
    let job = host.run_failing("markdown", &json!("x"), "handler_error");
    assert!(job["error"]["message"].as_str().unwrap().contains("--trusted"), "{job:#}");
    assert_eq!(job["attempt"], json!(1), "the kind's settings are wrong: no attempt mends that");
}

#[test]
fn in_c_checksums_of_text_and_of_bytes() {
    let Some(host) = host_with(Guest::Checksum, "jobs/checksum-c") else { return };
    let sha256 = |job: &Value| job["sha256"].as_str().unwrap().to_owned();
    let output = host.run_kind("checksum", &json!("123456789"));
    assert_eq!((&output["bytes"], &output["crc32"]), (&json!(9), &json!("cbf43926")));
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(&host.run_kind("checksum", &json!("abc"))), abc);
    assert_eq!(host.run_kind("checksum", &json!(""))["bytes"], json!(0));
    // More than a piece at a time, in characters of more than a byte.
    let output = host.run_kind("checksum", &json!("ü".repeat(150_000)));
    assert_eq!(output["bytes"], json!(300_000));

    host.set_kind("checksum", &json!({"args": ["--base64"]}));
    assert_eq!(sha256(&host.run_kind("checksum", &json!(STANDARD.encode("abc")))), abc);
    // Pieces end in the middle of a group.
    let zeros = STANDARD.encode(vec![0; 200_000]);
    assert_eq!(host.run_kind("checksum", &json!(zeros))["crc32"], json!("5ce0587b"));
    for bad in ["a", "YW!j", "YQ==YQ=="] {
        let job = host.run_failing("checksum", &json!(bad), "handler_error");
        assert_eq!(job["attempt"], json!(1), "{job:#}");
        let message = job["error"]["message"].as_str().unwrap();
        assert!(message.contains("code 65") && message.contains("not base64"), "{message}");
    }
}

#[test]
fn in_c_the_examples_own_test_passes() {
    let output = Command::new("sh").arg(workspace_root().join("jobs/checksum-c/test.sh")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("all checksums are right"), "{said}");
}

#[test]
fn in_go_words_are_counted() {
    let Some(host) = host_with(Guest::Words, "jobs/words-go") else { return };
    host.set_kind("words", &json!({"args": ["-top", "3"]}));
    let cases = std::fs::read_to_string(workspace_root().join("jobs/words-go/testdata/cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        assert_eq!(host.run_kind("words", &case["text"]), case["counted"], "{case:#}");
    }
    host.set_kind("words", &json!({"args": ["-top", "many"]}));
    let job = host.run_failing("words", &json!("a"), "handler_error");
    assert!(job["error"]["detail"].as_str().unwrap().contains("invalid value \"many\""), "{job:#}");
}
