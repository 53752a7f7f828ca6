//! The walk along the clock: from one offset of the zone to the next, in local time within each.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp as Moment};

use super::{Cron, Zone};
use crate::job::Timestamp;

/// Farther than this nothing is looked for: leap days on one weekday are at most 40 years apart, and what did not fire in so
/// long never does.
const DAYS_MAX: i64 = 41 * 366;

impl Cron {
    /// The first time after `after` at which it fires, in whole seconds; `None` if it never does.
    pub fn next_after(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let after = Moment::from_second(after.as_ms().div_euclid(1_000)).ok()?;
        let found = self.next_instant(after.checked_add(SignedDuration::from_secs(1)).ok()?, zone)?;
        Some(Timestamp(found.as_millisecond())).filter(|found| *found <= Timestamp::MAX)
    }

    /// The first from `from` on.
    fn next_instant(&self, mut from: Moment, zone: &Zone) -> Option<Moment> {
        let rules = &zone.rules;
        let end = from.checked_add(SignedDuration::from_hours(DAYS_MAX * 24)).unwrap_or(Moment::MAX);
        let mut offset = rules.to_offset(from);
        // Local times before this one came already, under the offset before.
        let mut repeated_until = match rules.preceding(from.checked_add(SignedDuration::from_nanos(1)).ok()?).next() {
            Some(change) => {
                let change = change.timestamp();
                let before = rules.to_offset(change.checked_sub(SignedDuration::from_nanos(1)).ok()?);
                before.to_datetime(change)
            }
            None => DateTime::MIN,
        };
        loop {
            let change = rules.following(from).next().map(|change| change.timestamp()).filter(|change| *change < end);
            let mut local = offset.to_datetime(from);
            if !self.repeats_in_overlap {
                local = local.max(repeated_until);
            }
            if let Some(found) = self.next_local(local, offset.to_datetime(change.unwrap_or(end))) {
                return offset.to_timestamp(found).ok();
            }
            let change = change?;
            let entered = rules.to_offset(change);
            let (gap_from, gap_until) = (offset.to_datetime(change), entered.to_datetime(change));
            // Empty where the clock is set back.
            if self.fires_after_gap && self.next_local(gap_from, gap_until).is_some() {
                return Some(change);
            }
            repeated_until = gap_from;
            (from, offset) = (change, entered);
        }
    }

    /// The first local time in `from..until` that the fields name.
    fn next_local(&self, from: DateTime, until: DateTime) -> Option<DateTime> {
        let (mut date, mut earliest) = (from.date(), from.time());
        while midnight(date) < until {
            if !self.names_month(date) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.names_day(date)
                && let Some(time) = self.next_time(earliest)
            {
                return Some(date.to_datetime(time)).filter(|found| *found < until);
            } else {
                date = date.tomorrow().ok()?;
            }
            earliest = Time::midnight();
        }
        None
    }

    /// The first time of a day, from this one on, that the fields name.
    fn next_time(&self, from: Time) -> Option<Time> {
        let [hour, minute, second] = [from.hour(), from.minute(), from.second()].map(i8::unsigned_abs).map(u32::from);
        let (first_minute, first_second) = (self.minutes.trailing_zeros(), self.seconds.trailing_zeros());
        let (hour_is_named, minute_is_named) = (self.hours >> hour & 1 == 1, self.minutes >> minute & 1 == 1);
        let in_minute = || named_from(self.seconds, second).map(|second| (hour, minute, second));
        let in_hour = || named_from(self.minutes, minute + 1).map(|minute| (hour, minute, first_second));
        let in_day = || named_from(self.hours, hour + 1).map(|hour| (hour, first_minute, first_second));
        let (hour, minute, second) = (hour_is_named && minute_is_named)
            .then(in_minute)
            .flatten()
            .or_else(|| hour_is_named.then(in_hour).flatten())
            .or_else(in_day)?;
        Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, 0).ok()
    }
}

/// The lowest value from this one on among the bits.
fn named_from(bits: u64, from: u32) -> Option<u32> {
    let bits = bits & u64::MAX.checked_shl(from)?;
    (bits != 0).then(|| bits.trailing_zeros())
}

fn midnight(date: Date) -> DateTime {
    date.to_datetime(Time::midnight())
}
