//! Reads bodies: bounded in size before and while they are read, in the time between two pieces, and in all.
//! A body that comes in one piece is not copied.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::api::error::{ApiError, ProblemCode};

/// Longest pause between two pieces of a body.
const BODY_PAUSE_MS: u64 = 30_000;
/// Slowest body, bytes a second on average, after a first pause: bounds what a trickle can cost.
const BODY_BYTES_PER_S_MIN: u64 = 1_024;
/// What is read and thrown away after a 413, so that a client which is still sending gets to see the answer.
const LINGER_BYTES_MAX: usize = 64 << 20;
/// And for how long.
const LINGER_MS: u64 = 2_000;

/// Whether the content type is `expected`, which is lower case. Another charset than UTF-8 is refused, so use it for
/// types that are text.
pub(in crate::api) fn content_type_is(headers: &HeaderMap, expected: &str) -> Result<bool, ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return Ok(false) };
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !essence.trim().eq_ignore_ascii_case(expected) {
        return Ok(false);
    }
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => Err(ApiError::new(
            ProblemCode::UnsupportedMediaType,
            "send the body in UTF-8, with `charset=utf-8` or without a charset",
        )),
        _ => Ok(true),
    }
}

/// Refuses what is not JSON.
pub(in crate::api) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if content_type_is(headers, "application/json")? {
        Ok(())
    } else {
        Err(ApiError::new(ProblemCode::UnsupportedMediaType, "send `Content-Type: application/json`"))
    }
}

/// Refuses a body that must be unpacked before it can be measured.
fn require_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_plain = |value: &HeaderValue| value.is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    let error = ApiError::new(ProblemCode::UnsupportedMediaType, "send the body as it is, without `Content-Encoding`");
    Err(error.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the request says itself that it is too large: such a one need not wait for its turn to be refused.
pub(in crate::api) fn is_announced_too_large(headers: &HeaderMap, bytes_max: usize) -> bool {
    announced_bytes(headers).is_some_and(|length| length > bytes_max as u64)
}

/// The whole body, not packed, or 413 as soon as it is known to be larger than `bytes_max`: from its announced length before
/// anything is read, else at the piece that goes past it.
pub(in crate::api) async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    bytes_max: usize,
) -> Result<Bytes, ApiError> {
    require_plain(headers)?;
    if is_announced_too_large(headers, bytes_max) {
        return Err(too_large(body, bytes_max));
    }
    let began = Instant::now();
    let Some(first) = next_piece(&mut body, began, began).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(too_large(body, bytes_max));
    }
    let deadline = slowest(began, first.len());
    let Some(second) = next_piece(&mut body, Instant::now(), deadline).await? else { return Ok(first) };
    let expected = announced_bytes(headers).and_then(|length| usize::try_from(length).ok());
    let expected = expected.unwrap_or(first.len() + second.len());
    let mut whole = BytesMut::with_capacity(expected);
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > bytes_max {
            return Err(too_large(body, bytes_max));
        }
        whole.extend_from_slice(&bytes);
        piece = next_piece(&mut body, Instant::now(), slowest(began, whole.len())).await?;
    }
    Ok(whole.freeze())
}

/// When the slowest body that is put up with has brought so many bytes.
fn slowest(began: Instant, received_bytes: usize) -> Instant {
    let received_bytes = u64::try_from(received_bytes).unwrap_or(u64::MAX);
    began + Duration::from_millis(received_bytes.saturating_mul(1_000) / BODY_BYTES_PER_S_MIN)
}

