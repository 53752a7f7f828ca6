//! How many may run at once and how often one may begin: what can be set on a kind, on the keys of a kind, on a queue and on a
//! tenant, and whether one more may begin.

use serde::{Deserialize, Serialize};

use super::rate::{Bucket, Rate};

/// Most jobs that may be allowed to run at once under one limit.
pub const CONCURRENCY_MAX: u32 = 1_000_000;
/// Longest concurrency key, bytes.
pub const CONCURRENCY_KEY_BYTES_MAX: usize = 128;

/// Limits on what is begun; `None` limits nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// So many at once, 1 to [`CONCURRENCY_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// So many in such a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// What is set on a kind, in layers: `None` leaves the layer below in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindPace {
    /// Jobs of the kind at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Jobs of the kind in a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Jobs of one concurrency key at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_concurrency: Option<u32>,
    /// Jobs of one concurrency key in a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rate: Option<Rate>,
    /// The order within one concurrency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_order: Option<KeyOrder>,
}

impl KindPace {
    /// This, with `upper` having the last word where it says anything.
    #[must_use]
    pub fn overlaid_by(&self, upper: &KindPace) -> KindPace {
        let KindPace { concurrency, rate, key_concurrency, key_rate, key_order } = *upper;
        KindPace {
            concurrency: concurrency.or(self.concurrency),
            rate: rate.or(self.rate),
            key_concurrency: key_concurrency.or(self.key_concurrency),
            key_rate: key_rate.or(self.key_rate),
            key_order: key_order.or(self.key_order),
        }
    }

    /// Of all jobs of the kind.
    pub fn of_kind(&self) -> Pace {
        Pace { concurrency: self.concurrency, rate: self.rate }
    }

    /// Of the jobs of one key.
    pub fn of_key(&self) -> Pace {
        let concurrency = if self.is_fifo() { Some(1) } else { self.key_concurrency };
        Pace { concurrency, rate: self.key_rate }
    }

    /// Whether the jobs of a key begin strictly one after the other.
    pub fn is_fifo(&self) -> bool {
        self.key_order == Some(KeyOrder::Fifo)
    }

    /// Whether anything limits the jobs of a key beside what limits all of the kind.
    pub fn limits_keys(&self) -> bool {
        self.of_key().is_limited() || self.is_fifo()
    }

    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        self.of_kind().is_limited() || self.limits_keys()
    }
}

/// In which order the jobs of one key begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOrder {
    /// As all others: by priority and time; several at once where the limits allow it.
    #[default]
    Priority,
    /// One after the other as they were enqueued: the next begins when the one before has ended for good. A job that is not
    /// due yet holds nobody up.
    Fifo,
}

/// What stands in the way of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing.
    Now,
    /// As many as may run do.
    Full,
    /// The rate; from this instant on there is a permit, ns on the store's clock.
    From(i64),
}

impl Pace {
    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        self.concurrency.is_some() || self.rate.is_some()
    }

    /// Whether one more may begin beside the `running`, at `now_ns`.
    pub fn admits(&self, running: u32, bucket: Bucket, now_ns: i64) -> Admission {
        if self.concurrency.is_some_and(|most| running >= most) {
            return Admission::Full;
        }
        match self.rate {
            Some(rate) if bucket.permits(rate, now_ns) == 0 => Admission::From(bucket.next_permit_at(rate, now_ns)),
            _ => Admission::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_more_may_begin_or_may_not() {
        let second = 1_000_000_000;
        let rate = Rate { limit: 2, per: Duration::from_secs(1), burst: 1 };
        let (two, paced) = (Pace { concurrency: Some(2), rate: None }, Pace { concurrency: Some(2), rate: Some(rate) });
        let (full, empty) = (Bucket::default(), Bucket::default().take(rate, second, 1));
        for (pace, running, bucket, admission) in [
            (Pace::default(), 1_000, empty, Admission::Now),
            (two, 0, empty, Admission::Now),
            (two, 1, empty, Admission::Now),
            (two, 2, full, Admission::Full),
            (two, 3, full, Admission::Full),
            (paced, 1, full, Admission::Now),
            (paced, 1, empty, Admission::From(second + second / 2)),
            (paced, 2, empty, Admission::Full),
        ] {
            assert_eq!(pace.admits(running, bucket, second), admission, "{pace:?} beside {running}");
        }
    }
}
