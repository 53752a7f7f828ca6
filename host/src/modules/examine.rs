//! What a module is and serves, found out in the sandbox alone: validate (isolated) → inspect → imports → compile
//! (isolated) → link → describe. Stores nothing but the artifact, which whoever asked keeps or forgets.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::facade::UploadError;
use super::imports;
use super::inspect::{Inspected, inspect, require_wasm};
use super::settings_section::settings_in;
use crate::job::{CompiledFrom, Digest, GuestType, KindDescription, KindName, KindSettings, Limits, ModuleName};
use crate::sandbox::{InstanceBounds, LinkError, Sandbox, SandboxError};

/// A module that can be run here.
#[derive(Clone, Debug)]
pub struct Examined {
    /// How it is called.
    pub guest: GuestType,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it serves; at least one.
    pub kinds: Vec<KindDescription>,
    /// Whether it was compiled before.
    pub compiled: CompiledFrom,
    /// Time it took to compile, or to find that it was compiled before.
    pub compiled_in: Duration,
    /// What the largest of its memories begins with, bytes.
    pub memory_begins_bytes: u64,
}

/// The digest of what looks like WebAssembly.
pub async fn digest_of(wasm: &Bytes) -> Result<Digest, UploadError> {
    require_wasm(wasm)?;
    let wasm = wasm.clone();
    off_thread(move || Ok(Digest(Sha256::digest(&wasm).into()))).await
}

/// Takes the bytes of a module through the sandbox; what is set in them may not pass `ceilings`. What is refused may have
/// left an artifact.
pub async fn examine(
    sandbox: &Sandbox,
    module: &ModuleName,
    digest: Digest,
    wasm: &Bytes,
    ceilings: &Limits,
) -> Result<Examined, UploadError> {
    // What was compiled here was found to be valid before.
    let compiled = if sandbox.has_artifact(digest).await? {
        CompiledFrom::Disk
    } else {
        sandbox.validate(wasm.clone()).await?;
        CompiledFrom::Miss
    };
    let bytes = wasm.clone();
    let (bounds, ceilings) = (sandbox.instance_bounds(), *ceilings);
    let (guest, imports, settings, memory_begins_bytes) = off_thread(move || {
        let Inspected { guest, imports, settings, memory_begins_bytes } = inspect(&bytes, bounds)?;
        Ok((guest, imports, settings_in(&settings, guest, &ceilings)?, memory_begins_bytes))
    })
    .await?;
    let unknown = imports::unknown(&imports, |module, name| sandbox.offers_core_import(module, name));
    if !unknown.is_empty() {
        return Err(UploadError::UnknownImports(unknown));
    }
    let compiled_in = sandbox.compile(digest, guest, wasm.clone()).await?;
    match sandbox.link(digest, guest).await? {
        Ok(()) => {}
        Err(LinkError::Import(message)) => return Err(UploadError::UnknownImports(vec![message])),
        Err(LinkError::Unfit(message)) => return Err(UploadError::NoEntry(message)),
        Err(LinkError::TooLarge(message)) => return Err(UploadError::TooLarge(message)),
    }
    let kinds = match guest {
        GuestType::Handler => sandbox.describe(digest).await?,
        GuestType::ComponentCommand | GuestType::CoreCommand => vec![plain_kind(module, settings)],
    };
    require_room(&kinds, memory_begins_bytes)?;
    let imports = imports.iter().map(ToString::to_string).collect();
    Ok(Examined { guest, imports, kinds, compiled, compiled_in, memory_begins_bytes })
}

/// What the largest memory of a module that was examined before begins with, bytes.
pub(super) async fn memory_begins_bytes(wasm: Bytes, bounds: InstanceBounds) -> Result<u64, UploadError> {
    off_thread(move || Ok(inspect(&wasm, bounds)?.memory_begins_bytes)).await
}

/// Refuses kinds whose own settings leave no job of theirs the memory it begins with, as where a unit was forgotten.
fn require_room(kinds: &[KindDescription], begins_bytes: u64) -> Result<(), UploadError> {
    for kind in kinds {
        if let Some(asked_bytes) = kind.settings.limits.memory_bytes.filter(|asked| *asked < begins_bytes) {
            return Err(UploadError::LittleMemory { kind: kind.name.clone(), asked_bytes, begins_bytes });
        }
    }
    Ok(())
}

/// A plain command serves one kind, called like its module and set as its bytes say, and takes and gives anything.
fn plain_kind(module: &ModuleName, settings: KindSettings) -> KindDescription {
    KindDescription {
        name: KindName::from(module.clone()),
        description: None,
        input_schema: "true".to_owned(),
        output_schema: "true".to_owned(),
        settings,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_the_memory_it_begins_with() {
        let module: ModuleName = "greet".parse().expect("a name");
        let with = |memory_bytes| {
            let mut settings = KindSettings::default();
            settings.limits.memory_bytes = memory_bytes;
            require_room(&[plain_kind(&module, settings)], 17 << 16).map_err(|refused| refused.to_string())
        };
        assert_eq!(with(None), Ok(()));
        assert_eq!(with(Some(17 << 16)), Ok(()));
        let refused = with(Some(64)).expect_err("no job of it could run");
        for word in ["`greet`", "64B", "1088KiB", "\"64MiB\""] {
            assert!(refused.contains(word), "`{word}` is missing: {refused}");
        }
    }
}
