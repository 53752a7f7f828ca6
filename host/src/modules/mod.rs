//! The upload pipeline: inspect → compile (isolated) → describe → activate.

mod facade;
mod validators;

pub use facade::{Modules, ModulesOptions, Upload, UploadError, Uploaded};
pub use validators::{KindValidators, SchemaError, Validators};
