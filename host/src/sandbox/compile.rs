//! Compiling, from the host's side: starts the compiling process, watches its time and memory, kills it when it runs
//! past them or when nobody waits any more.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::artifacts::TEMPORARY_PREFIX;
use super::compile_child::{self, ChildLimits, MALFORMED, Malformed, NO_ROOM, REFUSED, SUBCOMMAND, Task, is_no_room};
use super::engine::AddressSpace;
use super::guest::TrustedArtifact;
use super::model::{CompileError, CompilerProcess, SandboxOptions};
use crate::job::{GuestType, cut};

/// How often the process is looked at. Memory cannot grow by much in between.
const WATCH_PERIOD_MS: u64 = 5;
/// Largest artifact. Native code is a few times the size of wasm, of which there can be 64 MiB.
const ARTIFACT_BYTES_MAX: u64 = 1 << 30;
/// Read of what the compiler says.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Compiler {
    process: CompilerProcess,
    space: AddressSpace,
    directory: PathBuf,
    timeout: Duration,
    memory_bytes: u64,
}

impl Compiler {
    /// Compiles for the engine that has this address space.
    pub(super) fn new(options: &SandboxOptions, space: AddressSpace) -> Self {
        Self {
            space,
            process: options.compiler.clone(),
            directory: options.artifact_dir.clone(),
            timeout: options.compile_timeout,
            memory_bytes: options.compile_memory_bytes,
        }
    }

    /// Native code for the module. Dropping the future kills the process.
    pub(super) async fn compile(&self, guest: GuestType, wasm: Bytes) -> Result<TrustedArtifact, CompileError> {
        let space = self.space;
        let artifact = match &self.process {
            CompilerProcess::InProcess => {
                blocking(move || compile_child::compile(space, guest, &wasm).map_err(CompileError::Refused)).await
            }
            _ => self.run(Task::Compile(guest), wasm).await,
        };
        artifact.map(TrustedArtifact::vouch)
    }

    /// Whether the bytes are WebAssembly at all. As hostile modules can make validating take minutes, it has the bounds
    /// that compiling has. Dropping the future kills the process.
    pub(super) async fn validate(&self, wasm: Bytes) -> Result<(), CompileError> {
        match &self.process {
            CompilerProcess::InProcess => blocking(move || compile_child::validate(&wasm).map_err(Into::into)).await,
            _ => self.run(Task::Validate, wasm).await.map(|_| ()),
        }
    }

    /// What the process wrote.
    async fn run(&self, task: Task, wasm: Bytes) -> Result<Vec<u8>, CompileError> {
        let space = self.space;
        let executable = match &self.process {
            CompilerProcess::CurrentExe | CompilerProcess::InProcess => {
                std::env::current_exe().map_err(|error| failed(&error))?
            }
            CompilerProcess::Path(path) => path.clone(),
        };
        let limits = ChildLimits {
            memory_bytes: self.memory_bytes,
            cpu_seconds: cpu_seconds(self.timeout),
            artifact_bytes: ARTIFACT_BYTES_MAX,
        };
        let directory = self.directory.clone();
        let mut run = blocking(move || {
            Run::start(&executable, &directory, limits.to_arguments(space, task), &wasm).map_err(|error| failed(&error))
        })
        .await?;
        let status = self.watch(&mut run).await?;
        blocking(move || run.conclude(status, limits)).await
    }

    async fn watch(&self, run: &mut Run) -> Result<ExitStatus, CompileError> {
        let started = Instant::now();
        let mut period = tokio::time::interval(Duration::from_millis(WATCH_PERIOD_MS));
        period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            if let Some(status) = run.child.try_wait().map_err(|error| failed(&error))? {
                return Ok(status);
            }
            if started.elapsed() > self.timeout {
                return Err(CompileError::TimedOut(self.timeout));
            }
            if resident_bytes(run.child.id()).is_some_and(|bytes| bytes > self.memory_bytes) {
                return Err(CompileError::OutOfMemory(self.memory_bytes));
            }
        }
    }
}

/// A backstop for when the parent cannot watch: processor time is spent on all cores at once, so the parent's clock is
/// past its limit first.
fn cpu_seconds(timeout: Duration) -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| u64::try_from(cores.get()).unwrap_or(1));
    timeout.as_secs().saturating_add(1).saturating_mul(cores)
}

