//! Where a host keeps compiled modules: in its data directory, unless somebody else could have put native code there. Looks
//! before anything in it is believed; makes and reads no artifact itself.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::private_folder::{Fault, reach};
use crate::regular_file;
use crate::sandbox::{ARTIFACT_KEY_FILE, ArtifactUse, SHARED_ARTIFACTS_BYTES_MAX};

/// In the data directory.
const FOLDER: &str = "artifacts";
/// Of the folder.
const FOLDER_MODE: u32 = 0o700;
/// What is worth nothing without its key.
const EXTENSION: &str = "cwasm";

/// A folder of compiled modules that may be believed.
#[derive(Debug)]
pub struct ArtifactFolder {
    path: PathBuf,
    artifact_use: ArtifactUse,
    /// Removed when dropped.
    _temporary: Option<TempDir>,
}

impl ArtifactFolder {
    /// One that others use as well, and that whoever names it has looked at.
    pub fn shared(path: PathBuf) -> ArtifactFolder {
        let artifact_use = ArtifactUse::Shared { bytes_max: SHARED_ARTIFACTS_BYTES_MAX };
        ArtifactFolder { path, artifact_use, _temporary: None }
    }

    /// That of the data directory, made when missing. Where others could have written to it, its like for this run only;
    /// where they could know its key, all that the key has vouched for goes with it.
    pub fn of_data_directory(data_dir: &Path) -> io::Result<ArtifactFolder> {
        let folder = folder_of(data_dir);
        check_directory(&folder)?;
        match DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(&folder, &error)),
            _made => {}
        }
        let alone = |path| ArtifactFolder { path, artifact_use: ArtifactUse::Alone, _temporary: None };
        match look(data_dir, rustix::process::geteuid().as_raw())? {
            Trust::Full => Ok(alone(folder)),
            Trust::KeyLacks(fault) if forget(&folder).is_ok() => {
                tracing::warn!(
                    "{}: a new key is made and every module compiled anew, and nothing else is to be done",
                    fault.reason()
                );
                Ok(alone(folder))
            }
            Trust::KeyLacks(fault) | Trust::FolderLacks(fault) => {
                tracing::warn!(
                    "{}; till then compiled modules are kept in a temporary folder, for this run only",
                    fault.sentence()
                );
                let temporary = tempfile::Builder::new().prefix("stoker-artifacts-").tempdir()?;
                let path = temporary.path().to_owned();
                Ok(ArtifactFolder { path, artifact_use: ArtifactUse::Alone, _temporary: Some(temporary) })
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who uses it.
    pub fn artifact_use(&self) -> ArtifactUse {
        self.artifact_use
    }
}

/// The folder of a data directory.
pub(crate) fn folder_of(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// How far what lies in a data directory may be believed.
#[derive(Debug)]
pub(crate) enum Trust {
    /// Nobody else could have written or known any of it.
    Full,
    /// Others may know the key, and so vouch for code.
    KeyLacks(Distrust),
    /// Others can put there what they like.
    FolderLacks(Distrust),
}

/// Why not.
#[derive(Debug)]
pub(crate) struct Distrust {
    fault: Fault,
    folder: PathBuf,
}

impl Distrust {
    /// What is wrong.
    pub(crate) fn reason(&self) -> String {
        format!("{}, and compiled modules are native code: those in {} are not used", self.fault, self.folder.display())
    }

    /// What to do.
    pub(crate) fn advice(&self) -> String {
        let (path, folder) = (self.fault.path(), self.folder.display());
        if path == self.folder.join(ARTIFACT_KEY_FILE) {
            return "start the host anew: it makes another key, and compiles every module anew".to_owned();
        }
        if path.starts_with(&self.folder) {
            return format!("with the host stopped `rm -r {folder}`, and the next start makes it anew");
        }
        match &self.fault {
            Fault::Writable { path } => {
                format!("with the host stopped `chmod go-w {}` and `rm -r {folder}`", path.display())
            }
            _ => "name a data directory below folders of your own or root's with --data-dir".to_owned(),
        }
    }

    fn sentence(&self) -> String {
        format!("{} ({})", self.reason(), self.advice())
    }
}

/// Looks, for a host of this user, and changes nothing. An error: a host would not start.
pub(crate) fn look(data_dir: &Path, user: u32) -> io::Result<Trust> {
    let folder = folder_of(data_dir);
    if !check_directory(&folder)? {
        let reached = reach(data_dir, user).and_then(|reached| reached.check_above());
        return Ok(reached.map_or_else(|fault| Trust::FolderLacks(Distrust { fault, folder }), |()| Trust::Full));
    }
    // What it is where it is a link, so that the advice names what is looked at.
    let folder = fs::canonicalize(&folder).map_err(|error| named(&folder, &error))?;
    let reached = match reach(&folder, user).and_then(|reached| reached.check_unwritten().map(|()| reached)) {
        Ok(reached) => reached,
        Err(fault) => return Ok(Trust::FolderLacks(Distrust { fault, folder })),
    };
    let key = folder.join(ARTIFACT_KEY_FILE);
    regular_file::check(&key).map_err(|error| named(&key, &error))?;
    Ok(match reached.check_secret(ARTIFACT_KEY_FILE) {
        Ok(()) => Trust::Full,
        Err(fault) => Trust::KeyLacks(Distrust { fault, folder }),
    })
}

/// Whether it is there. What is no directory is an error.
fn check_directory(folder: &Path) -> io::Result<bool> {
    regular_file::check_leads_somewhere(folder).map_err(|error| named(folder, &error))?;
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(_) => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it must be a directory; move it away");
            Err(named(folder, &error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(named(folder, &error)),
    }
}

/// The key, and what it has vouched for.
fn forget(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            fs::remove_file(path)?;
        }
    }
    // The last one: should this end half way, the next start goes on.
    fs::remove_file(folder.join(ARTIFACT_KEY_FILE))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A data directory as a host leaves it, below a folder for others to be let into.
    fn left_by_a_host(home: &Path) -> (PathBuf, PathBuf, PathBuf) {
        let data_dir = home.join("above/data");
        fs::create_dir_all(&data_dir).unwrap();
        let folder = ArtifactFolder::of_data_directory(&data_dir).unwrap().path().to_owned();
        let key = folder.join(ARTIFACT_KEY_FILE);
        fs::write(&key, "known").unwrap();
        set_mode(&key, 0o600);
        fs::write(folder.join("a.cwasm"), "code").unwrap();
        (data_dir, folder, key)
    }

    #[test]
    fn what_only_this_user_could_have_written_is_used() {
        let home = tempfile::tempdir().unwrap();
        let (data_dir, folder, _) = left_by_a_host(home.path());
        // As it may be for a group that reads, and where an earlier version has made it.
        for (path, mode) in [(&data_dir, 0o750), (&folder, 0o755), (&home.path().join("above"), 0o1777)] {
            set_mode(path, mode);
            assert!(matches!(look(&data_dir, me()).unwrap(), Trust::Full), "{}", path.display());
        }
        assert_eq!(ArtifactFolder::of_data_directory(&data_dir).unwrap().path(), folder);
        assert!(folder.join("a.cwasm").exists());
    }

    #[test]
    fn where_others_can_write_nothing_is_believed_and_nothing_kept() {
        let home = tempfile::tempdir().unwrap();
        let (data_dir, folder, _) = left_by_a_host(home.path());
        let above = home.path().join("above");
        for (path, mode, advice) in [
            (&folder, 0o770, "rm -r"),
            (&folder, 0o1777, "rm -r"),
            (&data_dir, 0o720, "chmod go-w"),
            (&above, 0o702, "chmod go-w"),
        ] {
            set_mode(path, mode);
            let Trust::FolderLacks(why) = look(&data_dir, me()).unwrap() else { panic!("{}", path.display()) };
            assert!(why.reason().contains(&*path.to_string_lossy()), "{}", why.reason());
            assert!(why.advice().contains(advice), "{}", why.advice());
            let used = ArtifactFolder::of_data_directory(&data_dir).unwrap();
            assert!(!used.path().starts_with(home.path()), "{}", used.path().display());
            let temporary = used.path().to_owned();
            drop(used);
            assert!(!temporary.exists());
            set_mode(path, 0o700);
        }
        assert!(
            matches!(look(&data_dir, 65_534).unwrap(), Trust::FolderLacks(why) if why.reason().contains("another user"))
        );
        assert!(matches!(look(&data_dir, me()).unwrap(), Trust::Full));
    }

    #[test]
    fn a_key_others_could_know_goes_with_what_it_vouched_for() {
        let home = tempfile::tempdir().unwrap();
        let (data_dir, folder, key) = left_by_a_host(home.path());
        set_mode(&key, 0o640);
        assert!(matches!(look(&data_dir, me()).unwrap(), Trust::KeyLacks(_)));
        assert_eq!(ArtifactFolder::of_data_directory(&data_dir).unwrap().path(), folder);
        assert!(!key.exists() && !folder.join("a.cwasm").exists());

        // A link, too: what it leads to is somewhere else.
        fs::write(data_dir.join("elsewhere"), "known").unwrap();
        symlink("../elsewhere", &key).unwrap();
        ArtifactFolder::of_data_directory(&data_dir).unwrap();
        assert!(key.symlink_metadata().is_err() && data_dir.join("elsewhere").exists());
    }

    #[test]
    fn what_leads_nowhere_or_is_no_directory_is_named() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(FOLDER);
        let refused = || {
            let looked = look(home.path(), me()).unwrap_err().to_string();
            assert_eq!(ArtifactFolder::of_data_directory(home.path()).unwrap_err().to_string(), looked);
            assert!(looked.starts_with(&*folder.to_string_lossy()), "{looked}");
            looked
        };
        for target in ["nowhere", FOLDER] {
            symlink(target, &folder).unwrap();
            assert!(refused().contains("it is a link that leads nowhere; move it away"));
            fs::remove_file(&folder).unwrap();
        }
        fs::write(&folder, "").unwrap();
        assert!(refused().contains("it must be a directory"));
        fs::remove_file(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        symlink("nowhere", folder.join(ARTIFACT_KEY_FILE)).unwrap();
        assert!(refused().contains("artifact.key: it is a link that leads nowhere; move it away"));
    }
}
