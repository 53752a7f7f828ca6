//! What goes into a statement and comes out of it, and within which bounds.

use std::time::Duration;

use crate::job::step::StepName;

/// Most rows of one result.
pub const RESULT_ROWS_MAX: usize = 10_000;
/// Most bytes of one result, all values together, a few for each beside its own.
pub const RESULT_BYTES_MAX: usize = 4 << 20;
/// Longest statement, bytes.
pub const SQL_BYTES_MAX: usize = 256 << 10;
/// Most parameters of one statement.
pub const PARAMETERS_MAX: usize = 1_000;
/// Most bytes the parameters of one statement may have together.
pub const PARAMETERS_BYTES_MAX: usize = 4 << 20;
/// Longest time one statement takes; the attempt may have less left.
pub const STATEMENT_TIME_MAX: Duration = Duration::from_secs(30);
/// Databases one attempt has open at once.
pub const OPEN_MAX: usize = 8;
/// Bytes a value counts for beside its own.
const VALUE_BYTES: usize = 16;

/// What runs a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file of this host.
    Sqlite,
    /// A server that an operator named.
    Postgres,
}

impl Engine {
    /// The word used in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Engine::Sqlite, Engine::Postgres].into_iter().find(|engine| engine.as_str() == word)
    }
}

/// One value of a row, or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// None.
    Null,
    /// Yes or no; 1 or 0 where the engine has no such type.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating one.
    Real(f64),
    /// Text; also what has no type of its own here: decimal numbers, dates, JSON.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl SqlValue {
    /// What it counts for in a result or among parameters.
    pub fn bytes(&self) -> usize {
        VALUE_BYTES
            + match self {
                SqlValue::Null | SqlValue::Boolean(_) | SqlValue::Integer(_) | SqlValue::Real(_) => 0,
                SqlValue::Text(text) => text.len(),
                SqlValue::Blob(bytes) => bytes.len(),
            }
    }
}

/// What a query came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SqlRows {
    /// Their names, in order; two may be the same.
    pub columns: Vec<String>,
    /// Of each row a value for each column.
    pub rows: Vec<Vec<SqlValue>>,
}

/// Takes rows as long as they fit.
#[derive(Debug, Default)]
pub struct RowRoom {
    rows: usize,
    bytes: usize,
}

impl RowRoom {
    /// One more row; the error is a sentence for whoever wrote the query.
    pub fn take(&mut self, row: &[SqlValue]) -> Result<(), String> {
        self.take_row()?;
        row.iter().try_for_each(|value| self.take_value(value))
    }

    /// One more row whose values follow, by [`RowRoom::take_value`].
    pub fn take_row(&mut self) -> Result<(), String> {
        self.rows += 1;
        if self.rows > RESULT_ROWS_MAX {
            return Err(format!("a result may have at most {RESULT_ROWS_MAX} rows; ask for them in pages, with LIMIT"));
        }
        Ok(())
    }

    /// One more value.
    pub fn take_value(&mut self, value: &SqlValue) -> Result<(), String> {
        self.bytes += value.bytes();
        if self.bytes > RESULT_BYTES_MAX {
            let most = crate::job::size::ByteSize(RESULT_BYTES_MAX as u64);
            return Err(format!("a result may have at most {most}; ask for fewer rows or columns at a time"));
        }
        Ok(())
    }
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    /// The type of its result, in the handler's words.
    pub shape: String,
    /// JSON text.
    pub result: String,
}

/// A step whose result is written in the transaction of what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseStep {
    /// Its name.
    pub name: StepName,
    /// The how many-eth of its name.
    pub occurrence: u32,
    /// The type of its result, in the handler's words.
    pub shape: String,
    /// JSON text.
    pub result: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_bounded_by_rows_and_by_bytes() {
        let mut room = RowRoom::default();
        for _ in 0..RESULT_ROWS_MAX {
            assert_eq!(room.take(&[SqlValue::Null]), Ok(()));
        }
        assert!(room.take(&[]).is_err_and(|sentence| sentence.contains("10000 rows")));
        let large = SqlValue::Blob(vec![0; RESULT_BYTES_MAX - VALUE_BYTES]);
        assert_eq!(RowRoom::default().take(std::slice::from_ref(&large)), Ok(()));
        assert!(RowRoom::default().take(&[large, SqlValue::Null]).is_err_and(|sentence| sentence.contains("4MiB")));
    }
}
