//! Jobs that run after other jobs: what the end of one means for those that wait for it. Pure.
//!
//! Nothing here remembers what happened, only how things stand: whoever tells a child of its parents' states, in whatever
//! order and however often, comes to the same.

use bytes::Bytes;
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

/// What a parent has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParentOutput {
    /// Nothing, since it did not succeed; or it is no parent.
    None,
    /// JSON text.
    Json(Bytes),
    /// It was removed, and what it returned with it; a sentence that says so.
    Gone(String),
}

/// How a parent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentEnd {
    /// It may still end.
    Unfinished,
    /// It is held by a host that was asked to end it.
    Ending,
    /// Ended well.
    Succeeded,
    /// Ended well, though its host was asked to end it: it came first.
    SucceededAnyway,
    /// Failed by itself.
    Failed,
    /// Was cancelled.
    Cancelled,
    /// Was cancelled since what it would have been for did not happen.
    NotNeeded,
}

impl ParentEnd {
    /// Of a job in this state.
    pub const fn of(state: JobState, is_not_needed: bool) -> Self {
        match state {
            JobState::Succeeded => ParentEnd::Succeeded,
            JobState::Cancelled if is_not_needed => ParentEnd::NotNeeded,
            JobState::Cancelled => ParentEnd::Cancelled,
            JobState::Failed => ParentEnd::Failed,
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
        (_, ParentEnd::Unfinished | ParentEnd::Ending) => Answer::Open,
        (Wanted::Finished, _)
        | (Wanted::Succeeded, ParentEnd::Succeeded | ParentEnd::SucceededAnyway)
        | (Wanted::Failed, ParentEnd::Failed | ParentEnd::Cancelled) => Answer::Met,
        (Wanted::Succeeded, ParentEnd::Failed | ParentEnd::Cancelled) => Answer::Broken { not_needed: false },
        (Wanted::Succeeded | Wanted::Failed, ParentEnd::NotNeeded)
        | (Wanted::Failed, ParentEnd::Succeeded | ParentEnd::SucceededAnyway) => Answer::Broken { not_needed: true },
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
    /// Not as asked, and for this the child is cancelled. (One that has failed by itself keeps its state and comes back all the
    /// same: somebody wanted to run it again when this stood in its way.)
    Cause,
    /// The same, where nothing is wrong.
    NotNeeded,
    /// The child was cancelled together with it, as a part of the same whole, and comes back with it.
    CancelledWith,
    /// Not as asked, and an operator wants the child to run all the same.
    LetGo,
}

impl Standing {
    /// Every one.
    pub const ALL: [Standing; 7] = [
        Standing::Open,
        Standing::Met,
        Standing::Broken,
        Standing::Cause,
        Standing::NotNeeded,
        Standing::CancelledWith,
        Standing::LetGo,
    ];

    /// The number the store keeps. Those of causes, 3 to 5, stand in its statements as well.
    pub const fn code(self) -> u8 {
        match self {
            Standing::Open => 0,
            Standing::Met => 1,
            Standing::Broken => 2,
            Standing::Cause => 3,
            Standing::NotNeeded => 4,
            Standing::CancelledWith => 5,
            Standing::LetGo => 6,
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
            5 => Some(Standing::CancelledWith),
            6 => Some(Standing::LetGo),
            _ => None,
        }
    }

    /// Whether the child is cancelled because of it, and comes back with it.
    pub const fn is_cause(self) -> bool {
        matches!(self, Standing::Cause | Standing::NotNeeded | Standing::CancelledWith)
    }

    /// As the cause of a cancel.
    pub const fn cause(not_needed: bool) -> Self {
        if not_needed { Standing::NotNeeded } else { Standing::Cause }
    }
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
    /// It stays cancelled, now because of another dependency, if there is one it can come back with.
    PassOn,
}

/// How a dependency stands after its parent's state is told, and what follows for the child, which is blocked or is not.
pub const fn tell(
    is_blocked: bool,
    standing: Standing,
    wanted: Wanted,
    parent: ParentEnd,
    others: Others,
) -> (Standing, Step) {
    let answer = answer(wanted, parent);
    match standing {
        Standing::CancelledWith => told_with(answer, parent, others),
        Standing::Cause | Standing::NotNeeded => told_cause(answer, others),
        Standing::LetGo if matches!(answer, Answer::Broken { .. }) => (Standing::LetGo, Step::Stay),
        Standing::Open | Standing::Met | Standing::Broken | Standing::LetGo => match answer {
            Answer::Open => (Standing::Open, Step::Stay),
            Answer::Met if is_blocked && !others.open => (Standing::Met, Step::Unblock),
            Answer::Met => (Standing::Met, Step::Stay),
            Answer::Broken { not_needed } if is_blocked => (Standing::cause(not_needed), Step::Cancel),
            Answer::Broken { .. } => (Standing::Broken, Step::Stay),
        },
    }
}

/// The child is cancelled because of it.
const fn told_cause(answer: Answer, others: Others) -> (Standing, Step) {
    match answer {
        Answer::Broken { not_needed } => (Standing::cause(not_needed), Step::Stay),
        Answer::Open if others.broken => (Standing::Open, Step::PassOn),
        Answer::Met if others.broken => (Standing::Met, Step::PassOn),
        Answer::Open => (Standing::Open, Step::Revive),
        Answer::Met if others.open => (Standing::Met, Step::Revive),
        Answer::Met => (Standing::Met, Step::ReviveAndUnblock),
    }
}

/// The child was cancelled with it. A parent that is not at its end yet, or came to it before the cancel, brings nobody back;
/// one that has not ended, and is not to end, was brought back itself.
const fn told_with(answer: Answer, parent: ParentEnd, others: Others) -> (Standing, Step) {
    match (parent, answer) {
        (ParentEnd::Ending, _) => (Standing::CancelledWith, Step::Stay),
        (ParentEnd::Unfinished | ParentEnd::Succeeded, _) => told_cause(answer, others),
        (_, Answer::Broken { not_needed }) => (Standing::cause(not_needed), Step::Stay),
        (ParentEnd::SucceededAnyway, _) => (Standing::Met, Step::PassOn),
        (ParentEnd::Failed | ParentEnd::Cancelled | ParentEnd::NotNeeded, _) => (Standing::CancelledWith, Step::Stay),
    }
}

/// How a job comes back that somebody wants to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comeback {
    /// Nothing stands in its way.
    Ready,
    /// It waits for others.
    Blocked,
    /// It does not, since the parent at this place did not end as it asks. It comes back with that one.
    With(usize),
    /// It does not, since the parent at this place did not end as it asks, and is gone.
    Without(usize),
}

/// What a parent says to a child that is to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It has not ended.
    Open,
    /// It has ended as the child asked.
    Met,
    /// It ended otherwise.
    Broken {
        /// The child was for a failure that did not come.
        not_needed: bool,
    },
    /// It ended otherwise, and was removed since.
    Gone,
    /// It did not succeed, which is all right with the child; but it is to run again as well, or was cancelled together with it.
    Together,
}

