//! Schedules: what becomes of slots, and that none of them comes up twice, whatever happens in between.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::job::schedule::{Definition, Inherited, Misfire, Overlap, PlanRequest, SLOTS_KEPT_MAX, SlotFate};
use crate::job::{JobState, ScheduleName, Span};

pub(super) const MINUTE_MS: u64 = 60_000;

pub(super) fn name(text: &str) -> ScheduleName {
    text.parse().unwrap()
}

pub(super) fn every(ms: u64) -> PlanRequest {
    PlanRequest { every: Some(Span::from_ms(ms)), ..PlanRequest::default() }
}

pub(super) fn of(misfire: Misfire, overlap: Overlap) -> PlanRequest {
    PlanRequest { misfire: Some(misfire), overlap: Some(overlap), ..every(MINUTE_MS) }
}

pub(super) fn new_schedule(harness: &Harness, kind: &str, request: PlanRequest) -> NewSchedule {
    let mut errors = Vec::new();
    let plan = request.check("", harness.store_now(), &mut errors).unwrap();
    assert_eq!(errors, []);
    let definition = Definition {
        kind: kind.parse().unwrap(),
        plan,
        job: JobSpec { payload: Bytes::from_static(b"{\"n\":7}"), ..job(KindId(0)).spec },
        inherited: Inherited::default(),
        unique: None,
        asked: "{}".to_owned(),
    };
    NewSchedule { kind: harness.kind(kind), definition, checked_against: None, is_paused: None }
}

impl Harness {
    /// With a module that serves `k`, and a host.
    pub(super) async fn scheduling() -> (Self, HostId) {
        let harness = Self::new();
        harness.module("m", &["k"]).await;
        let host = harness.store.register_host(4, "1").await.unwrap();
        (harness, host)
    }

    async fn put(&self, schedule: &str, request: PlanRequest) -> PutScheduleResult {
        self.store.put_schedule(TENANT, name(schedule), new_schedule(self, "k", request)).await.unwrap()
    }

    /// What upkeep does.
    pub(super) async fn look(&self) -> Vec<LeaseKey> {
        let mut interrupt = Vec::new();
        for _ in 0..1_000 {
            let due = self.store.due_schedules(self.store_now()).await.unwrap();
            if due.schedules.is_empty() {
                return interrupt;
            }
            for schedule in due.schedules {
                interrupt.extend(self.store.run_schedule(schedule).await.unwrap().interrupt);
            }
        }
        panic!("there is always something due");
    }

    /// The fates of its slots, oldest first, in minutes after the start.
    pub(super) async fn fates(&self, schedule: &str) -> Vec<(i64, SlotFate)> {
        let detail = self.store.schedule(TENANT, name(schedule)).await.unwrap().unwrap();
        let minutes = |slot: &SlotRow| (slot.slot_at.as_ms() - START) / i64::try_from(MINUTE_MS).unwrap();
        detail.slots.iter().rev().map(|slot| (minutes(slot), slot.fate)).collect()
    }

    pub(super) async fn all_jobs(&self) -> Vec<JobRow> {
        let (mut jobs, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.jobs(TENANT, JobFilter::default(), 500, cursor).await.unwrap();
            jobs.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return jobs;
            }
        }
    }

    async fn end_one(&self, host: HostId) {
        let claimed = self.claim(host, 1).await.pop().unwrap();
        let end = finish(claimed.lease, Next::Succeed(Bytes::from_static(b"1")), self.store_now());
        self.store.finish(end).await.unwrap();
    }
}

