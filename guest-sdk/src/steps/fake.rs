//! The calls that a fake host answers about steps, its clock, and how it ends an execution in their midst: as a real one does, by not
//! returning.

use std::panic::resume_unwind;
use std::sync::MutexGuard;
use std::time::Duration;

use super::Begun;
use super::ledger::{Asked, Ledger};
use crate::Context;
use crate::testing::bounds::{CORRELATION_BYTES_MAX, SHAPE_BYTES_MAX, WAIT_MAX};
use crate::testing::texts::{control_character, cut};
use crate::testing::{Record, Recorder};

/// Why an execution did not return.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The host died.
    Crashed,
    /// It goes on from its top now: what it waited for came, or its time is over.
    Waited,
}

/// What one job has behind it.
#[derive(Debug, Default)]
pub(crate) struct Progressed {
    pub(crate) ledger: Ledger,
    /// A handler is run by the fake host, and not called by hand.
    pub(crate) is_executing: bool,
    pub(crate) crashes_after: Vec<usize>,
    pub(crate) crashes_before: Vec<usize>,
    events: Vec<Came>,
    /// Time that passed while it slept or waited, ms.
    pub(crate) slept_ms: u64,
}

/// An event that was not returned yet.
#[derive(Debug)]
struct Came {
    at_ms: u64,
    event_type: String,
    correlation: String,
    /// JSON text.
    data: String,
}

impl Progressed {
    /// It comes so long after the job was enqueued.
    pub(crate) fn add_event(&mut self, at_ms: u64, [event_type, correlation, data]: [&str; 3]) {
        let (event_type, correlation, data) = (event_type.to_owned(), correlation.to_owned(), data.to_owned());
        self.events.push(Came { at_ms, event_type, correlation, data });
        // Those of one moment stay in the order they were told.
        self.events.sort_by_key(|event| event.at_ms);
    }

    /// When the next one of these comes, and its data; if it does until then.
    fn event(&mut self, event_type: &str, correlation: &str, until_ms: u64) -> Option<(u64, String)> {
        let is_meant = |event: &Came| {
            event.event_type == event_type && event.correlation == correlation && event.at_ms <= until_ms
        };
        let place = self.events.iter().position(is_meant)?;
        let Came { at_ms, data, .. } = self.events.remove(place);
        Some((at_ms, data))
    }
}

impl Context {
    pub(crate) fn begin_step(&self, name: &str, shape: &str) -> Result<Begun, String> {
        let mut record = self.recorder().lock();
        let ledger = &mut record.job.ledger;
        if let Some(step) = ledger.begin(name, Asked::Step(cut(shape, SHAPE_BYTES_MAX)))? {
            return Ok(Begun::Recorded(step.result.unwrap_or_else(|| "null".to_owned())));
        }
        Ok(Begun::Run(format!("{}/{name}/{}", self.job_id(), ledger.open_occurrence())))
    }

    /// A result as it is kept, if the step that is open can have it.
    #[cfg(feature = "testing-database")]
    pub(crate) fn checked_step(&self, result: &str) -> Result<String, String> {
        let record = self.recorder().lock();
        let result = record.redacted(result);
        record.job.ledger.check(&result)?;
        Ok(result)
    }

    pub(crate) fn record_step(&self, result: &str) -> Result<(), String> {
        let record = self.recorder().lock();
        // It is shown to people, like an output.
        let result = record.redacted(result);
        record.job.ledger.check(&result)?;
        drop(recorded(alive(record), Some(result)));
        Ok(())
    }

    pub(crate) fn abandon_step(&self) {
        self.recorder().lock().job.ledger.abandon();
    }

    pub(super) fn sleep_ms(&self, name: &str, duration_ms: u64) -> Result<(), String> {
        let mut record = self.recorder().lock();
        if record.job.ledger.begin(name, Asked::Sleep)?.is_some() {
            return Ok(());
        }
        check_wait(&mut record.job, duration_ms)?;
        let mut record = alive(record);
        record.job.slept_ms = record.job.slept_ms.saturating_add(duration_ms);
        let record = recorded(record, None);
        if record.job.is_executing {
            end(record, Ended::Waited);
        }
        Ok(())
    }

    pub(super) fn wait_for_json(
        &self,
        event_type: &str,
        correlation: &str,
        timeout_ms: u64,
    ) -> Result<Option<String>, String> {
        if correlation.len() > CORRELATION_BYTES_MAX {
            return Err(format!("a correlation may have at most {CORRELATION_BYTES_MAX} bytes"));
        }
        if let Some(sentence) = control_character(correlation) {
            return Err(format!("a correlation {sentence}"));
        }
        let mut record = self.recorder().lock();
        if let Some(step) = record.job.ledger.begin(event_type, Asked::Event(correlation.to_owned()))? {
            return Ok(step.result);
        }
        check_wait(&mut record.job, timeout_ms)?;
        let mut record = alive(record);
        let job = &mut record.job;
        let (now_ms, until_ms) = (job.slept_ms, job.slept_ms.saturating_add(timeout_ms));
        let came = job.event(event_type, correlation, until_ms);
        // One that has come is returned at once.
        let is_there = came.as_ref().is_some_and(|(at_ms, _)| *at_ms <= now_ms);
        job.slept_ms = came.as_ref().map_or(until_ms, |(at_ms, _)| now_ms.max(*at_ms));
        let data = came.map(|(_, data)| data);
        let record = recorded(record, data.clone());
        if record.job.is_executing && !is_there {
            end(record, Ended::Waited);
        }
        Ok(data)
    }
}

/// A sleep or a wait that was just begun is not too long; or it is none.
fn check_wait(job: &mut Progressed, wait_ms: u64) -> Result<(), String> {
    if Duration::from_millis(wait_ms) > WAIT_MAX {
        job.ledger.abandon();
        return Err(format!("a job may wait at most {} days at a time", WAIT_MAX.as_secs() / 86_400));
    }
    Ok(())
}

/// What is open is about to be recorded, unless the host is to die before that.
fn alive(mut record: MutexGuard<'_, Record>) -> MutexGuard<'_, Record> {
    let job = &mut record.job;
    let number = job.ledger.next_number();
    if job.is_executing && dies(&mut job.crashes_before, number) {
        end(record, Ended::Crashed);
    }
    record
}

/// Records what is open. The host may be to die after that.
fn recorded(mut record: MutexGuard<'_, Record>, result: Option<String>) -> MutexGuard<'_, Record> {
    let job = &mut record.job;
    let number = job.ledger.next_number();
    job.ledger.record(result);
    if job.is_executing && dies(&mut job.crashes_after, number) {
        end(record, Ended::Crashed);
    }
    record
}

/// Whether the host is to die here; once for each time it was told so.
fn dies(places: &mut Vec<usize>, number: usize) -> bool {
    let place = places.iter().position(|place| *place == number);
    place.map(|place| places.remove(place)).is_some()
}

/// Ends the execution where it stands. Nothing is printed: it is no panic.
fn end(record: MutexGuard<'_, Record>, ended: Ended) -> ! {
    drop(record);
    resume_unwind(Box::new(ended))
}

impl Recorder {
    /// The step that is open when an execution ends is no more.
    pub(crate) fn begin_execution(&self) {
        super::KEY.set(None);
        let mut record = self.lock();
        record.job.ledger.begin_execution();
        record.job.is_executing = true;
    }
}
