//! Operations on schedules.

use std::collections::BTreeMap;

use super::model::{KINDS, QUEUES};
use super::schedules::Schedule;
use super::*;
use crate::job::schedule::{Definition, Inherited, Misfire, Overlap, PlanRequest};
use crate::job::{ScheduleName, Span};

const NAMES: [&str; 3] = ["hourly", "nightly", "often"];

fn name(text: &str) -> ScheduleName {
    text.parse().unwrap()
}

impl Run {
    fn some_schedule(&mut self) -> Option<String> {
        let names: Vec<String> = self.model.schedules.keys().cloned().collect();
        self.chance.pick(&names)
    }

    pub(super) async fn put_schedule(&mut self) -> String {
        let text = self.chance.pick(&NAMES).unwrap();
        let every = self.chance.pick(&[20_000, 30_000, 60_000]).unwrap();
        let misfire = self.chance.pick(&[Misfire::Skip, Misfire::Once, Misfire::All]).unwrap();
        let overlap =
            self.chance.pick(&[Overlap::Allow, Overlap::Skip, Overlap::QueueOne, Overlap::CancelRunning]).unwrap();
        let request = PlanRequest {
            every: Some(Span::from_ms(every)),
            misfire: Some(misfire),
            overlap: Some(overlap),
            jitter: self.chance.one_in(3).then(|| Span::from_ms(5_000)),
            ..PlanRequest::default()
        };
        let (kind, queue) = (self.chance.below(3), self.chance.below(4));
        let plan = request.check("", Timestamp(self.model.now), &mut Vec::new()).unwrap();
        let spec = JobSpec {
            payload: super::new::payload_of(7),
            queue: QUEUES[queue].parse().unwrap(),
            ..job(KindId(0)).spec
        };
        let definition = Definition {
            kind: KINDS[kind].parse().unwrap(),
            plan: plan.clone(),
            job: spec,
            inherited: Inherited::default(),
            asked: "{}".to_owned(),
            unique: None,
        };
        let is_paused = self.chance.one_in(4).then(|| self.chance.one_in(2));
        let new = NewSchedule { kind: self.harness.kind(KINDS[kind]), definition, checked_against: None, is_paused };
        let what = format!("put schedule {text} every {every}, {misfire:?}, {overlap:?}, paused {is_paused:?}");
        let result = self.harness.store.put_schedule(TENANT, name(text), new).await;
        let Some(result) = self.acknowledged(result) else { return format!("{what}: no commit") };
        let (now, every) = (self.model.now, i64::try_from(every).unwrap());
        if let Some(known) = self.model.schedules.get_mut(text) {
            assert!(matches!(result, PutScheduleResult::Replaced), "{result:?}");
            // The same slots go on; others begin now. A mark never goes back.
            if known.every != every {
                (known.anchor, known.decided_until) = (now, known.decided_until.max(now));
            }
            (known.every, known.plan, known.kind, known.queue) = (every, plan, kind, queue);
            known.paused = is_paused.unwrap_or(known.paused);
            return what;
        }
        assert!(matches!(result, PutScheduleResult::Created), "{result:?}");
        let number = self.schedule_number(text);
        let schedule = Schedule {
            number,
            kind,
            queue,
            every,
            plan,
            paused: is_paused.unwrap_or(false),
            anchor: now,
            decided_until: now,
            queued: None,
            slots: BTreeMap::new(),
        };
        self.model.schedules.insert(text.to_owned(), schedule);
        what
    }

    fn schedule_number(&self, text: &str) -> i64 {
        self.sql.query_row("SELECT id FROM schedules WHERE name = ?1", [text], |row| row.get(0)).unwrap()
    }

    pub(super) async fn change_schedule(&mut self) -> String {
        let Some(text) = self.some_schedule() else { return "no schedule to change".to_owned() };
        match self.chance.below(5) {
            0 | 1 => {
                let is_paused = self.chance.one_in(2);
                let result = self.harness.store.pause_schedule(TENANT, name(&text), is_paused).await;
                if self.acknowledged(result).is_some() {
                    self.model.schedules.get_mut(&text).unwrap().paused = is_paused;
                }
                format!("pause schedule {text}: {is_paused}")
            }
            2 if self.chance.one_in(2) => {
                let result = self.harness.store.delete_schedule(TENANT, name(&text)).await;
                if self.acknowledged(result).is_some() {
                    self.model.schedules.remove(&text);
                }
                format!("delete schedule {text}")
            }
            _ => {
                let result = self.harness.store.trigger_schedule(TENANT, name(&text), None).await;
                if let Some(result) = self.acknowledged(result) {
                    assert!(matches!(result, TriggerResult::Triggered(_)), "{result:?}");
                    self.model.trigger(&text);
                }
                format!("trigger schedule {text}")
            }
        }
    }

    /// What upkeep does: those that have something to do.
    pub(super) async fn run_schedules(&mut self) -> String {
        self.disarm();
        let now = Timestamp(self.model.now);
        let due = self.harness.store.due_schedules(now).await.unwrap();
        let mut found: Vec<i64> = due.schedules.iter().map(|id| id.0).collect();
        found.sort_unstable();
        let due_names: Vec<String> =
            self.model.schedules.keys().filter(|text| self.model.is_due(text)).cloned().collect();
        let mut expected: Vec<i64> = due_names.iter().map(|text| self.model.schedules[text].number).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "schedules with something to do");
        // One at a time: the step is compared after each.
        let Some(text) = self.chance.pick(&due_names) else { return "no schedule is due".to_owned() };
        let number = self.model.schedules[&text].number;
        self.harness.store.run_schedule(ScheduleId(number)).await.unwrap();
        self.model.run_schedule(&text);
        format!("run schedule {text}")
    }

    /// A schedule as people see it.
    pub(super) async fn compare_schedules(&self) {
        for (text, schedule) in &self.model.schedules {
            let detail = self.harness.store.schedule(TENANT, name(text)).await.unwrap().unwrap();
            let row = &detail.row;
            let found =
                (row.decided_until.as_ms(), row.queued_slot.map(Timestamp::as_ms), row.is_paused, row.fault.clone());
            assert_eq!(found, (schedule.decided_until, schedule.queued, schedule.paused, None), "schedule {text}");
            let next_at = schedule.next_after(schedule.decided_until);
            assert_eq!(row.next_at.map(Timestamp::as_ms), Some(next_at), "next slot of {text}");
            let slots: Vec<_> = detail
                .slots
                .iter()
                .rev()
                .map(|slot| ((slot.slot_at.as_ms(), slot.is_triggered), slot.fate, slot.job.map(|(job, _)| job)))
                .collect();
            let expected: Vec<_> = schedule.slots.iter().map(|(at, slot)| (*at, slot.fate, slot.job)).collect();
            assert_eq!(slots, expected, "slots of {text}");
        }
    }
}
