//! The packed forms of what is written once and read rarely: executions, failures, logs, notes of history, events.
//!
//! Each begins with a format number, so that a later binary can still read what this one wrote.

use std::time::Duration;

use bytes::{Buf, Bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::catalog::ModuleVersionId;
use super::error::StoreError;
use super::model::AttemptOutcome;
use crate::job::duration::whole_us;
use crate::job::mail::MailContent;
use crate::job::{
    CompiledFrom, EventType, Failure, FailureReason, GuestType, HandlerVerdict, HostId, JobState, Limits, LogLevel,
    LogLine, Progress, Receipt, Timestamp,
};

/// The only format so far.
const FORMAT: u8 = 1;

fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(FORMAT);
    postcard::to_extend(value, bytes).map_err(StoreError::internal)
}

fn unpack<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    Ok(unpack_first(what, bytes)?.0)
}

/// What stands first, and all that follows it.
fn unpack_first<'b, T: DeserializeOwned>(what: &str, bytes: &'b [u8]) -> Result<(T, &'b [u8]), StoreError> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => {
            postcard::take_from_bytes(body).map_err(|error| StoreError::Internal(format!("a packed {what}: {error}")))
        }
        Some((format, _)) => Err(StoreError::Internal(format!("a packed {what} of unknown format {format}"))),
        None => Err(StoreError::Internal(format!("an empty {what}"))),
    }
}

// ---- words ------------------------------------------------------------------------------------------------------

/// A state's number inside packed rows; columns hold the word.
pub(super) fn state_code(state: JobState) -> u8 {
    state as u8
}

/// A state from its number.
pub(super) fn state_from_code(code: u8) -> Result<JobState, StoreError> {
    JobState::ALL.get(usize::from(code)).copied().ok_or_else(|| StoreError::Internal(format!("{code} is no state")))
}

/// A state from its word in a column.
pub(super) fn state_from_word(word: &str) -> Result<JobState, StoreError> {
    word.parse().map_err(StoreError::internal)
}

/// How a module is run, from its word in a column.
pub(super) fn guest_from_word(word: &str) -> Result<GuestType, StoreError> {
    [GuestType::Handler, GuestType::ComponentCommand, GuestType::CoreCommand]
        .into_iter()
        .find(|guest| guest.as_str() == word)
        .ok_or_else(|| StoreError::Internal(format!("`{word}` is no type of guest")))
}

fn outcome_code(outcome: AttemptOutcome) -> u8 {
    match outcome {
        AttemptOutcome::Succeeded => 0,
        AttemptOutcome::Failed => 1,
        AttemptOutcome::Suspended => 2,
        AttemptOutcome::GivenBack => 3,
        AttemptOutcome::Lost => 4,
    }
}

fn outcome_from_code(code: u8) -> Result<AttemptOutcome, StoreError> {
    Ok(match code {
        0 => AttemptOutcome::Succeeded,
        1 => AttemptOutcome::Failed,
        2 => AttemptOutcome::Suspended,
        3 => AttemptOutcome::GivenBack,
        4 => AttemptOutcome::Lost,
        other => return Err(StoreError::Internal(format!("{other} is no outcome of an attempt"))),
    })
}

fn level_code(level: LogLevel) -> u8 {
    match level {
        LogLevel::Trace => 0,
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
        LogLevel::Stdout => 5,
        LogLevel::Stderr => 6,
    }
}

fn level_from_code(code: u8) -> LogLevel {
    match code {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        3 => LogLevel::Warn,
        4 => LogLevel::Error,
        5 => LogLevel::Stdout,
        6 => LogLevel::Stderr,
        // A level of a later binary still has something to say.
        _ => LogLevel::Info,
    }
}

// ---- executions -------------------------------------------------------------------------------------------------

/// One execution as written, its failure apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredExecution {
    pub(super) attempt: u32,
    pub(super) outcome: AttemptOutcome,
    /// Where it left the job.
    pub(super) state_after: JobState,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Timestamp,
    pub(super) version: Option<ModuleVersionId>,
    pub(super) host: HostId,
    pub(super) receipt: Receipt,
    /// What the guest used and was not granted.
    pub(super) denied: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct PackedExecution {
    attempt: u32,
    outcome: u8,
    state_after: u8,
    started_at: Option<i64>,
    finished_at: i64,
    version: Option<i64>,
    host: [u8; 16],
    receipt: [u64; 8],
    compiled: u8,
}

