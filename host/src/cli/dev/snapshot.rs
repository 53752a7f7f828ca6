//! What a project's files are at one moment: enough to tell whether something has changed, and where to look for more.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cli::project::Project;

/// Most files looked at; a project with more names those to watch.
const FILES_MAX: usize = 10_000;
/// Folders inside folders followed.
const DEPTH_MAX: u32 = 32;
/// Folders that hold what tools make or fetch.
const MADE_FOLDERS: [&str; 3] = ["target", "node_modules", "__pycache__"];
/// Files cargo may write while it builds.
const LOCK_FILE: &str = "Cargo.lock";

/// Tells a folder from one that came in its place: device, number, and time of birth, as numbers are given again.
pub(super) type Identity = (u64, u64, Option<SystemTime>);

/// Files with size and time, and the folders they lie in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    files: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
    folders: BTreeMap<PathBuf, Identity>,
    is_cut: bool,
}

impl Snapshot {
    /// Of everything a project wants watched.
    pub(super) fn of(project: &Project) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for path in project.watched() {
            if path.is_dir() {
                snapshot.add_folder(&path, DEPTH_MAX);
            } else {
                // Also where it lies: editors replace files rather than writing to them. Of what has gone with its folder the
                // one where that will come back.
                let here = |above: &'_ Path| if above == "" { PathBuf::from(".") } else { above.to_owned() };
                let mut levels = path.ancestors().skip(1).map(here);
                if let Some((above, identity)) = levels.find_map(|above| Some((above.clone(), identity(&above)?))) {
                    snapshot.folders.insert(above, identity);
                }
                snapshot.add_file(path);
            }
        }
        snapshot
    }

    /// Where to look for changes.
    pub(super) fn folders(&self) -> &BTreeMap<PathBuf, Identity> {
        &self.folders
    }

    /// There were more files than are looked at.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether files have changed from this moment to the other.
    pub(super) fn differs_from(&self, other: &Snapshot) -> bool {
        self.files != other.files
    }

    /// Takes what the build itself wrote as it is in `after`: no reason to build again.
    pub(super) fn adopt_made(&mut self, project: &Project, after: &Snapshot) {
        let lock = project.folder().map(|folder| folder.join(LOCK_FILE));
        for made in project.made().into_iter().chain(lock) {
            match after.files.get(&made) {
                Some(facts) => drop(self.files.insert(made, *facts)),
                None => drop(self.files.remove(&made)),
            }
        }
    }

    fn add_folder(&mut self, folder: &Path, depth: u32) {
        let Some(identity) = identity(folder) else { return };
        self.folders.insert(folder.to_owned(), identity);
        let Some(depth) = depth.checked_sub(1) else { return };
        // A folder that can't be read has gone, or is none of ours.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') || name.ends_with('~') || (kind.is_dir() && MADE_FOLDERS.contains(&&*name)) {
                continue;
            }
            if kind.is_dir() {
                self.add_folder(&entry.path(), depth);
            } else {
                self.add_file(entry.path());
            }
        }
    }

    fn add_file(&mut self, path: PathBuf) {
        if self.files.len() >= FILES_MAX {
            self.is_cut = true;
        } else if let Ok(metadata) = std::fs::metadata(&path) {
            self.files.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
}

/// Of a folder that is there.
fn identity(folder: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn sources_count_and_what_is_made_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("handler.toml", "name = \"x\"\nbuild = [\"make\"]\nwasm = \"x.wasm\"");
        write("src/main.c", "1");
        let project = Project::find(&root).unwrap();
        let mut before = Snapshot::of(&project);
        assert_eq!(before.folders().keys().cloned().collect::<Vec<_>>(), [root.clone(), root.join("src")]);
        for (path, counts) in [
            ("target/debug/x", false),
            (".stoker/data/stoker.db", false),
            ("src/.main.c.swp", false),
            ("src/main.c~", false),
            ("src/main.c", true),
            ("src/new/other.c", true),
        ] {
            write(path, "changed");
            let after = Snapshot::of(&project);
            assert_eq!(before.differs_from(&after), counts, "{path}");
            before = after;
        }
        for made in ["x.wasm", LOCK_FILE] {
            write(made, "made");
            let after = Snapshot::of(&project);
            assert!(before.differs_from(&after), "{made}");
            before.adopt_made(&project, &after);
            assert!(!before.differs_from(&after), "{made}");
        }
    }

    #[test]
    fn of_a_file_only_the_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        std::fs::write(&file, "1").unwrap();
        let project = Project::find(&file).unwrap();
        let before = Snapshot::of(&project);
        std::fs::write(folder.path().join("b.wasm"), "1").unwrap();
        assert!(!before.differs_from(&Snapshot::of(&project)));
        std::fs::write(&file, "12").unwrap();
        assert!(before.differs_from(&Snapshot::of(&project)));
    }
}
