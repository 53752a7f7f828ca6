//! The subcommand: what is asked for, and what is said when it is done.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::folder;
use super::name::check_name;
use super::sdk;
use super::templates::{Facts, Template};
use crate::cli::project::{C_ADVICE, go, has_c_for_wasm, has_zig};
use crate::cli::terminal::{self, Colours, Tone};

/// Make a folder with a new handler, ready to build, test and deploy
///
/// A Rust handler is a typed function, made with the SDK. A plain command (--plain, and every other language) is a
/// program that reads its payload from standard input and writes its output to standard output.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker new greet                    a handler in Rust
  stoker new greet --plain            a plain command in Rust
  stoker new checksum --lang c        a plain command in C
  stoker new words --lang go --path jobs/words")]
pub(in crate::cli) struct Arguments {
    /// The module's name; also that of the folder and of the first kind
    name: String,
    /// A plain command instead of a handler (Rust; other languages are always plain)
    #[arg(long)]
    plain: bool,
    /// The language
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// The folder to make; must be empty if it exists [default: NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The folder of the crate `stoker-sdk` [default: that of the checkout this program was built in, else of the one around
    /// the current folder]
    #[arg(long, env = "STOKER_SDK", value_name = "DIR")]
    sdk: Option<PathBuf>,
    /// Print what was made as JSON, and nothing else
    #[arg(long)]
    json: bool,
}

/// What a module can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Rust,
    C,
    Go,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let template = match (arguments.lang, arguments.plain) {
        (Language::Rust, false) => Template::Handler,
        (Language::Rust, true) => Template::PlainRust,
        (Language::C, _) => Template::C,
        (Language::Go, _) => Template::Go,
    };
    check_name(&arguments.name, template)?;
    let target = arguments.path.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let target = std::path::absolute(&target).with_context(|| format!("`{}` is no path", target.display()))?;
    folder::check_free(&target)?;
    let (build, note) = toolchain(template);
    let sdk = match template {
        Template::Handler => Some(sdk::find(arguments.sdk.as_deref())?),
        Template::PlainRust | Template::C | Template::Go => None,
    };
    let written = sdk.as_ref().map(|sdk| sdk::written_from(sdk, &target)).unwrap_or_default();
    let files = template.files(&Facts { name: &arguments.name, sdk: &written, build });
    folder::write(&target, &files)?;
    if arguments.json {
        let names: Vec<&str> = files.iter().map(|file| file.path).collect();
        terminal::print(&serde_json::to_string(
            &json!({"name": arguments.name, "folder": target, "files": names, "sdk": sdk, "note": note}),
        )?)?;
    } else {
        let made = Made { template, target: &target, sdk: sdk.as_deref(), note: note.as_deref() };
        terminal::print(&told(&arguments.name, &made, Colours::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The compiler to write into `handler.toml`, and what must be installed first.
fn toolchain(template: Template) -> (&'static [&'static str], Option<String>) {
    const CLANG: &[&str] = &["clang", "--target=wasm32-wasi"];
    match template {
        Template::Handler | Template::PlainRust => (&[], missing_rust(template)),
        Template::Go => (&[], go("go", Path::new(".")).err().map(|error| error.to_string())),
        Template::C if has_c_for_wasm() => (CLANG, None),
        Template::C => match has_zig() {
            Some(["zig"]) => (&["zig", "cc", "-target", "wasm32-wasi"], None),
            Some(_) => (&["python3", "-m", "ziglang", "cc", "-target", "wasm32-wasi"], None),
            None => (CLANG, Some(format!("a C compiler for WebAssembly is missing; {C_ADVICE}"))),
        },
    }
}

fn missing_rust(template: Template) -> Option<String> {
    let target = if template == Template::Handler { "wasm32-wasip2" } else { "wasm32-wasip1" };
    let output = std::process::Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let Ok(output) = output else {
        return Some("Rust is missing; install it, e.g. through https://rustup.rs".to_owned());
    };
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let is_missing = output.status.success() && !libraries.is_dir();
    is_missing.then(|| format!("the Rust toolchain can't build for {target} yet; run: rustup target add {target}"))
}

/// What there is now.
struct Made<'m> {
    template: Template,
    target: &'m Path,
    sdk: Option<&'m Path>,
    /// What is missing to build it.
    note: Option<&'m str>,
}

fn told(name: &str, made: &Made<'_>, colours: Colours) -> String {
    let Made { template, target, sdk, note } = *made;
    let here = std::env::current_dir().ok();
    let shown = here.as_deref().and_then(|here| target.strip_prefix(here).ok()).unwrap_or(target);
    let shown = if shown.as_os_str().is_empty() { ".".to_owned() } else { shown.display().to_string() };
    let mut rows = vec![format!("made {}: {}", colours.paint(Tone::Strong, &shown), template.description())];
    rows.extend(sdk.map(|sdk| format!("  with the SDK in {}", terminal::line(&sdk.display().to_string()))));
    if let Some(note) = note {
        rows.extend([String::new(), colours.paint(Tone::Notable, &format!("first: {note}"))]);
    }
    let payload = match template {
        Template::Handler => "'{\"name\": \"Ada\"}'",
        _ => "--text hello",
    };
    let folder = if shown.contains(' ') { format!("'{shown}'") } else { shown };
    let steps = [
        (format!("cd {folder}"), "README.md says what is where"),
        (template.test_command().to_owned(), template.test_description()),
        ("stoker dev".to_owned(), "builds and deploys at every change, shows each job; starts a host if none runs"),
        (format!("stoker enqueue {name} {payload} --wait"), "in another terminal"),
    ];
    let width = steps.iter().map(|(step, _)| step.chars().count()).max().unwrap_or_default();
    rows.extend([String::new(), "next:".to_owned()]);
    rows.extend(
        steps
            .iter()
            .map(|(step, why)| format!("  {step:<width$}  {}", colours.paint(Tone::Faint, &format!("# {why}")))),
    );
    rows.join("\n")
}
