//! Keys and values, by an operator's hand and by attempts, which write only while their lease is the job's, and only in what is
//! their tenant's.

use std::collections::BTreeMap;

use super::model::Tenant;
use super::*;
use crate::job::{BucketName, KvChange, KvChanged, KvKey, QuotaName};

const BUCKETS: [&str; 2] = ["b", "c"];
const KEYS: [&str; 4] = ["n", "x", "y", "z"];

impl Tenant {
    /// What becomes of these values in their order, with the largest sum there may be; `None`: it is too much.
    fn put(
        &self,
        bucket: &str,
        entries: &BTreeMap<&str, Bytes>,
        most: u64,
    ) -> Option<BTreeMap<(String, String), Bytes>> {
        let mut after = self.clone();
        for (key, value) in entries {
            let place = (bucket.to_owned(), (*key).to_owned());
            let before = after.kv.insert(place, value.clone()).map_or(0, |before| before.len());
            let is_more = value.len() > before || !self.kv.contains_key(&(bucket.to_owned(), (*key).to_owned()));
            if is_more && after.kv_bytes() > most {
                return None;
            }
        }
        Some(after.kv)
    }
}

impl Run {
    /// Under whose lease something is written, and whether it still is one of this tenant's.
    fn some_writer(&mut self, tenant: TenantId) -> (KvWriter, bool, &'static str) {
        let keys = |leases: &[(TenantId, Lease)]| -> Vec<(TenantId, KvWriter)> {
            leases.iter().map(|(of, lease)| (*of, KvWriter::of(lease))).collect()
        };
        let (held, stale) = (keys(&self.leases), keys(&self.stale));
        let of = |own: bool| held.iter().filter(|(of, _)| (*of == tenant) == own).copied().collect::<Vec<_>>();
        let (own, others) = (of(true), of(false));
        let picked = match self.chance.below(6) {
            0 | 1 => self.chance.pick(&own).map(|(_, writer)| (writer, true, "held")),
            2 => {
                self.chance.pick(&others).map(|(_, writer)| (writer, false, "a lease of another tenant writes nothing"))
            }
            3 => self.chance.pick(&stale).map(|(_, writer)| (writer, false, "a stale lease writes nothing")),
            _ => None,
        };
        picked.unwrap_or((KvWriter::Operator, true, "by hand"))
    }

    fn some_entries(&mut self) -> BTreeMap<&'static str, Bytes> {
        let count = self.chance.up_to(3);
        (0..count)
            .map(|_| {
                let (number, length) = (self.next(), self.chance.below(12));
                (self.chance.pick(&KEYS).unwrap(), Bytes::from(format!("{number}{}", "v".repeat(length))))
            })
            .collect()
    }

    pub(super) async fn change_kv(&mut self) -> Done {
        let at = self.open();
        let id = self.model.tenants[at].id;
        let (writer, may_write, why) = self.some_writer(id);
        let bucket = self.chance.pick(&BUCKETS).unwrap();
        let most = self.quotas.overlaid_by(self.model.tenants[at].quotas).most(QuotaName::KvBytes).unwrap_or(u64::MAX);
        let name = self.chance.pick(&KEYS).unwrap();
        let place = (bucket.to_owned(), name.to_owned());
        let known = self.model.tenants[at].kv.get(&place).cloned();
        let found = self.harness.store.kv_value(id, bucket.parse().unwrap(), key(name)).await.unwrap();
        assert_eq!(found.as_ref().map(|found| &found.value), known.as_ref(), "{id:?} {place:?}");
        let version = found.map(|found| found.version);
        let (change, expected, after) = self.some_change(at, (bucket, name), (known.as_ref(), version), most);
        let what = format!("{id:?} {writer:?} ({why}) {bucket}: {change:?}");
        let result = self.harness.store.change_kv(id, writer, bucket.parse::<BucketName>().unwrap(), change).await;
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        if !may_write {
            assert_eq!(result, KvChanged::StaleLease, "{what}");
            self.model.saw(why);
            return (what, Touches::Nobody);
        }
        let is_right = matches!(
            (&result, expected),
            (KvChanged::Done { .. }, "done" | "swapped")
                | (KvChanged::Number(_), "increment")
                | (KvChanged::Full(_), "kv_bytes")
                | (KvChanged::NoNumber, "no number")
                | (KvChanged::Other(_), "swap refused")
        );
        assert!(is_right, "{what}: {expected}, not {result:?}");
        self.model.saw(expected);
        if let Some(after) = after {
            self.model.tenants[at].kv = after;
            return (what, Touches::Only(id));
        }
        (what, Touches::Nobody)
    }

    /// A change, what is to become of it, and what is there then.
    #[allow(clippy::type_complexity)] // Read in one place.
    fn some_change(
        &mut self,
        at: usize,
        (bucket, name): (&'static str, &'static str),
        (known, version): (Option<&Bytes>, Option<u64>),
        most: u64,
    ) -> (KvChange, &'static str, Option<BTreeMap<(String, String), Bytes>>) {
        let entries = self.some_entries();
        let value = entries.values().next().cloned().expect("there is one");
        let (kind, is_lucky) = (self.chance.below(10), !self.chance.one_in(3));
        let tenant = &self.model.tenants[at];
        let put = |entries: &BTreeMap<&str, Bytes>, done: &'static str| match tenant.put(bucket, entries, most) {
            Some(after) => (done, Some(after)),
            None => ("kv_bytes", None),
        };
        match kind {
            0..5 => {
                let (expected, after) = put(&entries, "done");
                let set = entries.into_iter().map(|(name, value)| (key(name), value)).collect();
                (KvChange::Set(set), expected, after)
            }
            5 | 6 => {
                let mut after = tenant.kv.clone();
                let names: Vec<&str> = entries.into_keys().collect();
                after.retain(|(of, name), _| of != bucket || !names.contains(&name.as_str()));
                (KvChange::Delete(names.into_iter().map(key).collect()), "done", Some(after))
            }
            7 => {
                let number = known.map_or(Some(0), |value| std::str::from_utf8(value).unwrap().parse::<i64>().ok());
                let change = KvChange::Increment { key: key(name), delta: 7 };
                let Some(number) = number else { return (change, "no number", None) };
                let sum = Bytes::from((number + 7).to_string());
                let (expected, after) = put(&BTreeMap::from([(name, sum)]), "increment");
                (change, expected, after)
            }
            _ => {
                let expected_version = if is_lucky { version } else { Some(version.unwrap_or(0) + 1) };
                let change = KvChange::Swap { key: key(name), expected: expected_version, value: value.clone() };
                if !is_lucky {
                    return (change, "swap refused", None);
                }
                let (expected, after) = put(&BTreeMap::from([(name, value)]), "swapped");
                (change, expected, after)
            }
        }
    }
}

fn key(text: &str) -> KvKey {
    text.parse().unwrap()
}
