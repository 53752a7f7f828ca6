//! The values that go in and out of the sandbox. Holds no engine types, so that the rest of the host can use them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::artifact_use::ArtifactUse;
use super::instances::Instance;
use super::interrupt::{Interrupt, ProgressCell};
use super::state::AttemptState;
use crate::job::database::{DatabaseStep, RecordedStep, Script, SqlRows, SqlValue};
use crate::job::{
    AttemptContext, BucketName, CompiledFrom, DatabaseError, DatabaseName, Digest, Effect, EgressOptions, ExitFailure,
    Grants, JobId, JobState, KvChange, KvChanged, KvKey, KvValue, Limits, LogLine, Mailbox, Outcome, ParentOutput,
    Receipt, SecretName, Span, StdinFormat, StdoutFormat, Step, StepName, Timestamp,
};
use crate::schema::SharedSchema;
use crate::secrets::SecretValue;

/// Modules that describe themselves at once; further ones wait.
pub const DESCRIBES_MAX: u32 = 2;

/// How the sandbox is set up.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled artifacts are cached.
    pub artifact_dir: PathBuf,
    /// Who uses that directory.
    pub artifact_use: ArtifactUse,
    /// Concurrent instances: slots of the host plus [`DESCRIBES_MAX`]. Further ones wait, at no cost.
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
    /// Where compiling happens.
    pub compiler: CompilerProcess,
    /// How requests leave this host.
    pub egress: EgressOptions,
    /// Whom mail is from that names no sender.
    pub mail_sender: Option<Arc<Mailbox>>,
}

/// Where modules are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CompilerProcess {
    /// In a child process of this executable, started with `compile-child`: killable, limited. What a host uses.
    #[default]
    CurrentExe,
    /// In a child process of another executable that answers to `compile-child` (tests).
    Path(PathBuf),
    /// In this process, without memory or time limits: for unit tests and the bench.
    InProcess,
}

/// The host's own fault; nothing the guest did.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine could not be made.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// The way out for requests could not be set up.
    #[error("cannot set up requests of handlers: {0}")]
    Egress(String),
    /// The compiled module could not be had.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module's bytes are not in the store.
    #[error("the bytes of {0} are not in the store")]
    Missing(Digest),
    /// What is stored under the digest has another one.
    #[error("the stored bytes of {0} are damaged: restore a backup, or upload the module built anew")]
    Damaged(Digest),
    /// The pool is exhausted or the system refused memory.
    #[error("cannot instantiate: {0}")]
    Instantiate(String),
    /// The same, while other guests of the module run: there is no room for one more of them now.
    #[error("no room for one more instance: {0}")]
    Crowded(String),
}

/// What one memory or table of a guest may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceBounds {
    /// Bytes of a memory: the host's ceiling.
    pub memory_bytes: u64,
    /// Elements of a table.
    pub table_elements: u64,
}

/// Why a module could not be compiled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// It is no WebAssembly.
    #[error("the module is not valid: {message} (at byte {offset})")]
    Malformed {
        /// Where.
        offset: usize,
        /// Why.
        message: String,
    },
    /// The compiler refused it.
    #[error("the module does not compile: {0}")]
    Refused(String),
    /// Ran past the time limit.
    #[error(
        "validating or compiling the module took longer than {}; build it with less in it, or raise `compile_timeout`",
        Span(*.0)
    )]
    TimedOut(Duration),
    /// Ran past the memory limit.
    #[error(
        "validating or compiling the module needed more than {0} bytes of memory; build it with less in it, or raise `compile_memory`"
    )]
    OutOfMemory(u64),
    /// The compiler broke down over it.
    #[error("the compiler cannot cope with the module ({0}); build it in another way, with less in one function")]
    Crashed(String),
    /// What came out of it is too much.
    #[error("the compiled module would be larger than {0} bytes; leave out what it does not need")]
    TooLarge(u64),
    /// No room for the compiler's files.
    #[error("the disk is too full to compile: {0}")]
    NoRoom(String),
    /// The child process could not be run, or died in another way.
    #[error("the compiler process failed: {0}")]
    Process(String),
}

/// Where the bytes of a module come from when its artifact must be made anew. Implemented over the store.
pub trait ArtifactSource: Send + Sync + 'static {
    /// The module's bytes.
    fn wasm(&self, digest: Digest) -> std::pin::Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>>;
}

/// A job this one runs after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentFacts {
    /// The job.
    pub job: JobId,
    /// In its workflow.
    pub name: Option<String>,
    /// `None`: it was removed.
    pub state: Option<JobState>,
}

/// What a future gives, or a sentence on why it can't.
pub type Told<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// The jobs a job runs after, and what they returned. Implemented over the store.
pub trait Parents: std::fmt::Debug + Send + Sync + 'static {
    /// In their order.
    fn list(&self) -> Told<'_, Vec<ParentFacts>>;
    /// By name or id.
    fn output(&self, parent: String) -> Told<'_, ParentOutput>;
}

/// The secrets a kind is granted. Implemented over the store.
pub trait Secrets: std::fmt::Debug + Send + Sync + 'static {
    /// Its value; `None`: there is no such secret.
    fn read(&self, name: SecretName) -> Told<'_, Option<SecretValue>>;
}

