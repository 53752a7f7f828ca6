//! A database on a server, as one attempt has it open: the same calls as those of one that is a file. Each transaction that writes
//! notes its lease there, and waits for one of another lease of the same job.

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use tokio_postgres::types::Type;

use super::cancel::CancelOnDrop;
use super::errors::{told, too_late};
use super::held::Held;
use super::servers::Servers;
use super::values::{Received, Sent};
use crate::job::database::{
    Applied, DatabaseStep, PARAMETERS_BYTES_MAX, PARAMETERS_MAX, RecordedStep, RowRoom, SQL_BYTES_MAX,
    STATEMENT_TIME_MAX, Script, ScriptDigest, SqlRows, SqlValue, check_scripts, names_host_table, refused_word,
};
use crate::job::{DatabaseError, StepName, TenantName, Timestamp};
use crate::store::{AppliedScript, DatabaseRow, Holder, TenantId};

/// The host's tables. The lock, whose number means nothing, lets one make them at a time.
const TABLES: &str = "BEGIN; SELECT pg_advisory_xact_lock(8317266204953);
CREATE TABLE IF NOT EXISTS _stoker_migrations (number bigint PRIMARY KEY, sha256 bytea NOT NULL, applied_at bigint NOT NULL);
CREATE TABLE IF NOT EXISTS _stoker_steps (job bytea, name text, occurrence bigint, shape text NOT NULL, result text NOT NULL,
    at bigint NOT NULL, PRIMARY KEY (job, name, occurrence));
CREATE TABLE IF NOT EXISTS _stoker_attempts (job bytea PRIMARY KEY, lease bigint NOT NULL, at bigint NOT NULL);
COMMIT";
const HAS_TABLES: &str = "SELECT to_regclass('_stoker_attempts') IS NOT NULL";
const APPLIED: &str = "SELECT number, sha256, applied_at FROM _stoker_migrations ORDER BY number";
// No other transaction applies one meanwhile.
const LOCK_MIGRATIONS: &str = "LOCK TABLE _stoker_migrations IN SHARE ROW EXCLUSIVE MODE";
const APPLY: &str = "INSERT INTO _stoker_migrations (number, sha256, applied_at) VALUES ($1, $2, $3)";
const FENCE: &str = "INSERT INTO _stoker_attempts (job, lease, at) VALUES ($1, $2, $3)
    ON CONFLICT (job) DO UPDATE SET lease = excluded.lease, at = excluded.at WHERE excluded.lease >= _stoker_attempts.lease";
const STEP: &str = "SELECT shape, result FROM _stoker_steps WHERE job = $1 AND name = $2 AND occurrence = $3";
const RECORD: &str =
    "INSERT INTO _stoker_steps (job, name, occurrence, shape, result, at) VALUES ($1, $2, $3, $4, $5, $6)";

/// A statement writes in a transaction that only reads.
const READ_ONLY: &str = "25006";

/// See the file's head.
pub struct PostgresSession {
    servers: Servers,
    tenant: (TenantId, TenantName),
    row: DatabaseRow,
    holder: Holder,
    open: Option<Open>,
}

struct Open {
    held: Held,
    /// A statement has failed: the server takes no more, and a commit would commit nothing.
    has_failed: bool,
    /// Something was broken off: the connection is of no more use.
    is_broken: bool,
}

impl Open {
    /// What came of a statement.
    fn note<T>(&mut self, said: &Said<T>) {
        self.has_failed |= said.is_err();
        self.is_broken |= said.as_ref().is_err_and(is_break);
    }
}

/// Whether something may still run, or come, after such an error.
fn is_break(error: &DatabaseError) -> bool {
    !matches!(error, DatabaseError::Sql { .. } | DatabaseError::Busy(_))
}

impl std::fmt::Debug for PostgresSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSession").field("name", &self.row.name).finish_non_exhaustive()
    }
}

type Said<T> = Result<T, DatabaseError>;

impl PostgresSession {
    pub(super) fn new(servers: Servers, tenant: (TenantId, TenantName), row: DatabaseRow, holder: Holder) -> Self {
        Self { servers, tenant, row, holder, open: None }
    }