#[tokio::test]
async fn missed_slots_become_what_their_schedule_says() {
    use SlotFate::{Enqueued, Missed, Overlapped, Queued};
    type Row = (Misfire, Overlap, &'static [(i64, SlotFate)]);
    // A slot that ran in time and has ended; then nobody looked for three minutes.
    let rows: [Row; 9] = [
        (Misfire::Skip, Overlap::Skip, &[(1, Enqueued), (2, Missed), (3, Missed), (4, Enqueued)]),
        (Misfire::Skip, Overlap::Allow, &[(1, Enqueued), (2, Missed), (3, Missed), (4, Enqueued)]),
        (Misfire::Once, Overlap::Skip, &[(1, Enqueued), (2, Missed), (3, Missed), (4, Enqueued)]),
        (Misfire::Once, Overlap::QueueOne, &[(1, Enqueued), (2, Missed), (3, Missed), (4, Enqueued)]),
        (Misfire::Once, Overlap::CancelRunning, &[(1, Enqueued), (2, Missed), (3, Missed), (4, Enqueued)]),
        (Misfire::All, Overlap::Allow, &[(1, Enqueued), (2, Enqueued), (3, Enqueued), (4, Enqueued)]),
        (Misfire::All, Overlap::Skip, &[(1, Enqueued), (2, Enqueued), (3, Overlapped), (4, Overlapped)]),
        (Misfire::All, Overlap::QueueOne, &[(1, Enqueued), (2, Enqueued), (3, Queued), (4, Overlapped)]),
        (Misfire::All, Overlap::CancelRunning, &[(1, Enqueued), (2, Enqueued), (3, Enqueued), (4, Enqueued)]),
    ];
    for (misfire, overlap, expected) in rows {
        let (harness, host) = Harness::scheduling().await;
        harness.put("s", of(misfire, overlap)).await;
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
        harness.end_one(host).await;
        harness.clock.advance(3 * MINUTE_MS);
        harness.look().await;
        assert_eq!(harness.fates("s").await, expected, "{misfire:?}, {overlap:?}");
        assert_counters_hold(&harness.database());
    }
}

#[tokio::test]
async fn a_run_that_goes_on_means_what_its_schedule_says() {
    use SlotFate::{Enqueued, Overlapped, Queued};
    for (overlap, expected) in [
        (Overlap::Allow, [(1, Enqueued), (2, Enqueued), (3, Enqueued)]),
        (Overlap::Skip, [(1, Enqueued), (2, Overlapped), (3, Overlapped)]),
        (Overlap::QueueOne, [(1, Enqueued), (2, Queued), (3, Overlapped)]),
        (Overlap::CancelRunning, [(1, Enqueued), (2, Enqueued), (3, Enqueued)]),
    ] {
        let (harness, _) = Harness::scheduling().await;
        harness.put("s", of(Misfire::Once, overlap)).await;
        for _ in 0..3 {
            harness.clock.advance(MINUTE_MS);
            harness.look().await;
        }
        assert_eq!(harness.fates("s").await, expected, "{overlap:?}");
        let cancelled = harness.all_jobs().await.iter().filter(|job| job.state == JobState::Cancelled).count();
        assert_eq!(cancelled, if overlap == Overlap::CancelRunning { 2 } else { 0 }, "{overlap:?}");
        assert_counters_hold(&harness.database());
    }
}

#[tokio::test]
async fn the_slot_that_waits_runs_when_the_one_before_has_ended() {
    let (mut harness, host) = Harness::scheduling().await;
    harness.put("s", of(Misfire::Once, Overlap::QueueOne)).await;
    for _ in 0..2 {
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
    }
    assert_eq!(harness.all_jobs().await.len(), 1);
    // What waits outlives the process.
    harness.reopen().await;
    let told = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&told);
    harness.store.on_commit(Box::new(move |notice| {
        count.fetch_add(u64::from(notice.schedules_changed), Ordering::SeqCst);
    }));
    let _ = host;
    let host = harness.store.register_host(4, "1").await.unwrap();
    harness.look().await;
    assert_eq!(harness.all_jobs().await.len(), 1, "the first has not ended");
    let other = harness
        .enqueue(NewJob { spec: JobSpec { priority: 9, ..job(KindId(0)).spec }, ..job(harness.kind("k")) })
        .await;
    assert_eq!(told.load(Ordering::SeqCst), 0);
    harness.end_one(host).await;
    assert_eq!(told.load(Ordering::SeqCst), 1, "the end of the run it waits for is told");
    harness.end_one(host).await;
    assert_eq!((told.load(Ordering::SeqCst), harness.row(other).await.state), (1, JobState::Succeeded));
    harness.look().await;
    assert_eq!(harness.fates("s").await, [(1, SlotFate::Enqueued), (2, SlotFate::Enqueued)]);
    let runs = harness.all_jobs().await.into_iter().filter_map(|job| job.slot).map(|slot| slot.slot_at.as_ms() - START);
    assert_eq!(runs.collect::<Vec<_>>(), [120_000, 60_000]);
    harness.end_one(host).await;
    assert_eq!(told.load(Ordering::SeqCst), 1, "nothing waits any more");
}

