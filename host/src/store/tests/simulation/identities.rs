//! Enqueues of jobs that are to be the only ones like them.

use super::model::HeldIdentity;
use super::unique::{Admitted, Asked, always, scope_of};
use super::*;
use crate::job::{JobState, OnConflict};

impl Run {
    pub(super) async fn enqueue_unique(&mut self) -> String {
        let mut new = self.new_job();
        new.expires_at = None;
        let on_conflict = self
            .chance
            .pick(&[
                OnConflict::Reject,
                OnConflict::ReturnExisting,
                OnConflict::Replace,
                OnConflict::Debounce,
                OnConflict::Throttle,
            ])
            .unwrap();
        let period = self.chance.one_in(2).then(|| self.chance.between(1_000, 40_000));
        let scope = match (on_conflict, self.chance.below(3)) {
            (OnConflict::Throttle, _) => always(),
            (OnConflict::Debounce, 0..2) | (_, 0) => {
                scope_of(JobState::ALL.into_iter().filter(|state| state.is_waiting()))
            }
            (_, 1) => scope_of(JobState::ALL.into_iter().filter(|state| !state.is_terminal())),
            _ => scope_of(JobState::ALL.into_iter().filter(|state| *state != JobState::Cancelled)),
        };
        let until = if on_conflict == OnConflict::Throttle { Some(period.unwrap_or(10_000)) } else { period };
        let identity = u8::try_from(self.chance.below(4)).unwrap();
        let delay = self.chance.between(0, 8_000);
        if on_conflict == OnConflict::Debounce {
            new.run_at = Some(self.model.now + delay);
        }
        let asked = Asked {
            terms: HeldIdentity { identity, scope, until },
            on_conflict,
            delay,
            max_wait: self.chance.between(5_000, 20_000),
        };
        new.unique = Some(asked.clone());
        if self.chance.one_in(3) {
            new.after = self.parents(1);
        }
        let what = format!("enqueue {new:?}");
        let result = self.harness.store.enqueue(TENANT, new.to_store(&self.harness)).await;
        let Some(result) = self.acknowledged(result) else { return format!("{what}: no commit") };
        let admitted = self.model.admit(&asked, &new);
        self.model.saw(match &admitted {
            Admitted::Made => "unique made".to_owned(),
            Admitted::Refused(_) => format!("unique refused, {on_conflict:?}"),
            Admitted::Existing(conflict, _) => format!("unique {conflict:?}"),
        });
        match result {
            EnqueueResult::Created(row) => {
                assert_eq!(admitted, Admitted::Made, "{what}");
                self.model.insert(row.id, &new);
            }
            EnqueueResult::Existing(conflict, row) => {
                assert_eq!(admitted, Admitted::Existing(conflict, row.id), "{what}");
            }
            EnqueueResult::UniqueConflict(row) => {
                assert_eq!(admitted, Admitted::Refused(row.id), "{what}");
            }
            other => panic!("{other:?}"),
        }
        what
    }

    /// An identity that nobody has any more may be forgotten; then it stays so, even if somebody sets the clock back.
    pub(super) fn forget_identities(&mut self) {
        let is_there = "SELECT EXISTS (SELECT 1 FROM unique_jobs WHERE identity = ?1)";
        let mut identities = std::mem::take(&mut self.model.identities);
        identities.retain(|number, holder| {
            let known: bool = self.sql.query_row(is_there, [identity(*number).0], |row| row.get(0)).unwrap();
            assert!(known || !self.model.holds(holder), "forgotten, and {} has it", holder.job);
            known
        });
        self.model.identities = identities;
    }
}
