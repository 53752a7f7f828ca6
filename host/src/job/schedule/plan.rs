//! When a schedule's slots are and what becomes of them, as somebody asked for it, and what of that is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{EVERY_MIN, Misfire, Overlap, Timing, Trigger};
use crate::job::cron::{Cron, CronError, Zone};
use crate::job::{FieldError, Span, Timestamp};

/// Longest jitter.
pub const JITTER_MAX: Duration = Duration::from_hours(24);

/// What makes slots, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// A cron expression.
    Cron(String),
    /// An interval, ms.
    Every(u64),
}

/// A schedule without its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What makes slots.
    pub recurrence: Recurrence,
    /// Whose clock the expression means.
    pub zone: Zone,
    /// No slot before it.
    pub starts_at: Option<Timestamp>,
    /// No slot after it.
    pub ends_at: Option<Timestamp>,
    /// A slot's job waits for up to so long, ms.
    pub jitter_ms: u64,
    /// What becomes of missed slots.
    pub misfire: Misfire,
    /// What a run that has not ended means.
    pub overlap: Overlap,
}

/// What was asked for; `None`: nothing was said.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// A cron expression.
    pub cron: Option<String>,
    /// An interval.
    pub every: Option<Span>,
    /// The name of a zone; UTC.
    pub timezone: Option<String>,
    /// No slot before it.
    pub starts_at: Option<Timestamp>,
    /// No slot after it.
    pub ends_at: Option<Timestamp>,
    /// None.
    pub jitter: Option<Span>,
    /// `once`.
    pub misfire: Option<Misfire>,
    /// `skip`; with `misfire: all`, `allow`.
    pub overlap: Option<Overlap>,
}

impl PlanRequest {
    /// The plan, or nothing and what is wrong, with pointers under `at`.
    pub fn check(self, at: &str, now: Timestamp, errors: &mut Vec<FieldError>) -> Option<Plan> {
        let PlanRequest { cron, every, timezone, starts_at, ends_at, jitter, misfire, overlap } = self;
        let mut refuse = |field: &str, message: String| errors.push(FieldError::new(format!("{at}/{field}"), message));
        let zone = match timezone.as_deref().map(str::parse::<Zone>) {
            None => Some(Zone::utc()),
            Some(Ok(zone)) => Some(zone),
            Some(Err(error)) => {
                refuse("timezone", error.to_string());
                None
            }
        };
        let recurrence = match (cron, every) {
            (None, None) => {
                refuse("cron", "say when: `cron`, such as \"0 3 * * *\", or `every`, such as \"15m\"".to_owned());
                None
            }
            (Some(_), Some(_)) => {
                refuse("every", "give `cron` or `every`, not both".to_owned());
                None
            }
            (Some(text), None) => match text.parse::<Cron>() {
                Ok(cron) => Some(Recurrence::Cron(cron.as_str().to_owned())),
                Err(error) => {
                    refuse("cron", error.to_string());
                    None
                }
            },
            (None, Some(Span(every))) if every < EVERY_MIN => {
                refuse("every", format!("must be at least {}", Span(EVERY_MIN)));
                None
            }
            (None, Some(every)) if timezone.is_some() => {
                let why = "an interval is the same in every zone: leave `timezone` out, or say `cron`";
                refuse("timezone", why.to_owned());
                Some(Recurrence::Every(every.as_ms()))
            }
            (None, Some(every)) => Some(Recurrence::Every(every.as_ms())),
        };
        let jitter = jitter.unwrap_or_default();
        if jitter.0 > JITTER_MAX {
            refuse("jitter", format!("must be at most {}", Span(JITTER_MAX)));
        }
        let is_empty = matches!((starts_at, ends_at), (Some(start), Some(end)) if end < start);
        if is_empty {
            refuse("ends_at", "lies before `starts_at`".to_owned());
        }
        let misfire = misfire.unwrap_or_default();
        // Slots that are made up for come all at once: to skip what overlaps would run the first of them only.
        let overlap = overlap.unwrap_or(if misfire == Misfire::All { Overlap::Allow } else { Overlap::default() });
        let plan = Plan {
            recurrence: recurrence?,
            zone: zone?,
            starts_at,
            ends_at,
            jitter_ms: jitter.as_ms(),
            misfire,
            overlap,
        };
        if !is_empty && plan.timing(now).ok()?.next_after(now).is_none() {
            let endless = Plan { starts_at: None, ends_at: None, ..plan.clone() };
            match endless.timing(now).ok()?.next_after(now) {
                None => refuse("cron", "never fires: no such day will come".to_owned()),
                Some(_) => refuse("ends_at", "lies before the first time it would fire".to_owned()),
            }
        }
        Some(plan)
    }
}

impl Plan {
    /// With an interval counted from `anchor`, where no start is given.
    pub fn timing(&self, anchor: Timestamp) -> Result<Timing, CronError> {
        let trigger = match &self.recurrence {
            Recurrence::Cron(text) => Trigger::Cron { cron: Box::new(text.parse()?), zone: self.zone.clone() },
            Recurrence::Every(ms) => {
                Trigger::Every { interval: Duration::from_millis(*ms), anchor: self.starts_at.unwrap_or(anchor) }
            }
        };
        Ok(Timing { trigger, start_at: self.starts_at, end_at: self.ends_at })
    }

    /// When, in words.
    pub fn in_words(&self) -> Result<String, CronError> {
        Ok(match &self.recurrence {
            Recurrence::Cron(text) => text.parse::<Cron>()?.in_words(),
            Recurrence::Every(ms) => format!("Every {}.", Span::from_ms(*ms)),
        })
    }

