//! What the rest of the host sees of the sandbox: one handle over engine, ticker, guest threads and cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use super::artifacts::Artifacts;
use super::compile::Compiler;
use super::component_cache::ComponentCache;
use super::egress::{Egress, WayToServers};
use super::epoch::Ticker;
use super::guest::{Guest, LinkError};
use super::instances::Instances;
use super::linker::{Linkers, PREVIEW1};
use super::model::{
    ArtifactSource, CompileError, DESCRIBES_MAX, DescribeError, Execution, InstanceBounds, Invocation, SandboxError,
    SandboxOptions,
};
use super::threads::GuestThreads;
use super::{attempt, describe, engine};
use crate::job::{Clock, CompiledFrom, Digest, GuestType, KindDescription, Limits, Mailbox};
use crate::schema::SlowWork;

/// Limits of `describe`: enough for an interpreter to start and read its program.
const DESCRIBE_FUEL: u64 = 20_000_000_000;
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
const DESCRIBE_BYTES_MAX: u64 = 4 << 20;
const DESCRIBE_HOST_CALLS: u64 = 10_000;

/// The engine, its ticker, guest threads and cache. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Parts>);

struct Parts {
    engine: Engine,
    clock: Arc<dyn Clock>,
    memory_bytes_max: u64,
    /// One permit for each instance the pool holds: whoever has none waits.
    room: Arc<Semaphore>,
    /// Those that are in use.
    instances: Instances,
    /// Permits to describe. Never more than the room has beside the host's slots.
    describes: Arc<Semaphore>,
    /// Turns to check what was described.
    schemas: SlowWork,
    cache: ComponentCache,
    ticker: Ticker,
    threads: GuestThreads,
    /// How requests leave.
    egress: Arc<Egress>,
    mail_sender: Option<Arc<Mailbox>>,
}

impl Sandbox {
    /// Makes the engine, opens the cache of artifacts, starts the threads.
    pub fn new(
        options: &SandboxOptions,
        clock: Arc<dyn Clock>,
        source: Arc<dyn ArtifactSource>,
    ) -> Result<Sandbox, SandboxError> {
        let (engine, space) = engine::running_engine(options)?;
        let broken = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let linkers = Linkers::new(&engine, Arc::clone(&clock)).map_err(broken)?;
        let directory = &options.artifact_dir;
        let artifacts = Artifacts::open(directory, options.artifact_use, engine::compatibility(&engine))
            .map_err(|error| SandboxError::Engine(format!("cannot open {}: {error}", directory.display())))?;
        let compiler = Compiler::new(options, space);
        let cache =
            ComponentCache::new(engine.clone(), linkers, artifacts, compiler, source, options.cached_modules_max);
        Ok(Sandbox(Arc::new(Parts {
            ticker: Ticker::start(engine.clone())?,
            threads: GuestThreads::start(options.guest_threads)?,
            engine,
            clock,
            memory_bytes_max: options.memory_bytes_max,
            room: Arc::new(Semaphore::new(usize::try_from(options.instances_max.max(1)).unwrap_or(1))),
            instances: Instances::default(),
            describes: Arc::new(Semaphore::new(usize::try_from(DESCRIBES_MAX).unwrap_or(1))),
            schemas: SlowWork::default(),
            cache,
            egress: Arc::new(Egress::new(&options.egress).map_err(SandboxError::Egress)?),
            mail_sender: options.mail_sender.clone(),
        })))
    }

    /// Whether the system gives the address space a host with these options would reserve; else why not.
    pub fn try_to_reserve(options: &SandboxOptions) -> Result<(), String> {
        engine::try_to_reserve(options)
    }

