//! `POST /v1/backup`: a consistent copy of the database while the host runs.
//!
//! The copy is made in a directory of its own inside the data directory, streamed, and removed: at the end, on an
//! error, and when the client hangs up. What a killed host left is removed at the next start.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use tokio_util::io::ReaderStream;

use super::error::{ApiError, ProblemCode};
use super::extract::NoParameters;
use super::identity::Call;
use super::wire::Binary;

/// How many of tenants' databases the copy is without.
const LEFT_OUT_HEADER: HeaderName = HeaderName::from_static("stoker-databases-left-out");
/// What the directories of copies are called.
const DIRECTORY_PREFIX: &str = "backup-";
/// Bytes sent at once.
const PIECE_BYTES: usize = 256 << 10;

/// Copy the database
///
/// Put the file as `stoker.db` into an empty data directory to restore it. `stoker-databases-left-out` says how many of tenants' databases
/// it is without, because their files are damaged or gone; the host's log says which.
#[utoipa::path(
    post, path = "/v1/backup", tag = "operations",
    responses(
        (status = 200, body = Binary, content_type = "application/vnd.sqlite3", description = "The copy"),
        (status = 429, description = "`busy`: a backup is being made"),
        (status = 503, description = "`store_unavailable`: the copy could not be written"),
    ),
)]
pub(super) async fn backup(api: Call, _: NoParameters) -> Result<Response, ApiError> {
    let permit = Arc::clone(&api.backups)
        .try_acquire_owned()
        .map_err(|_| ApiError::new(ProblemCode::Busy, "a backup is being made already; try again when it is done"))?;
    let store = api.store.clone();
    // Before it is made: what somebody takes away is known although the connection breaks.
    store.note_host_action("backup.create", "backup").await?;
    let data_dir = api.config.data_dir.clone();
    // On a task of its own: should the client hang up, the copy still ends before its directory goes.
    let made = tokio::spawn(async move {
        let directory = tempfile::Builder::new()
            .prefix(DIRECTORY_PREFIX)
            .tempdir_in(&data_dir)
            .map_err(|error| cannot_copy(&error))?;
        let copy = directory.path().join("stoker.db");
        let left_out = store.backup(copy.clone()).await?;
        let file = tokio::fs::File::open(&copy).await.map_err(|error| cannot_copy(&error))?;
        let bytes = file.metadata().await.map_err(|error| cannot_copy(&error))?.len();
        Ok::<_, ApiError>((directory, file, bytes, left_out))
    });
    let (directory, file, bytes, left_out) = made.await.map_err(|error| ApiError::internal(&error))??;
    let stream = ReaderStream::with_capacity(file, PIECE_BYTES).map(move |piece| {
        // Both live as long as the stream does, however it ends.
        let _kept = (&directory, &permit);
        piece
    });
    let headers = [
        (CONTENT_TYPE, "application/vnd.sqlite3".to_owned()),
        (CONTENT_LENGTH, bytes.to_string()),
        (CONTENT_DISPOSITION, "attachment; filename=\"stoker.db\"".to_owned()),
        (LEFT_OUT_HEADER, left_out.to_string()),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

fn cannot_copy(error: &std::io::Error) -> ApiError {
    tracing::warn!(%error, "a backup failed");
    ApiError::new(
        ProblemCode::StoreUnavailable,
        "the copy could not be written into the data directory (is the disk full?); the host's log says more",
    )
}

/// Removes copies that a killed host left behind. Only one host uses a data directory, so none is in use.
pub(super) fn remove_leftovers(data_dir: &Path) {
    let Ok(entries) = std::fs::read_dir(data_dir) else { return };
    for entry in entries.flatten() {
        let is_leftover = entry.file_name().to_str().is_some_and(|name| name.starts_with(DIRECTORY_PREFIX));
        if is_leftover
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, path = %entry.path().display(), "cannot remove an unfinished backup");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn leftovers_go_and_everything_else_stays() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("backup-abc")).unwrap();
        std::fs::write(data.path().join("backup-abc/stoker.db"), "x").unwrap();
        std::fs::write(data.path().join("backup-notes.txt"), "x").unwrap();
        std::fs::write(data.path().join("stoker.db"), "x").unwrap();
        remove_leftovers(data.path());
        let mut left: Vec<_> =
            std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["backup-notes.txt", "stoker.db"]);
    }
}