/// What a parent says; `None`: it is gone, and has said its last word. `runs_again`: among those that are to run again it is one.
/// `was_with`: both were cancelled as parts of one whole.
pub fn reply(wanted: Wanted, standing: Standing, parent: Option<ParentEnd>, runs_again: bool, was_with: bool) -> Reply {
    let Some(parent) = parent else {
        // What was left to come back with it saw it end without success, or about to.
        let was_met = standing == Standing::CancelledWith && wanted != Wanted::Succeeded;
        return if was_met || standing == Standing::Met { Reply::Met } else { Reply::Gone };
    };
    // One that failed by itself has had its say, whatever was cancelled after it; one that is not needed runs for nobody.
    let is_together = match parent {
        ParentEnd::Failed => runs_again,
        ParentEnd::Cancelled => runs_again || was_with,
        _ => false,
    };
    match answer(wanted, parent) {
        Answer::Open => Reply::Open,
        Answer::Met if is_together => Reply::Together,
        Answer::Met => Reply::Met,
        Answer::Broken { not_needed } => Reply::Broken { not_needed },
    }
}

/// How a job comes back, and how its dependencies stand then; `replies` in their order. Who asks for this very job lets go of
/// what is broken; among many it is left to come back with its parent, so that all of a graph can be retried in any order
/// and runs in its own.
pub fn comeback(is_asked_for: bool, replies: &[Reply]) -> (Comeback, Vec<Standing>) {
    let first = |is_such: fn(&Reply) -> bool| replies.iter().position(is_such).filter(|_| !is_asked_for);
    let broken = first(|reply| matches!(reply, Reply::Broken { .. }));
    let cause = broken.or_else(|| first(|reply| *reply == Reply::Together));
    let standing = |(place, reply): (usize, &Reply)| match *reply {
        Reply::Open => Standing::Open,
        Reply::Broken { not_needed } if cause == Some(place) => Standing::cause(not_needed),
        Reply::Together if cause == Some(place) => Standing::CancelledWith,
        Reply::Met | Reply::Together => Standing::Met,
        Reply::Broken { .. } | Reply::Gone if is_asked_for => Standing::LetGo,
        Reply::Broken { .. } | Reply::Gone => Standing::Broken,
    };
    let comeback = match (cause, first(|reply| *reply == Reply::Gone)) {
        (Some(place), _) => Comeback::With(place),
        (None, Some(place)) => Comeback::Without(place),
        (None, None) if replies.contains(&Reply::Open) => Comeback::Blocked,
        (None, None) => Comeback::Ready,
    };
    (comeback, replies.iter().enumerate().map(standing).collect())
}

