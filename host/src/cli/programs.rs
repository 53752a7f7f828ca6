//! Other programs asked for their version: bounded in time and output, none is trusted to answer.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that says nothing for so long is taken for broken.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(10);
/// Read of what it says, bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 10;

/// What the program prints, if it is there, ends in time and succeeds.
pub(super) fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let began = Instant::now();
    let succeeded = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if began.elapsed() < ANSWER_TIME_MAX => std::thread::sleep(LOOK_PERIOD),
            Ok(None) | Err(_) => {
                let _gone_already = child.kill();
                let _reaped = child.wait();
                break false;
            }
        }
    };
    let mut said = String::new();
    let stdout = child.stdout.take().filter(|_| succeeded)?;
    stdout.take(ANSWER_BYTES_MAX).read_to_string(&mut said).ok()?;
    Some(said.trim().to_owned())
}

/// The first two numbers of a version, wherever it stands in the text: `go version go1.24.3 linux/amd64` is 1.24.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let mut starts = text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| &text[at..]);
    starts.find_map(|rest| {
        let (major, rest) = rest.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_sentences() {
        for (text, found) in [
            ("rustc 1.95.0 (abc 2026-01-01)", Some((1, 95))),
            ("go version go1.24.3 linux/amd64", Some((1, 24))),
            ("Debian clang version 14.0.6", Some((14, 0))),
            ("0.16.0", Some((0, 16))),
            ("no number", None),
        ] {
            assert_eq!(version(text), found, "{text}");
        }
    }

    #[test]
    fn what_is_not_there_or_fails_says_nothing() {
        assert_eq!(ask("no-such-program-anywhere", &[]), None);
        assert_eq!(ask("sh", &["-c", "echo x; exit 1"]), None);
        assert_eq!(ask("sh", &["-c", "echo 1.2"]).as_deref(), Some("1.2"));
    }
}
