//! What an export says of mail: one at a time, with what it holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::exported::{ExportError, Exporter, PAGE_MAX, Stage};
use crate::api::wire::mail::MailShown;
use crate::job::MailId;
use crate::store::MailFilter;

impl Exporter {
    pub(super) async fn page_of_mails(&mut self, before: Option<MailId>) -> Result<Stage, ExportError> {
        let rows = self.store.mails(self.tenant, MailFilter::default(), before, PAGE_MAX).await?;
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX).map(|row| row.id);
        self.mails.extend(rows.into_iter().map(|row| row.id));
        Ok(last.map_or(Stage::End, |last| Stage::Mails(Some(last))))
    }

    pub(super) async fn mail(&mut self, out: &mut Vec<u8>, id: MailId) -> Result<(), ExportError> {
        // It may have gone since the page was read.
        let Some(found) = self.store.mail(self.tenant, id).await? else { return Ok(()) };
        let attachments: Vec<String> = found
            .content
            .iter()
            .flat_map(|content| &content.attachments)
            .map(|attachment| STANDARD.encode(&attachment.bytes))
            .collect();
        let shown = MailShown::from(&found);
        self.line(out, &json!({"type": "mail", "mail": shown, "attachments_base64": attachments}))
    }
}
