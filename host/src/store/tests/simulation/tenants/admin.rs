//! Tenants are made, set, suspended, resumed, and removed piece by piece.

use super::*;
use crate::job::{ByteSize, Most, Quotas, TenantSettings};

/// Tenants at once, with `default`.
const TENANTS_MANY: usize = 5;
/// As long as no more are open, none is deleted.
const OPEN_FEW: usize = 3;

impl Run {
    /// A module of the same name and kind for everybody.
    pub(super) async fn serve(&mut self, at: usize) {
        let tenant = self.model.tenants[at].id;
        let version = NewVersion { tenant, ..new_version(&self.harness.store, "m", &["k"]).await };
        let result = self.harness.store.activate_new(version, false).await.unwrap();
        assert!(matches!(result, ActivateResult::Activated { .. }), "{result:?}");
        let kind = self.harness.store.catalog().kind(tenant, &"k".parse().unwrap()).unwrap().id;
        self.model.tenants[at].kind = kind;
    }

    fn some_quotas(&mut self) -> Quotas {
        let chance = &mut self.chance;
        Quotas {
            waiting_jobs: chance.one_in(4).then(|| 4 + chance.below(10) as u64).map(Most::Of),
            running_jobs: chance.one_in(3).then(|| u32::try_from(chance.up_to(4)).unwrap()).map(Most::Of),
            stored_bytes: chance.one_in(5).then(|| ByteSize(400 + chance.below(2_000) as u64)).map(Most::Of),
            schedules: chance.one_in(4).then(|| u32::try_from(chance.below(3)).unwrap()).map(Most::Of),
            fuel_per_day: chance.one_in(6).then(|| 2_000 + chance.below(8_000) as u64).map(Most::Of),
            kv_bytes: chance.one_in(3).then(|| ByteSize(20 + chance.below(60) as u64)).map(Most::Of),
            secrets: chance.one_in(3).then(|| u32::try_from(chance.below(4)).unwrap()).map(Most::Of),
            ..Quotas::default()
        }
    }

    pub(super) async fn create_tenant(&mut self) -> Done {
        self.disarm();
        let name = format!("tenant-{}", self.chance.below(TENANTS_MANY + 2));
        let (weight, quotas) = (u32::try_from(self.chance.up_to(40)).unwrap(), self.some_quotas());
        if self.model.tenants.len() >= TENANTS_MANY {
            return ("enough tenants".to_owned(), Touches::Nobody);
        }
        let new = NewTenant { name: name.parse().unwrap(), weight, quotas, settings: TenantSettings::default() };
        let is_known = self.model.tenants.iter().any(|tenant| tenant.name == name);
        match self.harness.store.create_tenant(new).await.unwrap() {
            CreateTenantResult::Created(row) => {
                let id = row.entry.id;
                assert!(!is_known);
                let was: Vec<i64> = self.model.gone.iter().map(|tenant| tenant.id.0).collect();
                assert!(!was.contains(&id.0), "a number is never used again");
                if self.model.gone.iter().any(|tenant| tenant.name == name) {
                    self.model.saw("a tenant of the same name again");
                }
                self.model.tenants.push(Tenant { weight, quotas, ..Tenant::new(id, &name) });
                self.serve(self.model.tenants.len() - 1).await;
                (format!("{name} is made: {id:?}, {quotas:?}"), Touches::Only(id))
            }
            CreateTenantResult::Exists => {
                assert!(is_known);
                (format!("{name} exists"), Touches::Nobody)
            }
            CreateTenantResult::TooMany => panic!("there are few"),
        }
    }

    pub(super) async fn change_tenant(&mut self) -> Done {
        let (at, quotas) = (self.any(), self.some_quotas());
        let weight = u32::try_from(self.chance.up_to(40)).unwrap();
        let state = self.chance.pick(&[TenantState::Active, TenantState::Active, TenantState::Suspended]).unwrap();
        let change = TenantChange {
            weight: self.chance.one_in(2).then_some(weight),
            quotas: self.chance.one_in(3).then_some(quotas),
            settings: None,
            state: self.chance.one_in(2).then_some(state),
        };
        self.set(at, change).await
    }

    pub(super) async fn set(&mut self, at: usize, change: TenantChange) -> Done {
        let id = self.model.tenants[at].id;
        let what = format!("{id:?} is set: {change:?}");
        let result = self.harness.store.change_tenant(id, change).await;
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        let tenant = &mut self.model.tenants[at];
        match result {
            ChangeTenantResult::Changed(row) => {
                assert!(tenant.is_open());
                tenant.weight = change.weight.unwrap_or(tenant.weight);
                tenant.quotas = change.quotas.unwrap_or(tenant.quotas);
                tenant.state = change.state.unwrap_or(tenant.state);
                let set = (row.entry.weight, row.entry.quotas, row.entry.state);
                assert_eq!(set, (tenant.weight, tenant.quotas, tenant.state));
                if tenant.state == TenantState::Suspended && tenant.held() > 0 {
                    self.model.saw("suspended while it runs");
                }
                (what, Touches::Only(id))
            }
            ChangeTenantResult::Deleting => {
                assert!(!tenant.is_open());
                (what, Touches::Nobody)
            }
            ChangeTenantResult::NotFound => panic!("{what}: it is there"),
        }
    }

    pub(super) async fn delete_tenant(&mut self) -> Done {
        let at = self.any();
        let id = self.model.tenants[at].id;
        let open = self.model.tenants.iter().filter(|tenant| tenant.is_open()).count();
        if id == TENANT || open < OPEN_FEW {
            return ("nobody is to be deleted".to_owned(), Touches::Nobody);
        }
        let result = self.harness.store.delete_tenant(id, true).await;
        let Some(result) = self.acknowledged(result) else {
            return ("delete a tenant: no commit".to_owned(), Touches::Nobody);
        };
        assert!(matches!(result, DeleteTenantResult::Deleting(_)), "{result:?}");
        self.model.tenants[at].state = TenantState::Deleting;
        (format!("{id:?} is to be deleted"), Touches::Only(id))
    }

    fn deleting(&mut self) -> Option<TenantId> {
        let going = self.model.tenants.iter().filter(|tenant| !tenant.is_open()).map(|tenant| tenant.id);
        let going: Vec<TenantId> = going.collect();
        self.chance.pick(&going)
    }

    pub(super) async fn remove_further(&mut self) -> Done {
        let Some(id) = self.deleting() else { return ("nobody is going".to_owned(), Touches::Nobody) };
        let result = self.harness.store.remove_tenant_further(id).await;
        let Some(piece) = self.acknowledged(result) else {
            return ("remove a piece: no commit".to_owned(), Touches::Nobody);
        };
        self.was_removed(id, &piece);
        (format!("{id:?} goes: {piece:?}"), Touches::Only(id))
    }

    pub(super) fn was_removed(&mut self, id: TenantId, piece: &RemovedPiece) {
        for (job, number) in &piece.interrupts {
            let held = |(of, lease): &(TenantId, Lease)| (*of, lease.job(), lease.number()) == (id, *job, *number);
            assert!(self.leases.iter().any(held), "{job} is not held for {id:?}");
        }
        if piece.again_in.is_some() {
            self.model.saw("removed in pieces");
            return;
        }
        assert!(self.leases.iter().all(|(of, _)| *of != id), "somebody still runs for it");
        let at = self.model.tenants.iter().position(|tenant| tenant.id == id).expect("it was there");
        let gone = self.model.tenants.remove(at);
        self.model.gone.push(gone);
    }
}
