//! A mail as the text that is transmitted: the same bytes whenever it is written.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox as Line, Message, MultiPart, SinglePart};
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
            Body::Multi(both.singlepart(SinglePart::plain(text.clone())).singlepart(SinglePart::html(html.clone())))
        }
        (None, Some(html)) => Body::Single(SinglePart::html(html.clone())),
        (text, None) => Body::Single(SinglePart::plain(text.clone().unwrap_or_default())),
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
            let part = Part::new(attachment.name.clone()).body(attachment.bytes.clone(), content_type);
            mixed = mixed.singlepart(part);
        }
        message.multipart(mixed)?
    };
    Ok(message.formatted())
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
    fn who_is_to_be_seen_by_nobody_is_not_in_it() {
        assert!(!message(|_| {}).contains("eve@"));
        let text = message(|mail| mail.to.clear());
        assert!(!text.contains("eve@") && !text.contains("\nTo:"));
    }
}
