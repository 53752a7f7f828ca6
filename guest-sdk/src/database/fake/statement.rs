//! What a real host tells of a statement, its parameters, its rows and of scripts before and while they run; in its words.

use super::{DatabaseError, Said, Value, refused};
use crate::testing::bounds::{
    PARAMETERS_BYTES_MAX, RESULT_BYTES_MAX, RESULT_ROWS_MAX, SCRIPTS_MAX, SQL_BYTES_MAX, VALUE_BYTES,
};
use crate::testing::texts::size;

/// Statements about transactions, and what can't be one of a handler's in any engine. Host: `job/database/statement.rs`.
const REFUSED: [(&str, &str); 18] = [
    ("begin", TRANSACTIONS),
    ("start", TRANSACTIONS),
    ("commit", TRANSACTIONS),
    ("end", TRANSACTIONS),
    ("rollback", TRANSACTIONS),
    ("abort", TRANSACTIONS),
    ("savepoint", TRANSACTIONS),
    ("release", TRANSACTIONS),
    ("prepare", TRANSACTIONS),
    ("attach", "a database is one database: `ATTACH` is not allowed; open the other one by its name"),
    ("detach", "a database is one database: `DETACH` is not allowed"),
    ("vacuum", "`VACUUM` is not allowed: space that gets free is used again"),
    ("copy", "`COPY` is not allowed: insert rows, and query them"),
    ("listen", "`LISTEN` is not allowed: what a connection hears is nobody's here"),
    ("discard", "`DISCARD` is not allowed: connections are the host's to tidy up"),
    ("deallocate", "`DEALLOCATE` is not allowed: what is prepared on a connection is the host's"),
    ("execute", "`EXECUTE` is not allowed: what is prepared on a connection is the host's"),
    ("load", "`LOAD` is not allowed: no code is loaded into a database"),
];
/// Why. Host: `job/database/statement.rs`.
const TRANSACTIONS: &str = "transactions are begun, committed and rolled back by calls (`transaction`), not by SQL: one is never left open by a \
     statement, and each carries the lease of its attempt";

/// What can be told by text and parameters alone.
pub(super) fn check(sql: &str, parameters: &[Value]) -> Said<()> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(refused(format!("a statement may have at most {SQL_BYTES_MAX} bytes")));
    }
    let word = first_word(sql);
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| word.eq_ignore_ascii_case(refused)) {
        return Err(refused(*why));
    }
    if parameters.iter().map(bytes).sum::<usize>() > PARAMETERS_BYTES_MAX {
        return Err(refused(format!(
            "the parameters of a statement may have at most {PARAMETERS_BYTES_MAX} bytes together"
        )));
    }
    Ok(())
}

/// Behind blanks, comments and semicolons.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once(['\n', '\r']).map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else {
            return &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
        }
    }
}

fn bytes(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Real(_) => 0,
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
        }
}

/// Takes rows as long as they fit.
#[derive(Default)]
pub(super) struct RowRoom {
    rows: usize,
    bytes: usize,
}

impl RowRoom {
    /// One more row, whose values follow.
    pub(super) fn take_row(&mut self) -> Said<()> {
        self.rows += 1;
        if self.rows > RESULT_ROWS_MAX {
            let sentence =
                format!("a result may have at most {RESULT_ROWS_MAX} rows; ask for them in pages, with LIMIT");
            return Err(refused(sentence));
        }
        Ok(())
    }

    /// One more value.
    pub(super) fn take_value(&mut self, value: &Value) -> Said<()> {
        self.bytes += bytes(value);
        if self.bytes > RESULT_BYTES_MAX {
            let most = size(RESULT_BYTES_MAX as u64);
            return Err(refused(format!("a result may have at most {most}; ask for fewer rows or columns at a time")));
        }
        Ok(())
    }
}

/// Which of these scripts are still to be applied, by their place; `applied` by number, in order.
pub(super) fn check_scripts(scripts: &[(u32, &str)], applied: &[(u32, String)]) -> Said<Vec<usize>> {
    if scripts.len() > SCRIPTS_MAX {
        return Err(refused(format!("there may be at most {SCRIPTS_MAX} migrations")));
    }
    let mut to_apply = Vec::new();
    let (mut before, last) = (0, applied.last().map_or(0, |(number, _)| *number));
    for (place, (number, sql)) in scripts.iter().enumerate() {
        if *number <= before {
            return Err(refused(format!("migration {number} stands behind {before}: number them from 1, upwards")));
        }
        before = *number;
        if sql.len() > SQL_BYTES_MAX {
            let bytes = sql.len();
            let sentence = format!("migration {number} has {bytes} bytes; one may have at most {SQL_BYTES_MAX}");
            return Err(refused(sentence));
        }
        match applied.iter().find(|(known, _)| known == number) {
            Some((_, known)) if known == sql => {}
            Some(_) => {
                return Err(refused(format!(
                    "migration {number} was applied with another text: one that was applied is never changed; put its text \
                     back, and what is to be different into a new migration"
                )));
            }
            None if *number < last => {
                return Err(refused(format!(
                    "migration {number} is new, and {last} was applied already: a new one has a higher number"
                )));
            }
            None => to_apply.push(place),
        }
    }
    Ok(to_apply)
}

/// A transaction that is gone though nobody ended it by a call.
pub(super) fn lost() -> DatabaseError {
    refused(
        "the transaction is gone: a statement rolled it back (`ON CONFLICT ROLLBACK`, `RAISE(ROLLBACK, …)`, or it was interrupted); \
         nothing of it is kept, begin it anew",
    )
}
