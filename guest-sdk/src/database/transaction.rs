//! Statements inside of a transaction.

use serde::de::DeserializeOwned;

use super::{Database, DatabaseError, Parameters};

/// What is open in a database while a closure runs. See [`Database::transaction`] and [`Database::step`].
#[derive(Debug)]
pub struct Transaction<'database>(pub(super) &'database Database<'database>);

impl Transaction<'_> {
    /// As [`Database::query`].
    pub fn query<Row: DeserializeOwned>(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.0.query(sql, parameters)
    }

    /// As [`Database::query_one`].
    pub fn query_one<Row: DeserializeOwned>(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Option<Row>, DatabaseError> {
        self.0.query_one(sql, parameters)
    }

    /// As [`Database::execute`].
    pub fn execute(&self, sql: &str, parameters: impl Parameters) -> Result<u64, DatabaseError> {
        self.0.execute(sql, parameters)
    }
}
