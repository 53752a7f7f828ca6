//! What runs on a connection, one thing at a time. Blocking: called on threads that may wait.

use std::sync::atomic::Ordering;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, OptionalExtension, Row, Statement, params};

use super::bounds;
use super::connection::GuestConnection;
use super::errors::{interrupted, told};
use super::fence::{self, Fence};
use super::model::AppliedScript;
use super::room::Room;
use crate::job::database::{
    Applied, DatabaseStep, PARAMETERS_BYTES_MAX, RecordedStep, RowRoom, SQL_BYTES_MAX, Script, ScriptDigest, SqlRows,
    SqlValue, check_scripts, refused_word,
};
use crate::job::{DatabaseError, JobId, StepName, Timestamp};

const APPLIED: &str = "SELECT number, sha256, applied_at FROM main._stoker_migrations ORDER BY number";
const APPLY: &str = "INSERT INTO main._stoker_migrations (number, sha256, applied_at) VALUES (?1, ?2, ?3)";
const STEP: &str = "SELECT shape, result FROM main._stoker_steps WHERE job = ?1 AND name = ?2 AND occurrence = ?3";
const RECORD: &str =
    "INSERT INTO main._stoker_steps (job, name, occurrence, shape, result, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// What a transaction that writes is begun with.
pub(super) struct Terms {
    /// Of an attempt; `None`: nobody fences.
    pub(super) fence: Option<Fence>,
    /// What the file may have.
    pub(super) room: Room,
}

/// What a statement outside of a transaction came to.
pub(super) enum Queried {
    Rows(SqlRows),
    /// It writes, and needs a transaction.
    Writes,
}

type Said<T> = Result<T, DatabaseError>;

impl GuestConnection {
    /// Runs a statement that only reads. One that would write is not run.
    pub(super) fn read(&self, sql: &str, parameters: &[SqlValue]) -> Said<Queried> {
        self.statement(sql, parameters, |statement| {
            if statement.readonly() { self.rows(statement).map(Queried::Rows) } else { Ok(Queried::Writes) }
        })
    }

    /// Runs a statement and gives its rows.
    pub(super) fn query(&self, sql: &str, parameters: &[SqlValue]) -> Said<SqlRows> {
        self.statement(sql, parameters, |statement| self.rows(statement))
    }

    /// Runs a statement; how many rows it changed.
    pub(super) fn execute(&self, sql: &str, parameters: &[SqlValue]) -> Said<u64> {
        self.statement(sql, parameters, |statement| {
            let before = self.sql.total_changes();
            let mut rows = statement.raw_query();
            while rows.next().map_err(|error| told(&self.watch, &error))?.is_some() {}
            Ok(if self.sql.total_changes() == before { 0 } else { self.sql.changes() })
        })
    }

