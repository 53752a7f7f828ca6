//! What one execution cost, and could have.

use serde::{Deserialize, Serialize};

use super::Limits;

/// The bill of one attempt, written with its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// From the moment the job was ready to the entry of its guest, µs; in steps of a millisecond, the grain of times.
    pub queue_wait_us: u64,
    /// Making the instance, µs.
    pub instantiate_us: u64,
    /// From entry to the end, µs.
    pub run_us: u64,
    /// Units of fuel burnt; up to ten million fewer where the guest was interrupted, or trapped, in the midst of a function.
    pub fuel_used: u64,
    /// Highest sum over all memories and tables, bytes.
    pub memory_peak_bytes: u64,
    /// Size of the output, bytes.
    pub output_bytes: u64,
    /// Calls from the guest into the host.
    pub host_calls: u64,
    /// Outgoing HTTP requests.
    pub http_calls: u64,
    /// Where the compiled module came from.
    pub compiled: CompiledFrom,
    /// What it could have cost: the limits it had, whatever is set by now. None where no guest was to be run, and of
    /// executions before hosts kept them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// Where the compiled module of an attempt came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompiledFrom {
    /// In memory already.
    #[default]
    Hit,
    /// Loaded from the artifact on disk.
    Disk,
    /// Compiled for this attempt.
    Miss,
}

impl CompiledFrom {
    /// The number the store keeps.
    pub const fn code(self) -> u8 {
        match self {
            CompiledFrom::Hit => 0,
            CompiledFrom::Disk => 1,
            CompiledFrom::Miss => 2,
        }
    }

    /// From the number the store keeps; an unknown one counts as a miss.
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => CompiledFrom::Hit,
            1 => CompiledFrom::Disk,
            _ => CompiledFrom::Miss,
        }
    }
}
