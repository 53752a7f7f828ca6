//! What a mail holds, from what a handler asked for. Owns its bounds; what passes here can be written as a message.

use std::collections::HashSet;

use lettre::message::header::ContentType;
use serde::{Deserialize, Serialize};

use super::address::Mailbox;
use super::state::RecipientRole;
use crate::job::id::MailId;
use crate::job::size::ByteSize;
use crate::job::text::control_character;

/// Most recipients of a mail.
pub const RECIPIENTS_MAX: usize = 50;
/// Most bytes of a subject, and of the value of a header.
const LINE_BYTES_MAX: usize = 998;
/// Most bytes of a mail: both bodies and all attachments.
pub const MAIL_BYTES_MAX: usize = 1 << 20;
/// Most attachments of a mail.
pub const ATTACHMENTS_MAX: usize = 20;
/// Most bytes of an attachment's name.
const NAME_BYTES_MAX: usize = 255;
/// Most headers of its own a mail may have.
pub const HEADERS_MAX: usize = 32;
/// Most bytes of a header's name.
const HEADER_NAME_BYTES_MAX: usize = 76;

/// As a handler asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailRequest {
    /// Whom it is from; `None`: the host's default sender.
    pub sender: Option<String>,
    /// Those in the line `To`.
    pub to: Vec<String>,
    /// Those in the line `Cc`.
    pub cc: Vec<String>,
    /// Those nobody else sees.
    pub bcc: Vec<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// What it is about.
    pub subject: String,
    /// The plain body.
    pub text: Option<String>,
    /// The body with markup.
    pub html: Option<String>,
    /// Headers of its own.
    pub headers: Vec<(String, String)>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
}

/// Something that comes with a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is called where it is saved.
    pub name: String,
    /// What it is, like `application/pdf`.
    pub content_type: String,
    /// It.
    pub bytes: Vec<u8>,
}

/// A mail that is to be written into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// Drawn when it was asked for.
    pub id: MailId,
    /// What it holds.
    pub content: MailContent,
    /// Each once, in the order they were named.
    pub recipients: Vec<(RecipientRole, Mailbox)>,
}

/// What is transmitted, but for what says when and under which id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailContent {
    /// Whom it is from.
    pub sender: Mailbox,
    /// Those in the line `To`.
    pub to: Vec<Mailbox>,
    /// Those in the line `Cc`.
    pub cc: Vec<Mailbox>,
    /// Where answers go.
    pub reply_to: Option<Mailbox>,
    /// What it is about.
    pub subject: String,
    /// The plain body.
    pub text: Option<String>,
    /// The body with markup.
    pub html: Option<String>,
    /// Headers of its own.
    pub headers: Vec<(String, String)>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
}

impl MailRequest {
    /// Whom it is from: as it says, or the host's default; or why it can be from nobody.
    pub fn sender(&self, default: Option<&Mailbox>) -> Result<Mailbox, String> {
        match (&self.sender, default) {
            (Some(sender), _) => sender.parse().map_err(|error| format!("sender: {error}")),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) => Err("sender: the mail names none, and this host has no default (`mail_sender`)".to_owned()),
        }
    }

    /// The mail, or what is wrong with it, in a sentence that says where.
    pub fn checked(self, id: MailId, sender: Mailbox) -> Result<NewMail, String> {
        let MailRequest { sender: _, to, cc, bcc, reply_to, subject, text, html, headers, attachments } = self;
        let named = to.len() + cc.len() + bcc.len();
        if named == 0 {
            return Err("to: a mail needs at least one recipient".to_owned());
        }
        if named > RECIPIENTS_MAX {
            return Err(format!("to: a mail may have at most {RECIPIENTS_MAX} recipients, and this one names {named}"));
        }
        let (to, cc, bcc) = (mailboxes("to", &to)?, mailboxes("cc", &cc)?, mailboxes("bcc", &bcc)?);
        let reply_to = reply_to.map(|text| text.parse().map_err(|error| format!("reply-to: {error}"))).transpose()?;
        check_line("subject", &subject)?;
        if text.is_none() && html.is_none() {
            return Err("text: a mail needs a body: give `text`, `html` or both".to_owned());
        }
        check_headers(&headers)?;
        check_attachments(&attachments)?;
        let body_bytes = [&text, &html].into_iter().flatten().map(String::len).sum::<usize>();
        let bytes = body_bytes + attachments.iter().map(|attachment| attachment.bytes.len()).sum::<usize>();
        if bytes > MAIL_BYTES_MAX {
            let most = ByteSize(MAIL_BYTES_MAX as u64);
            return Err(format!(
                "the bodies and attachments of a mail may have at most {most} together, and these have {bytes} bytes"
            ));
        }
        let mut seen = HashSet::new();
        let lines = [(RecipientRole::To, &to), (RecipientRole::Cc, &cc), (RecipientRole::Bcc, &bcc)];
        let recipients = lines.into_iter().flat_map(|(role, line)| line.iter().map(move |mailbox| (role, mailbox)));
        let recipients = recipients.filter(|(_, mailbox)| seen.insert(mailbox.address()));
        let recipients = recipients.map(|(role, mailbox)| (role, mailbox.clone())).collect();
        let content = MailContent { sender, to, cc, reply_to, subject, text, html, headers, attachments };
        Ok(NewMail { id, content, recipients })
    }
}

