//! A host started for as long as `dev` runs: this program's own `serve` as a child process. It ends when the pipe to
//! its standard input closes, and that closes when this process ends, however it does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;

use super::kept::{data_dir, prepare};
use super::signals::Signal;
use crate::cli::run_cache::{RunCache, open_cache};

/// What a host writes when it accepts connections.
const LISTENING: &str = "listening on http://";
/// How long running attempts may go on when it is stopped.
const GRACE: &str = "2s";
/// Longest time a host may take to listen, and to end.
const START_MS_MAX: u64 = 60_000;
const STOP_MS_MAX: u64 = 30_000;
/// Pause between two looks whether it has ended.
const STOP_LOOK_MS: u64 = 20;
/// Last lines of its log quoted when it fails.
const LOG_LINES_QUOTED_MAX: usize = 12;

/// The running child.
pub(super) struct OwnHost {
    child: Child,
    log: PathBuf,
    last_lines: Arc<Mutex<Vec<String>>>,
    /// Its end is no news any more.
    is_stopped: Arc<AtomicBool>,
    /// May go with this process.
    _artifacts: RunCache,
}

impl OwnHost {
    /// Starts one at `listen`, with its data below the project's folder. Its end is signalled.
    pub(super) fn start(project: &Path, listen: &str, signals: &Sender<Signal>) -> anyhow::Result<OwnHost> {
        let (mut log_file, log) = prepare(project)?;
        // Compiled modules are native code, and what lies in a project may be anybody's.
        let artifacts = open_cache()?;
        let program = std::env::current_exe().context("cannot find this program, to start a host with it")?;
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "--until-stdin-closes",
                "--of-jobs-only",
                "--listen",
                listen,
                "--shutdown-grace",
                GRACE,
                "--log-format",
                "text",
                // Where it listens is read from there.
                "--log",
                "info",
            ])
            .arg("--data-dir")
            .arg(data_dir(project))
            .arg("--shared-artifacts")
            .arg(artifacts.path())
            // Secrets meant for another host: this one has no use for them.
            .env_remove("STOKER_ADMIN_KEY")
            .env_remove("STOKER_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for this process alone, which then ends the host in order.
            .process_group(0);
        if std::env::current_dir().is_err() {
            // The one this was started in has gone, and another may have come in its place.
            command.current_dir(project);
        }
        let mut child = command.spawn().context("cannot start a host")?;
        let stderr = child.stderr.take().context("the host's log can't be read")?;
        let last_lines = Arc::new(Mutex::new(Vec::new()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (kept, signals, is_expected) = (Arc::clone(&last_lines), signals.clone(), Arc::clone(&is_stopped));
        std::thread::Builder::new().name("host-log".to_owned()).spawn(move || {
            for written in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _disk_full = writeln!(log_file, "{written}");
                if let Some(url) = listening_url(&written) {
                    let _nobody_waits = signals.send(Signal::HostListens(url));
                }
                let mut kept = kept.lock();
                if kept.len() == LOG_LINES_QUOTED_MAX {
                    kept.remove(0);
                }
                kept.push(written);
            }
            if !is_expected.load(Ordering::Acquire) {
                let _nobody_waits = signals.send(Signal::HostEnded);
            }
        })?;
        Ok(OwnHost { child, log, last_lines, is_stopped, _artifacts: artifacts })
    }

    /// Waits until it listens; its address, or `None` when somebody wants everything to end meanwhile.
    pub(super) fn wait_listening(&self, signals: &Receiver<Signal>) -> anyhow::Result<Option<String>> {
        let deadline = Instant::now() + Duration::from_millis(START_MS_MAX);
        loop {
            match signals.recv_deadline(deadline) {
                Ok(Signal::HostListens(url)) => return Ok(Some(url)),
                Ok(Signal::Stop) => return Ok(None),
                Ok(Signal::HostEnded) => return Err(self.ended()),
                Ok(Signal::Touched) => {}
                Err(_) => bail!("the host does not come to listen; its log is {}", self.log.display()),
            }
        }
    }

    /// The file its log goes to.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// It has ended by itself: the error that says so, with what it said last.
    pub(super) fn ended(&self) -> anyhow::Error {
        let said = self.last_lines.lock().join("\n");
        anyhow::anyhow!("the host has ended; its log is {}, and its last lines are:\n{said}", self.log.display())
    }

    /// Stops it in order and waits for its end.
    pub(super) fn stop(mut self) {
        self.is_stopped.store(true, Ordering::Release);
        // The pipe closes: that asks it to end.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_millis(STOP_MS_MAX);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(STOP_LOOK_MS));
        }
    }
}

impl Drop for OwnHost {
    /// Whatever went wrong, no host stays behind. One that has ended can't be killed, and is only cleared away.
    fn drop(&mut self) {
        let _has_ended = self.child.kill();
        let _is_gone = self.child.wait();
    }
}

/// The address in a line of the log.
fn listening_url(line: &str) -> Option<String> {
    let (_, address) = line.split_once(LISTENING)?;
    let end = address.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(address.len());
    Some(format!("http://{}", &address[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        assert_eq!(listening_url("INFO stoker starts"), None);
        let line = "2026-11-21T09:00:00Z  INFO stoker::app: listening on http://127.0.0.1:40123";
        assert_eq!(listening_url(line).as_deref(), Some("http://127.0.0.1:40123"));
    }
}
