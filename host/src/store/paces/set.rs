//! What is limited, as the catalog has it: read, compared, and put beside a job.

use std::sync::Arc;

use crate::job::{KindPace, Pace};
use crate::store::catalog::{Catalog, KindId, QueueId, TenantEntry};
use crate::store::counters::Lane;
use crate::store::limit_of::{KeyId, LimitOf};

/// What a job is counted under.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Counted {
    pub(in crate::store) lane: Lane,
    pub(in crate::store) key: Option<KeyId>,
}

/// At most four limits hold for a job.
pub(super) type Limits = [Option<(LimitOf, Pace)>; 4];

/// What is set on a kind; `None`: it is not registered.
pub(super) fn pace_of(catalog: &Catalog, kind: KindId) -> Option<KindPace> {
    catalog.kinds.get(&kind).map(|kind| kind.settings.pace)
}

fn pace_of_queue(catalog: &Catalog, queue: QueueId) -> Pace {
    catalog.queue_settings.get(&queue).map(|settings| settings.pace).unwrap_or_default()
}

/// Everything that limits a job, with what is set on it. `tenant`: what limits a tenant that says nothing itself.
pub(super) fn limits_of(catalog: &Catalog, tenant: Pace, kind: &KindPace, Counted { lane, key }: Counted) -> Limits {
    [
        Some((LimitOf::Tenant(lane.tenant), catalog.tenant_pace(tenant, lane.tenant))),
        Some((LimitOf::Queue(lane.queue), pace_of_queue(catalog, lane.queue))),
        Some((LimitOf::Kind(lane.kind), kind.of_kind())),
        key.map(|key| (LimitOf::Key(key), kind.of_key())),
    ]
    .map(|limit| limit.filter(|(_, pace)| pace.is_limited()))
}

/// Whether anything is limited.
pub(super) fn is_limited(catalog: &Catalog) -> bool {
    catalog.kinds.values().any(|kind| kind.settings.pace.is_limited())
        || catalog.queue_settings.values().any(|settings| settings.pace.is_limited())
        || catalog.tenant_entries.values().any(|tenant| tenant.quotas.running_jobs.is_some())
}

/// Whether the limits are the same in both.
pub(super) fn has_same_paces(seen: &Catalog, now: &Catalog) -> bool {
    let kinds = now.kinds.iter().all(|(id, kind)| pace_of(seen, *id).unwrap_or_default() == kind.settings.pace);
    let gone = seen.kinds.iter().all(|(id, kind)| now.kinds.contains_key(id) || !kind.settings.pace.is_limited());
    let queues = now.queue_settings.iter().all(|(id, settings)| pace_of_queue(seen, *id) == settings.pace);
    let removed = seen.queue_settings.iter().all(|(id, settings)| pace_of_queue(now, *id) == settings.pace);
    let running = |catalog: &Catalog, id| {
        catalog.tenant_entries.get(&id).and_then(|tenant: &Arc<TenantEntry>| tenant.quotas.running_jobs)
    };
    let tenants = now.tenant_entries.keys().all(|id| running(seen, *id) == running(now, *id));
    kinds && gone && queues && removed && tenants
}
