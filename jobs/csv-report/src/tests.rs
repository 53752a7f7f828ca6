//! The handler called as a function.

#![allow(clippy::unwrap_used)]

use stoker_sdk::testing::FakeHost;

use super::*;

const SALES: &str = "\
region,product,amount,price
north,tea, 2 ,1.10
south,tea,3,1.10
north,\"coffee, black\",1,0.20
north,tea,4,-0.30
";

fn input(csv: &str, group_by: &[&str], sum: &[&str]) -> CsvReport {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    CsvReport {
        csv: csv.to_owned(),
        group_by: owned(group_by),
        sum: owned(sum),
        delimiter: ',',
        bad_rows: BadRows::Fail,
    }
}

fn run(input: CsvReport) -> Result<Report, Failure> {
    report(&Context::for_test(), input)
}

fn fatal_message(result: Result<Report, Failure>) -> String {
    match result {
        Err(Failure::Fatal { message }) => message,
        other => panic!("expected a fatal failure, got {other:?}"),
    }
}

#[test]
fn rows_are_grouped_and_added_up() {
    let made = run(input(SALES, &["region", "product"], &["amount", "price"])).unwrap();
    assert_eq!((made.rows, made.skipped, made.groups.len()), (4, 0, 3));
    let keys: Vec<Vec<&str>> = made.groups.iter().map(|one| one.group.values().map(String::as_str).collect()).collect();
    // Values by the columns' names: product, region. Groups by region first, as asked.
    assert_eq!(keys, [["coffee, black", "north"], ["tea", "north"], ["tea", "south"]]);
    let tea = &made.groups[1];
    assert_eq!(tea.count, 2);
    assert_eq!(tea.totals["amount"], ColumnTotals { sum: 6.0, min: 2.0, max: 4.0, mean: 3.0 });
    assert_eq!(tea.totals["price"], ColumnTotals { sum: 0.8, min: -0.3, max: 1.1, mean: 0.4 });
}

#[test]
fn cents_stay_cents() {
    let csv = format!("price\n{}", "0.10\n".repeat(1_000));
    let made = run(input(&csv, &[], &["price"])).unwrap();
    // As floats they come to 99.9999999999986.
    assert_eq!(made.groups.len(), 1);
    assert_eq!(made.groups[0].totals["price"], ColumnTotals { sum: 100.0, min: 0.1, max: 0.1, mean: 0.1 });
}

#[test]
fn without_columns_to_sum_rows_are_counted() {
    let made = run(input(SALES, &["product"], &[])).unwrap();
    let counts: Vec<u64> = made.groups.iter().map(|one| one.count).collect();
    assert_eq!(counts, [1, 3]);
    assert!(made.groups.iter().all(|one| one.totals.is_empty()));
    assert_eq!(run(input("a\n", &["a"], &[])).unwrap().groups, []);
}

#[test]
fn another_delimiter_a_byte_order_mark_and_exponents() {
    let csv = "\u{feff}name;n\r\nx;1e3\r\nx;-2.5E-1\r\n";
    let made = run(CsvReport { delimiter: ';', ..input(csv, &["name"], &["n"]) }).unwrap();
    assert_eq!(made.groups[0].totals["n"], ColumnTotals { sum: 999.75, min: -0.25, max: 1000.0, mean: 499.875 });
}

#[test]
fn a_bad_row_fails_the_job_and_names_the_line() {
    for (bad, expected) in [
        ("north,tea,2\n", "line 6: 3 fields where the first line has 4"),
        ("north,tea,2,1,1\n", "line 6: 5 fields"),
        ("north,tea,two,1\n", "line 6: \"two\" in column \"amount\" is no number"),
        ("north,tea,,1\n", "line 6: \"\" in column \"amount\" is no number"),
        ("north,tea,NaN,1\n", "is no number"),
    ] {
        let message = fatal_message(run(input(&format!("{SALES}{bad}"), &["region"], &["amount"])));
        assert!(message.contains(expected) && message.contains("skip"), "{bad}: {message}");
    }
}

#[test]
fn bad_rows_are_left_out_and_counted_when_asked() {
    let csv = format!("{SALES}north,tea,2\nnorth,tea,two,1\nsouth,tea,1,1\n{}", "x\n".repeat(BAD_ROWS_SHOWN_MAX));
    let made = run(CsvReport { bad_rows: BadRows::Skip, ..input(&csv, &["region"], &["amount"]) }).unwrap();
    assert_eq!((made.rows, made.skipped), (5, 2 + BAD_ROWS_SHOWN_MAX as u64));
    assert_eq!(made.skipped_rows.len(), BAD_ROWS_SHOWN_MAX);
    assert_eq!((made.skipped_rows[0].line, made.skipped_rows[1].line), (6, 7));
    assert_eq!(made.groups[1].totals["amount"], ColumnTotals { sum: 4.0, min: 1.0, max: 3.0, mean: 2.0 });
}

#[test]
fn what_was_asked_wrong_is_told_with_what_there_is() {
    for (input, expected) in [
        (input("", &["a"], &[]), "`csv` is empty"),
        (input(SALES, &[], &[]), "at least one column"),
        (input(SALES, &["Region"], &[]), "\"region\", \"product\", \"amount\", \"price\""),
        (input("a,a\n1,2\n", &["a"], &[]), "two columns are called \"a\""),
        (CsvReport { delimiter: 'ä', ..input(SALES, &["region"], &[]) }, "ASCII"),
        (input("n\n79228162514264337593543950335\n79228162514264337593543950335\n", &[], &["n"]), "28 digits"),
    ] {
        let message = fatal_message(run(input));
        assert!(message.contains(expected), "{message}");
    }
    let ids: Vec<String> = (0..=GROUPS_MAX).map(|id| id.to_string()).collect();
    let message = fatal_message(run(input(&format!("id\n{}\n", ids.join("\n")), &["id"], &[])));
    assert!(message.contains("5000 groups by line 5002"), "{message}");
}

#[test]
fn a_cancelled_job_stops_at_the_next_report() {
    let cancelled = report(&FakeHost::new().cancelled().context(), input(SALES, &["region"], &[]));
    assert_eq!(cancelled, Err(Failure::retry("cancelled after 0 rows")));
}
