//! `handler.toml`: what a project says about itself that its language's own files don't. Read strictly: an unknown key
//! or a wrong value is refused with its line.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::job::{ModuleName, SettingsWire, cut_quote};
use crate::regular_file;

/// Where it lies in a project.
pub(super) const MANIFEST_FILE: &str = "handler.toml";
/// Largest one read, bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Longest description of a mistake, bytes.
const MISTAKE_BYTES_MAX: usize = 512;
/// What a program with its arguments is, and a few paths.
const LIST_EXPECTED: &str = "expected a list, one item for each word, like [\"clang\", \"main.c\"]";

/// The file's content. Paths are relative to its folder and stay inside it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Manifest {
    /// The module's name.
    pub(super) name: Option<ModuleName>,
    /// Program and arguments that build it, run in the folder without a shell.
    pub(super) build: Option<Vec<String>>,
    /// What that makes.
    pub(super) wasm: Option<PathBuf>,
    /// Program and arguments that test it. For people and tools; nothing here runs it.
    pub(super) test: Option<Vec<String>>,
    /// What to watch for changes instead of the whole folder.
    pub(super) watch: Option<Vec<PathBuf>>,
    /// Environment variables of `build`, beside those of this process.
    pub(super) build_env: BTreeMap<String, String>,
    /// Of a plain command: what its kind is set to.
    pub(super) settings: Option<SettingsWire>,
}

impl Manifest {
    /// The one in `folder`; `None` where there is none.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Manifest>> {
        let path = folder.join(MANIFEST_FILE);
        let cannot_read = || format!("cannot read {}", path.display());
        let file = match regular_file::open_to_read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.with_context(cannot_read)?,
        };
        let mut text = String::new();
        file.take(MANIFEST_BYTES_MAX + 1).read_to_string(&mut text).with_context(cannot_read)?;
        if text.len() as u64 > MANIFEST_BYTES_MAX {
            bail!("{} is larger than 1 MiB; it should hold a few lines", path.display());
        }
        Manifest::from_toml(&text, &path).map(Some)
    }

    fn from_toml(text: &str, path: &Path) -> anyhow::Result<Manifest> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            // The word for it elsewhere.
            let message = error.message().trim_end().replace("expected a sequence", LIST_EXPECTED);
            let message = cut_quote(&message, MISTAKE_BYTES_MAX);
            anyhow::anyhow!("{}, line {line}: {message}", path.display())
        })?;
        manifest.check().with_context(|| path.display().to_string())?;
        Ok(manifest)
    }

    /// What one key can't know of another.
    fn check(&self) -> anyhow::Result<()> {
        let Manifest { name: _, build, wasm, test, watch, build_env, settings } = self;
        for (key, command) in [("build", build), ("test", test)] {
            if command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
                bail!("`{key}` names no program; write it as a list: {key} = [\"program\", \"argument\"]");
            }
        }
        match (build, wasm) {
            (Some(_), None) => bail!("`build` needs `wasm` beside it: the file it makes, relative to this folder"),
            (None, Some(_)) => bail!("`wasm` needs `build` beside it: the program that makes it, with its arguments"),
            (None, None) if !build_env.is_empty() => bail!("[build_env] has no effect without `build`; remove it"),
            _ => {}
        }
        for (key, path) in wasm.iter().map(|path| ("wasm", path)).chain(watch.iter().flatten().map(|p| ("watch", p))) {
            let is_inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if !is_inside || path.as_os_str().is_empty() {
                bail!("`{key}`: `{}` must be a path inside this folder, relative to it", path.display());
            }
        }
        if let Some(Err(errors)) = settings.clone().map(SettingsWire::into_domain) {
            let places: Vec<String> = errors
                .iter()
                .map(|error| format!("`settings{}`: {}", error.pointer.replace('/', "."), error.message))
                .collect();
            bail!("{}", places.join("; "));
        }
        Ok(())
    }
}

/// The line (from 1) that holds byte `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::job::{ExitFailure, StdinFormat};

    fn read(text: &str) -> anyhow::Result<Manifest> {
        Manifest::from_toml(text, Path::new("handler.toml"))
    }

    #[test]
    fn everything_a_project_can_say_is_read() {
        let manifest = read(
            r#"
            name = "checksum"
            build = ["clang", "main.c"]
            wasm = "out/checksum.wasm"
            test = ["sh", "test.sh"]
            watch = ["main.c", "include"]
            [build_env]
            GOOS = "wasip1"
            [settings]
            stdin = "text"
            exit_failure = "fatal"
            timeout = "5s"
            memory = "64MiB"
            retry = { strategy = "fixed", delay = "1s" }
            "#,
        )
        .unwrap();
        assert_eq!(manifest.name.unwrap().as_str(), "checksum");
        assert_eq!(manifest.wasm.unwrap(), Path::new("out/checksum.wasm"));
        assert_eq!(manifest.watch.unwrap().len(), 2);
        assert_eq!(manifest.build_env["GOOS"], "wasip1");
        let settings = manifest.settings.unwrap();
        assert_eq!((settings.stdin, settings.exit_failure), (Some(StdinFormat::Text), Some(ExitFailure::Fatal)));
        assert_eq!(read("").unwrap(), Manifest::default());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, said) in [
            ("name = \"a\"\nbulid = [\"cc\"]", "handler.toml, line 2: unknown field `bulid`"),
            ("name = \"no/slash\"", "line 1: a module name must be"),
            (
                "build = \"make\"",
                "line 1: invalid type: string \"make\", expected a list, one item for each word, like [\"clang\", \"main.c\"]",
            ),
            ("\n[settings]\nstdin = \"xml\"", "line 3: unknown variant `xml`"),
            ("[settings]\nstdinn = \"text\"", "line 2: unknown field `stdinn`"),
            ("[settings]\nmemory = \"lots\"", "line 2: `lots` is not a size"),
            ("[settings]\npriority = 11", "`settings.priority`: must be"),
            ("build = []\nwasm = \"a.wasm\"", "`build` names no program"),
            ("build = [\"make\"]", "`build` needs `wasm`"),
            ("wasm = \"a.wasm\"", "`wasm` needs `build`"),
            ("build = [\"make\"]\nwasm = \"../a.wasm\"", "`../a.wasm` must be a path inside this folder"),
            ("watch = [\"/etc\"]", "`/etc` must be a path inside this folder"),
            ("[build_env]\nGOOS = \"wasip1\"", "[build_env] has no effect"),
            ("= 1", "handler.toml, line 1:"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(said) && error.starts_with("handler.toml"), "{text:?}: {error}");
        }
    }
}
