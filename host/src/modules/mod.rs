//! The upload pipeline: examine (in the sandbox alone) → store → activate; and its reverse, delete.

#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod delete;
mod examine;
mod facade;
mod imports;
mod inspect;
mod upload;
mod validators;
mod warm_up;

pub use examine::{Examined, digest_of, examine};
pub use facade::{Modules, ModulesOptions, Upload, UploadError, Uploaded};
pub use validators::{KindValidators, SchemaError, Validators, accepts_anything};
