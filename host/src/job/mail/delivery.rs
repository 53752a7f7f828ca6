//! From what a server answered to what becomes of a mail: who has it, who never will, and when it is tried again.

use std::time::Duration;

use super::address::Mailbox;
use super::state::{MailState, RecipientRole, RecipientState};
use crate::job::clock::Timestamp;
use crate::job::retry::RetryPolicy;
use crate::job::text::cut;

/// Most bytes of a server's words that are kept for one recipient.
const ANSWER_BYTES_MAX: usize = 500;

/// When a mail is tried again, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct MailRules {
    /// After a server said "later".
    pub retry: RetryPolicy,
    /// Since it was queued; then it has failed.
    pub give_up_after: Duration,
}

/// One recipient of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// In which line.
    pub role: RecipientRole,
    /// Who.
    pub mailbox: Mailbox,
    /// How far it is.
    pub state: RecipientState,
    /// What the server said last of this one.
    pub answer: Option<String>,
}

/// What a server said of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the mail.
    Taken,
    /// It will never take it (5xx).
    Refused(String),
    /// Not now (4xx), or nobody knows whether it took it.
    Later(String),
}

/// What one transmission came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmission {
    /// No server could be asked: why. When one is asked again is the host's to say; another host may at once.
    Unreachable(String),
    /// Of recipients, by their place among all.
    Answered(Vec<(usize, Answer)>),
}

/// What becomes of the mail as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How far it is.
    pub state: MailState,
    /// When it is tried again; only of one that is queued.
    pub next_at: Option<Timestamp>,
    /// What was in the way last, with whom.
    pub error: Option<String>,
}

/// Notes at each recipient what became of it, and says what becomes of the mail. `answered`: how many transmissions a server has
/// answered, this one included. `chance` in 0.0..1.0 decides the jitter.
pub fn settle(
    rules: &MailRules,
    recipients: &mut [Recipient],
    transmission: Transmission,
    (answered, now, give_up_at): (u32, Timestamp, Timestamp),
    chance: f64,
) -> Settled {
    let mut error = None;
    let mut again_in = rules.retry.delay(answered, chance);
    match transmission {
        Transmission::Unreachable(why) => {
            (error, again_in) = (Some(cut(why, ANSWER_BYTES_MAX)), Duration::ZERO);
        }
        Transmission::Answered(answers) => {
            for (place, answer) in answers {
                let Some(recipient) = recipients.get_mut(place) else { continue };
                let (state, words) = match answer {
                    Answer::Taken => (RecipientState::Sent, None),
                    Answer::Refused(words) => (RecipientState::Refused, Some(words)),
                    Answer::Later(words) => (RecipientState::Queued, Some(words)),
                };
                recipient.state = state;
                recipient.answer = words.map(|words| cut(words, ANSWER_BYTES_MAX));
            }
        }
    }
    let next_at = now.plus(again_in);
    if next_at >= give_up_at {
        for recipient in recipients.iter_mut().filter(|recipient| recipient.state == RecipientState::Queued) {
            recipient.state = RecipientState::Failed;
            recipient.answer = recipient.answer.take().or_else(|| error.clone());
        }
    }
    let error = error.or_else(|| first_trouble(recipients));
    let state = state_of(recipients);
    Settled { state, next_at: (state == MailState::Queued).then_some(next_at), error }
}

/// How far a mail is whose recipients are so far.
fn state_of(recipients: &[Recipient]) -> MailState {
    let count = |state| recipients.iter().filter(|recipient| recipient.state == state).count();
    match (count(RecipientState::Queued), count(RecipientState::Sent)) {
        (0, 0) => MailState::Failed,
        (0, sent) if sent == recipients.len() => MailState::Sent,
        (0, _) => MailState::PartlySent,
        _ => MailState::Queued,
    }
}

