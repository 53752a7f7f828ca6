//! Pages of jobs under every filter equal a filter over all jobs.

use super::*;
use crate::job::JobState;

async fn all_pages(store: &Store, filter: &JobFilter, limit: usize) -> Vec<JobId> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.jobs(TENANT, filter.clone(), limit, cursor).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|row| row.id));
        cursor = page.next;
        if cursor.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn every_filter_finds_exactly_its_jobs() {
    let harness = Harness::new();
    harness.module("m", &["a", "b"]).await;
    harness.module("n", &["c"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut ids = Vec::new();
    for number in 0..60usize {
        let mut new = job(harness.kind(["a", "b", "c"][number % 3]));
        new.spec.queue = ["q", "r"][number % 2].parse().unwrap();
        if number % 4 == 0 {
            new.spec.tags = vec!["t".into()];
        }
        if number % 10 == 9 {
            new.spec.run_at = Some(Timestamp(START + 10_000_000));
        }
        ids.push(harness.enqueue(new).await);
        harness.clock.advance(100);
    }
    for (number, claimed) in harness.claim(host, 40).await.into_iter().enumerate() {
        let next = match number % 3 {
            0 => Next::Succeed(Bytes::from_static(b"1")),
            1 => Next::Fail(failure()),
            _ => Next::Cancel(failure()),
        };
        harness.store.finish(finish(claimed.lease, next, harness.clock.now())).await.unwrap();
    }
    let mut rows = Vec::new();
    for id in ids.iter().rev() {
        rows.push(harness.row(*id).await);
    }
    let base = JobFilter::default();
    let kind = Some("a".parse().unwrap());
    let queue = Some("q".parse().unwrap());
    let mut filters = vec![
        base.clone(),
        JobFilter { kind: kind.clone(), ..base.clone() },
        JobFilter { queue: queue.clone(), ..base.clone() },
        JobFilter { kind: kind.clone(), queue: queue.clone(), state: Some(JobState::Succeeded), ..base.clone() },
        JobFilter { module: Some("m".parse().unwrap()), ..base.clone() },
        JobFilter { module: Some("m".parse().unwrap()), kind: Some("c".parse().unwrap()), ..base.clone() },
        JobFilter { tag: Some("t".into()), ..base.clone() },
        JobFilter { tag: Some("t".into()), kind, queue, ..base.clone() },
        JobFilter { since: Some(Timestamp(START + 1_000)), until: Some(Timestamp(START + 3_000)), ..base.clone() },
        JobFilter { kind: Some("nope".parse().unwrap()), ..base.clone() },
    ];
    filters.extend(JobState::ALL.map(|state| JobFilter { state: Some(state), ..base.clone() }));
    for filter in filters {
        let modules = |row: &JobRow| if row.kind.as_str() == "c" { "n" } else { "m" };
        let expected: Vec<JobId> = rows
            .iter()
            .filter(|row| filter.state.is_none_or(|state| state == row.state))
            .filter(|row| filter.kind.as_ref().is_none_or(|kind| *kind == row.kind))
            .filter(|row| filter.queue.as_ref().is_none_or(|queue| *queue == row.queue))
            .filter(|row| filter.tag.as_ref().is_none_or(|tag| row.tags.contains(tag)))
            .filter(|row| filter.module.as_ref().is_none_or(|module| module.as_str() == modules(row)))
            .filter(|row| filter.since.is_none_or(|since| row.created_at >= since))
            .filter(|row| filter.until.is_none_or(|until| row.created_at < until))
            .map(|row| row.id)
            .collect();
        for limit in [1, 7, 500] {
            assert_eq!(all_pages(&harness.store, &filter, limit).await, expected, "{filter:?} by {limit}");
        }
    }
    let queues = harness.store.queues(TENANT, None, 9).await.unwrap();
    let counted: u64 = queues.iter().flat_map(|queue| &queue.counts).map(|(_, jobs)| jobs).sum();
    assert_eq!((queues.len(), counted), (2, 60));
}

#[tokio::test]
async fn claims_keep_order_bounds_and_tell_of_more() {
    let harness = Harness::with_aging(Duration::from_mins(1));
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut expected = Vec::new();
    for (queue, priority) in [("a", 5), ("b", 5), ("a", 4), ("b", 4), ("a", 5), ("b", 9)] {
        let mut new = job(harness.kind("k"));
        new.spec.queue = queue.parse().unwrap();
        new.spec.priority = priority;
        new.spec.payload = Bytes::from(vec![b' '; 100]);
        expected.push((priority, harness.enqueue(new).await));
    }
    let last = expected.last().unwrap().1;
    assert_eq!(harness.store.job(TENANT, last).await.unwrap().unwrap().behind, Some(5));
    expected.sort();
    let mut given = Vec::new();
    for (bytes, jobs) in [(250, 2), (50, 1), (1_000, 3)] {
        let mut request = request(host, 10);
        request.payload_bytes_max = bytes;
        let claimed = harness.claim_as(request).await;
        assert_eq!(claimed.jobs.len(), jobs);
        given.extend(claimed.jobs.iter().map(|claimed| claimed.lease.job()));
        assert_eq!(claimed.more, given.len() < 6);
    }
    let order: Vec<JobId> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(given, order);
}
