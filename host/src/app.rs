//! The composition root: names every part once, starts them in order and stops them in order.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::allocator;
use crate::api::{self, ApiState, HandlersRequests, Identity, Tls};
use crate::artifact_folder::ArtifactFolder;
use crate::config::Config;
use crate::dispatcher::{Dispatcher, DispatcherOptions, DispatcherParts};
use crate::events::{JobWaiters, NotificationWatchers};
use crate::job::{Clock, Digest, HostId, Most};
use crate::mail::Courier;
use crate::maintenance::{Maintenance, MaintenanceOptions, MaintenanceSignals};
use crate::modules::{Modules, ModulesOptions, Validators};
use crate::postgres::Servers;
use crate::sandbox::{ArtifactSource, CompilerProcess, DESCRIBES_MAX, Sandbox, SandboxError, SandboxOptions};
use crate::secrets::{KeyRingError, Vault, admit};
use crate::shutdown::Shutdown;
use crate::store::{CommitNotice, Store, StoreError, StoreOptions};
use crate::system_clock::SystemClock;

/// Compiled modules kept in memory.
const CACHED_MODULES_MAX: usize = 256;
/// Threads of the API and of everything that is not a guest.
const API_THREADS_MAX: usize = 4;

/// Between two looks for connections to databases that nobody uses.
const DATABASES_LOOK_PERIOD: Duration = Duration::from_secs(10);

/// How long guest threads may take to end once no guest runs any more.
const SANDBOX_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a host until it is told to stop. Returns once everything acknowledged is on disk and the data directory is
/// free again. Compiled modules are kept in the data directory, or in this folder of the user's, which runs use as well.
pub fn run(config: Config, shared_artifacts: Option<PathBuf>) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, API_THREADS_MAX))
        .thread_name("stoker-api")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(serve(Arc::new(config), shared_artifacts, cores));
    // All that matters has ended in order; what is left (a check that takes long) must not keep the process.
    runtime.shutdown_background();
    served
}

async fn serve(config: Arc<Config>, shared_artifacts: Option<PathBuf>, cores: usize) -> anyhow::Result<()> {
    let shutdown = Shutdown::default();
    shutdown.listen().context("cannot listen for signals")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());

    // Take the address before the data: a second host on the same port fails before it touches anything.
    let (listener, tls) = listen(&config).await?;
    let store = open_store(&config, &clock).await?;
    let vault = open_vault(&config, &store).await?;
    let identity = who_may_call(&config, &store, &*clock).await?;
    // Held until the sandbox is closed: it may go with the process.
    let artifacts = open_artifacts(&config, shared_artifacts)?;
    let options = sandbox_options(&config, cores, &artifacts);
    let sandbox = Sandbox::new(&options, Arc::clone(&clock), Arc::new(StoredModules(store.clone())))?;

    let servers = Servers::new(store.clone(), vault.clone(), sandbox.way_to_servers(), config.limits.ceilings.timeout);
    let (waiters, watchers) = (JobWaiters::default(), NotificationWatchers::default());
    let signals = MaintenanceSignals::default();
    // What maintenance hears of them.
    let heard = if config.ignore_wakeups { MaintenanceSignals::default() } else { signals.clone() };
    if !config.ignore_wakeups {
        store.on_commit(publisher(waiters.clone(), watchers.clone(), signals.clone()));
    }

    let host = store.next_host_id();
    let is_registered = register(&store, host, config.workers).await?;
    // Its jobs are others' now, and what it holds in memory is no longer so: a new process begins anew.
    let taken_for_dead = CancellationToken::new();
    shutdown.stop_when(taken_for_dead.clone());
    // A host without one of its parts only looks alive.
    let broken = CancellationToken::new();
    shutdown.stop_when(broken.clone());
    shutdown.stop_when(store.failed());
    let validators = Validators::default();
    let modules = Modules::new(
        store.clone(),
        sandbox.clone(),
        ModulesOptions { module_bytes_max: config.requests.module_bytes_max, ceilings: config.limits.ceilings },
    );
    let requests = HandlersRequests::new(store.clone(), validators.clone(), Arc::clone(&config), Arc::clone(&clock));
    let (dispatcher, dispatcher_handle) = Dispatcher::new(
        DispatcherParts {
            store: store.clone(),
            sandbox: sandbox.clone(),
            validators: validators.clone(),
            requests: Arc::new(requests),
            vault: vault.clone(),
            servers: servers.clone(),
            clock: Arc::clone(&clock),
            unpark: signals.unpark(),
        },
        dispatcher_options(&config, host, cores),
    );
    let courier = Courier::new(config.mail.server.clone(), Arc::clone(&clock));
    let (maintenance, maintenance_status) = Maintenance::new(
        store.clone(),
        (vault.clone(), courier.clone()),
        dispatcher_handle.clone(),
        Arc::clone(&clock),
        heard,
        maintenance_options(&config, host, is_registered, &taken_for_dead),
        forgetting(sandbox.clone()),
    );
    let state = ApiState {
        store: store.clone(),
        vault,
        courier,
        servers: servers.clone(),
        modules: modules.clone(),
        validators,
        dispatcher: dispatcher_handle,
        waiters,
        watchers,
        maintenance: maintenance_status,
        started_at: clock.now(),
        clock,
        config: Arc::clone(&config),
        identity,
        host,
    };

    let maintenance_stop = CancellationToken::new();
    let maintenance = tokio::spawn(watched(broken.clone(), maintenance.run(maintenance_stop.clone())));
    let dispatcher = dispatcher.run(shutdown.stop.clone(), shutdown.hurry.clone());
    let dispatcher = tokio::spawn(watched(broken.clone(), dispatcher));
    let mut beside = beside(&store, signals, state.validators.clone(), modules);
    beside.spawn(close_idle_databases(store.clone(), servers));
    tracing::info!("listening on {}://{}", if tls.is_some() { "https" } else { "http" }, listener.local_addr()?);

    // Guarantee 10: new requests first, then claims and attempts, then upkeep, then the store.
    let served = api::serve(listener, tls, state, shutdown.clone()).await;
    shutdown.stop.cancel();
    dispatcher.await.context("the dispatcher failed")?;
    maintenance_stop.cancel();
    maintenance.await.context("upkeep failed")?;
    beside.abort_all();
    close(sandbox).await?;
    drop(artifacts);
    if let Err(error) = store.retire_host(host).await {
        tracing::warn!(%error, "could not sign off; the next start recovers what is left");
    }
    store.close().await.context("the store did not close cleanly")?;
    tracing::info!("stopped");
    served.context("the HTTP server failed")?;
    ensure_ended_well(&config, &taken_for_dead, broken.is_cancelled() || store.failed().is_cancelled())
}

