//! The end of a run: everything is healed, all jobs come to their end, and in time nothing is left of them.

use super::model::{KINDS, Of, QUEUES};
use super::*;
use crate::job::{BatchId, KindPace, Pace};

/// Tables that are not about jobs, or only count them.
const STAYING: [&str; 14] = [
    "host_access",
    "meta",
    "tenants",
    "hosts",
    "queues",
    "modules",
    "module_versions",
    "module_chunks",
    "kinds",
    "events",
    "counters",
    "sweep",
    "usage",
    "stored_bytes",
];
const HOUR_MS: i64 = 3_600_000;

impl Run {
    pub(super) async fn drain(&mut self) {
        self.heal().await;
        for round in 0..2_000 {
            if self.model.ids(|job| !job.state.is_terminal()).is_empty() && self.operations.is_empty() {
                return self.forget().await;
            }
            self.end_some().await;
            self.resolve();
            if round % 10 == 0 {
                self.compare();
            }
        }
        panic!(
            "left behind: {:#?}",
            self.model.jobs.iter().filter(|(_, job)| !job.state.is_terminal()).collect::<Vec<_>>()
        );
    }

    /// Nothing holds anything up any more.
    async fn heal(&mut self) {
        self.disarm();
        for (index, queue) in QUEUES.iter().enumerate() {
            let Some(known) = self.model.queues.get(&index).cloned() else { continue };
            let change = QueueChange {
                is_paused: Some(false),
                concurrency: Some(None),
                rate: Some(None),
                retention: Some(Retention::default()),
                ..QueueChange::default()
            };
            self.harness.store.change_queue(TENANT, queue.parse().unwrap(), change, false).await.unwrap();
            self.model.settle(Of::Queue(index), known.pace.rate, None);
            let known = self.model.queues.get_mut(&index).unwrap();
            (known.paused, known.pace, known.retention) = (false, Pace::default(), Retention::default());
        }
        for (index, kind) in KINDS.iter().enumerate() {
            self.harness.store.set_kind_settings(TENANT, kind.parse().unwrap(), KindSettings::default()).await.unwrap();
            let known = &mut self.model.kinds[index];
            (known.pace, known.on_failed, known.retention) = (KindPace::default(), None, None);
            self.model.buckets.retain(|of, _| matches!(of, Of::Tenant | Of::Queue(_)));
        }
        self.look().await;
        let schedules: Vec<String> = self.model.schedules.keys().cloned().collect();
        for name in schedules {
            self.harness.store.delete_schedule(TENANT, name.parse().unwrap()).await.unwrap();
            self.model.schedules.remove(&name);
        }
        let open: Vec<BatchId> = self
            .model
            .batches
            .iter()
            .filter(|(_, batch)| batch.closing == Closing::OnRequest)
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            self.harness.store.close_batch(TENANT, id).await.unwrap();
            self.model.batches.get_mut(&id).unwrap().closing = Closing::Closed;
            self.model.follow(id);
            self.resolve();
        }
        self.compare();
    }

    async fn end_some(&mut self) {
        self.advance(1_000);
        self.pass_time().await;
        self.expire_due().await;
        self.work_on().await;
        self.resolve();
        for suspect_allowed in [true, false] {
            let mut request = request(self.hosts[0], 20);
            request.suspect_allowed = suspect_allowed;
            let claimed = self.harness.claim_as(request).await.jobs;
            let expected = self.model.claim(self.hosts[0], 20, suspect_allowed);
            let given: Vec<JobId> = claimed.iter().map(|job| job.lease.job()).collect();
            assert_eq!(given, expected, "a claim of the drain");
            self.leases.extend(claimed.into_iter().map(|job| job.lease));
        }
        while let Some(lease) = self.take_lease() {
            let done = Next::Succeed(Bytes::from_static(b"{}"));
            self.finish_with(lease, done, true).await;
            self.resolve();
        }
    }

    /// All is terminal: it goes with time, and nothing stays that belonged to it.
    async fn forget(&mut self) {
        self.compare();
        self.compare_batches().await;
        for (id, batch) in &self.model.batches {
            assert!(batch.finished_at.is_some(), "{id} is finished when all its jobs have ended");
        }
        for _ in 0..100 {
            self.advance(HOUR_MS);
            self.pass_time().await;
            self.prune().await;
        }
        self.compare();
        let kept = self.model.ids(|_| true);
        assert!(kept.is_empty(), "kept for ever: {kept:?}");
        for _ in 0..16 {
            self.advance(24 * HOUR_MS);
            self.pass_time().await;
            self.prune().await;
            self.tidy().await;
            self.prune_keys().await;
            while self.harness.store.prune_emitted_events().await.unwrap() {}
        }
        let mut tables = self
            .sql
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            .unwrap();
        let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for table in tables.iter().filter(|table| !STAYING.contains(&table.as_str())) {
            let rows: usize =
                self.sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 0, "rows left in {table}");
        }
        let stored: i64 =
            self.sql.query_row("SELECT coalesce(sum(abs(bytes)), 0) FROM stored_bytes", [], |row| row.get(0)).unwrap();
        assert_eq!(stored, 0, "bytes of payloads, outputs and logs that are gone");
        let sound: String = self.sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        assert!(self.harness.store.counters().await.unwrap().is_empty());
        self.harness.store.close().await.unwrap();
        let seen = checkup(self.harness.directory.path()).unwrap();
        assert_eq!((seen.usage, seen.refusal), (Usage::Free, None));
        assert!(seen.database.is_some_and(|database| database.is_ok()));
    }
}
