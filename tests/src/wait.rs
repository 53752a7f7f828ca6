//! Waiting on conditions. The only place of the tests that pauses.

use std::time::{Duration, Instant};

/// How long anything may take on a slow, shared machine. A passing test never waits for it.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Pause after the first look, doubled up to `PAUSE_MAX`.
const PAUSE_FIRST: Duration = Duration::from_millis(2);
/// Longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Looks until `condition` gives something, for at most [`DEADLINE`].
#[track_caller]
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    eventually_within(DEADLINE, what, condition)
}

/// Looks until `condition` gives something; fails the test, naming `what`, when `deadline` has passed.
#[track_caller]
pub fn eventually_within<T>(deadline: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The pause of a probe that measures: asking as fast as possible would measure the asker.
const PACE: Duration = Duration::from_millis(5);

/// Keeps a measuring loop from taking a core of its own.
pub fn pace() {
    std::thread::sleep(PACE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_the_condition_gives() {
        let mut looks = 0;
        let found = eventually("three looks", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "in vain: what never comes")]
    fn fails_at_the_deadline() {
        eventually_within(Duration::from_millis(5), "what never comes", || None::<()>);
    }
}
