//! Mails that handlers ask for: what one may hold, what becomes of it with each recipient, and when it is tried again. Pure.

mod address;
mod delivery;
mod message;
mod state;

pub use address::{MAILBOX_BYTES_MAX, Mailbox, MailboxError};
pub use delivery::{Answer, MailRules, Recipient, Settled, Transmission, settle};
pub use message::{
    ATTACHMENTS_MAX, Attachment, HEADERS_MAX, MAIL_BYTES_MAX, MailContent, MailRequest, NewMail, RECIPIENTS_MAX,
};
pub use state::{MailState, RecipientRole, RecipientState};
