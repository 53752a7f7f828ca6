//! `stoker:handler/database`: SQL in databases of the tenant. What runs a statement, and under which rules, is behind
//! [`OpenDatabase`]; here are the grants, the numbers of what is open, and steps that are recorded where they act.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::steps;
use crate::job::database::{DatabaseStep, OPEN_MAX, Script, SqlRows, SqlValue};
use crate::job::grants::capability_of_database;
use crate::job::step::Begun;
use crate::job::{DatabaseError, DatabaseName, StepName, StepType, cut};
use crate::sandbox::bindings::stoker::handler::database::{
    Begun as WireBegun, Error, Migration, Rows, SqlError, Value,
};
use crate::sandbox::model::OpenDatabase;
use crate::sandbox::state::AttemptState;

/// A database that is open, and the step that is begun in it.
pub(in crate::sandbox) struct OpenedDatabase {
    name: DatabaseName,
    database: Box<dyn OpenDatabase>,
    step: Option<OpenStep>,
}

#[derive(Clone)]
struct OpenStep {
    name: StepName,
    occurrence: u32,
    shape: String,
}

/// What the guest can handle.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

macro_rules! asynchronous {
    ($interface:ident, $name:literal, $call:expr, ($($parameter:ident: $type:ty),*)) => {
        $interface.func_wrap_async(
            $name,
            |mut store: StoreContextMut<'_, AttemptState>, ($($parameter,)*): ($($type,)*)| {
                Box::new(async move { Ok(($call(store.data_mut(), $($parameter),*).await?,)) })
            },
        )?;
    };
}

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/database@1.3.0")?;
    asynchronous!(interface, "open", open, (name: String));
    asynchronous!(interface, "migrate", migrate, (database: u32, migrations: Vec<Migration>));
    asynchronous!(interface, "query", query, (database: u32, sql: String, parameters: Vec<Value>));
    asynchronous!(interface, "execute", execute, (database: u32, sql: String, parameters: Vec<Value>));
    asynchronous!(interface, "begin", begin, (database: u32));
    asynchronous!(interface, "commit", commit, (database: u32));
    asynchronous!(interface, "rollback", rollback, (database: u32));
    asynchronous!(interface, "begin-step", begin_step, (database: u32, name: String, shape: String));
    asynchronous!(interface, "record-step", record_step, (database: u32, result: String));
    asynchronous!(interface, "abandon-step", abandon_step, (database: u32));
    Ok(())
}

async fn open(state: &mut AttemptState, name: String) -> Answer<u32> {
    state.count_host_call()?;
    if !state.grants.allows_database(&name) {
        state.denied(&capability_of_database(&name));
        return Ok(Err(Error::NotGranted));
    }
    let name: DatabaseName = match name.parse() {
        Ok(name) => name,
        Err(error) => return Ok(Err(Error::Refused(crate::job::NameError::to_string(&error)))),
    };
    if let Some(known) = state.open_databases.iter().position(|opened| opened.name == name) {
        return Ok(Ok(number(known)));
    }
    if state.open_databases.len() >= OPEN_MAX {
        return Ok(Err(Error::Refused(format!("an execution may open at most {OPEN_MAX} databases"))));
    }
    let Some(databases) = state.databases.clone() else {
        return Ok(Err(Error::Unavailable("there are no databases here".to_owned())));
    };
    let opened = databases.open(name.clone()).await;
    answer(state, opened).map(|opened| {
        opened.map(|database| {
            state.open_databases.push(OpenedDatabase { name, database, step: None });
            number(state.open_databases.len() - 1)
        })
    })
}

async fn migrate(state: &mut AttemptState, database: u32, migrations: Vec<Migration>) -> Answer<u32> {
    let scripts = migrations.into_iter().map(|Migration { number, sql }| Script { number, sql }).collect();
    let migrated = match opened(state, database)? {
        Ok(opened) => opened.database.migrate(scripts).await,
        Err(error) => return Ok(Err(error)),
    };
    answer(state, migrated)
}

async fn query(state: &mut AttemptState, database: u32, sql: String, parameters: Vec<Value>) -> Answer<Rows> {
    let rows = match opened(state, database)? {
        Ok(opened) => opened.database.query(sql, values(parameters)).await,
        Err(error) => return Ok(Err(error)),
    };
    Ok(answer(state, rows)?.map(told))
}

