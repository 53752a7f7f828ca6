//! Operations of those who run jobs: claim, enter, finish, give back; and how hosts are lost.

use super::*;
use crate::job::{FailureReason, JobState, StepType, expiry};

pub(super) const TTL: Duration = Duration::from_secs(30);
/// Slots of each host.
pub(super) const SLOTS: u32 = 8;

pub(super) fn copy(lease: &Lease) -> Lease {
    Lease::granted(lease.job(), lease.host(), lease.number(), lease.attempt())
}

impl Run {
    async fn claim_from_store(&self, request: ClaimRequest, fails: bool) -> Result<Vec<ClaimedJob>, StoreError> {
        let claim = move |sql: &rusqlite::Connection, draft: &mut Draft| {
            let claimed = super::super::super::claim::claim(sql, draft, &request)?;
            if fails { Err(StoreError::internal("it is to fail")) } else { Ok(claimed.jobs) }
        };
        self.harness.store.write(Durability::Relaxed, claim).await
    }

    pub(super) async fn claim(&mut self) -> String {
        let host = self.chance.pick(&self.hosts).unwrap();
        let jobs_max = self.chance.below(6);
        let mut request = request(host, jobs_max);
        request.suspect_allowed = self.chance.one_in(2);
        let suspect_allowed = request.suspect_allowed;
        // What a failed operation, or one whose commit failed, has given out was never given.
        let fails = self.chance.one_in(10);
        match self.claim_from_store(request, fails).await {
            Err(error) => {
                assert!(fails || self.armed, "{error}");
                format!("claim {jobs_max}: nothing comes of it")
            }
            Ok(claimed) => {
                assert!(!fails && !self.armed);
                let expected = self.model.claim(host, jobs_max, suspect_allowed);
                let given: Vec<JobId> = claimed.iter().map(|job| job.lease.job()).collect();
                assert_eq!(given, expected, "order of a claim of {jobs_max}, suspects {suspect_allowed}");
                for claimed in &claimed {
                    let job = &self.model.jobs[&claimed.lease.job()];
                    let facts =
                        (claimed.suspect, claimed.lease.number(), claimed.lease.attempt(), claimed.max_attempts);
                    assert_eq!(facts, (job.suspect, job.lease_number, job.attempt + 1, job.max_attempts));
                }
                self.leases.extend(claimed.into_iter().map(|job| job.lease));
                format!("claim {jobs_max}: {given:?}")
            }
        }
    }

    /// Its entry is written before it is entered.
    pub(super) async fn claim_suspect(&mut self) -> Option<JobId> {
        let expected = self.model.claim(self.hosts[0], 1, true);
        let claimed = self.claim_from_store(request(self.hosts[0], 1), false).await.unwrap().pop();
        assert_eq!(claimed.iter().map(|claimed| claimed.lease.job()).collect::<Vec<_>>(), expected);
        let lease = claimed?.lease;
        let (id, number) = (lease.job(), lease.number());
        self.leases.push(lease);
        let at = Timestamp(self.model.now);
        assert!(self.harness.store.mark_suspect_running((id, number), at).await.unwrap());
        let job = self.model.job(id);
        (job.state, job.started) = (JobState::Running, true);
        Some(id)
    }

    /// Of nothing: what was changed is taken notice of.
    pub(super) async fn look(&self) {
        let claimed = self.claim_from_store(request(self.hosts[0], 0), false).await.unwrap();
        assert!(claimed.is_empty());
    }

    pub(super) fn take_lease(&mut self) -> Option<Lease> {
        (!self.leases.is_empty()).then(|| self.leases.swap_remove(self.chance.below(self.leases.len())))
    }

