//! What the API sees of the upload pipeline.

use super::changes::{Changes, ChangesError};
use super::settings_section::SectionError;
use super::storing::Storing;
use crate::job::{ByteSize, Digest, KindName, Limits, ModuleName, QuotaExceeded};
use crate::sandbox::{CompileError, DescribeError, Sandbox, SandboxError};
use crate::schema::SlowWork;
use crate::store::{DeleteModuleResult, Store, StoreError, TenantId, VersionRow};
use bytes::Bytes;

/// Versions compared at a time. Each uses a core for as long as [`super::changes`] says.
const COMPARISONS_MAX: usize = 1;

/// Bounds of an upload.
#[derive(Clone, Copy, Debug)]
pub struct ModulesOptions {
    /// Largest module, bytes.
    pub module_bytes_max: usize,
    /// The most that settings in a module may ask for.
    pub ceilings: Limits,
}

/// An artifact to be uploaded.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose.
    pub tenant: TenantId,
    /// The module's name.
    pub module: ModuleName,
    /// The bytes as sent.
    pub wasm: Bytes,
    /// What follows once it is stored.
    pub activation: Activation,
}

/// Whether the kinds of an upload run on it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// It is stored only; what is active stays so.
    Later,
    /// Unless unfinished jobs need kinds it drops.
    Now,
    /// Although unfinished jobs may need kinds it drops.
    Forced,
}

/// What an upload came to.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The digest was new for this module.
    pub created: bool,
    /// The version, active now unless that was to come later.
    pub version: VersionRow,
}

/// Why an upload was refused. Each becomes one problem document; nothing is stored or half done.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The tenant has used up what it may.
    #[error("the quota of the tenant is used up")]
    OverQuota(QuotaExceeded),
    /// Not WebAssembly, or malformed.
    #[error("this is not a valid WebAssembly module or component: {message} (at byte {offset})")]
    Malformed {
        /// Where parsing stopped.
        offset: usize,
        /// Why.
        message: String,
    },
    /// Valid, but neither a handler nor a command.
    #[error("the module is neither a handler nor a command: {0}")]
    NoEntry(String),
    /// Valid, but its instances could never be made here.
    #[error("the module needs more than this host allows: {0}")]
    TooLarge(String),
    /// Imports something the host does not offer.
    #[error("the module imports what this host does not offer: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// Compiling failed.
    #[error(transparent)]
    Compile(CompileError),
    /// `describe` failed or lied.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// The settings in its bytes are not allowed.
    #[error(transparent)]
    Settings(#[from] SectionError),
    /// The settings of one of its kinds leave it less memory than it begins with.
    #[error(
        "kind `{kind}` sets `memory` to {}, and the module begins with {}: no job of it could run. Set it to more than that, with \
         its unit, e.g. `memory = \"64MiB\"`, or leave it to the host",
        ByteSize(*.asked_bytes), ByteSize(*.begins_bytes)
    )]
    LittleMemory {
        /// The kind.
        kind: KindName,
        /// What it sets.
        asked_bytes: u64,
        /// What is needed to begin.
        begins_bytes: u64,
    },
    /// Another module serves one of its kinds.
    #[error("kind `{kind}` is served by module `{module}`; delete that module first, or rename the kind")]
    KindOwned {
        /// The kind.
        kind: KindName,
        /// The other module.
        module: ModuleName,
    },
    /// Unfinished jobs need kinds it drops.
    #[error("unfinished jobs need kinds this version does not serve: {}", list(.0))]
    KindsNeeded(Vec<(KindName, u64)>),
    /// The host's own fault.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CompileError> for UploadError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Malformed { offset, message } => UploadError::Malformed { offset, message },
            error => UploadError::Compile(error),
        }
    }
}

fn list(kinds: &[(KindName, u64)]) -> String {
    let items: Vec<String> = kinds.iter().map(|(kind, jobs)| format!("{kind} ({jobs})")).collect();
    items.join(", ")
}

/// The pipeline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Modules {
    store: Store,
    sandbox: Sandbox,
    options: ModulesOptions,
    /// The turns of comparing versions: nobody's payload waits for them.
    comparisons: SlowWork,
    /// Uploads that write their bytes now.
    storing: Storing,
}

impl Modules {
    /// The same, over a store that knows who asks it.
    #[must_use]
    pub fn asked_by(&self, store: Store) -> Modules {
        Modules { store, ..self.clone() }
    }

    /// Over a store and a sandbox.
    pub fn new(store: Store, sandbox: Sandbox, options: ModulesOptions) -> Modules {
        Modules {
            store,
            sandbox,
            options,
            comparisons: SlowWork::with_turns(COMPARISONS_MAX),
            storing: Storing::default(),
        }
    }

    /// The bounds of an upload; the size is for the API to keep, before a body is read whole.
    pub fn options(&self) -> ModulesOptions {
        self.options
    }

    /// Takes an upload through the whole pipeline. The same bytes again are at most activated.
    pub async fn upload(&self, upload: Upload) -> Result<Uploaded, UploadError> {
        self.upload_checked(upload).await
    }

    /// What activating a stored version would change, and for which waiting jobs. `None`: no such version.
    pub async fn changes(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<Option<Changes>, ChangesError> {
        self.changes_to(tenant, module, digest).await
    }

    /// Deletes a version that is not active, and what was compiled of it.
    pub async fn delete_version(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<DeleteModuleResult, StoreError> {
        self.delete_version_and_artifact(tenant, module, digest).await
    }

    /// Deletes a module with all its versions, and what was compiled of them.
    pub async fn delete_module(
        &self,
        tenant: TenantId,
        module: ModuleName,
        force: bool,
    ) -> Result<DeleteModuleResult, StoreError> {
        self.delete_module_and_artifacts(tenant, module, force).await
    }

    /// Loads (and compiles, where this engine never did) every active version, those with waiting jobs first.
    pub async fn warm_up(&self) -> Result<(), UploadError> {
        self.warm_up_all().await
    }

    /// What the largest memory of a stored version begins with, bytes; `None`: no version has this digest.
    pub async fn memory_begins_bytes(&self, digest: Digest) -> Result<Option<u64>, UploadError> {
        let Some(wasm) = self.store.module_bytes(digest).await? else { return Ok(None) };
        super::examine::memory_begins_bytes(wasm, self.sandbox.instance_bounds()).await.map(Some)
    }

    /// Whether a version's artifact is being compiled now: its jobs wait as `compiling`.
    pub fn is_compiling(&self, digest: Digest) -> bool {
        self.sandbox.is_compiling(digest)
    }

    pub(super) fn comparisons(&self) -> &SlowWork {
        &self.comparisons
    }

    pub(super) fn storing(&self) -> &Storing {
        &self.storing
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Whether some active version has these bytes.
    pub(super) fn serves(&self, digest: Digest) -> bool {
        let catalog = self.store.catalog();
        catalog.kinds.values().any(|kind| kind.version.as_ref().is_some_and(|version| version.digest == digest))
    }
}
