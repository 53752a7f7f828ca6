//! The model's schedules: which slots come, and what becomes of each.

use std::collections::BTreeMap;

use super::model::{Job, Model, Origin};
use super::*;
use crate::job::JobState;
use crate::job::schedule::{Misfire, Overlap, Plan, SlotFate};

/// A slot found later than this was missed, ms.
const ON_TIME_MS: i64 = 60_000;
/// Slots that are remembered.
const SLOTS_KEPT_MAX: usize = 50;
/// Slots decided at once.
const DECIDED_AT_ONCE_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) fate: SlotFate,
    pub(super) job: Option<JobId>,
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The store's number of it.
    pub(super) number: i64,
    pub(super) kind: usize,
    pub(super) queue: usize,
    /// Each so often, ms.
    pub(super) every: i64,
    pub(super) plan: Plan,
    pub(super) paused: bool,
    pub(super) anchor: i64,
    pub(super) decided_until: i64,
    pub(super) queued: Option<i64>,
    /// By time, and whether somebody asked for it out of turn.
    pub(super) slots: BTreeMap<(i64, bool), Slot>,
}

impl Schedule {
    pub(super) fn next_after(&self, at: i64) -> i64 {
        self.anchor + ((at - self.anchor).div_euclid(self.every) + 1) * self.every
    }

    fn remember(&mut self, at: i64, is_triggered: bool, fate: SlotFate, job: Option<JobId>) {
        self.slots.insert((at, is_triggered), Slot { fate, job });
    }

    fn forget_old(&mut self) {
        while self.slots.len() > SLOTS_KEPT_MAX {
            self.slots.pop_first();
        }
    }
}

impl Model {
    /// Its jobs that have not ended.
    fn runs(&self, number: i64) -> Vec<JobId> {
        self.ids(|job: &Job| !job.state.is_terminal() && job.slot.is_some_and(|(of, _)| of == number))
    }

    fn edit_schedule(&mut self, name: &str, change: impl FnOnce(&mut Schedule)) {
        for slot in self.schedules[name].slots.values().map(|slot| slot.fate).collect::<Vec<_>>() {
            self.saw(format!("slot {}", slot.as_str()));
        }
        change(self.schedules.get_mut(name).expect("the model knows the schedule"));
    }

    fn fire(&mut self, name: &str, at: i64, is_triggered: bool) -> JobId {
        let schedule = self.schedules[name].clone();
        let due = schedule.plan.due_of(schedule.number, Timestamp(at)).as_ms();
        let now = self.now;
        let job = self.born(Origin::Slot(schedule.number, at, is_triggered), schedule.kind, |job| {
            (job.queue, job.max_attempts, job.payload) = (schedule.queue, 3, 7);
            job.slot = Some((schedule.number, at));
            if !is_triggered && due > now {
                (job.run_at, job.state) = (due, JobState::Scheduled);
            }
        });
        self.edit_schedule(name, |schedule| schedule.remember(at, is_triggered, SlotFate::Enqueued, Some(job)));
        job
    }

    /// A run out of turn.
    pub(super) fn trigger(&mut self, name: &str) {
        let mut at = self.now;
        while self.schedules[name].slots.contains_key(&(at, true)) {
            at += 1;
        }
        self.fire(name, at, true);
        self.edit_schedule(name, Schedule::forget_old);
    }

    /// Whether there is anything to decide.
    pub(super) fn is_due(&self, name: &str) -> bool {
        let schedule = &self.schedules[name];
        let queued = schedule.queued.is_some() && self.runs(schedule.number).is_empty();
        !schedule.paused && (queued || schedule.next_after(schedule.decided_until) <= self.now)
    }

    /// What has come since the last look.
    pub(super) fn run_schedule(&mut self, name: &str) {
        let schedule = self.schedules[name].clone();
        if schedule.paused {
            return;
        }
        if let Some(at) = schedule.queued.filter(|_| self.runs(schedule.number).is_empty()) {
            self.edit_schedule(name, |schedule| schedule.queued = None);
            self.fire(name, at, false);
        }
        let now = self.now;
        let mut slots: Vec<i64> =
            std::iter::successors(Some(schedule.next_after(schedule.decided_until)), |at| Some(at + schedule.every))
                .take_while(|at| *at <= now)
                .collect();
        // Of those missed only the latest are named.
        let named = if schedule.plan.misfire == Misfire::All { 1_000 } else { SLOTS_KEPT_MAX };
        slots.drain(..slots.len().saturating_sub(named));
        let latest = slots.last().copied();
        for at in slots.into_iter().take(DECIDED_AT_ONCE_MAX) {
            let runs = match schedule.plan.misfire {
                Misfire::Skip => Some(at) == latest && now - at <= ON_TIME_MS,
                Misfire::Once => Some(at) == latest,
                Misfire::All => true,
            };
            if runs {
                self.overlap(name, at);
            } else {
                self.edit_schedule(name, |schedule| schedule.remember(at, false, SlotFate::Missed, None));
            }
            self.edit_schedule(name, |schedule| schedule.decided_until = at);
        }
        self.edit_schedule(name, Schedule::forget_old);
    }

    fn overlap(&mut self, name: &str, at: i64) {
        let schedule = self.schedules[name].clone();
        let runs = self.runs(schedule.number);
        let is_free = runs.is_empty() && schedule.queued.is_none();
        match schedule.plan.overlap {
            Overlap::QueueOne if !is_free && schedule.queued.is_none() => self.edit_schedule(name, |schedule| {
                schedule.queued = Some(at);
                schedule.remember(at, false, SlotFate::Queued, None);
            }),
            Overlap::Skip | Overlap::QueueOne if !is_free => {
                self.edit_schedule(name, |schedule| schedule.remember(at, false, SlotFate::Overlapped, None));
            }
            Overlap::CancelRunning => {
                if !runs.is_empty() {
                    self.saw("run cancelled for the next");
                }
                for run in runs {
                    self.cancel(run);
                }
                self.fire(name, at, false);
            }
            Overlap::Allow | Overlap::Skip | Overlap::QueueOne => drop(self.fire(name, at, false)),
        }
    }
}
