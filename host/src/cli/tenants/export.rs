//! `stoker tenants export`: everything a tenant has, complete in a file or not there at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::super::client::Connection;
use super::super::{quantities, terminal};
use super::path;
use crate::job::TenantName;

/// Longest line read: a job's payload, output and history, or a piece of a module, bytes.
const LINE_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The tenant
    name: TenantName,
    /// Where to put it; must not exist
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let file = &arguments.file;
    anyhow::ensure!(
        file.as_os_str() != "-",
        "an export is complete in a file or not there at all, so it goes to no pipe; name a file"
    );
    anyhow::ensure!(!file.exists(), "{} exists already and is not overwritten; choose another name", file.display());
    let client = arguments.connection.client()?;
    let call = client.get(&format!("{}/export", path(&arguments.name))).streamed();
    let mut response = call.begin("application/json", Vec::new())?;
    let (lines, bytes) = keep(response.body_mut().as_reader(), file)?;
    if arguments.connection.json {
        terminal::print(&json!({ "file": file.to_string_lossy(), "lines": lines, "bytes": bytes }).to_string())?;
    } else {
        let size = quantities::bytes(bytes);
        terminal::print(&format!("{} holds tenant {}: {lines} lines, {size}", file.display(), arguments.name))?;
    }
    Ok(())
}

/// Writes every line to a file beside `file`, which gets its name once the last one is the end of an export.
fn keep(source: impl Read, file: &Path) -> anyhow::Result<(u64, u64)> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().with_context(|| format!("{} names no file", file.display()))?.to_string_lossy();
    let context = || format!("cannot write the export to {}", directory.display());
    // Readable by its owner only: it holds every payload.
    let mut partial =
        tempfile::Builder::new().prefix(&*name).suffix(".tmp").tempfile_in(directory).with_context(context)?;
    let mut source = BufReader::new(source);
    let (mut lines, mut bytes, mut line) = (0_u64, 0_u64, Vec::new());
    loop {
        let mut next = Vec::new();
        let read = source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut next);
        if read.context("the export broke off")? == 0 {
            break;
        }
        partial.write_all(&next).with_context(context)?;
        (lines, bytes, line) = (lines + 1, bytes + next.len() as u64, next);
    }
    let last: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
    let is_whole = last["type"] == "end" && last["lines"] == lines;
    anyhow::ensure!(is_whole, "the export broke off after {lines} lines; ask for it again");
    partial.as_file().sync_all().with_context(context)?;
    partial.persist_noclobber(file).with_context(|| format!("cannot name the export {}", file.display()))?;
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).with_context(context)?;
    Ok((lines, bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_export_gets_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("acme.ndjson");
        for broken in ["", "{\"type\":\"tenant\"}\n", "{\"type\":\"tenant\"}\n{\"type\":\"end\",\"lines\":3}\n"] {
            assert!(keep(broken.as_bytes(), &file).is_err(), "{broken}");
            assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "{broken}");
        }
        let whole = "{\"type\":\"tenant\"}\n{\"type\":\"end\",\"lines\":2}\n";
        assert_eq!(keep(whole.as_bytes(), &file).unwrap(), (2, whole.len() as u64));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
    }
}
