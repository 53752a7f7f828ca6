//! Compiled JSON Schemas, one per kind and module version.

use std::sync::Arc;

use jsonschema::Validator;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::store::{KindEntry, KindId, ModuleVersionId};

/// The validators of one kind as one version describes it.
#[derive(Debug)]
pub struct KindValidators {
    version: Option<ModuleVersionId>,
    /// Of the payload; `None` accepts anything.
    pub input: Option<Arc<Validator>>,
    /// Of the output; `None` accepts anything.
    pub output: Option<Arc<Validator>>,
}

/// Compiles each schema once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Validators(Arc<Mutex<FxHashMap<KindId, Arc<KindValidators>>>>);

/// A stored schema that does not compile. It was checked at upload, so this means a damaged store.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the stored {direction} schema of kind `{kind}` does not compile: {message}")]
pub struct SchemaError {
    direction: &'static str,
    kind: String,
    message: String,
}

impl Validators {
    /// The validators of a kind as its active version describes it.
    pub fn of(&self, kind: &KindEntry) -> Result<Arc<KindValidators>, SchemaError> {
        let version = kind.version.as_ref().map(|version| version.id);
        if let Some(known) = self.0.lock().get(&kind.id)
            && known.version == version
        {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(KindValidators {
            version,
            input: compile(kind, "input", &kind.input_schema)?,
            output: compile(kind, "output", &kind.output_schema)?,
        });
        self.0.lock().insert(kind.id, Arc::clone(&compiled));
        Ok(compiled)
    }
}

fn compile(kind: &KindEntry, direction: &'static str, schema: &str) -> Result<Option<Arc<Validator>>, SchemaError> {
    if matches!(schema.trim(), "true" | "{}") {
        return Ok(None);
    }
    let fail = |message: String| SchemaError { direction, kind: kind.name.to_string(), message };
    let schema = serde_json::from_str(schema).map_err(|error| fail(error.to_string()))?;
    jsonschema::validator_for(&schema).map(|v| Some(Arc::new(v))).map_err(|error| fail(error.to_string()))
}
