//! Jobs that are worth nothing after a moment: which of them come too late, and in which words they end.

use super::clock::Timestamp;
use super::outcome::{Failure, FailureReason};
use super::spec::JobOptions;

impl JobOptions {
    /// Whether a guest entered at this moment would be entered too late.
    pub fn is_too_late(&self, at: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| at >= expires_at)
    }
}

/// Why a job ends that waited past its time.
pub fn never_entered() -> Failure {
    Failure::new(FailureReason::DeadlineExpired, "its `expires_at` passed before it was entered")
}

/// Why a job ends that would have to wait past its time, after an execution that ended in this failure, or in a snooze.
pub fn never_again(attempt: u32, ended_in: Option<&Failure>) -> Failure {
    let Some(ended_in) = ended_in else {
        let message = "its handler asked to be run again after its `expires_at`";
        return Failure::new(FailureReason::DeadlineExpired, message);
    };
    let message =
        format!("attempt {attempt} ended with {}; the next one would come after its `expires_at`", ended_in.reason);
    Failure::new(FailureReason::DeadlineExpired, message).with_detail(ended_in.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_itself_is_too_late() {
        for (expires_at, at, too_late) in
            [(None, i64::MAX, false), (Some(5), 4, false), (Some(5), 5, true), (Some(5), 6, true)]
        {
            let options = JobOptions { expires_at: expires_at.map(Timestamp), ..JobOptions::default() };
            assert_eq!(options.is_too_late(Timestamp(at)), too_late, "{expires_at:?} at {at}");
        }
    }

    #[test]
    fn the_end_says_what_came_before_it() {
        let trap = Failure::new(FailureReason::Trap, "unreachable");
        let end = never_again(2, Some(&trap));
        assert_eq!((end.reason, end.detail.as_deref()), (FailureReason::DeadlineExpired, Some("unreachable")));
        assert!(end.message.contains("attempt 2 ended with trap"), "{}", end.message);
        assert!(never_again(2, None).message.contains("asked to be run again"));
    }
}