/// One run of the process, with the files it works on. Killed when dropped.
struct Run {
    child: Child,
    artifact: NamedTempFile,
    messages: NamedTempFile,
}

impl Run {
    fn start(executable: &Path, directory: &Path, arguments: [String; 5], wasm: &[u8]) -> io::Result<Run> {
        let temporary = || tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(directory);
        let mut input = temporary()?;
        input.write_all(wasm)?;
        let mut input = input.into_file();
        input.rewind()?;
        let (artifact, messages) = (temporary()?, temporary()?);
        let child = Command::new(executable)
            .arg(SUBCOMMAND)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(artifact.reopen()?))
            .stderr(Stdio::from(messages.reopen()?))
            .spawn()?;
        Ok(Run { child, artifact, messages })
    }

    fn conclude(self, status: ExitStatus, limits: ChildLimits) -> Result<Vec<u8>, CompileError> {
        if status.success() {
            let mut artifact = Vec::new();
            let mut file = self.artifact.as_file();
            return file
                .rewind()
                .and_then(|()| file.read_to_end(&mut artifact))
                .map(|_| artifact)
                .map_err(|error| failed(&error));
        }
        let message = first_bytes(self.messages.as_file());
        if status.code() == Some(i32::from(REFUSED)) {
            return Err(CompileError::Refused(message));
        }
        if status.code() == Some(i32::from(MALFORMED))
            && let Some(malformed) = Malformed::from_text(&message)
        {
            return Err(malformed.into());
        }
        if status.code() == Some(i32::from(NO_ROOM)) {
            return Err(CompileError::NoRoom(message));
        }
        if message.contains("memory allocation of") {
            return Err(CompileError::OutOfMemory(limits.memory_bytes));
        }
        let separator = if message.is_empty() { "" } else { ": " };
        let said = format!("{status}{separator}{message}");
        match died_of(status) {
            Death::TooLarge => Err(CompileError::TooLarge(limits.artifact_bytes)),
            Death::Module => Err(CompileError::Crashed(said)),
            Death::Host => Err(CompileError::Process(said)),
        }
    }
}

/// What a compiling process that did not end by itself died of.
enum Death {
    /// The artifact ran past its bound.
    TooLarge,
    /// The module: a fault or a panic of the compiler's.
    Module,
    /// Something else: killed from outside, not started properly.
    Host,
}

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

#[cfg(unix)]
fn died_of(status: ExitStatus) -> Death {
    use std::os::unix::process::ExitStatusExt;
    let is = |signal: rustix::process::Signal| status.signal() == Some(signal.as_raw());
    if is(rustix::process::Signal::XFSZ) {
        Death::TooLarge
    } else if is(rustix::process::Signal::KILL) || is(rustix::process::Signal::TERM) || is(rustix::process::Signal::INT)
    {
        Death::Host
    } else if status.signal().is_some() || status.code() == Some(PANICKED) {
        Death::Module
    } else {
        Death::Host
    }
}

#[cfg(not(unix))]
fn died_of(status: ExitStatus) -> Death {
    if status.code() == Some(PANICKED) { Death::Module } else { Death::Host }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Both fail only when the process has already been waited for.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn first_bytes(mut file: &File) -> String {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX);
    // What cannot be read is not there to be shown.
    let _unreadable = file.rewind().and_then(|()| file.take(limit).read_to_end(&mut bytes));
    cut(String::from_utf8_lossy(&bytes).trim().to_owned(), MESSAGE_BYTES_MAX)
}

#[cfg(target_os = "linux")]
fn resident_bytes(process: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(u64::try_from(rustix::param::page_size()).ok()?))
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes(_process: u32) -> Option<u64> {
    None
}

impl From<Malformed> for CompileError {
    fn from(Malformed { offset, message }: Malformed) -> Self {
        CompileError::Malformed { offset, message }
    }
}

fn failed(error: &io::Error) -> CompileError {
    if is_no_room(error) { CompileError::NoRoom(error.to_string()) } else { CompileError::Process(error.to_string()) }
}

/// Work that would hold up other tasks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CompileError> + Send + 'static,
) -> Result<T, CompileError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(CompileError::Process(format!("the host failed while compiling: {error}"))),
    }
}
