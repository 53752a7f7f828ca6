//! A compiled module, loaded and linked once, ready to be instantiated for every attempt.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::{Engine, InstancePre, Module};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::bindings::ModulePre;
use super::linker::Linkers;
use super::state::AttemptState;
use crate::job::{Digest, GuestType};

/// A compiled module, pre-linked, ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Guest(Arc<Loaded>);

struct Loaded {
    digest: Digest,
    entry: Entry,
}

/// What is instantiated.
pub(super) enum Entry {
    Handler(ModulePre<AttemptState>),
    ComponentCommand(CommandPre<AttemptState>),
    CoreCommand(InstancePre<AttemptState>),
}

/// Why compiled code cannot become a guest.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// The host lacks something it imports; what wasmtime says about it.
    #[error("{0}")]
    Import(String),
    /// It exports the right names with other types.
    #[error("{0}")]
    Unfit(String),
    /// It needs more than the host's instances have.
    #[error("{0}")]
    TooLarge(String),
}

impl Guest {
    /// The module's digest.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.0.entry
    }

    /// Loads an artifact this host made, and links it.
    #[allow(unsafe_code)]
    pub(super) fn load(
        engine: &Engine,
        linkers: &Linkers,
        digest: Digest,
        guest: GuestType,
        artifact: &TrustedArtifact,
    ) -> Result<Guest, LinkError> {
        let unfit = |error: wasmtime::Error| LinkError::Unfit(format!("{error:#}"));
        let import = |error: wasmtime::Error| LinkError::Import(format!("{error:#}"));
        // Sound code that this engine does not take is too much for its instances: memories, tables, modules in it.
        let too_large = |error: wasmtime::Error| LinkError::TooLarge(format!("{error:#}"));
        let entry = match guest {
            GuestType::CoreCommand => {
                // SAFETY: deserialize runs the bytes as native code. A `TrustedArtifact` exists only for bytes that
                // our own compiler process has just made from a digest-checked module, or that carry a MAC under
                // this host's secret key saying so; and what is loaded is the very buffer that was checked, not a
                // file that could change in between. wasmtime itself checks version and settings.
                let module = unsafe { Module::deserialize(engine, artifact.bytes()) }.map_err(too_large)?;
                Entry::CoreCommand(linkers.core.instantiate_pre(&module).map_err(import)?)
            }
            GuestType::Handler | GuestType::ComponentCommand => {
                // SAFETY: as above.
                let component = unsafe { Component::deserialize(engine, artifact.bytes()) }.map_err(too_large)?;
                let linked = linkers.component.instantiate_pre(&component).map_err(import)?;
                match guest {
                    GuestType::Handler => Entry::Handler(ModulePre::new(linked).map_err(unfit)?),
                    _ => Entry::ComponentCommand(CommandPre::new(linked).map_err(unfit)?),
                }
            }
        };
        Ok(Guest(Arc::new(Loaded { digest, entry })))
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("digest", &self.0.digest).finish_non_exhaustive()
    }
}

/// Native code that this host made itself. The type is the proof: see [`Guest::load`].
#[derive(Clone)]
pub(super) struct TrustedArtifact(Vec<u8>);

impl TrustedArtifact {
    /// Only for bytes that come straight from the own compiler, or whose MAC was just verified.
    pub(super) fn vouch(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