pub(super) fn pack_execution(execution: &StoredExecution) -> Result<Vec<u8>, StoreError> {
    let StoredExecution { attempt, outcome, state_after, started_at, finished_at, version, host, receipt, denied } =
        execution;
    let Receipt {
        queue_wait_us,
        instantiate_us,
        run_us,
        fuel_used,
        memory_peak_bytes,
        output_bytes,
        host_calls,
        http_calls,
        compiled,
        limits,
    } = *receipt;
    let mut bytes = pack(&PackedExecution {
        attempt: *attempt,
        outcome: outcome_code(*outcome),
        state_after: state_code(*state_after),
        started_at: started_at.map(Timestamp::as_ms),
        finished_at: finished_at.as_ms(),
        version: version.map(|version| version.0),
        host: host.to_bytes(),
        receipt: [
            queue_wait_us,
            instantiate_us,
            run_us,
            fuel_used,
            memory_peak_bytes,
            output_bytes,
            host_calls,
            http_calls,
        ],
        compiled: compiled.code(),
    })?;
    if let Some(Limits { fuel, timeout, memory_bytes, output_bytes, log_bytes, host_calls }) = limits {
        let packed: PackedLimits = [fuel, whole_us(timeout), memory_bytes, output_bytes, log_bytes, host_calls];
        bytes = postcard::to_extend(&packed, bytes).map_err(StoreError::internal)?;
        // A guest that was run had limits: there is no list without them.
        if !denied.is_empty() {
            bytes = postcard::to_extend(denied, bytes).map_err(StoreError::internal)?;
        }
    }
    Ok(bytes)
}

/// Behind the execution, from the version on that keeps them; earlier ones read as far as they know. Behind them what was
/// denied, if anything was.
type PackedLimits = [u64; 6];

fn unpack_limits(bytes: &[u8]) -> Result<(Option<Limits>, Vec<String>), StoreError> {
    if bytes.is_empty() {
        return Ok((None, Vec::new()));
    }
    let (packed, rest): (PackedLimits, _) = postcard::take_from_bytes(bytes)
        .map_err(|error| StoreError::Internal(format!("the packed limits of an execution: {error}")))?;
    let denied = if rest.is_empty() {
        Vec::new()
    } else {
        postcard::from_bytes(rest)
            .map_err(|error| StoreError::Internal(format!("what an execution was denied: {error}")))?
    };
    let [fuel, timeout_us, memory_bytes, output_bytes, log_bytes, host_calls] = packed;
    let timeout = Duration::from_micros(timeout_us);
    Ok((Some(Limits { fuel, timeout, memory_bytes, output_bytes, log_bytes, host_calls }), denied))
}

pub(super) fn unpack_execution(bytes: &[u8]) -> Result<StoredExecution, StoreError> {
    let (packed, rest): (PackedExecution, _) = unpack_first("execution", bytes)?;
    let [queue_wait_us, instantiate_us, run_us, fuel_used, memory_peak_bytes, output_bytes, host_calls, http_calls] =
        packed.receipt;
    let (limits, denied) = unpack_limits(rest)?;
    Ok(StoredExecution {
        attempt: packed.attempt,
        outcome: outcome_from_code(packed.outcome)?,
        state_after: state_from_code(packed.state_after)?,
        started_at: packed.started_at.map(Timestamp),
        finished_at: Timestamp(packed.finished_at),
        version: packed.version.map(ModuleVersionId),
        host: HostId::from_bytes(packed.host),
        receipt: Receipt {
            queue_wait_us,
            instantiate_us,
            run_us,
            fuel_used,
            memory_peak_bytes,
            output_bytes,
            host_calls,
            http_calls,
            compiled: CompiledFrom::from_code(packed.compiled),
            limits,
        },
        denied,
    })
}

// ---- failures ---------------------------------------------------------------------------------------------------

#[derive(Serialize, Deserialize)]
struct PackedFailure {
    reason: u8,
    message: String,
    detail: Option<String>,
    verdict: Option<PackedVerdict>,
}

#[derive(Serialize, Deserialize)]
enum PackedVerdict {
    Retry(Option<u64>),
    Fatal,
}

pub(super) fn pack_failure(failure: &Failure) -> Result<Vec<u8>, StoreError> {
    pack(&PackedFailure {
        reason: failure.reason.code(),
        message: failure.message.clone(),
        detail: failure.detail.clone(),
        verdict: failure.verdict.map(|verdict| match verdict {
            HandlerVerdict::Retry { after } => PackedVerdict::Retry(after.map(whole_us)),
            HandlerVerdict::Fatal => PackedVerdict::Fatal,
        }),
    })
}

