//! What a fake host records of steps, and how it ends an execution in their midst: as a host does, by not returning.

use std::panic::resume_unwind;

use super::Begun;
use crate::Context;
use crate::testing::{Record, Recorder};

/// Largest result of a step, bytes.
const RESULT_BYTES_MAX: usize = 256 << 10;
/// Most steps.
const STEPS_MAX: usize = 1_000;

/// A step as a fake host recorded it.
///
/// ```
/// # use stoker_sdk::testing::{FakeHost, Step};
/// let host = FakeHost::new();
/// host.context().step("count", || Ok(3)).unwrap();
/// assert_eq!(host.steps(), [Step { name: "count".into(), occurrence: 0, result: Some("3".into()) }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As the handler calls it; of a wait the type of the event.
    pub name: String,
    /// The how many-eth of its name, from 0.
    pub occurrence: u32,
    /// JSON text; `None` of a sleep, and of a wait that was in vain.
    pub result: Option<String>,
}

/// Why an execution did not return.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The host died.
    Crashed,
    /// It goes on from its top when so much time has passed.
    Sleeps(u64),
    /// It goes on from its top when the event comes, or its time is over.
    Awaits,
}

#[derive(Debug)]
struct Recorded {
    step: Step,
    /// The type of its result; `sleep`, `event` and the correlation of the others.
    shape: String,
    after_failure: bool,
    met: bool,
}

/// The steps of one job.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    recorded: Vec<Recorded>,
    /// Ended in this execution, by name.
    ended: Vec<(String, u32)>,
    open: Option<(String, u32, String)>,
    has_failed: bool,
    /// A handler is run by the fake host, and not called by hand.
    pub(crate) is_executing: bool,
    pub(crate) crashes_after: Vec<usize>,
    pub(crate) crashes_before: Vec<usize>,
    /// Those that were not returned yet, in their order: type, correlation, JSON text.
    pub(crate) events: Vec<(String, String, String)>,
    /// Time that passed while it slept or waited in vain, ms.
    pub(crate) slept_ms: u64,
}

impl Ledger {
    pub(crate) fn begin_execution(&mut self) {
        self.ended.clear();
        (self.open, self.has_failed, self.is_executing) = (None, false, true);
        for recorded in &mut self.recorded {
            recorded.met = false;
        }
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.recorded.iter().map(|recorded| recorded.step.clone()).collect()
    }

    fn occurrence(&self, name: &str) -> u32 {
        let ended = self.ended.iter().filter(|(ended, _)| ended == name).count();
        u32::try_from(ended).unwrap_or(u32::MAX)
    }

    /// What was recorded in this place, if something was.
    fn ask(&mut self, name: &str, shape: &str) -> Result<Option<Step>, String> {
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            return Err("the name of a step must be 1 to 128 bytes of text without control characters".to_owned());
        }
        if let Some((open, ..)) = &self.open {
            return Err(format!("step `{name}` is asked for inside of step `{open}`; end that one first"));
        }
        let occurrence = self.occurrence(name);
        let known = |recorded: &&mut Recorded| recorded.step.name == name && recorded.step.occurrence == occurrence;
        if let Some(recorded) = self.recorded.iter_mut().find(known) {
            if recorded.shape != shape {
                let was = &recorded.shape;
                return Err(format!("the result of step `{name}` was recorded as `{was}`; it can't be `{shape}` now"));
            }
            recorded.met = true;
            let step = recorded.step.clone();
            self.ended.push((name.to_owned(), occurrence));
            return Ok(Some(step));
        }
        if let Some(unmet) = self.recorded.iter().find(|recorded| !recorded.met && !recorded.after_failure) {
            return Err(format!(
                "step `{name}` is asked for, but an earlier execution recorded `{}`, which this one has not asked for",
                unmet.step.name
            ));
        }
        if self.recorded.len() >= STEPS_MAX {
            return Err(format!("a job may have at most {STEPS_MAX} steps"));
        }
        Ok(None)
    }

    fn record(&mut self, name: &str, shape: String, result: Option<String>) {
        let occurrence = self.occurrence(name);
        let step = Step { name: name.to_owned(), occurrence, result };
        self.recorded.push(Recorded { step, shape, after_failure: self.has_failed, met: true });
        self.ended.push((name.to_owned(), occurrence));
    }
}

