//! Secrets, buckets and steps of a job under trial: those that were given for it, an empty key-value store and a record of steps
//! that go with it.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::job::{
    BucketName, DatabaseError, DatabaseName, JobId, KvChange, KvChanged, KvKey, KvValue, SecretName, Step, Timestamp,
};
use crate::sandbox::{
    Databases, EventReceived, KeyValue, OfDatabase, OpenDatabase, Secrets, StepRecorded, Steps, Told,
};
use crate::secrets::SecretValue;
use crate::store::{SqliteSession, TrialFiles};

/// By name.
pub type GivenSecrets = BTreeMap<SecretName, SecretValue>;

/// Those of one job.
#[derive(Debug)]
pub(super) struct TrialSecrets(pub(super) GivenSecrets);

impl Secrets for TrialSecrets {
    fn read(&self, name: SecretName) -> Told<'_, Option<SecretValue>> {
        Box::pin(async move { Ok(self.0.get(&name).cloned()) })
    }
}

/// Held in memory for one run; without quotas, since a run makes at most as many changes as calls.
#[derive(Debug)]
pub(super) struct TrialKeyValue {
    now: Timestamp,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    last_version: u64,
    entries: BTreeMap<(BucketName, KvKey), KvValue>,
}

impl TrialKeyValue {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, held: Mutex::default() }
    }

    fn value(&self, bucket: &BucketName, key: &KvKey) -> Option<KvValue> {
        self.held.lock().entries.get(&(bucket.clone(), key.clone())).cloned()
    }

    fn put(&self, bucket: &BucketName, key: &KvKey, value: bytes::Bytes, ttl: Option<Duration>) -> bool {
        let mut held = self.held.lock();
        held.last_version += 1;
        let entry = KvValue { value, version: held.last_version, updated_at: self.now, ttl };
        held.entries.insert((bucket.clone(), key.clone()), entry).is_none()
    }

    fn apply(&self, bucket: &BucketName, change: KvChange) -> KvChanged {
        match change {
            KvChange::Set(entries) => {
                let new = entries.into_iter().filter(|(key, value)| self.put(bucket, key, value.clone(), None)).count();
                KvChanged::Done { keys: new }
            }
            KvChange::SetFor { key, value, ttl } => {
                KvChanged::Done { keys: usize::from(self.put(bucket, &key, value, Some(ttl))) }
            }
            KvChange::Delete(keys) => {
                let mut held = self.held.lock();
                let gone = keys.into_iter().filter(|key| held.entries.remove(&(bucket.clone(), key.clone())).is_some());
                KvChanged::Done { keys: gone.count() }
            }
            KvChange::Increment { key, delta } => {
                let known = self.value(bucket, &key);
                let number = known.as_ref().map_or(Some(0), KvValue::number);
                let Some(sum) = number.and_then(|number| number.checked_add(delta)) else { return KvChanged::NoNumber };
                self.put(bucket, &key, sum.to_string().into(), known.and_then(|known| known.ttl));
                KvChanged::Number(sum)
            }
            KvChange::Swap { key, expected, value } => {
                let known = self.value(bucket, &key);
                if known.as_ref().map(|known| known.version) != expected {
                    return KvChanged::Other(known);
                }
                let ttl = known.and_then(|known| known.ttl);
                KvChanged::Done { keys: usize::from(self.put(bucket, &key, value, ttl)) }
            }
        }
    }
}

impl KeyValue for TrialKeyValue {
    fn get(&self, bucket: BucketName, key: KvKey) -> Told<'_, Option<KvValue>> {
        Box::pin(async move { Ok(self.value(&bucket, &key)) })
    }

    fn get_many(&self, bucket: BucketName, keys: Vec<KvKey>) -> Told<'_, Option<Vec<Option<KvValue>>>> {
        Box::pin(async move { Ok(Some(keys.iter().map(|key| self.value(&bucket, key)).collect())) })
    }

    fn keys(&self, bucket: BucketName, prefix: String, after: Option<KvKey>, limit: usize) -> Told<'_, Vec<KvKey>> {
        let held = self.held.lock();
        let of_bucket = held.entries.keys().filter(|(of, _)| *of == bucket).map(|(_, key)| key);
        let of_bucket = of_bucket.filter(|key| key.as_str().starts_with(&prefix));
        let keys = of_bucket.filter(|key| after.as_ref().is_none_or(|after| *key > after)).take(limit);
        let keys = keys.cloned().collect();
        Box::pin(async move { Ok(keys) })
    }

    fn change(&self, bucket: BucketName, change: KvChange) -> Told<'_, KvChanged> {
        Box::pin(async move { Ok(self.apply(&bucket, change)) })
    }
}