    /// What its holder makes of the end of an execution.
    fn some_next(&mut self, lease: &Lease) -> (Next, bool) {
        let now = self.model.now;
        let job = &self.model.jobs[&lease.job()];
        let (policy, attempt, expires_at) = (job.delays, job.attempt + 1, job.expires_at);
        let (left, cancelled) = (attempt < job.max_attempts, job.cancel_requested);
        if expires_at.is_some_and(|at| now >= at) && !job.started {
            // Looked at right before it would be entered.
            return (Next::Cancel(expiry::never_entered()), false);
        }
        let chosen = if cancelled && self.chance.one_in(2) { 12 } else { self.chance.below(12) };
        let next = match chosen {
            0..4 => Next::Succeed(Bytes::from_static(b"{}")),
            4..7 if left => {
                let until = now + policy.after(attempt);
                if expires_at.is_some_and(|at| until >= at) {
                    Next::Expire(Some(failure()), expiry::never_again(attempt, Some(&failure())))
                } else {
                    Next::Retry(failure(), Timestamp(until))
                }
            }
            4..8 => Next::Fail(failure()),
            8 => {
                let until = now + self.chance.between(100, 10_000);
                if expires_at.is_some_and(|at| until >= at) {
                    Next::Expire(None, expiry::never_again(attempt, None))
                } else {
                    Next::Suspend(Timestamp(until))
                }
            }
            9 => self.some_wait(lease),
            10 => {
                let step = self.some_step(lease, StepType::Sleep);
                match step.until {
                    Some(until) if expires_at.is_some_and(|at| until.as_ms() >= at) => {
                        Next::Expire(None, expiry::never_again(attempt, None))
                    }
                    _ => Next::Sleep(Box::new(step)),
                }
            }
            11 => Next::GiveBack(Failure::new(FailureReason::Shutdown, "the host stops")),
            _ => Next::Cancel(Failure::new(FailureReason::Cancelled, "cancelled on request")),
        };
        let may_be_unentered = matches!(next, Next::GiveBack(_) | Next::Cancel(_) | Next::Fail(_))
            && !self.model.jobs[&lease.job()].started;
        let entered = !(may_be_unentered && self.chance.one_in(2));
        (next, entered)
    }

    pub(super) async fn finish(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to finish".to_owned() };
        let (next, entered) = self.some_next(&lease);
        self.finish_with(lease, next, entered).await
    }

    pub(super) async fn finish_with(&mut self, lease: Lease, next: Next, entered: bool) -> String {
        let (id, kept) = (lease.job(), copy(&lease));
        let what = format!("finish {id} with {next:?}, entered {entered}");
        let mut ended = finish(lease, next.clone(), Timestamp(self.model.now));
        ended.started_at = ended.started_at.filter(|_| entered);
        ended.version = self.harness.store.catalog().kinds.values().find_map(|kind| Some(kind.version.as_ref()?.id));
        let emitted = self.some_effects(&mut ended);
        let what = format!("{what}, emits {emitted:?}");
        match self.harness.store.finish(ended).await {
            Ok(result) => {
                assert!(!self.armed);
                if let Some(correlation) = emitted {
                    self.model.emit(correlation);
                }
                let expected = self.model.finish(id, &next, entered);
                assert_eq!(result, FinishResult::Finished(expected), "{what}");
                self.stale.push(kept);
            }
            Err((back, error)) => {
                assert!(self.armed, "{error}");
                self.leases.push(back.lease);
            }
        }
        what
    }

    pub(super) async fn stale_finish(&mut self) -> String {
        let Some(lease) = self.stale.pop() else { return "nothing stale".to_owned() };
        let stale = finish(lease, Next::Succeed(Bytes::from_static(b"1")), Timestamp(self.model.now));
        self.disarm();
        assert_eq!(self.harness.store.finish(stale).await.unwrap(), FinishResult::StaleLease);
        "a stale finish".to_owned()
    }

    pub(super) async fn release(&mut self) -> String {
        let Some(lease) = self.take_lease() else { return "nothing to release".to_owned() };
        let (id, kept) = (lease.job(), copy(&lease));
        let result = self.harness.store.release(vec![lease], None).await;
        if self.acknowledged(result).is_none() {
            self.leases.push(kept);
            return format!("release {id}: no commit");
        }
        if self.model.jobs[&id].cancel_requested {
            let was_entered = self.model.jobs[&id].started;
            self.model.leave(id, !was_entered);
            self.model.end_cancelled(id);
        } else {
            self.model.leave(id, true);
        }
        self.stale.push(kept);
        format!("release {id}")
    }

