//! An answer with logs. Their lines go out piece by piece, each made when the client has taken those before it. However
//! long a log and however slow the client, it costs a piece of JSON, and the packed log it is made from: of the one that
//! is being sent, or of some small ones together. For these the answer takes room, so that all readers have a bound.

use std::collections::VecDeque;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::identity::Call;
use crate::api::room::Taken;
use crate::api::wire::Listing;
use crate::api::wire::job::{Line, Log};
use crate::dispatcher::RunningLog;
use crate::job::{JobId, LogLine};
use crate::store::{KeptLines, KeptLog, LogPage, StoreError};

/// Of the lines in one piece, as they are kept, bytes; one line more may stand in it.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Small logs that follow each other are read together, up to so many bytes.
const READ_BYTES_MAX: usize = 256 << 10;
/// What a log has in place of its lines.
const NO_LINES: &str = "\"lines\":[";
/// What a listing has in place of its items.
const NO_ITEMS: &str = "\"items\":[";

/// Why an answer breaks off; its client sees that it is not whole.
#[derive(Debug, thiserror::Error)]
enum PieceError {
    #[error(transparent)]
    Read(#[from] StoreError),
    #[error("a log can't be shown: {0}")]
    Show(#[from] serde_json::Error),
}

/// What is still to be sent.
pub(super) struct LogAnswer {
    api: Call,
    job: JobId,
    /// Not begun yet, in order.
    logs: VecDeque<(KeptLog, Option<RunningLog>)>,
    /// Read and not begun yet, of the first of them.
    read: VecDeque<(i64, KeptLines)>,
    current: Option<Current>,
    /// Whether a log went out already.
    has_items: bool,
    /// `None` once it went out.
    closing: Option<String>,
    _taken: Taken,
}

/// The log that is being sent.
struct Current {
    lines: Lines,
    sent: usize,
    closing: String,
    /// The same where lines are missing.
    closing_incomplete: String,
}

enum Lines {
    Kept(KeptLines),
    Running {
        log: RunningLog,
        lines_max: usize,
    },
    /// It was deleted after the listing was made.
    Gone,
}

impl LogAnswer {
    /// The page, and the log of an execution that runs, as far as it goes now.
    pub(super) async fn begin(
        api: Call,
        job: JobId,
        page: LogPage,
        running: Option<RunningLog>,
    ) -> Result<Response, ApiError> {
        let LogPage { items, next } = page;
        let mut taken = api.answers.nothing_taken(api.part());
        taken.grow(largest_read(&items)).await?;
        let (opening, closing) = around_items(next)?;
        let mut logs: VecDeque<_> = items.into_iter().map(|log| (log, None)).collect();
        logs.extend(running.map(|log| {
            let listed = KeptLog { execution: log.execution, attempt: log.attempt, dropped: log.so_far().1, bytes: 0 };
            (listed, Some(log))
        }));
        let answer = Self {
            api,
            job,
            logs,
            read: VecDeque::new(),
            current: None,
            has_items: false,
            closing: Some(closing),
            _taken: taken,
        };
        let pieces = stream::try_unfold((answer, opening.into_bytes()), |(mut answer, mut piece)| async move {
            // Whatever else this thread has to do comes before the next piece.
            tokio::task::yield_now().await;
            let next = answer.add_to(&mut piece).await;
            let next = next.inspect_err(|error| tracing::error!(%error, "an answer with logs broke off"))?;
            Ok::<_, PieceError>(next.map(|()| (Bytes::from(piece), (answer, Vec::new()))))
        });
        Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(pieces)).into_response())
    }

    /// Adds to the piece until it is large enough; `None` once all went out.
    async fn add_to(&mut self, piece: &mut Vec<u8>) -> Result<Option<()>, PieceError> {
        if self.closing.is_none() {
            return Ok(None);
        }
        while piece.len() < PIECE_BYTES_MAX {
            if let Some(current) = &mut self.current {
                if !current.add_lines(piece)? {
                    let missing = current.is_incomplete();
                    let closing = if missing { &current.closing_incomplete } else { &current.closing };
                    piece.extend_from_slice(closing.as_bytes());
                    self.current = None;
                }
            } else if let Some((log, running)) = self.logs.pop_front() {
                if std::mem::replace(&mut self.has_items, true) {
                    piece.push(b',');
                }
                self.current = Some(self.begin_log(log, running, piece).await?);
            } else {
                piece.extend_from_slice(self.closing.take().unwrap_or_default().as_bytes());
                break;
            }
        }
        Ok(Some(()))
    }

