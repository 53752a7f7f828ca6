//! The key-value store: changes whole or not at all, under leases, within quotas.

use super::*;
use crate::job::kv::KV_VALUE_BYTES_MAX;
use crate::job::{BucketName, ByteSize, KvChange, KvChanged, KvKey, KvQuota, KvValue, Most, Quotas};
use crate::store::Holder;

fn bucket(text: &str) -> BucketName {
    text.parse().unwrap()
}

fn key(text: &str) -> KvKey {
    text.parse().unwrap()
}

fn set(entries: &[(&str, &str)]) -> KvChange {
    let entry = |(name, value): &(&str, &str)| (key(name), Bytes::from((*value).to_owned()));
    KvChange::Set(entries.iter().map(entry).collect())
}

async fn change(harness: &Harness, change: KvChange) -> KvChanged {
    harness.store.change_kv(TENANT, KvWriter::Operator, bucket("b"), change).await.unwrap()
}

async fn read(harness: &Harness, name: &str) -> Option<KvValue> {
    harness.store.kv_value(TENANT, bucket("b"), key(name)).await.unwrap()
}

async fn keys(harness: &Harness, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let rows = harness.store.kv_keys(TENANT, bucket("b"), prefix.to_owned(), after.map(key), limit).await.unwrap();
    rows.iter().map(|row| row.key.to_string()).collect()
}