    /// Applies those scripts that are not applied yet. How many.
    pub async fn migrate(&mut self, scripts: Vec<Script>) -> Said<u32> {
        self.check_none_open("a migration")?;
        let mut held = self.held().await?;
        let known: Vec<Applied> = applied(&mut held).await?.into_iter().map(|known| known.applied).collect();
        let mut count = 0;
        for place in check_scripts(&scripts, &known)? {
            self.begin_in(&mut held).await?;
            // Dropped as it is where something fails: the server rolls back.
            run(&held, held.connection().client.batch_execute(LOCK_MIGRATIONS)).await?;
            let known: Vec<Applied> = read_applied(&held).await?.into_iter().map(|known| known.applied).collect();
            if check_scripts(&scripts, &known)?.contains(&place) {
                let Script { number, sql } = &scripts[place];
                check_script(*number, sql)?;
                run(&held, held.connection().client.batch_execute(sql))
                    .await
                    .map_err(|error| of_script(*number, error))?;
                let (number, digest, now) = (i64::from(*number), ScriptDigest::of(sql).0, self.now().as_ms());
                let parameters = [SqlValue::Integer(number), SqlValue::Blob(digest.to_vec()), SqlValue::Integer(now)];
                change(&held, APPLY, parameters).await?;
                count += 1;
            }
            commit(&mut held).await?;
        }
        Ok(count)
    }

    /// Runs a statement and gives its rows.
    pub async fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> Said<SqlRows> {
        check_statement(&sql, &parameters)?;
        if self.open.is_some() {
            let open = self.sound()?;
            let queried = rows(&open.held, &sql, parameters).await;
            open.note(&queried);
            return queried;
        }
        let mut held = self.held().await?;
        held.is_clean = false;
        run(&held, held.connection().client.batch_execute("BEGIN READ ONLY")).await?;
        let queried = rows(&held, &sql, parameters.clone()).await;
        if queried.as_ref().is_err_and(is_break) {
            // The connection goes with what was broken off on it.
            return queried;
        }
        run(&held, held.connection().client.batch_execute("ROLLBACK")).await?;
        held.is_clean = true;
        match queried {
            Err(DatabaseError::Sql { code, .. }) if code == READ_ONLY => {
                self.begin_in(&mut held).await?;
                let queried = rows(&held, &sql, parameters).await?;
                commit(&mut held).await?;
                Ok(queried)
            }
            queried => queried,
        }
    }

    /// Runs a statement; how many rows it changed.
    pub async fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> Said<u64> {
        check_statement(&sql, &parameters)?;
        if self.open.is_some() {
            let open = self.sound()?;
            let changed = change(&open.held, &sql, parameters).await;
            open.note(&changed);
            return changed;
        }
        let mut held = self.held().await?;
        self.begin_in(&mut held).await?;
        let changed = change(&held, &sql, parameters).await?;
        commit(&mut held).await?;
        Ok(changed)
    }

    /// Begins a transaction.
    pub async fn begin(&mut self) -> Said<()> {
        self.check_none_open("a transaction")?;
        let mut held = self.held().await?;
        self.begin_in(&mut held).await?;
        self.open = Some(Open { held, has_failed: false, is_broken: false });
        Ok(())
    }

    /// Commits what is open.
    pub async fn commit(&mut self) -> Said<()> {
        self.sound()?;
        // As late as can be: from here on only one that is newer there already stands in the way.
        self.check_lease().await?;
        let Some(mut open) = self.open.take() else { return Err(none_open()) };
        commit(&mut open.held).await
    }

    /// Takes back what is open.
    pub async fn rollback(&mut self) -> Said<()> {
        let Some(mut open) = self.open.take().filter(|open| !open.is_broken) else { return Ok(()) };
        // Should it fail the connection is closed, and the server rolls back.
        run(&open.held, open.held.connection().client.batch_execute("ROLLBACK")).await?;
        open.held.is_clean = true;
        Ok(())
    }

    /// The result of a step that was done; `None`: it was not, and a transaction is open in which it is to be.
    pub async fn begin_step(&mut self, name: StepName, occurrence: u32) -> Said<Option<RecordedStep>> {
        self.begin().await?;
        let job = self.holder.job.to_bytes().to_vec();
        let parameters =
            vec![SqlValue::Blob(job), SqlValue::Text(name.as_str().to_owned()), SqlValue::Integer(occurrence.into())];
        let known = match self.sound() {
            Ok(open) => rows(&open.held, STEP, parameters).await,
            Err(error) => Err(error),
        };
        match known.map(|mut known| known.rows.pop()) {
            Ok(None) => Ok(None),
            Ok(Some(row)) => {
                self.rollback().await?;
                match <[SqlValue; 2]>::try_from(row) {
                    Ok([SqlValue::Text(shape), SqlValue::Text(result)]) => Ok(Some(RecordedStep { shape, result })),
                    Ok(_) | Err(_) => Err(DatabaseError::refused("the table `_stoker_steps` is not the host's")),
                }
            }
            Err(error) => {
                self.rollback().await?;
                Err(error)
            }
        }
    }

