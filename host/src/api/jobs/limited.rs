//! The limit a job waits for, in a sentence: how much of it is used, by whom, and what to do. Pure.

use std::time::Duration;

use crate::api::wire::job::Waiting;
use crate::job::duration::in_words;
use crate::job::{JobId, RateWire, Span, WaitingReason};
use crate::store::{BEHIND_COUNT_MAX, Hindrance, JobRow, LimitName};

/// With what was found out about the limit.
pub(super) fn limited(row: &JobRow, found: &Hindrance) -> Waiting {
    let Hindrance { reason, limit, pace, running, holders, permit_in_ms, ahead } = found;
    let (whose, setting) = named(row, limit);
    let mut parts = match reason {
        WaitingReason::FifoKey => {
            let order = format!("jobs of {whose} run one after the other as they were enqueued");
            let first = holders.first().map(|job| format!("`{job}` is in turn"));
            std::iter::once(order).chain(first).collect()
        }
        WaitingReason::RateLimited => {
            let rate = pace.rate.map(|rate| in_rate(RateWire::from(rate))).unwrap_or_default();
            let wait = Duration::from_millis(permit_in_ms.unwrap_or(0).max(1));
            vec![format!("{rate} of {whose} may begin"), format!("the next one in {}", in_words(wait))]
        }
        _ => {
            let most = pace.concurrency.unwrap_or(*running);
            let jobs = if most == 1 { "job" } else { "jobs" };
            vec![format!("{running} of {most} {jobs} of {whose} run: {}", listed(holders, *running))]
        }
    };
    parts.extend(ahead.map(|ahead| match ahead {
        0 => "it is the next one".to_owned(),
        1 => "1 job comes first".to_owned(),
        BEHIND_COUNT_MAX => format!("{BEHIND_COUNT_MAX}+ jobs come first"),
        more => format!("{more} jobs come first"),
    }));
    // Where the order was wished for there is nothing to set.
    if *reason != WaitingReason::FifoKey {
        parts.push(format!("{setting} changes the limit"));
    }
    let detail = parts.join("; ");
    Waiting { reason: *reason, detail, jobs: holders.clone(), ahead: *ahead }
}

/// Whose limit it is, and how it is changed.
fn named(row: &JobRow, limit: &LimitName) -> (String, String) {
    match limit {
        LimitName::Kind => {
            (format!("kind `{}`", row.kind), format!("`stoker kinds {} --set concurrency=N` or `rate=N/s`", row.kind))
        }
        LimitName::Key(key) => (
            format!("kind `{}` with key `{key}`", row.kind),
            format!("`stoker kinds {} --set key_concurrency=N` or `key_rate=N/s`", row.kind),
        ),
        LimitName::Queue => {
            (format!("queue `{}`", row.queue), format!("`stoker queues {} --concurrency N` or `--rate N/s`", row.queue))
        }
        LimitName::Tenant(_) => (
            format!("tenant `{}`", row.tenant),
            format!(
                "the quota `running_jobs` (`stoker tenants set {0} --quota running_jobs=N`, or the host's `quota_running_jobs`)",
                row.tenant
            ),
        ),
    }
}

fn in_rate(RateWire { limit, per, burst: _ }: RateWire) -> String {
    let jobs = if limit == 1 { "job" } else { "jobs" };
    format!("{limit} {jobs} in {}", Span(per.0))
}

fn listed(holders: &[JobId], running: u32) -> String {
    let named: Vec<String> = holders.iter().map(|job| format!("`{job}`")).collect();
    let more = usize::try_from(running).unwrap_or(usize::MAX).saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::job::{KindPace, Pace, Rate};

    fn found(reason: WaitingReason, limit: LimitName, pace: Pace) -> Hindrance {
        let holders = vec![JobId::from_u128(1), JobId::from_u128(2)];
        Hindrance { reason, limit, pace, running: 7, holders, permit_in_ms: Some(1_500), ahead: Some(3) }
    }

    #[test]
    fn every_limit_is_told_in_a_sentence() {
        let row = super::super::waiting::tests::row(crate::job::JobState::Ready);
        let seven = Pace { concurrency: Some(7), rate: None };
        let rate = Rate { limit: 10, per: Duration::from_mins(1), burst: 10 };
        let paced = Pace { concurrency: None, rate: Some(rate) };
        let fifo = KindPace { key_order: Some(crate::job::KeyOrder::Fifo), ..KindPace::default() }.of_key();
        let key = || LimitName::Key("acme".to_owned());
        let told: Vec<String> = [
            found(WaitingReason::KindConcurrency, LimitName::Kind, seven),
            found(WaitingReason::KeyConcurrency, key(), seven),
            Hindrance { ahead: None, ..found(WaitingReason::QueueConcurrency, LimitName::Queue, seven) },
            Hindrance { ahead: Some(0), ..found(WaitingReason::RateLimited, LimitName::Kind, paced) },
            Hindrance { ahead: Some(1_000), ..found(WaitingReason::RateLimited, key(), paced) },
            Hindrance { ahead: None, ..found(WaitingReason::TenantConcurrency, LimitName::Tenant(None), seven) },
            Hindrance { ahead: Some(1), ..found(WaitingReason::FifoKey, key(), fifo) },
        ]
        .iter()
        .map(|found| limited(&row, found).detail)
        .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
