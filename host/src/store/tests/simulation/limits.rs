//! Operations on what limits jobs: kinds, their keys, and queues.

use super::model::{KEYS, KINDS, Model, Of, QUEUES, Queue};
use super::*;
use crate::job::{Bucket, Keep, KeyOrder, KindPace, OnFailed, Pace, Rate};

impl Run {
    fn some_rate(&mut self) -> Option<Rate> {
        self.chance.one_in(4).then(|| Rate {
            limit: u32::try_from(1 + self.chance.below(5)).unwrap(),
            per: Duration::from_secs(1),
            burst: u32::try_from(1 + self.chance.below(4)).unwrap(),
        })
    }

    fn some_concurrency(&mut self) -> Option<u32> {
        self.chance.one_in(3).then(|| u32::try_from(1 + self.chance.below(4)).unwrap())
    }

    pub(super) fn some_retention(&mut self) -> Retention {
        let keep = |chance: &mut super::chance::Chance| match chance.below(4) {
            0 => Some(Keep::For(Duration::from_millis(chance.below(120_000) as u64))),
            1 if chance.one_in(4) => Some(Keep::Forever),
            _ => None,
        };
        let chance = &mut self.chance;
        Retention { succeeded: keep(chance), cancelled: keep(chance), failed: keep(chance) }
    }

    pub(super) async fn change_kind(&mut self) -> String {
        let kind = self.chance.below(3);
        let pace = KindPace {
            concurrency: self.some_concurrency(),
            rate: self.some_rate(),
            key_concurrency: self.some_concurrency(),
            key_rate: self.some_rate(),
            key_order: self.chance.one_in(4).then_some(KeyOrder::Fifo),
        };
        let retention = self.chance.one_in(3).then(|| self.some_retention());
        let on_failed = self.chance.one_in(4).then(|| self.chance.below(3));
        let settings = KindSettings {
            pace,
            retention,
            on_failed: on_failed.map(|kind| OnFailed {
                kind: KINDS[kind].parse().unwrap(),
                queue: None,
                priority: None,
            }),
            ..KindSettings::default()
        };
        let what = format!("kind {}: {pace:?}, {retention:?}, on_failed {on_failed:?}", KINDS[kind]);
        let result = self.harness.store.set_kind_settings(TENANT, KINDS[kind].parse().unwrap(), settings).await;
        if self.acknowledged(result).is_none() {
            return format!("{what}: no commit");
        }
        self.disarm();
        let before = std::mem::replace(&mut self.model.kinds[kind].pace, pace);
        (self.model.kinds[kind].retention, self.model.kinds[kind].on_failed) = (retention, on_failed);
        self.model.settle(Of::Kind(kind), before.rate, pace.rate);
        for key in 0..KEYS.len() {
            self.model.settle(Of::Key(kind, key), before.key_rate, pace.key_rate);
        }
        self.look().await;
        what
    }

    pub(super) async fn change_queue(&mut self) -> String {
        let index = self.chance.below(3);
        let change = QueueChange {
            priority: self.chance.one_in(3).then(|| u8::try_from(self.chance.below(10)).unwrap()),
            is_paused: self.chance.one_in(2).then(|| self.chance.one_in(3)),
            concurrency: self.chance.one_in(2).then(|| self.some_concurrency()),
            rate: self.chance.one_in(2).then(|| self.some_rate()),
            is_relaxed: self.chance.one_in(3).then(|| self.chance.one_in(2)),
            retention: self.chance.one_in(4).then(|| self.some_retention()),
        };
        let what = format!("queue {}: {change:?}", QUEUES[index]);
        let result = self.harness.store.change_queue(TENANT, QUEUES[index].parse().unwrap(), change, true).await;
        if self.acknowledged(result).is_none() {
            return format!("{what}: no commit");
        }
        self.disarm();
        self.model.needs_queue(index);
        let mut queue = self.model.queues[&index].clone();
        let before = queue.pace;
        queue.priority = change.priority.unwrap_or(queue.priority);
        queue.paused = change.is_paused.unwrap_or(queue.paused);
        queue.retention = change.retention.unwrap_or(queue.retention);
        queue.pace = Pace {
            concurrency: change.concurrency.unwrap_or(before.concurrency),
            rate: change.rate.unwrap_or(before.rate),
        };
        self.model.settle(Of::Queue(index), before.rate, queue.pace.rate);
        self.model.queues.insert(index, queue);
        self.model.queues_ever.insert(index);
        self.look().await;
        what
    }

    pub(super) async fn delete_queue(&mut self) -> String {
        let index = self.chance.below(4);
        let result = self.harness.store.delete_queue(TENANT, QUEUES[index].parse().unwrap()).await;
        let Some(result) = self.acknowledged(result) else { return "delete a queue: no commit".to_owned() };
        self.disarm();
        assert_eq!(result, self.model.delete_queue(index), "delete queue {}", QUEUES[index]);
        self.model.saw(if result == DeleteQueueResult::Deleted { "queue deleted" } else { "queue not deleted" });
        self.look().await;
        format!("delete queue {}: {result:?}", QUEUES[index])
    }

    pub(super) async fn prune_keys(&mut self) -> String {
        self.disarm();
        while self.harness.store.prune_keys().await.unwrap() {}
        self.model.forget_full_buckets();
        "prune keys".to_owned()
    }
}

impl Model {
    fn delete_queue(&mut self, index: usize) -> DeleteQueueResult {
        if !self.queues.contains_key(&index) {
            return DeleteQueueResult::NotFound;
        }
        let unfinished = self.ids(|job| job.queue == index && !job.state.is_terminal()).len();
        if unfinished > 0 {
            return DeleteQueueResult::InUse(unfinished as u64);
        }
        let Some(Queue { pace, .. }) = self.queues.remove(&index) else { return DeleteQueueResult::NotFound };
        self.settle(Of::Queue(index), pace.rate, None);
        DeleteQueueResult::Deleted
    }

    fn forget_full_buckets(&mut self) {
        let rate = |of: &Of| match *of {
            Of::Tenant => self.tenant.rate,
            Of::Queue(queue) => self.queues.get(&queue).and_then(|queue| queue.pace.rate),
            Of::Kind(kind) => self.kinds[kind].pace.rate,
            Of::Key(kind, _) => self.kinds[kind].pace.key_rate,
        };
        let is_kept = |of: &Of, bucket: &Bucket| rate(of).is_some_and(|rate| !bucket.is_full(rate, self.store_now_ns));
        self.buckets =
            self.buckets.iter().filter(|(of, bucket)| is_kept(of, bucket)).map(|(of, bucket)| (*of, *bucket)).collect();
    }
}
