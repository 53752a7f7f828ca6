//! Jobs that do nothing, so that a benchmark measures everything around them.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, handler};

/// About 200 bytes of typed payload.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Noop {
    /// Any number.
    pub id: u64,
    /// Any text.
    pub name: String,
    /// Any text.
    pub note: String,
}

/// Done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Done {
    /// Always `true`.
    pub ok: bool,
}

/// Does nothing.
#[handler(kind = "noop")]
pub fn noop(_context: &Context, _input: Noop) -> Result<Done, Failure> {
    Ok(Done { ok: true })
}

/// When the handler was entered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entered {
    /// Microseconds since the Unix epoch, by the wall clock.
    pub entered_at_us: u64,
}

/// Nothing, or anything that fits into an object.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Nothing {}

/// Says when it was entered.
#[handler(kind = "entered")]
pub fn entered(_context: &Context, _input: Nothing) -> Result<Entered, Failure> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Entered { entered_at_us: u64::try_from(since_epoch.as_micros())? })
}

/// How a guest is to keep a slot.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Hold {
    /// Memory it has and touches, MiB.
    pub mib: usize,
    /// Whether it then waits in the host, or computes.
    pub sleeps: bool,
}

/// Touches its memory, says so, and goes on until it is ended.
#[handler(kind = "hold", fuel = 1_000_000_000_000, memory = "1GiB", timeout = "10m", max_attempts = 1)]
pub fn hold(context: &Context, input: Hold) -> Result<(), Failure> {
    const PAGE_BYTES: usize = 4 << 10;
    let mut memory = vec![0_u8; input.mib << 20];
    for page in memory.chunks_mut(PAGE_BYTES) {
        if let Some(first) = page.first_mut() {
            *first = 1;
        }
    }
    context.progress(1, 1, None);
    let mut at = 0_usize;
    loop {
        if input.sleeps {
            std::thread::sleep(std::time::Duration::from_mins(10));
        }
        at = std::hint::black_box(at.wrapping_add(PAGE_BYTES) % memory.len().max(1));
        if let Some(byte) = memory.get_mut(at) {
            *byte = byte.wrapping_add(1);
        }
    }
}

/// For how long to compute.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Work {
    /// Microseconds.
    pub us: u64,
}

/// Computes for a time, by the clock.
#[handler(kind = "work")]
pub fn work(_context: &Context, input: Work) -> Result<Done, Failure> {
    let began = std::time::Instant::now();
    let mut at = 0_u64;
    while began.elapsed() < std::time::Duration::from_micros(input.us) {
        for _ in 0..1_000 {
            at = std::hint::black_box(at.wrapping_mul(31).wrapping_add(7));
        }
    }
    Ok(Done { ok: true })
}

/// How many steps to record.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Stepped {
    /// So many.
    pub steps: u64,
}

/// Records steps, and says when it was entered.
#[handler(kind = "stepped")]
pub fn stepped(context: &Context, input: Stepped) -> Result<Entered, Failure> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    for step in 0..input.steps {
        context.step("step", || Ok(step))?;
    }
    Ok(Entered { entered_at_us: u64::try_from(since_epoch.as_micros())? })
}

stoker_sdk::module!(noop, entered, hold, work, stepped);
