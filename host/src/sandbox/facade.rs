//! What the rest of the host sees of the sandbox.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::job::{
    AttemptContext, Clock, CompiledFrom, Digest, ExitFailure, FailureReason, GuestType, KindDescription, Limits,
    LogLine, Outcome, Progress, Receipt, StdinFormat, StdoutFormat, Timestamp,
};

/// How the sandbox is set up.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled artifacts are cached.
    pub artifact_dir: PathBuf,
    /// Concurrent instances: slots of the host plus one for `describe`.
    pub instances_max: u32,
    /// Most memory any instance may get, bytes (the ceiling of the limits).
    pub memory_bytes_max: u64,
    /// Threads guests run on.
    pub guest_threads: usize,
    /// Compiled modules kept in memory.
    pub cached_modules_max: usize,
    /// Limits of the compiling child process.
    pub compile_timeout: Duration,
    /// Its memory, bytes.
    pub compile_memory_bytes: u64,
}

/// The host's own fault; nothing the guest did.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine could not be made.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// The compiled module could not be had.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module's bytes are not in the store.
    #[error("the bytes of {0} are not in the store")]
    Missing(Digest),
    /// The pool is exhausted or the system refused memory.
    #[error("cannot instantiate: {0}")]
    Instantiate(String),
}

/// Why a module could not be compiled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler refused it.
    #[error("the module does not compile: {0}")]
    Refused(String),
    /// Ran past the time limit.
    #[error("compiling took longer than {0:?}")]
    TimedOut(Duration),
    /// Ran past the memory limit.
    #[error("compiling needed more than {0} bytes of memory")]
    OutOfMemory(u64),
    /// The child process could not be run, or died in another way.
    #[error("the compiler process failed: {0}")]
    Process(String),
}

/// Where the bytes of a module come from when its artifact must be made anew. Implemented over the store.
pub trait ArtifactSource: Send + Sync + 'static {
    /// The module's bytes.
    fn wasm(&self, digest: Digest) -> std::pin::Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>>;
}

/// A compiled module, pre-linked, ready to be instantiated. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guest {}

/// How a plain command is run.
#[derive(Clone, Debug, Default)]
pub struct PlainSettings {
    /// What standard input gets.
    pub stdin: StdinFormat,
    /// What standard output is.
    pub stdout: StdoutFormat,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Environment, beside the job's facts.
    pub env: Vec<(String, String)>,
    /// What other exit codes mean.
    pub exit_failure: ExitFailure,
}

/// One execution to be made.
#[derive(Debug)]
pub struct Invocation {
    /// Told to the guest.
    pub context: AttemptContext,
    /// JSON text.
    pub payload: Bytes,
    /// Hard limits.
    pub limits: Limits,
    /// Used by plain commands only.
    pub plain: PlainSettings,
    /// When the job became ready; queue wait counts from here.
    pub ready_at: Timestamp,
    /// Where the compiled module came from, for the receipt.
    pub compiled: CompiledFrom,
    /// Ends the execution from outside.
    pub interrupt: Interrupt,
    /// Where progress is reported.
    pub progress: ProgressCell,
    /// The kind's output schema, compiled; `None` accepts anything.
    pub output_schema: Option<Arc<jsonschema::Validator>>,
}

/// What an execution came to.
#[derive(Debug)]
pub struct Execution {
    /// What it ended in.
    pub outcome: Outcome,
    /// When the guest was entered.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it cost.
    pub receipt: Receipt,
    /// Log calls, stdout (handlers only) and stderr, in order.
    pub log: Vec<LogLine>,
    /// Lines dropped past the limit.
    pub log_lines_dropped: u64,
}

/// Asks one execution to end, with a reason (`cancelled`, `shutdown`, `host_lost` for a stale lease). Cheap to clone; first reason wins.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {}

#[allow(unused_variables, clippy::todo, missing_docs)]
impl Interrupt {
    pub fn raise(&self, reason: FailureReason) {
        todo!()
    }
    pub fn raised(&self) -> Option<FailureReason> {
        todo!()
    }
    /// Resolves once raised.
    pub async fn wait(&self) -> FailureReason {
        todo!()
    }
}

/// The latest progress a guest reported; read by the dispatcher, which writes it to the store now and then.
#[derive(Clone, Debug, Default)]
pub struct ProgressCell(Arc<parking_lot::Mutex<Option<Progress>>>);

impl ProgressCell {
    /// Replaces what was reported before.
    pub fn set(&self, progress: Progress) {
        *self.0.lock() = Some(progress);
    }
    /// What was reported last.
    pub fn get(&self) -> Option<Progress> {
        self.0.lock().clone()
    }
}

/// Why `describe` was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DescribeError {
    /// It trapped, timed out or ran into a limit.
    #[error("`describe` failed: {message}")]
    Failed {
        /// The reason word and message.
        message: String,
        /// Backtrace, stderr.
        detail: Option<String>,
    },
    /// It returned something impossible.
    #[error("`describe` returned something that cannot be registered: {0}")]
    Invalid(String),
    /// The host's own fault.
    #[error(transparent)]
    Host(#[from] SandboxError),
}

/// The engine, its ticker, guest threads and cache. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox {}

#[allow(unused_variables, clippy::todo, clippy::unused_async, missing_docs)]
impl Sandbox {
    pub fn new(
        options: &SandboxOptions,
        clock: Arc<dyn Clock>,
        source: Arc<dyn ArtifactSource>,
    ) -> Result<Sandbox, SandboxError> {
        todo!()
    }
    /// Starts the guest threads' work: a future that is polled on a guest thread, never on the API's.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        todo!()
    }
    /// From memory, else from disk, else compiled in the child process. Concurrent callers share one load.
    pub async fn guest(&self, digest: Digest, guest: GuestType) -> Result<(Guest, CompiledFrom), SandboxError> {
        todo!()
    }
    /// From memory only, at once.
    pub fn cached_guest(&self, digest: Digest) -> Option<Guest> {
        todo!()
    }
    /// Compiles at upload, in the child process, and caches the artifact. Returns the time it took.
    pub async fn compile(&self, digest: Digest, guest: GuestType, wasm: Bytes) -> Result<Duration, CompileError> {
        todo!()
    }
    /// Drops a module from memory and disk.
    pub fn forget(&self, digest: Digest) {
        todo!()
    }
    /// Calls `describe` with short limits; checks names, schemas and settings of what it returns.
    pub async fn describe(&self, digest: Digest) -> Result<Vec<KindDescription>, DescribeError> {
        todo!()
    }
    /// Runs one attempt to its end. Must be polled on a guest thread (`spawn`). `on_entry` is called right before the guest is entered.
    pub async fn run(
        &self,
        guest: &Guest,
        invocation: Invocation,
        on_entry: impl FnOnce() + Send,
    ) -> Result<Execution, SandboxError> {
        todo!()
    }
    /// Joins the guest threads once nothing runs any more. Blocking.
    pub fn close(&self) {
        todo!()
    }
}
