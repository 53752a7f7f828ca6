//! Where one connection stands: waiting for a request, in the midst of a head, or busy. Pure but for its atomics:
//! told what happens, asked whether it has gone on for too long.
//!
//! Everything that decides is one word, so that closing a connection and beginning a request on it exclude each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a whole request head, from its first byte; for the first head, from the connection's beginning.
    pub(super) head: Duration,
    /// Between the end of an answer and the next head.
    pub(super) idle: Duration,
    /// Between two pieces of an answer, when the host waits for the client to read.
    pub(super) answer: Duration,
}

/// A connection that has been silent for less is never closed to make room: it may be about to speak.
pub(super) const ROOM_QUIET_MS: u64 = 1_000;
/// The same for one that does not read its answers.
pub(super) const ROOM_UNREAD_MS: u64 = 30_000;

const PHASE_BITS: u32 = 2;
const PHASE_MASK: u64 = 0b11;
const QUIET: u64 = 0;
const HEAD: u64 = 1;
const BUSY: u64 = 2;
const CONDEMNED: u64 = 3;
/// Of a busy connection: requests whose answers have not ended. Above them: those without a first byte of an answer.
const ONE_REQUEST: u64 = 1 << PHASE_BITS;
const ONE_HANDLING: u64 = 1 << (PHASE_BITS + 31);
const REQUESTS_MASK: u64 = (ONE_HANDLING - 1) & !PHASE_MASK;

/// In what order connections are closed to make room; the earlier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Has begun a head, or never said anything: a client that means it is done within moments.
    HalfSent,
    /// Idle between two requests.
    Idle,
    /// Has not read its answer for long.
    Unread,
}

/// Closed already, or about to be: no request may begin.
#[derive(Debug, thiserror::Error)]
#[error("the connection is being closed")]
pub(super) struct Condemned;

/// A connection's standing. Times are ms of one clock of the caller's.
#[derive(Debug)]
pub(super) struct Standing {
    word: AtomicU64,
    /// Speaks HTTP/2, where bytes between requests need not be a head.
    http2: AtomicBool,
    /// The client takes no bytes at the moment.
    unread: AtomicBool,
    /// When a piece of an answer last went out.
    answered_ms: AtomicU64,
}

