//! `stoker:handler/mail`: mails that are asked for on success. Nothing is written or sent here: they are committed with `succeeded`,
//! and transmitted after that.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::grants::capability_of_mail;
use crate::job::mail::{Attachment, MailRequest};
use crate::job::{Effect, IdSequence, MailId};
use crate::sandbox::bindings::stoker::handler::mail::{Error, Message};
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/mail@1.3.0")?;
    interface.func_wrap("send", |mut store: StoreContextMut<'_, AttemptState>, (message,): (Message,)| {
        let state = store.data_mut();
        state.count_host_call()?;
        Ok((send(state, message),))
    })
}

fn send(state: &mut AttemptState, message: Message) -> Result<String, Error> {
    let request = redacted(state, message);
    let sender = request.sender(state.mail_sender.as_deref()).map_err(Error::Refused)?;
    if !state.grants.allows_mail(&sender) {
        state.denied(&capability_of_mail(&sender.address()));
        return Err(Error::NotGranted);
    }
    let id = MailId::from_u128(IdSequence::after(0).next(state.clock.now(), rand::random()));
    let mail = request.checked(id, sender).map_err(Error::Refused)?;
    let message_id = mail.message_id();
    let asked = state.effects.get_or_insert_default().add(Effect::Mail(Box::new(mail)));
    asked.map_err(|too_much| Error::Refused(too_much.to_string()))?;
    Ok(message_id)
}

/// As it was asked for, without the secrets the guest was given: it is kept, and shown to people.
fn redacted(state: &AttemptState, message: Message) -> MailRequest {
    let Message { sender, to, cc, bcc, reply_to, subject, text, html, headers, attachments } = message;
    let all = |texts: Vec<String>| texts.into_iter().map(|text| state.redact(text)).collect();
    let attachments = attachments.into_iter().map(|attachment| Attachment {
        name: state.redact(attachment.name),
        content_type: state.redact(attachment.content_type),
        bytes: state.redact_bytes(attachment.bytes),
    });
    MailRequest {
        sender: sender.map(|text| state.redact(text)),
        to: all(to),
        cc: all(cc),
        bcc: all(bcc),
        reply_to: reply_to.map(|text| state.redact(text)),
        subject: state.redact(subject),
        text: text.map(|text| state.redact(text)),
        html: html.map(|text| state.redact(text)),
        headers: headers.into_iter().map(|(name, value)| (state.redact(name), state.redact(value))).collect(),
        attachments: attachments.collect(),
    }
}
