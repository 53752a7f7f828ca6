//! Reads bodies: bounded in size before and while they are read, in pace, and in the memory all of them take together. Who holds
//! much of that and comes slowly gives way to those that wait for it.
//! A body that comes in one piece is not copied.

use std::ops::Deref;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::api::error::{ApiError, ProblemCode};
use crate::api::room::{Room, Taken};
use crate::store::TenantId;

/// Longest pause between two pieces of a body, and the most a fast one can be ahead of the slowest that is put up with.
const BODY_PAUSE_MS: u64 = 30_000;
/// The same of a body whose memory others wait for.
const BODY_PAUSE_WANTED_MS: u64 = 5_000;
/// Slowest small body, bytes a second: bounds what a trickle can cost.
const BODY_BYTES_PER_S_MIN: u64 = 1_024;
/// A large body grows by its own size within this time: what takes much memory must not take long.
const BODY_GROWTH_S_MAX: u64 = 300;

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

/// Refuses what is no JSON merge patch.
pub(in crate::api) fn require_merge_patch(headers: &HeaderMap) -> Result<(), ApiError> {
    if content_type_is(headers, "application/merge-patch+json")? || content_type_is(headers, "application/json")? {
        return Ok(());
    }
    let sentence = "send `Content-Type: application/merge-patch+json` (or application/json)";
    Err(ApiError::new(ProblemCode::UnsupportedMediaType, sentence))
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

/// A body that was read. Its bytes count as held until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct HeldBody {
    bytes: Bytes,
    _taken: Taken,
}