/// What is not waited for.
fn beside(store: &Store, signals: MaintenanceSignals, validators: Validators, modules: Modules) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    beside.spawn(watch_catalog(store.clone(), signals));
    beside.spawn(compile_schemas(store.clone(), validators));
    beside.spawn(warm_up(modules));
    beside.spawn(give_back_memory());
    beside
}

/// The address, and what TLS is spoken with on it.
async fn listen(config: &Config) -> anyhow::Result<(TcpListener, Option<Tls>)> {
    let tls = config.tls.clone().map(Tls::load).transpose()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (`--listen` chooses another address and port)", config.listen))?;
    Ok((listener, tls))
}

/// How callers are told apart; refuses to be reached from elsewhere where they can't be.
async fn who_may_call(config: &Config, store: &Store, clock: &dyn Clock) -> anyhow::Result<Arc<Identity>> {
    let identity = Identity::new(config)?;
    if identity.is_configured()
        && let Err(error) = store.note_keyed().await
    {
        // On a full disk; the next start does it. This one asks for credentials anyway.
        tracing::warn!(%error, "it could not be noted in the store that credentials are asked for");
    }
    match store.user_token_secret().await {
        Ok(secret) => identity.begin_user_tokens(&secret),
        // On a full disk; the first token that is asked for tries again.
        Err(error) => tracing::warn!(%error, "tokens of users are not known yet"),
    }
    let catalog = store.catalog();
    config.require_credentials(catalog.credentials.has_admin(clock.now()))?;
    if identity.is_open(&catalog) {
        tracing::warn!(
            "no keys: everybody who reaches this host from this machine may do everything. `stoker keys create NAME --role \
             admin` makes the first key, and from then on one is asked for"
        );
    } else if !identity.has_root() && !catalog.credentials.has_admin(clock.now()) {
        tracing::warn!(
            "no admin's key is good any more: set STOKER_ADMIN_KEY, and make one with `stoker keys create NAME --role admin`; or \
             begin anew without any key by `stoker keys reset`, while the host is stopped"
        );
    }
    Ok(Arc::new(identity))
}

