//! The upload pipeline: inspect → compile (isolated) → describe → activate.

mod facade;
mod settings_wire;
mod validators;

pub use facade::{Modules, ModulesOptions, Upload, UploadError, Uploaded};
pub use settings_wire::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, RetryWire, SettingsError, SettingsWire};
pub use validators::{KindValidators, SchemaError, Validators};
