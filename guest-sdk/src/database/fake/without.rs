//! What a fake host answers without databases.

use std::sync::Arc;

use super::{Begun, Context, DatabaseError, Databases, Rows, Said, Value};
use crate::testing::Recorder;

/// There is none.
#[derive(Debug)]
pub(in crate::database) enum Database {}

impl Databases {
    #[allow(clippy::unused_self)] // As with the feature.
    pub(crate) fn end_execution(&mut self) {}

    #[allow(clippy::unused_self)] // As with the feature.
    pub(crate) fn contents(&self) -> std::collections::BTreeMap<String, String> {
        std::collections::BTreeMap::new()
    }
}

#[allow(clippy::needless_pass_by_value, clippy::unused_self)] // As with the feature.
impl Database {
    pub(super) fn open(_host: Arc<Recorder>, _name: &str) -> Said<Self> {
        Err(DatabaseError::Unavailable(
            "a fake host has databases with the feature `testing-database`: write `stoker-sdk = { …, features = \
             [\"testing-database\"] }` under [dev-dependencies]"
                .to_owned(),
        ))
    }
    pub(in crate::database) fn migrate(&self, _migrations: &[(u32, &str)]) -> Said<u32> {
        match *self {}
    }
    pub(in crate::database) fn query(&self, _sql: &str, _parameters: Vec<Value>) -> Said<Rows> {
        match *self {}
    }
    pub(in crate::database) fn execute(&self, _sql: &str, _parameters: Vec<Value>) -> Said<u64> {
        match *self {}
    }
    pub(in crate::database) fn begin(&self) -> Said<()> {
        match *self {}
    }
    pub(in crate::database) fn commit(&self) -> Said<()> {
        match *self {}
    }
    pub(in crate::database) fn rollback(&self) -> Said<()> {
        match *self {}
    }
    pub(in crate::database) fn begin_step(&self, _context: &Context, _name: &str, _shape: &str) -> Said<Begun> {
        match *self {}
    }
    pub(in crate::database) fn record_step(&self, _context: &Context, _result: &str) -> Said<()> {
        match *self {}
    }
    pub(in crate::database) fn abandon_step(&self, _context: &Context) -> Said<()> {
        match *self {}
    }
}