impl NewMail {
    /// What every transmission of it is called: no two mails have the same.
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.id, self.content.sender.domain())
    }

    /// What it takes of the bound of effects.
    pub fn bytes(&self) -> usize {
        let MailContent { sender: _, to: _, cc: _, reply_to: _, subject, text, html, headers, attachments } =
            &self.content;
        let bodies: usize = [text, html].into_iter().flatten().map(String::len).sum();
        let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let attachments: usize = attachments.iter().map(|attachment| attachment.bytes.len()).sum();
        let recipients: usize = self.recipients.iter().map(|(_, mailbox)| mailbox.address().len()).sum();
        subject.len() + bodies + headers + attachments + recipients
    }
}

fn mailboxes(line: &str, texts: &[String]) -> Result<Vec<Mailbox>, String> {
    let parsed = texts.iter().enumerate();
    parsed.map(|(place, text)| text.parse().map_err(|error| format!("{line}/{place}: {error}"))).collect()
}

/// What becomes one line of the message: a line break in it would begin another one.
fn check_line(what: &str, text: &str) -> Result<(), String> {
    if text.len() > LINE_BYTES_MAX {
        return Err(format!("{what}: may have at most {LINE_BYTES_MAX} bytes, and this one has {}", text.len()));
    }
    control_character(text).map_or(Ok(()), |sentence| Err(format!("{what}: {sentence}")))
}

fn check_headers(headers: &[(String, String)]) -> Result<(), String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("headers: a mail may have at most {HEADERS_MAX} headers of its own"));
    }
    for (place, (name, value)) in headers.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let is_own = lower.starts_with("x-") || lower.starts_with("list-");
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_own || !is_name || name.len() > HEADER_NAME_BYTES_MAX {
            return Err(format!(
                "headers/{place}: a mail may have headers of its own whose names begin with `X-` or `List-` and hold \
                 letters, digits, `-` and `_`, at most {HEADER_NAME_BYTES_MAX} of them"
            ));
        }
        check_line(&format!("headers/{place}"), value)?;
    }
    Ok(())
}

