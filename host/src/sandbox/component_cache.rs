//! Compiled modules: in memory, else on disk, else compiled. Concurrent callers share one load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use super::artifacts::Artifacts;
use super::compile::{Compiler, blocking};
use super::guest::{Guest, LinkError, TrustedArtifact};
use super::linker::Linkers;
use super::model::{ArtifactSource, CompileError, SandboxError};
use crate::job::{CompiledFrom, Digest, GuestType};

/// Missing modules that are compiled at once, beside those being uploaded: each takes up to the compile limits, and after an
/// upgrade all modules are missing.
const COMPILES_AT_ONCE_MAX: usize = 2;

pub(super) struct ComponentCache {
    engine: Engine,
    linkers: Arc<Linkers>,
    artifacts: Arc<Artifacts>,
    compiler: Compiler,
    source: Arc<dyn ArtifactSource>,
    guests_max: usize,
    guests: RwLock<FxHashMap<Digest, Cached>>,
    /// Counts uses; the guest with the lowest stamp was used longest ago.
    uses: AtomicU64,
    /// Modules being loaded or compiled: one caller works, the others wait at its gate.
    gates: Mutex<FxHashMap<Digest, Arc<Gate>>>,
    /// Turns to compile what is missing.
    compiles: Semaphore,
}

struct Cached {
    guest: Guest,
    last_use: AtomicU64,
}

#[derive(Default)]
struct Gate {
    entrance: tokio::sync::Mutex<()>,
    compiling: std::sync::atomic::AtomicBool,
}

impl ComponentCache {
    pub(super) fn new(
        engine: Engine,
        linkers: Linkers,
        artifacts: Artifacts,
        compiler: Compiler,
        source: Arc<dyn ArtifactSource>,
        guests_max: usize,
    ) -> Self {
        Self {
            engine,
            linkers: Arc::new(linkers),
            artifacts: Arc::new(artifacts),
            compiler,
            source,
            guests_max: guests_max.max(1),
            guests: RwLock::default(),
            uses: AtomicU64::new(0),
            gates: Mutex::default(),
            compiles: Semaphore::new(COMPILES_AT_ONCE_MAX),
        }
    }

    pub(super) fn linkers(&self) -> &Linkers {
        &self.linkers
    }

    /// From memory, at once.
    pub(super) fn cached(&self, digest: Digest) -> Option<Guest> {
        let guests = self.guests.read();
        let cached = guests.get(&digest)?;
        cached.last_use.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(cached.guest.clone())
    }

    pub(super) async fn guest(&self, digest: Digest, guest: GuestType) -> Result<(Guest, CompiledFrom), SandboxError> {
        if let Some(guest) = self.cached(digest) {
            return Ok((guest, CompiledFrom::Hit));
        }
        let gate = self.gate(digest);
        let _entered = gate.entrance.lock().await;
        if let Some(guest) = self.cached(digest) {
            return Ok((guest, CompiledFrom::Hit));
        }
        let loaded = self.load_or_compile(digest, guest, &gate).await;
        self.leave(digest);
        loaded
    }