impl Deref for HeldBody {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

/// The whole body, out of a tenant's part of the `room` or of nobody's; not packed. 413 as soon as it is known to be larger than
/// `bytes_max` (from its announced length before anything is read, else at the piece that goes past it), 408 if it comes too slowly,
/// 429 if there is no room for it.
pub(in crate::api) async fn read_body(
    (room, part): (&Room, Option<TenantId>),
    headers: &HeaderMap,
    mut body: Body,
    bytes_max: usize,
) -> Result<HeldBody, ApiError> {
    require_plain(headers)?;
    let announced = announced_bytes(headers);
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    let mut taken = room.nothing_taken(part);
    let mut pace = Pace::begin();
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    loop {
        let Some(bytes) = next_piece(&mut body, &pace, &taken).await? else { break };
        let bytes_read = first.len() + whole.len() + bytes.len();
        if bytes_read > bytes_max {
            return Err(too_large(bytes_max));
        }
        let arrived = Instant::now();
        taken.grow(bytes_read).await?;
        // A wait for room is not the client's doing.
        pace.arrived(bytes.len(), bytes_read, arrived, Instant::now());
        if bytes_read == bytes.len() {
            first = bytes;
            continue;
        }
        if whole.is_empty() {
            // Memory is taken when it is written to: what is announced and does not come costs none.
            whole.reserve(announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(bytes_read));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(HeldBody { bytes: if whole.is_empty() { first } else { whole.freeze() }, _taken: taken })
}

/// By when the next piece of a body must come.
#[derive(Debug)]
struct Pace {
    deadline: Instant,
}

impl Pace {
    fn begin() -> Self {
        Self { deadline: Instant::now() + Duration::from_millis(BODY_PAUSE_MS) }
    }

    /// A piece has arrived, and is stored as of `now`. What it brings in time is what the slowest body that is put up with
    /// would have taken for it.
    fn arrived(&mut self, piece_bytes: usize, bytes_read: usize, arrived: Instant, now: Instant) {
        let whole = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let slowest_bytes_per_s = BODY_BYTES_PER_S_MIN.max(whole(bytes_read) / BODY_GROWTH_S_MAX);
        let earned = Duration::from_millis(whole(piece_bytes).saturating_mul(1_000) / slowest_bytes_per_s);
        let latest = now + Duration::from_millis(BODY_PAUSE_MS);
        self.deadline = latest.min(self.deadline + (now - arrived) + earned);
    }

    /// By when it must come where others wait for the memory of this body.
    fn deadline_when_wanted(&self) -> Instant {
        // No later than the clock's beginning is the past as well.
        let sooner = Duration::from_millis(BODY_PAUSE_MS - BODY_PAUSE_WANTED_MS);
        self.deadline.checked_sub(sooner).unwrap_or(self.deadline)
    }
}

/// The next piece that holds data; trailers are skipped.
async fn next_piece(body: &mut Body, pace: &Pace, taken: &Taken) -> Result<Option<Bytes>, ApiError> {
    let gives_way = async {
        tokio::time::sleep_until(pace.deadline_when_wanted()).await;
        taken.wanted_by_others().await;
    };
    tokio::pin!(gives_way);
    loop {
        let frame = tokio::select! {
            biased;
            frame = tokio::time::timeout_at(pace.deadline, body.frame()) => frame.map_err(|_| too_slow())?,
            () = &mut gives_way => return Err(gave_way()),
        };
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(ApiError::new(ProblemCode::MalformedBody, "the body ended before its announced end"));
            }
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data()
                    && !bytes.is_empty()
                {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

fn too_slow() -> ApiError {
    let (pause_s, growth_min) = (BODY_PAUSE_MS / 1_000, BODY_GROWTH_S_MAX / 60);
    let sentence = format!(
        "the body came too slowly: send it without pauses of {pause_s} s, at {BODY_BYTES_PER_S_MIN} bytes a second or more, \
         and so that a large one doubles within {growth_min} minutes"
    );
    ApiError::new(ProblemCode::BodyTimeout, sentence)
}

fn gave_way() -> ApiError {
    let pause_s = BODY_PAUSE_WANTED_MS / 1_000;
    let sentence = format!(
        "the body came too slowly while others waited for the memory it took: send it without pauses of {pause_s} s, or \
         later"
    );
    ApiError::new(ProblemCode::BodyTimeout, sentence)
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(ProblemCode::BodyTooLarge, format!("the body may have at most {bytes_max} bytes"))
        .with("bytes_max", bytes_max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
        read_body((&Room::for_bodies_of(0), None), headers, body, bytes_max).await.map(|held| held.bytes)
    }

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
        assert_eq!(read(&none, Body::empty(), 3).await.unwrap(), "");
        assert_eq!(read(&none, pieces(&["abc"]), 3).await.unwrap(), "abc");
        assert_eq!(read(&none, pieces(&["a", "b", "c"]), 3).await.unwrap(), "abc");
        for body in [pieces(&["abcd"]), pieces(&["ab", "cd"]), pieces(&["a", "b", "c", "d"])] {
            assert_eq!(read(&none, body, 3).await.unwrap_err().code(), ProblemCode::BodyTooLarge);
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
            // Twice the rate of a small one, and too slow once there is much of it.
            (60_000, 29, 50 << 20, Some(347)),
            (4 << 20, 29, 40 << 20, None),
        ] {
            let began = Instant::now();
            let read = self::read(&none, trickle(piece_bytes, Duration::from_secs(pause_s)), bytes_max).await;
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

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_gives_way_to_those_that_wait_for_its_memory() {
        let none = HeaderMap::new();
        let room = Room::for_bodies_of(0);
        let bytes_max = 32 << 20;
        let most_of_it = || {
            let first =
                futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 31 << 20])) });
            Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
        };
        let began = Instant::now();
        let reads = |tenant| read_body((&room, Some(TenantId(tenant))), &none, most_of_it(), bytes_max);
        let wants = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            room.nothing_taken(None).grow(16 << 20).await
        };
        let (first, second, wanted) = tokio::join!(reads(1), reads(2), wants);
        for given_up in [first, second] {
            assert_eq!(given_up.unwrap_err().code(), ProblemCode::BodyTimeout);
        }
        wanted.unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(BODY_PAUSE_WANTED_MS));
    }

    #[tokio::test]
    async fn an_announced_length_is_refused_before_anything_is_read() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, "4".parse().unwrap())]);
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(&headers, never, 3).await.unwrap_err().code(), ProblemCode::BodyTooLarge);
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
            let read = self::read(&headers, pieces(&["abc"]), 3).await.map_err(|error| error.code());
            let expected = if plain { Ok("abc".into()) } else { Err(ProblemCode::UnsupportedMediaType) };
            assert_eq!(read, expected, "{encoding}");
        }
    }
}
