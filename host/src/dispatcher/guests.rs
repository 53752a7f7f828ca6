//! Claimed jobs whose compiled module is not in memory yet. A few are held here, outside the slots, the others are
//! parked in the store, so that a long compile keeps nobody else waiting. A module that can't be had is tried again
//! after a delay that doubles; until then its jobs are parked, at no cost to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::feed::{Feed, FeedItem};
use crate::job::{CompiledFrom, Digest};
use crate::sandbox::Sandbox;
use crate::store::{KindId, ModuleVersionEntry, Store};

/// Jobs held for one module that is being loaded; the others are parked.
const HELD_JOBS_MAX: usize = 32;
/// Payload bytes of all that are held, for whatever module.
const HELD_BYTES_MAX: usize = 8 << 20;
/// After its first failure a module is tried again so much later, then after twice as long, and so on.
const LOAD_RETRY_DELAY_MIN: Duration = Duration::from_secs(5);
/// The longest of these delays.
const LOAD_RETRY_DELAY_MAX: Duration = Duration::from_mins(5);

/// Modules being loaded or out of order, and the jobs that wait for them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guests {
    sandbox: Sandbox,
    store: Store,
    feed: Arc<Feed>,
    absent: Arc<Mutex<Absent>>,
    /// Whether any module has failed and not run since: mostly not, and then nobody needs the lock.
    troubled: Arc<AtomicBool>,
    returns: Arc<dyn Returns>,
    unpark: Arc<Notify>,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct Absent {
    /// Modules none of whose jobs can be started now.
    modules: FxHashMap<Digest, Loading>,
    /// Failures in a row, until the module runs.
    failures: FxHashMap<Digest, u32>,
    /// Payload bytes of the held jobs.
    held_bytes: usize,
}

impl Absent {
    /// Holds the job, or adds it to those to be parked. `true`: nobody loads its module yet.
    fn hold(&mut self, digest: Digest, item: FeedItem, parked: &mut Vec<FeedItem>) -> bool {
        let is_first = !self.modules.contains_key(&digest);
        let loading = self.modules.entry(digest).or_default();
        let held_bytes = self.held_bytes + item.job.payload.len();
        if loading.failed.is_none() && loading.held.len() < HELD_JOBS_MAX && held_bytes <= HELD_BYTES_MAX {
            self.held_bytes = held_bytes;
            loading.held.push(item);
        } else {
            parked.push(item);
        }
        is_first
    }

    /// Takes the module off the list, with the jobs held for it.
    fn remove(&mut self, digest: Digest) -> Option<Loading> {
        let loading = self.modules.remove(&digest)?;
        self.held_bytes -= loading.held.iter().map(|item| item.job.payload.len()).sum::<usize>();
        Some(loading)
    }

    fn has_trouble(&self) -> bool {
        !self.failures.is_empty() || self.modules.values().any(|module| module.failed.is_some())
    }
}

/// A module on its way into memory.
#[derive(Debug, Default)]
struct Loading {
    held: Vec<FeedItem>,
    failed: Option<Failed>,
}

/// The last try.
#[derive(Debug)]
struct Failed {
    message: String,
    retry_at: Instant,
}

/// Why the jobs of a module wait.
#[derive(Clone, Debug)]
pub struct LoadFailure {
    /// What went wrong.
    pub message: String,
    /// Until the next try; zero when it is being made.
    pub retry_in: Duration,
}

/// Freshly claimed jobs by what is to be done with them.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Their module is in memory.
    pub runnable: Vec<FeedItem>,
    /// To be parked until it is.
    pub parked: Vec<FeedItem>,
}

/// Takes the jobs of a module that could not be loaded.
pub trait Returns: Send + Sync + std::fmt::Debug {
    /// Gives them back at no cost.
    fn give_back(&self, items: Vec<FeedItem>, why: &str);
}