    /// Starts the guest threads' work: a future that is polled on a guest thread, never on the API's.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Nobody joins it: it tells its end by what it does.
        drop(self.0.threads.handle().spawn(work));
    }

    /// From memory, else from disk, else compiled in the child process. Concurrent callers share one load.
    pub async fn guest(&self, digest: Digest, guest: GuestType) -> Result<(Guest, CompiledFrom), SandboxError> {
        self.0.cache.guest(digest, guest).await
    }

    /// From memory only, at once.
    pub fn cached_guest(&self, digest: Digest) -> Option<Guest> {
        self.0.cache.cached(digest)
    }

    /// Whether the module is being compiled now.
    pub fn is_compiling(&self, digest: Digest) -> bool {
        self.0.cache.is_compiling(digest)
    }

    /// Whether there is a sound artifact of the module, made here after it was found to be valid.
    pub async fn has_artifact(&self, digest: Digest) -> Result<bool, CompileError> {
        self.0.cache.has_artifact(digest).await
    }

    /// Whether the bytes are WebAssembly at all: in the child process, like compiling.
    pub async fn validate(&self, wasm: Bytes) -> Result<(), CompileError> {
        self.0.cache.validate(wasm).await
    }

    /// Compiles at upload, in the child process, and caches the artifact. Returns the time it took.
    pub async fn compile(&self, digest: Digest, guest: GuestType, wasm: Bytes) -> Result<Duration, CompileError> {
        self.0.cache.compile(digest, guest, wasm).await
    }

    /// Loads a module that was compiled and links it; the inner error says what does not fit this host.
    pub async fn link(&self, digest: Digest, guest: GuestType) -> Result<Result<(), LinkError>, SandboxError> {
        self.0.cache.link(digest, guest).await
    }

    /// Whether a core module's import is one of preview 1's functions.
    pub fn offers_core_import(&self, module: &str, name: &str) -> bool {
        module == PREVIEW1 && self.0.cache.linkers().preview1.contains(name)
    }

    /// What a guest's memories and tables may have; one that begins with more could never be instantiated.
    pub fn instance_bounds(&self) -> InstanceBounds {
        InstanceBounds {
            memory_bytes: self.0.memory_bytes_max,
            table_elements: u64::try_from(engine::TABLE_ELEMENTS_MAX).unwrap_or(u64::MAX),
        }
    }

    /// Drops a module from memory and disk.
    pub fn forget(&self, digest: Digest) {
        self.0.cache.forget(digest);
    }

    /// Calls `describe` with short limits; checks names, schemas and settings of what it returns.
    pub async fn describe(&self, digest: Digest) -> Result<Vec<KindDescription>, DescribeError> {
        let (guest, _) = self.guest(digest, GuestType::Handler).await?;
        let parts = Arc::clone(&self.0);
        let closed = |error: tokio::sync::AcquireError| SandboxError::Instantiate(error.to_string());
        let permit = Arc::clone(&self.0.describes).acquire_owned().await.map_err(closed)?;
        let described = self.0.threads.handle().spawn(async move {
            // Held to the end, also when nobody waits for it any more.
            let _permit = permit;
            let _room = parts.room.acquire().await.map_err(closed)?;
            let limits = Limits {
                fuel: DESCRIBE_FUEL,
                timeout: DESCRIBE_TIMEOUT,
                memory_bytes: parts.memory_bytes_max,
                output_bytes: DESCRIBE_BYTES_MAX,
                log_bytes: DESCRIBE_BYTES_MAX,
                host_calls: DESCRIBE_HOST_CALLS,
            };
            attempt::describe(&parts.engine, &parts.clock, &parts.ticker, &guest, &limits).await
        });
        let described = described
            .await
            .map_err(|error| SandboxError::Instantiate(format!("the call did not come back: {error}")))??;
        match described {
            Ok(kinds) => {
                let checked = move || describe::checked(kinds, describe::SCHEMAS_CPU_MAX);
                let failed = || SandboxError::Engine("checking the schemas failed".to_owned());
                self.0.schemas.run(checked).await.ok_or_else(failed)?
            }
            Err(failure) => Err(DescribeError::Failed {
                message: format!("{}: {}", failure.reason, failure.message),
                detail: failure.detail,
            }),
        }
    }

    /// The way to servers that operators named.
    pub fn way_to_servers(&self) -> WayToServers {
        WayToServers(Arc::clone(&self.0.egress))
    }

    /// Runs one attempt to its end. Must be polled on a guest thread (`spawn`). `on_entry` is called right before the
    /// guest is entered.
    pub async fn run(
        &self,
        guest: &Guest,
        invocation: Invocation,
        on_entry: impl FnOnce() + Send,
    ) -> Result<Execution, SandboxError> {
        let Parts { engine, clock, ticker, room, instances, egress, mail_sender, .. } = &*self.0;
        let mut room_taken = Arc::clone(room).try_acquire_owned().ok();
        if room_taken.is_none() {
            room_taken = tokio::select! {
                biased;
                // It ends before it is entered.
                _reason = invocation.interrupt.wait() => None,
                taken = Arc::clone(room).acquire_owned() => taken.ok(),
            };
        }
        let instance = instances.begin(guest.digest());
        match attempt::run((engine, clock, ticker, egress, mail_sender), guest, invocation, on_entry).await {
            Ok(mut execution) => {
                execution.remains.instance = Some(instance);
                execution.remains.room = room_taken;
                Ok(execution)
            }
            Err(SandboxError::Instantiate(why)) if instance.has_siblings() => Err(SandboxError::Crowded(why)),
            Err(error) => Err(error),
        }
    }

    /// Until a guest has ended. Each end is told to one who waits.
    pub async fn end_of_one(&self) {
        self.0.instances.end_of_one().await;
    }

    /// Joins the guest threads once nothing runs any more. Blocking.
    pub fn close(&self) {
        self.0.threads.join();
        self.0.ticker.stop();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}