    /// The one statement of a text, with its parameters.
    fn statement<T>(
        &self,
        sql: &str,
        parameters: &[SqlValue],
        run: impl FnOnce(&mut Statement<'_>) -> Said<T>,
    ) -> Said<T> {
        check_text(sql)?;
        let bytes: usize = parameters.iter().map(SqlValue::bytes).sum();
        if bytes > PARAMETERS_BYTES_MAX {
            return Err(DatabaseError::refused(format!(
                "the parameters of a statement may have at most {PARAMETERS_BYTES_MAX} bytes together"
            )));
        }
        self.watch.by_guest(|| {
            let said = |error: rusqlite::Error| told(&self.watch, &error);
            let mut batch = Batch::new(&self.sql, sql);
            let Some(mut statement) = bounds::preparing(|| batch.next()).map_err(said)? else {
                return Err(DatabaseError::refused("there is no statement in the text"));
            };
            if !matches!(bounds::preparing(|| batch.next()), Ok(None)) {
                return Err(DatabaseError::refused(
                    "one statement at a time: what is several belongs into a transaction, or into a migration",
                ));
            }
            let expected = statement.parameter_count();
            if parameters.len() != expected {
                let given = parameters.len();
                return Err(DatabaseError::refused(format!(
                    "the statement has {expected} parameters, and {given} are given"
                )));
            }
            for (place, value) in (1..).zip(parameters) {
                statement.raw_bind_parameter(place, Bound(value)).map_err(said)?;
            }
            run(&mut statement)
        })
    }

    fn rows(&self, statement: &mut Statement<'_>) -> Said<SqlRows> {
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let (mut rows, mut room) = (Vec::new(), RowRoom::default());
        let mut found = statement.raw_query();
        while let Some(row) = found.next().map_err(|error| told(&self.watch, &error))? {
            rows.push(bounds::beyond(|| self.values(row, columns.len(), &mut room))?);
        }
        Ok(SqlRows { columns, rows })
    }

    /// Value by value: a row can be a thousand times what a result may be.
    fn values(&self, row: &Row<'_>, width: usize, room: &mut RowRoom) -> Said<Vec<SqlValue>> {
        room.take_row().map_err(DatabaseError::Refused)?;
        let mut values = Vec::with_capacity(width);
        for place in 0..width {
            let value = value(row.get_ref(place).map_err(|error| told(&self.watch, &error))?)?;
            room.take_value(&value).map_err(DatabaseError::Refused)?;
            values.push(value);
        }
        Ok(values)
    }

    /// Begins a transaction that writes, if the lease still may.
    pub(super) fn begin(&self, terms: &Terms) -> Said<()> {
        let begun = self.try_begin(terms);
        if begun.is_err() {
            self.taken_back();
        }
        begun
    }

    fn try_begin(&self, terms: &Terms) -> Said<()> {
        let said = |error: rusqlite::Error| told(&self.watch, &error);
        self.fold_in(&terms.room)?;
        self.set_room(&terms.room)?;
        self.check_wanted()?;
        // It stays on where a statement outside of a transaction has set it.
        self.sql.execute_batch("PRAGMA defer_foreign_keys = OFF; BEGIN IMMEDIATE").map_err(said)?;
        self.measure().map_err(said)?;
        self.begun_bytes.set(self.bytes.load(Ordering::Relaxed));
        match terms.fence {
            Some(fence) if !fence::pass(&self.sql, fence).map_err(said)? => Err(DatabaseError::StaleLease),
            Some(_) | None => Ok(()),
        }
    }

    /// Commits what is open.
    pub(super) fn commit(&self, room: &Room) -> Said<()> {
        if let Err(error) = self.check_wanted().and_then(|()| self.check_taken(room)) {
            self.taken_back();
            return Err(error);
        }
        let committed = self.sql.execute_batch("COMMIT").map_err(|error| told(&self.watch, &error));
        match &committed {
            Ok(()) => {
                // It is committed; the next who asks measures again.
                let _not_yet = self.measure();
            }
            Err(_) => self.taken_back(),
        }
        committed
    }

    /// One thing in a transaction of its own.
    pub(super) fn in_own<T>(&self, terms: &Terms, run: impl FnOnce() -> Said<T>) -> Said<T> {
        self.begin(terms)?;
        match run() {
            Ok(_) if !self.in_transaction() => Err(lost()),
            Ok(ran) => self.commit(&terms.room).map(|()| ran),
            Err(error) => {
                self.taken_back();
                Err(error)
            }
        }
    }

    /// One thing in the transaction that is open.
    pub(super) fn in_open<T>(&self, room: &Room, run: impl FnOnce() -> Said<T>) -> Said<T> {
        self.set_room(room)?;
        let ran = run();
        if self.in_transaction()
            && let Err(error) = self.check_taken(room)
        {
            self.taken_back();
            return Err(error);
        }
        ran
    }

    /// That somebody still waits for it.
    fn check_wanted(&self) -> Said<()> {
        if self.watch.is_over() { Err(interrupted(&self.watch)) } else { Ok(()) }
    }

    /// Whoever gets this connection next finds nothing open; should that fail it is not kept.
    fn taken_back(&self) {
        if let Err(error) = self.roll_back() {
            tracing::warn!(%error, "a transaction in a tenant's database could not be rolled back");
        }
    }

    /// Scripts that were applied, in the order of their numbers.
    pub(super) fn applied(&self) -> Said<Vec<AppliedScript>> {
        let read = || -> rusqlite::Result<Vec<AppliedScript>> {
            let mut statement = self.sql.prepare(APPLIED)?;
            let rows = statement.query_map([], |row| {
                let applied = Applied { number: row.get(0)?, digest: ScriptDigest(row.get(1)?) };
                Ok(AppliedScript { applied, applied_at: Timestamp(row.get(2)?) })
            })?;
            rows.collect()
        };
        read().map_err(|error| told(&self.watch, &error))
    }

    /// Applies one of these scripts, unless somebody else has. Whether it did.
    pub(super) fn apply(&self, terms: &Terms, scripts: &[Script], place: usize, now: Timestamp) -> Said<bool> {
        self.in_own(terms, || {
            let applied: Vec<Applied> = self.applied()?.into_iter().map(|known| known.applied).collect();
            if !check_scripts(scripts, &applied)?.contains(&place) {
                return Ok(false);
            }
            let Script { number, sql } = &scripts[place];
            self.watch.by_guest(|| self.run_script(*number, sql))?;
            if !self.in_transaction() {
                return Err(lost());
            }
            let noted = params![number, ScriptDigest::of(sql).0, now.as_ms()];
            self.sql.execute(APPLY, noted).map_err(|error| told(&self.watch, &error))?;
            Ok(true)
        })
    }

    fn run_script(&self, number: u32, sql: &str) -> Said<()> {
        let said = |error: &rusqlite::Error| told(&self.watch, error).of_script(number);
        let mut batch = Batch::new(&self.sql, sql);
        while let Some(mut statement) = bounds::preparing(|| batch.next()).map_err(|error| said(&error))? {
            if statement.parameter_count() > 0 {
                return Err(DatabaseError::refused(format!("migration {number}: a migration has no parameters")));
            }
            let mut rows = statement.raw_query();
            while rows.next().map_err(|error| said(&error))?.is_some() {}
        }
        Ok(())
    }

    /// What is known of a step.
    pub(super) fn recorded_step(&self, job: JobId, name: &StepName, occurrence: u32) -> Said<Option<RecordedStep>> {
        let found = self.sql.prepare_cached(STEP).and_then(|mut statement| {
            let row = params![job.to_bytes(), name.as_str(), occurrence];
            let read = |row: &Row<'_>| Ok(RecordedStep { shape: row.get(0)?, result: row.get(1)? });
            statement.query_row(row, read).optional()
        });
        found.map_err(|error| told(&self.watch, &error))
    }

    /// Writes a step's result into the transaction that is open.
    pub(super) fn record_step(&self, job: JobId, step: &DatabaseStep, now: Timestamp) -> Said<()> {
        let DatabaseStep { name, occurrence, shape, result } = step;
        let row = params![job.to_bytes(), name.as_str(), occurrence, shape, result, now.as_ms()];
        self.sql.execute(RECORD, row).map(|_| ()).map_err(|error| told(&self.watch, &error))
    }
}

/// A transaction that is gone though nobody ended it by a call.
pub(super) fn lost() -> DatabaseError {
    DatabaseError::refused(
        "the transaction is gone: a statement rolled it back (`ON CONFLICT ROLLBACK`, `RAISE(ROLLBACK, …)`, or it was interrupted); \
         nothing of it is kept, begin it anew",
    )
}

fn check_text(sql: &str) -> Said<()> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(DatabaseError::refused(format!("a statement may have at most {SQL_BYTES_MAX} bytes")));
    }
    refused_word(sql).map_or(Ok(()), |why| Err(DatabaseError::refused(why)))
}

struct Bound<'a>(&'a SqlValue);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Boolean(yes) => ValueRef::Integer(i64::from(*yes)),
            SqlValue::Integer(number) => ValueRef::Integer(*number),
            SqlValue::Real(number) => ValueRef::Real(*number),
            SqlValue::Text(text) => ValueRef::Text(text.as_bytes()),
            SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Said<SqlValue> {
    Ok(match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(number),
        ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8(bytes.to_vec()).map_err(|_| {
            DatabaseError::refused("a text in the result is not UTF-8; ask for it with CAST(… AS BLOB)")
        })?),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    })
}
