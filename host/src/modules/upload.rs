//! One upload: validate (isolated) → inspect → imports → compile (isolated) → link → describe → store → activate (or not yet). Whatever fails, nothing
//! of it is left: the artifact is forgotten, and chunks without a version are pruned by maintenance.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::facade::{Activation, Modules, Upload, UploadError, Uploaded};
use super::imports;
use super::inspect::{Inspected, inspect, require_wasm};
use crate::job::duration::whole_ms;
use crate::job::{Digest, GuestType, KindDescription, KindName, KindSettings, ModuleName};
use crate::sandbox::{LinkError, SandboxError};
use crate::store::{ActivateResult, MODULE_CHUNK_BYTES, NewVersion, StoreError, StoredVersion, VersionRow};

impl Modules {
    pub(super) async fn upload_checked(&self, upload: Upload) -> Result<Uploaded, UploadError> {
        require_wasm(&upload.wasm)?;
        let wasm = upload.wasm.clone();
        let digest = off_thread(move || Ok(Digest(Sha256::digest(&wasm).into()))).await?;
        if let Some(uploaded) = self.known(&upload, digest).await? {
            return Ok(uploaded);
        }
        self.sandbox().validate(upload.wasm.clone()).await?;
        let wasm = upload.wasm.clone();
        let bounds = self.sandbox().instance_bounds();
        let inspected = off_thread(move || inspect(&wasm, bounds)).await?;
        let unknown =
            imports::unknown(&inspected.imports, |module, name| self.sandbox().offers_core_import(module, name));
        if !unknown.is_empty() {
            return Err(UploadError::UnknownImports(unknown));
        }
        // Another module, or another tenant, may serve the same bytes: a failure here must not take theirs away.
        let used_already = self.serves(digest);
        let result = self.register(upload, digest, inspected).await;
        if result.is_err() && !used_already {
            self.sandbox().forget(digest);
        }
        result
    }

    async fn register(&self, upload: Upload, digest: Digest, inspected: Inspected) -> Result<Uploaded, UploadError> {
        let Upload { tenant, module, wasm, activation } = upload;
        let Inspected { guest, imports } = inspected;
        let compiled_in = self.sandbox().compile(digest, guest, wasm.clone()).await?;
        match self.sandbox().link(digest, guest).await? {
            Ok(()) => {}
            Err(LinkError::Import(message)) => return Err(UploadError::UnknownImports(vec![message])),
            Err(LinkError::Unfit(message)) => return Err(UploadError::NoEntry(message)),
            Err(LinkError::TooLarge(message)) => return Err(UploadError::TooLarge(message)),
        }
        let kinds = match guest {
            GuestType::Handler => self.sandbox().describe(digest).await?,
            GuestType::ComponentCommand | GuestType::CoreCommand => vec![plain_kind(&module)],
        };
        self.write_chunks(digest, &wasm).await?;
        let version = NewVersion {
            tenant,
            module,
            digest,
            size_bytes: u64::try_from(wasm.len()).unwrap_or(u64::MAX),
            guest,
            imports: imports.iter().map(ToString::to_string).collect(),
            kinds,
            compile_ms: whole_ms(compiled_in),
        };
        let force = match activation {
            Activation::Later => {
                let StoredVersion { created, version } = self.store().store_new(version).await?;
                return Ok(Uploaded { created, version });
            }
            Activation::Now => false,
            Activation::Forced => true,
        };
        match activated(self.store().activate_new(version, force).await?)? {
            Some((created, version)) => Ok(Uploaded { created, version }),
            None => Err(StoreError::Internal("a new version was not found by its own activation".to_owned()).into()),
        }
    }

    /// The same bytes came before for this module: at most activated.
    async fn known(&self, upload: &Upload, digest: Digest) -> Result<Option<Uploaded>, UploadError> {
        let Upload { tenant, module, activation, .. } = upload;
        let Some(version) = self.store().version(*tenant, module.clone(), digest).await? else { return Ok(None) };
        let force = match activation {
            Activation::Later => return Ok(Some(Uploaded { created: false, version })),
            Activation::Now => false,
            Activation::Forced => true,
        };
        let result = self.store().activate(*tenant, module.clone(), digest, force).await?;
        // `None`: deleted in between; then it is an upload like any other.
        Ok(activated(result)?.map(|(_, version)| Uploaded { created: false, version }))
    }

    async fn write_chunks(&self, digest: Digest, wasm: &Bytes) -> Result<(), StoreError> {
        let mut rest = wasm.clone();
        let mut index = 0;
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(MODULE_CHUNK_BYTES));
            self.store().write_module_chunk(digest, index, chunk).await?;
            index += 1;
        }
        Ok(())
    }
}

fn activated(result: ActivateResult) -> Result<Option<(bool, VersionRow)>, UploadError> {
    match result {
        ActivateResult::Activated { created, version } => Ok(Some((created, *version))),
        ActivateResult::KindOwned { kind, module } => Err(UploadError::KindOwned { kind, module }),
        ActivateResult::KindsNeeded { kinds } => Err(UploadError::KindsNeeded(kinds)),
        ActivateResult::NotFound => Ok(None),
    }
}

/// A plain command serves one kind, called like its module, and takes and gives anything.
fn plain_kind(module: &ModuleName) -> KindDescription {
    KindDescription {
        name: KindName::from(module.clone()),
        description: None,
        input_schema: "true".to_owned(),
        output_schema: "true".to_owned(),
        settings: KindSettings::default(),
    }
}

/// Hashing and reading 64 MiB takes a while.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, UploadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(SandboxError::Engine(format!("inspecting the module failed: {error}")).into()),
    }
}
