//! Jobs that run after other jobs: what the end of one means for those that wait for it. Pure.
//!
//! Nothing here remembers what happened, only how things stand: whoever tells a child of its parents' states, in whatever
//! order and however often, comes to the same.

use serde::{Deserialize, Serialize};

use super::id::JobId;
use super::state::JobState;

/// Jobs one job may wait for.
pub const PARENTS_MAX: usize = 100;

/// Which end of a parent a child asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It succeeded.
    #[default]
    Succeeded,
    /// It failed, or was cancelled, and was not merely not needed.
    Failed,
    /// It ended, whichever way.
    Finished,
}

impl Wanted {
    /// Every word.
    pub const ALL: [Wanted; 3] = [Wanted::Succeeded, Wanted::Failed, Wanted::Finished];

    /// The word used in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Wanted::Succeeded => "succeeded",
            Wanted::Failed => "failed",
            Wanted::Finished => "finished",
        }
    }

    /// The number the store keeps.
    pub const fn code(self) -> u8 {
        match self {
            Wanted::Succeeded => 1,
            Wanted::Failed => 2,
            Wanted::Finished => 3,
        }
    }

    /// From the number the store keeps.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Wanted::Succeeded),
            2 => Some(Wanted::Failed),
            3 => Some(Wanted::Finished),
            _ => None,
        }
    }
}

impl std::str::FromStr for Wanted {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|wanted| wanted.as_str() == word)
            .ok_or_else(|| "must be `succeeded`, `failed` or `finished`".to_owned())
    }
}

/// A job to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Which.
    pub job: JobId,
    /// And what it is to end as.
    pub wanted: Wanted,
}

/// How a parent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentEnd {
    /// It may still end.
    Unfinished,
    /// Ended well.
    Succeeded,
    /// Failed, or was cancelled.
    Failed,
    /// Was cancelled since what it would have been for did not happen.
    NotNeeded,
}

impl ParentEnd {
    /// Of a job in this state.
    pub const fn of(state: JobState, is_not_needed: bool) -> Self {
        match state {
            JobState::Succeeded => ParentEnd::Succeeded,
            JobState::Cancelled if is_not_needed => ParentEnd::NotNeeded,
            JobState::Failed | JobState::Cancelled => ParentEnd::Failed,
            _ => ParentEnd::Unfinished,
        }
    }
}

/// What the state of a parent means to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    Open,
    /// It ended as the child asked.
    Met,
    /// It ended otherwise.
    Broken {
        /// The child was for a failure that did not come: nothing is wrong.
        not_needed: bool,
    },
}

/// What a parent's state means to a child that asked for this.
pub const fn answer(wanted: Wanted, parent: ParentEnd) -> Answer {
    match (wanted, parent) {
        (_, ParentEnd::Unfinished) => Answer::Open,
        (Wanted::Finished, _) | (Wanted::Succeeded, ParentEnd::Succeeded) | (Wanted::Failed, ParentEnd::Failed) => {
            Answer::Met
        }
        (Wanted::Succeeded, ParentEnd::Failed) => Answer::Broken { not_needed: false },
        (Wanted::Succeeded | Wanted::Failed, ParentEnd::NotNeeded) | (Wanted::Failed, ParentEnd::Succeeded) => {
            Answer::Broken { not_needed: true }
        }
    }
}

/// How a dependency stands: the last answer, and whether the child is cancelled because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    Open,
    /// As asked.
    Met,
    /// Not as asked.
    Broken,
    /// Not as asked, and for this the child is cancelled.
    Cause,
    /// The same, where nothing is wrong.
    NotNeeded,
}

impl Standing {
    /// The number the store keeps.
    pub const fn code(self) -> u8 {
        match self {
            Standing::Open => 0,
            Standing::Met => 1,
            Standing::Broken => 2,
            Standing::Cause => 3,
            Standing::NotNeeded => 4,
        }
    }

    /// From the number the store keeps.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Standing::Open),
            1 => Some(Standing::Met),
            2 => Some(Standing::Broken),
            3 => Some(Standing::Cause),
            4 => Some(Standing::NotNeeded),
            _ => None,
        }
    }

    /// Whether the child is cancelled because of it.
    pub const fn is_cause(self) -> bool {
        matches!(self, Standing::Cause | Standing::NotNeeded)
    }

    /// As the cause of a cancel.
    pub const fn cause(not_needed: bool) -> Self {
        if not_needed { Standing::NotNeeded } else { Standing::Cause }
    }
}

/// What the child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// It waits.
    Blocked,
    /// It is cancelled because of this very dependency.
    CancelledForIt,
    /// It waits no more, or was cancelled for another reason.
    Free,
}

/// How the child's other dependencies stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// One is open.
    pub open: bool,
    /// One is broken.
    pub broken: bool,
}

/// What is to be done with the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// All it waited for happened.
    Unblock,
    /// What it waited for will not happen.
    Cancel,
    /// What it was cancelled for is undone: it waits again.
    Revive,
    /// The same, and nothing is left to wait for.
    ReviveAndUnblock,
    /// It stays cancelled, now because of another dependency.
    PassOn,
}

