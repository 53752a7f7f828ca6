//! What goes in and out of the operations on mail.

use std::time::Duration;

use crate::job::mail::{MailContent, MailRules, RecipientRole, RecipientState, Transmission};
use crate::job::{JobId, MailId, MailState, Rate, TenantName, Timestamp};
use crate::store::catalog::TenantId;

/// A mail without its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRow {
    /// Names it for ever.
    pub id: MailId,
    /// Whose success it came with.
    pub job: JobId,
    /// What every transmission of it is called.
    pub message_id: String,
    /// Whom it is from.
    pub sender: String,
    /// What it is about.
    pub subject: String,
    /// How far it is.
    pub state: MailState,
    /// Each recipient, in the order of the mail.
    pub recipients: Vec<RecipientRow>,
    /// Transmissions begun.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// Until when.
    pub give_up_at: Option<Timestamp>,
    /// What was in the way last.
    pub error: Option<String>,
    /// When it was committed.
    pub created_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
}

/// One recipient of a mail. What can't be read as an address is shown as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientRow {
    /// In which line.
    pub role: RecipientRole,
    /// The address.
    pub address: String,
    /// The name before it.
    pub name: Option<String>,
    /// How far it is.
    pub state: RecipientState,
    /// What the server said last of this one.
    pub answer: Option<String>,
}

/// A mail with all it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailDetail {
    /// It.
    pub row: MailRow,
    /// Its bodies, headers and attachments; `None`: what is stored can't be read.
    pub content: Option<MailContent>,
}

/// Which mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailFilter {
    /// Only this state.
    pub state: Option<MailState>,
    /// Only those of this job.
    pub job: Option<JobId>,
}

/// How mails go out.
#[derive(Clone, Debug, PartialEq)]
pub struct MailTerms {
    /// When they are tried again.
    pub rules: MailRules,
    /// So many of each tenant.
    pub rate: Rate,
    /// So many of all tenants together.
    pub rate_of_all: Option<Rate>,
}

/// What a transmission came to, to be written.
#[derive(Clone, Debug)]
pub struct MailEnd {
    /// Of which mail.
    pub id: MailId,
    /// Which transmission of it: the number of its claim.
    pub attempt: u32,
    /// It.
    pub transmission: Transmission,
}

/// A mail this host now transmits.
#[derive(Clone, Debug)]
pub struct ClaimedMail {
    /// It.
    pub id: MailId,
    /// Which transmission of it, from 1.
    pub attempt: u32,
    /// What every transmission of it is called.
    pub message_id: String,
    /// The message's own date.
    pub created_at: Timestamp,
    /// Who is to have it still, by the place among all recipients.
    pub recipients: Vec<(usize, crate::job::Mailbox)>,
    /// What it holds.
    pub content: MailContent,
}

/// What is to be done next.
#[derive(Debug)]
pub enum NextMail {
    /// Transmit this one.
    Claimed(Box<ClaimedMail>),
    /// Nothing, until then, or until something is committed.
    Nothing(Option<Duration>),
    /// Nothing yet, but the round is not at its end.
    More,
}

/// How far a host has looked around among tenants for a mail it can transmit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailRound {
    /// Whose mail went last: the round ends with it.
    pub(super) last: TenantId,
    /// Up to whom was looked.
    pub(super) at: TenantId,
    /// Whether it began anew with the first tenant.
    pub(super) is_around: bool,
    /// In how long the first of those that were looked at has one to transmit.
    pub(super) soonest: Option<Duration>,
}

impl MailRound {
    /// One that begins behind this tenant.
    pub fn after(last: TenantId) -> Self {
        Self { last, at: last, is_around: false, soonest: None }
    }
}

/// Of whose mail it is the turn next, and whether any is claimed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTurn {
    /// One of a tenant this round has not come to.
    Round(MailRound),
    /// None: the server can't be asked.
    Pause,
}

/// What became of the wish to send a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendMailResult {
    /// It is queued, and due.
    Queued(Box<MailRow>),
    /// A host transmits it now.
    Sending(Box<MailRow>),
    /// Every recipient has it.
    Sent(Box<MailRow>),
    /// There is none.
    NotFound,
}

/// Mails that were queued together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedMails {
    /// How many.
    pub queued: usize,
    /// More may be left after this one.
    pub more_after: Option<MailId>,
}

/// What became of the wish to delete a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMailResult {
    /// It is gone.
    Deleted,
    /// A host transmits it now.
    Sending,
    /// There is none.
    NotFound,
}

/// Mails of one tenant in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCount {
    /// Whose.
    pub tenant: TenantName,
    /// In which state.
    pub state: MailState,
    /// How many.
    pub mails: u64,
}
