//! The steps of one job as a fake host keeps them: by the rules and in the words of a real one.

use crate::testing::bounds::{STEP_NAME_BYTES_MAX, STEP_RESULT_BYTES_MAX, STEPS_BYTES_MAX, STEPS_MAX};
use crate::testing::texts::{is_short_text, size};

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

/// What a handler asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// With the type of its result.
    Step(String),
    Sleep,
    /// Told apart by this.
    Event(String),
}

#[derive(Debug)]
struct Recorded {
    step: Step,
    asked: Asked,
    after_failure: bool,
    /// This execution has asked for it.
    is_met: bool,
}

/// A step that was begun and has not ended.
#[derive(Debug)]
struct Open {
    name: String,
    occurrence: u32,
    asked: Asked,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    recorded: Vec<Recorded>,
    /// Ended in this execution, by name.
    ended: Vec<String>,
    open: Option<Open>,
    has_failed: bool,
}

impl Ledger {
    pub(super) fn begin_execution(&mut self) {
        self.ended.clear();
        (self.open, self.has_failed) = (None, false);
        for recorded in &mut self.recorded {
            recorded.is_met = false;
        }
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.recorded.iter().map(|recorded| recorded.step.clone()).collect()
    }

    /// Which step the next one that is recorded will be, from 1.
    pub(super) fn next_number(&self) -> usize {
        self.recorded.len() + 1
    }

    /// What was recorded in this place; `None`: the step is open now.
    pub(super) fn begin(&mut self, name: &str, asked: Asked) -> Result<Option<Step>, String> {
        if !is_short_text(name, STEP_NAME_BYTES_MAX) {
            let what = if matches!(asked, Asked::Event(_)) { "the type of an event" } else { "the name of a step" };
            return Err(format!("{what} must be 1 to {STEP_NAME_BYTES_MAX} bytes of text without control characters"));
        }
        if let Some(Open { name: open, .. }) = &self.open {
            return Err(format!("step `{name}` is asked for inside of step `{open}`; end that one first"));
        }
        let ended = self.ended.iter().filter(|ended| *ended == name).count();
        let occurrence = u32::try_from(ended).unwrap_or(u32::MAX);
        let is_known = |known: &&mut Recorded| known.step.name == name && known.step.occurrence == occurrence;
        if let Some(known) = self.recorded.iter_mut().find(is_known) {
            same_type(name, &known.asked, &asked)?;
            known.is_met = true;
            self.ended.push(name.to_owned());
            return Ok(Some(known.step.clone()));
        }
        // What was recorded after a failure belongs to another way than that of a success.
        if let Some(unmet) = self.recorded.iter().find(|recorded| !recorded.is_met && !recorded.after_failure) {
            return Err(format!(
                "step `{name}` is asked for, but an earlier execution recorded `{}`, which this one has not asked for; \
                 what a job asks for must not depend on anything but its payload and the results of its steps",
                unmet.step.name
            ));
        }
        if self.recorded.len() >= STEPS_MAX {
            return Err(format!("a job may have at most {STEPS_MAX} steps"));
        }
        self.open = Some(Open { name: name.to_owned(), occurrence, asked });
        Ok(None)
    }

    /// The how many-eth of its name the step is that is open.
    pub(super) fn open_occurrence(&self) -> u32 {
        self.open.as_ref().map_or(0, |open| open.occurrence)
    }

    /// Whether the step that is open can have this result. It stays open, and nothing is recorded.
    pub(super) fn check(&self, result: &str) -> Result<(), String> {
        let Some(Open { name, .. }) = &self.open else {
            return Err("no step is begun that could be recorded".to_owned());
        };
        if result.len() > STEP_RESULT_BYTES_MAX {
            return Err(format!(
                "the result of step `{name}` has {} bytes; it may have at most {}",
                result.len(),
                size(STEP_RESULT_BYTES_MAX as u64)
            ));
        }
        let recorded: usize =
            self.recorded.iter().filter_map(|known| known.step.result.as_ref().map(String::len)).sum();
        if recorded + result.len() > STEPS_BYTES_MAX {
            return Err(format!(
                "the results of the job's steps may have at most {} together, and that of step `{name}` would be too much",
                size(STEPS_BYTES_MAX as u64)
            ));
        }
        Ok(())
    }

    /// The step that is open has ended so.
    pub(super) fn record(&mut self, result: Option<String>) {
        let Some(Open { name, occurrence, asked }) = self.open.take() else { return };
        self.ended.push(name.clone());
        let step = Step { name, occurrence, result };
        self.recorded.push(Recorded { step, asked, after_failure: self.has_failed, is_met: true });
    }

    /// The step that was open has failed. The next one of its name takes its place.
    pub(super) fn abandon(&mut self) {
        self.has_failed |= self.open.take().is_some();
    }
}

fn same_type(name: &str, was: &Asked, now: &Asked) -> Result<(), String> {
    let (what, was, now) = match (was, now) {
        (was, now) if was == now => return Ok(()),
        (Asked::Step(was), Asked::Step(now)) => ("the result of step", format!("`{was}`"), format!("`{now}`")),
        (Asked::Event(was), Asked::Event(now)) => {
            ("the wait for event", format!("one of `{was}`"), format!("one of `{now}`"))
        }
        (was, now) => ("what is called", article(was).to_owned(), article(now).to_owned()),
    };
    Err(format!("{what} `{name}` was recorded as {was}; it can't be {now} now"))
}

fn article(asked: &Asked) -> &'static str {
    match asked {
        Asked::Step(_) => "a step",
        Asked::Sleep => "a sleep",
        Asked::Event(_) => "a wait for an event",
    }
}