#[tokio::test]
async fn a_run_in_the_hands_of_a_host_is_asked_to_end() {
    let (harness, host) = Harness::scheduling().await;
    harness.put("s", of(Misfire::Once, Overlap::CancelRunning)).await;
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    let claimed = harness.claim(host, 1).await.pop().unwrap();
    assert_eq!(claimed.slot_at, Some(Timestamp(START + 60_000)));
    let lease = (claimed.lease.job(), claimed.lease.number());
    harness.clock.advance(MINUTE_MS);
    assert_eq!(harness.look().await, [lease]);
    assert!(harness.row(lease.0).await.cancel_requested);
    assert_eq!(harness.all_jobs().await.len(), 2);
    assert_eq!(harness.store.heartbeat(host).await.unwrap().cancel_requested, [lease]);
}

#[tokio::test]
async fn no_slot_comes_twice_and_none_is_lost_whatever_happens() {
    let seed: u64 = std::env::var("STOKER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("STOKER_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut harness, _) = Harness::scheduling().await;
    harness.put("s", of(Misfire::All, Overlap::Allow)).await;
    let mut latest = START;
    for _ in 0..150 {
        match random.random_range(0..10) {
            0 => harness.reopen().await,
            1 => harness.clock.jump(-random.random_range(0..3_600_000)),
            2 => harness.clock.jump(random.random_range(0..600_000)),
            3 => {
                harness.put("s", of(Misfire::All, Overlap::Allow)).await;
            }
            4 => {
                let is_paused = random.random_bool(0.5);
                assert!(harness.store.pause_schedule(TENANT, name("s"), is_paused).await.unwrap());
            }
            5 => {
                // Somebody else's operation fails in the same transaction.
                let due = harness.store.due_schedules(harness.store_now()).await.unwrap();
                let broken = harness.store.write(Durability::Synced, |_, _| Err::<(), _>(StoreError::internal("no")));
                for schedule in due.schedules {
                    drop(tokio::join!(harness.store.run_schedule(schedule), harness.store.run_schedule(schedule)));
                }
                assert!(broken.await.is_err());
            }
            6 => {
                let due = harness.store.due_schedules(harness.store_now()).await.unwrap();
                for schedule in due.schedules {
                    let broken =
                        harness.store.write(Durability::Synced, |_, _| Err::<(), _>(StoreError::internal("no")));
                    let (ran, broken) = tokio::join!(harness.store.run_schedule(schedule), broken);
                    assert!(ran.is_ok() && broken.is_err());
                }
            }
            7 => {
                harness.look().await;
            }
            _ => harness.clock.advance(random.random_range(0..200_000)),
        }
        latest = latest.max(harness.store_now().as_ms());
    }
    assert!(harness.store.pause_schedule(TENANT, name("s"), false).await.unwrap());
    // Back where the clock has been at the most.
    harness.clock.jump(latest - harness.store_now().as_ms());
    harness.look().await;
    let mut slots: Vec<i64> =
        harness.all_jobs().await.into_iter().map(|job| job.slot.unwrap().slot_at.as_ms() - START).collect();
    slots.sort_unstable();
    let expected: Vec<i64> = (1..=(latest - START) / 60_000).map(|minute| minute * 60_000).collect();
    assert_eq!(slots, expected);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_clock_set_back_repeats_nothing() {
    let (harness, _) = Harness::scheduling().await;
    harness.put("s", of(Misfire::Once, Overlap::Allow)).await;
    harness.clock.advance(5 * MINUTE_MS);
    harness.look().await;
    let fired = harness.all_jobs().await.len();
    harness.clock.jump(-4 * 60_000);
    for _ in 0..4 {
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
        assert_eq!(harness.all_jobs().await.len(), fired);
    }
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.all_jobs().await.len(), fired + 1);
}

