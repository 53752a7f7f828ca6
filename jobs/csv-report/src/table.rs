//! The file as rows: which columns were asked for, and what makes a row a bad one. Knows nothing of jobs.

use std::fmt;

use csv::{Error, ErrorKind, Position, ReaderBuilder, StringRecord, StringRecordsIntoIter, Trim};
use rust_decimal::Decimal;

use crate::CsvReport;

/// A file that cannot be made a report of, whatever its rows hold.
#[derive(Debug)]
pub(crate) enum TableError {
    /// No line at all.
    Empty,
    /// The delimiter is no ASCII character.
    Delimiter(char),
    /// The first line cannot be read.
    Header(Error),
    /// Nobody says what to do.
    NothingAsked,
    /// A column was asked for that is not there.
    NoSuchColumn { name: String, columns: Vec<String> },
    /// Two columns have the name.
    Ambiguous(String),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::Empty => f.write_str("`csv` is empty; its first line must name the columns"),
            TableError::Delimiter(found) => write!(f, "`delimiter` must be one ASCII character, not {found:?}"),
            TableError::Header(error) => write!(f, "the first line of `csv` cannot be read: {error}"),
            TableError::NothingAsked => f.write_str("name at least one column in `group_by` or `sum`"),
            TableError::NoSuchColumn { name, columns } => {
                write!(f, "there is no column {name:?}; the first line names {}", columns.join(", "))
            }
            TableError::Ambiguous(name) => write!(f, "two columns are called {name:?}; rename one"),
        }
    }
}

/// A row that was read.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) byte: u64,
    /// The values of `group_by`, in its order.
    pub(crate) group: Vec<String>,
    /// The values of `sum`, in its order.
    pub(crate) numbers: Vec<Decimal>,
}

/// A row that was not.
#[derive(Debug)]
pub(crate) struct BadRow {
    pub(crate) line: u64,
    pub(crate) byte: u64,
    pub(crate) problem: String,
}

/// The rows of a file, one by one.
pub(crate) struct Table<'a> {
    records: StringRecordsIntoIter<&'a [u8]>,
    group_by: Vec<usize>,
    sum: Vec<(usize, &'a str)>,
}

impl<'a> Table<'a> {
    pub(crate) fn open(input: &'a CsvReport) -> Result<Self, TableError> {
        let delimiter = u8::try_from(input.delimiter).ok().filter(u8::is_ascii);
        let delimiter = delimiter.ok_or(TableError::Delimiter(input.delimiter))?;
        let mut reader = ReaderBuilder::new().delimiter(delimiter).trim(Trim::All).from_reader(input.csv.as_bytes());
        let header = reader.headers().map_err(TableError::Header)?;
        if header.is_empty() {
            return Err(TableError::Empty);
        }
        if input.group_by.is_empty() && input.sum.is_empty() {
            return Err(TableError::NothingAsked);
        }
        let group_by = input.group_by.iter().map(|name| column(header, name)).collect::<Result<_, _>>()?;
        let sum = input.sum.iter().map(|name| Ok((column(header, name)?, name.as_str()))).collect::<Result<_, _>>()?;
        Ok(Self { records: reader.into_records(), group_by, sum })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, BadRow> {
        let (line, byte) = place(record.position());
        let numbers = self.sum.iter().map(|(index, name)| number(record.get(*index).unwrap_or_default(), name));
        let numbers = numbers.collect::<Result<_, _>>().map_err(|problem| BadRow { line, byte, problem })?;
        let group = self.group_by.iter().map(|index| record.get(*index).unwrap_or_default().to_owned()).collect();
        Ok(Row { line, byte, group, numbers })
    }
}

impl Iterator for Table<'_> {
    type Item = Result<Row, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.records.next()? {
            Ok(record) => self.row(&record),
            Err(error) => Err(unreadable(&error)),
        })
    }
}

fn column(header: &StringRecord, name: &str) -> Result<usize, TableError> {
    let mut found = header.iter().enumerate().filter(|(_, column)| *column == name).map(|(index, _)| index);
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err(TableError::Ambiguous(name.to_owned())),
        (None, _) => Err(TableError::NoSuchColumn {
            name: name.to_owned(),
            columns: header.iter().map(|column| format!("{column:?}")).collect(),
        }),
    }
}

fn number(text: &str, column: &str) -> Result<Decimal, String> {
    // The first refuses exponents, the second everything without one.
    Decimal::from_str_exact(text)
        .or_else(|_| Decimal::from_scientific(text))
        .map_err(|_| format!("{text:?} in column {column:?} is no number like 12 or -3.50 of up to 28 digits"))
}

fn unreadable(error: &Error) -> BadRow {
    let (line, byte) = place(error.position());
    let problem = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the first line has {expected_len}")
        }
        _ => error.to_string(),
    };
    BadRow { line, byte, problem }
}

fn place(position: Option<&Position>) -> (u64, u64) {
    position.map_or((0, 0), |position| (position.line(), position.byte()))
}
