//! Compiled artifacts on disk, one file per module and engine: `<digest>-<engine>.cwasm`.
//!
//! An artifact is native code, so none is trusted for lying in the right place: each begins with a MAC under a key
//! only this host has, over the module's digest, the engine's name and the code. Missing, foreign, damaged: the same. A key
//! that was copied here, with a project or out of an archive, vouches for nothing that came along with it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::artifact_use::{ArtifactUse, Place, cut_to};
use super::guest::TrustedArtifact;
use crate::job::Digest;
use crate::regular_file;

/// Who has what is in it can vouch for code.
pub const KEY_FILE: &str = "artifact.key";
/// A block of the hash.
const KEY_BYTES: usize = 64;
const MAC_BYTES: usize = 32;
const EXTENSION: &str = "cwasm";
/// What half-written files are called; removed at start.
pub(super) const TEMPORARY_PREFIX: &str = ".tmp-";
/// Says what the MAC is for, and in which form.
const PURPOSE: &[u8] = b"stoker compiled artifact 2";

pub(super) struct Artifacts {
    /// Held for as long as files of ours may be there.
    _place: Place,
    directory: PathBuf,
    key: Key,
    /// Name of the engine's settings.
    engine: String,
}

/// Vouches for code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    secret: [u8; KEY_BYTES],
    /// When the system last saw the file become what it is; nobody can choose that for a copy.
    changed_s: i64,
    changed_ns: i64,
}

impl Artifacts {
    /// Opens the directory, making it and its key when missing; removes what earlier engines and crashes left, unless
    /// others use it now.
    pub(super) fn open(directory: &Path, artifact_use: ArtifactUse, engine: String) -> io::Result<Artifacts> {
        fs::create_dir_all(directory)?;
        let mut place = Place::take(directory, artifact_use)?;
        let key = read_or_make_key(directory)?;
        if place.is_alone() {
            sweep(directory, &engine);
        }
        // Also while others use it, which may be for days: what one of them misses it compiles anew.
        if let ArtifactUse::Shared { bytes_max } = artifact_use {
            cut_to(directory, EXTENSION, bytes_max)?;
        }
        place.let_others_in()?;
        Ok(Artifacts { _place: place, directory: directory.to_owned(), key, engine })
    }

    /// The artifact of a module; `None` when it must be made anew.
    pub(super) fn read(&self, digest: Digest) -> Option<TrustedArtifact> {
        let path = self.path(digest);
        let mut bytes = match regular_file::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "cannot read a compiled artifact; compiling anew");
                }
                return None;
            }
        };
        let Some((tag, code)) = bytes.split_at_checked(MAC_BYTES) else {
            tracing::warn!(path = %path.display(), "a compiled artifact is damaged; compiling anew");
            return None;
        };
        if self.mac(digest, code).verify_slice(tag).is_err() {
            tracing::warn!(path = %path.display(), "a compiled artifact is damaged or foreign; compiling anew");
            return None;
        }
        bytes.drain(..MAC_BYTES);
        Some(TrustedArtifact::vouch(bytes))
    }

    /// Keeps an artifact. Written beside and renamed: a crash leaves the old file or none.
    pub(super) fn write(&self, digest: Digest, artifact: &TrustedArtifact) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(&self.directory)?;
        file.write_all(&self.mac(digest, artifact.bytes()).finalize().into_bytes())?;
        file.write_all(artifact.bytes())?;
        file.persist(self.path(digest)).map_err(|error| error.error)?;
        Ok(())
    }

    pub(super) fn remove(&self, digest: Digest) {
        let path = self.path(digest);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove a compiled artifact");
        }
    }

    fn mac(&self, digest: Digest, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.key.secret.into());
        mac.update(PURPOSE);
        mac.update(&self.key.changed_s.to_le_bytes());
        mac.update(&self.key.changed_ns.to_le_bytes());
        mac.update(&digest.0);
        mac.update(&u64::try_from(self.engine.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(self.engine.as_bytes());
        mac.update(code);
        mac
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let digest = digest.to_string();
        let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
        self.directory.join(format!("{hex}-{}.{EXTENSION}", self.engine))
    }
}

