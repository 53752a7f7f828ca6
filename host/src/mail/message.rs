//! A mail as the text that is transmitted: the same bytes whenever it is written.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body as Coded, Mailbox as Line, Message, MultiPart, SinglePart};
use lettre::{Address, address::AddressError};

use crate::job::mail::MailContent;
use crate::job::{MailId, Mailbox, Timestamp};

/// Why a mail can't be written as a message, which what was checked always can.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An address.
    #[error("an address: {0}")]
    Address(#[from] AddressError),
    /// The name of a header.
    #[error("the name of a header")]
    Header,
    /// The type of an attachment.
    #[error("the type of an attachment")]
    ContentType,
    /// What is in an attachment.
    #[error("what is in an attachment")]
    Attachment,
    /// All of it.
    #[error(transparent)]
    Message(#[from] lettre::error::Error),
}

/// The message. Its boundaries are the mail's own, which nobody knew who wrote its bodies.
pub fn written(content: &MailContent, id: MailId, message_id: &str, date: Timestamp) -> Result<Vec<u8>, WriteError> {
    let MailContent { sender, to, cc, reply_to, subject, text, html, headers, attachments } = content;
    let since = Duration::from_millis(u64::try_from(date.as_ms()).unwrap_or(0));
    // Who is told to the server stands in the outbox, and not here.
    let envelope = Envelope::new(Some(address(sender)?), vec![address(sender)?])?;
    let mut message = Message::builder()
        .envelope(envelope)
        .from(line(sender)?)
        .message_id(Some(message_id.to_owned()))
        .date(UNIX_EPOCH + since)
        .subject(subject.clone());
    for mailbox in to {
        message = message.to(line(mailbox)?);
    }
    for mailbox in cc {
        message = message.cc(line(mailbox)?);
    }
    if let Some(mailbox) = reply_to {
        message = message.reply_to(line(mailbox)?);
    }
    for (name, value) in headers {
        let name = HeaderName::new_from_ascii(name.clone()).map_err(|_| WriteError::Header)?;
        message = message.raw_header(HeaderValue::new(name, value.clone()));
    }
    let boundary = |which: &str| format!("=_{which}_{id}");
    let body = match (text, html) {
        (Some(text), Some(html)) => {
            let both = MultiPart::alternative().boundary(boundary("bodies"));
            Body::Multi(both.singlepart(SinglePart::plain(lines(text))).singlepart(SinglePart::html(lines(html))))
        }
        (None, Some(html)) => Body::Single(SinglePart::html(lines(html))),
        (text, None) => Body::Single(SinglePart::plain(lines(text.as_deref().unwrap_or_default()))),
    };
    let message = if attachments.is_empty() {
        match body {
            Body::Multi(part) => message.multipart(part)?,
            Body::Single(part) => message.singlepart(part)?,
        }
    } else {
        let mixed = MultiPart::mixed().boundary(boundary("mixed"));
        let mut mixed = match body {
            Body::Multi(part) => mixed.multipart(part),
            Body::Single(part) => mixed.singlepart(part),
        };
        for attachment in attachments {
            let content_type = ContentType::parse(&attachment.content_type).map_err(|_| WriteError::ContentType)?;
            // As they are: nothing in them is a line.
            let bytes = Coded::new_with_encoding(attachment.bytes.clone(), ContentTransferEncoding::Base64);
            let bytes = bytes.map_err(|_| WriteError::Attachment)?;
            let part = Part::new(attachment.name.clone()).body(bytes, content_type);
            mixed = mixed.singlepart(part);
        }
        message.multipart(mixed)?
    };
    Ok(message.formatted())
}

/// The text with each of its line breaks as a message has them. What one server takes for a part of a line (a CR or LF by itself)
/// another takes for its end, and what follows for a command.
fn lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                characters.next_if_eq(&'\n');
                lines.push_str("\r\n");
            }
            '\n' => lines.push_str("\r\n"),
            other => lines.push(other),
        }
    }
    lines
}

enum Body {
    Single(SinglePart),
    Multi(MultiPart),
}

