//! `stoker backup`: a consistent copy of a running host's store, complete on disk or not there at all.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::client::{ClientError, Connection};
use super::{quantities, terminal};

/// Longest silence: the host makes its copy before it begins to answer.
const BACKUP_MS_MAX: u64 = 3_600_000;
/// Of the host's answer: how many of tenants' databases the copy is without.
const LEFT_OUT_HEADER: &str = "stoker-databases-left-out";
/// Read and written at once, bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// How every `SQLite` file begins.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// Copy a running host's store to a file on this machine
///
/// To restore: put the file as `stoker.db` into an empty data directory and start a host on it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker backup stoker-$(date +%F).db
  STOKER_ADMIN_KEY=… stoker backup /backups/stoker.db --url http://jobs.internal:7700")]
pub(super) struct Arguments {
    /// Where to put it; must not exist
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let file = &arguments.file;
    anyhow::ensure!(!file.exists(), "{} exists already and is not overwritten; choose another name", file.display());
    let client = arguments.connection.client()?;
    let call = client.post("/v1/backup").patience(Duration::from_millis(BACKUP_MS_MAX)).streamed();
    let mut response = call.begin("application/json", Vec::new())?;
    let expected = response.body().content_length();
    let left_out = response.headers().get(LEFT_OUT_HEADER).and_then(|count| count.to_str().ok()?.parse::<u64>().ok());
    let left_out = left_out.unwrap_or(0);
    let bytes = keep(&mut response.body_mut().as_reader(), file, expected)?;
    if arguments.connection.json {
        terminal::print(
            &json!({ "file": file.to_string_lossy(), "bytes": bytes, "databases_left_out": left_out }).to_string(),
        )?;
    } else {
        terminal::print(&format!("{} holds the backup, {}", file.display(), quantities::bytes(bytes)))?;
    }
    if left_out > 0 {
        let databases = if left_out == 1 {
            "a tenant's database is".to_owned()
        } else {
            format!("{left_out} databases of tenants are")
        };
        terminal::remark(&format!(
            "{databases} not in it: damaged, or gone from the host; its log says which. Delete what is lost for good (`DELETE /v1/databases/{{database}}`)"
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes everything `source` gives to a file beside `file`, makes it durable, and only then gives it its name.
/// On any failure nothing is left.
fn keep(source: &mut dyn Read, file: &Path, expected: Option<u64>) -> anyhow::Result<u64> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().with_context(|| format!("{} names no file", file.display()))?.to_string_lossy();
    let context = || format!("cannot write the backup to {}", directory.display());
    // Readable by its owner only: it holds every payload.
    let mut partial =
        tempfile::Builder::new().prefix(&*name).suffix(".tmp").tempfile_in(directory).with_context(context)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut bytes, mut head) = (0_u64, Vec::new());
    loop {
        let read = source.read(&mut chunk).map_err(|error| ClientError::Transport {
            url: "the host".to_owned(),
            message: format!("the backup broke off after {}: {error}", quantities::bytes(bytes)),
        })?;
        let Some(piece) = chunk.get(..read).filter(|piece| !piece.is_empty()) else { break };
        if head.len() < SQLITE_MAGIC.len() {
            head.extend_from_slice(piece.get(..SQLITE_MAGIC.len()).unwrap_or(piece));
        }
        partial.write_all(piece).with_context(context)?;
        bytes += read as u64;
    }
    if let Some(expected) = expected {
        anyhow::ensure!(bytes == expected, "the backup broke off: {bytes} of {expected} bytes came");
    }
    anyhow::ensure!(head.starts_with(SQLITE_MAGIC), "what the host sent is not a SQLite database");
    partial.as_file().sync_all().with_context(context)?;
    partial.persist_noclobber(file).with_context(|| format!("cannot name the backup {}", file.display()))?;
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).with_context(context)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn database() -> Vec<u8> {
        [SQLITE_MAGIC, &[7; 5_000]].concat()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_complete_copy_gets_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("copy.db");
        let content = database();
        assert_eq!(keep(&mut content.as_slice(), &file, Some(content.len() as u64)).unwrap(), content.len() as u64);
        assert_eq!(std::fs::read(&file).unwrap(), content);
        assert_eq!(names(directory.path()), ["copy.db"]);
    }

    #[test]
    fn half_a_copy_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("copy.db");
        let content = database();
        assert!(keep(&mut content.as_slice(), &file, Some(content.len() as u64 + 1)).is_err(), "too short");
        assert!(keep(&mut &b"<html>"[..], &file, None).is_err(), "no database");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn what_is_there_stays_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("copy.db");
        std::fs::write(&file, "precious").unwrap();
        assert!(keep(&mut database().as_slice(), &file, None).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(names(directory.path()), ["copy.db"]);
    }
}
