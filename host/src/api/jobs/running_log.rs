//! An answer that ends in a log which is still being written: its lines go out piece by piece, each copied when the client
//! has taken those before it. However long the log and however slow the client, it costs one piece of memory.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::CONTENT_TYPE;

use crate::api::error::ApiError;
use crate::api::wire::Listing;
use crate::api::wire::job::{Line, Log};
use crate::dispatcher::RunningLog;
use crate::job::LogLine;

/// Text of the lines in one piece, bytes; one line more may stand in it.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// What the last log of a listing has in place of its lines.
const NO_LINES: &str = "\"lines\":[";

/// The listing with the log's lines so far in its last item. Should the execution end meanwhile, the rest of them is missing:
/// it is with the logs that are kept.
pub(super) fn with_running(mut listing: Listing<Log<'_>>, log: RunningLog) -> Result<Response, ApiError> {
    let (lines_max, dropped) = log.so_far();
    let (execution, attempt) = (log.execution, log.attempt);
    listing.items.push(Log { execution, attempt, lines: Vec::new(), dropped, running: true });
    let text = serde_json::to_string(&listing).map_err(|error| ApiError::internal(&error))?;
    // In a text of JSON the quotes are escaped, and after this log there are no others.
    let at = text.rfind(NO_LINES).map_or(text.len(), |at| at + NO_LINES.len());
    let (opening, closing) = text.split_at(at);
    let lines = pieces(move |known| log.piece(known..lines_max, PIECE_BYTES_MAX));
    let whole = |text: &str| stream::iter([Ok(Bytes::from(text.to_owned()))]);
    let body = whole(opening).chain(lines).chain(whole(closing));
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response())
}

/// As elements of an array; `piece` gives the next lines after so many, and none at the end.
fn pieces(piece: impl Fn(usize) -> Vec<LogLine>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((piece, 0), |(piece, known)| async move {
        let lines = piece(known);
        let shown: Vec<String> =
            lines.iter().filter_map(|line| serde_json::to_string(&Line::from(line)).ok()).collect();
        let comma = if known > 0 { "," } else { "" };
        let next = known + lines.len();
        (!lines.is_empty()).then(|| (Ok(Bytes::from(format!("{comma}{}", shown.join(",")))), (piece, next)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::job::{LogLevel, Timestamp};

    #[tokio::test]
    async fn pieces_are_one_array() {
        let line = |number: usize| LogLine {
            at: Timestamp(0),
            level: LogLevel::Info,
            message: format!("\"lines\":[ {number}"),
        };
        for total in [0, 1, 3, 7] {
            let piece = move |known: usize| (known..total.min(known + 3)).map(line).collect();
            let pieces: Vec<Bytes> = pieces(piece).map(Result::unwrap).collect().await;
            assert_eq!(pieces.len(), usize::div_ceil(total, 3));
            let array: Vec<serde_json::Value> =
                serde_json::from_str(&format!("[{}]", String::from_utf8(pieces.concat()).unwrap())).unwrap();
            let messages: Vec<_> = array.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
            assert_eq!(messages, (0..total).map(|number| line(number).message).collect::<Vec<_>>());
        }
    }
}
