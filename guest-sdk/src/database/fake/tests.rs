//! What a fake host's databases refuse, where a real one would refuse it.

use crate::database::{Database, DatabaseError, Value};
use crate::testing::FakeHost;
use crate::testing::bounds::{
    OPEN_MAX, PARAMETERS_BYTES_MAX, PARAMETERS_MAX, RESULT_BYTES_MAX, RESULT_ROWS_MAX, SQL_BYTES_MAX,
    STEP_RESULT_BYTES_MAX,
};
use crate::{Context, Failure};

fn on<T>(run: impl FnOnce(&Database<'_>) -> T) -> T {
    let host = FakeHost::new().database("app");
    let context = host.context();
    let app = context.database("app").unwrap();
    app.migrate(&[(1, "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")]).unwrap();
    run(&app)
}

fn refusal<T: std::fmt::Debug>(said: Result<T, DatabaseError>) -> String {
    match said {
        Err(DatabaseError::Refused(sentence)) => sentence,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn statements_that_no_host_runs_are_refused_with_the_rule() {
    on(|app| {
        for (sql, said) in [
            ("/* a */ COMMIT", "transactions are begun, committed and rolled back by calls"),
            ("SAVEPOINT a", "transactions are begun"),
            ("ATTACH 'x.db' AS x", "a database is one database: `ATTACH` is not allowed"),
            ("VACUUM", "`VACUUM` is not allowed"),
            ("PRAGMA journal_mode = DELETE", "rule `pragmas`: `PRAGMA journal_mode` is not allowed"),
            ("PRAGMA user_version = 7", "rule `pragmas`: `PRAGMA user_version` can be asked, not set"),
            ("CREATE TEMP TABLE t (a)", "rule `temporary`"),
            ("DELETE FROM _stoker_steps", "rule `host tables`"),
            ("CREATE VIRTUAL TABLE t USING dbstat", "rule `virtual tables`"),
            ("SELECT load_extension('x')", "rule `extensions`"),
            ("", "there is no statement in the text"),
            ("SELECT 1; SELECT 2", "one statement at a time"),
            (&" ".repeat(SQL_BYTES_MAX + 1), "a statement may have at most 262144 bytes"),
        ] {
            let refused = refusal(app.execute(sql, ()));
            assert!(refused.starts_with(said), "{sql:.40}: {refused}");
        }
        let quoted = app.execute("INSERT INTO notes (text) VALUES (\"x\")", ());
        assert!(matches!(quoted, Err(DatabaseError::Sql { .. })), "a text in double quotes: {quoted:?}");
        assert_eq!(app.query_one::<i64>("PRAGMA user_version", ()), Ok(Some(0)));
    });
}

#[test]
fn parameters_and_rows_are_bounded() {
    on(|app| {
        assert_eq!(refusal(app.execute("SELECT ?1", ())), "the statement has 1 parameters, and 0 are given");
        let large = vec![0_u8; PARAMETERS_BYTES_MAX];
        let said = "the parameters of a statement may have at most 4194304 bytes together";
        assert_eq!(refusal(app.execute("SELECT ?1", (large,))), said);
        let many = format!("SELECT {}", vec!["?"; PARAMETERS_MAX + 1].join(" + "));
        let many = app.execute(&many, vec![Value::Integer(1); PARAMETERS_MAX + 1]);
        assert!(matches!(many, Err(DatabaseError::Sql { .. })), "{many:?}");

        let count = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i FROM n";
        assert_eq!(app.query::<i64>(count, (RESULT_ROWS_MAX,)).map(|rows| rows.len()), Ok(RESULT_ROWS_MAX));
        let said = "a result may have at most 10000 rows; ask for them in pages, with LIMIT";
        assert_eq!(refusal(app.query::<i64>(count, (RESULT_ROWS_MAX + 1,))), said);
        let said = "a result may have at most 4MiB; ask for fewer rows or columns at a time";
        assert_eq!(refusal(app.query::<Vec<u8>>("SELECT zeroblob(?1)", (RESULT_BYTES_MAX,))), said);
        let said = "a text in the result is not UTF-8; ask for it with CAST(… AS BLOB)";
        assert_eq!(refusal(app.query::<String>("SELECT CAST(x'ff' AS TEXT)", ())), said);
    });
}

#[test]
fn migrations_go_forward_and_never_change() {
    on(|app| {
        for (migrations, said) in [
            (
                &[(1, "CREATE TABLE other (a)")][..],
                "migration 1 was applied with another text: one that was applied is",
            ),
            (&[(0, "SELECT 1")], "migration 0 stands behind 0: number them from 1, upwards"),
            (&[(3, "SELECT 1"), (3, "SELECT 1")], "migration 3 stands behind 3"),
            (&[(2, "COMMIT")], "migration 2: rule `transactions`"),
            (&[(2, "SELECT ?1")], "migration 2: a migration has no parameters"),
        ] {
            let refused = refusal(app.migrate(migrations));
            assert!(refused.starts_with(said), "{refused}");
        }
        assert_eq!(app.migrate(&[(3, "CREATE TABLE third (a)")]), Ok(1));
        let refused = refusal(app.migrate(&[(2, "CREATE TABLE second (a)")]));
        assert_eq!(refused, "migration 2 is new, and 3 was applied already: a new one has a higher number");
        let broken = app.migrate(&[(4, "CREATE TABLE fourth (a); SELECT a FROM nowhere")]);
        let Err(DatabaseError::Sql { message, .. }) = &broken else { panic!("{broken:?}") };
        assert!(message.starts_with("migration 4: no such table"), "{message}");
        assert_eq!(app.migrate(&[(4, "CREATE TABLE fourth (a)")]), Ok(1), "nothing of it is left");
        let inside = app.transaction(|_| app.migrate(&[(5, "SELECT 1")]));
        assert_eq!(refusal(inside), "a migration can't begin inside of a transaction; end that one first");
    });
}

#[test]
fn transactions_keep_to_themselves() {
    on(|app| {
        let nested = app.transaction(|_| app.transaction(|_| Ok::<_, DatabaseError>(())));
        assert_eq!(refusal(nested), "a transaction can't begin inside of a transaction; end that one first");
        let gone: Result<(), DatabaseError> = app.transaction(|tx| {
            tx.execute("INSERT INTO notes VALUES (1, 'a')", ())?;
            let twice = tx.execute("INSERT OR ROLLBACK INTO notes VALUES (1, 'b')", ());
            assert!(matches!(&twice, Err(error) if error.is_unique_violation()), "{twice:?}");
            tx.execute("INSERT INTO notes VALUES (2, 'c')", ()).map(|_| ())
        });
        assert!(refusal(gone).starts_with("the transaction is gone: a statement rolled it back"));
        assert_eq!(app.query_one::<i64>("SELECT count(*) FROM notes", ()), Ok(Some(0)));
    });
}

#[test]
fn a_step_whose_result_is_refused_has_not_happened_and_the_next_one_goes_on() {
    on(|app| {
        let large: Result<String, Failure> = app.step("large", |tx| {
            tx.execute("INSERT INTO notes VALUES (1, 'a')", ())?;
            let inside = app.transaction(|_| Ok::<_, DatabaseError>(()));
            assert!(refusal(inside).starts_with("a step is begun in this database, whose transaction ends with it"));
            Ok("x".repeat(STEP_RESULT_BYTES_MAX))
        });
        let Err(Failure::Fatal { message }) = large else { panic!("{large:?} is no refusal") };
        assert_eq!(message, "the result of step `large` has 262146 bytes; it may have at most 256KiB");
        assert_eq!(app.query_one::<i64>("SELECT count(*) FROM notes", ()), Ok(Some(0)));
        let small = app.step("small", |tx| Ok(tx.execute("INSERT INTO notes VALUES (1, 'a')", ())?));
        assert_eq!(small, Ok(1));
    });
}

#[test]
fn a_step_that_cannot_be_committed_has_not_happened_and_the_next_one_goes_on() {
    on(|app| {
        let broken: Result<(), Failure> = app.step("broken", |tx| {
            tx.execute("PRAGMA defer_foreign_keys = 1", ())?;
            tx.execute("CREATE TABLE children (note INTEGER REFERENCES notes)", ())?;
            tx.execute("INSERT INTO children VALUES (7)", ())?;
            Ok(())
        });
        assert!(broken.is_err_and(|failure| failure.to_string().contains("FOREIGN KEY")));
        assert_eq!(app.query_one::<i64>("SELECT count(*) FROM sqlite_schema WHERE name = 'children'", ()), Ok(Some(0)));
        assert_eq!(app.step("whole", |tx| Ok(tx.execute("INSERT INTO notes VALUES (1, 'a')", ())?)), Ok(1));
    });
}

#[test]
fn names_and_numbers_of_databases_are_bounded() {
    let host = FakeHost::new().database("app-*").database("X*");
    let opened = host.one_execution(|| {
        let context: Context = host.context();
        for number in 0..OPEN_MAX {
            context.database(&format!("app-{number}"))?;
        }
        assert!(context.database("app-0").is_ok(), "it is open already");
        assert_eq!(refusal(context.database("app-8")), "an execution may open at most 8 databases");
        assert_eq!(context.database("other").err(), Some(DatabaseError::NotGranted));
        assert!(refusal(context.database("X")).starts_with("a database's name must be 1 to 64 characters of a-z"));
        Ok(())
    });
    assert_eq!(opened, Some(Ok(())));
    assert!(host.context().database("app-8").is_ok(), "another execution");
}
