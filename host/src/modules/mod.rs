//! The upload pipeline: examine (in the sandbox alone) → store → activate; and its reverse, delete.

#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod changes;
mod delete;
mod examine;
mod facade;
mod imports;
mod inspect;
mod settings_section;
mod storing;
mod upload;
mod validators;
mod warm_up;

pub use changes::{Changes, ChangesError, CommonViolation, JobsMet, KindChange, KindChanges, RefusedJob};
pub use examine::{Examined, digest_of, examine};
pub use facade::{Activation, Modules, ModulesOptions, Upload, UploadError, Uploaded};
pub use settings_section::{SectionError, append_settings};
pub use validators::{KindValidators, SchemaError, Validators, accepts_anything};
