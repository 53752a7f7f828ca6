//! Actions on many jobs: asked for, looked at, ended. None of it waits for the jobs.

mod cancel;
mod create;
mod inspect;

pub(super) use cancel::*;
pub(super) use create::*;
pub(super) use inspect::*;
