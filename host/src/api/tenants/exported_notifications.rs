//! What an export says of users' inboxes, a page at a time.

use serde_json::json;

use super::exported::{ExportError, Exporter, PAGE_MAX, Stage};
use crate::api::wire::notification::Notification;
use crate::job::NotificationId;
use crate::store::NotificationFilter;

impl Exporter {
    pub(super) async fn notifications(
        &mut self,
        out: &mut Vec<u8>,
        before: Option<NotificationId>,
    ) -> Result<Stage, ExportError> {
        let page = self.store.notifications(self.tenant, NotificationFilter::default(), before, PAGE_MAX).await?;
        for row in &page.rows {
            self.line(out, &json!({"type": "notification", "notification": Notification::from(row)}))?;
        }
        let last = page.rows.last().filter(|_| page.is_more);
        Ok(last.map_or(Stage::Buckets(None), |row| Stage::Notifications(Some(row.id))))
    }
}
