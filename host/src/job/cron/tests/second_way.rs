//! The same times found by looking at every second there was.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// How long each zone is walked through.
const YEARS: std::ops::Range<i16> = 2020..2030;

#[test]
fn times_strictly_increase_in_every_fifth_zone() {
    let names = Zone::names();
    assert!(names.len() > 400, "{} zones", names.len());
    for name in names.iter().step_by(5) {
        let zone = zone(name);
        for expression in ["30 2 * * *", "*/20 0-3 1,15 * *", "0 */6 * * *", "15,45 1,2,3 * * SUN", "0 0 L * *"] {
            let cron = cron(expression);
            let mut at = instant(&format!("{}-01-01T00:00:00Z", YEARS.start));
            let end = instant(&format!("{}-01-01T00:00:00Z", YEARS.end));
            let mut fired = 0;
            while at < end {
                let next = cron.next_after(at, &zone).unwrap_or_else(|| panic!("{expression} in {name} after {at:?}"));
                assert!(next > at, "{expression} in {name}: {next:?} after {at:?}");
                (at, fired) = (next, fired + 1);
            }
            // No day is left out and none taken twice; the ends of the walk may fall into days that begin elsewhere.
            let days = 3_653;
            let bounds = match expression {
                "30 2 * * *" => days..=days + 2,
                "0 0 L * *" => 120..=122,
                "0 */6 * * *" => days * 4 - 40..=days * 4 + 42,
                _ => 100..=days,
            };
            assert!(bounds.contains(&fired), "{expression} in {name} fired {fired} times");
        }
    }
}

/// Every time in `from..until` (whole minutes) by the rules as the documentation words them.
fn by_looking(fields: &Fields, zone: &Zone, from: Timestamp, until: Timestamp) -> BTreeSet<Timestamp> {
    let mut found = BTreeSet::new();
    let mut locals_seen = BTreeSet::new();
    // What came in the day before can come again.
    let mut at = from.as_ms() - 86_400_000;
    let mut last_local = None;
    while at < until.as_ms() {
        let zoned = jiff::Timestamp::from_millisecond(at).unwrap().to_zoned(zone.rules.clone());
        let local = zoned.datetime();
        let comes_again = !locals_seen.insert(local);
        let mut fires = fields.names(local) && (fields.is_interval() || !comes_again);
        if let Some(last) = last_local
            && fields.names_hours()
        {
            let mut missed: jiff::civil::DateTime = last;
            loop {
                missed = missed.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
                if missed >= local {
                    break;
                }
                fires |= fields.names(missed);
            }
        }
        if fires && at >= from.as_ms() {
            found.insert(Timestamp(at));
        }
        last_local = Some(local);
        at += 60_000;
    }
    found
}

/// Minutes, hours and days of the week as sets, with their text.
#[derive(Clone, Debug)]
struct Fields {
    minutes: (String, Vec<i8>),
    hours: (String, Vec<i8>),
    weekdays: (String, Vec<i8>),
}

impl Fields {
    fn text(&self) -> String {
        format!("{} {} * * {}", self.minutes.0, self.hours.0, self.weekdays.0)
    }
    fn names(&self, local: jiff::civil::DateTime) -> bool {
        self.minutes.1.contains(&local.minute())
            && self.hours.1.contains(&local.hour())
            && self.weekdays.1.contains(&local.weekday().to_sunday_zero_offset())
    }
    fn is_interval(&self) -> bool {
        [&self.minutes.0, &self.hours.0].iter().any(|text| text.contains(['*', '/', '-']))
    }
    fn names_hours(&self) -> bool {
        !self.hours.0.starts_with('*')
    }
}

fn field(count: i8) -> impl Strategy<Value = (String, Vec<i8>)> {
    let list = prop::collection::btree_set(0..count, 1..4).prop_map(|values| {
        let text: Vec<String> = values.iter().map(ToString::to_string).collect();
        (text.join(","), values.into_iter().collect::<Vec<_>>())
    });
    let every = (1..count).prop_map(move |step| {
        (format!("*/{step}"), (0..count).step_by(usize::from(step.unsigned_abs())).collect::<Vec<_>>())
    });
    let range = (0..count, 0..count).prop_map(move |(one, other)| {
        let (from, to) = (one.min(other), one.max(other));
        (format!("{from}-{to}"), (from..=to).collect::<Vec<_>>())
    });
    prop_oneof![list, every, range, Just(("*".to_owned(), (0..count).collect::<Vec<_>>()))]
}

/// Days on which a clock was set, in zones that do it differently: by an hour, by half of one, at midnight, backwards in
/// winter, by a whole day.
const CHANGES: [(&str, &str); 10] = [
    ("America/New_York", "2024-03-10T00:00:00Z"),
    ("America/New_York", "2024-11-03T00:00:00Z"),
    ("Europe/Berlin", "2026-03-29T00:00:00Z"),
    ("Europe/Berlin", "2026-10-25T00:00:00Z"),
    ("Australia/Lord_Howe", "2017-09-30T06:00:00Z"),
    ("Australia/Lord_Howe", "2017-04-01T06:00:00Z"),
    ("America/Santiago", "2017-05-13T12:00:00Z"),
    ("Asia/Beirut", "2022-03-26T12:00:00Z"),
    ("Europe/Dublin", "2023-10-28T20:00:00Z"),
    ("Pacific/Apia", "2011-12-30T00:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_walk_finds_what_looking_finds(
        minutes in field(60), hours in field(24), weekdays in field(7), change in 0..CHANGES.len(),
    ) {
        let fields = Fields { minutes, hours, weekdays };
        let (name, day) = CHANGES[change];
        let (zone, from) = (zone(name), instant(day));
        let until = Timestamp(from.as_ms() + 2 * 86_400_000);
        let expected = by_looking(&fields, &zone, from, until);
        let (cron, mut at, mut found) = (cron(&fields.text()), Timestamp(from.as_ms() - 1), BTreeSet::new());
        while let Some(next) = cron.next_after(at, &zone).filter(|next| *next < until) {
            prop_assert!(next > at);
            found.insert(next);
            at = next;
        }
        prop_assert_eq!(found, expected, "{} in {}", fields.text(), name);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[0-9*,/#LW?@a-zA-Z -]{0,40}", after in 0i64..4_102_444_800_000) {
        if let Ok(cron) = text.parse::<Cron>() {
            let after = Timestamp(after);
            prop_assert!(cron.next_after(after, &Zone::utc()).is_none_or(|next| next > after));
        }
    }
}
