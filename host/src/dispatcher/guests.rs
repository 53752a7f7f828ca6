//! Claimed jobs whose compiled module is not in memory yet. They are held here, outside the slots, so that a long
//! compile keeps nobody else waiting.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::feed::{Feed, FeedItem};
use crate::job::Digest;
use crate::sandbox::{Sandbox, SandboxError};

/// Jobs held for all loading modules together; more are given back.
pub const HELD_JOBS_MAX: usize = 1_000;

/// Modules being loaded and the jobs that wait for them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guests {
    sandbox: Sandbox,
    feed: Arc<Feed>,
    loading: Arc<Mutex<FxHashMap<Digest, Vec<FeedItem>>>>,
    failed: Arc<dyn FailedLoad>,
}

/// Called with the jobs of a module that could not be loaded.
pub trait FailedLoad: Send + Sync + std::fmt::Debug {
    /// Ends the attempts.
    fn load_failed(&self, items: Vec<FeedItem>, error: &SandboxError);
}

impl Guests {
    /// Loaded jobs go to `feed`, those that can't be loaded to `failed`.
    pub fn new(sandbox: Sandbox, feed: Arc<Feed>, failed: Arc<dyn FailedLoad>) -> Self {
        Self { sandbox, feed, loading: Arc::default(), failed }
    }

    /// Jobs held.
    pub fn held(&self) -> usize {
        self.loading.lock().values().map(Vec::len).sum()
    }

    /// Splits freshly claimed jobs: those that can run are returned, the others are held while their module loads.
    pub fn sort(&self, items: Vec<FeedItem>) -> Vec<FeedItem> {
        let mut runnable = Vec::with_capacity(items.len());
        let mut known: Option<Digest> = None;
        for item in items {
            let Some(version) = item.job.kind.version.clone() else {
                runnable.push(item);
                continue;
            };
            if known == Some(version.digest) || self.sandbox.cached_guest(version.digest).is_some() {
                known = Some(version.digest);
                runnable.push(item);
                continue;
            }
            let first = {
                let mut loading = self.loading.lock();
                let first = !loading.contains_key(&version.digest);
                loading.entry(version.digest).or_default().push(item);
                first
            };
            if first {
                let guests = self.clone();
                tokio::spawn(async move { guests.load(version.digest, version.guest).await });
            }
        }
        runnable
    }

    async fn load(self, digest: Digest, guest: crate::job::GuestType) {
        let loaded = self.sandbox.guest(digest, guest).await;
        let mut items = self.loading.lock().remove(&digest).unwrap_or_default();
        match loaded {
            Ok((_, compiled)) => {
                // The first job pays for the load in its receipt, the others hit the cache.
                if let Some(first) = items.first_mut() {
                    first.compiled = compiled;
                }
                self.feed.push(items);
            }
            Err(error) => {
                tracing::error!(%digest, %error, jobs = items.len(), "a module could not be loaded");
                self.failed.load_failed(items, &error);
            }
        }
    }

    /// Takes back every held job.
    pub fn take_all(&self) -> Vec<FeedItem> {
        self.loading.lock().values_mut().flat_map(std::mem::take).collect()
    }
}
