//! How many guests of each module are in their sandboxes now: it tells a module that can't run from a host that has no room
//! for one more of it.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::job::Digest;

/// The count. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Instances(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    of: Mutex<FxHashMap<Digest, u32>>,
    ended: Notify,
}

/// One of them, until dropped.
#[derive(Debug)]
pub(super) struct Instance {
    all: Instances,
    digest: Digest,
}

impl Instances {
    /// One begins.
    pub(super) fn begin(&self, digest: Digest) -> Instance {
        *self.0.of.lock().entry(digest).or_default() += 1;
        Instance { all: self.clone(), digest }
    }

    /// Until one has ended. Each end is told to one who waits.
    pub(super) async fn end_of_one(&self) {
        self.0.ended.notified().await;
    }
}

impl Instance {
    /// Whether others of its module are there.
    pub(super) fn has_siblings(&self) -> bool {
        self.all.0.of.lock().get(&self.digest).is_some_and(|count| *count > 1)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let mut of = self.all.0.of.lock();
        if let Some(count) = of.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                of.remove(&self.digest);
            }
        }
        drop(of);
        self.all.0.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn siblings_are_of_one_module_and_ends_are_told() {
        let instances = Instances::default();
        let (one, other) = (Digest([1; 32]), Digest([2; 32]));
        let first = instances.begin(one);
        let stranger = instances.begin(other);
        assert!(!first.has_siblings() && !stranger.has_siblings());
        let second = instances.begin(one);
        assert!(first.has_siblings() && second.has_siblings());
        drop(first);
        instances.end_of_one().await;
        assert!(!second.has_siblings());
        drop((second, stranger));
        assert!(instances.0.of.lock().is_empty());
    }
}
