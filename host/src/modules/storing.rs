//! Which bytes are being stored. Those of an upload that is refused are taken back, but not from under another upload of the same
//! bytes: chunks are known by what they hold, and not by who wrote them.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::job::Digest;

/// Uploads that store bytes now. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Storing(Arc<Mutex<FxHashMap<Digest, usize>>>);

/// One of them, from before its first chunk is written to after its last is taken back.
pub(super) struct Stored {
    storing: Storing,
    digest: Digest,
}

impl Storing {
    /// From now on an upload stores these bytes.
    pub(super) fn begin(&self, digest: Digest) -> Stored {
        *self.0.lock().entry(digest).or_default() += 1;
        Stored { storing: self.clone(), digest }
    }

    /// Whether not more than one does.
    pub(super) fn is_alone(&self, digest: Digest) -> bool {
        self.0.lock().get(&digest).is_none_or(|uploads| *uploads < 2)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        let mut storing = self.storing.0.lock();
        if let Some(uploads) = storing.get_mut(&self.digest) {
            *uploads -= 1;
            if *uploads == 0 {
                storing.remove(&self.digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stores_the_same_bytes_is_not_alone() {
        let (storing, digest, other) = (Storing::default(), Digest([1; 32]), Digest([2; 32]));
        let first = storing.begin(digest);
        assert!(storing.is_alone(digest));
        let second = storing.begin(digest);
        let _other = storing.begin(other);
        assert!(!storing.is_alone(digest) && storing.is_alone(other));
        drop(first);
        assert!(storing.is_alone(digest));
        drop(second);
        assert_eq!(storing.0.lock().len(), 1, "what is over is forgotten");
    }
}
