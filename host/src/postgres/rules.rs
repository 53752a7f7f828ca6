//! What is told of a statement by its text, before it is sent: its bounds, and what no handler may say on a connection that is the
//! host's. What a function of the server hides does no harm: each transaction is the host's, and each connection is tidied up.

use super::script::{first_words, statements};
use crate::job::DatabaseError;
use crate::job::database::{
    PARAMETERS_BYTES_MAX, PARAMETERS_MAX, SQL_BYTES_MAX, SqlValue, names_host_table, refused_word,
};

type Said<T> = Result<T, DatabaseError>;

/// Settings of a connection by which the host bounds what runs on it.
const SETTINGS_REFUSED: [&str; 10] = [
    "all",
    "authorization",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "client_connection_check_interval",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "standard_conforming_strings",
];
/// `SET LOCAL SESSION AUTHORIZATION`.
const SETTING_WORDS: usize = 4;

/// One statement with its parameters.
pub(super) fn check_statement(sql: &str, parameters: &[SqlValue]) -> Said<()> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(DatabaseError::refused(format!("a statement may have at most {SQL_BYTES_MAX} bytes")));
    }
    let bytes: usize = parameters.iter().map(SqlValue::bytes).sum();
    if parameters.len() > PARAMETERS_MAX || bytes > PARAMETERS_BYTES_MAX {
        return Err(DatabaseError::refused(format!(
            "a statement may have at most {PARAMETERS_MAX} parameters, and they {PARAMETERS_BYTES_MAX} bytes together"
        )));
    }
    check_words(sql)
}

/// The statements of a migration, each to be sent by itself.
pub(super) fn check_script(number: u32, sql: &str) -> Said<Vec<&str>> {
    let statements = statements(sql);
    for statement in &statements {
        check_words(statement).map_err(|error| DatabaseError::Refused(format!("migration {number}: {error}")))?;
    }
    Ok(statements)
}

fn check_words(sql: &str) -> Said<()> {
    if let Some(why) = refused_word(sql) {
        return Err(DatabaseError::refused(why));
    }
    if names_host_table(sql) {
        return Err(DatabaseError::refused(
            "rule `host tables`: tables whose names begin with `_stoker_` are the host's",
        ));
    }
    match &first_words(sql, SETTING_WORDS)[..] {
        [set, rest @ ..] if set.eq_ignore_ascii_case("set") || set.eq_ignore_ascii_case("reset") => {
            let refused = |word: &&&str| SETTINGS_REFUSED.iter().any(|refused| word.eq_ignore_ascii_case(refused));
            match rest.iter().find(refused) {
                None => Ok(()),
                Some(setting) => Err(DatabaseError::refused(format!(
                    "rule `settings`: `{setting}` of a connection is the host's; what a handler sets ends with its transaction: SET LOCAL"
                ))),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TRANSACTIONS: &str = "transactions are begun";

    #[test]
    fn what_ends_a_transaction_or_leaves_something_behind_is_refused_by_its_rule() {
        for (sql, rule) in [
            ("/*c*/ COMMIT", TRANSACTIONS),
            ("/*;*/ COMMIT", TRANSACTIONS),
            ("; commit and chain", TRANSACTIONS),
            ("-- c\nABORT", TRANSACTIONS),
            ("END", TRANSACTIONS),
            ("ROLLBACK TO SAVEPOINT a", TRANSACTIONS),
            ("SAVEPOINT a", TRANSACTIONS),
            ("RELEASE a", TRANSACTIONS),
            ("START TRANSACTION", TRANSACTIONS),
            ("PREPARE TRANSACTION 'x'", TRANSACTIONS),
            ("COMMIT PREPARED 'x'", TRANSACTIONS),
            ("DISCARD ALL", "`DISCARD`"),
            ("DEALLOCATE ALL", "`DEALLOCATE`"),
            ("EXECUTE s1", "`EXECUTE`"),
            ("LISTEN x", "`LISTEN`"),
            ("COPY t FROM STDIN", "`COPY`"),
            ("SET SESSION AUTHORIZATION other", "`AUTHORIZATION`"),
            ("SET LOCAL SESSION /**/ AUTHORIZATION other", "`AUTHORIZATION`"),
            ("RESET ALL", "rule `settings`"),
            ("set statement_timeout = 0", "rule `settings`"),
            ("DROP TABLE \"_Stoker_steps\"", "rule `host tables`"),
        ] {
            let single = check_statement(sql, &[]).unwrap_err().to_string();
            let script = check_script(3, &format!("SELECT ';'; {sql};")).unwrap_err().to_string();
            assert!(
                single.contains(rule) && script.contains(rule) && script.contains("migration 3"),
                "{single} {script}"
            );
        }
        for sql in [
            "SET LOCAL search_path = app",
            "SET ROLE tenant",
            "RESET search_path",
            "SELECT 'commit'",
            "INSERT INTO t SELECT 1",
        ] {
            assert_eq!(check_statement(sql, &[]), Ok(()), "{sql}");
        }
        let function = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END; $$; SELECT 1";
        assert_eq!(check_script(1, function).unwrap().len(), 2);
    }
}
