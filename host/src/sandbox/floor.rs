//! The floor the bench compares with: the same engine, limits and linker, and nothing of a job around the call.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::artifact_use::ArtifactUse;
use super::bindings::exports::stoker::handler::handler::Context;
use super::compile_child;
use super::guest::{Entry, Guest, TrustedArtifact};
use super::invocation::{self, EngineLimits};
use super::linker::Linkers;
use super::model::{CompileError, CompilerProcess, SandboxError, SandboxOptions};
use super::state::{AttemptParts, AttemptState};
use super::{Interrupt, ProgressCell, engine};
use crate::job::{Clock, Digest, EgressOptions, GuestType, Limits};
use crate::system_clock::SystemClock;

/// Calls per second over all threads: `calls` times a fresh instance of the handler `wasm` and one `run` of `kind`
/// with `payload`. Nothing is queued, stored, logged or receipted. Compiles in this process. Blocking.
pub fn sandbox_floor(wasm: &[u8], kind: &str, payload: &str, threads: usize, calls: u64) -> Result<f64, SandboxError> {
    let threads = threads.max(1);
    let options = SandboxOptions {
        artifact_dir: Path::new("unused").to_owned(),
        artifact_use: ArtifactUse::Alone,
        instances_max: u32::try_from(threads).unwrap_or(u32::MAX).saturating_mul(2),
        memory_bytes_max: Limits::default().memory_bytes,
        guest_threads: threads,
        cached_modules_max: 1,
        compile_timeout: Duration::MAX,
        compile_memory_bytes: u64::MAX,
        compiler: CompilerProcess::InProcess,
        egress: EgressOptions::default(),
        mail_sender: None,
    };
    let (engine, space) = engine::running_engine(&options)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let broken = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
    let linkers = Linkers::new(&engine, Arc::clone(&clock)).map_err(broken)?;
    let artifact = compile_child::compile(space, GuestType::Handler, wasm).map_err(CompileError::Refused)?;
    let artifact = TrustedArtifact::vouch(artifact);
    let guest = Guest::load(&engine, &linkers, Digest([0; 32]), GuestType::Handler, &artifact)
        .map_err(|error| CompileError::Refused(error.to_string()))?;
    let calls_each = (calls / u64::try_from(threads).unwrap_or(1)).max(1);

    let started = Instant::now();
    let results: Vec<Result<(), SandboxError>> = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| call_repeatedly(&engine, &clock, &guest, kind, payload, calls_each)))
            .collect();
        let panicked = || SandboxError::Engine("a thread of the floor panicked".to_owned());
        spawned.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    results.into_iter().collect::<Result<Vec<()>, _>>()?;
    #[allow(clippy::cast_precision_loss)]
    Ok((calls_each * u64::try_from(threads).unwrap_or(1)) as f64 / seconds)
}

fn call_repeatedly(
    engine: &wasmtime::Engine,
    clock: &Arc<dyn Clock>,
    guest: &Guest,
    kind: &str,
    payload: &str,
    calls: u64,
) -> Result<(), SandboxError> {
    let broken = |error: wasmtime::Error| SandboxError::Instantiate(format!("{error:#}"));
    let Entry::Handler(module) = guest.entry() else {
        return Err(SandboxError::Instantiate("the floor needs a handler component".to_owned()));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| SandboxError::Engine(error.to_string()))?;
    let limits = Limits::default();
    let context = Context {
        job_id: "job_floor".to_owned(),
        tenant: "default".to_owned(),
        kind: kind.to_owned(),
        queue: "default".to_owned(),
        attempt: 1,
        max_attempts: 1,
        created_at_ms: 0,
        run_at_ms: 0,
        deadline_ms: 0,
    };
    runtime.block_on(async {
        for _ in 0..calls {
            let state = AttemptState::new(AttemptParts {
                engine: engine.clone(),
                clock: Arc::clone(clock),
                deadline: Duration::MAX,
                interrupt: Interrupt::default(),
                progress: ProgressCell::default(),
                memory_bytes_max: limits.memory_bytes,
                host_calls_max: limits.host_calls,
                log_bytes_max: limits.log_bytes,
                slot_at: None,
                plain: None,
                parents: None,
                grants: Arc::default(),
                secrets: None,
                kv: None,
                steps: None,
                mail_sender: None,
                databases: None,
                egress: None,
            });
            let engine_limits = EngineLimits { fuel: limits.fuel, handover_bytes: limits.output_bytes };
            let mut store = invocation::store(state, engine_limits)?;
            let instance = module.instantiate_async(&mut store).await.map_err(broken)?;
            let result = instance.stoker_handler_handler().call_run(&mut store, &context, payload).await;
            if let Err(failure) = result.map_err(broken)? {
                return Err(SandboxError::Instantiate(format!("the handler failed: {failure:?}")));
            }
        }
        Ok(())
    })
}
