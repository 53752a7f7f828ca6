//! An expression as text and as what it names. `croner` reads the fields and knows which days they name.

use std::fmt;
use std::str::FromStr;

use croner::errors::CronError as CronerError;
use croner::parser::CronParser;
use jiff::civil::Date;

use super::ranges::without_backward_ranges;

/// Longest expression, bytes.
pub const CRON_BYTES_MAX: usize = 256;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What can be written in one place of an expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Its numbers, for a message.
    takes: &'static str,
    pub(super) first: u32,
    pub(super) last: u32,
    /// Words for numbers, from `first` on.
    pub(super) names: &'static [&'static str],
}

/// In their order; the first one may be left out.
pub(super) const FIELDS: [Field; 6] = [
    Field { name: "second", takes: "0-59", first: 0, last: 59, names: &[] },
    Field { name: "minute", takes: "0-59", first: 0, last: 59, names: &[] },
    Field { name: "hour", takes: "0-23", first: 0, last: 23, names: &[] },
    Field {
        name: "day of month",
        takes: "1-31, L (the last), 15W (the weekday nearest), LW",
        first: 1,
        last: 31,
        names: &[],
    },
    Field { name: "month", takes: "1-12 or JAN-DEC", first: 1, last: 12, names: &MONTHS },
    Field {
        name: "day of week",
        takes: "0-7 or SUN-SAT, MON#2 (the second), 5L (the last)",
        first: 0,
        last: 6,
        names: &WEEKDAYS,
    },
];

/// What is wrong with an expression, and what could stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Too long to be meant.
    #[error("a cron expression has at most {CRON_BYTES_MAX} bytes")]
    TooLong,
    /// Not five or six.
    #[error(
        "`{text}` has {given} fields; a cron expression has 5 (minute, hour, day of month, month, day of week), or 6 with a \
         second before them, or is a name such as @daily"
    )]
    Fields {
        /// As given.
        text: String,
        /// How many.
        given: usize,
    },
    /// A name that means nothing here.
    #[error("`{0}` is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly")]
    Nickname(String),
    /// One field can't be read.
    #[error("the {field} `{text}`: {because}; it takes {takes}, lists (1,5), ranges (1-5) and steps (*/5)")]
    Field {
        /// Which.
        field: &'static str,
        /// What stands there.
        text: String,
        /// Why not.
        because: String,
        /// What could.
        takes: &'static str,
    },
}

/// The last value of each field, from the day of the week back to the second.
const LAST_OF_FIELDS: [u32; 6] = [7, 12, 31, 23, 59, 59];

/// Whether croner's sentence says something else than the field: it drops the `W` of `LW`, and takes any step for one from the
/// beginning that goes on for ever.
fn is_beyond_words(field: &str, last: u32) -> bool {
    let is_stepped = |item: &str| {
        item.split_once('/')
            .is_some_and(|(from, step)| from != "*" || step.parse::<u32>().is_ok_and(|step| step > last))
    };
    field.eq_ignore_ascii_case("LW") || field.split(',').any(is_stepped)
}

/// A cron expression: five fields, or six with a second before them.
///
/// Days: if day of month and day of week are both given, a day must match either of them; both, where one begins with `*`,
/// as in Vixie cron. Ranges may run backwards (`FRI-MON`, `22-4`).
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    days: croner::Cron,
    /// One bit per value.
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    /// An interval: a local time that comes twice fires twice.
    pub(super) repeats_in_overlap: bool,
    /// It names its hours: a local time that does not come fires once all the same.
    pub(super) fires_after_gap: bool,
}

impl Cron {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it says, in a sentence.
    pub fn in_words(&self) -> String {
        let last = LAST_OF_FIELDS.into_iter();
        if self.text.split_whitespace().rev().zip(last).any(|(field, last)| is_beyond_words(field, last)) {
            return format!("As `{}` says.", self.text);
        }
        self.days.describe()
    }

    /// Whether the month is named.
    pub(super) fn names_month(&self, date: Date) -> bool {
        self.days.pattern.month_match(u32::from(date.month().unsigned_abs())).unwrap_or(false)
    }

