//! One upload: examine → store → activate (or not yet). Whatever fails, nothing of it is left: the artifact is forgotten, and
//! its bytes are taken back; what a kill leaves is pruned by maintenance.

use bytes::Bytes;

use super::examine::{Examined, digest_of, examine};
use super::facade::{Activation, Modules, Upload, UploadError, Uploaded};
use crate::job::Digest;
use crate::job::duration::whole_ms;
use crate::store::{ActivateResult, MODULE_CHUNK_BYTES, NewVersion, StoreError, StoredVersion, VersionRow};

impl Modules {
    pub(super) async fn upload_checked(&self, upload: Upload) -> Result<Uploaded, UploadError> {
        let digest = digest_of(&upload.wasm).await?;
        if let Some(uploaded) = self.known(&upload, digest).await? {
            return Ok(uploaded);
        }
        // What there is no room for is not worth a compilation.
        let room = self.store().room_for_version(upload.tenant, upload.module.clone(), digest, size_of(&upload.wasm));
        room.await?.map_err(UploadError::OverQuota)?;
        // Another module, or another tenant, may serve the same bytes: a failure here must not take theirs away.
        let used_already = self.serves(digest);
        let examined = examine(self.sandbox(), &upload.module, digest, &upload.wasm, &self.options().ceilings).await;
        let result = match examined {
            Ok(examined) => self.register(upload, digest, examined).await,
            Err(refused) => Err(refused),
        };
        if result.is_err() && !used_already {
            self.sandbox().forget(digest);
        }
        result
    }

    async fn register(&self, upload: Upload, digest: Digest, examined: Examined) -> Result<Uploaded, UploadError> {
        let Upload { tenant, module, wasm, activation } = upload;
        let Examined { guest, imports, kinds, compiled: _, compiled_in, memory_begins_bytes: _ } = examined;
        let version = NewVersion {
            tenant,
            module,
            digest,
            size_bytes: size_of(&wasm),
            guest,
            imports,
            kinds,
            compile_ms: whole_ms(compiled_in),
        };
        let force = match activation {
            Activation::Later => None,
            Activation::Now => Some(false),
            Activation::Forced => Some(true),
        };
        // Only now its kinds are known. What is refused is not written first.
        if let Some(refusal) = self.store().refusal_of_version(version.clone(), force).await? {
            activated(refusal)?;
        }
        let _stored = self.storing().begin(digest);
        let result = self.write(version, &wasm, force).await;
        if result.is_err() {
            self.take_back(digest).await;
        }
        result
    }

    async fn write(&self, version: NewVersion, wasm: &Bytes, force: Option<bool>) -> Result<Uploaded, UploadError> {
        self.write_chunks(version.digest, wasm).await?;
        let Some(force) = force else {
            let stored = self.store().store_new(version).await?.map_err(UploadError::OverQuota)?;
            let StoredVersion { created, version } = stored;
            return Ok(Uploaded { created, version });
        };
        match activated(self.store().activate_new(version, force).await?)? {
            Some((created, version)) => Ok(Uploaded { created, version }),
            None => Err(StoreError::Internal("a new version was not found by its own activation".to_owned()).into()),
        }
    }

    /// Removes bytes that are of no version.
    async fn take_back(&self, digest: Digest) {
        let storing = self.storing().clone();
        if let Err(error) = self.store().forget_module_chunks(digest, move || storing.is_alone(digest)).await {
            tracing::warn!(%digest, %error, "the bytes of a refused upload stay until upkeep removes them");
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

fn size_of(wasm: &Bytes) -> u64 {
    u64::try_from(wasm.len()).unwrap_or(u64::MAX)
}

fn activated(result: ActivateResult) -> Result<Option<(bool, VersionRow)>, UploadError> {
    match result {
        ActivateResult::Activated { created, version } => Ok(Some((created, *version))),
        ActivateResult::KindOwned { kind, module } => Err(UploadError::KindOwned { kind, module }),
        ActivateResult::KindsNeeded { kinds } => Err(UploadError::KindsNeeded(kinds)),
        ActivateResult::OverQuota(quota) => Err(UploadError::OverQuota(quota)),
        ActivateResult::NotFound => Ok(None),
    }
}
