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
        JobFilter { unfinished: true, ..base.clone() },
        JobFilter { unfinished: true, kind: kind.clone(), ..base.clone() },
        JobFilter { unfinished: true, tag: Some("t".into()), ..base.clone() },
        JobFilter { unfinished: true, state: Some(JobState::Failed), ..base.clone() },
        JobFilter { tag: Some("t".into()), kind, queue, ..base.clone() },
        JobFilter { since: Some(Timestamp(START + 1_000)), until: Some(Timestamp(START + 3_000)), ..base.clone() },
        JobFilter { kind: Some("nope".parse().unwrap()), ..base.clone() },
    ];
    filters.extend(JobState::ALL.map(|state| JobFilter { state: Some(state), ..base.clone() }));
    let expected = |filter: &JobFilter| -> Vec<JobId> {
        let modules = |row: &JobRow| if row.kind.as_str() == "c" { "n" } else { "m" };
        rows.iter()
            .filter(|row| filter.state.is_none_or(|state| state == row.state))
            .filter(|row| !(filter.unfinished && row.state.is_terminal()))
            .filter(|row| filter.kind.as_ref().is_none_or(|kind| *kind == row.kind))
            .filter(|row| filter.queue.as_ref().is_none_or(|queue| *queue == row.queue))
            .filter(|row| filter.tag.as_ref().is_none_or(|tag| row.tags.contains(tag)))
            .filter(|row| filter.module.as_ref().is_none_or(|module| module.as_str() == modules(row)))
            .filter(|row| filter.since.is_none_or(|since| row.created_at >= since))
            .filter(|row| filter.until.is_none_or(|until| row.created_at < until))
            .map(|row| row.id)
            .collect()
    };
    for filter in &filters {
        for limit in [1, 7, 500] {
            assert_eq!(all_pages(&harness.store, filter, limit).await, expected(filter), "{filter:?} by {limit}");
        }
    }
    let queues = harness.store.queues(TENANT, None, 9).await.unwrap();
    let counted: u64 = queues.iter().flat_map(|queue| &queue.counts).map(|(_, jobs)| jobs).sum();
    assert_eq!((queues.len(), counted), (2, 60));

    // More kinds in queues have history than are gone along one by one.
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let lanes =
        "WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 1100)
        INSERT INTO counters SELECT ?1, 1000 + number, 1000 + number, 'succeeded', 1 FROM numbers";
    assert_eq!(sql.execute(lanes, [TENANT.0]).unwrap(), 1_100);
    for filter in &filters {
        for limit in [7, 500] {
            assert_eq!(all_pages(&harness.store, filter, limit).await, expected(filter), "{filter:?} by {limit}");
        }
    }
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
    assert_eq!(harness.row(last).await.in_line.unwrap().behind, Some(Behind::Counted(5)));
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

#[tokio::test]
async fn what_runs_is_on_the_first_page_whatever_waits() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let host = harness.store.register_host(4, "1").await.unwrap();
    let (running, retrying) = (harness.enqueue(job(kind)).await, harness.enqueue(job(kind)).await);
    for claimed in harness.claim(host, 2).await {
        let now = harness.clock.now();
        if claimed.lease.job() == running {
            harness.store.mark_running(vec![((running, 1), now)]).await.unwrap();
        } else {
            let next = Next::Retry(failure(), now.plus(Duration::from_mins(1)));
            harness.store.finish(finish(claimed.lease, next, now)).await.unwrap();
        }
    }
    // More than one page looks at.
    let backlog = |sql: &rusqlite::Connection, _: &mut Draft| {
        let later = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 60000)
            INSERT INTO live_jobs (id, tenant_id, kind_id, queue_id, state, priority, order_key, run_at, ready_at,
                created_at, attempt, max_attempts, lease_number)
            SELECT unhex(printf('ff%030x', n)), 1, 1, 1, 'scheduled', 5, 0, 0, 0, 0, 0, 1, 0 FROM number";
        Ok(sql.execute(later, [])?)
    };
    assert_eq!(harness.store.write(Durability::Relaxed, backlog).await.unwrap(), 60_000);
    for (state, id) in [(JobState::Running, running), (JobState::Retrying, retrying)] {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        let page = harness.store.jobs(TENANT, filter, 10, None).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].id, page.next), (1, id, None), "{state}");
    }
}

/// Copies of the only row of a table, newer than it, of another tenant.
fn others(sql: &rusqlite::Connection, table: &str, rows: usize) {
    let mut columns = sql.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    let columns: Vec<String> = columns.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let values = columns.iter().map(|column| match column.as_str() {
        "id" => "unhex(printf('7f%030x', number))",
        "tenant_id" | "kind_id" | "queue_id" => "99",
        same => same,
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let insert = format!(
        "WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {rows})
        INSERT INTO {table} SELECT {values} FROM numbers, {table}"
    );
    assert_eq!(sql.execute(&insert, []).unwrap(), rows);
}

#[tokio::test]
async fn a_page_looks_at_no_rows_of_others() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let finished = harness.enqueue(job(harness.kind("k"))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let succeeds = finish(claimed.lease, Next::Succeed(Bytes::from_static(b"1")), harness.clock.now());
    harness.store.finish(succeeds).await.unwrap();
    let live = harness.enqueue(job(harness.kind("k"))).await;
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.pragma_update(None, "foreign_keys", false).unwrap();
    for table in ["live_jobs", "finished_jobs"] {
        others(&sql, table, 20_001);
    }
    for (state, expected) in [
        (None, vec![live, finished]),
        (Some(JobState::Ready), vec![live]),
        (Some(JobState::Scheduled), vec![]),
        (Some(JobState::Succeeded), vec![finished]),
        (Some(JobState::Failed), vec![]),
    ] {
        let filter = JobFilter { state, ..JobFilter::default() };
        let page = harness.store.jobs(TENANT, filter, 10, None).await.unwrap();
        assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{state:?}");
        assert_eq!(page.next, None, "{state:?}");
    }
}
