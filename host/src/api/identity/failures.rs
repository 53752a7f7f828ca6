//! Who sends bad credentials again and again is slowed down: so many at once, then one a second, per address (an IPv6
//! network of 64 bits counts as one). Past it credentials are not looked at any more, for a guess that is not looked at
//! can't be right, except keys of the host's own making, which nobody guesses, and those that were good from this address since its
//! first failure: nobody is kept out by what others behind the same address try. Costs those who send good ones a look at one number.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::store::CredentialHash;

/// Bad credentials of one address before it is slowed down.
const AT_ONCE_MAX: u32 = 10;
/// After so long one more is looked at.
const PAUSE: Duration = Duration::from_secs(1);
/// Addresses remembered; past it the one that failed longest ago is forgotten.
const PEERS_MAX: usize = 4_096;
/// Good credentials remembered of an address that has failed.
const GOOD_MAX: usize = 8;

/// Whether a credential is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Look,
    /// It is not said whether it is good.
    TooMany {
        /// Until one more is looked at.
        wait: Duration,
    },
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Without a lock: how many addresses are remembered.
    remembered: AtomicUsize,
    peers: Mutex<FxHashMap<IpAddr, Peer>>,
}

#[derive(Debug)]
struct Peer {
    /// Failures not yet made up for by time, as of `at`.
    count: u32,
    at: Instant,
    good: SmallVec<[CredentialHash; 2]>,
}

impl Peer {
    /// Lets time heal.
    fn settle(&mut self, now: Instant) {
        let healed = now.saturating_duration_since(self.at).as_millis() / PAUSE.as_millis();
        let healed = u32::try_from(healed).unwrap_or(u32::MAX).min(self.count);
        self.count -= healed;
        self.at = if self.count == 0 { now } else { self.at + PAUSE * healed };
    }
}

impl Failures {
    /// Whether this credential of this address is to be looked at now.
    pub(super) fn before(&self, peer: IpAddr, credential: &CredentialHash, now: Instant) -> Verdict {
        if self.remembered.load(Ordering::Relaxed) == 0 {
            return Verdict::Look;
        }
        let mut peers = self.peers.lock();
        let Some(known) = peers.get_mut(&network(peer)) else { return Verdict::Look };
        known.settle(now);
        if known.count < AT_ONCE_MAX || known.good.contains(credential) {
            return Verdict::Look;
        }
        Verdict::TooMany { wait: PAUSE.saturating_sub(now.saturating_duration_since(known.at)) }
    }

    /// It was bad.
    pub(super) fn failed(&self, peer: IpAddr, now: Instant) {
        let mut peers = self.peers.lock();
        if peers.len() >= PEERS_MAX {
            peers.retain(|_, known| {
                known.settle(now);
                known.count > 0
            });
            let oldest = peers.iter().min_by_key(|(_, known)| known.at).map(|(peer, _)| *peer);
            if let Some(oldest) = oldest.filter(|_| peers.len() >= PEERS_MAX) {
                peers.remove(&oldest);
            }
        }
        let known = peers.entry(network(peer)).or_insert_with(|| Peer { count: 0, at: now, good: SmallVec::new() });
        known.settle(now);
        known.count = (known.count + 1).min(AT_ONCE_MAX);
        self.remembered.store(peers.len(), Ordering::Relaxed);
    }

    /// It was good.
    pub(super) fn succeeded(&self, peer: IpAddr, credential: &CredentialHash) {
        if self.remembered.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut peers = self.peers.lock();
        let Some(known) = peers.get_mut(&network(peer)) else { return };
        if !known.good.contains(credential) {
            if known.good.len() == GOOD_MAX {
                known.good.remove(0);
            }
            known.good.push(*credential);
        }
    }
}

/// Who holds one IPv6 address holds its whole network.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn guesses_are_slowed_down_and_nobody_else_is() {
        let failures = Failures::default();
        let (bad, good, late) = ([1; 32], [2; 32], [3; 32]);
        let (mallory, neighbour, other) = (peer("2001:db8::1"), peer("2001:db8::2"), peer("2001:db8:0:1::1"));
        let now = Instant::now();
        failures.failed(mallory, now);
        // Somebody behind the same address, whose credential is good.
        failures.succeeded(neighbour, &good);
        for _ in 1..AT_ONCE_MAX {
            assert_eq!(failures.before(mallory, &bad, now), Verdict::Look);
            failures.failed(mallory, now);
        }
        assert_eq!(failures.before(mallory, &bad, now), Verdict::TooMany { wait: PAUSE });
        assert_eq!(failures.before(neighbour, &late, now), Verdict::TooMany { wait: PAUSE });
        assert_eq!(failures.before(neighbour, &good, now), Verdict::Look);
        assert_eq!(failures.before(other, &bad, now), Verdict::Look);
        // One a second.
        let later = now + PAUSE;
        assert_eq!(failures.before(mallory, &bad, later), Verdict::Look);
        failures.failed(mallory, later);
        assert_eq!(failures.before(mallory, &bad, later), Verdict::TooMany { wait: PAUSE });
        // What is not looked at does not count: it heals as it would have.
        assert_eq!(failures.before(mallory, &bad, later + PAUSE * 3), Verdict::Look);
    }

    #[test]
    fn as_many_addresses_are_remembered_as_may_be() {
        let failures = Failures::default();
        let now = Instant::now();
        for number in 0..=u32::try_from(PEERS_MAX).unwrap() {
            failures.failed(IpAddr::V4(number.into()), now + Duration::from_micros(number.into()));
        }
        assert_eq!(failures.peers.lock().len(), PEERS_MAX);
        assert!(!failures.peers.lock().contains_key(&peer("0.0.0.0")), "the oldest is forgotten");
        assert_eq!(network(peer("::ffff:10.0.0.1")), peer("10.0.0.1"));
    }
}
