//! One attempt from invocation to execution: prepares streams and state, calls the guest, reads the meters.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use wasmtime::{Engine, Store};

use super::classify::{self, Facts, LimitsOf, Stopped};
use super::egress::Egress;
use super::epoch::Ticker;
use super::guest::{Entry, Guest};
use super::invocation::{self, Call, Ending, EngineLimits, Returned};
use super::model::{Execution, Invocation, PlainSettings, Remains, SandboxError};
use super::output;
use super::redaction;
use super::state::{AttemptParts, AttemptState, Ended, PlainStreams};
use super::streams::{Capture, SharedCapture};
use crate::job::duration::whole_us;
use crate::job::{
    AttemptContext, Clock, Failure, FailureReason, Limits, Mailbox, Outcome, Receipt, StdoutFormat, Timestamp,
};

/// What is the same for all attempts of a host.
pub(super) type Surroundings<'a> =
    (&'a Engine, &'a Arc<dyn Clock>, &'a Ticker, &'a Arc<Egress>, &'a Option<Arc<Mailbox>>);

/// Runs one attempt to its end.
pub(super) async fn run(
    (engine, clock, ticker, egress, mail_sender): Surroundings<'_>,
    guest: &Guest,
    invocation: Invocation,
    on_entry: impl FnOnce() + Send,
) -> Result<Execution, SandboxError> {
    let Invocation {
        context,
        payload,
        limits,
        plain,
        ready_at,
        compiled,
        interrupt,
        progress,
        output_schema,
        parents,
        grants,
        secrets,
        kv,
        steps,
        databases,
    } = invocation;
    let started_at = clock.now();
    let began = clock.monotonic();
    let queue_wait_us = whole_us(started_at.since(ready_at));
    let mut receipt = Receipt { queue_wait_us, compiled, limits: Some(limits), ..Receipt::default() };

    let refused = |failure: Failure| refused(failure, started_at, receipt);
    let Ok(payload_text) = std::str::from_utf8(&payload) else {
        return Ok(refused(Failure::new(FailureReason::InvalidPayload, "the payload is not UTF-8")));
    };
    let (call, streams) = match guest.entry() {
        Entry::Handler(_) => (Call::Run { context: &context, payload: payload_text }, None),
        Entry::ComponentCommand(_) | Entry::CoreCommand(_) => match streams(&payload, &context, &plain, &limits) {
            Ok(streams) => (Call::Command, Some(streams)),
            Err(failure) => return Ok(refused(failure)),
        },
    };
    let capture = streams.as_ref().map(|streams| Arc::clone(&streams.stdout));

    let state = AttemptState::new(AttemptParts {
        engine: engine.clone(),
        clock: Arc::clone(clock),
        deadline: began.saturating_add(limits.timeout),
        interrupt,
        progress,
        memory_bytes_max: limits.memory_bytes,
        host_calls_max: limits.host_calls,
        log_bytes_max: limits.log_bytes,
        slot_at: context.slot_at,
        plain: streams,
        parents,
        grants,
        secrets,
        kv,
        steps,
        mail_sender: mail_sender.clone(),
        databases,
        egress: Some((Arc::clone(egress), context.tenant.clone())),
    });
    let engine_limits = EngineLimits { fuel: limits.fuel, handover_bytes: limits.output_bytes.max(limits.log_bytes) };
    let mut store = invocation::store(state, engine_limits)?;
    on_entry();
    let ending = invocation::call(ticker, &mut store, guest, call, limits.timeout).await?;
    let ended = clock.monotonic();
    // What is open in them is rolled back, and free for others, before anybody is told of the end.
    store.data_mut().open_databases.clear();

    measure(&mut receipt, &store, &limits, (began, ended));
    let is_command = capture.is_some();
    let outcome = outcome(&store, guest, ending, capture.as_ref(), (&limits, LimitsOf::Job), &plain);
    let outcome = redaction::of_output(outcome, store.data().secrets_given(), &limits);
    let denied = store.data().denied_names();
    let outcome = match outcome {
        Outcome::Succeeded { output } => {
            let hint = if is_command { output::COMMAND_HINT } else { output::HANDLER_HINT };
            // What is left of the time is for this, too.
            let left = limits.timeout.saturating_sub(ended.saturating_sub(began));
            let checked = output::check(&output, output_schema.as_ref(), hint);
            match invocation::watch(checked, left, &store.data().interrupt).await {
                Ok(Ok(())) => Outcome::Succeeded { output },
                Ok(Err(failure)) => Outcome::Failed(failure),
                Err(why) => {
                    Outcome::Failed(classify::dropped(why, &facts(store.data(), (&limits, LimitsOf::Job), &plain, "")))
                }
            }
        }
        Outcome::Failed(failure) => Outcome::Failed(classify::after_denials(failure, &denied)),
        outcome @ Outcome::Suspended(_) => outcome,
    };
    let outcome = redaction::of_failure(outcome, store.data().secrets_given());
    let mut effects = Vec::new();
    if let Outcome::Succeeded { output } = &outcome {
        receipt.output_bytes = u64::try_from(output.len()).unwrap_or(u64::MAX);
        effects = store.data_mut().effects.take().map(|asked| asked.into_effects()).unwrap_or_default();
    }
    let (log, log_lines_dropped) = store.data().log.as_ref().map(|log| log.lock().finish()).unwrap_or_default();
    let finished_at = started_at.plus(ended.saturating_sub(began));
    let remains = Remains { store: Some(store), ..Remains::default() };
    Ok(Execution { outcome, started_at, finished_at, receipt, log, log_lines_dropped, denied, effects, remains })
}

/// Of an attempt that never reached its handler.
fn refused(failure: Failure, at: Timestamp, receipt: Receipt) -> Execution {
    Execution {
        outcome: Outcome::Failed(failure),
        started_at: at,
        finished_at: at,
        receipt,
        log: Vec::new(),
        log_lines_dropped: 0,
        denied: Vec::new(),
        effects: Vec::new(),
        remains: Remains::default(),
    }
}

/// What it cost, read off the meters.
fn measure(receipt: &mut Receipt, store: &Store<AttemptState>, limits: &Limits, (began, ended): (Duration, Duration)) {
    let state = store.data();
    let instantiated = state.instantiated_at.unwrap_or(ended);
    receipt.instantiate_us = whole_us(instantiated.saturating_sub(began));
    receipt.run_us = whole_us(ended.saturating_sub(instantiated));
    receipt.fuel_used = limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
    receipt.memory_peak_bytes = state.memory.peak_bytes();
    receipt.host_calls = state.host_calls;
    receipt.http_calls = state.http.requests;
}

/// Where standard input and output of a plain command lead.
fn streams(
    payload: &Bytes,
    context: &AttemptContext,
    plain: &PlainSettings,
    limits: &Limits,
) -> Result<PlainStreams, Failure> {
    Ok(PlainStreams {
        stdin: output::stdin(payload, plain.stdin)?,
        stdout: Arc::new(Mutex::new(Capture::new(limits.output_bytes))),
        args: arguments(context, plain),
        env: environment(context, plain),
    })
}

fn outcome(
    store: &Store<AttemptState>,
    guest: &Guest,
    ending: Ending,
    capture: Option<&SharedCapture>,
    (limits, limits_of): (&Limits, LimitsOf),
    plain: &PlainSettings,
) -> Outcome {
    let state = store.data();
    let stderr_tail = match (&ending, &state.log) {
        // The common case looks at nothing.
        (Ending::Returned(Returned::Output(_)), _) | (_, None) => String::new(),
        (_, Some(log)) => log.lock().stderr_tail(),
    };
    let facts = facts(state, (limits, limits_of), plain, &stderr_tail);
    let is_handler = matches!(guest.entry(), Entry::Handler(_));
    let printed = || {
        let mut stdout = capture.map(|capture| capture.lock().take()).unwrap_or_default();
        if let (Some(finder), StdoutFormat::Text | StdoutFormat::Bytes) = (state.secrets_given(), plain.stdout)
            && let Cow::Owned(redacted) = finder.redact(&stdout)
        {
            stdout = redacted;
        }
        output::of_command(stdout, plain.stdout, limits)
    };
    // Straight-line code meets no tick before it ends. What the host ended for another reason stays that.
    let ending = match ending {
        Ending::Returned(_) if state.is_past_its_calls() => Ending::Dropped(Ended::HostCalls),
        Ending::Stopped(error) if state.is_past_its_calls() && !error.is::<Ended>() => {
            Ending::Dropped(Ended::HostCalls)
        }
        ending => ending,
    };
    if let (Ending::Stopped(error), Some(suspension)) = (&ending, &state.suspension)
        && error.downcast_ref() == Some(&Ended::Suspended)
    {
        return Outcome::Suspended(suspension.clone());
    }
    let result = match ending {
        Ending::Returned(Returned::Output(output)) => output::of_handler(output, limits),
        Ending::Returned(Returned::Failed(failure)) => {
            return classify::handler_failed(redaction::of_words(failure, state.secrets_given()), &facts);
        }
        Ending::Returned(Returned::Finished { success: true }) => printed(),
        Ending::Returned(Returned::Finished { success: false }) => Err(classify::exited(None, &facts)),
        Ending::Returned(Returned::Described(_)) => {
            Err(Failure::new(FailureReason::InvalidOutput, "described itself instead of running"))
        }
        Ending::Dropped(ended) => Err(classify::dropped(state.why_dropped(ended), &facts)),
        Ending::Stopped(error) => match classify::stopped(&error, &facts) {
            Stopped::Failed(failure) => Err(failure),
            Stopped::Exited(code) if is_handler => Err(classify::handler_exited(code, &facts)),
            Stopped::Exited(0) => printed(),
            Stopped::Exited(code) => Err(classify::exited(exit_code(guest, code), &facts)),
        },
    };
    match result {
        Ok(output) => Outcome::Succeeded { output },
        Err(failure) => Outcome::Failed(failure),
    }
}

fn facts<'a>(
    state: &AttemptState,
    (limits, limits_of): (&'a Limits, LimitsOf),
    plain: &PlainSettings,
    stderr_tail: &'a str,
) -> Facts<'a> {
    let (memory_refused, exit_failure) = (state.memory.refused(), plain.exit_failure);
    Facts { limits, limits_of, memory_refused, stderr_tail, exit_failure }
}