/// Files of other engines would never be read again; temporary ones belong to a process that died.
fn sweep(directory: &Path, engine: &str) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let ours = format!("-{engine}.{EXTENSION}");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let foreign =
            Path::new(name).extension().is_some_and(|extension| extension == EXTENSION) && !name.ends_with(&ours);
        if (foreign || name.starts_with(TEMPORARY_PREFIX))
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::debug!(name, %error, "cannot remove a stale artifact");
        }
    }
}

fn read_or_make_key(directory: &Path) -> io::Result<Key> {
    let path = directory.join(KEY_FILE);
    match read_key(&path) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) => {
            tracing::warn!(path = %path.display(), "the artifact key is damaged; making a new one, modules will be compiled anew");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
    let secret: [u8; KEY_BYTES] = rand::random();
    // Temporary files are made readable by their owner only; the rename keeps that.
    let mut file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(directory)?;
    file.write_all(&secret)?;
    file.as_file().sync_all()?;
    // The rename changes it, too.
    key_of(&file.persist(path).map_err(|error| error.error)?, secret)
}

/// `None`: it is damaged.
fn read_key(path: &Path) -> io::Result<Option<Key>> {
    let mut file = regular_file::open_to_read(path)?;
    let mut bytes = Vec::with_capacity(KEY_BYTES);
    // One byte more than a sound one has.
    (&mut file).take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    <[u8; KEY_BYTES]>::try_from(bytes).ok().map(|secret| key_of(&file, secret)).transpose()
}

fn key_of(file: &File, secret: [u8; KEY_BYTES]) -> io::Result<Key> {
    let metadata = file.metadata()?;
    Ok(Key { secret, changed_s: metadata.ctime(), changed_ns: metadata.ctime_nsec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest([7; 32]);

    #[test]
    fn only_what_was_written_here_for_this_engine_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let artifacts = Artifacts::open(directory.path(), ArtifactUse::Alone, "e1".to_owned()).expect("opens");
        assert!(artifacts.read(DIGEST).is_none());
        artifacts.write(DIGEST, &TrustedArtifact::vouch(b"native code".to_vec())).expect("writes");
        assert_eq!(artifacts.read(DIGEST).expect("reads").bytes(), b"native code");

        let path = artifacts.path(DIGEST);
        let sound = fs::read(&path).expect("reads");
        for damage in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[damage] ^= 1;
            fs::write(&path, bytes).expect("writes");
            assert!(artifacts.read(DIGEST).is_none(), "byte {damage}");
        }
        fs::write(&path, &sound[..MAC_BYTES - 1]).expect("writes");
        assert!(artifacts.read(DIGEST).is_none());

        // The file of another module, renamed.
        let other = Digest([8; 32]);
        fs::write(artifacts.path(other), &sound).expect("writes");
        assert!(artifacts.read(other).is_none());
    }

    #[test]
    fn what_was_copied_here_with_its_key_is_not_read() {
        let home = tempfile::tempdir().expect("a directory");
        let open =
            |name: &str| Artifacts::open(&home.path().join(name), ArtifactUse::Alone, "e1".to_owned()).expect("opens");
        let made = open("made");
        made.write(DIGEST, &TrustedArtifact::vouch(b"native code".to_vec())).expect("writes");
        let copy = home.path().join("copied");
        fs::create_dir(&copy).expect("makes");
        for entry in fs::read_dir(home.path().join("made")).expect("lists") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), copy.join(entry.file_name())).expect("copies");
        }
        let copied = open("copied");
        assert_eq!(copied.key.secret, made.key.secret);
        assert!(copied.read(DIGEST).is_none());
        // A directory may be moved, and is opened again and again.
        fs::rename(home.path().join("made"), home.path().join("moved")).expect("moves");
        assert_eq!(open("moved").read(DIGEST).expect("reads").bytes(), b"native code");
    }

    #[test]
    fn other_engines_and_crashes_leave_nothing_for_good_and_the_key_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let old = Artifacts::open(directory.path(), ArtifactUse::Alone, "e1".to_owned()).expect("opens");
        old.write(DIGEST, &TrustedArtifact::vouch(b"old".to_vec())).expect("writes");
        fs::write(directory.path().join(".tmp-half"), b"").expect("writes");
        let new = Artifacts::open(directory.path(), ArtifactUse::Alone, "e2".to_owned()).expect("opens");
        assert_eq!(new.key, old.key);
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 1, "only the key is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(directory.path().join(KEY_FILE)).expect("exists").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
