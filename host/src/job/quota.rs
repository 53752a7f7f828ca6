//! How much of each thing a tenant may use, and what a refusal is that time heals and one that it does not. Pure: how much is
//! used is counted in the store.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::duration::Span;
use super::most::{ANY, Most};
use super::size::ByteSize;

/// A day of quotas and usage, UTC, ms.
pub const DAY_MS: i64 = 86_400_000;

macro_rules! quotas {
    ($($(#[$doc:meta])* $field:ident : $type:ty = $name:ident, $heals:literal, $read:expr,)*) => {
        /// What a tenant may use at most, or `"any"` for any number. Absent: as the host says.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Quotas {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] #[schema(inline)] pub $field: Option<$type>,)*
        }

        /// One quota.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum QuotaName {
            $($(#[$doc])* $name,)*
        }

        impl QuotaName {
            /// Every quota, in the order of the table.
            pub const ALL: &'static [QuotaName] = &[$(QuotaName::$name,)*];

            /// The word in HTTP, configuration and command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(QuotaName::$name => stringify!($field),)* }
            }

            /// Whether time or work makes room again; else somebody has to delete something.
            pub const fn heals(self) -> bool {
                match self { $(QuotaName::$name => $heals,)* }
            }
        }

        impl Quotas {
            /// With `upper` having the last word where it says anything.
            #[must_use]
            pub fn overlaid_by(self, upper: Quotas) -> Quotas {
                Quotas { $($field: upper.$field.or(self.$field),)* }
            }

            /// What may be used at most, in the quota's own unit (bytes; run time in ms); `None`: any number.
            pub fn most(&self, name: QuotaName) -> Option<u64> {
                match name { $(QuotaName::$name => self.$field.and_then(Most::limit).map($read),)* }
            }
        }
    };
}

type Number = Most<u32>;
type Units = Most<u64>;
type Bytes = Most<ByteSize>;
type Time = Most<Span>;

quotas! {
    /// Jobs that have not ended and don't run.
    waiting_jobs: Units = WaitingJobs, true, |most| most,
    /// Jobs that run at once.
    running_jobs: Number = RunningJobs, true, u64::from,
    /// Jobs enqueued in a second; twice as many at once after a pause.
    enqueues_per_second: Number = EnqueuesPerSecond, true, u64::from,
    /// Payloads, outputs and logs that are kept, together; callbacks of batches, schedules, and what idempotency keys stand for.
    stored_bytes: Bytes = StoredBytes, false, |bytes| bytes.0,
    /// Modules.
    modules: Number = Modules, false, u64::from,
    /// All kept versions of all modules together.
    module_bytes: Bytes = ModuleBytes, false, |bytes| bytes.0,
    /// Kinds its modules serve or ever served: history names them.
    kinds: Number = Kinds, false, u64::from,
    /// Schedules.
    schedules: Number = Schedules, false, u64::from,
    /// Fuel used in a day (UTC).
    fuel_per_day: Units = FuelPerDay, true, |most| most,
    /// Run time used in a day (UTC).
    run_time_per_day: Time = RunTimePerDay, true, |span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX),
    /// What is kept in key-value buckets.
    kv_bytes: Bytes = KvBytes, false, |bytes| bytes.0,
    /// Secrets.
    secrets: Number = Secrets, false, u64::from,
    /// SQL databases.
    databases: Number = Databases, false, u64::from,
    /// The files of all SQL databases together.
    database_bytes: Bytes = DatabaseBytes, false, |bytes| bytes.0,
}

impl Quotas {
    /// What a host grants when nobody says otherwise. What can fill a disk or the database is bounded, generously: a tenant comes
    /// upon it when something has gone wrong. A rate is not, nor what fairness shares out: whoever needs such a bound knows its
    /// size, and nobody else can.
    pub const HOST: Quotas = Quotas {
        waiting_jobs: Some(Most::Of(1_000_000)),
        running_jobs: None,
        enqueues_per_second: None,
        stored_bytes: Some(Most::Of(ByteSize(16 << 30))),
        modules: Some(Most::Of(1_000)),
        module_bytes: Some(Most::Of(ByteSize(8 << 30))),
        kinds: Some(Most::Of(10_000)),
        schedules: Some(Most::Of(10_000)),
        fuel_per_day: None,
        run_time_per_day: None,
        kv_bytes: Some(Most::Of(ByteSize(256 << 20))),
        secrets: Some(Most::Of(1_000)),
        databases: Some(Most::Of(100)),
        database_bytes: Some(Most::Of(ByteSize(4 << 30))),
    };