pub(super) fn unpack_failure(bytes: &[u8]) -> Result<Failure, StoreError> {
    let packed: PackedFailure = unpack("failure", bytes)?;
    Ok(Failure {
        reason: FailureReason::from_code(packed.reason)
            .ok_or_else(|| StoreError::Internal(format!("{} is no reason of a failure", packed.reason)))?,
        message: packed.message,
        detail: packed.detail,
        verdict: packed.verdict.map(|verdict| match verdict {
            PackedVerdict::Retry(after) => HandlerVerdict::Retry { after: after.map(Duration::from_micros) },
            PackedVerdict::Fatal => HandlerVerdict::Fatal,
        }),
    })
}

// ---- logs, progress ---------------------------------------------------------------------------------------------

pub(super) fn pack_log(lines: &[LogLine]) -> Result<Vec<u8>, StoreError> {
    let packed: Vec<(i64, u8, &str)> =
        lines.iter().map(|line| (line.at.as_ms(), level_code(line.level), line.message.as_str())).collect();
    pack(&packed)
}

/// The lines of a packed log that were not taken yet.
#[derive(Debug)]
pub(super) struct PackedLines {
    packed: Bytes,
    lines_left: u64,
}

pub(super) fn packed_lines(mut packed: Bytes) -> Result<PackedLines, StoreError> {
    let (lines_left, rest): (u64, _) = unpack_first("log", &packed)?;
    let begin = packed.len() - rest.len();
    Ok(PackedLines { packed: packed.split_off(begin), lines_left })
}

impl PackedLines {
    pub(super) fn bytes_left(&self) -> usize {
        self.packed.len()
    }

    /// Takes the next one.
    pub(super) fn next_line(&mut self) -> Result<Option<LogLine>, StoreError> {
        if self.lines_left == 0 {
            return Ok(None);
        }
        let ((at, level, message), rest): ((i64, u8, &str), _) = postcard::take_from_bytes(&self.packed)
            .map_err(|error| StoreError::Internal(format!("a line of a packed log: {error}")))?;
        let line = LogLine { at: Timestamp(at), level: level_from_code(level), message: message.to_owned() };
        let taken = self.packed.len() - rest.len();
        self.packed.advance(taken);
        self.lines_left -= 1;
        Ok(Some(line))
    }
}

pub(super) fn pack_progress(progress: &Progress) -> Result<Vec<u8>, StoreError> {
    pack(&(progress.done, progress.total, &progress.message))
}

pub(super) fn unpack_progress(bytes: &[u8]) -> Result<Progress, StoreError> {
    let (done, total, message) = unpack("progress", bytes)?;
    Ok(Progress { done, total, message })
}

// ---- notes of history -------------------------------------------------------------------------------------------

/// Something unusual in a job's life; the usual is derived from its columns and executions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HistoryNote {
    pub(super) at: Timestamp,
    pub(super) event_type: EventType,
    pub(super) state: JobState,
    pub(super) attempt: u32,
}

/// Notes kept per job. The first tells how the job began; after it the newest stay.
pub(super) const HISTORY_NOTES_MAX: usize = 200;

#[derive(Serialize, Deserialize)]
struct PackedNote(i64, u8, u8, u32);

pub(super) fn unpack_history(bytes: Option<&[u8]>) -> Result<Vec<HistoryNote>, StoreError> {
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let packed: Vec<PackedNote> = unpack("history", bytes)?;
    packed
        .into_iter()
        .map(|PackedNote(at, event, state, attempt)| {
            Ok(HistoryNote {
                at: Timestamp(at),
                event_type: EventType::from_code(event)
                    .ok_or_else(|| StoreError::Internal(format!("{event} is no type of event")))?,
                state: state_from_code(state)?,
                attempt,
            })
        })
        .collect()
}

/// The history with one more note.
pub(super) fn append_history(bytes: Option<&[u8]>, note: HistoryNote) -> Result<Vec<u8>, StoreError> {
    let mut notes = unpack_history(bytes)?;
    if notes.len() >= HISTORY_NOTES_MAX {
        notes.remove(1);
    }
    notes.push(note);
    let packed: Vec<PackedNote> = notes
        .iter()
        .map(|note| PackedNote(note.at.as_ms(), note.event_type.code(), state_code(note.state), note.attempt))
        .collect();
    pack(&packed)
}

// ---- events -----------------------------------------------------------------------------------------------------

/// One event of the log; names are looked up when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    pub(super) at: i64,
    pub(super) event_type: u8,
    pub(super) job: [u8; 16],
    pub(super) kind: i64,
    pub(super) queue: i64,
    pub(super) state: u8,
    pub(super) attempt: u32,
}

pub(super) fn pack_events(events: &[StoredEvent]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(1 + events.len() * 40);
    bytes.push(FORMAT);
    postcard::to_extend(events, bytes).map_err(StoreError::internal)
}

// ---- mail -------------------------------------------------------------------------------------------------------

