//! Mail that a fake host takes, and what it refuses: what a real one does, in its words.

use std::collections::HashSet;

use super::Mail;
use super::address::Mailbox;
use crate::testing::Record;
use crate::testing::bounds::{
    ATTACHMENTS_MAX, HEADER_NAME_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX, MAIL_BYTES_MAX, NAME_BYTES_MAX, RECIPIENTS_MAX,
};
use crate::testing::texts::{control_character, size};
use crate::{Context, EffectError};

impl Context {
    pub(super) fn send(&self, mail: &Mail) -> Result<String, EffectError> {
        let mut record = self.recorder().lock();
        let mail = &redacted(&record, mail);
        let sender = sender(mail, record.mail_sender.as_deref()).map_err(EffectError::Refused)?;
        if !record.grants.allows_mail(&sender) {
            return Err(EffectError::NotGranted);
        }
        let recipients = check(mail).map_err(EffectError::Refused)?;
        record.effects.take(bytes(mail, &recipients))?;
        record.effects.mails.push(mail.clone());
        Ok(format!("<mail_{:026}@{}>", record.effects.mails.len(), sender.domain()))
    }
}

/// As it is kept, and shown to people.
fn redacted(record: &Record, mail: &Mail) -> Mail {
    let Mail { sender, to, cc, bcc, reply_to, subject, text, html, headers, attachments } = mail;
    let one = |text: &String| record.redacted(text);
    let all = |texts: &[String]| texts.iter().map(one).collect();
    let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => record.redacted(text).into_bytes(),
        Err(_) => bytes.to_owned(),
    };
    let attachment =
        |(name, content_type, content): &(String, String, Vec<u8>)| (one(name), one(content_type), bytes(content));
    Mail {
        sender: sender.as_ref().map(one),
        to: all(to),
        cc: all(cc),
        bcc: all(bcc),
        reply_to: reply_to.as_ref().map(one),
        subject: one(subject),
        text: text.as_ref().map(one),
        html: html.as_ref().map(one),
        headers: headers.iter().map(|(name, value)| (one(name), one(value))).collect(),
        attachments: attachments.iter().map(attachment).collect(),
    }
}

fn sender(mail: &Mail, default: Option<&str>) -> Result<Mailbox, String> {
    let Some(text) = mail.sender.as_deref().or(default) else {
        return Err("sender: the mail names none, and this host has no default (`mail_sender`)".to_owned());
    };
    text.parse().map_err(|error| format!("sender: {error}"))
}

/// Everybody it goes to, each once.
fn check(mail: &Mail) -> Result<HashSet<String>, String> {
    let Mail { sender: _, to, cc, bcc, reply_to, subject, text, html, headers, attachments } = mail;
    let named = to.len() + cc.len() + bcc.len();
    if named == 0 {
        return Err("to: a mail needs at least one recipient".to_owned());
    }
    if named > RECIPIENTS_MAX {
        return Err(format!("to: a mail may have at most {RECIPIENTS_MAX} recipients, and this one names {named}"));
    }
    let mut recipients = HashSet::new();
    for (line, texts) in [("to", to), ("cc", cc), ("bcc", bcc)] {
        for (place, text) in texts.iter().enumerate() {
            let mailbox: Mailbox = text.parse().map_err(|error| format!("{line}/{place}: {error}"))?;
            recipients.insert(mailbox.address());
        }
    }
    if let Some(text) = reply_to {
        text.parse::<Mailbox>().map_err(|error| format!("reply-to: {error}"))?;
    }
    check_line("subject", subject)?;
    if text.is_none() && html.is_none() {
        return Err("text: a mail needs a body: give `text`, `html` or both".to_owned());
    }
    check_headers(headers)?;
    check_attachments(attachments)?;
    let bytes = body_bytes(mail);
    if bytes > MAIL_BYTES_MAX {
        let most = size(MAIL_BYTES_MAX as u64);
        return Err(format!(
            "the bodies and attachments of a mail may have at most {most} together, and these have {bytes} bytes"
        ));
    }
    Ok(recipients)
}

