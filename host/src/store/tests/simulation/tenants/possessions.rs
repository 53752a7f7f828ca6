//! What tenants have beside jobs and buckets: secrets, rotated by the host; keys, which expire; schedules.

use super::model::Key;
use super::*;
use crate::job::schedule::{Definition, Inherited, PlanRequest};
use crate::job::{QuotaName, Role, ScheduleName, SecretName, Span};
use crate::secrets::{SecretValue, SetSecretError, reencrypt};

const SECRETS: [&str; 5] = ["a", "b", "c", "d", "e"];

pub(super) fn secret(text: &str) -> SecretName {
    text.parse().unwrap()
}

pub(super) fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

impl Run {
    pub(super) async fn change_secret(&mut self) -> Done {
        let (at, number) = (self.open(), self.next());
        let id = self.model.tenants[at].id;
        let name = self.chance.pick(&SECRETS).unwrap();
        let known = self.model.tenants[at].secrets.get(name).cloned();
        if self.chance.one_in(3) {
            let result = self.vault().delete(id, secret(name)).await;
            if let Some(was_there) = self.acknowledged(result) {
                assert_eq!(was_there, known.is_some());
                self.model.tenants[at].secrets.remove(name);
                self.model.saw("secret deleted");
            }
            return (format!("{id:?} deletes {name}"), Touches::Only(id));
        }
        let text = format!("the value {number} of {id:?}");
        let most = self.model.tenants[at].quotas.most(QuotaName::Secrets).unwrap_or(u64::MAX);
        let count = self.model.tenants[at].secrets.len() as u64;
        let result = match self.vault().set(id, secret(name), &value(&text)).await {
            Ok(result) => Ok(result),
            Err(SetSecretError::Store(error)) => Err(error),
            Err(other) => panic!("{other}"),
        };
        let what = format!("{id:?} sets {name} to value {number}");
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        let version = known.as_ref().map_or(1, |(_, version)| version + 1);
        match result {
            SetSecretResult::Created(row) => {
                assert!(known.is_none() && row.version == 1 && count < most, "{what}: {row:?}");
                self.model.saw("secret set");
            }
            SetSecretResult::Replaced(row) => {
                assert!(known.is_some() && row.version == version, "{what}: {row:?}");
                self.model.saw("secret replaced");
            }
            SetSecretResult::OverQuota(quota) => {
                assert!(known.is_none() && count >= most && quota.name == QuotaName::Secrets, "{what}: {quota:?}");
                self.model.saw_quota(quota.name);
                return (what, Touches::Nobody);
            }
        }
        self.model.tenants[at].secrets.insert(name.to_owned(), (text, version));
        (what, Touches::Only(id))
    }

    /// A new key, once nothing is under the one before the last.
    pub(super) async fn rotate(&mut self) -> Done {
        self.disarm();
        let ring = self.ring();
        let current = ring.current().expect("there is one").id();
        if !self.harness.store.secrets_not_under(current, 1).await.unwrap().is_empty() {
            return ("the last rotation goes on".to_owned(), Touches::Nobody);
        }
        self.secrets_keys += 1;
        crate::secrets::admit(&self.harness.store, &self.ring()).await.unwrap();
        (format!("key {} of the host", self.secrets_keys), Touches::Nobody)
    }

    pub(super) async fn reencrypt(&mut self) -> Done {
        let result = reencrypt(&self.vault()).await;
        // Where nothing was to be done, nothing was to be committed either.
        if !self.armed {
            result.unwrap();
            self.model.saw("re-encrypted");
        }
        ("secrets are encrypted anew".to_owned(), Touches::Anybody)
    }

    pub(super) async fn change_key(&mut self) -> Done {
        let (at, number) = (self.open(), self.next());
        let id = self.model.tenants[at].id;
        let known: Vec<crate::job::KeyId> = self.model.tenants[at].keys.keys().copied().collect();
        if let Some(key) = self.chance.pick(&known).filter(|_| self.chance.one_in(2)) {
            let other = self.model.tenants.iter().map(|tenant| tenant.id).find(|other| *other != id);
            self.disarm();
            let foreign = self.harness.store.revoke_key(other, key, true).await.unwrap();
            assert_eq!(foreign, RevokeKeyResult::NotFound);
            self.model.saw("key not another's to revoke");
            assert_eq!(self.harness.store.revoke_key(Some(id), key, true).await.unwrap(), RevokeKeyResult::Revoked);
            self.model.tenants[at].keys.remove(&key);
            self.model.saw("key revoked");
            return (format!("{id:?} revokes {key}"), Touches::Only(id));
        }
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        let expires_at = self.chance.one_in(2).then(|| self.now() + self.chance.between(1_000, 60_000));
        let new = new_key(id, hash, expires_at.map(Timestamp));
        let result = self.harness.store.create_key(new).await;
        let Some(result) = self.acknowledged(result) else {
            return ("make a key: no commit".to_owned(), Touches::Nobody);
        };
        let CreateKeyResult::Created(row) = result else { panic!("{result:?}") };
        self.model.tenants[at].keys.insert(row.id, Key { hash, expires_at });
        self.model.saw("key made");
        if self.chance.one_in(2) {
            self.disarm();
            let until = Timestamp(self.now() + 60_000);
            self.harness.store.open_session(Some(id), session(hash), hash, until).await.unwrap();
            // With it go sessions, whosever, whose time has come.
            return (format!("{id:?} has {}, and a session", row.id), Touches::Anybody);
        }
        (format!("{id:?} has {}", row.id), Touches::Only(id))
    }