    /// Whether both have the same slots.
    pub fn has_slots_of(&self, other: &Plan) -> bool {
        let slots = |plan: &Plan| (plan.recurrence.clone(), plan.zone.clone(), plan.starts_at, plan.ends_at);
        slots(self) == slots(other)
    }

    /// When the job of a slot is due: the same for the same slot, whoever asks and however often.
    pub fn due_of(&self, schedule: i64, slot: Timestamp) -> Timestamp {
        if self.jitter_ms == 0 {
            return slot;
        }
        let mixed = mixed(slot.as_ms().unsigned_abs() ^ mixed(schedule.unsigned_abs()));
        slot.plus(Duration::from_millis(mixed % (self.jitter_ms + 1)))
    }
}

/// Spreads neighbouring numbers over all (the finaliser of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn every(seconds: u64) -> PlanRequest {
        PlanRequest { every: Some(Span::from_ms(seconds * 1_000)), ..PlanRequest::default() }
    }

    fn cron(text: &str) -> PlanRequest {
        PlanRequest { cron: Some(text.to_owned()), ..PlanRequest::default() }
    }

    #[test]
    fn what_is_refused_is_said_where_it_stands() {
        let in_days = |days: i64| Some(Timestamp(NOW.as_ms() + days * 86_400_000));
        let zone = |name: &str| Some(name.to_owned());
        let rows: [(PlanRequest, &str, &str); 11] = [
            (PlanRequest::default(), "/cron", "`every`, such as"),
            (PlanRequest { every: Some(Span::from_ms(1_000)), ..cron("* * * * *") }, "/every", "not both"),
            (cron("61 * * * *"), "/cron", "minute"),
            (cron("0 0 30 2 *"), "/cron", "never fires"),
            (every(0), "/every", "at least 1s"),
            (PlanRequest { every: Some(Span::from_ms(999)), ..PlanRequest::default() }, "/every", "at least 1s"),
            (PlanRequest { timezone: zone("Europe/Belrin"), ..cron("@daily") }, "/timezone", "`Europe/Berlin`"),
            (PlanRequest { timezone: zone("Europe/Berlin"), ..every(60) }, "/timezone", "every zone"),
            (PlanRequest { starts_at: in_days(2), ends_at: in_days(1), ..every(60) }, "/ends_at", "before `starts_at`"),
            (PlanRequest { ends_at: in_days(-1), ..every(60) }, "/ends_at", "before the first time"),
            (PlanRequest { jitter: Some(Span::from_ms(86_400_001)), ..every(60) }, "/jitter", "at most 1d"),
        ];
        for (request, pointer, message) in rows {
            let mut errors = Vec::new();
            request.clone().check("/s", NOW, &mut errors);
            let error = errors.first().unwrap_or_else(|| panic!("{request:?} is taken"));
            assert_eq!(error.pointer, format!("/s{pointer}"), "{request:?}");
            assert!(error.message.contains(message), "{error}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let plan = |request: PlanRequest| {
            let mut errors = Vec::new();
            let plan = request.check("", NOW, &mut errors);
            assert_eq!(errors, []);
            plan.unwrap()
        };
        let usual = plan(cron("@daily"));
        assert_eq!((usual.zone.name(), usual.misfire, usual.overlap), ("UTC", Misfire::Once, Overlap::Skip));
        let all = plan(PlanRequest { misfire: Some(Misfire::All), ..every(60) });
        assert_eq!(all.overlap, Overlap::Allow);
        let jitter = plan(PlanRequest { jitter: Some(Span::from_ms(3_600_000)), ..every(60) });
        assert_eq!(jitter.jitter_ms, 3_600_000, "longer than the interval");
    }

    #[test]
    fn when_in_words() {
        for (request, words) in [
            (cron("0 3 * * MON-FRI"), "At 03:00, on Monday, Tuesday, Wednesday, Thursday, and Friday."),
            (cron("@hourly"), "At minute 0 past every hour."),
            (cron("0 0 LW * *"), "As `0 0 LW * *` says."),
            (cron("*/90 * * * * *"), "As `*/90 * * * * *` says."),
            (cron("0 0 * 2-4/2 *"), "As `0 0 * 2-4/2 *` says."),
            (cron("*/15 * * * *"), "At every 15 minutes."),
            (every(90), "Every 1m30s."),
        ] {
            let plan = request.check("", NOW, &mut Vec::new()).unwrap();
            assert_eq!(plan.in_words().unwrap(), words);
        }
    }

    #[test]
    fn jitter_is_the_same_for_the_same_slot_and_spread_over_others() {
        let mut errors = Vec::new();
        let request = PlanRequest { jitter: Some(Span::from_ms(60_000)), ..every(60) };
        let plan = request.check("", NOW, &mut errors).unwrap();
        let offset = |schedule: i64, slot: i64| {
            let slot = Timestamp(NOW.as_ms() + slot * 1_000);
            let due = plan.due_of(schedule, slot);
            assert_eq!(due, plan.due_of(schedule, slot));
            due.since(slot).as_millis()
        };
        let offsets: Vec<u128> = (0..200).map(|slot| offset(1, slot)).collect();
        assert!(offsets.iter().all(|offset| *offset <= 60_000));
        assert!(offsets.iter().any(|offset| *offset < 6_000) && offsets.iter().any(|offset| *offset > 54_000));
        assert_ne!(offset(1, 0), offset(2, 0));
    }
}
