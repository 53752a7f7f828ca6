//! Compiled JSON Schemas, one per kind and module version.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::schema::{BoundedSchema, Effort, SharedSchema, SlowChecks};
use crate::store::{KindEntry, KindId, ModuleVersionId};

/// Schemas up to this size are compiled where they are needed, in a millisecond or so; larger ones take a turn among the
/// long checks. Bytes.
const COMPILED_AT_ONCE_BYTES_MAX: usize = 8 << 10;

/// The validators of one kind as one version describes it.
#[derive(Debug)]
pub struct KindValidators {
    version: Option<ModuleVersionId>,
    /// Of the payload; `None` accepts anything.
    pub input: Option<SharedSchema>,
    /// Of the output; `None` accepts anything.
    pub output: Option<SharedSchema>,
}

/// Compiles each schema once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Validators {
    compiled: Arc<Mutex<FxHashMap<KindId, Arc<KindValidators>>>>,
    slow: SlowChecks,
}

/// A stored schema that does not compile. It was checked at upload, so this means a damaged store.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the {direction} schema of kind `{kind}` {message}")]
pub struct SchemaError {
    direction: &'static str,
    kind: String,
    message: String,
}

impl Validators {
    /// The turns of checks that take long.
    pub fn slow(&self) -> &SlowChecks {
        &self.slow
    }

    /// The validators of a kind as its active version describes it; `None` where to compile them is too much effort.
    pub fn of(&self, kind: &KindEntry, effort: Effort) -> Result<Option<Arc<KindValidators>>, SchemaError> {
        let version = kind.version.as_ref().map(|version| version.id);
        if let Some(known) = self.compiled.lock().get(&kind.id)
            && known.version == version
        {
            return Ok(Some(Arc::clone(known)));
        }
        let bytes = kind.input_schema.len().saturating_add(kind.output_schema.len());
        if effort == Effort::Quick && bytes > COMPILED_AT_ONCE_BYTES_MAX {
            return Ok(None);
        }
        let compiled = Arc::new(KindValidators {
            version,
            input: self.compile(kind, "input", &kind.input_schema)?,
            output: self.compile(kind, "output", &kind.output_schema)?,
        });
        self.compiled.lock().insert(kind.id, Arc::clone(&compiled));
        Ok(Some(compiled))
    }

    /// As [`Self::of`], whatever the effort.
    pub async fn wait_for(&self, kind: &Arc<KindEntry>) -> Result<Arc<KindValidators>, SchemaError> {
        if let Some(validators) = self.of(kind, Effort::Quick)? {
            return Ok(validators);
        }
        let (this, entry) = (self.clone(), Arc::clone(kind));
        let compiled = self.slow.run(move || this.of(&entry, Effort::Thorough)).await.transpose()?.flatten();
        compiled.ok_or_else(|| SchemaError {
            direction: "input",
            kind: kind.name.to_string(),
            message: "cannot be compiled now, the host lacks memory".to_owned(),
        })
    }

    fn compile(
        &self,
        kind: &KindEntry,
        direction: &'static str,
        schema: &str,
    ) -> Result<Option<SharedSchema>, SchemaError> {
        if matches!(schema.trim(), "true" | "{}") {
            return Ok(None);
        }
        let compiled = BoundedSchema::compile(schema);
        let compiled = compiled.map_err(|message| SchemaError { direction, kind: kind.name.to_string(), message })?;
        Ok(Some(SharedSchema::new(compiled, self.slow.clone())))
    }
}