/// A component command can tell only success from failure; its 1 is no code.
fn exit_code(guest: &Guest, code: i32) -> Option<i32> {
    matches!(guest.entry(), Entry::CoreCommand(_)).then_some(code)
}

/// Describes a handler; the outcome of anything but an answer is a failure.
pub(super) async fn describe(
    engine: &Engine,
    clock: &Arc<dyn Clock>,
    ticker: &Ticker,
    guest: &Guest,
    limits: &Limits,
) -> Result<Result<Vec<super::bindings::exports::stoker::handler::handler::KindDescription>, Failure>, SandboxError> {
    let state = AttemptState::new(AttemptParts {
        engine: engine.clone(),
        clock: Arc::clone(clock),
        deadline: clock.monotonic().saturating_add(limits.timeout),
        interrupt: super::Interrupt::default(),
        progress: super::ProgressCell::default(),
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
    let ending = invocation::call(ticker, &mut store, guest, Call::Describe, limits.timeout).await?;
    let ending = match ending {
        Ending::Returned(Returned::Described(kinds)) if !store.data().is_past_its_calls() => return Ok(Ok(kinds)),
        ending => ending,
    };
    let outcome = outcome(&store, guest, ending, None, (limits, LimitsOf::Describe), &PlainSettings::default());
    Ok(Err(match outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Succeeded { .. } | Outcome::Suspended(_) => {
            Failure::new(FailureReason::InvalidOutput, "`describe` ended without an answer")
        }
    }))
}

fn arguments(context: &AttemptContext, plain: &PlainSettings) -> Vec<String> {
    // A plain command's kind carries its module's name.
    std::iter::once(context.kind.to_string()).chain(plain.args.iter().cloned()).collect()
}

fn environment(context: &AttemptContext, plain: &PlainSettings) -> Vec<(String, String)> {
    let facts = [
        ("STOKER_JOB_ID", context.job.to_string()),
        ("STOKER_ATTEMPT", context.attempt.to_string()),
        ("STOKER_TENANT", context.tenant.to_string()),
        ("STOKER_KIND", context.kind.to_string()),
    ];
    let slot = context.slot_at.map(|slot_at| ("STOKER_SLOT_TIME", slot_at.to_string()));
    let facts = facts.into_iter().chain(slot).map(|(name, value)| (name.to_owned(), value));
    plain.env.iter().cloned().chain(facts).collect()
}