fn first_trouble(recipients: &[Recipient]) -> Option<String> {
    let of = |state: RecipientState| {
        recipients.iter().find(|recipient| recipient.state == state && recipient.answer.is_some())
    };
    let order = [RecipientState::Refused, RecipientState::Failed, RecipientState::Queued];
    let recipient = order.into_iter().find_map(of)?;
    let answer = recipient.answer.as_deref().unwrap_or_default();
    Some(format!("{}: {answer}", recipient.mailbox.address()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const END: Timestamp = Timestamp(1_000_000 + 3_600_000);

    fn rules() -> MailRules {
        let (base, cap) = (Duration::from_secs(30), Duration::from_hours(1));
        MailRules {
            retry: RetryPolicy::Exponential { base, cap, jitter: 0.0 },
            give_up_after: Duration::from_hours(24),
        }
    }

    fn recipients(states: &[RecipientState]) -> Vec<Recipient> {
        let of = |(place, state): (usize, &RecipientState)| Recipient {
            role: RecipientRole::To,
            mailbox: format!("r{place}@example.com").parse().unwrap(),
            state: *state,
            answer: None,
        };
        states.iter().enumerate().map(of).collect()
    }

    /// State of the mail and of each recipient, after how many seconds again, error.
    type After = (MailState, Vec<RecipientState>, Option<i64>, Option<String>);

    fn after(before: &[RecipientState], transmission: Transmission, attempt: u32, end: Timestamp) -> After {
        let mut recipients = recipients(before);
        let settled = settle(&rules(), &mut recipients, transmission, (attempt, NOW, end), 0.5);
        let states = recipients.iter().map(|recipient| recipient.state).collect();
        let again = settled.next_at.map(|at| (at.as_ms() - NOW.as_ms()) / 1_000);
        (settled.state, states, again, settled.error)
    }

    #[test]
    fn each_recipient_has_an_end_of_its_own() {
        use Answer::{Later, Refused as No, Taken};
        use RecipientState::{Failed, Queued, Refused, Sent};
        let answered = |answers: &[(usize, Answer)]| Transmission::Answered(answers.to_vec());
        let no = || No("550 no".into());
        let later = || Later("451 later".into());
        let said = |text: &str| Some(text.to_owned());
        for (before, answers, attempt, expected) in [
            (vec![Queued], answered(&[(0, Taken)]), 1, (MailState::Sent, vec![Sent], None, None)),
            (
                vec![Queued; 3],
                answered(&[(0, Taken), (1, no()), (2, Taken)]),
                1,
                (MailState::PartlySent, vec![Sent, Refused, Sent], None, said("r1@example.com: 550 no")),
            ),
            (
                vec![Queued],
                answered(&[(0, no())]),
                1,
                (MailState::Failed, vec![Refused], None, said("r0@example.com: 550 no")),
            ),
            (
                vec![Queued, Queued],
                answered(&[(0, Taken), (1, later())]),
                1,
                (MailState::Queued, vec![Sent, Queued], Some(30), said("r1@example.com: 451 later")),
            ),
            (vec![Sent, Queued], answered(&[(1, Taken)]), 2, (MailState::Sent, vec![Sent, Sent], None, None)),
            (
                vec![Sent, Queued],
                answered(&[(1, later())]),
                3,
                (MailState::Queued, vec![Sent, Queued], Some(120), said("r1@example.com: 451 later")),
            ),
            (
                vec![Sent, Queued],
                answered(&[(1, later())]),
                12,
                (MailState::PartlySent, vec![Sent, Failed], None, said("r1@example.com: 451 later")),
            ),
            (
                vec![Queued],
                Transmission::Unreachable("nobody there".into()),
                9,
                (MailState::Queued, vec![Queued], Some(0), said("nobody there")),
            ),
        ] {
            assert_eq!(after(&before, answers.clone(), attempt, END), expected, "{answers:?}");
        }
    }

    #[test]
    fn what_was_tried_long_enough_has_failed_with_the_last_words() {
        let unreachable = Transmission::Unreachable("nobody there".into());
        let mut all = recipients(&[RecipientState::Sent, RecipientState::Queued]);
        let settled = settle(&rules(), &mut all, unreachable, (3, NOW, NOW), 0.0);
        assert_eq!((settled.state, settled.next_at), (MailState::PartlySent, None));
        assert_eq!(all[1].answer.as_deref(), Some("nobody there"));
    }
}