#[tokio::test]
async fn an_edit_is_in_force_at_once() {
    let (harness, _) = Harness::scheduling().await;
    assert!(matches!(harness.put("s", every(3_600_000)).await, PutScheduleResult::Created));
    harness.clock.advance(30 * MINUTE_MS);
    assert!(matches!(harness.put("s", every(MINUTE_MS)).await, PutScheduleResult::Replaced));
    let detail = harness.store.schedule(TENANT, name("s")).await.unwrap().unwrap();
    let next = START + 31 * 60_000;
    assert_eq!(detail.row.next_at, Some(Timestamp(next)));
    let shown = detail.row.next_slots(harness.store_now(), 2);
    assert_eq!(shown, [next, next + 60_000].map(Timestamp));
    assert_eq!(detail.row.revision, 2);
    // What is put again as it is loses nothing that was missed.
    harness.clock.advance(10 * MINUTE_MS);
    harness.put("s", every(MINUTE_MS)).await;
    harness.look().await;
    assert_eq!(harness.fates("s").await.len(), 10);
    assert_eq!(harness.fates("s").await.last(), Some(&(40, SlotFate::Enqueued)));
}

#[tokio::test]
async fn a_schedule_of_a_zone_follows_its_clock() {
    let (harness, _) = Harness::scheduling().await;
    // 2027-03-28, 02:00 in Berlin is 03:00.
    let eve = 1_806_145_200_000; // 2027-03-27T03:00:00Z
    harness.clock.jump(eve - START);
    let berlin = PlanRequest {
        cron: Some("30 2 * * *".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
        overlap: Some(Overlap::Allow),
        ..PlanRequest::default()
    };
    harness.put("s", berlin).await;
    for _ in 0..72 {
        harness.clock.advance(3_600_000);
        harness.look().await;
    }
    let mut ran: Vec<String> =
        harness.all_jobs().await.into_iter().map(|job| job.slot.unwrap().slot_at.to_string()).collect();
    ran.sort();
    assert_eq!(
        ran,
        ["2027-03-28T01:00:00.000Z", "2027-03-29T00:30:00.000Z", "2027-03-30T00:30:00.000Z"],
        "in the gap at its end, then at 02:30 of summer time"
    );
}

#[tokio::test]
async fn without_its_kind_a_schedule_fails_where_it_is_seen_and_stops_no_other() {
    let (harness, host) = Harness::scheduling().await;
    harness.module("other", &["gone"]).await;
    let gone = new_schedule(&harness, "gone", every(MINUTE_MS));
    harness.store.put_schedule(TENANT, name("a-gone"), gone).await.unwrap();
    harness.put("b-stays", every(MINUTE_MS)).await;
    harness.store.delete_module(TENANT, "other".parse().unwrap(), false).await.unwrap();
    for _ in 0..2 {
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
    }
    assert_eq!(harness.fates("a-gone").await, [(1, SlotFate::Failed), (2, SlotFate::Failed)]);
    assert_eq!(harness.fates("b-stays").await, [(1, SlotFate::Enqueued), (2, SlotFate::Overlapped)]);
    let failed: Vec<JobRow> =
        harness.all_jobs().await.into_iter().filter(|job| job.state == JobState::Failed).collect();
    assert_eq!(failed.len(), 2);
    let error = failed[0].error.clone().unwrap();
    assert_eq!(error.reason, FailureReason::ModuleUnavailable);
    assert!(error.message.contains("kind `gone`"), "{}", error.message);
    assert_counters_hold(&harness.database());
    // Once somebody serves it again the job can be run, and still knows its slot.
    assert!(matches!(harness.store.retry(TENANT, failed[0].id).await.unwrap(), RetryResult::KindGone));
    harness.module("other", &["gone"]).await;
    assert!(matches!(harness.store.retry(TENANT, failed[0].id).await.unwrap(), RetryResult::Retried(_)));
    let claimed = harness.claim(host, 9).await;
    let retried = claimed.iter().find(|claimed| claimed.lease.job() == failed[0].id).unwrap();
    assert_eq!((retried.slot_at, &retried.payload[..]), (Some(Timestamp(START + 120_000)), &b"{\"n\":7}"[..]));
}

#[tokio::test]
async fn a_damaged_schedule_is_left_alone() {
    let (harness, _) = Harness::scheduling().await;
    for schedule in ["a-damaged", "b-whole"] {
        harness.put(schedule, every(MINUTE_MS)).await;
    }
    let damage = |sql: &rusqlite::Connection, _: &mut Draft| {
        Ok(sql.execute("UPDATE schedules SET definition = '{}' WHERE name = 'a-damaged'", [])?)
    };
    assert_eq!(harness.store.write(Durability::Synced, damage).await.unwrap(), 1);
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.fates("b-whole").await, [(1, SlotFate::Enqueued)]);
    let shown = harness.store.schedules(TENANT, None, 10).await.unwrap();
    assert!(shown[0].row.fault.as_ref().unwrap().contains("put the schedule anew"), "{:?}", shown[0]);
    assert!(matches!(
        harness.store.trigger_schedule(TENANT, name("a-damaged"), None).await.unwrap(),
        TriggerResult::Refused(_)
    ));
    harness.put("a-damaged", every(MINUTE_MS)).await;
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.fates("a-damaged").await, [(2, SlotFate::Enqueued)]);
}