/// Loads what waiting jobs need before they ask for it.
async fn warm_up(modules: Modules) {
    if let Err(error) = modules.warm_up().await {
        tracing::warn!(%error, "could not load every module ahead of its jobs");
    }
}

/// Ends the guest threads; no guest runs any more.
async fn close(sandbox: Sandbox) -> anyhow::Result<()> {
    let closed = tokio::task::spawn_blocking(move || sandbox.close());
    if let Ok(closed) = tokio::time::timeout(SANDBOX_CLOSE_TIMEOUT, closed).await {
        return closed.context("the sandbox did not close");
    }
    tracing::error!("guest threads did not end; the host stops without them");
    Ok(())
}

fn ensure_ended_well(config: &Config, taken_for_dead: &CancellationToken, is_broken: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!is_broken, "a part of the host failed (see its log above); start it again");
    anyhow::ensure!(
        !taken_for_dead.is_cancelled(),
        "another host took this one for dead and freed its jobs (was it frozen for longer than lease_ttl, or is a second \
         host using {}?); start it again",
        config.data_dir.display()
    );
    Ok(())
}

/// Runs a part of the host; should it panic, the host stops.
async fn watched<T>(broken: CancellationToken, part: impl Future<Output = T>) -> T {
    let broken = broken.drop_guard();
    let ended = part.await;
    broken.disarm();
    ended
}

/// What a store is opened with.
pub(crate) fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        data_dir: config.data_dir.clone(),
        priority_aging: config.priority_aging,
        quotas: config.quotas,
        tenant_pace: crate::job::Pace { concurrency: config.quotas.running_jobs.and_then(Most::limit), rate: None },
        retention: config.retention,
    }
}

async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Store> {
    let options = store_options(config);
    let clock = Arc::clone(clock);
    let opened = tokio::task::spawn_blocking(move || Store::open(&options, clock)).await;
    Ok(opened.context("opening the store failed")??)
}

/// With the keys that what is in the store was encrypted under, or not at all. On a full disk a key that is new to the store
/// can't be noted, which the next start does.
async fn open_vault(config: &Config, store: &Store) -> anyhow::Result<Vault> {
    match admit(store, &config.secrets_keys).await {
        Err(KeyRingError::Store(error @ (StoreError::Unavailable(_) | StoreError::LogFull { .. }))) => {
            tracing::warn!(%error, "the key of secrets could not be noted in the store");
        }
        admitted => admitted.context("refusing to start")?,
    }
    Ok(Vault::new(store.clone(), config.secrets_keys.clone()))
}

/// With the store's lock held: nobody else is to change what is looked at.
fn open_artifacts(config: &Config, shared: Option<PathBuf>) -> anyhow::Result<ArtifactFolder> {
    Ok(match shared {
        Some(folder) => ArtifactFolder::shared(folder),
        None => ArtifactFolder::of_data_directory(&config.data_dir)?,
    })
}