    pub(super) async fn put_schedule(&mut self) -> Done {
        let at = self.any();
        let (id, name) = (self.model.tenants[at].id, format!("schedule-{}", self.chance.below(4)));
        let most = self.model.tenants[at].quotas.most(QuotaName::Schedules).unwrap_or(u64::MAX);
        let is_full = self.model.tenants[at].schedules.len() as u64 >= most;
        let (is_known, is_open) = (self.model.tenants[at].schedules.contains(&name), self.model.tenants[at].is_open());
        let new = self.new_schedule(self.model.tenants[at].kind);
        let new_bytes = new.definition.job.payload.len() + serde_json::to_string(&new.definition).unwrap().len();
        let stored_after = self.stored_bytes(id) + new_bytes as u64;
        let stored_most = self.quotas.overlaid_by(self.model.tenants[at].quotas).most(QuotaName::StoredBytes);
        let result = self.harness.store.put_schedule(id, name.parse::<ScheduleName>().unwrap(), new).await;
        let what = format!("{id:?} has {name}");
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        match result {
            PutScheduleResult::KindGone => assert!(!is_open, "{what}"),
            PutScheduleResult::OverQuota(quota) if quota.name == QuotaName::StoredBytes => {
                assert!(!is_known && stored_most.is_some_and(|most| stored_after > most), "{what}: {quota:?}");
                self.model.saw_quota(quota.name);
            }
            PutScheduleResult::OverQuota(quota) => {
                assert!(is_full && !is_known && quota.name == QuotaName::Schedules, "{what}: {quota:?}");
                self.model.saw_quota(quota.name);
            }
            PutScheduleResult::Created | PutScheduleResult::Replaced => {
                assert!(is_open && (is_known || !is_full), "{what}");
                assert!(is_known || stored_most.is_none_or(|most| self.stored_bytes(id) <= most), "{what}");
                self.model.tenants[at].schedules.insert(name);
                self.model.saw("schedule put");
                return (what, Touches::Only(id));
            }
        }
        (what, Touches::Nobody)
    }

    pub(super) fn new_schedule(&self, kind: KindId) -> NewSchedule {
        let request = PlanRequest { every: Some(Span::from_ms(86_400_000)), ..PlanRequest::default() };
        let plan = request.check("", self.harness.store_now(), &mut Vec::new()).unwrap();
        let definition = Definition {
            kind: "k".parse().unwrap(),
            plan,
            job: job(kind).spec,
            inherited: Inherited::default(),
            unique: None,
            asked: "{}".to_owned(),
        };
        NewSchedule { kind, definition, checked_against: None, is_paused: None }
    }

    /// Everybody has what it was given, and no more.
    pub(super) async fn compare_possessions(&mut self) {
        let (vault, now) = (self.vault(), Timestamp(self.now()));
        let mut has_expired = false;
        for tenant in self.model.tenants.iter().filter(|tenant| tenant.is_open()) {
            let listed = vault.list(tenant.id, None, 99).await.unwrap();
            let listed: Vec<(String, u64)> = listed.iter().map(|row| (row.name.to_string(), row.version)).collect();
            let known: Vec<(String, u64)> =
                tenant.secrets.iter().map(|(name, (_, version))| (name.clone(), *version)).collect();
            assert_eq!(listed, known, "secrets of {:?}", tenant.id);
            for (name, (text, _)) in &tenant.secrets {
                assert_eq!(vault.read(tenant.id, secret(name)).await.unwrap(), Some(value(text)), "{name}");
            }
            let rows = self.harness.store.keys(Some(tenant.id), None, 99).await.unwrap();
            let ids: BTreeSet<crate::job::KeyId> = rows.iter().map(|row| row.id).collect();
            assert_eq!(ids, tenant.keys.keys().copied().collect(), "keys of {:?}", tenant.id);
            let catalog = self.harness.store.catalog();
            for key in tenant.keys.values() {
                let entry = &catalog.credentials.keys[&key.hash];
                let is_good = key.expires_at.is_none_or(|at| now.as_ms() < at);
                assert_eq!((entry.tenant, entry.is_good(now)), (Some(tenant.id), is_good));
                has_expired |= !is_good;
            }
            let schedules = self.harness.store.schedules(tenant.id, None, 99).await.unwrap();
            let names: BTreeSet<String> = schedules.iter().map(|known| known.row.name.to_string()).collect();
            assert_eq!(names, tenant.schedules, "schedules of {:?}", tenant.id);
        }
        let alive = self.model.tenants.iter().flat_map(|tenant| tenant.keys.values().map(|key| key.hash));
        let alive: BTreeSet<CredentialHash> = alive.collect();
        let catalog = self.harness.store.catalog();
        assert!(catalog.credentials.keys.keys().all(|hash| alive.contains(hash)), "a key of nobody is good");
        assert!(catalog.credentials.sessions.values().all(|session| alive.contains(&session.credential)));
        if has_expired {
            self.model.saw("key expired");
        }
    }
}

pub(super) fn new_key(tenant: TenantId, hash: CredentialHash, expires_at: Option<Timestamp>) -> NewKey {
    NewKey {
        tenant: Some(tenant),
        role: Role::Operator,
        name: "one".parse().unwrap(),
        prefix: "stk_x".to_owned(),
        hash,
        expires_at,
        has_root: true,
    }
}

pub(super) fn session(mut hash: CredentialHash) -> CredentialHash {
    hash[31] = 1;
    hash
}
