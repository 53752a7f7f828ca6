//! `stoker:handler/kv`: what `wasi:keyvalue` has no words for: keys for a time, and lists of those that begin in one way.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::bindings::wasi::keyvalue::store::Error as StoreError;
use super::bucket::PAGE_KEYS_MAX;
use super::checks::{Place, key, value};
use crate::job::grants::capability_of_kv;
use crate::job::kv::KV_TTL_MAX;
use crate::job::{KvChange, KvKey};
use crate::sandbox::bindings::stoker::handler::kv::{Error, Page};
use crate::sandbox::state::AttemptState;

pub(super) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/kv@1.3.0")?;
    interface.func_wrap_async(
        "set-for",
        |mut store: StoreContextMut<'_, AttemptState>, (bucket, key, value, ttl_ms): (String, String, Vec<u8>, u64)| {
            Box::new(async move { Ok((set_for(store.data_mut(), &bucket, (&key, value), ttl_ms).await?,)) })
        },
    )?;
    interface.func_wrap_async(
        "keys",
        |mut store: StoreContextMut<'_, AttemptState>, (bucket, prefix, cursor): (String, String, Option<String>)| {
            Box::new(async move { Ok((keys(store.data_mut(), &bucket, prefix, cursor).await?,)) })
        },
    )
}

async fn set_for(
    state: &mut AttemptState,
    bucket: &str,
    (name, bytes): (&str, Vec<u8>),
    ttl_ms: u64,
) -> wasmtime::Result<Result<(), Error>> {
    let place = match place(state, bucket)? {
        Ok(place) => place,
        Err(error) => return Ok(Err(error)),
    };
    let ttl = Duration::from_millis(ttl_ms);
    if ttl.is_zero() || ttl > KV_TTL_MAX {
        let days = KV_TTL_MAX.as_secs() / 86_400;
        return Ok(Err(Error::Refused(format!("a key is set for at least a millisecond, and at most {days} days"))));
    }
    let change = match key(name).and_then(|key| Ok(KvChange::SetFor { key, value: value(bytes)?, ttl })) {
        Ok(change) => change,
        Err(error) => return Ok(Err(told(error))),
    };
    Ok(state.change(place, change).await?.map(drop).map_err(told))
}

async fn keys(
    state: &mut AttemptState,
    bucket: &str,
    prefix: String,
    cursor: Option<String>,
) -> wasmtime::Result<Result<Page, Error>> {
    let (keeper, bucket) = match place(state, bucket)? {
        Ok(place) => place,
        Err(error) => return Ok(Err(error)),
    };
    let after: Option<KvKey> = match cursor.as_deref().map(key).transpose() {
        Ok(after) => after,
        Err(_) => return Ok(Err(Error::Refused("the cursor is none that a page before has named".to_owned()))),
    };
    if prefix.len() > KvKey::BYTES_MAX {
        return Ok(Err(Error::Refused(format!("a prefix may have at most {} bytes", KvKey::BYTES_MAX))));
    }
    // One more than fits tells whether there are more.
    let keys = match keeper.keys(bucket, prefix, after, PAGE_KEYS_MAX + 1).await {
        Ok(keys) => keys,
        Err(sentence) => return Ok(Err(Error::Refused(sentence))),
    };
    let has_more = keys.len() > PAGE_KEYS_MAX;
    let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.truncate(PAGE_KEYS_MAX);
    let cursor = keys.last().filter(|_| has_more).cloned();
    Ok(Ok(Page { keys, cursor }))
}

/// Counts the call and finds the bucket, if it is granted.
fn place(state: &mut AttemptState, bucket: &str) -> wasmtime::Result<Result<Place, Error>> {
    state.count_host_call()?;
    let granted = state.grants.kv.iter().find(|granted| granted.as_str() == bucket).cloned();
    let (Some(name), Some(keeper)) = (granted, state.kv.clone()) else {
        state.denied(&capability_of_kv(bucket));
        return Ok(Err(Error::NotGranted));
    };
    Ok(Ok((keeper, name)))
}

fn told(error: StoreError) -> Error {
    match error {
        StoreError::AccessDenied => Error::NotGranted,
        StoreError::NoSuchStore => Error::Refused("there is no such bucket".to_owned()),
        StoreError::Other(sentence) => Error::Refused(sentence),
    }
}
