//! A Rust package: a `cdylib` library becomes a handler component, a program a plain command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::process::{self, Interrupt, Output, shown};
use super::toolchain;

/// Its presence makes a folder a Rust package.
pub(super) const CARGO_MANIFEST_FILE: &str = "Cargo.toml";
/// What handler components are built for.
const COMPONENT_TARGET: &str = "wasm32-wasip2";
/// What plain commands are built for.
const COMMAND_TARGET: &str = "wasm32-wasip1";

/// What a package makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// A handler component.
    Handler,
    /// A plain command: this program of the package.
    Command(String),
}

/// A package that can be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) product: Product,
}

/// What cargo knows of a workspace.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    default_run: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// One line of what cargo says while it builds.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|one| one == kind)
    }
}

/// The package whose manifest lies in `folder`.
pub(super) fn package(folder: &Path) -> anyhow::Result<Package> {
    let mut command = cargo(folder);
    command.args(["metadata", "--no-deps", "--format-version", "1"]).stdin(Stdio::null());
    let output = command.output().with_context(|| {
        format!("cannot run `{}`; install Rust, e.g. through https://rustup.rs", program().display())
    })?;
    if !output.status.success() {
        bail!("cargo can't read this package:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo's description of the package")?;
    chosen(metadata, folder)
}

/// Builds it and gives the file.
pub(super) fn build(
    folder: &Path,
    package: &Package,
    say: &mut dyn FnMut(&str),
    interrupt: Option<&Interrupt>,
) -> anyhow::Result<PathBuf> {
    let target = match package.product {
        Product::Handler => COMPONENT_TARGET,
        Product::Command(_) => COMMAND_TARGET,
    };
    toolchain::rust_for(&program(), target, folder)?;
    let mut command = cargo(folder);
    command.args(["build", "--release", "--target", target]);
    match &package.product {
        Product::Handler => command.arg("--lib"),
        Product::Command(name) => command.args(["--bin", name]),
    };
    say(&format!("$ {}", shown(&command)));
    command.args(["--message-format", "json-render-diagnostics"]);
    let messages = process::run(command, Output::Kept, interrupt)?;
    let manifest = folder.join(CARGO_MANIFEST_FILE);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|message| artifact(message, &manifest, &package.product))
        .context("the build made no .wasm file; does a `[build]` section or a `build.target` of cargo get in the way?")
}

fn chosen(metadata: Metadata, folder: &Path) -> anyhow::Result<Package> {
    let manifest = folder.join(CARGO_MANIFEST_FILE);
    let names: Vec<String> = metadata.packages.iter().map(|member| member.name.clone()).collect();
    let Some(member) = metadata.packages.into_iter().find(|member| member.manifest_path == manifest) else {
        bail!(
            "{} is a workspace without a package of its own; name the folder of one of: {}",
            folder.display(),
            names.join(", ")
        );
    };
    if member.targets.iter().any(|target| target.is("cdylib")) {
        return Ok(Package { name: member.name, product: Product::Handler });
    }
    let programs: Vec<String> =
        member.targets.into_iter().filter(|target| target.is("bin")).map(|target| target.name).collect();
    let wanted = member.default_run.as_ref().unwrap_or(&member.name);
    let program = match &programs[..] {
        [] => bail!(
            "the package `{}` makes no module: a handler needs `crate-type = [\"cdylib\", \"rlib\"]` under [lib] in \
             Cargo.toml, a plain command a src/main.rs",
            member.name
        ),
        [only] => only,
        several => several.iter().find(|program| *program == wanted).with_context(|| {
            format!(
                "the package has several programs ({}); name one as `default-run` in Cargo.toml",
                several.join(", ")
            )
        })?,
    };
    Ok(Package { name: member.name, product: Product::Command(program.clone()) })
}

/// The file a message tells of, if it is the one of this product.
fn artifact(message: Message, manifest: &Path, product: &Product) -> Option<PathBuf> {
    let is_it = match product {
        Product::Handler => message.target.is("cdylib"),
        Product::Command(name) => message.target.is("bin") && message.target.name == *name,
    };
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    (is_it && message.manifest_path == manifest).then(|| message.filenames.into_iter().find(is_wasm)).flatten()
}

fn program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// cargo in `folder`. Facts that a `cargo run` around this process left about another package are not for this one.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choice(targets: &[(&str, &str)], default_run: Option<&str>) -> Result<Product, String> {
        let targets: Vec<_> = targets.iter().map(|(name, kind)| json!({"name": name, "kind": [kind]})).collect();
        let metadata = json!({"packages": [
            {"name": "other", "manifest_path": "/w/other/Cargo.toml", "targets": [{"name": "other", "kind": ["bin"]}]},
            {"name": "mine", "manifest_path": "/w/mine/Cargo.toml", "targets": targets, "default_run": default_run},
        ]});
        let chosen = chosen(serde_json::from_value(metadata).unwrap(), Path::new("/w/mine"));
        chosen.map(|package| package.product).map_err(|error| error.to_string())
    }

    #[test]
    fn a_package_makes_one_module() {
        let command = |name: &str| Ok(Product::Command(name.to_owned()));
        assert_eq!(choice(&[("mine", "cdylib"), ("mine", "bin")], None), Ok(Product::Handler));
        assert_eq!(choice(&[("tool", "bin"), ("t", "test")], None), command("tool"));
        assert_eq!(choice(&[("a", "bin"), ("mine", "bin")], None), command("mine"));
        assert_eq!(choice(&[("a", "bin"), ("b", "bin")], Some("b")), command("b"));
        for (targets, said) in [
            (&[("a", "bin"), ("b", "bin")][..], "several programs (a, b); name one as `default-run`"),
            (&[("mine", "lib")], "crate-type = [\"cdylib\", \"rlib\"]"),
        ] {
            let refused = choice(targets, None).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn a_workspace_is_no_package() {
        let metadata = json!({"packages": [{"name": "a", "manifest_path": "/w/a/Cargo.toml", "targets": []}]});
        let refused = chosen(serde_json::from_value(metadata).unwrap(), Path::new("/w")).unwrap_err().to_string();
        assert!(refused.contains("name the folder of one of: a"), "{refused}");
    }

    #[test]
    fn the_file_is_the_packages_own() {
        let message = |manifest: &str, kind: &str, file: &str| -> Message {
            serde_json::from_value(json!({"reason": "compiler-artifact", "manifest_path": manifest,
                "target": {"name": "mine", "kind": [kind, "rlib"]}, "filenames": ["/t/libmine.rlib", file]}))
            .unwrap()
        };
        let manifest = Path::new("/w/mine/Cargo.toml");
        let found = |message: Message, product: &Product| artifact(message, manifest, product);
        let wasm = Some(PathBuf::from("/t/mine.wasm"));
        assert_eq!(found(message("/w/mine/Cargo.toml", "cdylib", "/t/mine.wasm"), &Product::Handler), wasm);
        assert_eq!(found(message("/w/mine/Cargo.toml", "bin", "/t/mine.wasm"), &Product::Command("mine".into())), wasm);
        assert_eq!(found(message("/w/mine/Cargo.toml", "bin", "/t/mine.wasm"), &Product::Command("b".into())), None);
        assert_eq!(found(message("/w/other/Cargo.toml", "cdylib", "/t/mine.wasm"), &Product::Handler), None);
        assert_eq!(found(message("/w/mine/Cargo.toml", "cdylib", "/t/mine.so"), &Product::Handler), None);
    }
}