pub(super) fn address(mailbox: &Mailbox) -> Result<Address, AddressError> {
    Address::new(mailbox.local(), mailbox.domain())
}

fn line(mailbox: &Mailbox) -> Result<Line, AddressError> {
    Ok(Line::new(mailbox.name().map(str::to_owned), address(mailbox)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::job::mail::{Attachment, MailRequest};

    fn message(change: impl FnOnce(&mut MailRequest)) -> String {
        let mut request = MailRequest {
            to: vec!["Ada Lovelace <ada@example.com>".into(), "bob@example.com".into()],
            bcc: vec!["eve@example.com".into()],
            subject: "Your order".into(),
            text: Some("Thank you.\n.\nBye\n".into()),
            ..MailRequest::default()
        };
        change(&mut request);
        let id = MailId::from_u128(0x0193_5000_0000_0000_0000_0000_0000_0001);
        let mail = request.checked(id, "Shop <noreply@shop.example>".parse().unwrap()).unwrap();
        let (message_id, date) = (mail.message_id(), Timestamp(1_790_000_000_000));
        let bytes = written(&mail.content, id, &message_id, date).unwrap();
        assert_eq!(bytes, written(&mail.content, id, &message_id, date).unwrap(), "the same bytes each time");
        assert!(bytes.is_ascii());
        String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn a_plain_mail() {
        insta::assert_snapshot!(message(|_| {}));
    }

    #[test]
    fn both_bodies_an_attachment_and_everything_outside_of_ascii() {
        let text = message(|mail| {
            mail.to = vec!["Zoë <zoe@example.com>".into()];
            mail.cc = vec!["\"Lovelace, Ada\" <ada@example.com>".into()];
            mail.reply_to = Some("help@shop.example".into());
            mail.subject = "Grüße: ✓".into();
            mail.html = Some("<p>Danke schön</p>".into());
            mail.headers =
                vec![("X-Order".into(), "7".into()), ("List-Unsubscribe".into(), "<https://shop.example/>".into())];
            mail.attachments = vec![Attachment {
                name: "Größe.bin".into(),
                content_type: "application/octet-stream".into(),
                bytes: vec![0, 1, 2, 255],
            }];
        });
        insta::assert_snapshot!(text);
    }

    #[test]
    fn no_line_break_is_half_a_one() {
        let broken = "a\rb\nc\r\nd\n\re\r\r\nf\r\n.\r\n\r.\rMAIL FROM:<eve@example.com>\r";
        assert_eq!(
            lines(broken),
            "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf\r\n.\r\n\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"
        );
        let id = MailId::from_u128(1);
        let attachments =
            || vec![Attachment { name: "a.txt".into(), content_type: "text/plain".into(), bytes: broken.into() }];
        let long = format!("{broken}{}\r", "x".repeat(2_000));
        for (text, html) in [
            (Some(broken.to_owned()), None),
            (None, Some(broken.to_owned())),
            (Some(long.clone()), Some(broken.to_owned())),
            (Some(format!("ü{broken}")), Some(format!("{}{broken}", "ü".repeat(500)))),
        ] {
            for attachments in [Vec::new(), attachments()] {
                let request = MailRequest {
                    to: vec!["ada@example.com".into()],
                    subject: "Hello".into(),
                    text: text.clone(),
                    html: html.clone(),
                    attachments,
                    ..MailRequest::default()
                };
                let mail = request.checked(id, "noreply@shop.example".parse().unwrap()).unwrap();
                let bytes = written(&mail.content, id, &mail.message_id(), Timestamp(0)).unwrap();
                let rest = String::from_utf8(bytes).unwrap().replace("\r\n", "");
                assert!(!rest.contains(['\r', '\n']), "{rest:?}");
            }
        }
    }

    #[test]
    fn who_is_to_be_seen_by_nobody_is_not_in_it() {
        assert!(!message(|_| {}).contains("eve@"));
        let text = message(|mail| mail.to.clear());
        assert!(!text.contains("eve@") && !text.contains("\nTo:"));
    }
}