    /// At upload: the bytes are at hand. Nothing is done when a sound artifact is there already.
    pub(super) async fn compile(
        &self,
        digest: Digest,
        guest: GuestType,
        wasm: Bytes,
    ) -> Result<Duration, CompileError> {
        let started = Instant::now();
        let gate = self.gate(digest);
        let _entered = gate.entrance.lock().await;
        let result = match self.read(digest).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                let _compiling = Compiling::begin(&gate);
                self.compile_and_keep(digest, guest, wasm).await.map(|_| ())
            }
            Err(error) => Err(error),
        };
        self.leave(digest);
        result.map(|()| started.elapsed())
    }

    /// Whether it was compiled before, and is still there.
    pub(super) async fn has_artifact(&self, digest: Digest) -> Result<bool, CompileError> {
        Ok(self.read(digest).await?.is_some())
    }

    /// Whether the bytes are WebAssembly at all.
    pub(super) async fn validate(&self, wasm: Bytes) -> Result<(), CompileError> {
        self.compiler.validate(wasm).await
    }

    /// Loads what was compiled and links it, so that an upload learns what does not fit.
    pub(super) async fn link(&self, digest: Digest, guest: GuestType) -> Result<Result<(), LinkError>, SandboxError> {
        if self.cached(digest).is_some() {
            return Ok(Ok(()));
        }
        let Some(artifact) = self.read(digest).await? else {
            return self.guest(digest, guest).await.map(|_| Ok(()));
        };
        Ok(self.link_artifact(digest, guest, artifact).await?.map(|guest| self.keep(digest, guest)))
    }

    pub(super) fn is_compiling(&self, digest: Digest) -> bool {
        self.gates.lock().get(&digest).is_some_and(|gate| gate.compiling.load(Ordering::Acquire))
    }

    pub(super) fn forget(&self, digest: Digest) {
        self.guests.write().remove(&digest);
        self.artifacts.remove(digest);
    }

    async fn load_or_compile(
        &self,
        digest: Digest,
        guest: GuestType,
        gate: &Gate,
    ) -> Result<(Guest, CompiledFrom), SandboxError> {
        if let Some(artifact) = self.read(digest).await? {
            match self.link_artifact(digest, guest, artifact).await? {
                Ok(guest) => {
                    self.keep(digest, guest.clone());
                    return Ok((guest, CompiledFrom::Disk));
                }
                // Sound, and yet it does not load: compile anew before giving up.
                Err(error) => tracing::warn!(%digest, %error, "a compiled artifact does not load; compiling anew"),
            }
        }
        let _compiling = Compiling::begin(gate);
        let closed = |error: tokio::sync::AcquireError| CompileError::Process(error.to_string());
        let _turn = self.compiles.acquire().await.map_err(closed)?;
        let wasm = self.source.wasm(digest).await?;
        let artifact = self.compile_and_keep(digest, guest, wasm).await?;
        let linked = self.link_artifact(digest, guest, artifact).await?;
        let guest = linked.map_err(|error| CompileError::Refused(error.to_string()))?;
        self.keep(digest, guest.clone());
        Ok((guest, CompiledFrom::Miss))
    }

    async fn compile_and_keep(
        &self,
        digest: Digest,
        guest: GuestType,
        wasm: Bytes,
    ) -> Result<TrustedArtifact, CompileError> {
        let artifact = self.compiler.compile(guest, wasm).await?;
        let artifacts = Arc::clone(&self.artifacts);
        blocking(move || {
            if let Err(error) = artifacts.write(digest, &artifact) {
                // Works without: the next start compiles again.
                tracing::warn!(%digest, %error, "cannot keep a compiled artifact on disk");
            }
            Ok(artifact)
        })
        .await
    }

    async fn read(&self, digest: Digest) -> Result<Option<TrustedArtifact>, CompileError> {
        let artifacts = Arc::clone(&self.artifacts);
        blocking(move || Ok(artifacts.read(digest))).await
    }

    async fn link_artifact(
        &self,
        digest: Digest,
        guest: GuestType,
        artifact: TrustedArtifact,
    ) -> Result<Result<Guest, LinkError>, CompileError> {
        let (engine, linkers) = (self.engine.clone(), Arc::clone(&self.linkers));
        blocking(move || Ok(Guest::load(&engine, &linkers, digest, guest, &artifact))).await
    }

    fn keep(&self, digest: Digest, guest: Guest) {
        let last_use = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        let mut guests = self.guests.write();
        guests.insert(digest, Cached { guest, last_use });
        while guests.len() > self.guests_max {
            let oldest = guests.iter().min_by_key(|(_, cached)| cached.last_use.load(Ordering::Relaxed));
            let Some(oldest) = oldest.map(|(digest, _)| *digest) else { break };
            guests.remove(&oldest);
        }
    }

    fn gate(&self, digest: Digest) -> Arc<Gate> {
        Arc::clone(self.gates.lock().entry(digest).or_default())
    }

    /// Takes the gate away unless others wait at it (two owners: the map and the caller).
    fn leave(&self, digest: Digest) {
        let mut gates = self.gates.lock();
        gates.retain(|known, gate| *known != digest || Arc::strong_count(gate) > 2);
    }
}

/// Shown while it lives, also when the caller is dropped half-way.
struct Compiling<'a>(&'a Gate);

impl<'a> Compiling<'a> {
    fn begin(gate: &'a Gate) -> Self {
        gate.compiling.store(true, Ordering::Release);
        Self(gate)
    }
}

impl Drop for Compiling<'_> {
    fn drop(&mut self) {
        self.0.compiling.store(false, Ordering::Release);
    }
}
