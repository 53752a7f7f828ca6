//! Other programs, with a deadline: fed, heard to their end, ended when they take too long.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a program did.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Why nothing is known about it.
#[derive(Debug)]
pub(super) enum ProcessError {
    /// It did not start.
    Start(std::io::Error),
    /// It was ended.
    Late(Duration),
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command, input: &str, time_max: Duration) -> Result<Ended, ProcessError> {
    let deadline = Instant::now() + time_max;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(ProcessError::Start)?;
    let stdout = heard(child.stdout.take());
    let stderr = heard(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // Who ends without reading it all breaks the pipe, and says why on the other side.
        std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    }
    let until = |child: &mut Child, said: &Receiver<String>| match said
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        Ok(text) => Ok(text),
        Err(RecvTimeoutError::Disconnected) => Ok(String::new()),
        Err(RecvTimeoutError::Timeout) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(ProcessError::Late(time_max))
        }
    };
    let stdout = until(&mut child, &stdout)?;
    let stderr = until(&mut child, &stderr)?;
    let status = child.wait().map_err(ProcessError::Start)?;
    Ok(Ended { status, stdout, stderr })
}

fn heard(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(mut stream) = stream {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    receiver
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_fed_and_heard() {
        let ended = run(Command::new("sh").args(["-c", "cat; echo no >&2; exit 3"]), "yes", Duration::from_mins(1));
        let Ended { status, stdout, stderr } = ended.unwrap();
        assert_eq!((status.code(), stdout.as_str(), stderr.as_str()), (Some(3), "yes", "no\n"));
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let late = run(Command::new("sleep").arg("60"), "", Duration::from_millis(10));
        assert!(matches!(late, Err(ProcessError::Late(_))));
        assert!(matches!(run(&mut Command::new("/no/such"), "", Duration::ZERO), Err(ProcessError::Start(_))));
    }
}
