//! Mails, as clients see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::time::Instant;
use crate::job::mail::{Attachment, MailContent, RecipientRole, RecipientState};
use crate::job::{JobId, MailId, MailState};
use crate::mail::Reach;
use crate::store::{MailDetail, MailRow, RecipientRow};

/// A mail, and how far it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Mail<'a> {
    /// Names it for ever.
    #[schema(value_type = String, example = "mail_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub id: MailId,
    /// How far it is.
    pub state: MailState,
    /// The job it came with.
    #[schema(value_type = String)]
    pub job: JobId,
    /// The `Message-ID` of every transmission of it.
    pub message_id: &'a str,
    /// Whom it is from.
    pub sender: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// Each recipient, and what became of the mail there.
    pub recipients: Vec<MailRecipient<'a>>,
    /// Transmissions that were begun.
    pub attempts: u32,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Instant>,
    /// Until when it is tried.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub give_up_at: Option<Instant>,
    /// What was in the way last.
    pub error: Option<&'a str>,
    /// When its job succeeded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When the last recipient had it, or was found never to take it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Instant>,
}

/// One recipient of a mail.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MailRecipient<'a> {
    /// The address.
    pub address: &'a str,
    /// The name before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub name: Option<&'a str>,
    /// In which line of the mail.
    pub role: RecipientRole,
    /// What became of the mail there.
    pub state: RecipientState,
    /// What the server said last.
    pub answer: Option<&'a str>,
}

impl<'a> From<&'a RecipientRow> for MailRecipient<'a> {
    fn from(recipient: &'a RecipientRow) -> Self {
        let RecipientRow { role, address, name, state, answer } = recipient;
        Self { address, name: name.as_deref(), role: *role, state: *state, answer: answer.as_deref() }
    }
}

impl<'a> From<&'a MailRow> for Mail<'a> {
    fn from(row: &'a MailRow) -> Self {
        let MailRow {
            id,
            job,
            message_id,
            sender,
            subject,
            state,
            recipients,
            attempts,
            next_at,
            give_up_at,
            error,
            created_at,
            ended_at,
        } = row;
        Self {
            id: *id,
            state: *state,
            job: *job,
            message_id,
            sender,
            subject,
            recipients: recipients.iter().map(MailRecipient::from).collect(),
            attempts: *attempts,
            next_at: next_at.map(Instant),
            give_up_at: give_up_at.map(Instant),
            error: error.as_deref(),
            created_at: Instant(*created_at),
            ended_at: ended_at.map(Instant),
        }
    }
}

/// A mail with its headers and bodies.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = MailDetail)]
pub struct MailShown<'a> {
    #[serde(flatten)]
    mail: Mail<'a>,
    /// Where answers go.
    reply_to: Option<String>,
    /// Headers of its own.
    headers: &'a [(String, String)],
    /// The plain body.
    text: Option<&'a str>,
    /// The body with markup.
    html: Option<&'a str>,
    /// What comes with it.
    attachments: Vec<MailAttachment<'a>>,
}

/// An attachment, without what is in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MailAttachment<'a> {
    /// What it is called.
    name: &'a str,
    /// What it is.
    content_type: &'a str,
    /// How large it is.
    size_bytes: usize,
}

impl<'a> From<&'a MailDetail> for MailShown<'a> {
    fn from(detail: &'a MailDetail) -> Self {
        let MailDetail { row, content } = detail;
        let Some(content) = content else {
            let (headers, attachments) = (&[][..], Vec::new());
            return Self { mail: Mail::from(row), reply_to: None, headers, text: None, html: None, attachments };
        };
        let MailContent { sender: _, to: _, cc: _, reply_to, subject: _, text, html, headers, attachments } = content;
        let shown = |attachment: &'a Attachment| {
            let Attachment { name, content_type, bytes } = attachment;
            MailAttachment { name, content_type, size_bytes: bytes.len() }
        };
        Self {
            mail: Mail::from(row),
            reply_to: reply_to.as_ref().map(ToString::to_string),
            headers,
            text: text.as_deref(),
            html: html.as_deref(),
            attachments: attachments.iter().map(shown).collect(),
        }
    }
}

/// A page of mails, and how mail stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MailPage<'a> {
    /// The mails.
    pub items: Vec<Mail<'a>>,
    /// Pass as `cursor` for the next page; `null` on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// How many there are in each state.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub counts: BTreeMap<&'static str, u64>,
    /// The server mail is given to, as this host finds it.
    pub server: MailServer,
}

/// How the server of mail is doing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MailServer {
    /// `not_configured`: mail is kept. `unknown`: nobody had to ask it yet. `reachable`, or `failing`.
    #[schema(value_type = String, example = "reachable")]
    pub state: &'static str,
    /// Why it is `failing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub error: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub since: Option<Instant>,
}

impl From<Reach> for MailServer {
    fn from(reach: Reach) -> Self {
        let state = |state| Self { state, error: None, since: None };
        match reach {
            Reach::NotConfigured => state("not_configured"),
            Reach::Unknown => state("unknown"),
            Reach::Reached => state("reachable"),
            Reach::Failing { error, since } => {
                Self { state: "failing", error: Some(error), since: Some(Instant(since)) }
            }
        }
    }
}

/// A mail of a job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobMail<'a> {
    /// `GET /v1/mail/{id}` shows all of it.
    #[schema(value_type = String)]
    pub id: MailId,
    /// How far it is.
    pub state: MailState,
    /// Each recipient, and what became of the mail there.
    pub recipients: Vec<MailRecipient<'a>>,
    /// What was in the way last.
    pub error: Option<&'a str>,
}

impl<'a> From<&'a MailRow> for JobMail<'a> {
    fn from(row: &'a MailRow) -> Self {
        let recipients = row.recipients.iter().map(MailRecipient::from).collect();
        Self { id: row.id, state: row.state, recipients, error: row.error.as_deref() }
    }
}

/// Mails that were queued.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct QueuedMails {
    /// How many.
    pub queued: usize,
    /// There may be more: ask again, with `next_cursor`.
    pub more: bool,
    /// Pass as `cursor` for those after these; `null` where there are no more.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}
