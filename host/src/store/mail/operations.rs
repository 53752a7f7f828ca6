//! The operations on mail, as the rest of the host sees them.

use std::sync::Arc;
use std::time::Duration;

use super::model::{
    DeleteMailResult, MailCount, MailDetail, MailEnd, MailFilter, MailRound, MailRow, MailTerms, MailTurn, NextMail,
    QueuedMails, SendMailResult,
};
use super::{act, claim, count, prune, read, settle};
use crate::job::{HostId, MailId, MailState};
use crate::store::audit;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};

impl Store {
    /// Writes what the last transmission of this host came to, and gives it the next mail, in one commit; with it the
    /// round that is to be gone on with.
    pub async fn next_mail(
        &self,
        host: HostId,
        ended: Option<MailEnd>,
        turn: MailTurn,
        terms: Arc<MailTerms>,
    ) -> Result<(NextMail, Option<MailRound>), StoreError> {
        let chance: f64 = rand::random();
        self.write(Durability::Synced, move |sql, draft| {
            if let Some(end) = &ended {
                settle::settle_mail(sql, draft, host, end, (&terms, chance))?;
            }
            claim::free_stale(sql, draft, host)?;
            match turn {
                MailTurn::Pause => Ok((NextMail::Nothing(None), None)),
                MailTurn::Round(round) => {
                    let (next, round) = claim::claim_next(sql, draft, host, round, &terms)?;
                    Ok((next, Some(round)))
                }
            }
        })
        .await
    }

    /// Whether a mail still is this host's to transmit.
    pub async fn holds_mail(&self, host: HostId, id: MailId, attempt: u32) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| Ok(settle::held(sql, draft, host, id, attempt)?.is_some()))
            .await
    }

    /// A tenant's mails, newest first, before one.
    pub async fn mails(
        &self,
        tenant: TenantId,
        filter: MailFilter,
        before: Option<MailId>,
        limit: usize,
    ) -> Result<Vec<MailRow>, StoreError> {
        self.read(move |sql, _| read::page(sql, tenant, filter, before, limit)).await
    }

    /// One mail with all it holds.
    pub async fn mail(&self, tenant: TenantId, id: MailId) -> Result<Option<MailDetail>, StoreError> {
        self.read(move |sql, _| read::detail(sql, tenant, id)).await
    }

    /// How many mails a tenant has in each state.
    pub async fn mail_counts_of(&self, tenant: TenantId) -> Result<Vec<(MailState, u64)>, StoreError> {
        self.read(move |sql, _| count::counts_of(sql, tenant)).await
    }

    /// The same of every tenant.
    pub async fn mail_counts(&self) -> Result<Vec<MailCount>, StoreError> {
        self.read(count::counts).await
    }

    /// Queues a mail for now, to be tried for so long.
    pub async fn send_mail(
        &self,
        tenant: TenantId,
        id: MailId,
        tried_for: Duration,
    ) -> Result<SendMailResult, StoreError> {
        self.write_in(Some(tenant), Durability::Synced, move |sql, draft| {
            audit::mail(sql, draft, (tenant, id), "mail.send", |sql, draft| {
                act::send(sql, draft, tenant, id, tried_for)
            })
        })
        .await
    }

    /// Queues many: the oldest of those in a state, of those after one. What fails again meanwhile is behind whoever goes on after
    /// the last of them.
    pub async fn send_mails(
        &self,
        tenant: TenantId,
        state: MailState,
        after: Option<MailId>,
        tried_for: Duration,
    ) -> Result<QueuedMails, StoreError> {
        self.write_in(Some(tenant), Durability::Synced, move |sql, draft| {
            let mut last = None;
            let queued = audit::mails(sql, draft, (tenant, state), |sql, draft| {
                let queued = act::send_some(sql, draft, (tenant, state), after, tried_for)?;
                last = queued.last().copied();
                Ok(queued.len())
            })?;
            Ok(QueuedMails { queued, more_after: last.filter(|_| queued >= act::QUEUED_MAX) })
        })
        .await
    }

    /// Deletes a mail.
    pub async fn delete_mail(&self, tenant: TenantId, id: MailId) -> Result<DeleteMailResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::mail(sql, draft, (tenant, id), "mail.delete", |sql, draft| act::delete(sql, draft, tenant, id))
        })
        .await
    }

    /// Forgets mails that were over so long ago; `true` when more may be left.
    pub async fn prune_mails(&self, keep: Duration) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| prune::prune(sql, draft, keep)).await
    }
}
