//! The files of a new project: real files in `templates/`, with `{{words}}` where the project's facts go.

/// What a new project can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// A handler component in Rust.
    Handler,
    /// A plain command in Rust.
    PlainRust,
    /// … in C.
    C,
    /// … in Go.
    Go,
}

/// What differs from project to project.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Of module, package and first kind.
    pub(super) name: &'a str,
    /// The SDK's folder as the manifest names it.
    pub(super) sdk: &'a str,
    /// Of C: compiler and target.
    pub(super) build: &'a [&'a str],
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Below the project's folder.
    pub(super) path: &'static str,
    pub(super) text: String,
}

macro_rules! files {
    ($folder:literal: $($path:literal from $template:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("templates/", $folder, "/", $template)))),+]
    };
}

const HANDLER: &[(&str, &str)] = files!("handler":
    "Cargo.toml" from "Cargo.toml.template", "src/lib.rs" from "src/lib.rs", "tests/sandbox.rs" from "tests/sandbox.rs",
    "README.md" from "README.md", ".gitignore" from "gitignore");
const PLAIN_RUST: &[(&str, &str)] = files!("plain":
    "Cargo.toml" from "Cargo.toml.template", "handler.toml" from "handler.toml", "src/main.rs" from "src/main.rs",
    "tests/sandbox.rs" from "tests/sandbox.rs", "README.md" from "README.md", ".gitignore" from "gitignore");
const C: &[(&str, &str)] = files!("c":
    "main.c" from "main.c", "handler.toml" from "handler.toml", "test.sh" from "test.sh", "README.md" from "README.md",
    ".gitignore" from "gitignore");
const GO: &[(&str, &str)] = files!("go":
    "go.mod" from "go.mod.template", "main.go" from "main.go", "main_test.go" from "main_test.go",
    "handler.toml" from "handler.toml", "README.md" from "README.md", ".gitignore" from "gitignore");
/// What C is compiled with, after the compiler and its target.
const C_ARGUMENTS: [&str; 4] = ["-Os", "-Wall", "-Wl,--strip-debug", "-o"];

impl Template {
    /// The project's files.
    pub(super) fn files(self, facts: &Facts<'_>) -> Vec<File> {
        let sources = match self {
            Template::Handler => HANDLER,
            Template::PlainRust => PLAIN_RUST,
            Template::C => C,
            Template::Go => GO,
        };
        sources.iter().map(|(path, text)| File { path, text: filled(text, facts) }).collect()
    }

    /// In a few words.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Template::Handler => "a handler in Rust",
            Template::PlainRust => "a plain command in Rust",
            Template::C => "a plain command in C",
            Template::Go => "a plain command in Go",
        }
    }

    /// What tests it.
    pub(super) const fn test_command(self) -> &'static str {
        match self {
            Template::Handler | Template::PlainRust => "cargo test",
            Template::C => "sh test.sh",
            Template::Go => "go test ./...",
        }
    }

    /// What that does.
    pub(super) const fn test_description(self) -> &'static str {
        match self {
            Template::Handler | Template::PlainRust => "the function on this machine, then the module in the sandbox",
            Template::C => "builds the module and runs it in the sandbox",
            Template::Go => "the function on this machine",
        }
    }
}

fn filled(text: &str, facts: &Facts<'_>) -> String {
    let Facts { name, sdk, build } = facts;
    let identifier = name.replace('-', "_");
    let module = format!("{name}.wasm");
    let words = build.iter().chain(&C_ARGUMENTS).copied().chain([module.as_str(), "main.c"]);
    let build: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    text.replace("{{name}}", name)
        .replace("{{crate}}", &identifier)
        .replace("{{function}}", &identifier)
        .replace("{{sdk}}", sdk)
        .replace("{{build}}", &format!("[{}]", build.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_filled_and_every_file_is_there() {
        let facts = Facts { name: "word-count", sdk: "../guest-sdk", build: &["clang", "--target=wasm32-wasi"] };
        for template in [Template::Handler, Template::PlainRust, Template::C, Template::Go] {
            let files = template.files(&facts);
            for file in &files {
                assert!(!file.text.contains("{{"), "{template:?} {}:\n{}", file.path, file.text);
            }
            let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.clone());
            assert!(text("README.md").unwrap().contains("# word-count"));
            assert!(text(".gitignore").unwrap().contains("/.stoker/"));
            for manifest in ["Cargo.toml", "handler.toml"] {
                if let Some(text) = text(manifest) {
                    toml::from_str::<toml::Table>(&text).unwrap();
                }
            }
        }
        let files = Template::C.files(&facts);
        let manifest = &files.iter().find(|file| file.path == "handler.toml").unwrap().text;
        let built = r#"build = ["clang", "--target=wasm32-wasi", "-Os", "-Wall", "#;
        assert!(manifest.contains(built), "{manifest}");
        assert!(manifest.contains(r#""-o", "word-count.wasm", "main.c"]"#), "{manifest}");
    }
}