async fn execute(state: &mut AttemptState, database: u32, sql: String, parameters: Vec<Value>) -> Answer<u64> {
    let changed = match opened(state, database)? {
        Ok(opened) => opened.database.execute(sql, values(parameters)).await,
        Err(error) => return Ok(Err(error)),
    };
    answer(state, changed)
}

async fn begin(state: &mut AttemptState, database: u32) -> Answer<()> {
    let begun = match outside_of_steps(state, database)? {
        Ok(opened) => opened.database.begin().await,
        Err(error) => return Ok(Err(error)),
    };
    answer(state, begun)
}

async fn commit(state: &mut AttemptState, database: u32) -> Answer<()> {
    let committed = match outside_of_steps(state, database)? {
        Ok(opened) => opened.database.commit().await,
        Err(error) => return Ok(Err(error)),
    };
    answer(state, committed)
}

async fn rollback(state: &mut AttemptState, database: u32) -> Answer<()> {
    let rolled_back = match outside_of_steps(state, database)? {
        Ok(opened) => opened.database.rollback().await,
        Err(error) => return Ok(Err(error)),
    };
    answer(state, rolled_back)
}

async fn begin_step(state: &mut AttemptState, database: u32, name: String, shape: String) -> Answer<WireBegun> {
    if let Err(error) = outside_of_steps(state, database)? {
        return Ok(Err(error));
    }
    let shape = cut(shape, steps::SHAPE_BYTES_MAX);
    let occurrence = match steps::ask(state, StepType::Step, &name, shape.clone(), None).await? {
        Err(sentence) => return Ok(Err(Error::Refused(sentence))),
        Ok(Begun::Recorded(step)) => return Ok(Ok(WireBegun::Recorded(steps::json_of(step)?))),
        Ok(Begun::Run(occurrence)) => occurrence,
    };
    let begun = match (opened_uncounted(state, database), name.parse::<StepName>()) {
        (Some(opened), Ok(step)) => {
            let begun = opened.database.begin_step(step.clone(), occurrence).await;
            if matches!(begun, Ok(None)) {
                opened.step = Some(OpenStep { name: step, occurrence, shape: shape.clone() });
            }
            begun
        }
        (None, _) | (_, Err(_)) => Err(not_open()),
    };
    match begun {
        Ok(None) => Ok(Ok(WireBegun::Run(steps::key(state, &name, occurrence)))),
        // The host died between the two places where it is recorded: it is done, and now it is known here as well.
        Ok(Some(recorded)) if recorded.shape == shape => {
            match steps::record_result(state, Bytes::from(recorded.result.clone())).await? {
                Ok(()) => Ok(Ok(WireBegun::Recorded(recorded.result))),
                Err(sentence) => {
                    // Whoever asks for it anew finds it there again.
                    steps::abandon(state);
                    Ok(Err(Error::Unavailable(sentence)))
                }
            }
        }
        Ok(Some(recorded)) => {
            steps::abandon(state);
            let was = recorded.shape;
            let sentence = format!("the result of step `{name}` was recorded as `{was}`; it can't be `{shape}` now");
            Ok(Err(Error::Refused(sentence)))
        }
        Err(error) => {
            steps::abandon(state);
            answer(state, Err(error))
        }
    }
}

async fn record_step(state: &mut AttemptState, database: u32, result: String) -> Answer<()> {
    let step = match opened(state, database)? {
        Ok(opened) => opened.step.clone(),
        Err(error) => return Ok(Err(error)),
    };
    let Some(OpenStep { name, occurrence, shape }) = step else {
        return Ok(Err(Error::Refused("no step is begun in this database that could be recorded".to_owned())));
    };
    if !steps::is_open(state, &name, occurrence) {
        // What runs under another name now must not get its result.
        let _taken_back = end_step(state, database).await;
        return Ok(Err(Error::Refused(format!(
            "step `{name}` of this database was ended by other calls (`steps`); nothing of it is kept"
        ))));
    }
    // It is shown to people, like an output.
    let result = state.redact(result);
    // Before it is committed there: what is not taken here must not have happened.
    if let Err(sentence) = steps::check_result(state, &result) {
        return Ok(Err(Error::Refused(sentence)));
    }
    let committed = match opened_uncounted(state, database) {
        Some(opened) => {
            let step = DatabaseStep { name, occurrence, shape, result: result.clone() };
            opened.database.commit_step(step).await
        }
        None => Err(not_open()),
    };
    if let Err(error) = committed {
        let _taken_back = end_step(state, database).await;
        steps::abandon(state);
        return answer(state, Err(error));
    }
    if let Some(opened) = opened_uncounted(state, database) {
        opened.step = None;
    }
    // Should the host die here, the next execution finds it in the database; so does whoever asks for it anew.
    let recorded = steps::record_result(state, Bytes::from(result)).await?;
    if recorded.is_err() {
        steps::abandon(state);
    }
    Ok(recorded.map_err(Error::Unavailable))
}

