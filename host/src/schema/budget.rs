//! What one check may use: processor time and stack. Every look of the evaluator at a value is a step; the step that
//! finds the budget used up unwinds to [`within`], past everything the evaluator had yet to do.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// Steps between two looks at the clock, which cost as much as some fifty steps. A check of fewer never looks.
const STEPS_BETWEEN_LOOKS: u32 = 512;
/// Most work of the evaluator on one name where members are found by patterns: bytes of the name by states of the
/// patterns, each of which it may come to at each byte at worst. Some milliseconds.
const NAME_STATES_MAX: usize = 2_000_000;
/// States of patterns at bytes of a name that count for a step.
const NAME_STATES_PER_STEP: usize = 64;

/// Bounds of one check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Of this thread.
    pub(super) cpu_max: Duration,
    /// Below the frame that began the check.
    pub(super) stack_bytes_max: usize,
    /// States of the patterns every name is matched against, in calls of the evaluator that no step interrupts.
    pub(super) name_states: usize,
}

/// Why a check was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// It took too long.
    Time,
    /// It went too deep.
    Depth,
    /// A text is too long for the format `regex`.
    LongText,
    /// A name is too long for the patterns of `patternProperties`.
    LongName,
}

impl Exhausted {
    /// What to say of the value, after its name.
    pub fn sentence(self) -> &'static str {
        match self {
            Exhausted::Time => {
                "took too long to check against the schema of its kind; send less at once, or make the schema tell its \
                 alternatives apart early (a `const` in each branch of `anyOf` and `oneOf`) and repeat less in its patterns"
            }
            Exhausted::Depth => {
                "is nested too deeply to be checked against the schema of its kind; nest it less deeply"
            }
            Exhausted::LongText => {
                "has a text longer than 8192 bytes where the schema of its kind asks for the format `regex`; shorten it"
            }
            Exhausted::LongName => {
                "has a member whose name is too long for the `patternProperties` in the schema of its kind; shorten the \
                 name, or make the patterns smaller"
            }
        }
    }
}

/// The budget of the check this thread is in.
struct Meter {
    /// Steps until the next look at the clock.
    steps_left: Cell<u32>,
    /// The address the stack may grow down to; 0 outside of a check.
    floor: Cell<usize>,
    cpu_max: Cell<Duration>,
    name_states: Cell<usize>,
    /// Of the thread's processor time, at the first look.
    began: Cell<Option<Duration>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            steps_left: Cell::new(u32::MAX),
            floor: Cell::new(0),
            cpu_max: Cell::new(Duration::MAX),
            name_states: Cell::new(0),
            began: Cell::new(None),
        }
    };
}

/// Does the work unless it takes more than the budget. Checks don't nest.
pub(super) fn within<T>(budget: Budget, work: impl FnOnce() -> T) -> Result<T, Exhausted> {
    METER.with(|meter| {
        meter.steps_left.set(STEPS_BETWEEN_LOOKS);
        // 0 is taken; and nothing is ever below 1.
        meter.floor.set(stack_address().saturating_sub(budget.stack_bytes_max).max(1));
        meter.cpu_max.set(budget.cpu_max);
        meter.name_states.set(budget.name_states);
        meter.began.set(None);
    });
    // Values are only read, and what the evaluator had made of them is dropped with its frames.
    let result = catch_unwind(AssertUnwindSafe(work));
    METER.with(|meter| {
        meter.floor.set(0);
        meter.name_states.set(0);
        meter.steps_left.set(u32::MAX);
    });
    result.map_err(|payload: Box<dyn Any + Send>| match payload.downcast::<Exhausted>() {
        Ok(exhausted) => *exhausted,
        // A bug of the evaluator's.
        Err(panic) => resume_unwind(panic),
    })
}

/// Counts work of the given weight.
#[inline]
pub(super) fn step(weight: u32) {
    METER.with(|meter| match meter.steps_left.get().checked_sub(weight) {
        Some(left) if stack_address() >= meter.floor.get() => meter.steps_left.set(left),
        _ => look(meter),
    });
}

/// Counts reading this many bytes, some dozen of them a step.
pub(super) fn step_bytes(bytes: usize) {
    step(u32::try_from(bytes / 16).unwrap_or(u32::MAX));
}

/// Whether this thread is in a check, which can be given up.
pub(super) fn is_checking() -> bool {
    METER.with(|meter| meter.floor.get() != 0)
}

/// Counts what the evaluator may do with the name of a member, before it does.
#[inline]
pub(super) fn step_name(name: &str) {
    let states = METER.with(|meter| meter.name_states.get());
    if states > 0 {
        step_matched_name(name.len().saturating_mul(states));
    }
}

#[cold]
fn step_matched_name(states: usize) {
    if states > NAME_STATES_MAX {
        give_up(Exhausted::LongName);
    }
    step(u32::try_from(states / NAME_STATES_PER_STEP).unwrap_or(u32::MAX));
}

/// Ends the check. Unlike a panic this calls no hook, so nothing is logged.
pub(super) fn give_up(why: Exhausted) -> ! {
    resume_unwind(Box::new(why))
}

#[cold]
fn look(meter: &Meter) {
    meter.steps_left.set(STEPS_BETWEEN_LOOKS);
    if meter.floor.get() == 0 {
        return;
    }
    if stack_address() < meter.floor.get() {
        give_up(Exhausted::Depth);
    }
    let now = thread_cpu_time();
    match meter.began.get() {
        None => meter.began.set(Some(now)),
        Some(began) if now.saturating_sub(began) > meter.cpu_max.get() => give_up(Exhausted::Time),
        Some(_) => {}
    }
}

/// Where the stack is now, more or less.
#[inline]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

/// Processor time this thread has used.
#[cfg(target_os = "linux")]
pub fn thread_cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Processor time this thread has used. Where there is no such clock, time on the wall does.
#[cfg(not(target_os = "linux"))]
pub fn thread_cpu_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { cpu_max: Duration::from_millis(5), stack_bytes_max: 64 << 10, name_states: 0 };

    #[test]
    fn work_without_end_is_given_up_and_the_next_begins_afresh() {
        for _ in 0..2 {
            let ended = within(BUDGET, || {
                loop {
                    step(1);
                }
            });
            assert_eq!(ended.err(), Some(Exhausted::Time));
            assert_eq!(within(BUDGET, || (0..1_000).for_each(|_| step(1))), Ok(()));
        }
    }

    #[test]
    fn work_without_a_floor_is_given_up() {
        fn deeper(levels: u64) -> u64 {
            step(1);
            if levels == 0 { 0 } else { std::hint::black_box(deeper(levels - 1)) + 1 }
        }
        assert_eq!(within(BUDGET, || deeper(u64::MAX)), Err(Exhausted::Depth));
    }

    #[test]
    fn outside_of_a_check_nothing_is_bounded() {
        (0..10).for_each(|_| step(u32::MAX));
    }
}
