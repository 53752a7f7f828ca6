//! What is deployed: which file, under which name. The one place that knows how a TARGET becomes a module.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::terminal::line;
use crate::job::ModuleName;

/// Largest file that is read at all, bytes; the host has its own, lower limit.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The file TARGET stands for, and the name it has unless another is chosen.
pub(super) fn module_file(target: &Path, name: Option<&ModuleName>) -> anyhow::Result<(PathBuf, ModuleName)> {
    anyhow::ensure!(
        !target.is_dir(),
        "{} is a folder; name the module that was built in it, e.g. {}",
        target.display(),
        target.join("target/wasm32-wasip2/release/NAME.wasm").display()
    );
    let name = name.cloned().map_or_else(|| name_of(target), Ok)?;
    Ok((target.to_owned(), name))
}

fn name_of(file: &Path) -> anyhow::Result<ModuleName> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().with_context(|| format!("`{}` gives no module name; choose one with --name", line(&stem)))
}

/// The file's bytes.
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

#[cfg(test)]
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
}