#[tokio::test]
async fn one_that_could_not_be_run_is_left_alone_until_it_is_resumed() {
    let (harness, _) = Harness::scheduling().await;
    harness.put("s", every(MINUTE_MS)).await;
    harness.clock.advance(MINUTE_MS);
    let due = harness.store.due_schedules(harness.store_now()).await.unwrap().schedules;
    harness.store.note_schedule_fault(due[0], "it broke".to_owned()).await.unwrap();
    harness.look().await;
    assert_eq!(harness.fates("s").await, []);
    assert!(harness.store.pause_schedule(TENANT, name("s"), false).await.unwrap());
    harness.look().await;
    assert_eq!(harness.fates("s").await, [(1, SlotFate::Enqueued)]);
}

#[tokio::test]
async fn a_run_out_of_turn_changes_nothing_about_the_slots_to_come() {
    let (harness, _) = Harness::scheduling().await;
    harness.put("s", PlanRequest { jitter: Some(Span::from_ms(1_000)), ..every(MINUTE_MS) }).await;
    let key = |hash: u8| IdempotencyKey { key: "again".to_owned(), request_hash: [hash; 32] };
    let trigger = |key: Option<IdempotencyKey>| harness.store.trigger_schedule(TENANT, name("s"), key);
    let TriggerResult::Triggered(first) = trigger(Some(key(1))).await.unwrap() else { panic!("not triggered") };
    assert_eq!((first.state, first.slot.clone().unwrap().schedule), (JobState::Ready, Some(name("s"))));
    let TriggerResult::Replayed(again) = trigger(Some(key(1))).await.unwrap() else { panic!("not replayed") };
    assert_eq!(again.id, first.id);
    assert!(matches!(trigger(Some(key(2))).await.unwrap(), TriggerResult::KeyConflict));
    // Whatever runs; even in the same millisecond.
    assert!(matches!(trigger(None).await.unwrap(), TriggerResult::Triggered(_)));
    let detail = harness.store.schedule(TENANT, name("s")).await.unwrap().unwrap();
    assert!(detail.slots.len() == 2 && detail.slots.iter().all(|slot| slot.is_triggered), "{:?}", detail.slots);
    assert_eq!(detail.row.next_at, Some(Timestamp(START + 60_000)));
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.fates("s").await.last(), Some(&(1, SlotFate::Overlapped)));
}

#[tokio::test]
async fn only_the_latest_slots_are_remembered() {
    let (harness, _) = Harness::scheduling().await;
    harness.put("s", of(Misfire::All, Overlap::Allow)).await;
    // More than one operation decides.
    harness.clock.advance(700 * MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.all_jobs().await.len(), 700);
    let fates = harness.fates("s").await;
    assert_eq!(fates.len(), SLOTS_KEPT_MAX);
    assert_eq!((fates[0].0, fates[SLOTS_KEPT_MAX - 1].0), (651, 700));
}

