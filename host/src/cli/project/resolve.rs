//! From what a person names, a file or a folder, to a module: finds out what kind of project it is and has it built.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::built::Built;
use super::cargo::{self, CARGO_MANIFEST_FILE, Product};
use super::command;
use super::manifest::{MANIFEST_FILE, Manifest};
use super::process::Interrupt;
use crate::job::ModuleName;

/// Something a module can be got from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Project {
    /// A module that is there.
    File(PathBuf),
    /// A folder to build, by its absolute path.
    Folder(PathBuf),
}

/// The module at `target`: the file, or what the project in the folder builds to, under this name if one is chosen.
/// `say` is told what is run.
pub(in crate::cli) fn resolve(
    target: &Path,
    name: Option<&ModuleName>,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Built> {
    Project::find(target)?.built_as(name, say)
}

impl Project {
    /// What `target` is. Looks, and builds nothing.
    pub(in crate::cli) fn find(target: &Path) -> anyhow::Result<Project> {
        let metadata = std::fs::metadata(target);
        let metadata = metadata.with_context(|| format!("no file or folder {}", target.display()))?;
        if !metadata.is_dir() {
            return Ok(Project::File(target.to_owned()));
        }
        let folder = std::fs::canonicalize(target).with_context(|| format!("cannot open {}", target.display()))?;
        if ![CARGO_MANIFEST_FILE, MANIFEST_FILE].iter().any(|file| folder.join(file).is_file()) {
            bail!(
                "there is no project in {}: neither {CARGO_MANIFEST_FILE} nor {MANIFEST_FILE}. Make one with \
                 `stoker new NAME`, or name another folder or a .wasm file",
                folder.display()
            );
        }
        Ok(Project::Folder(folder))
    }

    /// Its module, under this name if one is chosen. `say` is told what is run.
    pub(in crate::cli) fn built_as(
        &self,
        name: Option<&ModuleName>,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Built> {
        match (self, name) {
            (Project::File(wasm), Some(name)) => {
                Ok(Built { wasm: wasm.clone(), module: name.clone(), settings: None, folder: None })
            }
            (project, Some(name)) => Ok(Built { module: name.clone(), ..project.build(say, None)? }),
            (project, None) => project.build(say, None),
        }
    }

    /// The folder it is built in.
    pub(in crate::cli) fn folder(&self) -> Option<&Path> {
        match self {
            Project::File(_) => None,
            Project::Folder(folder) => Some(folder),
        }
    }

    /// What to watch for changes: these files and folders, or everything in the folder.
    pub(in crate::cli) fn watched(&self) -> Vec<PathBuf> {
        match self {
            Project::File(file) => vec![file.clone()],
            Project::Folder(folder) => {
                // One that can't be read now is told by the build.
                let manifest = Manifest::read(folder).ok().flatten().unwrap_or_default();
                match manifest.watch {
                    Some(paths) => {
                        let paths = paths.iter().map(|path| folder.join(path));
                        paths.chain([folder.join(MANIFEST_FILE)]).collect()
                    }
                    None => vec![folder.clone()],
                }
            }
        }
    }

    /// What the build makes in the folder, where it is known beforehand: no reason to build again.
    pub(in crate::cli) fn made(&self) -> Option<PathBuf> {
        let folder = self.folder()?;
        Manifest::read(folder).ok().flatten()?.wasm.map(|wasm| folder.join(wasm))
    }

    /// Builds it. `interrupt` can end that from another thread.
    pub(in crate::cli) fn build(
        &self,
        say: &mut dyn FnMut(&str),
        interrupt: Option<&Interrupt>,
    ) -> anyhow::Result<Built> {
        let folder = match self {
            Project::File(file) => {
                return Ok(Built { wasm: file.clone(), module: name_of(file)?, settings: None, folder: None });
            }
            Project::Folder(folder) => folder,
        };
        if !folder.is_dir() {
            bail!("the folder {} is gone; once it is there again it can be built", folder.display());
        }
        let manifest = Manifest::read(folder)?;
        if manifest.is_none() && !folder.join(CARGO_MANIFEST_FILE).exists() {
            bail!("the project in {} is gone; once it is there again it can be built", folder.display());
        }
        let Manifest { name, build, wasm, test: _, watch: _, build_env, settings } = manifest.unwrap_or_default();
        if let (Some(build), Some(wasm)) = (build, wasm) {
            let module =
                name.context("handler.toml: `name` is missing: the module's name, e.g. name = \"checksum\"")?;
            let wasm = command::build(folder, &build, build_env, &wasm, say, interrupt)?;
            return Ok(Built { wasm, module, settings, folder: Some(folder.clone()) });
        }
        if !folder.join(CARGO_MANIFEST_FILE).is_file() {
            bail!(
                "{}: without a {CARGO_MANIFEST_FILE} it must say how to build: build = [\"program\", \"argument\"] and \
                 wasm = \"the file that makes\"",
                folder.join(MANIFEST_FILE).display()
            );
        }
        let package = cargo::package(folder)?;
        if package.product == Product::Handler && settings.is_some() {
            bail!(
                "{}: [settings] is for plain commands; those of a handler stand in its code, as in \
                 #[handler(kind = \"…\", timeout = \"5s\")]",
                folder.join(MANIFEST_FILE).display()
            );
        }
        let module = match name {
            Some(name) => name,
            None => package.name.parse().with_context(|| {
                format!(
                    "the package's name `{}` is no module name; choose one: name = \"…\" in {MANIFEST_FILE}",
                    package.name
                )
            })?,
        };
        let wasm = cargo::build(folder, &package, say, interrupt)?;
        Ok(Built { wasm, module, settings, folder: Some(folder.clone()) })
    }
}

/// A file's name without its extension.
fn name_of(file: &Path) -> anyhow::Result<ModuleName> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().with_context(|| format!("`{stem}` gives no module name; choose one with --name, or rename the file"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn refused(files: &[(&str, &str)]) -> String {
        let folder = folder(files);
        format!("{:#}", resolve(folder.path(), None, &mut |_| {}).unwrap_err())
    }

    #[test]
    fn a_file_passes_through() {
        let folder = folder(&[("mail.wasm", "whatever"), ("a b.wasm", "")]);
        let file = folder.path().join("mail.wasm");
        let built = resolve(&file, None, &mut |_| panic!("nothing is run")).unwrap();
        assert_eq!(built, Built { wasm: file, module: "mail".parse().unwrap(), settings: None, folder: None });
        let refused = resolve(&folder.path().join("a b.wasm"), None, &mut |_| {}).unwrap_err();
        assert!(format!("{refused:#}").contains("--name"), "{refused:#}");
        let refused = resolve(&folder.path().join("none.wasm"), None, &mut |_| {}).unwrap_err();
        assert!(format!("{refused:#}").contains("no file or folder"), "{refused:#}");
    }

    #[test]
    fn a_project_of_any_language_is_built_by_its_command() {
        let manifest = "name = \"copy\"\nbuild = [\"sh\", \"-c\", \"cp $FROM out.wasm\"]\nwasm = \"out.wasm\"\n\
                        [build_env]\nFROM = \"in.txt\"\n[settings]\nstdin = \"text\"\n";
        let folder = folder(&[(MANIFEST_FILE, manifest), ("in.txt", "made")]);
        let mut said = Vec::new();
        let built = resolve(folder.path(), None, &mut |line| said.push(line.to_owned())).unwrap();
        assert_eq!(std::fs::read_to_string(&built.wasm).unwrap(), "made");
        assert_eq!((built.module.as_str(), built.settings.is_some()), ("copy", true));
        assert_eq!(built.folder, std::fs::canonicalize(folder.path()).ok());
        assert_eq!(said, ["$ sh -c cp $FROM out.wasm"]);
        assert_eq!(Project::find(folder.path()).unwrap().made(), Some(built.wasm));
    }

    #[test]
    fn what_can_not_be_built_says_what_to_change() {
        for (files, said) in [
            (&[][..], "neither Cargo.toml nor handler.toml. Make one with `stoker new NAME`"),
            (&[(MANIFEST_FILE, "name = \"x\"")], "it must say how to build"),
            (&[(MANIFEST_FILE, "build = [\"true\"]\nwasm = \"x\"")], "`name` is missing"),
            (&[(MANIFEST_FILE, "name = \"x\"\nbuild = [\"true\"]\nwasm = \"x\"")], "the build made no"),
            (&[(MANIFEST_FILE, "name = \"x\"\nbuild = [\"false\"]\nwasm = \"x\"")], "`false` failed (exit status: 1)"),
            (&[("Cargo.toml", "[package]\nname = 1\n")], "cargo can't read this package"),
        ] {
            let refused = refused(files);
            assert!(refused.contains(said), "{files:?}: {refused}");
        }
    }

    #[test]
    fn a_project_that_has_gone_since_it_was_found_is_told_as_gone() {
        let folder = folder(&[(MANIFEST_FILE, "name = \"x\"\nbuild = [\"true\"]\nwasm = \"x\"")]);
        let project = Project::find(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join(MANIFEST_FILE)).unwrap();
        let refused = format!("{:#}", project.build(&mut |_| {}, None).unwrap_err());
        assert!(refused.starts_with("the project in ") && refused.contains("is gone; once it is"), "{refused}");
    }

    #[test]
    fn the_manifest_says_what_is_watched() {
        let folder = folder(&[(MANIFEST_FILE, "watch = [\"main.c\"]"), ("Cargo.toml", "")]);
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let project = Project::find(folder.path()).unwrap();
        assert_eq!(project.watched(), [root.join("main.c"), root.join(MANIFEST_FILE)]);
        std::fs::remove_file(root.join(MANIFEST_FILE)).unwrap();
        assert_eq!(project.watched(), [root]);
    }
}
