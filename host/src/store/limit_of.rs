//! Names what a limit is set on, as one number: in memory, in the column `hold` and in the table of buckets.

use super::catalog::{KindId, QueueId, TenantId};

/// The store's short name of a concurrency key (unique over kinds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyId(pub(super) i64);

/// What a limit is set on. Jobs are held under the limits of kinds and keys only; tenants and queues hold as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LimitOf {
    Kind(KindId),
    Key(KeyId),
    Queue(QueueId),
    Tenant(TenantId),
}

impl LimitOf {
    /// Comes before all others.
    pub(super) const FIRST: LimitOf = LimitOf::Kind(KindId(i64::MIN));

    /// The number the store keeps.
    pub(super) fn code(self) -> i64 {
        let (id, sort) = match self {
            LimitOf::Kind(KindId(id)) => (id, 0),
            LimitOf::Key(KeyId(id)) => (id, 1),
            LimitOf::Queue(QueueId(id)) => (id, 2),
            LimitOf::Tenant(TenantId(id)) => (id, 3),
        };
        id << 2 | sort
    }

    /// From the number the store keeps.
    pub(super) fn from_code(code: i64) -> Self {
        let id = code >> 2;
        match code & 3 {
            0 => LimitOf::Kind(KindId(id)),
            1 => LimitOf::Key(KeyId(id)),
            2 => LimitOf::Queue(QueueId(id)),
            _ => LimitOf::Tenant(TenantId(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for id in [1, 2, 3, 1 << 40] {
            let all = [
                LimitOf::Kind(KindId(id)),
                LimitOf::Key(KeyId(id)),
                LimitOf::Queue(QueueId(id)),
                LimitOf::Tenant(TenantId(id)),
            ];
            for limit in all {
                assert_eq!(LimitOf::from_code(limit.code()), limit);
            }
        }
    }
}
