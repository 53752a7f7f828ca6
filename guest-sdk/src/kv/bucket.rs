//! A bucket, as handlers use it; on wasm over the host, natively over the fake one.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::KvError;
#[cfg(not(target_family = "wasm"))]
use super::fake as keeper;
#[cfg(target_family = "wasm")]
use super::host as keeper;
use crate::failure::whole_ms;
use crate::json;

/// How often an update begins anew when others are at the same key.
const UPDATES_MAX: u32 = 1_000;

/// Keys and values of one bucket.
#[derive(Debug)]
pub struct Bucket(keeper::Bucket);

/// Opens a bucket that the kind is granted. It need not be made: it is there once a key is in it.
///
/// ```
/// use stoker_sdk::testing::FakeHost;
/// use stoker_sdk::{Context, Failure, handler, kv};
///
/// #[handler(kind = "visit")]
/// fn visit(_context: &Context, page: String) -> Result<i64, Failure> {
///     let visits = kv::open("visits")?;
///     Ok(visits.increment(&page, 1)?)
/// }
///
/// let host = FakeHost::new().bucket("visits");
/// assert_eq!(host.run::<visit>("/".into()), Ok(1));
/// assert_eq!(host.run::<visit>("/".into()), Ok(2));
/// assert_eq!(kv::open("other").err(), Some(kv::KvError::NotGranted));
/// ```
pub fn open(name: &str) -> Result<Bucket, KvError> {
    keeper::open(name).map(Bucket)
}

impl Bucket {
    /// A key's value; `None`: there is no such key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.0.get(key)
    }

    /// Sets a key, new or in the place of another value.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        self.0.set(key, value)
    }

    /// Sets a key for so long; after that it is not there. An increment or an update leaves it its time, another `set` does not.
    ///
    /// Asks the host, and so needs one of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// bucket.set_for("session/1", b"on", Duration::from_secs(60))?;
    /// assert!(bucket.exists("session/1")?);
    /// // Time passes where a handler sleeps.
    /// host.context().sleep("a while", Duration::from_secs(60)).unwrap();
    /// assert!(!bucket.exists("session/1")?);
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn set_for(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), KvError> {
        self.0.set_for(key, value, whole_ms(ttl))
    }

    /// Removes a key, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), KvError> {
        self.0.delete(key)
    }

    /// Whether there is such a key.
    pub fn exists(&self, key: &str) -> Result<bool, KvError> {
        self.0.exists(key)
    }

    /// Every key, in the order of their bytes. A call for each 500.
    ///
    /// ```
    /// # let _host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// bucket.set("b", b"2")?;
    /// bucket.set("a", b"1")?;
    /// assert_eq!(bucket.keys()?, ["a", "b"]);
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn keys(&self) -> Result<Vec<String>, KvError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let (page, next) = self.0.keys(cursor)?;
            keys.extend(page);
            cursor = next;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// The keys that begin with this, in the order of their bytes. A call for each 500.
    ///
    /// Asks the host, and so needs one of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// # let _host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// bucket.set_many(&[("user/1", b"1"), ("user/2", b"2"), ("visits", b"3")])?;
    /// assert_eq!(bucket.keys_with("user/")?, ["user/1", "user/2"]);
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn keys_with(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let (page, next) = self.0.keys_with(prefix, cursor)?;
            keys.extend(page);
            cursor = next;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Adds to a number, which is kept as decimal digits, and gives what it is then. A key that is not there counts as 0.
    /// Nothing that others add is lost.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        self.0.increment(key, delta)
    }

    /// Several keys at once, all of them or none: at most 100, with 1 MiB together.
    ///
    /// ```
    /// # let _host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// bucket.set_many(&[("a", b"1"), ("b", b"2")])?;
    /// assert_eq!(bucket.get("b")?, Some(b"2".to_vec()));
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn set_many(&self, entries: &[(&str, &[u8])]) -> Result<(), KvError> {
        self.0.set_many(entries)
    }

    /// A key's value, read from JSON; `None`: there is no such key.
    ///
    /// ```
    /// # let _host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// bucket.set_json("list", &vec![1, 2])?;
    /// assert_eq!(bucket.get_json::<Vec<u32>>("list")?, Some(vec![1, 2]));
    /// assert!(bucket.get_json::<String>("list").is_err());
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, KvError> {
        self.get(key)?.map(|value| from_json(key, &value)).transpose()
    }

    /// Sets a key to JSON.
    pub fn set_json<T: Serialize>(&self, key: &str, value: &T) -> Result<(), KvError> {
        self.set(key, to_json(key, value)?.as_bytes())
    }

    /// Makes of a key's value another one. Where somebody else has changed it meanwhile it begins anew with what is there now:
    /// `change` may be called more than once. What is there in the end.
    ///
    /// ```
    /// # let _host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// let appended = bucket.update("log", |known| [known.unwrap_or_default(), b"x".to_vec()].concat())?;
    /// assert_eq!(appended, b"x");
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn update(&self, key: &str, mut change: impl FnMut(Option<Vec<u8>>) -> Vec<u8>) -> Result<Vec<u8>, KvError> {
        self.swap(key, |known| Ok(change(known)))
    }

    /// The same with JSON.
    ///
    /// ```
    /// # let _host = stoker_sdk::testing::FakeHost::new().bucket("b");
    /// let bucket = stoker_sdk::kv::open("b")?;
    /// let longest = |known: Option<u32>| known.unwrap_or_default().max(7);
    /// assert_eq!(bucket.update_json("longest", longest)?, 7);
    /// # Ok::<(), stoker_sdk::kv::KvError>(())
    /// ```
    pub fn update_json<T: DeserializeOwned + Serialize>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> T,
    ) -> Result<T, KvError> {
        let mut last = None;
        self.swap(key, |known| {
            let known = known.map(|known| from_json(key, &known)).transpose()?;
            let text = to_json(key, last.insert(change(known)))?;
            Ok(text.into_bytes())
        })?;
        last.ok_or_else(|| KvError::Other("nothing was written".to_owned()))
    }

    fn swap(
        &self,
        key: &str,
        mut change: impl FnMut(Option<Vec<u8>>) -> Result<Vec<u8>, KvError>,
    ) -> Result<Vec<u8>, KvError> {
        let mut seen = self.0.see(key)?;
        for _ in 0..UPDATES_MAX {
            let value = change(self.0.current(&seen)?)?;
            match self.0.swap(seen, &value)? {
                None => return Ok(value),
                Some(changed) => seen = changed,
            }
        }
        Err(KvError::Other(["the key `", key, "` was changed by others again and again"].concat()))
    }
}

fn from_json<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, KvError> {
    let mismatch =
        |why: &str| KvError::Mismatch(["the value of `", key, "` is not what is read from it: ", why].concat());
    let text = std::str::from_utf8(value).map_err(|_| mismatch("it is no text"))?;
    json::parse(text).map_err(|error| mismatch(error.message()))
}

fn to_json<T: Serialize>(key: &str, value: &T) -> Result<String, KvError> {
    json::print(value).map_err(|error| {
        KvError::Mismatch(["the value of `", key, "` cannot be written as JSON: ", error.message()].concat())
    })
}
