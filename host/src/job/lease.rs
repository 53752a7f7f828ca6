//! The proof that one host may write for one attempt.

use super::id::{HostId, JobId};

/// Given by a claim, consumed by the finish. Every claim of a job raises `number`; a durable write under an older
/// number is refused. Not `Clone`: one lease, one finish.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    job: JobId,
    host: HostId,
    number: i64,
    attempt: u32,
}

impl Lease {
    /// Only the store grants leases. A slot makes the one of its job again when a bug of the host's took it along, so
    /// that the job can be ended; tests of fencing forge them.
    pub fn granted(job: JobId, host: HostId, number: i64, attempt: u32) -> Self {
        Self { job, host, number, attempt }
    }

    /// The job it covers.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Who holds it.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// How many times the job has been claimed, this time included.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// The attempt being made, from 1. Executions that used no attempt repeat it.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}
