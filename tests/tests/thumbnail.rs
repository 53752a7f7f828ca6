//! Real input: a photo goes in, a picture comes out, with a receipt whose numbers are plausible.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, state_of, workspace_root};

/// Width and height as the head of a PNG file says them.
fn png_size(file: &[u8]) -> (u32, u32) {
    assert!(file.starts_with(b"\x89PNG\r\n\x1a\n"), "not a PNG file");
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn a_photo_becomes_a_thumbnail() {
    let host = TestHost::start();
    host.upload(Guest::Thumbnail);
    let photo = std::fs::read(workspace_root().join("jobs/thumbnail/landscape.jpg")).expect("the example's photo");
    let payload = json!({"image": STANDARD.encode(&photo), "max_width": 64, "max_height": 64, "format": "png"});
    let job = host.run(&json!({"kind": "thumbnail", "payload": payload}));
    assert_eq!(state_of(&job), "succeeded", "{}", job["error"]);
    let output = &job["output"];
    let file = STANDARD.decode(output["image"].as_str().unwrap()).unwrap();
    let (width, height) = png_size(&file);
    assert_eq!((json!(width), json!(height)), (output["width"].clone(), output["height"].clone()));
    assert_eq!(width.max(height), 64);
    let original = |side: &str| output[format!("original_{side}")].as_u64().unwrap();
    // The shorter side, by the rule of three; a pixel either way is rounding.
    let (longer, shorter) = (original("width").max(original("height")), original("width").min(original("height")));
    let expected = 64 * shorter / longer;
    assert!(u64::from(width.min(height)).abs_diff(expected) <= 1, "{width} × {height} of {longer} × {shorter}");
    assert_eq!(job["progress"]["done"], job["progress"]["total"], "{}", job["progress"]);

    let receipt = &job["receipt"];
    let number = |field: &str| receipt[field].as_u64().unwrap();
    let pixels = longer * shorter;
    assert!(number("fuel_used") > pixels, "{receipt:#}");
    assert!(number("memory_peak_bytes") > 3 * pixels && number("memory_peak_bytes") <= 256 << 20, "{receipt:#}");
    assert!(number("output_bytes") > file.len() as u64, "{receipt:#}");
    assert!(number("run_us") > 100, "{receipt:#}");
}

#[test]
fn what_is_no_picture_fails_for_good_with_a_sentence() {
    let host = TestHost::start();
    host.upload(Guest::Thumbnail);
    for image in ["not base64 !!!", &STANDARD.encode("not a picture"), ""] {
        let job = host.run(&json!({"kind": "thumbnail", "payload": {"image": image}}));
        assert_eq!((state_of(&job), &job["attempt"]), ("failed", &json!(1)), "{job:#}");
        assert!(job["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{job:#}");
    }
    let wrong: Value = json!({"kind": "thumbnail", "payload": {"image": "aGk=", "max_width": 0}});
    host.post("/v1/jobs", &wrong).expect_problem_saying(422, &["max_width"]);
}
