//! What the writer remembers of ties between jobs: whether there are any at all, so that jobs without them cost nothing,
//! and the work one operation has begun for those that wait. Nothing here must be taken back: flags only cost a look when
//! wrong, and the work is begun anew with each operation. (What was concluded from rows, `places`, is forgotten then.)

use std::collections::VecDeque;

use rusqlite::Connection;

use super::error::StoreError;
use super::needed::Places;
use crate::job::JobId;

/// Dependents told within one operation; upkeep tells the others.
pub(super) const TOLD_BY_ONE_OPERATION_MAX: usize = 100;

const DEPENDENCIES: &str = "SELECT EXISTS(SELECT 1 FROM dependencies)";
const NOTES: &str = "SELECT EXISTS(SELECT 1 FROM unsettled_jobs)";
const CANCELLING: &str = "SELECT EXISTS(SELECT 1 FROM batches INDEXED BY batches_cancelling
    WHERE cancelled_until IS NOT NULL)";
const BATCHES: &str = "SELECT EXISTS(SELECT 1 FROM batches)";

/// See the file's head.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Six answers to six questions, none of which follows from another.
pub(super) struct Ties {
    /// Some job has to do with another.
    pub(super) are_dependencies: bool,
    /// Some job may be of a batch.
    pub(super) are_batches: bool,
    /// Some batch may be being cancelled.
    pub(super) are_cancels: bool,
    /// Some dependents are not told yet.
    pub(super) are_notes: bool,
    /// This transaction left work to upkeep.
    pub(super) is_left_over: bool,
    /// How far the pruning of batches has come.
    pub(super) batches_looked_at: Vec<u8>,
    /// Jobs whose dependents are to be told.
    pub(super) untold: VecDeque<JobId>,
    /// Somebody further up is telling them.
    pub(super) is_telling: bool,
    /// How far looks for dependents have come.
    pub(super) places: Places,
    /// So many more may be told in this operation.
    pub(super) told_left: usize,
}

impl Ties {
    pub(super) fn load(sql: &Connection) -> Result<Self, StoreError> {
        Ok(Self {
            are_dependencies: sql.query_row(DEPENDENCIES, [], |row| row.get(0))?,
            are_notes: sql.query_row(NOTES, [], |row| row.get(0))?,
            are_batches: sql.query_row(BATCHES, [], |row| row.get(0))?,
            are_cancels: sql.query_row(CANCELLING, [], |row| row.get(0))?,
            told_left: TOLD_BY_ONE_OPERATION_MAX,
            ..Self::default()
        })
    }

    /// An operation begins.
    pub(super) fn begin(&mut self) {
        self.untold.clear();
        self.is_telling = false;
        self.told_left = TOLD_BY_ONE_OPERATION_MAX;
    }
}
