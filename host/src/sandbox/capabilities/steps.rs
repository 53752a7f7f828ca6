//! `stoker:handler/steps`: parts of a job whose results outlive the execution, sleeps, and waits for events. What is recorded is
//! on the disk before the call returns. A handler that waits is ended where it stands, and run again from its top.

use std::time::Duration;

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::database;
use crate::job::step::{Asked, Begun, CORRELATION_BYTES_MAX, EventName, Ledger, StepError, WAIT_MAX};
use crate::job::{FailureReason, LogLevel, Step, StepName, StepType, Suspension, Timestamp, control_character, cut};
use crate::sandbox::bindings::stoker::handler::steps::Begun as WireBegun;
use crate::sandbox::model::{EventReceived, StepRecorded};
use crate::sandbox::state::{AttemptState, Ended};

/// What a handler may say of the type of a result, bytes; what is longer is cut.
pub(super) const SHAPE_BYTES_MAX: usize = 512;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/steps@1.3.0")?;
    interface.func_wrap_async(
        "begin",
        |mut store: StoreContextMut<'_, AttemptState>, (name, shape): (String, String)| {
            Box::new(async move { Ok((begin(store.data_mut(), &name, shape).await?,)) })
        },
    )?;
    interface.func_wrap_async("record", |mut store: StoreContextMut<'_, AttemptState>, (result,): (String,)| {
        Box::new(async move { Ok((record(store.data_mut(), result).await?,)) })
    })?;
    interface.func_wrap("abandon", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        let state = store.data_mut();
        state.count_host_call()?;
        abandon(state);
        Ok(())
    })?;
    interface.func_wrap_async(
        "sleep",
        |mut store: StoreContextMut<'_, AttemptState>, (name, duration_ms): (String, u64)| {
            Box::new(async move { Ok((sleep(store.data_mut(), &name, duration_ms).await?,)) })
        },
    )?;
    interface.func_wrap_async(
        "wait-for",
        |mut store: StoreContextMut<'_, AttemptState>, (event_type, correlation, timeout_ms): (String, String, u64)| {
            Box::new(async move { Ok((wait_for(store.data_mut(), &event_type, correlation, timeout_ms).await?,)) })
        },
    )
}

/// What the guest can handle: a sentence for whoever wrote it.
type Answer<T> = wasmtime::Result<Result<T, String>>;

async fn begin(state: &mut AttemptState, name: &str, shape: String) -> Answer<WireBegun> {
    let shape = cut(shape, SHAPE_BYTES_MAX);
    let begun = match ask(state, StepType::Step, name, shape, None).await? {
        Ok(begun) => begun,
        Err(sentence) => return Ok(Err(sentence)),
    };
    Ok(Ok(match begun {
        Begun::Recorded(step) => {
            let at = step.ended_at.unwrap_or(step.started_at);
            let line = format!("step `{name}` was recorded at {at}, by execution {}", step.execution);
            state.log_line(LogLevel::Debug, &line);
            WireBegun::Recorded(json_of(step)?)
        }
        Begun::Run(occurrence) => WireBegun::Run(key(state, name, occurrence)),
    }))
}

pub(super) async fn record(state: &mut AttemptState, result: String) -> Answer<()> {
    state.count_host_call()?;
    if database::has_open_step(state) {
        let sentence = "the step that is begun is one of a database, and is recorded where it acts";
        return Ok(Err(sentence.to_owned()));
    }
    // It is shown to people, like an output.
    let result = state.redact(result);
    if let Err(sentence) = check_result(state, &result) {
        return Ok(Err(sentence));
    }
    record_result(state, Bytes::from(result)).await
}

/// What names a step for ever.
pub(super) fn key(state: &AttemptState, name: &str, occurrence: u32) -> String {
    let job = state.steps.as_ref().map(|steps| steps.job().to_string()).unwrap_or_default();
    format!("{job}/{name}/{occurrence}")
}

/// The step that is open has failed.
pub(super) fn abandon(state: &mut AttemptState) {
    if let Some(ledger) = &mut state.ledger {
        ledger.abandon();
    }
}

/// Whether this step is the one that is open.
pub(super) fn is_open(state: &AttemptState, name: &StepName, occurrence: u32) -> bool {
    state.ledger.as_ref().is_some_and(|ledger| ledger.is_open(name, occurrence))
}

/// Whether the step that is open can have this result.
pub(super) fn check_result(state: &AttemptState, result: &str) -> Result<(), String> {
    let Some(ledger) = &state.ledger else { return Err(StepError::NoneOpen.to_string()) };
    if serde_json::from_str::<serde::de::IgnoredAny>(result).is_err() {
        return Err("the result of a step must be JSON".to_owned());
    }
    let checked = ledger.result(Bytes::copy_from_slice(result.as_bytes()), state.clock.now());
    checked.map(|_| ()).map_err(|error| error.to_string())
}

/// Records what [`check_result`] has found good.
pub(super) async fn record_result(state: &mut AttemptState, result: Bytes) -> Answer<()> {
    let now = state.clock.now();
    let (Some(steps), Some(ledger)) = (state.steps.clone(), state.ledger.as_ref()) else {
        return Ok(Err(StepError::NoneOpen.to_string()));
    };
    let step = match ledger.result(result, now) {
        Ok(step) => step,
        Err(error) => return Ok(Err(error.to_string())),
    };
    match steps.record(step.clone()).await {
        Ok(StepRecorded::Done) => {}
        Ok(StepRecorded::StaleLease) => return Err(lost(state)),
        Ok(StepRecorded::Refused(sentence)) | Err(sentence) => return Ok(Err(sentence)),
    }
    let line =
        format!("step `{}` is recorded, {} ms after it began", step.asked.name, now.since(step.started_at).as_millis());
    state.log_line(LogLevel::Debug, &line);
    if let Some(ledger) = &mut state.ledger {
        ledger.written(step);
    }
    Ok(Ok(()))
}

