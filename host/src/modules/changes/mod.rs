//! What activating a stored version would change: kinds that come, go and change, in sentences, which of them another
//! module serves, and which waiting jobs its schemas refuse. Only looks. An answer has bounds of its own, in payloads, pages
//! and time: it is a warning to who deploys, not a promise.

mod allowance;
mod compare;
mod meet;
mod model;
mod settings;

pub use model::{Changes, ChangesError, CommonViolation, JobsMet, KindChange, KindChanges, RefusedJob};
