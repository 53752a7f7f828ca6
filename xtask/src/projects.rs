//! Guests of other languages: every `jobs/*/handler.toml` without a `Cargo.toml`, built by its own command into
//! `target/guests/NAME.wasm`. One whose compiler is absent is skipped with a line that says how to get it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::cargo::{run, say};
use crate::compilers::Language;
use crate::guests::install;
use crate::setup;
use crate::workspace::{self, Workspace};

/// Where such guests are.
const FOLDER: &str = "jobs";
const MANIFEST: &str = "handler.toml";

/// What a `handler.toml` says about building.
#[derive(Debug, PartialEq, Eq)]
struct Project {
    name: String,
    /// The command's words; the first is the compiler.
    build: Vec<String>,
    build_env: Vec<(String, String)>,
    wasm: PathBuf,
}

/// Builds all of them whose compilers are there, or can be installed where `STOKER_ALL_LANGUAGES` asks for it. Gives the
/// names of the others.
pub(crate) fn build_all(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let tools = workspace.target_dir.join("tools");
    let mut skipped = Vec::new();
    for folder in folders(&workspace::root().join(FOLDER))? {
        let manifest = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let project = parse(&text).with_context(|| format!("{}", manifest.display()))?;
        let Some(compiler) = compiler(&project, &tools).with_context(|| format!("{}", folder.display()))? else {
            skipped.push(project.name);
            continue;
        };
        let mut command = Command::new(&compiler[0]);
        command.args(&compiler[1..]).args(&project.build[1..]).current_dir(&folder);
        command.envs(project.build_env.iter().map(|(name, value)| (name, value)));
        run(&mut command).with_context(|| format!("building {}", folder.display()))?;
        let to = workspace.guests_dir().join(format!("{}.wasm", project.name));
        let bytes = install(&folder.join(&project.wasm), &to)?;
        say(&format!("{bytes:>9} bytes  {}.wasm", project.name));
    }
    Ok(skipped)
}

/// The words that stand for the compiler on this machine; none if it is absent and need not be there.
fn compiler(project: &Project, tools: &Path) -> anyhow::Result<Option<Vec<PathBuf>>> {
    let program = &project.build[0];
    let Some(language) = Language::of_compiler(program) else {
        return Ok(Some(vec![program.into()]));
    };
    if let Some(found) = language.compiler(tools) {
        return Ok(Some(found));
    }
    if setup::all_languages() {
        return language.install(tools).map(Some);
    }
    say(&format!("skipped {}: {}", project.name, language.advice()));
    Ok(None)
}

fn folders(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| folder.join(MANIFEST).is_file() && !folder.join("Cargo.toml").is_file())
        .collect();
    folders.sort();
    Ok(folders)
}

fn parse(text: &str) -> anyhow::Result<Project> {
    let table: toml::Table = text.parse()?;
    let word = |key: &str| {
        let value = table.get(key).and_then(toml::Value::as_str).filter(|text| !text.is_empty());
        value.map(ToOwned::to_owned).with_context(|| format!("`{key}` must be a text, like {key} = \"checksum.wasm\""))
    };
    let build: Option<Vec<String>> = table
        .get("build")
        .and_then(toml::Value::as_array)
        .and_then(|words| words.iter().map(|word| word.as_str().map(ToOwned::to_owned)).collect());
    let build = build
        .filter(|words| !words.is_empty())
        .context("`build` must be the words of a command, like build = [\"clang\", \"main.c\"]")?;
    let build_env = match table.get("build_env") {
        None => Vec::new(),
        Some(variables) => variables
            .as_table()
            .and_then(|table| {
                table.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
            })
            .context("[build_env] must hold texts, like GOOS = \"wasip1\"")?,
    };
    Ok(Project { name: word("name")?, build, build_env, wasm: word("wasm")?.into() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_how_to_build() {
        let text = "name = \"words\"\nbuild = [\"go\", \"build\"]\nwasm = \"w.wasm\"\n[build_env]\nGOOS = \"wasip1\"\n";
        let expected = Project {
            name: "words".into(),
            build: vec!["go".into(), "build".into()],
            build_env: vec![("GOOS".into(), "wasip1".into())],
            wasm: "w.wasm".into(),
        };
        assert_eq!(parse(text).unwrap(), expected);
        for (from, to, key) in [
            ("name = \"words\"", "", "`name`"),
            ("\"w.wasm\"", "7", "`wasm`"),
            ("[\"go\", \"build\"]", "[]", "`build`"),
            ("[\"go\", \"build\"]", "\"go build\"", "`build`"),
            ("GOOS = \"wasip1\"", "GOOS = 1", "[build_env]"),
        ] {
            let error = parse(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with(key), "{to}: {error}");
        }
    }

    #[test]
    fn projects_are_the_folders_with_a_manifest_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        for file in ["go/handler.toml", "rust/handler.toml", "rust/Cargo.toml", "plain/README.md"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(folders(root.path()).unwrap(), [root.path().join("go")]);
    }

    #[test]
    fn every_project_of_this_repository_can_be_read_and_its_compiler_is_known() {
        let folders = folders(&workspace::root().join(FOLDER)).unwrap();
        assert!(!folders.is_empty());
        for folder in folders {
            let project = parse(&std::fs::read_to_string(folder.join(MANIFEST)).unwrap()).unwrap();
            assert!(Language::of_compiler(&project.build[0]).is_some(), "{}", folder.display());
        }
    }
}
