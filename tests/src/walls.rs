//! Reads the host's sources and finds what a folder must not name. Comments and texts don't count.

use std::path::{Path, PathBuf};

use crate::child::workspace_root;

/// A source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Relative to `host/src`, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
}

impl Source {
    /// Whether it lies in one of these folders (or is one of these files) of `host/src`.
    pub fn is_in(&self, places: &[&str]) -> bool {
        places
            .iter()
            .any(|place| self.path == *place || self.path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Lines (numbered from 1) that name one of `names` as a path's beginning or part: `tokio::…`, `use tokio;`,
    /// `std::fs`, `.await`.
    pub fn lines_naming(&self, names: &[&str]) -> Vec<(usize, String)> {
        let code = without_comments_and_texts(&self.text);
        let found = code.lines().enumerate().filter(|(_, line)| names.iter().any(|name| names_it(line, name)));
        found.map(|(index, line)| (index + 1, line.trim().to_owned())).collect()
    }
}

/// Every `.rs` file below `host/src`.
pub fn host_sources() -> Vec<Source> {
    let root = workspace_root().join("host/src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let read = |path: &PathBuf| Source {
        path: path.strip_prefix(&root).expect("below the root").display().to_string(),
        text: std::fs::read_to_string(path).expect("a source can be read"),
    };
    files.iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether `line` has `name` as a whole path: nothing that could belong to an identifier on either side. Names of
/// crates (no `:` or `.` in them) count only where a path can be: before `::`, or in a `use` or `extern crate`.
fn names_it(line: &str, name: &str) -> bool {
    let belongs = |c: char| c.is_alphanumeric() || c == '_';
    let is_crate = name.chars().all(belongs) && name.starts_with(|c: char| c.is_lowercase());
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let joined_before = name.starts_with(belongs) && before.is_some_and(belongs);
        let whole = !joined_before && !after.starts_with(belongs);
        let imports = line.trim_start().trim_start_matches("pub ").starts_with("use ") || line.contains("extern crate");
        whole && (!is_crate || (after.starts_with("::") && before != Some(':')) || (imports && before == Some(' ')))
    })
}

/// The code with comments and the insides of texts blanked; lines stay lines.
fn without_comments_and_texts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text_length(rest, out.chars().next_back()) {
            length
        } else if c == '"' {
            text_length(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        out.push(' ');
        rest = &rest[skipped..];
    }
    out
}

/// Length of a `r#"…"#` at the beginning of `rest`.
fn raw_text_length(rest: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).unwrap_or(inside.len());
    Some((2 + hashes + length + end.len()).min(rest.len()))
}

/// Length of a `"…"` at the beginning of `rest`.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, names: &[&str]) -> Vec<usize> {
        let source = Source { path: "job/x.rs".into(), text: text.into() };
        source.lines_naming(names).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn code_counts_and_comments_and_texts_do_not() {
        let text = "//! tokio::spawn\nuse tokio;\nlet a = \"tokio::x \\\" tokio::y\";\n/* tokio::z\n */ tokio::w();\n\
                    let b = r#\"tokio::v \"quoted\" \"#;\nlet c = '\"'; tokio::u();\n";
        assert_eq!(lines(text, &["tokio"]), [2, 5, 7]);
    }

    #[test]
    fn only_whole_names_count() {
        let text = "use my_tokio::x;\nlet tokio = 1;\ncrate::tokio::x();\nstd::fs::read();\nstd::fsync();\na.await?;\n\
                    fn f(now: Instant) {}\nInstantaneous::new();\npub use axum::Router;\n";
        assert_eq!(lines(text, &["tokio"]), Vec::<usize>::new());
        assert_eq!(lines(text, &["std::fs"]), [4]);
        assert_eq!(lines(text, &[".await"]), [6]);
        assert_eq!(lines(text, &["Instant"]), [7]);
        assert_eq!(lines(text, &["axum"]), [9]);
    }

    #[test]
    fn folders_are_whole_names_too() {
        let source = Source { path: "store/floor.rs".into(), text: String::new() };
        assert!(source.is_in(&["api", "store"]));
        assert!(!source.is_in(&["stor", "store/floor"]));
        assert!(source.is_in(&["store/floor.rs"]));
    }
}