async fn sleep(state: &mut AttemptState, name: &str, duration_ms: u64) -> Answer<()> {
    match ask(state, StepType::Sleep, name, String::new(), None).await? {
        Ok(Begun::Recorded(step)) if !step.goes_on(state.clock.now()) => Ok(Ok(())),
        Ok(Begun::Recorded(step)) => Err(suspended(state, Suspension::Sleep(Box::new(step)))),
        Ok(Begun::Run(_)) => match waits(state, duration_ms) {
            Ok(step) => Err(suspended(state, Suspension::Sleep(Box::new(step)))),
            Err(sentence) => Ok(Err(sentence)),
        },
        Err(sentence) => Ok(Err(sentence)),
    }
}

async fn wait_for(
    state: &mut AttemptState,
    event_type: &str,
    correlation: String,
    timeout_ms: u64,
) -> Answer<Option<String>> {
    if correlation.len() > CORRELATION_BYTES_MAX {
        state.count_host_call()?;
        return Ok(Err(format!("a correlation may have at most {CORRELATION_BYTES_MAX} bytes")));
    }
    if let Some(sentence) = control_character(&correlation) {
        state.count_host_call()?;
        return Ok(Err(format!("a correlation {sentence}")));
    }
    if let Err(error) = event_type.parse::<EventName>() {
        state.count_host_call()?;
        return Ok(Err(error.to_string()));
    }
    match ask(state, StepType::Event, event_type, String::new(), Some(correlation)).await? {
        Ok(Begun::Recorded(step)) if step.ended_at.is_some() => {
            Ok(Ok(step.result.is_some().then(|| json_of(step)).transpose()?))
        }
        Ok(Begun::Recorded(step)) => Err(suspended(state, Suspension::Event(Box::new(step)))),
        Ok(Begun::Run(_)) => {
            let step = match waits(state, timeout_ms) {
                Ok(step) => step,
                Err(sentence) => return Ok(Err(sentence)),
            };
            let Some(steps) = state.steps.clone() else { return Ok(Err(StepError::NoneOpen.to_string())) };
            match steps.receive(step.clone()).await {
                Ok(EventReceived::Now(step)) => {
                    if let Some(ledger) = &mut state.ledger {
                        ledger.written(step.clone());
                    }
                    Ok(Ok(Some(json_of(step)?)))
                }
                Ok(EventReceived::NotYet) => Err(suspended(state, Suspension::Event(Box::new(step)))),
                Ok(EventReceived::StaleLease) => Err(lost(state)),
                Err(sentence) => {
                    abandon(state);
                    Ok(Err(sentence))
                }
            }
        }
        Err(sentence) => Ok(Err(sentence)),
    }
}

/// Counts the call, reads what earlier executions recorded, and looks the step up.
pub(super) async fn ask(
    state: &mut AttemptState,
    step_type: StepType,
    name: &str,
    shape: String,
    correlation: Option<String>,
) -> Answer<Begun> {
    state.count_host_call()?;
    let name = match name.parse() {
        Ok(name) => name,
        Err(error) => return Ok(Err(crate::job::step::StepNameError::to_string(&error))),
    };
    let Some(steps) = state.steps.clone() else {
        return Ok(Err("nothing can be recorded here".to_owned()));
    };
    if state.ledger.is_none() {
        match steps.recorded().await {
            Ok(recorded) => state.ledger = Some(Box::new(Ledger::new(steps.execution(), recorded))),
            Err(sentence) => return Ok(Err(format!("what was recorded can't be read now: {sentence}"))),
        }
    }
    let now = state.clock.now();
    let Some(ledger) = &mut state.ledger else { return Ok(Err(StepError::NoneOpen.to_string())) };
    Ok(ledger.begin(Asked { step_type, name, shape, correlation }, now).map_err(|error| error.to_string()))
}

/// What the sleep or wait that was just begun is written as.
fn waits(state: &mut AttemptState, wait_ms: u64) -> Result<Step, String> {
    let wait = Duration::from_millis(wait_ms);
    let ledger = state.ledger.as_mut().ok_or_else(|| StepError::NoneOpen.to_string())?;
    if wait > WAIT_MAX {
        ledger.abandon();
        return Err(format!("a job may wait at most {} days at a time", WAIT_MAX.as_secs() / 86_400));
    }
    let until: Timestamp = state.clock.now().plus(wait);
    ledger.waits_until(until).ok_or_else(|| StepError::NoneOpen.to_string())
}

pub(super) fn json_of(step: Step) -> wasmtime::Result<String> {
    Ok(String::from_utf8(step.result.unwrap_or_default().to_vec())?)
}

/// Ends the guest, which is to be run again.
fn suspended(state: &mut AttemptState, suspension: Suspension) -> wasmtime::Error {
    state.suspension = Some(suspension);
    Ended::Suspended.into()
}

/// Ends the guest: the job is another one's.
pub(super) fn lost(state: &AttemptState) -> wasmtime::Error {
    state.interrupt.raise(FailureReason::HostLost);
    Ended::Interrupted(FailureReason::HostLost).into()
}
