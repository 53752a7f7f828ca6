//! Expressions against tables of others, against a slow second way to the same answer, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod against_others;
mod refusals;
mod second_way;

use super::{Cron, Zone};
use crate::job::Timestamp;

/// An instant from text.
#[track_caller]
fn instant(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().expect(text).as_millisecond())
}

#[track_caller]
fn cron(text: &str) -> Cron {
    text.parse().unwrap_or_else(|refused| panic!("{text}: {refused}"))
}

#[track_caller]
fn zone(name: &str) -> Zone {
    name.parse().expect(name)
}

/// As in the tables.
fn shown(at: Timestamp, zone: &Zone) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_ms()).expect("in range");
    if zone.name() == "UTC" { at.to_string() } else { at.display_with_offset(zone.rules.to_offset(at)).to_string() }
}