/// Steps of a job that is run once: those that were recorded before, if it is another job's run that is repeated.
#[derive(Debug)]
pub(super) struct TrialSteps {
    job: JobId,
    recorded: Vec<Step>,
}

impl TrialSteps {
    pub(super) fn new(job: JobId, recorded: Vec<Step>) -> Self {
        Self { job, recorded }
    }
}

impl Steps for TrialSteps {
    fn job(&self) -> JobId {
        self.job
    }

    fn execution(&self) -> i64 {
        self.recorded.iter().map(|step| step.execution).max().unwrap_or(0) + 1
    }

    fn recorded(&self) -> Told<'_, Vec<Step>> {
        Box::pin(async { Ok(self.recorded.clone()) })
    }

    fn receive(&self, _step: Step) -> Told<'_, EventReceived> {
        Box::pin(async { Ok(EventReceived::NotYet) })
    }

    fn record(&self, _step: Step) -> Told<'_, StepRecorded> {
        Box::pin(async { Ok(StepRecorded::Done) })
    }
}

/// Files in a temporary folder, made when the first is opened.
#[derive(Debug)]
pub(super) struct TrialDatabases {
    job: JobId,
    files: Mutex<Option<TrialFiles>>,
}

impl TrialDatabases {
    pub(super) fn of(job: JobId) -> Self {
        Self { job, files: Mutex::default() }
    }

    fn session(&self, name: &DatabaseName) -> std::io::Result<SqliteSession> {
        let mut files = self.files.lock();
        let made = files.take().map_or_else(TrialFiles::new, Ok)?;
        Ok(files.insert(made).session(name, self.job))
    }
}

impl Databases for TrialDatabases {
    fn open(&self, name: DatabaseName) -> OfDatabase<'_, Box<dyn OpenDatabase>> {
        Box::pin(async move {
            let mut opened = self
                .session(&name)
                .map_err(|error| DatabaseError::Unavailable(format!("a temporary folder: {error}")))?;
            opened.make().await?;
            Ok(Box::new(opened) as Box<dyn OpenDatabase>)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_does_what_a_store_does() {
        let kv = TrialKeyValue::new(Timestamp(0));
        let (bucket, key): (BucketName, KvKey) = ("b".parse().unwrap(), "k".parse().unwrap());
        let change = |change| async { kv.change(bucket.clone(), change).await.unwrap() };
        let set = |value: &'static str| KvChange::Set(vec![(key.clone(), value.into())]);
        let add = |delta| KvChange::Increment { key: key.clone(), delta };
        let swap = |expected, value: &'static str| KvChange::Swap { key: key.clone(), expected, value: value.into() };
        assert_eq!(change(add(2)).await, KvChanged::Number(2));
        assert_eq!(change(add(i64::MAX)).await, KvChanged::NoNumber);
        assert_eq!(change(set("x")).await, KvChanged::Done { keys: 0 });
        assert_eq!(change(add(1)).await, KvChanged::NoNumber);
        let known = kv.get(bucket.clone(), key.clone()).await.unwrap().unwrap();
        assert_eq!(change(swap(None, "y")).await, KvChanged::Other(Some(known.clone())));
        assert_eq!(change(swap(Some(known.version), "y")).await, KvChanged::Done { keys: 0 });
        assert_eq!(kv.keys(bucket.clone(), String::new(), None, 9).await.unwrap(), std::slice::from_ref(&key));
        assert_eq!(change(KvChange::Delete(vec![key.clone(), key.clone()])).await, KvChanged::Done { keys: 1 });
        assert_eq!(change(swap(None, "z")).await, KvChanged::Done { keys: 1 });
    }
}