/// Of bodies and attachments.
fn body_bytes(Mail { text, html, attachments, .. }: &Mail) -> usize {
    let bodies: usize = [text, html].into_iter().flatten().map(String::len).sum();
    bodies + attachments.iter().map(|(_, _, bytes)| bytes.len()).sum::<usize>()
}

/// What it takes of the bound of effects.
fn bytes(mail: &Mail, recipients: &HashSet<String>) -> usize {
    let headers: usize = mail.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    mail.subject.len() + body_bytes(mail) + headers + recipients.iter().map(String::len).sum::<usize>()
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

fn check_attachments(attachments: &[(String, String, Vec<u8>)]) -> Result<(), String> {
    if attachments.len() > ATTACHMENTS_MAX {
        return Err(format!("attachments: a mail may have at most {ATTACHMENTS_MAX}"));
    }
    for (place, (name, content_type, _)) in attachments.iter().enumerate() {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(format!("attachments/{place}/name: must have 1 to {NAME_BYTES_MAX} bytes"));
        }
        check_line(&format!("attachments/{place}/name"), name)?;
        check_line(&format!("attachments/{place}/content-type"), content_type)?;
        if !is_content_type(content_type) {
            return Err(format!(
                "attachments/{place}/content-type: `{content_type}` is none; write e.g. `application/pdf` or \
                 `application/octet-stream`"
            ));
        }
    }
    Ok(())
}

/// Like `text/plain; charset=utf-8`, and nothing that has parts of its own.
fn is_content_type(text: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let is_value = |text: &str| {
        is_token(text) || text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).is_some_and(is_token)
    };
    let mut pieces = text.split(';');
    let is_one = pieces.next().and_then(|piece| piece.split_once('/')).is_some_and(|(main, sub)| {
        let has_parts = ["multipart", "message"].iter().any(|parts| main.eq_ignore_ascii_case(parts));
        !has_parts && is_token(main) && is_token(sub)
    });
    is_one
        && pieces
            .all(|piece| piece.trim().split_once('=').is_some_and(|(name, value)| is_token(name) && is_value(value)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;

    type Change<'a> = &'a dyn Fn(&mut Mail);

    fn host() -> FakeHost {
        FakeHost::new().may_send_mail("noreply@example.com").mail_sender("Shop <noreply@Example.com>")
    }

    fn mail() -> Mail {
        Mail::to("Ada <ada@example.com>").subject("Hello").text("Hi")
    }

    #[test]
    fn what_can_be_no_mail_is_refused_with_its_place() {
        let attachment = |name: &str, content_type: &str| (name.to_owned(), content_type.to_owned(), b"x".to_vec());
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
        let host = host();
        for (change, said) in cases {
            let mut mail = mail();
            change(&mut mail);
            let asked = host.context().send_mail(&mail);
            assert!(
                matches!(&asked, Err(EffectError::Refused(sentence)) if sentence.starts_with(said)),
                "{said}: {asked:?}"
            );
        }
        assert!(host.mails().is_empty());
        let attached = mail().attach("a.txt", "text/plain; charset=\"utf-8\"", vec![b'x'; MAIL_BYTES_MAX - 2]);
        assert_eq!(host.context().send_mail(&attached).unwrap(), "<mail_00000000000000000000000001@example.com>");
    }

    #[test]
    fn a_sender_is_named_or_the_hosts_and_has_to_be_granted() {
        let unnamed = FakeHost::new().may_send_mail("*@example.com").context().send_mail(&mail());
        assert!(unnamed.unwrap_err().to_string().contains("no default (`mail_sender`)"));
        let host = host();
        assert_eq!(host.context().send_mail(&mail().from("ceo@example.com")), Err(EffectError::NotGranted));
        assert!(host.context().send_mail(&mail().from("noreply@example.com")).is_ok());
        // Of two that are the same, one counts.
        let large = mail().cc("ada@EXAMPLE.com").text("x".repeat(MAIL_BYTES_MAX));
        let sent = (0..5).map_while(|_| host.context().send_mail(&large).ok()).count();
        assert_eq!(sent, 3, "4 MiB of effects have no room for another one");
    }
}
