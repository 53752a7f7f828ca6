//! Expressions against the tables of others: what fires when, as data (`cases.txt`), the source named beside each group.

use super::*;

const CASES: &str = include_str!("cases.txt");

#[test]
fn the_tables_of_others() {
    let (mut rows, mut wrong) = (0, Vec::new());
    for row in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [expression, zone_name, after, expected] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("no row: {row}");
        };
        let (cron, zone, mut at) = (cron(expression), zone(zone_name), instant(after));
        let mut found = Vec::new();
        for _ in expected.split(' ') {
            let Some(next) = cron.next_after(at, &zone) else {
                found.push("never".to_owned());
                break;
            };
            found.push(shown(next, &zone));
            at = next;
        }
        if found.join(" ") != expected {
            wrong.push(format!("{row}\n    found {}", found.join(" ")));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 150, "{rows} rows");
}

/// Where the two models differ, and what was chosen: an interval keeps its interval, so it fires neither for what a gap
/// swallowed nor less often in an overlap; a range of hours is an interval.
#[test]
fn where_others_differ() {
    for (expression, zone_name, after, expected) in [
        ("0 */2 * * *", "America/New_York", "2016-03-13T00:00:00-05:00", "2016-03-13T04:00:00-04:00"),
        ("30 * * * *", "America/New_York", "2016-03-13T01:59:00-05:00", "2016-03-13T03:30:00-04:00"),
        ("*/30 2 * * *", "America/New_York", "2016-03-13T01:59:00-05:00", "2016-03-13T03:00:00-04:00"),
        ("0 1-5 * * *", "Europe/Riga", "2021-10-31T03:00:00+03:00", "2021-10-31T03:00:00+02:00"),
        ("*/30 1 * * *", "America/New_York", "2016-11-06T01:30:00-04:00", "2016-11-06T01:00:00-05:00"),
    ] {
        let zone = zone(zone_name);
        let next = cron(expression).next_after(instant(after), &zone).expect(expression);
        assert_eq!(shown(next, &zone), expected, "{expression}");
    }
}

/// A whole day that did not happen: what was due in it fires once, when the next one begins.
#[test]
fn a_day_that_never_was() {
    let zone = zone("Pacific/Apia");
    let mut at = instant("2011-12-29T12:00:00-10:00");
    for (expression, expected) in [
        ("30 9 * * *", ["2011-12-31T00:00:00+14:00", "2011-12-31T09:30:00+14:00"]),
        ("0 0 30 12 *", ["2011-12-31T00:00:00+14:00", "2012-12-30T00:00:00+14:00"]),
    ] {
        let next = |at| cron(expression).next_after(at, &zone).expect(expression);
        let first = next(at);
        assert_eq!([shown(first, &zone), shown(next(first), &zone)], expected);
        at = instant("2011-12-29T12:00:00-10:00");
    }
}

#[test]
fn part_of_a_second_is_no_way_back() {
    let (cron, zone) = (cron("* * * * * *"), Zone::utc());
    for (after, next) in [(-1_500, -1_000), (-1, 0), (0, 1_000), (1, 1_000), (999, 1_000), (1_000, 2_000)] {
        assert_eq!(cron.next_after(Timestamp(after), &zone), Some(Timestamp(next)));
    }
    assert_eq!(cron.next_after(Timestamp::MAX, &zone), None);
    assert_eq!(cron.next_after(Timestamp(i64::MAX), &zone), None);
}
