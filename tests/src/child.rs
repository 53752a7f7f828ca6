//! The `stoker` binary as a child process: where it is, how it is started, what it wrote, how it is ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{eventually, eventually_within};

/// What the host writes when it accepts connections.
const LISTENING: &str = "listening on http";
/// Lines of the host's log shown when a test fails.
const LOG_LINES_SHOWN: usize = 60;

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate lies in the workspace").to_owned()
}

/// The target directory this test was built into.
pub(crate) fn target_dir() -> PathBuf {
    // target/debug/deps/some_test-0123456789abcdef
    let executable = std::env::current_exe().expect("a test has a path");
    executable.ancestors().nth(3).expect("a test lies in target/PROFILE/deps").to_owned()
}

/// The binary under test: `STOKER_BIN`, or the one built beside this test.
pub fn stoker_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("STOKER_BIN") {
        return PathBuf::from(path);
    }
    let executable = std::env::current_exe().expect("a test has a path");
    let profile_dir = executable.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let binary = profile_dir.join("stoker");
    assert!(binary.is_file(), "{} is missing: run `cargo xtask test`, or set STOKER_BIN", binary.display());
    binary
}

/// A command of the binary that sees no `STOKER_*` of the environment and no `stoker.toml` of the project.
fn command(args: &[String], envs: &[(String, String)], current_dir: &Path) -> Command {
    let mut command = Command::new(stoker_binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STOKER_") {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(current_dir).stdin(Stdio::null()).env("NO_COLOR", "1");
    command.envs(envs.iter().map(|(name, value)| (name, value)));
    command
}

/// What the system allows a host of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SystemLimits {
    pub(crate) address_space_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
}

/// The same command under limits of the system. The shell becomes the command: the process id is its own.
fn within(limits: SystemLimits, command: &Command) -> Command {
    let address_space = limits.address_space_bytes.map(|bytes| format!("ulimit -v {} && ", bytes >> 10));
    let open_files = limits.open_files.map(|files| format!("ulimit -n {files} && "));
    let script = [address_space, open_files].into_iter().flatten().collect::<String>() + r#"exec "$0" "$@""#;
    let mut limited = Command::new("sh");
    limited.args(["-c", &script]);
    limited.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    limited
}

/// A command that has ended.
#[derive(Debug)]
pub struct Exited {
    /// How.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote.
    pub stderr: String,
}

impl Exited {
    /// Must have exited with 0; gives standard output.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.status.success(), "{:?}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        self.stdout
    }

    /// Must have exited with another code than 0, saying all of `words` on standard error; gives that.
    #[track_caller]
    pub fn expect_failure(self, words: &[&str]) -> String {
        assert!(self.status.code().is_some_and(|code| code != 0), "{:?}\n{}{}", self.status, self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            let said = self.stderr.to_lowercase().contains(&word.to_lowercase());
            assert!(said, "standard error does not say `{word}`:\n{}", self.stderr);
        }
        self.stderr
    }
}

/// Runs one command of the binary to its end, `stdin` as its input.
pub fn run_stoker(args: &[&str], envs: &[(&str, &str)], current_dir: &Path, stdin: &[u8]) -> Exited {
    use std::io::Write;
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let envs: Vec<_> = envs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut child = command(&args, &envs, current_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input is free not to.
        let _ = input.write_all(stdin);
    }
    let output = child.wait_with_output().expect("the binary ends");
    Exited {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running host. Killed, by its id, when dropped.
#[derive(Debug)]
pub(crate) struct HostChild {
    child: Child,
    log: PathBuf,
}

impl HostChild {
    /// Starts `stoker ARGS`, everything it writes going to the file `log`.
    /// Within `limits`.
    pub(crate) fn spawn(
        args: &[String],
        envs: &[(String, String)],
        current_dir: &Path,
        log: PathBuf,
        limits: SystemLimits,
    ) -> Self {
        let out = File::create(&log).expect("a log file");
        let err = out.try_clone().expect("a second handle");
        let mut command = command(args, envs, current_dir);
        if limits != SystemLimits::default() {
            command = within(limits, &command);
        }
        let child = command.stdout(out).stderr(err).spawn().expect("the binary starts");
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything written so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of it.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Waits until it listens; gives the URL, or how it ended instead.
    #[track_caller]
    pub(crate) fn wait_listening(&mut self) -> Result<String, ExitStatus> {
        eventually("the host listens", || {
            if let Some(url) = listening_url(&self.log()) {
                return Some(Ok(url));
            }
            self.child.try_wait().expect("a child can be asked").map(Err)
        })
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        eventually_within(deadline, "the host ends", || self.child.try_wait().expect("a child can be asked"))
    }

    /// `true` while it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has an id");
        kill_process(pid, signal).expect("the host can be signalled");
    }
}

impl Drop for HostChild {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The address in the host's log, once it is whole.
fn listening_url(log: &str) -> Option<String> {
    let after = log.split(LISTENING).nth(1)?;
    let (scheme, after) = match after.strip_prefix("s://") {
        Some(after) => ("https", after),
        None => ("http", after.strip_prefix("://")?),
    };
    let end = after.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    Some(format!("{scheme}://{}", after[..end].trim_end_matches(['.', ':'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_it_is_whole() {
        assert_eq!(listening_url("starting\n"), None);
        assert_eq!(listening_url("INFO listening on http://127.0.0.1:40"), None);
        let log = "a\nINFO stoker::app: listening on http://127.0.0.1:40123 workers=2\n";
        assert_eq!(listening_url(log).as_deref(), Some("http://127.0.0.1:40123"));
        let log = "a\nINFO stoker::app: listening on https://127.0.0.1:40123\n";
        assert_eq!(listening_url(log).as_deref(), Some("https://127.0.0.1:40123"));
        let log = "{\"message\":\"listening on http://127.0.0.1:7700\"}\n";
        assert_eq!(listening_url(log).as_deref(), Some("http://127.0.0.1:7700"));
    }
}