    /// Commits what is open together with a step's result.
    pub async fn commit_step(&mut self, step: DatabaseStep) -> Said<()> {
        let (job, now) = (self.holder.job.to_bytes().to_vec(), self.now());
        let DatabaseStep { name, occurrence, shape, result } = step;
        let parameters = vec![
            SqlValue::Blob(job),
            SqlValue::Text(name.as_str().to_owned()),
            SqlValue::Integer(occurrence.into()),
            SqlValue::Text(shape),
            SqlValue::Text(result),
            SqlValue::Integer(now.as_ms()),
        ];
        let open = self.sound()?;
        let recorded = change(&open.held, RECORD, parameters).await;
        open.note(&recorded);
        recorded?;
        self.commit().await
    }

    fn now(&self) -> Timestamp {
        self.servers.store().clock_now()
    }

    fn check_none_open(&self, what: &str) -> Said<()> {
        if self.open.is_some() {
            return Err(DatabaseError::refused(format!(
                "{what} can't begin inside of a transaction; end that one first"
            )));
        }
        Ok(())
    }

    /// The transaction that is open.
    fn sound(&mut self) -> Said<&mut Open> {
        match &mut self.open {
            None => Err(none_open()),
            Some(open) if open.has_failed => Err(DatabaseError::refused(
                "a statement of the transaction failed, after which nothing of it can be kept; roll it back",
            )),
            Some(open) => Ok(open),
        }
    }

    async fn check_lease(&self) -> Said<()> {
        match self.servers.store().holds_lease(self.tenant.0, self.holder).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(DatabaseError::StaleLease),
            Err(error) => Err(DatabaseError::Unavailable(error.to_string())),
        }
    }

    async fn held(&self) -> Said<Held> {
        let mut held = self.servers.held((self.tenant.0, &self.tenant.1), &self.row).await?;
        make_tables(&mut held).await?;
        Ok(held)
    }

    /// Begins a transaction that writes, if the lease still may.
    async fn begin_in(&self, held: &mut Held) -> Said<()> {
        self.check_lease().await?;
        held.is_clean = false;
        run(held, held.connection().client.batch_execute("BEGIN")).await?;
        let Holder { job, number, .. } = self.holder;
        let fence =
            [SqlValue::Blob(job.to_bytes().to_vec()), SqlValue::Integer(number), SqlValue::Integer(self.now().as_ms())];
        if change(held, FENCE, fence).await? == 0 { Err(DatabaseError::StaleLease) } else { Ok(()) }
    }
}

/// Scripts that were applied.
pub(super) async fn applied(held: &mut Held) -> Said<Vec<AppliedScript>> {
    make_tables(held).await?;
    read_applied(held).await
}

async fn read_applied(held: &Held) -> Said<Vec<AppliedScript>> {
    let found = rows(held, APPLIED, Vec::new()).await?;
    let script = |row: Vec<SqlValue>| match <[SqlValue; 3]>::try_from(row) {
        Ok([SqlValue::Integer(number), SqlValue::Blob(digest), SqlValue::Integer(at)]) => Some(AppliedScript {
            applied: Applied { number: number.try_into().ok()?, digest: ScriptDigest(digest.try_into().ok()?) },
            applied_at: Timestamp(at),
        }),
        Ok(_) | Err(_) => None,
    };
    let scripts: Option<Vec<AppliedScript>> = found.rows.into_iter().map(script).collect();
    scripts.ok_or_else(|| DatabaseError::refused("the table `_stoker_migrations` is not the host's"))
}

async fn make_tables(held: &mut Held) -> Said<()> {
    if held.has_tables().load(Ordering::Acquire) {
        return Ok(());
    }
    let has = rows(held, HAS_TABLES, Vec::new()).await?;
    if has.rows != [[SqlValue::Boolean(true)]] {
        held.is_clean = false;
        run(held, held.connection().client.batch_execute(TABLES)).await?;
        held.is_clean = true;
    }
    held.has_tables().store(true, Ordering::Release);
    Ok(())
}