    pub(super) async fn enter(&mut self) -> String {
        let leases: Vec<(JobId, i64)> = self.leases.iter().map(|lease| (lease.job(), lease.number())).collect();
        let Some((id, number)) = self.chance.pick(&leases) else { return "nothing to enter".to_owned() };
        let lease = copy(self.leases.iter().find(|lease| lease.job() == id).unwrap());
        let now = Timestamp(self.model.now);
        match self.chance.below(5) {
            0 | 1 => {
                let result = if self.model.jobs[&id].suspect {
                    self.harness.store.mark_suspect_running((id, number), now).await.map(|held| assert!(held))
                } else {
                    self.harness
                        .store
                        .mark_running(vec![((id, number), now)])
                        .await
                        .map(|stale| assert!(stale.is_empty()))
                };
                if self.acknowledged(result).is_some() && self.model.jobs[&id].state == JobState::Ready {
                    let job = self.model.job(id);
                    (job.state, job.started) = (JobState::Running, true);
                }
                format!("show {id} as running")
            }
            2 if self.model.jobs[&id].suspect && self.model.jobs[&id].started => {
                let result = self.harness.store.clear_suspect((id, number)).await;
                if self.acknowledged(result).is_some() {
                    self.model.job(id).suspect = false;
                }
                format!("{id} has stayed in the lane for long enough")
            }
            3 => {
                self.harness.store.note_end(&lease, now);
                self.model.ended.insert((id, number));
                format!("note that {id} ended")
            }
            _ => {
                let slot = u32::try_from(self.chance.below(8)).unwrap();
                self.harness.store.note_entry(slot, &lease);
                self.model.entered.insert(slot, (id, number));
                format!("note that {id} was entered in slot {slot}")
            }
        }
    }

    /// One host falls silent, another one takes its place.
    pub(super) async fn lose_host(&mut self) -> String {
        self.disarm();
        let [silent, alive] = self.hosts;
        self.advance(31_000);
        self.harness.store.heartbeat(alive).await.unwrap();
        let recovered = self.harness.store.recover_expired(alive, TTL).await.unwrap();
        let expected = self.model.lose_hosts(&[silent], false);
        assert_eq!((recovered.hosts, (recovered.jobs, recovered.failed)), (vec![silent], expected));
        self.forget_leases(|lease| lease.host() == silent);
        self.hosts = [alive, self.harness.store.register_host(SLOTS, "1").await.unwrap()];
        "a host falls silent".to_owned()
    }

    /// One host stops in good order; what it holds is given back.
    pub(super) async fn retire_host(&mut self) -> String {
        self.disarm();
        let [retired, alive] = self.hosts;
        self.harness.store.retire_host(retired).await.unwrap();
        for id in self.model.ids(|job| job.holder == Some(retired)) {
            let job = self.model.job(id);
            let (started, cancelled) = (job.started, job.cancel_requested);
            job.executions += usize::from(started);
            self.model.leave(id, !started);
            if cancelled {
                self.model.end_cancelled(id);
            }
        }
        self.forget_leases(|lease| lease.host() == retired);
        self.hosts = [alive, self.harness.store.register_host(SLOTS, "1").await.unwrap()];
        "a host stops".to_owned()
    }

    pub(super) fn forget_leases(&mut self, lost: impl Fn(&Lease) -> bool) {
        let (stale, kept): (Vec<Lease>, Vec<Lease>) = std::mem::take(&mut self.leases).into_iter().partition(lost);
        self.stale.extend(stale);
        self.leases = kept;
    }

    /// From here on commits succeed.
    pub(super) fn disarm(&mut self) {
        self.armed = false;
        self.harness.store.fail_commits(false);
    }
}
