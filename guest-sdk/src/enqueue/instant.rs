//! Moments as the API reads them: RFC 3339, UTC, milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::whole_ms;
use crate::text::{add, joined};

const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// The last moment that can be written: 9999-12-31T23:59:59.999Z, ms.
const LAST_MS: u64 = 253_402_300_799_999;

/// The text of a moment; of one before 1970 or after 9999, that of the nearest in between.
pub(super) fn text(at: SystemTime) -> String {
    let epoch_ms = at.duration_since(UNIX_EPOCH).map_or(0, whole_ms).min(LAST_MS);
    let (day, ms) = (epoch_ms / DAY_MS, epoch_ms % DAY_MS);
    let (year, month, day) = date(day);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    joined(&[
        &padded(year, 4),
        "-",
        &padded(month, 2),
        "-",
        &padded(day, 2),
        "T",
        &padded(hour, 2),
        ":",
        &padded(minute, 2),
        ":",
        &padded(second, 2),
        ".",
        &padded(ms % 1_000, 3),
        "Z",
    ])
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar. Counted in eras of 400 years that begin
/// in March, so that the day that is not always there is the last of a year.
fn date(day: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    let day = day + 719_468;
    let (era, day) = (day / ERA_DAYS, day % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

fn padded(number: u64, width: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for _ in digits.len()..width {
        add(&mut text, "0");
    }
    add(&mut text, &digits);
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_253_394_005, "2026-11-21T09:29:54.005Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (LAST_MS + 1, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(UNIX_EPOCH + Duration::from_millis(ms)), expected);
        }
        assert_eq!(text(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut before = date(0);
        for day in 1..146_097 {
            let (year, month, of_month) = date(day);
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let (last_year, last_month, last_day) = before;
            let length = match last_month {
                2 if is_leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = if last_day < length {
                (last_year, last_month, last_day + 1)
            } else if last_month < 12 {
                (last_year, last_month + 1, 1)
            } else {
                (last_year + 1, 1, 1)
            };
            assert_eq!((year, month, of_month), expected, "day {day}");
            before = (year, month, of_month);
        }
    }
}
