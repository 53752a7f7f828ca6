//! What a script does in a database: one line, with its statements.

use std::thread::sleep;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stoker_sdk::database::{Database, DatabaseError, Value as SqlValue};
use stoker_sdk::{Context, Failure};

/// What one line does there.
#[derive(Deserialize, JsonSchema)]
pub struct InDatabase {
    database: String,
    /// Scripts to be applied first, from 1.
    #[serde(default)]
    migrations: Vec<String>,
    /// Runs after them. Begins with `SELECT`, `PRAGMA` or `WITH`, or has `RETURNING`: gives rows.
    #[serde(default)]
    sql: Vec<String>,
    /// Of each statement.
    #[serde(default)]
    parameters: Vec<Value>,
    /// All in one transaction.
    #[serde(default)]
    transaction: bool,
    /// All in a step of this name.
    #[serde(default)]
    step: Option<String>,
    /// Waits after the statements, before what they are in ends.
    #[serde(default)]
    hold_ms: u64,
    /// Then ends so.
    #[serde(default)]
    then: Then,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Then {
    #[default]
    Return,
    Fail,
    Trap,
}

/// What it came to: of the last statement the rows, or how many changed; or the error.
pub fn run(context: &Context, line: &InDatabase, progress: impl Fn()) -> Result<Value, Failure> {
    let said = |error: DatabaseError| json!({ "refused": error.to_string() });
    let database = match context.database(&line.database) {
        Ok(database) => database,
        Err(error) => return Ok(said(error)),
    };
    let numbered: Vec<(u32, &str)> = (1..).zip(line.migrations.iter().map(String::as_str)).collect();
    if !numbered.is_empty()
        && let Err(error) = database.migrate(&numbered)
    {
        return Ok(said(error));
    }
    let all = || {
        let mut last = Value::Null;
        for sql in &line.sql {
            last = statement(&database, sql, &line.parameters)?;
        }
        progress();
        sleep(Duration::from_millis(line.hold_ms));
        match line.then {
            Then::Return => Ok(last),
            Then::Fail => Err(Broken::Failure(Failure::retry("as it was told"))),
            Then::Trap => std::process::abort(),
        }
    };
    let ran = match &line.step {
        Some(name) => return database.step(name, |_| all().map_err(Failure::from)),
        None if line.transaction => database.transaction(|_| all()),
        None => all(),
    };
    match ran {
        Ok(value) => Ok(value),
        Err(Broken::Database(error)) => Ok(said(error)),
        Err(Broken::Failure(failure)) => Err(failure),
    }
}

enum Broken {
    Database(DatabaseError),
    Failure(Failure),
}

impl From<DatabaseError> for Broken {
    fn from(error: DatabaseError) -> Self {
        Broken::Database(error)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Database(error) => Failure::from(error),
            Broken::Failure(failure) => failure,
        }
    }
}

fn statement(database: &Database<'_>, sql: &str, parameters: &[Value]) -> Result<Value, DatabaseError> {
    let upper = sql.trim_start().to_ascii_uppercase();
    let parameters: Vec<SqlValue> = parameters.iter().map(parameter).collect();
    if ["SELECT", "PRAGMA", "WITH", "SHOW"].iter().any(|word| upper.starts_with(word)) || upper.contains("RETURNING") {
        let rows: Vec<Vec<SqlValue>> = database.query(sql, parameters)?;
        return Ok(rows.into_iter().map(|row| row.into_iter().map(shown).collect::<Value>()).collect());
    }
    database.execute(sql, parameters).map(Value::from)
}

fn parameter(value: &Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(yes) => SqlValue::Boolean(*yes),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| SqlValue::Real(number.as_f64().unwrap_or(0.0)), SqlValue::Integer)
        }
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Array(bytes) => SqlValue::Blob(
            bytes.iter().map(|byte| byte.as_u64().and_then(|byte| byte.try_into().ok()).unwrap_or(0)).collect(),
        ),
        Value::Object(_) => SqlValue::Text(value.to_string()),
    }
}

fn shown(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(yes) => json!(yes),
        SqlValue::Integer(number) => json!(number),
        SqlValue::Real(number) => json!(number),
        SqlValue::Text(text) => json!(text),
        SqlValue::Blob(bytes) => json!({ "bytes": bytes }),
    }
}