/// What a mail holds.
pub(super) fn pack_mail(content: &MailContent) -> Result<Vec<u8>, StoreError> {
    pack(content)
}

/// What a mail holds.
pub(super) fn unpack_mail(bytes: &[u8]) -> Result<MailContent, StoreError> {
    unpack("mail", bytes)
}

#[cfg(test)]
pub(super) fn unpack_events(bytes: &[u8]) -> Result<Vec<StoredEvent>, StoreError> {
    unpack("commit of events", bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn executions_and_failures_round_trip() {
        let execution = StoredExecution {
            attempt: 3,
            outcome: AttemptOutcome::Lost,
            state_after: JobState::Ready,
            started_at: Some(Timestamp(17)),
            finished_at: Timestamp(1_800_000_000_000),
            version: Some(ModuleVersionId(9)),
            host: HostId::from_u128(u128::MAX),
            receipt: Receipt { run_us: 7, http_calls: u64::MAX, compiled: CompiledFrom::Disk, ..Receipt::default() },
            denied: Vec::new(),
        };
        let before = pack_execution(&execution).unwrap();
        assert_eq!(unpack_execution(&before).unwrap(), execution);
        let limits = Some(Limits { fuel: u64::MAX, timeout: Duration::from_millis(1_500), ..Limits::default() });
        let limited = StoredExecution { receipt: Receipt { limits, ..execution.receipt }, ..execution };
        let after = pack_execution(&limited).unwrap();
        assert_eq!(unpack_execution(&after).unwrap(), limited);
        let refused = StoredExecution { denied: vec!["kv a".to_owned(), "sockets".to_owned()], ..limited };
        let last = pack_execution(&refused).unwrap();
        assert_eq!(unpack_execution(&last).unwrap(), refused);
        // An earlier binary reads it as far as it knows.
        assert!(after.starts_with(&before) && last.starts_with(&after));
        for verdict in [
            None,
            Some(HandlerVerdict::Fatal),
            Some(HandlerVerdict::Retry { after: None }),
            Some(HandlerVerdict::Retry { after: Some(Duration::from_millis(1_500)) }),
        ] {
            let failure = Failure { verdict, ..Failure::new(FailureReason::Trap, "no").with_detail("where") };
            assert_eq!(unpack_failure(&pack_failure(&failure).unwrap()).unwrap(), failure);
        }
    }

    #[test]
    fn logs_progress_and_events_round_trip() {
        let levels = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
        let lines: Vec<LogLine> = levels
            .into_iter()
            .chain([LogLevel::Stdout, LogLevel::Stderr])
            .map(|level| LogLine { at: Timestamp(5), level, message: "ü".into() })
            .collect();
        let mut packed = packed_lines(pack_log(&lines).unwrap().into()).unwrap();
        let unpacked: Vec<LogLine> = std::iter::from_fn(|| packed.next_line().unwrap()).collect();
        assert_eq!(unpacked, lines);
        let progress = Progress { done: 1, total: Some(2), message: Some("half".into()) };
        assert_eq!(unpack_progress(&pack_progress(&progress).unwrap()).unwrap(), progress);
        let event = StoredEvent { at: -1, event_type: 4, job: [7; 16], kind: 1, queue: 2, state: 5, attempt: u32::MAX };
        assert_eq!(unpack_events(&pack_events(&[event, event]).unwrap()).unwrap(), [event, event]);
    }

    #[test]
    fn history_is_bounded_and_keeps_its_beginning() {
        let mut bytes = None;
        for attempt in 0..300 {
            let note = HistoryNote { at: Timestamp(1), event_type: EventType::Due, state: JobState::Ready, attempt };
            bytes = Some(append_history(bytes.as_deref(), note).unwrap());
        }
        let notes = unpack_history(bytes.as_deref()).unwrap();
        assert_eq!(notes.len(), HISTORY_NOTES_MAX);
        assert_eq!((notes[0].attempt, notes[1].attempt, notes[HISTORY_NOTES_MAX - 1].attempt), (0, 101, 299));
    }

    #[test]
    fn states_and_guests_are_known_again() {
        for state in JobState::ALL {
            assert_eq!(state_from_code(state_code(state)).unwrap(), state);
        }
        assert!(state_from_code(8).is_err());
        for guest in [GuestType::Handler, GuestType::ComponentCommand, GuestType::CoreCommand] {
            assert_eq!(guest_from_word(guest.as_str()).unwrap(), guest);
        }
    }

    #[test]
    fn a_later_format_is_refused() {
        assert!(unpack_progress(&[2, 0]).is_err());
        assert!(unpack_progress(&[]).is_err());
    }
}
