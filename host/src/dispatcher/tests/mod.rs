//! The dispatcher's parts, and the whole of it on a real store and a real sandbox.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod feed;
mod outcomes;
mod service;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::feed::FeedItem;
use crate::job::{HostId, JobId, KindSettings, Lease, QueueName, TenantName, Timestamp};
use crate::store::{ClaimedJob, KindEntry, KindId, TenantId};

/// Longest wait for a condition.
const DEADLINE: Duration = Duration::from_secs(30);

/// Until it holds; fails the test at the deadline.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waited).await.is_ok(), "waited in vain until {what}");
}

/// A claimed job of a kind, with its place in the order.
pub(super) fn item(job: u128, kind: i64, key: i64, estimate_us: u64) -> FeedItem {
    let id = JobId::from_u128(job);
    let kind = KindEntry {
        id: KindId(kind),
        tenant: TenantId::DEFAULT,
        tenant_name: TenantName::default_tenant(),
        name: "test.kind".parse().unwrap(),
        description: None,
        version: None,
        input_schema: "true".into(),
        output_schema: "true".into(),
        module_settings: KindSettings::default(),
        operator_settings: KindSettings::default(),
        settings: KindSettings::default(),
    };
    let job = ClaimedJob {
        lease: Lease::granted(id, HostId::from_u128(1), 1, 1),
        kind: Arc::new(kind),
        queue_pace: crate::job::Pace::default(),
        queue_id: crate::store::QueueId(1),
        queue: QueueName::default_queue(),
        payload: Bytes::from_static(b"{}"),
        options: None,
        max_attempts: 1,
        created_at: Timestamp(0),
        run_at: Timestamp(0),
        ready_at: Timestamp(0),
        checked_against: None,
        rank: (key, id),
        slot_at: None,
        suspect: false,
        is_pinned: false,
    };
    FeedItem::new(job, estimate_us)
}
