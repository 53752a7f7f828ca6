//! Writing a new project's folder: whole or not at all.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};

use super::templates::File;

/// Of new folders and files, before the umask takes its part.
const FOLDER_MODE: u32 = 0o777;
const SCRIPT_MODE: u32 = 0o755;

/// Refuses a folder with anything in it.
pub(super) fn check_free(target: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} is in the way", target.display())),
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("{} is not empty; choose another name or folder (--path)", target.display());
            }
            Ok(())
        }
    }
}

/// Writes the files to a folder beside `target`, which then takes its place.
pub(super) fn write(target: &Path, files: &[File]) -> anyhow::Result<()> {
    check_free(target)?;
    let cannot_write = || format!("cannot make {}", target.display());
    let parent = target.parent().with_context(cannot_write)?;
    std::fs::create_dir_all(parent).with_context(cannot_write)?;
    let mut beside = tempfile::Builder::new();
    let beside = beside.prefix(".stoker-new-").permissions(Permissions::from_mode(FOLDER_MODE)).tempdir_in(parent);
    let beside = beside.with_context(cannot_write)?;
    for file in files {
        let path = beside.path().join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(cannot_write)?;
        }
        std::fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))?;
        if path.extension().is_some_and(|extension| extension == "sh") {
            std::fs::set_permissions(&path, Permissions::from_mode(SCRIPT_MODE)).with_context(cannot_write)?;
        }
    }
    if target.is_dir() {
        // Somebody may be in it: it stays the same folder.
        let moved = fill(target, beside.path());
        return moved.with_context(cannot_write);
    }
    std::fs::rename(beside.path(), target).with_context(cannot_write)?;
    // It is not there any more, so there is nothing to remove.
    let _moved = beside.keep();
    Ok(())
}

/// Moves everything from one folder to another, which is empty; takes it back where that fails.
fn fill(target: &Path, from: &Path) -> std::io::Result<()> {
    let mut moved = Vec::new();
    let result = std::fs::read_dir(from)?.try_for_each(|entry| {
        let entry = entry?;
        let to = target.join(entry.file_name());
        std::fs::rename(entry.path(), &to)?;
        moved.push((to, entry.path()));
        Ok(())
    });
    if result.is_err() {
        for (to, back) in moved {
            let _best_effort = std::fs::rename(to, back);
        }
    }
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn file(path: &'static str) -> File {
        File { path, text: "text".to_owned() }
    }

    #[test]
    fn it_is_whole_or_not_there() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("a/new");
        write(&target, &[file("src/lib.rs"), file("test.sh")]).unwrap();
        assert_eq!(std::fs::read_to_string(target.join("src/lib.rs")).unwrap(), "text");
        assert_eq!(std::fs::metadata(target.join("test.sh")).unwrap().permissions().mode() & 0o100, 0o100);
        assert!(check_free(&target).unwrap_err().to_string().contains("is not empty"));
        write(&target, &[file("other")]).unwrap_err();
        assert!(!target.join("other").exists());

        // A file can't be a folder: nothing of it stays.
        write(&home.path().join("b"), &[file("x"), file("x/y")]).unwrap_err();
        let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["a"]);
    }

    #[test]
    fn an_empty_folder_is_used() {
        let home = tempfile::tempdir().unwrap();
        check_free(home.path()).unwrap();
        let before = std::fs::metadata(home.path()).unwrap().ino();
        write(home.path(), &[file("x"), file("src/y")]).unwrap();
        assert!(home.path().join("x").is_file() && home.path().join("src/y").is_file());
        assert_eq!(std::fs::metadata(home.path()).unwrap().ino(), before, "a shell that is in it stays in it");
        assert!(check_free(&home.path().join("x")).is_err());
    }
}