impl Guests {
    /// Loaded jobs go to `feed`, those that can't be loaded to `returns`; after each load `unpark` is signalled.
    /// To be called inside the runtime that is to load them.
    pub fn new(
        sandbox: Sandbox,
        store: Store,
        feed: Arc<Feed>,
        returns: Arc<dyn Returns>,
        unpark: Arc<Notify>,
    ) -> Self {
        let (absent, troubled) = (Arc::default(), Arc::default());
        Self { sandbox, store, feed, absent, troubled, returns, unpark, runtime: Handle::current() }
    }

    /// Modules whose jobs should not be claimed now.
    pub fn absent(&self) -> Vec<Digest> {
        self.absent.lock().modules.keys().copied().collect()
    }

    /// Whether the module failed and its next try is still to come.
    pub fn is_set_back(&self, digest: Digest) -> bool {
        self.is_troubled() && self.absent.lock().modules.get(&digest).is_some_and(|module| module.failed.is_some())
    }

    /// Why jobs of this module wait, if it failed.
    pub fn failure(&self, digest: Digest) -> Option<LoadFailure> {
        if !self.is_troubled() {
            return None;
        }
        let absent = self.absent.lock();
        let Failed { message, retry_at } = absent.modules.get(&digest)?.failed.as_ref()?;
        Some(LoadFailure { message: message.clone(), retry_in: retry_at.saturating_duration_since(Instant::now()) })
    }

    fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
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
            let is_first = self.absent.lock().hold(version.digest, item, &mut sorted.parked);
            if is_first {
                let guests = self.clone();
                self.runtime.spawn(async move { guests.load(&version).await });
            }
        }
        sorted
    }

    /// Tries until the module is in memory, or no kind is served by it any more.
    async fn load(self, version: &ModuleVersionEntry) {
        loop {
            match self.sandbox.guest(version.digest, version.guest).await {
                Ok((_, compiled)) => break self.loaded(version.digest, compiled),
                Err(error) => {
                    let Some(delay) = self.failed(version, &error.to_string()) else { break };
                    if !self.wait(version.digest, delay).await {
                        break;
                    }
                }
            }
        }
        self.unpark.notify_one();
    }

    fn loaded(&self, digest: Digest, compiled: CompiledFrom) {
        // Under the lock: a stop finds the jobs held here or in the feed.
        let mut absent = self.absent.lock();
        let mut items = absent.remove(digest).unwrap_or_default().held;
        // The first job pays for the load in its receipt, the others hit the cache.
        if let Some(first) = items.first_mut() {
            first.compiled = compiled;
        }
        self.feed.push(items);
    }

    /// A job found its module to be out of order though it had been loaded. Nobody else is let run into that before
    /// the delay is over. Of many jobs that find the same only the first counts.
    pub fn set_back(&self, version: &Arc<ModuleVersionEntry>, message: &str) {
        {
            let mut absent = self.absent.lock();
            if absent.modules.contains_key(&version.digest) {
                return;
            }
            absent.modules.insert(version.digest, Loading::default());
        }
        let Some(delay) = self.failed(version, message) else { return self.unpark.notify_one() };
        let (guests, version) = (self.clone(), Arc::clone(version));
        self.runtime.spawn(async move {
            if guests.wait(version.digest, delay).await {
                guests.load(&version).await;
            } else {
                guests.unpark.notify_one();
            }
        });
    }

    /// Notes the failure and gives the held jobs back. The delay until the next try; `None` where there is to be none,
    /// because no kind is served by this version any more, or the host stops.
    fn failed(&self, version: &ModuleVersionEntry, message: &str) -> Option<Duration> {
        let (digest, module) = (version.digest, &version.module);
        let active = self.active();
        let (held, delay) = {
            let mut absent = self.absent.lock();
            let mut loading = absent.remove(digest)?;
            let held = std::mem::take(&mut loading.held);
            absent.failures.retain(|known, _| active.contains(known));
            let delay = active.contains(&digest).then(|| {
                let failures = absent.failures.entry(digest).or_default();
                *failures = failures.saturating_add(1);
                let delay = retry_delay(*failures);
                loading.failed = Some(Failed { message: message.to_owned(), retry_at: Instant::now() + delay });
                absent.modules.insert(digest, loading);
                delay
            });
            self.troubled.store(absent.has_trouble(), Ordering::Release);
            (held, delay)
        };
        if let Some(delay) = delay {
            let retry_in_s = delay.as_secs();
            tracing::error!(%module, %digest, error = message, retry_in_s, "a module can't be run; its jobs wait");
        }
        self.returns.give_back(held, message);
        delay
    }

    /// Waits for the next try. `false` if there is to be none.
    async fn wait(&self, digest: Digest, delay: Duration) -> bool {
        let mut catalogs = self.store.catalog_changes();
        let mut due = std::pin::pin!(tokio::time::sleep(delay));
        loop {
            if !self.active().contains(&digest) {
                let mut absent = self.absent.lock();
                absent.remove(digest);
                absent.failures.remove(&digest);
                self.troubled.store(absent.has_trouble(), Ordering::Release);
                return false;
            }
            tokio::select! {
                () = &mut due => break,
                changed = catalogs.changed() => if changed.is_err() { break },
            }
        }
        // Gone once stopping.
        self.absent.lock().modules.contains_key(&digest)
    }

    /// The digests kinds are served by.
    fn active(&self) -> Vec<Digest> {
        let catalog = self.store.catalog();
        catalog.kinds.values().filter_map(|kind| kind.version.as_ref()).map(|version| version.digest).collect()
    }

    /// The module runs: what failed before is forgotten.
    pub fn runs(&self, digest: Digest) {
        if self.is_troubled() {
            let mut absent = self.absent.lock();
            absent.failures.remove(&digest);
            self.troubled.store(absent.has_trouble(), Ordering::Release);
        }
    }

    /// Signals again, for jobs of these kinds that were just parked, what has come meanwhile and signalled too early: a
    /// load's end, or another version.
    pub fn unpark_if_loaded(&self, kinds: &[KindId]) {
        let (catalog, absent) = (self.store.catalog(), self.absent());
        let version = |kind: &KindId| catalog.kinds.get(kind).and_then(|kind| kind.version.clone());
        if kinds.iter().filter_map(version).any(|version| !absent.contains(&version.digest)) {
            self.unpark.notify_one();
        }
    }

    /// Takes back every held job; loads under way bring no more.
    pub fn close(&self) -> Vec<FeedItem> {
        let mut absent = self.absent.lock();
        absent.held_bytes = 0;
        absent.modules.drain().flat_map(|(_, loading)| loading.held).collect()
    }
}

