//! What `dev` keeps in a project: `.stoker`, with the host's data, its log and what tells git to leave all of it out. A
//! project may be anybody's, so nothing is written through what lies there: no link is followed, no pipe waited for.

use std::fs::{DirBuilder, File, FileType, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::regular_file;

/// Below the project's folder.
const FOLDER: &str = ".stoker";
const DATA_FOLDER: &str = "data";
const LOG_FILE: &str = "host.log";
const IGNORE_FILE: &str = ".gitignore";
/// Nothing in it is for a repository.
const IGNORE_ALL: &str = "*\n";

/// Where the host keeps its jobs.
pub(super) fn data_dir(project: &Path) -> PathBuf {
    project.join(FOLDER).join(DATA_FOLDER)
}

/// Makes what is missing, and refuses what `dev` has not made. The log, empty, and its path.
pub(super) fn prepare(project: &Path) -> anyhow::Result<(File, PathBuf)> {
    let folder = project.join(FOLDER);
    make_folder(&folder)?;
    let ignore = folder.join(IGNORE_FILE);
    match OpenOptions::new().write(true).create_new(true).open(&ignore) {
        Ok(mut file) => file.write_all(IGNORE_ALL.as_bytes()).with_context(|| cannot_write(&ignore))?,
        // Whatever it is, it stays.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| cannot_write(&ignore)),
    }
    let data_dir = folder.join(DATA_FOLDER);
    make_folder(&data_dir)?;
    // A host follows links in its data directory, which may be its operator's.
    for entry in data_dir.read_dir().with_context(|| format!("cannot look into {}", data_dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            bail!("{} is a link, and dev makes none: move it away", entry.path().display());
        }
    }
    let log = folder.join(LOG_FILE);
    let options = OpenOptions::new().write(true).create(true).truncate(true).clone();
    let file = regular_file::open_no_link(&log, &options).with_context(|| cannot_write(&log))?;
    Ok((file, log))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Makes it, unless it is there and no link.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made.with_context(|| format!("cannot make {}", folder.display())),
    }
    let found = folder.symlink_metadata().with_context(|| format!("cannot look at {}", folder.display()))?;
    if !found.is_dir() {
        bail!(
            "{} is {}, and dev keeps its host's jobs in a folder of that name: move it away",
            folder.display(),
            what(found.file_type())
        );
    }
    Ok(())
}

fn what(found: FileType) -> &'static str {
    if found.is_symlink() {
        "a link"
    } else if found.is_file() {
        "a file"
    } else {
        "no folder"
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn refused(project: &Path) -> String {
        format!("{:#}", prepare(project).unwrap_err())
    }

    fn plant_pipe(path: &Path) {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    }

    #[test]
    fn nothing_is_written_through_what_lies_in_a_project() {
        let home = tempfile::tempdir().unwrap();
        let (project, victim) = (home.path().join("project"), home.path().join("victim"));
        fs::create_dir(&project).unwrap();
        fs::write(&victim, "precious").unwrap();
        let folder = project.join(FOLDER);

        symlink(home.path(), &folder).unwrap();
        assert!(refused(&project).contains(".stoker is a link, and dev keeps"));
        assert!(!home.path().join(IGNORE_FILE).exists());
        fs::remove_file(&folder).unwrap();
        fs::write(&folder, "").unwrap();
        assert!(refused(&project).contains(".stoker is a file"));
        fs::remove_file(&folder).unwrap();

        prepare(&project).unwrap();
        assert_eq!(fs::read_to_string(folder.join(IGNORE_FILE)).unwrap(), "*\n");
        let planted =
            [(LOG_FILE, "host.log: it is a link and must be a file"), ("data/stoker.lock", "stoker.lock is a link")];
        for (name, said) in planted {
            let link = folder.join(name);
            let _is_there = fs::remove_file(&link);
            symlink(&victim, &link).unwrap();
            assert!(refused(&project).contains(said), "{}", refused(&project));
            fs::remove_file(&link).unwrap();
        }
        fs::remove_dir(folder.join("data")).unwrap();
        symlink(home.path(), folder.join("data")).unwrap();
        assert!(refused(&project).contains("data is a link"));
        fs::remove_file(folder.join("data")).unwrap();
        // That one is only ever made.
        fs::remove_file(folder.join(IGNORE_FILE)).unwrap();
        symlink(&victim, folder.join(IGNORE_FILE)).unwrap();
        prepare(&project).unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn no_pipe_is_waited_for() {
        let project = tempfile::tempdir().unwrap();
        let folder = project.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        plant_pipe(&folder.join(IGNORE_FILE));
        prepare(project.path()).unwrap();
        fs::remove_file(folder.join(LOG_FILE)).unwrap();
        plant_pipe(&folder.join(LOG_FILE));
        assert!(refused(project.path()).contains("host.log: it is a pipe and must be a file; move it away"));
    }
}