/// The buckets of a tenant, as one attempt may use them. Implemented over the store.
pub trait KeyValue: std::fmt::Debug + Send + Sync + 'static {
    /// A key's value.
    fn get(&self, bucket: BucketName, key: KvKey) -> Told<'_, Option<KvValue>>;
    /// The values of several keys, in their order; `None`: together they are too large.
    fn get_many(&self, bucket: BucketName, keys: Vec<KvKey>) -> Told<'_, Option<Vec<Option<KvValue>>>>;
    /// So many keys in their order, after a key, of those that begin with a prefix.
    fn keys(&self, bucket: BucketName, prefix: String, after: Option<KvKey>, limit: usize) -> Told<'_, Vec<KvKey>>;
    /// Makes a change, unless the attempt's lease is not its job's any more.
    fn change(&self, bucket: BucketName, change: KvChange) -> Told<'_, KvChanged>;
}

/// What became of a step that was to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepRecorded {
    /// It is on the disk.
    Done,
    /// The attempt's lease is not the job's any more: nothing was written.
    StaleLease,
    /// The tenant may keep no more; told to the handler.
    Refused(String),
}

/// What became of an event that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventReceived {
    /// It had come, and is on the disk as this step.
    Now(Step),
    /// It has not come.
    NotYet,
    /// The attempt's lease is not the job's any more: nothing was written.
    StaleLease,
}

/// The steps of a job, recorded under the lease of one attempt. Implemented over the store.
pub trait Steps: std::fmt::Debug + Send + Sync + 'static {
    /// Whose they are.
    fn job(&self) -> JobId;
    /// The execution they are recorded by.
    fn execution(&self) -> i64;
    /// Those that earlier executions recorded, in their order.
    fn recorded(&self) -> Told<'_, Vec<Step>>;
    /// Records one.
    fn record(&self, step: Step) -> Told<'_, StepRecorded>;
    /// The event that a step waits for, if it has come, recorded as this step.
    fn receive(&self, step: Step) -> Told<'_, EventReceived>;
}

/// What a call to a database gives.
pub type OfDatabase<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, DatabaseError>> + Send + 'a>>;

/// The databases of a tenant, as one attempt may use them. Implemented over the store, and over servers.
pub trait Databases: std::fmt::Debug + Send + Sync + 'static {
    /// Opens one, which is made where it is not there.
    fn open(&self, name: DatabaseName) -> OfDatabase<'_, Box<dyn OpenDatabase>>;
}

/// One of them. What is open in it when it is dropped is rolled back; a call that is dropped ends its statement.
pub trait OpenDatabase: std::fmt::Debug + Send + 'static {
    /// Applies those scripts that are not applied yet. How many.
    fn migrate(&mut self, scripts: Vec<Script>) -> OfDatabase<'_, u32>;
    /// Runs a statement and gives its rows.
    fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, SqlRows>;
    /// Runs a statement; how many rows it changed.
    fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, u64>;
    /// Begins a transaction.
    fn begin(&mut self) -> OfDatabase<'_, ()>;
    /// Commits it.
    fn commit(&mut self) -> OfDatabase<'_, ()>;
    /// Takes it back. Nothing where none is open.
    fn rollback(&mut self) -> OfDatabase<'_, ()>;
    /// The shape and the result of a step that was done; `None`: it was not, and a transaction is open in which it is to be.
    fn begin_step(&mut self, name: StepName, occurrence: u32) -> OfDatabase<'_, Option<RecordedStep>>;
    /// Commits what is open together with a step's result.
    fn commit_step(&mut self, step: DatabaseStep) -> OfDatabase<'_, ()>;
}

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
    pub output_schema: Option<SharedSchema>,
    /// Of a job that runs after others.
    pub parents: Option<std::sync::Arc<dyn Parents>>,
    /// What its kind may use outside the sandbox.
    pub grants: std::sync::Arc<Grants>,
    /// Of a kind that is granted some.
    pub secrets: Option<std::sync::Arc<dyn Secrets>>,
    /// Of a kind that is granted a bucket.
    pub kv: Option<std::sync::Arc<dyn KeyValue>>,
    /// Of a handler.
    pub steps: Option<std::sync::Arc<dyn Steps>>,
    /// Of a kind that is granted one.
    pub databases: Option<std::sync::Arc<dyn Databases>>,
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
    /// What the guest used and was not granted, by name, in the order of first use.
    pub denied: Vec<String>,
    /// What it asked for on success, in order; of one that did not succeed nothing.
    pub effects: Vec<Effect>,
    /// What is left of the guest.
    pub remains: Remains,
}

/// The memory of a guest that has ended, and its place among the instances. To give back a large one takes tens of
/// milliseconds: whoever tells of the end does so first. Dropped in the order of the fields.
#[derive(Default)]
pub struct Remains {
    pub(super) store: Option<wasmtime::Store<AttemptState>>,
    pub(super) instance: Option<Instance>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for Remains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remains").field("store", &self.store.is_some()).finish_non_exhaustive()
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
