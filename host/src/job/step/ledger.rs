//! What one execution asks for, against what earlier ones recorded. A step is known again by its name and its occurrence. One
//! that is not known, while others are that this execution has not asked for, is refused: the handler went another way than
//! before, and would do twice what it has done once.

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::model::{Asked, STEP_RESULT_BYTES_MAX, STEPS_BYTES_MAX, STEPS_MAX, Step, StepName, StepType};
use crate::job::clock::Timestamp;
use crate::job::size::ByteSize;

/// Why a step is refused; told to the handler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// One is begun in another.
    #[error("step `{asked}` is asked for inside of step `{open}`; end that one first")]
    Nested {
        /// The new one.
        asked: StepName,
        /// The one that has not ended.
        open: StepName,
    },
    /// Something else was recorded.
    #[error(
        "step `{asked}` is asked for, but an earlier execution recorded `{recorded}`, which this one has not asked for; \
         what a job asks for must not depend on anything but its payload and the results of its steps"
    )]
    Changed {
        /// The new one.
        asked: StepName,
        /// The first that was recorded and not asked for.
        recorded: StepName,
    },
    /// It is of another type now.
    #[error("{what} `{asked}` was recorded as {recorded}; it can't be {now} now")]
    Type {
        /// What it is.
        what: &'static str,
        /// Which.
        asked: StepName,
        /// What an earlier execution said.
        recorded: String,
        /// What this one says.
        now: String,
    },
    /// There are too many.
    #[error("a job may have at most {STEPS_MAX} steps")]
    TooMany,
    /// A result is too large.
    #[error(
        "the result of step `{name}` has {bytes} bytes; it may have at most {}",
        ByteSize(STEP_RESULT_BYTES_MAX as u64)
    )]
    TooLarge {
        /// Of which.
        name: StepName,
        /// How large.
        bytes: usize,
    },
    /// All results together are too large.
    #[error(
        "the results of the job's steps may have at most {} together, and that of step `{name}` would be too much",
        ByteSize(STEPS_BYTES_MAX as u64)
    )]
    TooLargeTogether {
        /// Of which.
        name: StepName,
    },
    /// A result without a step.
    #[error("no step is begun that could be recorded")]
    NoneOpen,
}

/// What is to be done about a step that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is known.
    Recorded(Step),
    /// It is to be run. The how many-eth of its name it is.
    Run(u32),
}

#[derive(Debug)]
struct Open {
    asked: Asked,
    occurrence: u32,
    started_at: Timestamp,
}

/// The steps of a job as one execution meets them.
#[derive(Debug)]
pub struct Ledger {
    execution: i64,
    steps: Vec<Step>,
    /// Of each, whether this execution has asked for it.
    met: Vec<bool>,
    known: FxHashMap<(StepName, u32), usize>,
    /// Of each name, how many have ended in this execution.
    ended: FxHashMap<StepName, u32>,
    open: Option<Open>,
    has_failed: bool,
    bytes: usize,
}

impl Ledger {
    /// At the beginning of an execution, with what earlier ones recorded, in their order.
    pub fn new(execution: i64, steps: Vec<Step>) -> Self {
        let key = |step: &Step| (step.asked.name.clone(), step.occurrence);
        Self {
            execution,
            met: vec![false; steps.len()],
            known: steps.iter().enumerate().map(|(place, step)| (key(step), place)).collect(),
            ended: FxHashMap::default(),
            open: None,
            has_failed: false,
            bytes: steps.iter().map(Step::bytes).sum(),
            steps,
        }
    }

    /// A step is asked for.
    pub fn begin(&mut self, asked: Asked, now: Timestamp) -> Result<Begun, StepError> {
        if let Some(open) = &self.open {
            return Err(StepError::Nested { asked: asked.name, open: open.asked.name.clone() });
        }
        let occurrence = self.ended.get(&asked.name).copied().unwrap_or(0);
        if let Some(&place) = self.known.get(&(asked.name.clone(), occurrence)) {
            let step = &self.steps[place];
            same_type(&step.asked, &asked)?;
            self.met[place] = true;
            if step.asked.step_type == StepType::Step || !step.goes_on(now) {
                self.ended.insert(asked.name, occurrence + 1);
            }
            return Ok(Begun::Recorded(step.clone()));
        }
        // What was recorded after a failure belongs to another way than that of a success.
        let unmet = self.steps.iter().zip(&self.met).find(|(step, met)| !**met && !step.after_failure);
        if let Some((step, _)) = unmet {
            return Err(StepError::Changed { asked: asked.name, recorded: step.asked.name.clone() });
        }
        if self.steps.len() >= STEPS_MAX {
            return Err(StepError::TooMany);
        }
        self.open = Some(Open { asked, occurrence, started_at: now });
        Ok(Begun::Run(occurrence))
    }