/// How a dependency stands after its parent's state is told, and what follows for the child.
pub const fn tell(child: Child, answer: Answer, others: Others) -> (Standing, Step) {
    match (child, answer) {
        (Child::Blocked, Answer::Met) if !others.open => (Standing::Met, Step::Unblock),
        (Child::Blocked, Answer::Broken { not_needed }) => (Standing::cause(not_needed), Step::Cancel),
        (Child::CancelledForIt, Answer::Broken { not_needed }) => (Standing::cause(not_needed), Step::Stay),
        (Child::CancelledForIt, Answer::Open) if others.broken => (Standing::Open, Step::PassOn),
        (Child::CancelledForIt, Answer::Met) if others.broken => (Standing::Met, Step::PassOn),
        (Child::CancelledForIt, Answer::Open) => (Standing::Open, Step::Revive),
        (Child::CancelledForIt, Answer::Met) if others.open => (Standing::Met, Step::Revive),
        (Child::CancelledForIt, Answer::Met) => (Standing::Met, Step::ReviveAndUnblock),
        (Child::Blocked | Child::Free, Answer::Open) => (Standing::Open, Step::Stay),
        (Child::Blocked | Child::Free, Answer::Met) => (Standing::Met, Step::Stay),
        (Child::Free, Answer::Broken { .. }) => (Standing::Broken, Step::Stay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_each_end_means_to_each_wish() {
        use Answer::{Met, Open};
        let (broken, unneeded) = (Answer::Broken { not_needed: false }, Answer::Broken { not_needed: true });
        for (end, succeeded, failed, finished) in [
            (ParentEnd::Unfinished, Open, Open, Open),
            (ParentEnd::Succeeded, Met, unneeded, Met),
            (ParentEnd::Failed, broken, Met, Met),
            (ParentEnd::NotNeeded, unneeded, unneeded, Met),
        ] {
            assert_eq!(answer(Wanted::Succeeded, end), succeeded, "{end:?}");
            assert_eq!(answer(Wanted::Failed, end), failed, "{end:?}");
            assert_eq!(answer(Wanted::Finished, end), finished, "{end:?}");
        }
        for (state, end) in [
            (JobState::Blocked, ParentEnd::Unfinished),
            (JobState::Retrying, ParentEnd::Unfinished),
            (JobState::Succeeded, ParentEnd::Succeeded),
            (JobState::Failed, ParentEnd::Failed),
            (JobState::Cancelled, ParentEnd::Failed),
        ] {
            assert_eq!(ParentEnd::of(state, false), end);
        }
        assert_eq!(ParentEnd::of(JobState::Cancelled, true), ParentEnd::NotNeeded);
    }

    #[test]
    fn codes_are_known_again() {
        for wanted in Wanted::ALL {
            assert_eq!(Wanted::from_code(wanted.code()), Some(wanted));
            assert_eq!(wanted.as_str().parse(), Ok(wanted));
        }
        for code in 0..=4 {
            assert_eq!(Standing::from_code(code).map(Standing::code), Some(code));
        }
        assert_eq!((Wanted::from_code(0), Standing::from_code(5)), (None, None));
    }

    /// A child with its dependencies, told of one parent after the other.
    struct Told {
        wanted: Vec<Wanted>,
        standing: Vec<Standing>,
        child: State,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum State {
        Blocked,
        Cancelled,
        Freed,
    }

    impl Told {
        fn tell(&mut self, index: usize, end: ParentEnd) {
            let child = match self.child {
                State::Blocked => Child::Blocked,
                State::Cancelled if self.standing[index].is_cause() => Child::CancelledForIt,
                _ => Child::Free,
            };
            let others = || self.standing.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, one)| *one);
            let others = Others {
                open: others().any(|one| one == Standing::Open),
                broken: others().any(|one| one == Standing::Broken),
            };
            let (standing, step) = super::tell(child, answer(self.wanted[index], end), others);
            self.standing[index] = standing;
            match step {
                Step::Stay => {}
                Step::Unblock | Step::ReviveAndUnblock => self.child = State::Freed,
                Step::Cancel => self.child = State::Cancelled,
                Step::Revive => self.child = State::Blocked,
                Step::PassOn => {
                    let next = self.standing.iter_mut().find(|one| **one == Standing::Broken);
                    assert!(next.map(|one| *one = Standing::Cause).is_some(), "another is broken");
                }
            }
        }
    }

    fn any_end() -> impl Strategy<Value = ParentEnd> {
        prop::sample::select(vec![
            ParentEnd::Unfinished,
            ParentEnd::Unfinished,
            ParentEnd::Succeeded,
            ParentEnd::Failed,
            ParentEnd::NotNeeded,
        ])
    }

    proptest! {
        /// Whatever parents do in whatever order: until it is freed, a child is cancelled exactly when an answer is
        /// broken, and blocked exactly when none is and one is open.
        #[test]
        fn a_child_stands_as_its_parents_do(
            wanted in prop::collection::vec(prop::sample::select(&Wanted::ALL[..]), 1..5),
            told in prop::collection::vec((0usize..5, any_end()), 0..40),
        ) {
            let count = wanted.len();
            let mut ends = vec![ParentEnd::Unfinished; count];
            let mut one = Told { standing: vec![Standing::Open; count], wanted, child: State::Blocked };
            for (index, end) in told {
                let index = index % count;
                ends[index] = end;
                one.tell(index, end);
                let answers: Vec<Answer> =
                    one.wanted.iter().zip(&ends).map(|(wanted, end)| answer(*wanted, *end)).collect();
                let is_broken = answers.iter().any(|answer| matches!(answer, Answer::Broken { .. }));
                let is_open = answers.contains(&Answer::Open);
                if one.child == State::Freed {
                    prop_assert!(!one.standing.iter().any(|one| one.is_cause()));
                    break;
                }
                let expected = if is_broken { State::Cancelled } else { State::Blocked };
                prop_assert_eq!(one.child, expected);
                prop_assert!(is_broken || is_open, "it should have been freed");
                prop_assert_eq!(one.standing.iter().filter(|one| one.is_cause()).count(), usize::from(is_broken));
            }
        }
    }
}
