//! Groups the rows of a CSV file and adds up its columns. Owns the kind's types, progress, cancellation and what a bad
//! row leads to; what a row is and what it adds to a group is the work of `table` and `totals`.

mod table;
mod totals;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, JsonSchema, handler};

use table::{BadRow, Table};
use totals::Totals;

/// Rows between two reports of progress. Each report is two of the attempt's host calls, so a million rows stay far
/// below their limit.
const ROWS_PER_REPORT: u64 = 1_000;
/// Groups a report may have: more is no report, and a column of ids was named by mistake.
const GROUPS_MAX: usize = 5_000;
/// Bad rows described one by one; further ones are only counted.
const BAD_ROWS_SHOWN_MAX: usize = 20;

/// A CSV file and what to make of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvReport {
    /// The file's text; its first line names the columns.
    pub csv: String,
    /// Columns whose values make a group; none for one total of everything.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// Columns of numbers to add up.
    #[serde(default)]
    pub sum: Vec<String>,
    /// One ASCII character between two fields.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// What to do with a row that has too few or too many fields, or text where a number belongs.
    #[serde(default)]
    pub bad_rows: BadRows,
}

fn comma() -> char {
    ','
}

/// What a bad row leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BadRows {
    /// The job fails and names the line.
    #[default]
    Fail,
    /// The row is left out, counted and described.
    Skip,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Rows in the groups.
    pub rows: u64,
    /// Rows left out.
    pub skipped: u64,
    /// The first of the rows left out.
    pub skipped_rows: Vec<SkippedRow>,
    /// In the order of their values.
    pub groups: Vec<Group>,
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SkippedRow {
    /// Where it begins in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// Rows with the same values in the columns of `group_by`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// Column → value.
    pub group: BTreeMap<String, String>,
    /// Rows.
    pub count: u64,
    /// Column → its totals.
    pub totals: BTreeMap<String, ColumnTotals>,
}

/// What the numbers of a column come to. Added up as decimals, so that cents stay cents.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ColumnTotals {
    /// All of them together.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// `sum` by the number of rows.
    pub mean: f64,
}

/// Groups the rows of a CSV file and adds up its columns.
#[handler(kind = "csv.report", timeout = "2m", max_attempts = 3, memory = "64MiB")]
pub fn report(context: &Context, input: CsvReport) -> Result<Report, Failure> {
    // The same file fails the same way every time.
    let table = Table::open(&input).map_err(Failure::fatal)?;
    let bytes = input.csv.len() as u64;
    let mut groups: BTreeMap<Vec<String>, Totals> = BTreeMap::new();
    let (mut rows, mut skipped, mut skipped_rows) = (0, 0, Vec::new());

    for (index, row) in (0u64..).zip(table) {
        if index % ROWS_PER_REPORT == 0 {
            // Whoever cancels wants the machine back: the host would interrupt this anyway, a moment later.
            if context.is_cancelled() {
                return Err(Failure::retry(format_args!("cancelled after {rows} rows")));
            }
            let at = row.as_ref().map_or_else(|bad| bad.byte, |row| row.byte);
            context.progress(at, bytes, Some(&format!("{rows} rows")));
        }
        match row {
            Ok(row) => {
                rows += 1;
                if !groups.contains_key(&row.group) && groups.len() == GROUPS_MAX {
                    return Err(Failure::fatal(format_args!(
                        "more than {GROUPS_MAX} groups by line {}; leave columns out of `group_by` whose values hardly \
                         ever repeat",
                        row.line
                    )));
                }
                groups.entry(row.group).or_default().add(&row.numbers).map_err(|too_large| {
                    Failure::fatal(format_args!("line {}: {}", row.line, too_large.of(&input.sum)))
                })?;
            }
            Err(BadRow { line, problem, .. }) if input.bad_rows == BadRows::Skip => {
                skipped += 1;
                if skipped_rows.len() < BAD_ROWS_SHOWN_MAX {
                    stoker_sdk::warn!("line {line} left out: {problem}");
                    skipped_rows.push(SkippedRow { line, problem });
                }
            }
            Err(BadRow { line, problem, .. }) => {
                return Err(Failure::fatal(format_args!(
                    "line {line}: {problem}; mend the file, or set `bad_rows` to \"skip\""
                )));
            }
        }
    }
    context.progress(bytes, bytes, None);
    stoker_sdk::info!("{rows} rows in {} groups, {skipped} left out", groups.len());
    let groups = groups.into_iter().map(|(values, totals)| group(&input, values, &totals)).collect();
    Ok(Report { rows, skipped, skipped_rows, groups })
}

fn group(input: &CsvReport, values: Vec<String>, totals: &Totals) -> Group {
    Group {
        group: input.group_by.iter().cloned().zip(values).collect(),
        count: totals.count(),
        totals: input.sum.iter().cloned().zip(totals.columns()).collect(),
    }
}

stoker_sdk::module!(report);

#[cfg(test)]
mod tests;
