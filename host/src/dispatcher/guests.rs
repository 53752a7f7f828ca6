//! Claimed jobs whose compiled module is not in memory yet. A few are held here, outside the slots, the others are
//! parked in the store, so that a long compile keeps nobody else waiting.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::feed::{Feed, FeedItem};
use crate::job::{Digest, GuestType};
use crate::sandbox::{Sandbox, SandboxError};
use crate::store::KindId;

/// Jobs held for one module that is being loaded; the others are parked.
const HELD_JOBS_MAX: usize = 32;

/// Modules being loaded and the jobs that wait for them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guests {
    sandbox: Sandbox,
    feed: Arc<Feed>,
    loading: Arc<Mutex<FxHashMap<Digest, Loading>>>,
    failed: Arc<dyn FailedLoad>,
    unpark: Arc<Notify>,
    runtime: Handle,
}

/// A module on its way into memory.
#[derive(Debug, Default)]
struct Loading {
    kinds: Vec<KindId>,
    held: Vec<FeedItem>,
}

/// Freshly claimed jobs by what is to be done with them.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Their module is in memory.
    pub runnable: Vec<FeedItem>,
    /// To be parked until it is.
    pub parked: Vec<FeedItem>,
}

/// Called with the jobs of a module that could not be loaded.
pub trait FailedLoad: Send + Sync + std::fmt::Debug {
    /// Ends the attempts.
    fn load_failed(&self, items: Vec<FeedItem>, error: &SandboxError);
}

impl Guests {
    /// Loaded jobs go to `feed`, those that can't be loaded to `failed`; after each load `unpark` is signalled.
    /// To be called inside the runtime that is to load them.
    pub fn new(sandbox: Sandbox, feed: Arc<Feed>, failed: Arc<dyn FailedLoad>, unpark: Arc<Notify>) -> Self {
        Self { sandbox, feed, loading: Arc::default(), failed, unpark, runtime: Handle::current() }
    }

    /// Kinds whose jobs should not be claimed now.
    pub fn loading(&self) -> Vec<KindId> {
        self.loading.lock().values().flat_map(|loading| loading.kinds.iter().copied()).collect()
    }

    /// Splits freshly claimed jobs. Of those whose module is not in memory a few are held here while it loads.
    pub fn sort(&self, items: Vec<FeedItem>) -> Sorted {
        let mut sorted = Sorted { runnable: Vec::with_capacity(items.len()), parked: Vec::new() };
        let mut known: Option<Digest> = None;
        for item in items {
            let Some(version) = item.job.kind.version.clone() else {
                sorted.runnable.push(item);
                continue;
            };
            if known == Some(version.digest) || self.sandbox.cached_guest(version.digest).is_some() {
                known = Some(version.digest);
                sorted.runnable.push(item);
                continue;
            }
            let is_first = self.hold(version.digest, item, &mut sorted.parked);
            if is_first {
                let guests = self.clone();
                self.runtime.spawn(async move { guests.load(version.digest, version.guest).await });
            }
        }
        sorted
    }

    /// Holds the job, or adds it to those to be parked. `true`: nobody loads its module yet.
    fn hold(&self, digest: Digest, item: FeedItem, parked: &mut Vec<FeedItem>) -> bool {
        let mut all = self.loading.lock();
        let is_first = !all.contains_key(&digest);
        let loading = all.entry(digest).or_default();
        if !loading.kinds.contains(&item.job.kind.id) {
            loading.kinds.push(item.job.kind.id);
        }
        if loading.held.len() < HELD_JOBS_MAX {
            loading.held.push(item);
        } else {
            parked.push(item);
        }
        is_first
    }

    async fn load(self, digest: Digest, guest: GuestType) {
        let loaded = self.sandbox.guest(digest, guest).await;
        match loaded {
            Ok((_, compiled)) => {
                // Under the lock: a stop finds the jobs held here or in the feed.
                let mut all = self.loading.lock();
                let mut items = all.remove(&digest).unwrap_or_default().held;
                // The first job pays for the load in its receipt, the others hit the cache.
                if let Some(first) = items.first_mut() {
                    first.compiled = compiled;
                }
                self.feed.push(items);
            }
            Err(error) => {
                let items = self.loading.lock().remove(&digest).unwrap_or_default().held;
                tracing::error!(%digest, %error, jobs = items.len(), "a module could not be loaded");
                self.failed.load_failed(items, &error);
            }
        }
        self.unpark.notify_one();
    }

    /// Signals again what a load of one of these kinds that has ended meanwhile signalled too early.
    pub fn unpark_if_loaded(&self, kinds: &[KindId]) {
        let loading = self.loading();
        if kinds.iter().any(|kind| !loading.contains(kind)) {
            self.unpark.notify_one();
        }
    }

    /// Takes back every held job; loads under way bring no more.
    pub fn close(&self) -> Vec<FeedItem> {
        self.loading.lock().drain().flat_map(|(_, loading)| loading.held).collect()
    }
}