#[tokio::test]
async fn keys_are_set_listed_and_removed_and_what_they_take_is_counted() {
    let harness = Harness::new();
    let entries = [("user/1", "one"), ("user/2", "two"), ("x", "old"), ("x", "last"), ("user0", "")];
    assert_eq!(change(&harness, set(&entries)).await, KvChanged::Done { keys: 4 });
    assert_eq!(read(&harness, "x").await.unwrap().value, "last");
    assert_eq!(keys(&harness, "", None, 9).await, ["user/1", "user/2", "user0", "x"]);
    assert_eq!(keys(&harness, "user/", None, 9).await, ["user/1", "user/2"]);
    assert_eq!(keys(&harness, "user", Some("user/1"), 1).await, ["user/2"]);
    let usage = harness.store.kv_usage(TENANT).await.unwrap();
    let bytes = ["user/1one", "user/2two", "xlast", "user0"].iter().map(|text| text.len() as u64 + 1).sum();
    assert_eq!(usage, KvUsage { keys: 4, bytes });

    let other = super::tenants::make(&harness.store, "acme").await;
    let elsewhere = harness.store.change_kv(other, KvWriter::Operator, bucket("c"), set(&[("x", "2")])).await;
    assert_eq!(elsewhere.unwrap(), KvChanged::Done { keys: 1 });
    harness.store.change_kv(TENANT, KvWriter::Operator, bucket("a"), set(&[("x", "2")])).await.unwrap();
    assert_eq!(harness.store.kv_buckets(TENANT, None, 9).await.unwrap(), [bucket("a"), bucket("b")]);
    assert_eq!(harness.store.kv_buckets(TENANT, Some(bucket("a")), 9).await.unwrap(), [bucket("b")]);
    assert_eq!(harness.store.kv_buckets(TENANT, None, 1).await.unwrap(), [bucket("a")]);
    assert!(harness.store.kv_value(other, bucket("b"), key("x")).await.unwrap().is_none());

    let gone = change(&harness, KvChange::Delete(vec![key("x"), key("x"), key("nothing")])).await;
    assert_eq!(gone, KvChanged::Done { keys: 1 });
    change(&harness, KvChange::Delete(["user/1", "user/2", "user0"].map(key).to_vec())).await;
    assert_eq!(harness.store.kv_usage(TENANT).await.unwrap(), KvUsage { keys: 1, bytes: 3 });
    let many = [key("x"), key("y")].to_vec();
    let found = harness.store.kv_values(TENANT, bucket("a"), many).await.unwrap().unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn numbers_are_added_to_and_what_changed_is_not_swapped() {
    let harness = Harness::new();
    let add = |delta| KvChange::Increment { key: key("n"), delta };
    assert_eq!(change(&harness, add(5)).await, KvChanged::Number(5));
    assert_eq!(change(&harness, add(-7)).await, KvChanged::Number(-2));
    assert_eq!(read(&harness, "n").await.unwrap().value, "-2");
    assert_eq!(change(&harness, add(i64::MIN)).await, KvChanged::NoNumber);
    change(&harness, set(&[("n", "not a number")])).await;
    assert_eq!(change(&harness, add(1)).await, KvChanged::NoNumber);

    let swap = |expected, value: &'static str| KvChange::Swap { key: key("s"), expected, value: Bytes::from(value) };
    assert_eq!(change(&harness, swap(Some(1), "a")).await, KvChanged::Other(None));
    assert_eq!(change(&harness, swap(None, "a")).await, KvChanged::Done { keys: 1 });
    let first = read(&harness, "s").await.unwrap();
    assert_eq!(change(&harness, swap(None, "b")).await, KvChanged::Other(Some(first.clone())));
    // Removed and set again it is not what it was.
    change(&harness, KvChange::Delete(vec![key("s")])).await;
    change(&harness, set(&[("s", "a")])).await;
    let again = read(&harness, "s").await.unwrap();
    assert_eq!(again.value, first.value);
    assert_eq!(change(&harness, swap(Some(first.version), "b")).await, KvChanged::Other(Some(again.clone())));
    assert_eq!(change(&harness, swap(Some(again.version), "b")).await, KvChanged::Done { keys: 0 });
    assert_eq!(read(&harness, "s").await.unwrap().value, "b");
}

#[tokio::test]
async fn an_attempt_writes_only_while_its_lease_is_the_jobs() {
    let harness = Harness::new();
    let host = harness.store.register_host(4, "1").await.unwrap();
    harness.module("m", &["k"]).await;
    harness.enqueue(job(harness.kind("k"))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let writer = KvWriter::of(&claimed.lease);
    let write = |tenant, writer, value: &'static str| {
        harness.store.change_kv(tenant, writer, bucket("b"), set(&[("x", value)]))
    };
    assert_eq!(write(TENANT, writer, "held").await.unwrap(), KvChanged::Done { keys: 1 });
    assert_eq!(write(TenantId(2), writer, "another tenant's").await.unwrap(), KvChanged::StaleLease);
    let KvWriter::Attempt(holder) = writer else { panic!("an attempt's") };
    let old = KvWriter::Attempt(Holder { number: holder.number - 1, ..holder });
    assert_eq!(write(TENANT, old, "old number").await.unwrap(), KvChanged::StaleLease);
    let foreign = KvWriter::Attempt(Holder { host: harness.store.next_host_id(), ..holder });
    assert_eq!(write(TENANT, foreign, "unknown host").await.unwrap(), KvChanged::StaleLease);
    let done = Next::Succeed(Bytes::from_static(b"1"));
    harness.store.finish(finish(claimed.lease, done, harness.clock.now())).await.unwrap();
    assert_eq!(write(TENANT, writer, "finished").await.unwrap(), KvChanged::StaleLease);
    assert_eq!(read(&harness, "x").await.unwrap().value, "held");
}

#[tokio::test]
async fn what_would_be_too_much_changes_nothing() {
    let harness = Harness::new();
    let large = "x".repeat(KV_VALUE_BYTES_MAX);
    let most = 4 * KV_VALUE_BYTES_MAX as u64;
    let quotas = Quotas { kv_bytes: Some(Most::Of(ByteSize(most))), ..Quotas::default() };
    let change_of_quotas = TenantChange { quotas: Some(quotas), ..TenantChange::default() };
    harness.store.change_tenant(TENANT, change_of_quotas).await.unwrap();
    for number in 0..3 {
        change(&harness, set(&[(&format!("k{number}"), &large)])).await;
    }
    let before = harness.store.kv_usage(TENANT).await.unwrap();
    let full = change(&harness, set(&[("small", "1"), ("large", &large)])).await;
    assert_eq!(full, KvChanged::Full(KvQuota::Bytes { most }));
    assert_eq!(harness.store.kv_usage(TENANT).await.unwrap(), before);
    assert!(read(&harness, "small").await.is_none());
    assert_eq!(change(&harness, set(&[("small", "1")])).await, KvChanged::Done { keys: 1 });
    assert_eq!(change(&harness, set(&[("k0", "less")])).await, KvChanged::Done { keys: 0 });
    assert_eq!(change(&harness, set(&[("large", &large[..1000])])).await, KvChanged::Done { keys: 1 });
}

#[tokio::test]
async fn what_a_tenant_that_goes_still_has_is_counted() {
    let harness = Harness::new();
    let acme = super::tenants::make(&harness.store, "acme").await;
    let names: Vec<String> = (10..60).map(|number| number.to_string()).collect();
    let entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    harness.store.change_kv(acme, KvWriter::Operator, bucket("b"), set(&entries)).await.unwrap();
    harness.store.delete_tenant(acme, true).await.unwrap();
    let mut left = Vec::new();
    while harness.store.remove_tenant_further(acme).await.unwrap().again_in.is_some() {
        let rows = harness.store.kv_keys(acme, bucket("b"), String::new(), None, 99).await.unwrap();
        let keys = rows.len() as u64;
        assert_eq!(harness.store.kv_usage(acme).await.unwrap(), KvUsage { keys, bytes: 4 * keys });
        left.push(keys);
    }
    assert!(left.starts_with(&[30, 10, 0]), "{left:?}");
}

#[tokio::test]
async fn a_key_that_is_set_for_a_time_goes_by_the_stores_clock() {
    let harness = Harness::new();
    let set_for = |name: &str, value: &'static str, seconds| KvChange::SetFor {
        key: key(name),
        value: Bytes::from(value),
        ttl: Duration::from_secs(seconds),
    };
    change(&harness, set_for("session/1", "5", 10)).await;
    change(&harness, set_for("session/2", "b", 1_000)).await;
    change(&harness, set(&[("stays", "c")])).await;
    let first = read(&harness, "session/1").await.unwrap();
    assert_eq!(first.ttl, Some(Duration::from_secs(10)));
    // An increment and a swap leave it its time, a set does not.
    harness.clock.advance(4_000);
    assert_eq!(change(&harness, KvChange::Increment { key: key("session/1"), delta: 1 }).await, KvChanged::Number(6));
    let known = read(&harness, "session/1").await.unwrap();
    assert_eq!(known.ttl, Some(Duration::from_secs(6)));
    let swap = |expected| KvChange::Swap { key: key("session/1"), expected, value: Bytes::from("7") };
    assert_eq!(change(&harness, swap(Some(known.version))).await, KvChanged::Done { keys: 0 });
    assert_eq!(read(&harness, "session/1").await.unwrap().ttl, Some(Duration::from_secs(6)));
    change(&harness, set(&[("session/2", "for good")])).await;
    assert_eq!(read(&harness, "session/2").await.unwrap().ttl, None);
    // The wall clock moves nothing.
    harness.clock.jump(3_600_000);
    assert!(read(&harness, "session/1").await.is_some());
    harness.clock.advance(6_000);
    assert_eq!(read(&harness, "session/1").await, None);
    assert_eq!(keys(&harness, "session/", None, 9).await, ["session/2"]);
    // What is over is not there for a swap, nor for an increment, nor for a delete.
    assert_eq!(change(&harness, KvChange::Delete(vec![key("session/1")])).await, KvChanged::Done { keys: 0 });
    change(&harness, set_for("session/1", "5", 1)).await;
    harness.clock.advance(1_000);
    assert_eq!(change(&harness, swap(None)).await, KvChanged::Done { keys: 0 });
    assert_eq!(read(&harness, "session/1").await.unwrap().ttl, None);
    // It is counted until it is taken away.
    let used = harness.store.kv_usage(TENANT).await.unwrap();
    change(&harness, set_for("brief", "xyz", 1)).await;
    harness.clock.advance(1_000);
    assert_eq!(harness.store.kv_usage(TENANT).await.unwrap().keys, used.keys + 1);
    assert!(!harness.store.prune_kv().await.unwrap());
    assert_eq!(harness.store.kv_usage(TENANT).await.unwrap(), used);
}