/// Whether the host could sign on. On a full disk it can't, and serves reads until its heartbeat can; till then the
/// store gives it no jobs.
async fn register(store: &Store, host: HostId, slots: u32) -> anyhow::Result<bool> {
    match store.register_host_as(host, slots, env!("CARGO_PKG_VERSION")).await {
        Ok(()) => Ok(true),
        Err(error @ (StoreError::Unavailable(_) | StoreError::LogFull { .. })) => {
            tracing::error!(%error, "the host starts without being able to write: reads are served, and no jobs run until it can");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// How the sandbox of a host is set up.
pub(crate) fn sandbox_options(config: &Config, cores: usize, artifacts: &ArtifactFolder) -> SandboxOptions {
    SandboxOptions {
        artifact_dir: artifacts.path().to_owned(),
        artifact_use: artifacts.artifact_use(),
        instances_max: config.workers.max(1).saturating_add(DESCRIBES_MAX),
        memory_bytes_max: config.limits.ceilings.memory_bytes,
        guest_threads: cores,
        cached_modules_max: CACHED_MODULES_MAX,
        compiler: CompilerProcess::CurrentExe,
        compile_timeout: config.compile.timeout,
        compile_memory_bytes: config.compile.memory_bytes,
        egress: config.egress.clone(),
        mail_sender: config.mail.sender.clone(),
    }
}

/// What is told to whom after each commit. Runs on the writer's thread: signals only.
fn publisher(
    waiters: JobWaiters,
    watchers: NotificationWatchers,
    signals: MaintenanceSignals,
) -> Box<dyn Fn(&CommitNotice) + Send + Sync> {
    Box::new(move |notice| {
        if notice.next_due.is_some() {
            signals.due_changed();
        }
        if notice.schedules_changed {
            signals.schedules_changed();
        }
        if notice.mail_due {
            signals.mail_due();
        }
        if notice.ties_left {
            signals.ties_left();
        }
        waiters.publish(&notice.events);
        watchers.publish(&notice.notified);
    })
}

fn dispatcher_options(config: &Config, host: HostId, cores: usize) -> DispatcherOptions {
    DispatcherOptions {
        host,
        slots: config.workers,
        guest_threads: cores,
        bounds: config.limits,
        mail_tried_for: config.mail.tried_for(),
        shutdown_grace: config.shutdown_grace,
        ignore_wakeups: config.ignore_wakeups,
    }
}

fn maintenance_options(
    config: &Config,
    host: HostId,
    is_registered: bool,
    taken_for_dead: &CancellationToken,
) -> MaintenanceOptions {
    MaintenanceOptions {
        host,
        slots: config.workers,
        is_registered,
        taken_for_dead: taken_for_dead.clone(),
        lease_ttl: config.lease_ttl,
        usage_keep: config.usage_keep,
        events_keep: config.events_keep,
        events_keep_bytes: config.events_keep_bytes,
        audit_keep: config.audit_keep,
        notifications_keep: config.notifications.keep,
        mail_terms: Arc::clone(&config.mail.terms),
        mail_keep: config.mail.keep,
    }
}

/// What becomes of compiled modules that no tenant has any more.
fn forgetting(sandbox: Sandbox) -> Arc<dyn Fn(Digest) + Send + Sync> {
    Arc::new(move |digest| sandbox.forget(digest))
}

async fn give_back_memory() {
    let mut period = tokio::time::interval(allocator::GIVE_BACK_PERIOD);
    loop {
        period.tick().await;
        allocator::give_back();
    }
}

/// Connections to databases that nobody has used for a while.
async fn close_idle_databases(store: Store, servers: Servers) {
    let mut period = tokio::time::interval(DATABASES_LOOK_PERIOD);
    loop {
        period.tick().await;
        store.close_idle_databases().await;
        servers.close_idle();
    }
}

async fn watch_catalog(store: Store, signals: MaintenanceSignals) {
    let mut changes = store.catalog_changes();
    while changes.changed().await.is_ok() {
        signals.unpark().notify_one();
    }
}

/// So that no job is the first to need its kind's schemas.
async fn compile_schemas(store: Store, validators: Validators) {
    let mut changes = store.catalog_changes();
    loop {
        validators.compile_ahead(store.catalog().kinds.values()).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The bytes, if they are those of the digest: a disk may have damaged them.
async fn checked(bytes: Bytes, digest: Digest) -> Result<Bytes, SandboxError> {
    let hashed = bytes.clone();
    let found = tokio::task::spawn_blocking(move || Digest(Sha256::digest(&hashed).into())).await;
    match found {
        Ok(found) if found == digest => Ok(bytes),
        Ok(_) => Err(SandboxError::Damaged(digest)),
        Err(error) => Err(SandboxError::Engine(error.to_string())),
    }
}

/// Modules whose artifact must be made anew come from the store.
#[derive(Debug)]
struct StoredModules(Store);

impl ArtifactSource for StoredModules {
    fn wasm(&self, digest: Digest) -> Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>> {
        Box::pin(async move {
            match self.0.module_bytes(digest).await {
                Ok(Some(bytes)) => checked(bytes, digest).await,
                Ok(None) => Err(SandboxError::Missing(digest)),
                Err(error) => Err(SandboxError::Instantiate(error.to_string())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_of_another_digest_are_not_handed_on() {
        let bytes = Bytes::from_static(b"a module");
        let digest = Digest(Sha256::digest(&bytes).into());
        assert!(checked(bytes.clone(), digest).await.is_ok_and(|checked| checked == bytes));
        let damaged = checked(Bytes::from_static(b"b module"), digest).await;
        assert!(matches!(damaged, Err(SandboxError::Damaged(of)) if of == digest), "{damaged:?}");
    }
}