/// The delay after so many failures in a row (from 1).
fn retry_delay(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    LOAD_RETRY_DELAY_MIN.saturating_mul(1 << doublings).min(LOAD_RETRY_DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatcher::tests::item;

    #[test]
    fn a_few_jobs_are_held_and_few_bytes() {
        let (mut absent, mut parked) = (Absent::default(), Vec::new());
        let [small, large] = [Digest([1; 32]), Digest([2; 32])];
        for job in 1..=40 {
            assert_eq!(absent.hold(small, item(job, 1, 1, 10), &mut parked), job == 1);
        }
        assert_eq!((absent.modules[&small].held.len(), parked.len()), (HELD_JOBS_MAX, 8));
        for job in 41..=50 {
            let mut item = item(job, 2, 1, 10);
            item.job.payload = bytes::Bytes::from(vec![b' '; 1 << 20]);
            assert_eq!(absent.hold(large, item, &mut parked), job == 41);
        }
        assert_eq!((absent.modules[&large].held.len(), parked.len()), (7, 11));
        assert_eq!(absent.remove(large).map(|loading| loading.held.len()), Some(7));
        assert_eq!(absent.held_bytes, HELD_JOBS_MAX * 2);
        // Until it is tried again nobody waits for it here.
        if let Some(module) = absent.modules.get_mut(&small) {
            module.held.clear();
            module.failed = Some(Failed { message: String::new(), retry_at: Instant::now() });
        }
        assert!(!absent.hold(small, item(51, 1, 1, 10), &mut parked));
        assert_eq!(parked.len(), 12);
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..=8).map(|failures| retry_delay(failures).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(retry_delay(u32::MAX), LOAD_RETRY_DELAY_MAX);
    }
}
