//! Tokens that were found good a moment ago, by hash: checking a signature costs more than a look.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::claims::Claimed;
use crate::job::Timestamp;
use crate::store::CredentialHash;

/// Tokens kept.
const TOKENS_MAX: usize = 4_096;
/// For no longer than this, ms, and never beyond their own time.
const KEEP_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<FxHashMap<CredentialHash, Kept>>);

#[derive(Debug)]
struct Kept {
    claimed: Claimed,
    /// Of the keys it was checked with.
    version: u64,
    until: Timestamp,
}

impl Cache {
    pub(super) fn get(&self, hash: &CredentialHash, version: u64, now: Timestamp) -> Option<Claimed> {
        let tokens = self.0.lock();
        let kept = tokens.get(hash)?;
        // The clock may have been set back: nothing is kept for longer than it may.
        let is_fresh = now < kept.until && kept.until.as_ms() - now.as_ms() <= KEEP_MS;
        (is_fresh && kept.version == version).then(|| kept.claimed.clone())
    }

    pub(super) fn put(&self, hash: CredentialHash, version: u64, claimed: Claimed, now: Timestamp) {
        let until = Timestamp(now.as_ms() + KEEP_MS).min(claimed.expires_at);
        if until <= now {
            return;
        }
        let mut tokens = self.0.lock();
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, kept| now < kept.until && kept.version == version);
            if tokens.len() >= TOKENS_MAX {
                tokens.clear();
            }
        }
        tokens.insert(hash, Kept { claimed, version, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Role;

    #[test]
    fn nothing_is_kept_beyond_its_time_or_its_keys() {
        let claimed =
            |expires_at| Claimed { tenant: None, role: Role::Viewer, who: "jwt:a".into(), user: None, expires_at };
        let cache = Cache::default();
        let now = Timestamp(1_000_000);
        cache.put([1; 32], 1, claimed(Timestamp(1_005_000)), now);
        cache.put([2; 32], 1, claimed(Timestamp(9_000_000)), now);
        cache.put([3; 32], 1, claimed(now), now);
        let is_known = |hash: u8, version, at| cache.get(&[hash; 32], version, Timestamp(at)).is_some();
        assert!(is_known(1, 1, 1_004_999) && !is_known(1, 1, 1_005_000));
        assert!(is_known(2, 1, 1_059_999) && !is_known(2, 1, 1_060_000));
        assert!(!is_known(2, 2, 1_000_001), "the keys have changed");
        assert!(!is_known(2, 1, 900_000), "the clock was set back");
        assert!(!is_known(3, 1, 1_000_000));
    }
}