impl Standing {
    /// Of a connection that was just accepted.
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            word: AtomicU64::new(now_ms << PHASE_BITS | HEAD),
            http2: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            answered_ms: AtomicU64::new(now_ms),
        }
    }

    /// Bytes came.
    pub(super) fn received(&self, now_ms: impl Fn() -> u64) {
        let word = self.word.load(Ordering::Relaxed);
        if word & PHASE_MASK == QUIET && !self.http2.load(Ordering::Relaxed) {
            // Should the word change meanwhile, what changed it knows better.
            let head = now_ms() << PHASE_BITS | HEAD;
            let _ = self.word.compare_exchange(word, head, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Bytes went out.
    pub(super) fn sent(&self, now_ms: impl Fn() -> u64) {
        if self.unread.load(Ordering::Relaxed) {
            self.unread.store(false, Ordering::Relaxed);
            let now_ms = now_ms();
            self.answered_ms.store(now_ms, Ordering::Relaxed);
            let word = self.word.load(Ordering::Relaxed);
            if word & PHASE_MASK == QUIET {
                let quiet = now_ms << PHASE_BITS | QUIET;
                let _ = self.word.compare_exchange(word, quiet, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// Bytes could not go out: the client does not read.
    pub(super) fn blocked(&self) {
        if !self.unread.load(Ordering::Relaxed) {
            self.unread.store(true, Ordering::Relaxed);
        }
    }

    /// A head is complete.
    pub(super) fn begin(&self, is_http2: bool) -> Result<(), Condemned> {
        if is_http2 && !self.http2.load(Ordering::Relaxed) {
            self.http2.store(true, Ordering::Relaxed);
        }
        let begun = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| match word & PHASE_MASK {
            CONDEMNED => None,
            BUSY => Some(word + ONE_REQUEST + ONE_HANDLING),
            _ => Some(BUSY + ONE_REQUEST + ONE_HANDLING),
        });
        begun.map(|_| ()).map_err(|_| Condemned)
    }

    /// An answer has a head: from now on its pieces go out.
    pub(super) fn answering(&self, now_ms: u64) {
        self.answered_ms.store(now_ms, Ordering::Relaxed);
        self.word.fetch_sub(ONE_HANDLING, Ordering::AcqRel);
    }

    /// A piece of an answer is on its way.
    pub(super) fn answered(&self, now_ms: u64) {
        self.answered_ms.store(now_ms, Ordering::Relaxed);
    }

    /// A request is over: answered in full, or given up. `was_answering`: [`Self::answering`] was said of it.
    pub(super) fn end(&self, was_answering: bool, now_ms: u64) {
        let gone = ONE_REQUEST + if was_answering { 0 } else { ONE_HANDLING };
        // A condemned connection keeps its counts, which nobody reads any more.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let left = word - gone;
            let is_last = word & PHASE_MASK == BUSY && left & REQUESTS_MASK == 0;
            Some(if is_last { now_ms << PHASE_BITS | QUIET } else { left })
        });
    }

    /// Closes the connection to further requests if it has done nothing for too long; `true` if it did.
    pub(super) fn condemn_overdue(&self, now_ms: u64, patience: &Patience) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let (since_ms, bound) = match word & PHASE_MASK {
            HEAD => (word >> PHASE_BITS, patience.head),
            QUIET => (word >> PHASE_BITS, patience.idle),
            BUSY if word < ONE_HANDLING => (self.answered_ms.load(Ordering::Relaxed), patience.answer),
            _ => return false,
        };
        u128::from(now_ms.saturating_sub(since_ms)) > bound.as_millis() && self.condemn(word)
    }

    /// What the connection is worth keeping, and since when it has done nothing; `None` while it does something.
    pub(super) fn worth(&self, now_ms: u64) -> Option<(Worth, u64)> {
        let word = self.word.load(Ordering::Acquire);
        let (worth, since_ms) = match word & PHASE_MASK {
            HEAD => (Worth::HalfSent, word >> PHASE_BITS),
            QUIET if self.unread.load(Ordering::Relaxed) => (Worth::Unread, word >> PHASE_BITS),
            QUIET => (Worth::Idle, word >> PHASE_BITS),
            BUSY if word < ONE_HANDLING => (Worth::Unread, self.answered_ms.load(Ordering::Relaxed)),
            _ => return None,
        };
        let quiet_ms = if worth == Worth::Unread { ROOM_UNREAD_MS } else { ROOM_QUIET_MS };
        (now_ms.saturating_sub(since_ms) >= quiet_ms).then_some((worth, since_ms))
    }

    /// Closes the connection to further requests if it still is worth that little; `true` if it did.
    pub(super) fn condemn_for_room(&self, now_ms: u64, seen: (Worth, u64)) -> bool {
        let word = self.word.load(Ordering::Acquire);
        self.worth(now_ms) == Some(seen) && self.condemn(word)
    }

    /// Closes the connection to further requests if there is nothing under way on it; `true` if it did.
    pub(super) fn condemn_at_rest(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let at_rest = match word & PHASE_MASK {
            HEAD => true,
            // Of HTTP/2 answers may still be on their way within this process, and a goodbye is due.
            QUIET => !self.unread.load(Ordering::Relaxed) && !self.http2.load(Ordering::Relaxed),
            _ => false,
        };
        at_rest && self.condemn(word)
    }

    fn condemn(&self, seen: u64) -> bool {
        self.word.compare_exchange(seen, seen | CONDEMNED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(75), answer: Duration::from_mins(1) };

    /// A connection to which this happened, each at its time; `b` and `B` begin a request (of HTTP/2), `a` is an
    /// answer's head, `p` a piece of it, `e` the end of an answered request, `x` of one given up, `r` bytes that came,
    /// `s` bytes that went, `w` bytes that could not go.
    fn after(events: &[(u64, char)]) -> Standing {
        let standing = Standing::new(0);
        for (at_ms, event) in events {
            match event {
                'b' | 'B' => assert!(standing.begin(*event == 'B').is_ok(), "{events:?}"),
                'a' => standing.answering(*at_ms),
                'p' => standing.answered(*at_ms),
                'e' => standing.end(true, *at_ms),
                'x' => standing.end(false, *at_ms),
                'r' => standing.received(|| *at_ms),
                's' => standing.sent(|| *at_ms),
                _ => standing.blocked(),
            }
        }
        standing
    }

    #[test]
    fn each_phase_has_its_patience() {
        for (events, lasts_until_ms) in [
            (&[][..], Some(10_000)),
            // More bytes of one head don't lengthen it.
            (&[(1_000, 'r'), (9_000, 'r')], Some(10_000)),
            (&[(5_000, 'b')], None),
            (&[(5_000, 'b'), (6_000, 'x')], Some(81_000)),
            (&[(5_000, 'b'), (6_000, 'a')], Some(66_000)),
            (&[(5_000, 'b'), (6_000, 'a'), (50_000, 'p')], Some(110_000)),
            (&[(5_000, 'b'), (6_000, 'a'), (7_000, 'e')], Some(82_000)),
            (&[(5_000, 'b'), (6_000, 'a'), (7_000, 'e'), (20_000, 'r')], Some(30_000)),
            // Answers on their way out: every byte that goes counts.
            (&[(5_000, 'b'), (6_000, 'a'), (7_000, 'e'), (7_000, 'w'), (50_000, 's')], Some(125_000)),
            (&[(5_000, 'b'), (6_000, 'a'), (7_000, 'w'), (50_000, 's')], Some(110_000)),
            // One request still being handled is enough.
            (&[(0, 'B'), (0, 'B'), (1_000, 'a')], None),
            (&[(0, 'B'), (0, 'B'), (1_000, 'a'), (2_000, 'e')], None),
            (&[(0, 'B'), (0, 'B'), (1_000, 'a'), (2_000, 'e'), (3_000, 'x')], Some(78_000)),
            // Of HTTP/2 bytes between requests are no head.
            (&[(0, 'B'), (0, 'a'), (0, 'e'), (20_000, 'r')], Some(75_000)),
        ] {
            let standing = after(events);
            let Some(until_ms) = lasts_until_ms else {
                assert!(!standing.condemn_overdue(u64::MAX >> PHASE_BITS, &PATIENCE), "{events:?}");
                continue;
            };
            assert!(!standing.condemn_overdue(until_ms, &PATIENCE), "{events:?}");
            assert!(standing.condemn_overdue(until_ms + 1, &PATIENCE), "{events:?}");
            assert!(standing.begin(false).is_err(), "{events:?}");
        }
    }

    #[test]
    fn what_does_nothing_makes_room() {
        for (events, now_ms, worth) in [
            (&[][..], 999, None),
            (&[], 1_000, Some((Worth::HalfSent, 0))),
            (&[(0, 'b')], 1_000_000, None),
            (&[(0, 'b'), (0, 'a'), (500, 'e')], 1_499, None),
            (&[(0, 'b'), (0, 'a'), (500, 'e')], 1_500, Some((Worth::Idle, 500))),
            (&[(0, 'b'), (0, 'a'), (500, 'e'), (600, 'r')], 1_600, Some((Worth::HalfSent, 600))),
            (&[(0, 'b'), (0, 'a'), (500, 'e'), (500, 'w')], 30_499, None),
            (&[(0, 'b'), (0, 'a'), (500, 'e'), (500, 'w')], 30_500, Some((Worth::Unread, 500))),
            (&[(0, 'b'), (0, 'a'), (500, 'p')], 30_500, Some((Worth::Unread, 500))),
        ] {
            let standing = after(events);
            assert_eq!(standing.worth(now_ms), worth, "{events:?}");
            if let Some(seen) = worth {
                assert!(standing.condemn_for_room(now_ms, seen), "{events:?}");
                assert_eq!(standing.worth(now_ms), None, "{events:?}");
            }
        }
        let busy_again = after(&[(0, 'b'), (0, 'a'), (500, 'e')]);
        assert!(busy_again.begin(false).is_ok());
        assert!(!busy_again.condemn_for_room(5_000, (Worth::Idle, 500)));
    }

    #[test]
    fn a_stop_closes_what_is_at_rest_and_nothing_else() {
        for (events, at_rest) in [
            (&[][..], true),
            (&[(0, 'b'), (0, 'a'), (0, 'e')], true),
            (&[(0, 'b'), (0, 'a'), (0, 'e'), (1, 'r')], true),
            (&[(0, 'b')], false),
            (&[(0, 'b'), (0, 'a')], false),
            (&[(0, 'b'), (0, 'a'), (0, 'e'), (0, 'w')], false),
            (&[(0, 'B'), (0, 'a'), (0, 'e')], false),
        ] {
            let standing = after(events);
            assert_eq!(standing.condemn_at_rest(), at_rest, "{events:?}");
            assert_eq!(standing.begin(false).is_err(), at_rest, "{events:?}");
        }
    }

    #[test]
    fn a_request_that_ends_on_a_condemned_connection_changes_nothing() {
        let standing = after(&[(0, 'b'), (0, 'a')]);
        assert!(standing.condemn_overdue(60_001, &PATIENCE));
        standing.end(true, 70_000);
        assert!(standing.begin(false).is_err());
        assert!(!standing.condemn_overdue(1_000_000, &PATIENCE));
    }
}