fn check_attachments(attachments: &[Attachment]) -> Result<(), String> {
    if attachments.len() > ATTACHMENTS_MAX {
        return Err(format!("attachments: a mail may have at most {ATTACHMENTS_MAX}"));
    }
    for (place, Attachment { name, content_type, bytes: _ }) in attachments.iter().enumerate() {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(format!("attachments/{place}/name: must have 1 to {NAME_BYTES_MAX} bytes"));
        }
        check_line(&format!("attachments/{place}/name"), name)?;
        check_line(&format!("attachments/{place}/content-type"), content_type)?;
        // What has parts of its own can't be encoded as a whole.
        let has_parts =
            ["multipart/", "message/"].iter().any(|begin| content_type.to_ascii_lowercase().starts_with(begin));
        if has_parts || !content_type.is_ascii() || ContentType::parse(content_type).is_err() {
            return Err(format!(
                "attachments/{place}/content-type: `{content_type}` is none; write e.g. `application/pdf` or \
                 `application/octet-stream`"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Change<'a> = &'a dyn Fn(&mut MailRequest);

    fn request() -> MailRequest {
        MailRequest {
            to: vec!["Ada <ada@example.com>".into()],
            subject: "Hello".into(),
            text: Some("Hi".into()),
            ..MailRequest::default()
        }
    }

    fn checked(request: MailRequest) -> Result<NewMail, String> {
        let default: Mailbox = "noreply@example.com".parse().unwrap();
        let sender = request.sender(Some(&default))?;
        request.checked(MailId::from_u128(1), sender)
    }

    #[test]
    fn each_recipient_is_one_whatever_the_line() {
        let mail = checked(MailRequest {
            cc: vec!["bob@example.com".into(), "ada@EXAMPLE.com".into()],
            bcc: vec!["eve@example.com".into(), "bob@example.com".into()],
            ..request()
        });
        let mail = mail.unwrap();
        let recipients: Vec<_> = mail.recipients.iter().map(|(role, to)| (role.as_str(), to.address())).collect();
        let expected = [("to", "ada@example.com"), ("cc", "bob@example.com"), ("bcc", "eve@example.com")];
        assert_eq!(recipients, expected.map(|(role, to)| (role, to.to_owned())));
        assert_eq!((mail.content.to.len(), mail.content.cc.len()), (1, 2));
        assert_eq!(mail.content.sender.to_string(), "noreply@example.com");
    }

    #[test]
    fn what_can_be_no_mail_is_refused_with_its_place() {
        let attachment = |name: &str, content_type: &str| Attachment {
            name: name.into(),
            content_type: content_type.into(),
            bytes: b"x".to_vec(),
        };
        let with = |change: &dyn Fn(&mut MailRequest)| {
            let mut request = request();
            change(&mut request);
            checked(request)
        };
        let cases: &[(Change<'_>, &str)] = &[
            (&|mail| mail.to.clear(), "to: a mail needs"),
            (&|mail| mail.to = vec!["a@example.com".into(); RECIPIENTS_MAX + 1], "to: a mail may have at most 50"),
            (&|mail| mail.to[0] = "ada".into(), "to/0: `ada` is no address"),
            (&|mail| mail.bcc = vec!["a@b.example\r\nDATA".into()], "bcc/0: `a@b.example\\r\\nDATA` is no address"),
            (&|mail| mail.sender = Some("x".into()), "sender: `x` is no"),
            (&|mail| mail.reply_to = Some("x".into()), "reply-to: `x` is no"),
            (&|mail| mail.subject = "a\r\nBcc: b@c.example".into(), "subject: must hold no control characters"),
            (&|mail| mail.subject = "a".repeat(999), "subject: may have at most 998 bytes"),
            (&|mail| mail.text = None, "text: a mail needs a body"),
            (&|mail| mail.text = Some("a".repeat(MAIL_BYTES_MAX + 1)), "the bodies and attachments"),
            (&|mail| mail.headers = vec![("Bcc".into(), "a@b.example".into())], "headers/0: "),
            (&|mail| mail.headers = vec![("X-A: b\r\nBcc".into(), String::new())], "headers/0: "),
            (&|mail| mail.headers = vec![("X-A".into(), "1\n2".into())], "headers/0: must hold no control"),
            (&|mail| mail.headers = vec![("X-A".into(), "1".into()); HEADERS_MAX + 1], "headers: "),
            (&|mail| mail.attachments = vec![attachment("", "text/plain")], "attachments/0/name: "),
            (&|mail| mail.attachments = vec![attachment("a\n", "text/plain")], "attachments/0/name: "),
            (&|mail| mail.attachments = vec![attachment("a", "pdf")], "attachments/0/content-type: "),
            (&|mail| mail.attachments = vec![attachment("a", "multipart/mixed")], "attachments/0/content-type: "),
            (&|mail| mail.attachments = vec![attachment("a", "text/plain"); ATTACHMENTS_MAX + 1], "attachments: "),
        ];
        for (change, said) in cases {
            let refused = with(*change).unwrap_err();
            assert!(refused.starts_with(said), "{refused}, not {said}");
        }
        assert!(request().sender(None).is_err());
        let large = with(&|mail| mail.text = Some("a".repeat(MAIL_BYTES_MAX)));
        assert!(large.unwrap().bytes() > MAIL_BYTES_MAX);
        let headers = vec![("List-Unsubscribe".into(), "<https://example.com/>".into()), ("X-Id".into(), "ü".into())];
        assert!(with(&|mail| mail.headers.clone_from(&headers)).is_ok());
    }
}
