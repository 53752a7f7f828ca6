//! `stoker deploy`: upload a module and make it the active version.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use http::Method;

use super::client::{Answer, Connection};
use super::quantities;
use super::terminal::{self, Colours, Tone, line};
use super::wire::Deployed;
use crate::job::ModuleName;

/// Largest file that is read at all, bytes; the host has its own, lower limit.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Compiling a large module takes its time on the host, which has its own limit.
const DEPLOY_MS_MAX: u64 = 600_000;

/// Upload a module and make it the active version
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker deploy target/wasm32-wasip2/release/hello.wasm
  stoker deploy build/v2.wasm --name hello")]
pub(super) struct Arguments {
    /// The module: a handler component, or a WASI command
    file: PathBuf,
    /// The module's name [default: the file's name without extension]
    #[arg(long)]
    name: Option<ModuleName>,
    /// Activate it although unfinished jobs need kinds it no longer serves; they will wait
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let name = arguments.name.clone().map_or_else(|| name_of(&arguments.file), Ok)?;
    let wasm = read(&arguments.file)?;
    let answer = client
        .call(Method::PUT, &format!("/v1/modules/{name}"))
        .query("force", arguments.force.then_some("true"))
        .patience(Duration::from_millis(DEPLOY_MS_MAX))
        .send_body("application/wasm", wasm)?;
    if arguments.connection.json {
        answer.print()?;
    } else {
        terminal::print(&shown(&answer, Colours::of_stdout())?)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn name_of(file: &Path) -> anyhow::Result<ModuleName> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().with_context(|| format!("`{}` gives no module name; choose one with --name", line(&stem)))
}

pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let context = || format!("cannot read {}", file.display());
    let mut wasm = Vec::new();
    std::fs::File::open(file)
        .with_context(context)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut wasm)
        .with_context(context)?;
    anyhow::ensure!(!wasm.is_empty(), "{} is empty", file.display());
    anyhow::ensure!(wasm.len() as u64 <= FILE_BYTES_MAX, "{} is larger than 1 GiB", file.display());
    Ok(wasm)
}

fn shown(answer: &Answer, colours: Colours) -> anyhow::Result<String> {
    let deployed: Deployed = answer.parse()?;
    let created = answer.status == 201;
    let headline = match (created, deployed.active) {
        (true, true) => "deployed: a new version is active",
        (false, true) => "unchanged: this version was stored before, and is active",
        (_, false) => "stored, not active",
    };
    let mut rows = vec![format!("{} {headline}", colours.paint(Tone::Strong, &line(&deployed.name)))];
    let mut fact = |name: &str, value: &str| {
        rows.push(format!("  {} {value}", colours.paint(Tone::Faint, &format!("{name:<8}"))));
    };
    let joined = |names: Vec<&str>| names.iter().map(|name| line(name)).collect::<Vec<_>>().join(", ");
    fact("kinds", &joined(deployed.kind_names()));
    let imports = joined(deployed.imports.iter().map(String::as_str).collect());
    fact("imports", if imports.is_empty() { "(none)" } else { &imports });
    fact("digest", &line(&deployed.digest));
    fact("size", &quantities::bytes(deployed.size_bytes));
    fact("compiled", &format!("in {}", quantities::micros(deployed.compile_ms.saturating_mul(1_000))));
    Ok(rows.join("\n"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_from_the_file() {
        for (file, name) in
            [("target/x/hello.wasm", Some("hello")), ("jaq", Some("jaq")), ("a b.wasm", None), ("..", None)]
        {
            assert_eq!(name_of(Path::new(file)).ok().map(|name| name.to_string()).as_deref(), name, "{file}");
        }
    }

    #[test]
    fn what_was_deployed_is_told() {
        let body = r#"{"name":"mail","digest":"sha256:ab","size_bytes":121139,"kinds":["email.send",{"name":"email.\u001bx"}],
            "imports":["wasi:clocks/wall-clock@0.2.3","stoker:handler/logging@1.0.0"],"compile_ms":812,"active":true}"#;
        insta::assert_snapshot!(shown(&Answer::for_test(201, body), Colours::Off).unwrap());
    }
}