    /// Whether the day of the month or of the week is named.
    pub(super) fn names_day(&self, date: Date) -> bool {
        let weekday = u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs());
        let weekday = croner::time::Weekday::from_days_from_sunday(weekday);
        let (month, day) = (u32::from(date.month().unsigned_abs()), u32::from(date.day().unsigned_abs()));
        self.days.pattern.day_match(i32::from(date.year()), month, day, weekday).unwrap_or(false)
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        if text.len() > CRON_BYTES_MAX {
            return Err(CronError::TooLong);
        }
        let mut fields: Vec<String> = spelled_out(text)?.split_whitespace().map(str::to_ascii_uppercase).collect();
        let given = fields.len();
        if given == 5 {
            fields.insert(0, "0".to_owned());
        }
        if fields.len() != FIELDS.len() {
            return Err(CronError::Fields { text: text.to_owned(), given });
        }
        let is_interval = fields[..3].iter().any(|field| field.contains(['*', '/', '-']));
        let names_hours = !fields[2].starts_with('*');
        let days_match_both = fields[3].starts_with('*') || fields[5].starts_with('*');
        for (field, written) in FIELDS.iter().zip(&mut fields) {
            read(*field, written)?;
        }
        let parser = CronParser::builder().dom_and_dow(days_match_both).sloppy_ranges(true).build();
        // Each field by itself was read before.
        let days = parser.parse(&fields.join(" ")).map_err(|error| refused(FIELDS[3], text, &because(error)))?;
        let pattern = &days.pattern;
        Ok(Self {
            text: text.to_owned(),
            seconds: bits(60, |second| pattern.second_match(second)),
            minutes: bits(60, |minute| pattern.minute_match(minute)),
            hours: bits(24, |hour| pattern.hour_match(hour)),
            repeats_in_overlap: is_interval,
            fires_after_gap: names_hours,
            days,
        })
    }
}

/// The fields, where a name stands for them.
fn spelled_out(text: &str) -> Result<&str, CronError> {
    let Some(name) = text.strip_prefix('@') else { return Ok(text) };
    Ok(match name.to_ascii_lowercase().as_str() {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => return Err(CronError::Nickname(text.to_owned())),
    })
}

/// Reads one field, by itself so that a message can name it; rewrites what `croner` doesn't know.
fn read(field: Field, written: &mut String) -> Result<(), CronError> {
    for item in written.split(',') {
        check_item(field, item).map_err(|because| refused(field, written, &because))?;
    }
    let rewritten = without_backward_ranges(field, written);
    let mut alone = ["0", "0", "0", "*", "*", "*"];
    if let Some(place) = FIELDS.iter().position(|other| other.name == field.name) {
        alone[place] = &rewritten;
    }
    let parser = CronParser::builder().sloppy_ranges(true).build();
    parser.parse(&alone.join(" ")).map_err(|error| refused(field, written, &because(error)))?;
    *written = rewritten;
    Ok(())
}

/// Refuses what `croner` would take and nobody can have meant.
fn check_item(field: Field, item: &str) -> Result<(), String> {
    let (base, step) = item.split_once('/').map_or((item, None), |(base, step)| (base, Some(step)));
    if let Some(odd) = item.chars().find(|c| !c.is_ascii_alphanumeric() && !"*/-#?".contains(*c)) {
        return Err(format!("`{odd}` has no meaning here"));
    }
    if item.is_empty() {
        return Err("there is an empty place in the list".to_owned());
    }
    if base.is_empty() {
        return Err(format!("nothing stands before the step of `{item}`"));
    }
    if step.is_some_and(|step| step.parse::<u32>().is_ok_and(|step| step == 0)) {
        return Err("a step of 0 goes nowhere".to_owned());
    }
    // `croner` takes any text that holds a name for the name.
    for end in base.split('-') {
        let word = end.split('#').next().unwrap_or(end);
        let name = word.strip_suffix('L').filter(|name| field.names.contains(name)).unwrap_or(word);
        let letters = word.chars().filter(char::is_ascii_alphabetic).count();
        if letters > 2 && !field.names.contains(&name) {
            return Err(format!("`{word}` is no name of it"));
        }
    }
    if field.name == "day of week" && matches!(base, "L" | "LW") {
        return Err("`L` needs a day before it, as in 5L, the last Friday".to_owned());
    }
    Ok(())
}

fn refused(field: Field, text: &str, because: &str) -> CronError {
    CronError::Field { field: field.name, text: text.to_owned(), because: because.to_owned(), takes: field.takes }
}

/// The library's words without its names for things.
fn because(error: CronerError) -> String {
    match error {
        CronerError::ComponentError(because) => because.trim_end_matches('.').to_ascii_lowercase(),
        CronerError::IllegalCharacters(_) => "it has letters without a meaning here".to_owned(),
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

fn bits(count: u32, names: impl Fn(u32) -> Result<bool, CronerError>) -> u64 {
    (0..count).filter(|value| names(*value).unwrap_or(false)).fold(0, |bits, value| bits | 1 << value)
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.text).finish()
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