#[tokio::test]
async fn jitter_delays_the_job_and_not_the_slot() {
    let (harness, _) = Harness::scheduling().await;
    let request = PlanRequest { jitter: Some(Span::from_ms(30_000)), ..of(Misfire::All, Overlap::Allow) };
    harness.put("s", request).await;
    for _ in 0..20 {
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
    }
    let jobs = harness.all_jobs().await;
    assert_eq!(jobs.len(), 20);
    let delays: Vec<u128> =
        jobs.iter().map(|job| job.run_at.since(job.slot.as_ref().unwrap().slot_at).as_millis()).collect();
    assert!(delays.iter().all(|delay| *delay <= 30_000) && delays.iter().any(|delay| *delay > 0), "{delays:?}");
    assert!(jobs.iter().any(|job| job.state == JobState::Scheduled));
}

#[tokio::test]
async fn what_is_deleted_fires_no_more_and_another_of_its_name_begins_anew() {
    let (harness, _) = Harness::scheduling().await;
    harness.put("s", every(MINUTE_MS)).await;
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    let delete = || harness.store.delete_schedule(TENANT, name("s"));
    assert_eq!(delete().await.unwrap(), DeleteScheduleResult::Deleted);
    assert_eq!(delete().await.unwrap(), DeleteScheduleResult::NotFound);
    harness.clock.advance(10 * MINUTE_MS);
    harness.look().await;
    let left = harness.all_jobs().await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].slot, Some(JobSlot { schedule: None, slot_at: Timestamp(START + 60_000) }));
    harness.put("s", every(MINUTE_MS)).await;
    harness.look().await;
    assert_eq!(harness.fates("s").await, []);
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.fates("s").await, [(12, SlotFate::Enqueued)], "runs of the deleted one are not its own");
}

#[tokio::test]
async fn schedules_of_another_tenant_do_not_exist() {
    let (harness, _) = Harness::scheduling().await;
    let stranger = TenantId(2);
    harness.put("s", every(MINUTE_MS)).await;
    let store = &harness.store;
    assert!(store.schedule(stranger, name("s")).await.unwrap().is_none());
    assert!(store.schedules(stranger, None, 10).await.unwrap().is_empty());
    assert!(!store.pause_schedule(stranger, name("s"), true).await.unwrap());
    assert_eq!(store.delete_schedule(stranger, name("s")).await.unwrap(), DeleteScheduleResult::NotFound);
    assert!(matches!(store.trigger_schedule(stranger, name("s"), None).await.unwrap(), TriggerResult::NotFound));
    let foreign_kind = new_schedule(&harness, "k", every(MINUTE_MS));
    let put = store.put_schedule(stranger, name("s"), foreign_kind).await.unwrap();
    assert!(matches!(put, PutScheduleResult::KindGone), "{put:?}");
}

#[tokio::test]
async fn where_no_queue_can_be_made_the_slot_says_so() {
    let (harness, _) = Harness::scheduling().await;
    for index in 0..QUEUES_MAX {
        let queue = format!("q{index}").parse().unwrap();
        harness.store.change_queue(TENANT, queue, QueueChange::default(), true).await.unwrap();
    }
    harness.put("s", every(MINUTE_MS)).await;
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    let detail = harness.store.schedule(TENANT, name("s")).await.unwrap().unwrap();
    assert_eq!((detail.slots[0].fate, detail.slots[0].job), (SlotFate::Failed, None));
    assert!(detail.slots[0].detail.as_ref().unwrap().contains("queue"), "{:?}", detail.slots);
}

/// A version of module `m` that serves `k` and declares these schedules for it, JSON.
async fn declaring(harness: &Harness, build: &str, schedules: serde_json::Value) -> NewVersion {
    let mut version = new_version(&harness.store, &format!("m{build}"), &["k"]).await;
    version.module = "m".parse().unwrap();
    version.kinds[0].settings.schedules = serde_json::from_value(schedules).unwrap();
    version
}

impl Harness {
    async fn declare(&self, build: &str, schedules: serde_json::Value) {
        let version = declaring(self, build, schedules).await;
        let activated = self.store.activate_new(version, true).await.unwrap();
        assert!(matches!(activated, ActivateResult::Activated { .. }), "{activated:?}");
    }

    async fn shown(&self, schedule: &str) -> Option<(String, ScheduleOrigin)> {
        let detail = self.store.schedule(TENANT, name(schedule)).await.unwrap()?;
        let recurrence = serde_json::to_string(&detail.row.definition.unwrap().plan.recurrence).unwrap();
        Some((recurrence, detail.row.origin))
    }
}