/// The next piece that holds data, at most a pause after `now` and after `slowest`; trailers are skipped.
async fn next_piece(body: &mut Body, now: Instant, slowest: Instant) -> Result<Option<Bytes>, ApiError> {
    let deadline = now.min(slowest) + Duration::from_millis(BODY_PAUSE_MS);
    loop {
        let frame = tokio::time::timeout_at(deadline, body.frame()).await.map_err(|_| {
            let pause_s = BODY_PAUSE_MS / 1_000;
            let sentence = format!(
                "the body came too slowly: send it without pauses of {pause_s} s and at {BODY_BYTES_PER_S_MIN} bytes a second or more"
            );
            ApiError::new(ProblemCode::BodyTimeout, sentence)
        })?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(ApiError::new(ProblemCode::MalformedBody, "the body ended before its announced end"));
            }
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

fn too_large(mut body: Body, bytes_max: usize) -> ApiError {
    // Closing a connection with unread bytes resets it, and the client never sees why. Read on beside the answer,
    // within bounds.
    let linger = async move {
        let mut left = LINGER_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let read = frame.data_ref().map_or(0, Bytes::len);
            if read > left {
                return;
            }
            left -= read;
        }
    };
    tokio::spawn(tokio::time::timeout(Duration::from_millis(LINGER_MS), linger));
    ApiError::new(ProblemCode::BodyTooLarge, format!("the body may have at most {bytes_max} bytes"))
        .with("bytes_max", bytes_max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pieces(pieces: &[&'static str]) -> Body {
        Body::from_stream(futures_util::stream::iter(
            pieces
                .iter()
                .map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())))
                .collect::<Vec<_>>(),
        ))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound_and_not_past_it() {
        let none = HeaderMap::new();
        assert_eq!(read_body(&none, Body::empty(), 3).await.unwrap(), "");
        assert_eq!(read_body(&none, pieces(&["abc"]), 3).await.unwrap(), "abc");
        assert_eq!(read_body(&none, pieces(&["a", "b", "c"]), 3).await.unwrap(), "abc");
        for body in [pieces(&["abcd"]), pieces(&["ab", "cd"]), pieces(&["a", "b", "c", "d"])] {
            assert_eq!(read_body(&none, body, 3).await.unwrap_err().code(), ProblemCode::BodyTooLarge);
        }
    }

    /// A piece of so many bytes after every pause, for ever.
    fn trickle(piece_bytes: usize, pause: Duration) -> Body {
        let next = move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; piece_bytes])), ()))
        };
        Body::from_stream(futures_util::stream::unfold((), next))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_in_is_given_up_and_a_slow_one_is_not() {
        let none = HeaderMap::new();
        for (piece_bytes, pause_s, bytes_max, gives_up_after_s) in [
            (1, 31, 1_000, Some(30)),
            (1, 1, 1_000, Some(30)),
            (1, 29, 1_000, Some(30)),
            (30_000, 28, 100_000, None),
            (1_000, 1, 100_000, None),
        ] {
            let began = Instant::now();
            let read = read_body(&none, trickle(piece_bytes, Duration::from_secs(pause_s)), bytes_max).await;
            let code = read.unwrap_err().code();
            match gives_up_after_s {
                Some(seconds) => {
                    assert_eq!(code, ProblemCode::BodyTimeout, "{piece_bytes} every {pause_s} s");
                    assert_eq!(began.elapsed().as_secs(), seconds, "{piece_bytes} every {pause_s} s");
                }
                None => assert_eq!(code, ProblemCode::BodyTooLarge, "{piece_bytes} every {pause_s} s"),
            }
        }
    }

    #[tokio::test]
    async fn an_announced_length_is_refused_before_anything_is_read() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, "4".parse().unwrap())]);
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_body(&headers, never, 3).await.unwrap_err().code(), ProblemCode::BodyTooLarge);
    }

    #[test]
    fn content_types_are_compared_without_parameters_but_the_charset() {
        for (value, expected) in [
            ("application/json", Some(true)),
            ("Application/JSON; charset=utf-8", Some(true)),
            ("application/json;charset=\"UTF-8\"", Some(true)),
            ("application/json; profile=x; charset=utf-8", Some(true)),
            ("application/json; charset=latin-1", None),
            ("application/json; profile=x;CHARSET=utf-16", None),
            ("application/jsonx", Some(false)),
            ("text/plain; charset=latin-1", Some(false)),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(content_type_is(&headers, "application/json").ok(), expected, "{value}");
        }
        assert!(!content_type_is(&HeaderMap::new(), "application/json").unwrap());
    }

    #[tokio::test]
    async fn a_packed_body_is_refused() {
        for (encoding, plain) in [("identity", true), ("", true), ("gzip", false), ("br, gzip", false), ("GZIP", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
            let read = read_body(&headers, pieces(&["abc"]), 3).await.map_err(|error| error.code());
            let expected = if plain { Ok("abc".into()) } else { Err(ProblemCode::UnsupportedMediaType) };
            assert_eq!(read, expected, "{encoding}");
        }
    }
}
