//! The upload pipeline: inspect → compile (isolated) → describe → activate; and its reverse, delete.

#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod changes;
mod delete;
mod facade;
mod imports;
mod inspect;
mod upload;
mod validators;
mod warm_up;

pub use changes::{Changes, ChangesError, JobsMet, KindChange, KindChanges, RefusedJob};
pub use facade::{Activation, Modules, ModulesOptions, Upload, UploadError, Uploaded};
pub use validators::{KindValidators, SchemaError, Validators, accepts_anything};
