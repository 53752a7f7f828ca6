//! One call into a guest: a fresh store and instance, limits set, entered, watched, and ended in time.
//! What the end means is decided in `classify`.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Store, StoreContextMut, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

use super::bindings::exports::stoker::handler::handler::{Context, Failure, KindDescription};
use super::epoch::Ticker;
use super::guest::{Entry, Guest};
use super::interrupt::Interrupt;
use super::model::SandboxError;
use super::state::{AttemptState, Ended};
use crate::job::AttemptContext;

/// What the guest may hand over in one call, beside what its output and log limits allow: room for messages.
const HOSTCALL_BYTES_MIN: u64 = 4 << 20;

/// Units after which a guest's count of fuel is written down wherever it is. Compiled code counts in a register, and by
/// itself writes down only around calls and returns: a loop that is interrupted would have used next to nothing. It then is
/// short by less than this. Some milliseconds' worth, so that it costs a busy guest nothing to speak of (it yields each time)
/// and a short one nothing at all.
pub(super) const FUEL_NOTED_UNITS: u64 = 10_000_000;

/// What is called.
pub(super) enum Call<'a> {
    Describe,
    Run {
        context: &'a AttemptContext,
        payload: &'a str,
    },
    /// A plain command: everything it gets is in its state.
    Command,
}

/// How a call came back.
pub(super) enum Returned {
    Described(Vec<KindDescription>),
    Output(String),
    Failed(Failure),
    /// A command ended by itself; `false`: a component command said it failed.
    Finished {
        success: bool,
    },
}

/// How a call ended.
pub(super) enum Ending {
    Returned(Returned),
    /// Ended from within: a trap, an exit, a limit met in the middle of a host call.
    Stopped(wasmtime::Error),
    /// Ended while it waited in a host call.
    Dropped(Ended),
}

/// Bounds that the engine itself keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct EngineLimits {
    pub(super) fuel: u64,
    /// Largest thing the guest has to hand over.
    pub(super) handover_bytes: u64,
}

/// A store with its limits on.
pub(super) fn store(state: AttemptState, limits: EngineLimits) -> Result<Store<AttemptState>, SandboxError> {
    let engine = state.engine.clone();
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.memory);
    let broken = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
    store.fuel_async_yield_interval(Some(FUEL_NOTED_UNITS)).map_err(broken)?;
    store.set_fuel(limits.fuel).map_err(broken)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_tick);
    let handover = limits.handover_bytes.saturating_add(HOSTCALL_BYTES_MIN);
    store.set_hostcall_fuel(usize::try_from(handover).unwrap_or(usize::MAX));
    Ok(store)
}

/// At every tick a busy guest is ended, or makes room for others on its thread.
fn at_tick(mut store: StoreContextMut<'_, AttemptState>) -> wasmtime::Result<UpdateDeadline> {
    match store.data_mut().why_end() {
        Some(ended) => Err(ended.into()),
        // tokio's own yield: timers and sockets get a look-in as well, not only other tasks.
        None => Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))),
    }
}

/// Calls the guest and waits for the end, which comes in time whatever the guest does.
pub(super) async fn call(
    ticker: &Ticker,
    store: &mut Store<AttemptState>,
    guest: &Guest,
    call: Call<'_>,
    timeout: Duration,
) -> Result<Ending, SandboxError> {
    let interrupt = store.data().interrupt.clone();
    if let Some(reason) = interrupt.raised() {
        return Ok(Ending::Dropped(Ended::Interrupted(reason)));
    }
    let _running = ticker.running();
    let ended = watch(enter(store, guest, call), timeout, &interrupt).await;
    match ended {
        Err(ended) => Ok(Ending::Dropped(ended)),
        Ok(Ok(returned)) => Ok(Ending::Returned(returned)),
        Ok(Err(error)) if is_hosts(&error, store.data()) => Err(SandboxError::Instantiate(format!("{error:#}"))),
        Ok(Err(error)) => Ok(Ending::Stopped(error)),
    }
}

/// A guest that never waits never pays for a timer: busy ones are ended at a tick, quick ones are done at once.
pub(super) async fn watch<T>(
    call: impl Future<Output = T>,
    timeout: Duration,
    interrupt: &Interrupt,
) -> Result<T, Ended> {
    let mut call = pin!(call);
    if let Poll::Ready(result) = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
        return Ok(result);
    }
    let interrupted = async {
        let reason = interrupt.wait().await;
        tokio::time::sleep(interrupt.grace()).await;
        reason
    };
    tokio::select! {
        biased;
        result = call => Ok(result),
        reason = interrupted => Err(Ended::Interrupted(reason)),
        () = tokio::time::sleep(timeout) => Err(Ended::TimedOut),
    }
}

async fn enter(store: &mut Store<AttemptState>, guest: &Guest, call: Call<'_>) -> wasmtime::Result<Returned> {
    match guest.entry() {
        Entry::Handler(module) => {
            let instance = module.instantiate_async(&mut *store).await?;
            note_instantiated(store);
            let handler = instance.stoker_handler_handler();
            match call {
                Call::Describe => handler.call_describe(store).await.map(Returned::Described),
                Call::Run { context, payload } => {
                    let result = handler.call_run(store, &told(context), payload).await?;
                    Ok(result.map_or_else(Returned::Failed, Returned::Output))
                }
                Call::Command => Err(wasmtime::Error::msg("a handler cannot be run as a command")),
            }
        }
        Entry::ComponentCommand(command) => {
            let instance = command.instantiate_async(&mut *store).await?;
            note_instantiated(store);
            let result = instance.wasi_cli_run().call_run(store).await?;
            Ok(Returned::Finished { success: result.is_ok() })
        }
        Entry::CoreCommand(command) => {
            let instance = command.instantiate_async(&mut *store).await?;
            note_instantiated(store);
            instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call_async(store, ()).await?;
            Ok(Returned::Finished { success: true })
        }
    }
}

fn note_instantiated(store: &mut Store<AttemptState>) {
    let state = store.data_mut();
    state.instantiated_at = Some(state.clock.monotonic());
}

fn told(context: &AttemptContext) -> Context {
    // The record of the first version can't grow: what came later is asked for.
    let AttemptContext { job, tenant, kind, queue, attempt, max_attempts, created_at, run_at, deadline, slot_at: _ } =
        context;
    let ms = |at: crate::job::Timestamp| u64::try_from(at.as_ms()).unwrap_or(0);
    Context {
        job_id: job.to_string(),
        tenant: tenant.to_string(),
        kind: kind.to_string(),
        queue: queue.to_string(),
        attempt: *attempt,
        max_attempts: *max_attempts,
        created_at_ms: ms(*created_at),
        run_at_ms: ms(*run_at),
        deadline_ms: ms(*deadline),
    }
}

/// Whether an instance could not be made for reasons that lie with the host. A start function that traps, or initial
/// memory past the limit, is the guest's doing.
fn is_hosts(error: &wasmtime::Error, state: &AttemptState) -> bool {
    if error.is::<PoolConcurrencyLimitError>() {
        return true;
    }
    state.instantiated_at.is_none()
        && !state.memory.was_refused()
        && !error.is::<Trap>()
        && !error.is::<I32Exit>()
        && !error.is::<Ended>()
        && !error.is::<wasmtime::WasmBacktrace>()
}