fn of_module(is_overridden: bool) -> ScheduleOrigin {
    ScheduleOrigin::Module { module: "m".parse().unwrap(), is_overridden }
}

#[tokio::test]
async fn what_a_module_declares_follows_its_versions() {
    let harness = Harness::new();
    let hourly =
        serde_json::json!([{"name": "tick", "every": "1h"}, {"name": "tock", "every": "1h", "payload": {"n": 1}}]);
    harness.declare("1", hourly.clone()).await;
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":3600000}"#.to_owned(), of_module(false))));
    harness.clock.advance(60 * MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.fates("k:tock").await, [(60, SlotFate::Enqueued)]);
    assert_eq!(harness.all_jobs().await.len(), 2);
    // A version that says the same changes nothing, one that says otherwise does, at once.
    harness.declare("2", hourly).await;
    let detail = harness.store.schedule(TENANT, name("k:tick")).await.unwrap().unwrap();
    assert_eq!((detail.row.revision, detail.slots.len()), (1, 1));
    harness.declare("3", serde_json::json!([{"name": "tick", "every": "1m"}])).await;
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":60000}"#.to_owned(), of_module(false))));
    assert_eq!(harness.shown("k:tock").await, None, "it is declared no longer");
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    assert_eq!(harness.fates("k:tick").await.last(), Some(&(61, SlotFate::Overlapped)));
    harness.store.delete_module(TENANT, "m".parse().unwrap(), true).await.unwrap();
    assert_eq!(harness.shown("k:tick").await, None);
}

#[tokio::test]
async fn what_an_operator_puts_in_its_place_stays() {
    let mut harness = Harness::new();
    harness.declare("1", serde_json::json!([{"name": "tick", "every": "1h"}])).await;
    let declared = DeleteScheduleResult::Declared("m".parse().unwrap());
    assert_eq!(harness.store.delete_schedule(TENANT, name("k:tick")).await.unwrap(), declared);
    assert!(harness.store.pause_schedule(TENANT, name("k:tick"), true).await.unwrap());
    harness.put("k:tick", every(MINUTE_MS)).await;
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":60000}"#.to_owned(), of_module(true))));
    harness.declare("2", serde_json::json!([{"name": "tick", "every": "2h"}])).await;
    harness.reopen().await;
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":60000}"#.to_owned(), of_module(true))));
    let restored = harness.store.delete_schedule(TENANT, name("k:tick")).await.unwrap();
    assert_eq!(restored, DeleteScheduleResult::Restored);
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":7200000}"#.to_owned(), of_module(false))));
    // Switched off stays switched off.
    let detail = harness.store.schedule(TENANT, name("k:tick")).await.unwrap().unwrap();
    assert!(detail.row.is_paused);
    // What is put in the place of one that is declared no longer is the operator's own, and the other way round.
    harness.put("k:tick", every(MINUTE_MS)).await;
    harness.declare("3", serde_json::json!([])).await;
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":60000}"#.to_owned(), ScheduleOrigin::Operator)));
    harness.declare("4", serde_json::json!([{"name": "tick", "every": "3h"}])).await;
    assert_eq!(harness.shown("k:tick").await, Some((r#"{"every":60000}"#.to_owned(), of_module(true))));
}

#[tokio::test]
async fn those_of_a_tenant_that_is_deleted_fire_no_more() {
    let (harness, _) = Harness::scheduling().await;
    let acme = super::tenants::make(&harness.store, "acme").await;
    let kind = super::tenants::kind_of(&harness.store, acme, "k").await;
    let new = NewSchedule { kind, ..new_schedule(&harness, "k", every(MINUTE_MS)) };
    harness.store.put_schedule(acme, name("theirs"), new).await.unwrap();
    harness.store.delete_tenant(acme, true).await.unwrap();
    harness.clock.advance(3 * MINUTE_MS);
    harness.look().await;
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let jobs: i64 =
        sql.query_row("SELECT count(*) FROM live_jobs WHERE tenant_id = ?1", [acme.0], |row| row.get(0)).unwrap();
    assert_eq!(jobs, 0);
    assert_eq!(harness.store.due_schedules(harness.store_now()).await.unwrap().next_at, None);
}
