//! The operations on notifications, as the rest of the host sees them.

use std::time::Duration;

use super::model::{MarkedNotification, NotificationFilter, NotificationPage, NotificationRow, UserTokenSecret};
use super::{inbox, keep, list, mark, token_key};
use crate::job::{NotificationId, UserName};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};

impl Store {
    /// A page of a tenant's notifications, the newest first, after one.
    pub async fn notifications(
        &self,
        tenant: TenantId,
        filter: NotificationFilter,
        before: Option<NotificationId>,
        limit: usize,
    ) -> Result<NotificationPage, StoreError> {
        self.read(move |sql, _| list::page(sql, tenant, &filter, before, limit)).await
    }

    /// So many of a user's that came after one, the oldest first.
    pub async fn notifications_after(
        &self,
        tenant: TenantId,
        user: UserName,
        after: NotificationId,
        limit: usize,
    ) -> Result<Vec<NotificationRow>, StoreError> {
        self.read(move |sql, _| list::after(sql, tenant, &user, after, limit)).await
    }

    /// The youngest of a user's; `None`: there is none.
    pub async fn newest_notification(
        &self,
        tenant: TenantId,
        user: UserName,
    ) -> Result<Option<NotificationId>, StoreError> {
        self.read(move |sql, _| list::newest(sql, tenant, &user)).await
    }

    /// How many a user has not read.
    pub async fn unread_notifications(&self, tenant: TenantId, user: UserName) -> Result<u64, StoreError> {
        self.read(move |sql, _| inbox::unread(sql, tenant, &user)).await
    }

    /// Marks one as read, or not; where a user is named, only that user's.
    pub async fn mark_notification(
        &self,
        tenant: TenantId,
        user: Option<UserName>,
        id: NotificationId,
        is_read: bool,
    ) -> Result<MarkedNotification, StoreError> {
        self.write(Durability::Synced, move |sql, draft| mark::mark(sql, draft, (tenant, user.as_ref()), id, is_read))
            .await
    }

    /// Marks all of a user's as read; how many were not.
    pub async fn read_all_notifications(&self, tenant: TenantId, user: UserName) -> Result<u64, StoreError> {
        self.write(Durability::Synced, move |sql, draft| mark::read_all(sql, draft, tenant, &user)).await
    }

    /// Removes one; `false`: there is none, or it is somebody else's.
    pub async fn delete_notification(
        &self,
        tenant: TenantId,
        user: Option<UserName>,
        id: NotificationId,
    ) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| mark::delete(sql, draft, (tenant, user.as_ref()), id)).await
    }

    /// Removes what is older than this; `true` when more may be left.
    pub async fn prune_notifications(&self, keep: Duration) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| keep::prune(sql, draft, keep)).await
    }

    /// What tokens of users are signed with; drawn by who asks first.
    pub async fn user_token_secret(&self) -> Result<UserTokenSecret, StoreError> {
        self.write(Durability::Synced, |sql, draft| token_key::key(sql, draft.now)).await
    }
}