    /// Whether this step is the one that is open.
    pub fn is_open(&self, name: &StepName, occurrence: u32) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.asked.step_type == StepType::Step && open.asked.name == *name && open.occurrence == occurrence
        })
    }

    /// The step that is open has this result, JSON text. What is to be written; it counts once it is [`Self::written`].
    pub fn result(&self, result: Bytes, now: Timestamp) -> Result<Step, StepError> {
        let open = self.open.as_ref().ok_or(StepError::NoneOpen)?;
        let name = || open.asked.name.clone();
        if result.len() > STEP_RESULT_BYTES_MAX {
            return Err(StepError::TooLarge { name: name(), bytes: result.len() });
        }
        if self.bytes + result.len() > STEPS_BYTES_MAX {
            return Err(StepError::TooLargeTogether { name: name() });
        }
        Ok(Step { result: Some(result), ended_at: Some(now), ..self.unended(open) })
    }

    /// What the sleep or wait that is open is to be written as; `None`: none is open.
    pub fn waits_until(&self, until: Timestamp) -> Option<Step> {
        let open = self.open.as_ref()?;
        Some(Step { until: Some(until), ..self.unended(open) })
    }

    fn unended(&self, open: &Open) -> Step {
        Step {
            index: self.steps.last().map_or(0, |step| step.index + 1),
            asked: open.asked.clone(),
            occurrence: open.occurrence,
            result: None,
            execution: self.execution,
            started_at: open.started_at,
            ended_at: None,
            until: None,
            after_failure: self.has_failed,
        }
    }

    /// The step that was open is recorded.
    pub fn written(&mut self, step: Step) {
        self.open = None;
        self.bytes += step.bytes();
        let (name, occurrence) = (step.asked.name.clone(), step.occurrence);
        self.known.insert((name.clone(), occurrence), self.steps.len());
        self.ended.insert(name, occurrence + 1);
        self.steps.push(step);
        self.met.push(true);
    }

    /// The step that was open has failed. The next one of its name takes its place.
    pub fn abandon(&mut self) {
        self.has_failed |= self.open.take().is_some();
    }
}

