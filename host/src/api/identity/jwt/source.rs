//! Where a key set comes from, and when it is asked for again: when a token names a key that is not known, and when it has
//! not been for long; never more often than now and then. What can't be read anew stays as it was.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::key_set::KeySet;
use super::token::CheckKey;
use crate::config::{ConfigError, JwtAlgorithm};
use crate::regular_file;

/// Shortest time between two attempts to read the set.
const PAUSE: Duration = Duration::from_secs(10);
/// After so long the set is read anew: keys that were withdrawn are gone then.
const STALE: Duration = Duration::from_mins(5);
/// Longest time a server may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set, bytes.
const SET_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Url(String),
}

/// See the file's head.
pub(super) struct KeySource {
    place: Place,
    algorithm: JwtAlgorithm,
    kept: Mutex<Kept>,
    /// One at a time reads it anew; the others wait for that one.
    reading: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Kept {
    set: KeySet,
    /// Counts up with every set that differs in when it was read.
    version: u64,
    read_at: Option<Instant>,
}

impl KeySource {
    /// Which must be there and hold a key.
    pub(super) fn of_file(path: PathBuf, algorithm: JwtAlgorithm) -> Result<Self, ConfigError> {
        let source = Self::new(Place::File(path), algorithm);
        match read(&source.place, algorithm) {
            Ok(set) => source.keep(set),
            Err(message) => return Err(ConfigError::Invalid { setting: "jwt_jwks", message }),
        }
        Ok(source)
    }

    /// Which may not answer yet.
    pub(super) fn of_url(url: String, algorithm: JwtAlgorithm) -> Self {
        Self::new(Place::Url(url), algorithm)
    }

    fn new(place: Place, algorithm: JwtAlgorithm) -> Self {
        Self { place, algorithm, kept: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    fn keep(&self, set: KeySet) {
        let mut kept = self.kept.lock();
        *kept = Kept { set, version: kept.version + 1, read_at: Some(Instant::now()) };
    }

    /// Of the keys known now.
    pub(super) fn version(&self) -> u64 {
        self.kept.lock().version
    }

    /// The key of this name.
    pub(super) async fn key(&self, id: Option<&str>) -> Option<CheckKey> {
        let (known, is_stale) = self.known(id);
        // Who has a key that is known need not wait for somebody who is being answered slowly.
        if known.is_some() && (!is_stale || self.reading.try_lock().is_err()) {
            return known;
        }
        let asked_at = Instant::now();
        self.read_anew(asked_at).await;
        self.known(id).0
    }

    fn known(&self, id: Option<&str>) -> (Option<CheckKey>, bool) {
        let kept = self.kept.lock();
        (kept.set.get(id), kept.read_at.is_none_or(|at| at.elapsed() > STALE))
    }

    /// Unless somebody has a moment ago.
    async fn read_anew(&self, asked_at: Instant) {
        let mut last = self.reading.lock().await;
        if last.is_some_and(|last| last >= asked_at || last.elapsed() < PAUSE) {
            return;
        }
        let (place, algorithm) = (self.place.clone(), self.algorithm);
        let found = tokio::task::spawn_blocking(move || read(&place, algorithm)).await;
        *last = Some(Instant::now());
        match found {
            Ok(Ok(set)) => self.keep(set),
            Ok(Err(error)) => tracing::warn!(%error, "the keys of tokens can't be read anew; those known stay"),
            Err(error) => tracing::error!(%error, "the keys of tokens can't be read anew; those known stay"),
        }
    }
}

fn read(place: &Place, algorithm: JwtAlgorithm) -> Result<KeySet, String> {
    let (name, text) = match place {
        Place::File(path) => {
            let name = path.display().to_string();
            let opened = regular_file::open_to_read(path).map_err(|error| format!("{name} can't be read: {error}"))?;
            let mut text = Vec::new();
            let read = opened.take(SET_BYTES_MAX + 1).read_to_end(&mut text);
            read.map_err(|error| format!("{name} can't be read: {error}"))?;
            (name, text)
        }
        Place::Url(url) => (url.clone(), fetch(url).map_err(|error| format!("{url} can't be read: {error}"))?),
    };
    if text.len() as u64 > SET_BYTES_MAX {
        return Err(format!("{name} is larger than a key set can be"));
    }
    KeySet::parse(&text, algorithm).map_err(|error| format!("{name} {error}"))
}

fn fetch(url: &str) -> Result<Vec<u8>, ureq::Error> {
    let config = ureq::Agent::config_builder().timeout_global(Some(FETCH_TIMEOUT)).max_redirects(0).proxy(None).build();
    let mut answer = config.new_agent().get(url).call()?;
    answer.body_mut().with_config().limit(SET_BYTES_MAX).read_to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn one_asks_a_silent_server_and_nobody_else_waits() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", silent.local_addr().unwrap());
        let source = Arc::new(KeySource::of_url(url, JwtAlgorithm::EdDsa));
        // RFC 8037, appendix A.
        let set =
            br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        source.keep(KeySet::parse(set, JwtAlgorithm::EdDsa).unwrap());
        source.kept.lock().read_at = None;
        let asking = Arc::clone(&source);
        let asking = tokio::spawn(async move { asking.key(Some("a")).await.is_some() });
        while source.reading.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        let begun = Instant::now();
        assert!(source.key(Some("a")).await.is_some());
        assert!(begun.elapsed() < FETCH_TIMEOUT / 2 && !asking.is_finished(), "it waited");
        // The server hangs up.
        drop(silent);
        assert!(asking.await.unwrap(), "the key stays");
    }
}
