//! The calls into the host.

use super::{DatabaseError, Rows, Value};
use crate::Context;
use crate::bindings::stoker::handler::database as wire;
use crate::steps::Begun;

/// By its number.
#[derive(Debug)]
pub(super) struct Database(u32);

type Said<T> = Result<T, DatabaseError>;

pub(super) fn open(_context: &Context, name: &str) -> Said<Database> {
    wire::open(name).map(Database).map_err(told)
}

impl Database {
    pub(super) fn migrate(&self, migrations: &[(u32, &str)]) -> Said<u32> {
        let migration = |(number, sql): &(u32, &str)| wire::Migration { number: *number, sql: (*sql).to_owned() };
        let migrations: Vec<wire::Migration> = migrations.iter().map(migration).collect();
        wire::migrate(self.0, &migrations).map_err(told)
    }

    pub(super) fn query(&self, sql: &str, parameters: Vec<Value>) -> Said<Rows> {
        let wire::Rows { columns, rows } = wire::query(self.0, sql, &sent(parameters)).map_err(told)?;
        let rows = rows.into_iter().map(|row| row.into_iter().map(received).collect()).collect();
        Ok(Rows { columns, rows })
    }

    pub(super) fn execute(&self, sql: &str, parameters: Vec<Value>) -> Said<u64> {
        wire::execute(self.0, sql, &sent(parameters)).map_err(told)
    }

    pub(super) fn begin(&self) -> Said<()> {
        wire::begin(self.0).map_err(told)
    }

    pub(super) fn commit(&self) -> Said<()> {
        wire::commit(self.0).map_err(told)
    }

    pub(super) fn rollback(&self) -> Said<()> {
        wire::rollback(self.0).map_err(told)
    }

    pub(super) fn begin_step(&self, _context: &Context, name: &str, shape: &str) -> Said<Begun> {
        Ok(match wire::begin_step(self.0, name, shape).map_err(told)? {
            wire::Begun::Recorded(result) => Begun::Recorded(result),
            wire::Begun::Run(key) => Begun::Run(key),
        })
    }

    pub(super) fn record_step(&self, _context: &Context, result: &str) -> Said<()> {
        wire::record_step(self.0, result).map_err(told)
    }

    pub(super) fn abandon_step(&self, _context: &Context) -> Said<()> {
        wire::abandon_step(self.0).map_err(told)
    }
}

fn sent(parameters: Vec<Value>) -> Vec<wire::Value> {
    let value = |value| match value {
        Value::Null => wire::Value::Null,
        Value::Boolean(yes) => wire::Value::Boolean(yes),
        Value::Integer(number) => wire::Value::Integer(number),
        Value::Real(number) => wire::Value::Real(number),
        Value::Text(text) => wire::Value::Text(text),
        Value::Blob(bytes) => wire::Value::Blob(bytes),
    };
    parameters.into_iter().map(value).collect()
}

fn received(value: wire::Value) -> Value {
    match value {
        wire::Value::Null => Value::Null,
        wire::Value::Boolean(yes) => Value::Boolean(yes),
        wire::Value::Integer(number) => Value::Integer(number),
        wire::Value::Real(number) => Value::Real(number),
        wire::Value::Text(text) => Value::Text(text),
        wire::Value::Blob(bytes) => Value::Blob(bytes),
    }
}

fn told(error: wire::Error) -> DatabaseError {
    match error {
        wire::Error::NotGranted => DatabaseError::NotGranted,
        wire::Error::Refused(sentence) => DatabaseError::Refused(sentence),
        wire::Error::Sql(wire::SqlError { code, message }) => DatabaseError::Sql { code, message },
        wire::Error::Busy(sentence) => DatabaseError::Busy(sentence),
        wire::Error::Quota(sentence) => DatabaseError::Quota(sentence),
        wire::Error::Interrupted(sentence) => DatabaseError::Interrupted(sentence),
        wire::Error::Unavailable(sentence) => DatabaseError::Unavailable(sentence),
    }
}