/// Whether a job keeps those it runs after from being removed: it may need what they returned.
///
/// One that is cancelled because of a parent does not, since it stays itself only while that parent does: were each to
/// wait for the other, both would stay for ever. So a job without a cause is kept by such jobs alone, a job with one by its
/// cause as well, and neither goes round in a circle.
pub const fn holds_parents(state: JobState, has_cause: bool) -> bool {
    match state {
        JobState::Succeeded => false,
        JobState::Failed | JobState::Cancelled => !has_cause,
        JobState::Scheduled | JobState::Blocked | JobState::Ready | JobState::Running | JobState::Retrying => true,
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
            (ParentEnd::Ending, Open, Open, Open),
            (ParentEnd::Succeeded, Met, unneeded, Met),
            (ParentEnd::SucceededAnyway, Met, unneeded, Met),
            (ParentEnd::Failed, broken, Met, Met),
            (ParentEnd::Cancelled, broken, Met, Met),
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
            (JobState::Cancelled, ParentEnd::Cancelled),
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
        for (code, standing) in (0..).zip(Standing::ALL) {
            assert_eq!((standing.code(), Standing::from_code(code)), (code, Some(standing)));
            assert_eq!(standing.is_cause(), (3..=5).contains(&code), "as the store's statements have it");
        }
        assert_eq!((Wanted::from_code(0), Standing::from_code(7)), (None, None));
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
            let others = || self.standing.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, one)| *one);
            let others = Others {
                open: others().any(|one| one == Standing::Open),
                broken: others().any(|one| one == Standing::Broken),
            };
            let is_blocked = self.child == State::Blocked;
            let (standing, step) = super::tell(is_blocked, self.standing[index], self.wanted[index], end, others);
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
            ParentEnd::Cancelled,
            ParentEnd::NotNeeded,
        ])
    }

    #[test]
    fn who_was_cancelled_with_a_parent_comes_back_only_when_that_was_brought_back() {
        use Standing::{CancelledWith, Cause, Met, NotNeeded, Open};
        use Step::{PassOn, Revive, ReviveAndUnblock, Stay};
        for (wanted, end, expected) in [
            // The holder was asked to end it: it has not yet, it was quicker, it did, and an operator took it back.
            (Wanted::Succeeded, ParentEnd::Ending, (CancelledWith, Stay)),
            (Wanted::Succeeded, ParentEnd::SucceededAnyway, (Met, PassOn)),
            (Wanted::Succeeded, ParentEnd::Failed, (Cause, Stay)),
            (Wanted::Succeeded, ParentEnd::Unfinished, (Open, Revive)),
            // Nobody told of the retry before it was over.
            (Wanted::Succeeded, ParentEnd::Succeeded, (Met, ReviveAndUnblock)),
            (Wanted::Finished, ParentEnd::SucceededAnyway, (Met, PassOn)),
            // A cancel of the whole does not set off what is there for a failure.
            (Wanted::Finished, ParentEnd::Cancelled, (CancelledWith, Stay)),
            (Wanted::Finished, ParentEnd::Failed, (CancelledWith, Stay)),
            (Wanted::Failed, ParentEnd::Failed, (CancelledWith, Stay)),
            (Wanted::Failed, ParentEnd::Cancelled, (CancelledWith, Stay)),
            (Wanted::Failed, ParentEnd::SucceededAnyway, (NotNeeded, Stay)),
            (Wanted::Failed, ParentEnd::Unfinished, (Open, Revive)),
        ] {
            assert_eq!(tell(false, CancelledWith, wanted, end, Others::default()), expected, "{wanted:?} {end:?}");
        }
        let broken = Others { broken: true, open: false };
        assert_eq!(tell(false, CancelledWith, Wanted::Succeeded, ParentEnd::Unfinished, broken), (Open, PassOn));
    }

    #[test]
    fn what_was_let_go_of_is_told_in_vain_until_it_is_brought_back() {
        for is_blocked in [true, false] {
            let told =
                |end| tell(is_blocked, Standing::LetGo, Wanted::Succeeded, end, Others { open: true, broken: false });
            assert_eq!(told(ParentEnd::Failed), (Standing::LetGo, Step::Stay));
            assert_eq!(told(ParentEnd::Unfinished), (Standing::Open, Step::Stay));
            assert_eq!(told(ParentEnd::Succeeded), (Standing::Met, Step::Stay));
        }
    }

    #[test]
    fn a_job_that_is_to_run_again_asks_its_parents() {
        use Reply::{Gone, Met, Open, Together};
        let (broken, unneeded) = (Reply::Broken { not_needed: false }, Reply::Broken { not_needed: true });
        for (replies, alone, among_many) in [
            (vec![], Comeback::Ready, Comeback::Ready),
            (vec![Met, Met], Comeback::Ready, Comeback::Ready),
            (vec![Met, Open], Comeback::Blocked, Comeback::Blocked),
            (vec![Met, broken], Comeback::Ready, Comeback::With(1)),
            (vec![Open, unneeded, broken], Comeback::Blocked, Comeback::With(1)),
            (vec![Gone, broken], Comeback::Ready, Comeback::With(1)),
            (vec![Open, Gone], Comeback::Blocked, Comeback::Without(1)),
            (vec![Together, Open], Comeback::Blocked, Comeback::With(0)),
            (vec![Together, broken], Comeback::Ready, Comeback::With(1)),
        ] {
            for (is_asked_for, expected) in [(true, alone), (false, among_many)] {
                let (found, standings) = comeback(is_asked_for, &replies);
                assert_eq!(found, expected, "{replies:?}");
                for (place, (standing, reply)) in standings.iter().zip(&replies).enumerate() {
                    let is_broken = matches!(reply, Reply::Broken { .. } | Gone);
                    assert_eq!(standing.is_cause(), found == Comeback::With(place), "{replies:?}");
                    assert_eq!(*standing == Standing::LetGo, is_broken && is_asked_for, "{replies:?}");
                    assert_eq!(*standing == Standing::Open, *reply == Open, "{replies:?}");
                }
            }
        }
        let (with, cancelled) = (Standing::CancelledWith, Some(ParentEnd::Cancelled));
        assert_eq!(reply(Wanted::Finished, with, cancelled, false, false), Met, "it ran after that one ended");
        for (wanted, standing, parent, runs_again, expected) in [
            (Wanted::Succeeded, Standing::Met, None, false, Met),
            (Wanted::Succeeded, Standing::Cause, None, true, Gone),
            (Wanted::Failed, Standing::Met, Some(ParentEnd::Succeeded), false, unneeded),
            (Wanted::Succeeded, Standing::Cause, Some(ParentEnd::Failed), true, broken),
            (Wanted::Finished, Standing::Met, Some(ParentEnd::Failed), false, Met),
            (Wanted::Finished, Standing::Met, Some(ParentEnd::Failed), true, Together),
            (Wanted::Failed, Standing::CancelledWith, Some(ParentEnd::Cancelled), false, Together),
            (Wanted::Failed, Standing::CancelledWith, None, false, Met),
            (Wanted::Succeeded, Standing::CancelledWith, None, false, Gone),
            (Wanted::Failed, Standing::Met, Some(ParentEnd::Cancelled), false, Met),
            (Wanted::Failed, Standing::Met, Some(ParentEnd::Cancelled), true, Together),
            (Wanted::Failed, Standing::CancelledWith, Some(ParentEnd::Failed), false, Met),
            (Wanted::Finished, Standing::CancelledWith, Some(ParentEnd::NotNeeded), true, Met),
            (Wanted::Finished, Standing::Met, Some(ParentEnd::Succeeded), true, Met),
            (Wanted::Finished, Standing::CancelledWith, Some(ParentEnd::Ending), true, Open),
        ] {
            let was_with = standing == Standing::CancelledWith;
            assert_eq!(
                reply(wanted, standing, parent, runs_again, was_with),
                expected,
                "{wanted:?} {standing:?} {parent:?}"
            );
        }
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

        /// Whatever a graph has come to: were all of its jobs old enough, all of it would go, one after the other.
        #[test]
        fn nobody_keeps_the_others_for_ever(
            jobs in prop::collection::vec(
                (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0usize..4, any::<prop::sample::Index>()), 1..60,
            ),
        ) {
            let mut parents: Vec<Vec<usize>> = Vec::new();
            let mut cause: Vec<Option<usize>> = Vec::new();
            let mut states = Vec::new();
            for (index, (drawn, state, of_these)) in jobs.into_iter().enumerate() {
                let own: Vec<usize> = drawn.iter().filter(|_| index > 0).map(|parent| parent.index(index)).collect();
                // Any state with any cause: more than the store ever writes.
                let has_cause = state >= 2 && !own.is_empty();
                cause.push(has_cause.then(|| own[of_these.index(own.len())]));
                parents.push(own);
                states.push([JobState::Succeeded, JobState::Failed, JobState::Cancelled, JobState::Failed][state]);
            }
            let mut left: Vec<usize> = (0..states.len()).collect();
            while !left.is_empty() {
                let stays = |job: &usize| {
                    let is_held = |child: &usize| {
                        parents[*child].contains(job) && holds_parents(states[*child], cause[*child].is_some())
                    };
                    cause[*job].is_some_and(|cause| left.contains(&cause)) || left.iter().any(is_held)
                };
                let kept: Vec<usize> = left.iter().copied().filter(stays).collect();
                prop_assert!(kept.len() < left.len(), "these keep each other: {kept:?}");
                left = kept;
            }
        }
    }
}
