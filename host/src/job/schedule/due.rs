//! Which of the slots that have come become jobs: what came in time does, what was missed (the host was down, the schedule
//! paused) by the schedule's choice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timing;
use crate::job::Timestamp;

/// A slot found later than this was missed.
pub const ON_TIME_WITHIN: Duration = Duration::from_mins(1);
/// Missed slots that `all` makes up for; older ones are skipped.
pub const MISSED_RUN_MAX: usize = 1_000;
/// Slots of a schedule that are remembered with what became of them.
pub const SLOTS_KEPT_MAX: usize = 50;

/// What a schedule does about slots nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// Nothing.
    Skip,
    /// One job for all of them, under the latest.
    #[default]
    Once,
    /// A job for each, the oldest first, for the latest 1,000 at most.
    All,
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotVerdict {
    /// A job.
    Run,
    /// Nothing, since it was missed.
    Missed,
}

/// The slots that have come since the last look, oldest first. Of those that were missed without a job only the latest are
/// named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueSlots {
    /// Strictly increasing.
    pub slots: Vec<(Timestamp, SlotVerdict)>,
}

/// The slots in `last..=now` and what becomes of each. A slot is on time if it is the latest and has come within
/// [`ON_TIME_WITHIN`].
pub fn due_slots(timing: &Timing, misfire: Misfire, last: Timestamp, now: Timestamp) -> DueSlots {
    let count_max = if misfire == Misfire::All { MISSED_RUN_MAX } else { SLOTS_KEPT_MAX };
    let slots = timing.latest(last, now, count_max);
    let latest = slots.last().copied();
    let verdict = |slot: Timestamp| {
        let is_latest = Some(slot) == latest;
        let is_on_time = is_latest && now.since(slot) <= ON_TIME_WITHIN;
        let runs = match misfire {
            Misfire::Skip => is_on_time,
            Misfire::Once => is_latest,
            Misfire::All => true,
        };
        if runs { SlotVerdict::Run } else { SlotVerdict::Missed }
    };
    DueSlots { slots: slots.into_iter().map(|slot| (slot, verdict(slot))).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::Trigger;
    use super::*;
    use proptest::prelude::*;

    const MINUTE_MS: i64 = 60_000;

    fn every_minutes(minutes: u64) -> Timing {
        let trigger = Trigger::Every { interval: Duration::from_mins(minutes), anchor: Timestamp(0) };
        Timing { trigger, start_at: None, end_at: None }
    }

    #[test]
    fn what_becomes_of_slots() {
        use Misfire::{All, Once, Skip};
        // (every, minutes; last look; now, ms; who runs under each choice, in slots of minutes)
        type Row = (u64, i64, i64, [(Misfire, &'static [i64], usize); 3]);
        let rows: [Row; 5] = [
            // Nothing has come.
            (5, 0, 4 * MINUTE_MS, [(Skip, &[], 0), (Once, &[], 0), (All, &[], 0)]),
            // In time.
            (5, 0, 5 * MINUTE_MS + 3, [(Skip, &[5], 0), (Once, &[5], 0), (All, &[5], 0)]),
            // Just too late.
            (5, 0, 6 * MINUTE_MS + 1, [(Skip, &[], 1), (Once, &[5], 0), (All, &[5], 0)]),
            // An hour was missed.
            (20, 0, 79 * MINUTE_MS, [(Skip, &[], 3), (Once, &[60], 2), (All, &[20, 40, 60], 0)]),
            // An hour was missed, and one has just come.
            (20, 0, 80 * MINUTE_MS, [(Skip, &[80], 3), (Once, &[80], 3), (All, &[20, 40, 60, 80], 0)]),
        ];
        for (every, last, now, choices) in rows {
            for (misfire, run, missed) in choices {
                let due = due_slots(&every_minutes(every), misfire, Timestamp(last), Timestamp(now));
                let ran: Vec<i64> = due
                    .slots
                    .iter()
                    .filter(|(_, verdict)| *verdict == SlotVerdict::Run)
                    .map(|(slot, _)| slot.as_ms() / MINUTE_MS)
                    .collect();
                assert_eq!(ran, run, "{misfire:?} of every {every} at {now}");
                assert_eq!(due.slots.len() - ran.len(), missed, "{misfire:?} of every {every} at {now}");
            }
        }
    }

    #[test]
    fn making_up_is_bounded() {
        let due = due_slots(&every_minutes(1), Misfire::All, Timestamp(0), Timestamp(5_000 * MINUTE_MS));
        assert_eq!(due.slots.len(), MISSED_RUN_MAX);
        assert_eq!(due.slots.first().map(|(slot, _)| slot.as_ms()), Some(4_001 * MINUTE_MS));
    }

    proptest! {
        /// However often anybody looks, each slot comes up once, and every one that should run does.
        #[test]
        fn no_slot_comes_twice(looks in prop::collection::vec(1i64..30 * MINUTE_MS, 1..50), every in 1u64..20) {
            let timing = every_minutes(every);
            let (mut last, mut seen) = (Timestamp(0), Vec::new());
            let mut now = 0;
            for step in looks {
                now += step;
                let due = due_slots(&timing, Misfire::All, last, Timestamp(now));
                if let Some((slot, _)) = due.slots.last() {
                    last = *slot;
                }
                seen.extend(due.slots.into_iter().map(|(slot, _)| slot));
            }
            prop_assert!(seen.is_sorted_by(|one, next| one < next));
            let every_ms = i64::try_from(every).map_or(1, |every| every * MINUTE_MS);
            prop_assert_eq!(i64::try_from(seen.len()).ok(), Some(now / every_ms));
        }
    }
}
