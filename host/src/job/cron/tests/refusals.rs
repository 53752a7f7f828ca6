//! Expressions that are refused, and what is said of each.

use super::super::CronError;
use super::*;

#[test]
fn what_is_refused_says_where_and_what_to_write() {
    for (text, words) in [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields; a cron expression has 5 (minute, hour"),
        ("* * * * * * 2030", "has 7 fields"),
        ("@reboot", "`@reboot` is none of @yearly"),
        ("60 * * * *", "the minute `60`: "),
        ("* 24 * * *", "the hour `24`: "),
        ("* * 0 * *", "the day of month `0`: "),
        ("* * 32 * *", "the day of month `32`: "),
        ("* * * 13 *", "the month `13`: "),
        ("* * * * 8", "the day of week `8`: "),
        ("61 * * * * *", "the second `61`: "),
        ("*/0 * * * *", "a step of 0 goes nowhere"),
        ("1,,2 * * * *", "an empty place in the list"),
        ("/5 * * * *", "nothing stands before the step"),
        ("* * * * MONTUE", "`MONTUE` is no name of it; it takes 0-7 or SUN-SAT"),
        ("* * * JANFEB *", "`JANFEB` is no name of it; it takes 1-12 or JAN-DEC"),
        ("MON * * * *", "the minute `MON`: `MON` is no name of it"),
        ("* * * * MON#6", "the day of week `MON#6`: "),
        ("* * * * 1#0", "the day of week `1#0`: "),
        ("* * * * L", "`L` needs a day before it, as in 5L"),
        ("* * L-3 * *", "the day of month `L-3`: "),
        ("* * W * *", "the day of month `W`: "),
        ("* * * L *", "the month `L`: "),
        ("* * * * +MON", "`+` has no meaning here"),
        ("1.5 * * * *", "`.` has no meaning here"),
        ("¹ * * * *", "`¹` has no meaning here"),
        ("-1 * * * *", "the minute `-1`: "),
        ("1-2-3 * * * *", "the minute `1-2-3`: "),
        ("1/2/3 * * * *", "the minute `1/2/3`: "),
        ("99999999999 * * * *", "the minute `99999999999`: "),
        ("2# * * * *", "the minute `2#`: "),
    ] {
        let refused = text.parse::<Cron>().map(|_| text).expect_err(text).to_string();
        assert!(refused.contains(words), "{text}: {refused}");
    }
    assert_eq!("* ".repeat(300).parse::<Cron>(), Err(CronError::TooLong));
}

#[test]
fn what_is_taken() {
    let same = |one: &str, other: &str| {
        let (mut at, zone) = (instant("2026-11-22T05:00:00Z"), Zone::utc());
        for _ in 0..50 {
            let (next, expected) = (cron(one).next_after(at, &zone), cron(other).next_after(at, &zone));
            assert_eq!(next, expected, "{one} and {other}");
            at = next.expect(one);
        }
    };
    for (one, other) in [
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 JAN *"),
        ("@monthly", "0 0 1 * ?"),
        ("@weekly", "0 0 * * SUN"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@hourly", "0 * * * *"),
        (" 5  4\t* * * ", "5 4 * * *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * mon-fri", "0 0 * * 1-5"),
        ("0 0 * jan-mar *", "0 0 * 1-3 *"),
        ("5/15 * * * *", "5,20,35,50 * * * *"),
        ("0 22-4/2 * * *", "0 22,0,2,4 * * *"),
        ("0 0 * * FRI-MON", "0 0 * * 5,6,0,1"),
        ("0 0 * * SAT-SUN", "0 0 * * 6,0"),
        ("0 0 * * FRIL", "0 0 * * 5L"),
        ("0 0 LW * *", "0 0 lw * *"),
    ] {
        same(one, other);
    }
    assert_eq!(cron(" @daily ").as_str(), "@daily", "shown as it was written");
}