    /// A quota for people, with its unit.
    pub fn shown(&self, name: QuotaName) -> String {
        let Some(most) = self.most(name) else { return ANY.to_owned() };
        match name {
            QuotaName::StoredBytes | QuotaName::ModuleBytes | QuotaName::KvBytes | QuotaName::DatabaseBytes => {
                ByteSize(most).to_string()
            }
            QuotaName::RunTimePerDay => Span(Duration::from_millis(most)).to_string(),
            _ => most.to_string(),
        }
    }

    /// Those of which one use would be too much, whatever is done: 0 is a way to say "none", but of what runs.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let running_jobs = self.running_jobs.and_then(Most::limit);
        if running_jobs == Some(0) {
            return Some(("running_jobs", "0 would run nothing; suspend the tenant instead"));
        }
        if running_jobs.is_some_and(|most| most > super::pace::CONCURRENCY_MAX) {
            return Some(("running_jobs", "must be at most 1000000; write `any` for any number"));
        }
        None
    }
}

/// More was asked for than a quota has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// Which.
    pub name: QuotaName,
    /// What may be used, in its unit.
    pub most: u64,
    /// What is used already.
    pub used: u64,
    /// When to try again, where that is known.
    pub retry_after: Duration,
}

/// The least time after which trying again makes sense.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

impl QuotaExceeded {
    /// For whoever wrote what asked for more.
    pub fn sentence(&self) -> String {
        let name = self.name.as_str();
        format!("the tenant's quota `{name}` of {} has no room for it: {} are used", self.most, self.used)
    }

    /// Whether `more` fits beside what is `used`.
    pub fn check(quotas: &Quotas, name: QuotaName, used: u64, more: u64) -> Result<(), QuotaExceeded> {
        match quotas.most(name) {
            Some(most) if used.saturating_add(more) > most => {
                Err(QuotaExceeded { name, most, used, retry_after: RETRY_AFTER_MIN })
            }
            _ => Ok(()),
        }
    }
}

/// The day a moment lies in, counted from 1970.
pub fn day_of(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(DAY_MS)
}

/// How long after `at` the next day begins.
pub fn until_next_day(at: Timestamp) -> Duration {
    let left_ms = DAY_MS - at.as_ms().rem_euclid(DAY_MS);
    Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_tenants_own_win_and_the_rest_is_the_hosts() {
        let host: Quotas =
            serde_json::from_str(r#"{"waiting_jobs": 5, "stored_bytes": "1KiB", "kv_bytes": 7}"#).unwrap();
        let own: Quotas =
            serde_json::from_str(r#"{"waiting_jobs": 9, "run_time_per_day": "2s", "kv_bytes": "any"}"#).unwrap();
        let all = host.overlaid_by(own);
        for (name, most) in [
            (QuotaName::WaitingJobs, Some(9)),
            (QuotaName::StoredBytes, Some(1_024)),
            (QuotaName::RunTimePerDay, Some(2_000)),
            (QuotaName::Modules, None),
            (QuotaName::KvBytes, None),
        ] {
            assert_eq!(all.most(name), most, "{}", name.as_str());
        }
        for wrong in [r#"{"jobs": 1}"#, r#"{"waiting_jobs": -1}"#, r#"{"stored_bytes": "much"}"#] {
            assert!(serde_json::from_str::<Quotas>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_more_than_there_is_room_for_is_refused() {
        let quotas = Quotas { schedules: Some(Most::Of(3)), ..Quotas::default() };
        for (used, more, fits) in [(0, 3, true), (2, 1, true), (3, 0, true), (3, 1, false), (u64::MAX, 1, false)] {
            assert_eq!(QuotaExceeded::check(&quotas, QuotaName::Schedules, used, more).is_ok(), fits, "{used} {more}");
        }
        assert!(QuotaExceeded::check(&quotas, QuotaName::Modules, u64::MAX, 1).is_ok());
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        for (ms, day, left_ms) in [(0, 0, DAY_MS), (DAY_MS - 1, 0, 1), (DAY_MS, 1, DAY_MS), (-1, -1, 1)] {
            assert_eq!(day_of(Timestamp(ms)), day);
            assert_eq!(until_next_day(Timestamp(ms)), Duration::from_millis(u64::try_from(left_ms).unwrap()));
        }
    }
}
