//! What was under way when its tenant went, and comes to the store when it is going, or gone: nothing of it is written.

use super::possessions::{new_key, secret, session, value};
use super::*;
use crate::job::{BulkAction, KvChange};
use crate::secrets::SetSecretError;

impl Run {
    pub(super) async fn come_late(&mut self) -> Done {
        self.disarm();
        let going = self.model.tenants.iter().filter(|tenant| !tenant.is_open());
        let all: Vec<(TenantId, KindId)> =
            going.chain(&self.model.gone).map(|tenant| (tenant.id, tenant.kind)).collect();
        let Some((id, kind)) = self.chance.pick(&all) else {
            return ("nobody has gone".to_owned(), Touches::Nobody);
        };
        let mut hash = [255; 32];
        hash[..8].copy_from_slice(&self.next().to_be_bytes());
        let store = self.harness.store.clone();
        let (what, error) = match self.chance.below(11) {
            0 => {
                let late = self.vault().set(id, secret("late"), &value("come too late")).await;
                let Err(SetSecretError::Store(error)) = late else { panic!("{late:?}") };
                ("late: secret", Some(error))
            }
            1 => {
                let set = KvChange::Set(vec![("x".parse().unwrap(), Bytes::from_static(b"late"))]);
                let late = store.change_kv(id, KvWriter::Operator, "b".parse().unwrap(), set).await;
                ("late: kv", Some(late.unwrap_err()))
            }
            2 => ("late: key", Some(store.create_key(new_key(id, hash, None)).await.unwrap_err())),
            3 => {
                let until = Timestamp(self.now() + 60_000);
                let late = store.open_session(Some(id), session(hash), hash, until).await;
                ("late: session", Some(late.unwrap_err()))
            }
            4 => {
                let new = self.new_schedule(kind);
                let late = store.put_schedule(id, "late".parse().unwrap(), new).await.unwrap();
                assert!(matches!(late, PutScheduleResult::KindGone), "{late:?}");
                ("late: schedule", None)
            }
            5 => {
                let change = QueueChange { priority: Some(1), ..QueueChange::default() };
                let late = store.change_queue(id, "late".parse().unwrap(), change, true).await;
                ("late: queue", Some(late.unwrap_err()))
            }
            6 => {
                let version = NewVersion { tenant: id, ..new_version(&store, "late", &["late"]).await };
                let late = if self.chance.one_in(2) {
                    store.activate_new(version, false).await.map(drop).unwrap_err()
                } else {
                    store.store_new(version).await.map(drop).unwrap_err()
                };
                ("late: module", Some(late))
            }
            7 => {
                let new = NewBatch {
                    is_workflow: false,
                    name: None,
                    closing: Closing::OnRequest,
                    callbacks: Callbacks::default(),
                    jobs: Vec::new(),
                    key: None,
                };
                ("late: batch", Some(store.create_batch(id, new).await.unwrap_err()))
            }
            8 => {
                let filter = crate::job::BulkFilter::default();
                let request = BulkRequest { action: BulkAction::Cancel, filter, priority: None, rate: None };
                ("late: operation", Some(store.create_operation(id, request, None).await.unwrap_err()))
            }
            9 => {
                let key = IdempotencyKey { key: "late".to_owned(), request_hash: [1; 32] };
                let late = store.enqueue_batch(id, vec![job(kind); 2], self.chance.one_in(2), Some(key), vec![1]).await;
                ("late: jobs under a key", Some(late.map(drop).unwrap_err()))
            }
            _ => {
                // In one breath with a piece of its removal, which may be the last.
                let late = async { self.vault().set(id, secret("late"), &value("come too late")).await };
                let (piece, late) = tokio::join!(store.remove_tenant_further(id), late);
                let Err(SetSecretError::Store(error)) = late else { panic!("{late:?}") };
                if self.model.tenants.iter().any(|tenant| tenant.id == id) {
                    self.was_removed(id, &piece.unwrap());
                }
                assert!(matches!(error, StoreError::TenantClosed), "{error}");
                return (format!("a secret of {id:?} as it goes"), Touches::Only(id));
            }
        };
        assert!(error.as_ref().is_none_or(|error| matches!(error, StoreError::TenantClosed)), "{what}: {error:?}");
        self.model.saw(what);
        (format!("{what} for {id:?}"), Touches::Nobody)
    }
}