impl Context {
    pub(crate) fn begin_step(&self, name: &str, shape: &str) -> Result<Begun, String> {
        let mut record = self.recorder().lock();
        let ledger = &mut record.ledger;
        if let Some(step) = ledger.ask(name, shape)? {
            return Ok(Begun::Recorded(step.result.unwrap_or_else(|| "null".to_owned())));
        }
        let occurrence = ledger.occurrence(name);
        ledger.open = Some((name.to_owned(), occurrence, shape.to_owned()));
        Ok(Begun::Run(format!("{}/{name}/{occurrence}", self.job_id())))
    }

    pub(crate) fn record_step(&self, name: &str, result: &str) -> Result<(), String> {
        let mut record = self.recorder().lock();
        let ledger = &mut record.ledger;
        let (_, _, shape) = ledger.open.take().ok_or("no step is begun that could be recorded")?;
        if result.len() > RESULT_BYTES_MAX {
            return Err(format!(
                "the result of step `{name}` has {} bytes; it may have at most {RESULT_BYTES_MAX}",
                result.len()
            ));
        }
        let number = ledger.recorded.len() + 1;
        if ledger
            .crashes_before
            .iter()
            .position(|place| *place == number)
            .map(|place| ledger.crashes_before.remove(place))
            .is_some()
        {
            end(record, Ended::Crashed);
        }
        ledger.record(name, shape, Some(result.to_owned()));
        if ledger
            .crashes_after
            .iter()
            .position(|place| *place == number)
            .map(|place| ledger.crashes_after.remove(place))
            .is_some()
        {
            end(record, Ended::Crashed);
        }
        Ok(())
    }

    pub(crate) fn abandon_step(&self) {
        let mut record = self.recorder().lock();
        record.ledger.open = None;
        record.ledger.has_failed = true;
    }

    pub(super) fn sleep_ms(&self, name: &str, duration_ms: u64) -> Result<(), String> {
        let mut record = self.recorder().lock();
        if record.ledger.ask(name, "sleep")?.is_some() {
            return Ok(());
        }
        record.ledger.record(name, "sleep".to_owned(), None);
        if record.ledger.is_executing {
            end(record, Ended::Sleeps(duration_ms));
        }
        record.ledger.slept_ms = record.ledger.slept_ms.saturating_add(duration_ms);
        Ok(())
    }

    pub(super) fn wait_for_json(
        &self,
        event_type: &str,
        correlation: &str,
        timeout_ms: u64,
    ) -> Result<Option<String>, String> {
        let mut record = self.recorder().lock();
        let shape = format!("event of {correlation}");
        if let Some(step) = record.ledger.ask(event_type, &shape)? {
            return Ok(step.result);
        }
        let ledger = &mut record.ledger;
        let came = ledger.events.iter().position(|(of_type, of, _)| of_type == event_type && of == correlation);
        let data = came.map(|place| ledger.events.remove(place).2);
        if data.is_none() {
            ledger.slept_ms = ledger.slept_ms.saturating_add(timeout_ms);
        }
        ledger.record(event_type, shape, data.clone());
        if ledger.is_executing {
            end(record, Ended::Awaits);
        }
        Ok(data)
    }
}

/// Ends the execution where it stands. Nothing is printed: it is no panic.
fn end(record: std::sync::MutexGuard<'_, Record>, ended: Ended) -> ! {
    drop(record);
    resume_unwind(Box::new(ended))
}

impl Recorder {
    /// The step that is open when an execution ends is no more.
    pub(crate) fn begin_execution(&self) {
        super::KEY.set(None);
        self.lock().ledger.begin_execution();
    }
}