fn same_type(recorded: &Asked, now: &Asked) -> Result<(), StepError> {
    let wrong = |what, recorded: String, now_is: String| {
        Err(StepError::Type { what, asked: now.name.clone(), recorded, now: now_is })
    };
    if recorded.step_type != now.step_type {
        let article = |step_type: StepType| match step_type {
            StepType::Step => "a step".to_owned(),
            StepType::Sleep => "a sleep".to_owned(),
            StepType::Event => "a wait for an event".to_owned(),
        };
        return wrong("what is called", article(recorded.step_type), article(now.step_type));
    }
    if recorded.shape != now.shape {
        return wrong("the result of step", format!("`{}`", recorded.shape), format!("`{}`", now.shape));
    }
    if recorded.correlation != now.correlation {
        let told_apart = |asked: &Asked| format!("one of `{}`", asked.correlation.as_deref().unwrap_or_default());
        return wrong("the wait for event", told_apart(recorded), told_apart(now));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn asked(name: &str) -> Asked {
        Asked { step_type: StepType::Step, name: name.parse().unwrap(), shape: "u32".to_owned(), correlation: None }
    }

    fn run(ledger: &mut Ledger, name: &str, result: &'static str) -> Step {
        assert!(matches!(ledger.begin(asked(name), NOW), Ok(Begun::Run(_))), "{name}");
        let step = ledger.result(Bytes::from(result), NOW).unwrap();
        ledger.written(step.clone());
        step
    }

    fn recorded(names: &[&str]) -> Vec<Step> {
        let mut ledger = Ledger::new(1, Vec::new());
        names.iter().map(|name| run(&mut ledger, name, "1")).collect()
    }

    #[test]
    fn what_was_recorded_is_given_back_by_name_and_occurrence() {
        let mut first = Ledger::new(1, Vec::new());
        let steps = vec![run(&mut first, "a", "1"), run(&mut first, "b", "2"), run(&mut first, "a", "3")];
        assert_eq!(
            steps.iter().map(|step| (step.index, step.occurrence)).collect::<Vec<_>>(),
            [(0, 0), (1, 0), (2, 1)]
        );
        let mut second = Ledger::new(2, steps.clone());
        for (name, place) in [("a", 0), ("b", 1), ("a", 2)] {
            assert_eq!(second.begin(asked(name), NOW), Ok(Begun::Recorded(steps[place].clone())));
        }
        let new = run(&mut second, "a", "4");
        assert_eq!((new.index, new.occurrence, new.execution), (3, 2, 2));
    }

    #[test]
    fn a_failed_step_is_run_again_in_its_place() {
        let mut first = Ledger::new(1, Vec::new());
        assert_eq!(first.begin(asked("a"), NOW), Ok(Begun::Run(0)));
        let (name, other) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(first.is_open(&name, 0) && !first.is_open(&name, 1) && !first.is_open(&other, 0));
        first.abandon();
        assert!(!first.is_open(&name, 0));
        let step = run(&mut first, "a", "1");
        assert_eq!(step.occurrence, 0);
        let mut second = Ledger::new(2, vec![step.clone()]);
        assert_eq!(second.begin(asked("a"), NOW), Ok(Begun::Recorded(step)));
    }

    #[test]
    fn another_name_is_no_value_but_an_error() {
        let mut second = Ledger::new(2, recorded(&["a", "b"]));
        assert!(second.begin(asked("a"), NOW).is_ok());
        let refused = second.begin(asked("x"), NOW).unwrap_err();
        assert_eq!(refused, StepError::Changed { asked: "x".parse().unwrap(), recorded: "b".parse().unwrap() });
        assert!(second.begin(asked("b"), NOW).is_ok());
        run(&mut second, "x", "1");
    }

    #[test]
    fn what_followed_a_failure_need_not_come_again() {
        let mut first = Ledger::new(1, Vec::new());
        let charged = run(&mut first, "charge", "1");
        assert_eq!(first.begin(asked("ship"), NOW), Ok(Begun::Run(0)));
        first.abandon();
        let told = run(&mut first, "tell", "2");
        assert!(told.after_failure && !charged.after_failure);
        let mut second = Ledger::new(2, vec![charged, told]);
        assert!(second.begin(asked("charge"), NOW).is_ok());
        run(&mut second, "ship", "3");
        run(&mut second, "close", "4");
    }

    #[test]
    fn another_type_is_an_error() {
        for (other, said) in [
            (Asked { shape: "String".to_owned(), ..asked("a") }, "`u32`; it can't be `String` now"),
            (Asked { step_type: StepType::Sleep, ..asked("a") }, "a step; it can't be a sleep now"),
            (Asked { correlation: Some("7".to_owned()), ..asked("a") }, "it can't be one of `7` now"),
        ] {
            let refused = Ledger::new(2, recorded(&["a"])).begin(other, NOW).unwrap_err().to_string();
            assert!(refused.ends_with(said), "{refused}");
        }
    }

    #[test]
    fn none_is_begun_inside_of_another() {
        let mut ledger = Ledger::new(1, Vec::new());
        assert_eq!(ledger.result(Bytes::from("1"), NOW), Err(StepError::NoneOpen));
        assert_eq!(ledger.begin(asked("a"), NOW), Ok(Begun::Run(0)));
        let (asked_for, open) = ("b".parse().unwrap(), "a".parse().unwrap());
        assert_eq!(ledger.begin(asked("b"), NOW), Err(StepError::Nested { asked: asked_for, open }));
    }

    #[test]
    fn a_sleep_goes_on_until_it_is_over() {
        let sleep = || Asked { step_type: StepType::Sleep, shape: String::new(), ..asked("cool-down") };
        let mut first = Ledger::new(1, Vec::new());
        assert_eq!(first.begin(sleep(), NOW), Ok(Begun::Run(0)));
        let step = first.waits_until(Timestamp(2_000)).unwrap();
        let mut early = Ledger::new(2, vec![step.clone()]);
        assert_eq!(early.begin(sleep(), Timestamp(1_999)), Ok(Begun::Recorded(step.clone())));
        assert!(step.goes_on(Timestamp(1_999)) && !step.goes_on(Timestamp(2_000)));
        let mut late = Ledger::new(3, vec![step.clone()]);
        assert_eq!(late.begin(sleep(), Timestamp(2_000)), Ok(Begun::Recorded(step)));
        assert_eq!(late.begin(sleep(), Timestamp(2_000)), Ok(Begun::Run(1)));
    }

    #[test]
    fn count_and_size_are_limited() {
        let steps: Vec<Step> = {
            let mut ledger = Ledger::new(1, Vec::new());
            (0..STEPS_MAX).map(|_| run(&mut ledger, "a", "1")).collect()
        };
        let mut full = Ledger::new(2, steps);
        (0..STEPS_MAX).for_each(|_| assert!(full.begin(asked("a"), NOW).is_ok()));
        assert_eq!(full.begin(asked("a"), NOW), Err(StepError::TooMany));

        let mut ledger = Ledger::new(1, Vec::new());
        assert!(ledger.begin(asked("a"), NOW).is_ok());
        let too_large = ledger.result(Bytes::from(vec![b'1'; STEP_RESULT_BYTES_MAX + 1]), NOW).unwrap_err();
        assert!(too_large.to_string().contains("at most 256KiB"), "{too_large}");
        let largest = || Bytes::from(vec![b'1'; STEP_RESULT_BYTES_MAX]);
        ledger.abandon();
        for _ in 0..STEPS_BYTES_MAX / STEP_RESULT_BYTES_MAX {
            assert!(ledger.begin(asked("a"), NOW).is_ok());
            let step = ledger.result(largest(), NOW).unwrap();
            ledger.written(step);
        }
        assert!(ledger.begin(asked("a"), NOW).is_ok());
        assert!(matches!(ledger.result(Bytes::from("1"), NOW), Err(StepError::TooLargeTogether { .. })));
    }
}