async fn abandon_step(state: &mut AttemptState, database: u32) -> Answer<()> {
    let step = match opened(state, database)? {
        Ok(opened) => opened.step.clone(),
        Err(error) => return Ok(Err(error)),
    };
    let Some(OpenStep { name, occurrence, .. }) = step else { return Ok(Ok(())) };
    let taken_back = end_step(state, database).await;
    if steps::is_open(state, &name, occurrence) {
        steps::abandon(state);
    }
    answer(state, taken_back)
}

/// Takes back what a step did in a database. That it failed is the ledger's to be told.
async fn end_step(state: &mut AttemptState, database: u32) -> Result<(), DatabaseError> {
    let Some(opened) = opened_uncounted(state, database) else { return Ok(()) };
    opened.step = None;
    opened.database.rollback().await
}

/// Whether the step that is open is one of a database.
pub(super) fn has_open_step(state: &AttemptState) -> bool {
    let mut begun = state.open_databases.iter().filter_map(|opened| opened.step.as_ref());
    begun.any(|step| steps::is_open(state, &step.name, step.occurrence))
}

fn opened(state: &mut AttemptState, database: u32) -> Answer<&mut OpenedDatabase> {
    state.count_host_call()?;
    Ok(opened_uncounted(state, database).ok_or_else(|| wire(not_open())))
}

fn outside_of_steps(state: &mut AttemptState, database: u32) -> Answer<&mut OpenedDatabase> {
    Ok(match opened(state, database)? {
        Ok(opened) if opened.step.is_some() => {
            let sentence = "a step is begun in this database, whose transaction ends with it; end it first";
            Err(Error::Refused(sentence.to_owned()))
        }
        opened => opened,
    })
}

fn opened_uncounted(state: &mut AttemptState, database: u32) -> Option<&mut OpenedDatabase> {
    state.open_databases.get_mut(usize::try_from(database).ok()?)
}

fn not_open() -> DatabaseError {
    DatabaseError::refused("no database of that number is open")
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// For the guest; one whose lease is stale is ended.
fn answer<T>(state: &AttemptState, result: Result<T, DatabaseError>) -> Answer<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(DatabaseError::StaleLease) => Err(steps::lost(state)),
        Err(error) => Ok(Err(wire(error))),
    }
}

fn wire(error: DatabaseError) -> Error {
    match error {
        DatabaseError::Refused(sentence) => Error::Refused(sentence),
        DatabaseError::Sql { code, message } => Error::Sql(SqlError { code, message }),
        DatabaseError::Busy(sentence) => Error::Busy(sentence),
        DatabaseError::Quota(sentence) => Error::Quota(sentence),
        DatabaseError::Interrupted(sentence) => Error::Interrupted(sentence),
        DatabaseError::Unavailable(sentence) => Error::Unavailable(sentence),
        DatabaseError::StaleLease => Error::Unavailable(DatabaseError::StaleLease.to_string()),
    }
}

fn values(parameters: Vec<Value>) -> Vec<SqlValue> {
    let value = |value| match value {
        Value::Null => SqlValue::Null,
        Value::Boolean(yes) => SqlValue::Boolean(yes),
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Real(number) => SqlValue::Real(number),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(bytes) => SqlValue::Blob(bytes),
    };
    parameters.into_iter().map(value).collect()
}

fn told(rows: SqlRows) -> Rows {
    let value = |value| match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(yes) => Value::Boolean(yes),
        SqlValue::Integer(number) => Value::Integer(number),
        SqlValue::Real(number) => Value::Real(number),
        SqlValue::Text(text) => Value::Text(text),
        SqlValue::Blob(bytes) => Value::Blob(bytes),
    };
    let SqlRows { columns, rows } = rows;
    Rows { columns, rows: rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect() }
}

#[cfg(test)]
mod tests;