    async fn begin_log(
        &mut self,
        log: KeptLog,
        running: Option<RunningLog>,
        piece: &mut Vec<u8>,
    ) -> Result<Current, PieceError> {
        let (opening, closing) = around_lines(&log, running.is_some(), false)?;
        let (_, closing_incomplete) = around_lines(&log, running.is_some(), true)?;
        piece.extend_from_slice(opening.as_bytes());
        let lines = match running {
            Some(log) => Lines::Running { lines_max: log.so_far().0, log },
            None => self.kept_lines(&log).await?,
        };
        Ok(Current { lines, sent: 0, closing, closing_incomplete })
    }

    async fn kept_lines(&mut self, log: &KeptLog) -> Result<Lines, StoreError> {
        if self.read.is_empty() {
            let mut bytes = log.bytes;
            let together = self.logs.iter().take_while(|(next, running)| {
                bytes = bytes.saturating_add(next.bytes);
                running.is_none() && bytes <= READ_BYTES_MAX
            });
            let last = together.last().map_or(log.execution, |(last, _)| last.execution);
            let read = self.api.store.log_lines(self.api.caller.tenant, self.job, (log.execution, last)).await?;
            self.read = read.into();
        }
        let is_it = self.read.front().is_some_and(|(execution, _)| *execution == log.execution);
        let lines = if is_it { self.read.pop_front() } else { None };
        Ok(lines.map_or(Lines::Gone, |(_, lines)| Lines::Kept(lines)))
    }
}

impl Current {
    /// Adds some of the lines; whether there were any.
    fn add_lines(&mut self, piece: &mut Vec<u8>) -> Result<bool, PieceError> {
        let lines: Vec<LogLine> = match &mut self.lines {
            Lines::Kept(lines) => lines.piece(PIECE_BYTES_MAX)?,
            Lines::Running { log, lines_max } => log.piece(self.sent..*lines_max, PIECE_BYTES_MAX),
            Lines::Gone => Vec::new(),
        };
        for line in &lines {
            if self.sent > 0 {
                piece.push(b',');
            }
            serde_json::to_writer(&mut *piece, &Line::from(line))?;
            self.sent += 1;
        }
        Ok(!lines.is_empty())
    }

    /// Once there are no more lines: whether there should have been.
    fn is_incomplete(&self) -> bool {
        match &self.lines {
            Lines::Kept(_) => false,
            // It ended meanwhile: what it logged is on its way into the store.
            Lines::Running { lines_max, .. } => self.sent < *lines_max,
            Lines::Gone => true,
        }
    }
}

/// Most bytes of logs that are held at one time.
fn largest_read(logs: &[KeptLog]) -> usize {
    let (all, largest) =
        logs.iter().fold((0_usize, 0), |(all, largest), log| (all + log.bytes, largest.max(log.bytes)));
    largest.max(all.min(READ_BYTES_MAX))
}

fn around_lines(log: &KeptLog, running: bool, incomplete: bool) -> serde_json::Result<(String, String)> {
    let KeptLog { execution, attempt, dropped, bytes: _ } = *log;
    let shown = Log { execution, attempt, lines: Vec::new(), dropped, running, incomplete };
    split_behind(&shown, NO_LINES)
}

fn around_items(next: Option<i64>) -> Result<(String, String), ApiError> {
    let listing = Listing::<Log<'_>> { items: Vec::new(), next_cursor: next.map(|execution| execution.to_string()) };
    split_behind(&listing, NO_ITEMS).map_err(|error| ApiError::internal(&error))
}

/// The value as JSON, before and after the end of `mark`, which stands in it once.
fn split_behind<T: Serialize>(value: &T, mark: &str) -> serde_json::Result<(String, String)> {
    let text = serde_json::to_string(value)?;
    let at = text.find(mark).map_or(text.len(), |at| at + mark.len());
    let (before, after) = text.split_at(at);
    Ok((before.to_owned(), after.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_for_the_largest_read() {
        let page = |bytes: &[usize]| -> usize {
            let log = |bytes: &usize| KeptLog { execution: 1, attempt: 1, dropped: 0, bytes: *bytes };
            largest_read(&bytes.iter().map(log).collect::<Vec<_>>())
        };
        for (logs, bytes) in [
            (&[][..], 0),
            (&[5, 6, 7], 18),
            (&[200 << 10, 100 << 10, 1 << 20], 1 << 20),
            (&[200 << 10, 100 << 10], READ_BYTES_MAX),
        ] {
            assert_eq!(page(logs), bytes, "{logs:?}");
        }
    }
}