async fn commit(held: &mut Held) -> Said<()> {
    run(held, held.connection().client.batch_execute("COMMIT")).await?;
    held.is_clean = true;
    Ok(())
}

async fn change(held: &Held, sql: &str, parameters: impl IntoIterator<Item = SqlValue>) -> Said<u64> {
    let client = &held.connection().client;
    let parameters: Vec<Sent> = parameters.into_iter().map(Sent).collect();
    let statement = run(held, client.prepare(sql)).await?;
    check_count(parameters.len(), statement.params())?;
    run(held, client.execute_raw(&statement, &parameters)).await
}

async fn rows(held: &Held, sql: &str, parameters: Vec<SqlValue>) -> Said<SqlRows> {
    let client = &held.connection().client;
    let parameters: Vec<Sent> = parameters.into_iter().map(Sent).collect();
    let statement = run(held, client.prepare(sql)).await?;
    check_count(parameters.len(), statement.params())?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let width = columns.len();
    let collected = async {
        let found = client.query_raw(&statement, &parameters).await.map_err(|error| told(&error))?;
        let (mut found, mut rows, mut room) = (pin!(found), Vec::new(), RowRoom::default());
        while let Some(row) = found.next().await {
            let row = row.map_err(|error| told(&error))?;
            let value = |place| row.try_get::<_, Received>(place).map(|Received(value)| value);
            let values: Result<Vec<SqlValue>, _> = (0..width).map(value).collect();
            let values = values.map_err(|error| {
                DatabaseError::Refused(std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string))
            })?;
            room.take(&values).map_err(DatabaseError::Refused)?;
            rows.push(values);
        }
        Ok(rows)
    };
    let rows = guarded(held, collected).await?;
    Ok(SqlRows { columns, rows })
}

/// Runs something on the connection; should this be dropped, or take too long, the server is asked to cancel it.
async fn run<T>(held: &Held, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Said<T> {
    guarded(held, async { work.await.map_err(|error| told(&error)) }).await
}

async fn guarded<T>(held: &Held, work: impl Future<Output = Said<T>>) -> Said<T> {
    let cancel = CancelOnDrop::of(held.connection(), &held.runtime);
    match tokio::time::timeout(STATEMENT_TIME_MAX, work).await {
        // What is left of a result that was too large is wanted by nobody.
        Ok(Err(error)) if is_break(&error) => Err(error),
        Ok(ran) => {
            cancel.disarm();
            ran
        }
        Err(_elapsed) => Err(DatabaseError::Interrupted(too_late())),
    }
}

fn none_open() -> DatabaseError {
    DatabaseError::refused("no transaction is open that could be committed")
}

fn check_count(given: usize, expected: &[Type]) -> Said<()> {
    if given != expected.len() {
        let expected = expected.len();
        return Err(DatabaseError::refused(format!("the statement has {expected} parameters, and {given} are given")));
    }
    Ok(())
}

fn check_statement(sql: &str, parameters: &[SqlValue]) -> Said<()> {
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

fn check_words(sql: &str) -> Said<()> {
    if let Some(why) = refused_word(sql) {
        return Err(DatabaseError::refused(why));
    }
    if names_host_table(sql) {
        return Err(DatabaseError::refused(
            "rule `host tables`: tables whose names begin with `_stoker_` are the host's",
        ));
    }
    Ok(())
}

/// A script may hold several statements; where one ends only the server knows.
fn check_script(number: u32, sql: &str) -> Said<()> {
    let statements = sql.split(';').filter(|statement| !statement.trim().is_empty());
    for statement in statements {
        // `END` stands in bodies of functions as well.
        let is_end = statement.trim_start().get(..3).is_some_and(|word| word.eq_ignore_ascii_case("end"));
        if !is_end {
            check_words(statement).map_err(|error| DatabaseError::Refused(format!("migration {number}: {error}")))?;
        }
    }
    Ok(())
}

fn of_script(number: u32, error: DatabaseError) -> DatabaseError {
    match error {
        DatabaseError::Sql { code, message } => {
            DatabaseError::Sql { code, message: format!("migration {number}: {message}") }
        }
        other => other,
    }
}
