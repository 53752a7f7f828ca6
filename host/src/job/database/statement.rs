//! What is told of a statement by its text alone: its first word, and whether it names what is the host's.

/// What the names of the host's own tables begin with.
pub const HOST_PREFIX: &str = "_stoker_";

/// Statements about transactions, and what can't be one of a handler's in any engine.
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
const TRANSACTIONS: &str = "transactions are begun, committed and rolled back by calls (`transaction`), not by SQL: one is never left open by a \
     statement, and each carries the lease of its attempt";

/// Why a statement is refused for its first word.
pub fn refused_word(sql: &str) -> Option<&'static str> {
    let word = first_word(sql);
    REFUSED.iter().find(|(refused, _)| word.eq_ignore_ascii_case(refused)).map(|(_, why)| *why)
}

/// Whether a text names a table of the host.
pub fn names_host_table(sql: &str) -> bool {
    let prefix = HOST_PREFIX.as_bytes();
    sql.as_bytes().windows(prefix.len()).any(|window| window.eq_ignore_ascii_case(prefix))
}

/// Behind blanks, comments and semicolons.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once(['\n', '\r']).map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            return &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
        }
    }
}

/// Comments of `PostgreSQL` stand in each other. To `SQLite` such a text is a mistake, or the same.
fn behind_comment(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let (opens, closes) = (rest.find("/*"), rest.find("*/"));
        match (opens, closes) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                rest = &rest[open + 2..];
            }
            (_, Some(close)) => {
                depth -= 1;
                rest = &rest[close + 2..];
            }
            (_, None) => return "",
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_what_says_nothing() {
        for (sql, word) in [
            ("SELECT 1", "SELECT"),
            ("  ;; \n commit", "commit"),
            ("-- hm\n/* a /* b */ c */ COMMIT;", "COMMIT"),
            ("/* open", ""),
            ("-- only", ""),
            ("(SELECT 1)", ""),
            ("begin_it", "begin_it"),
        ] {
            assert_eq!(first_word(sql), word, "{sql}");
        }
        assert!(refused_word("/**/ Commit").is_some() && refused_word("insert into t values ('commit')").is_none());
        assert!(names_host_table("drop table \"_STOKER_steps\"") && !names_host_table("select stoker from _s"));
    }
}
