//! `stoker:handler/notifications`: users that are told on success. Nothing is written here: it is committed with `succeeded`.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::grants::CAPABILITY_NOTIFY;
use crate::job::json_text::stumbling_block;
use crate::job::notification::{MESSAGE_BYTES_MAX, NOTIFICATION_DATA_BYTES_MAX, UserNameError};
use crate::job::{ByteSize, Effect, NewNotification, NotificationLevel};
use crate::sandbox::bindings::stoker::handler::notifications::{Error, Level};
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/notifications@1.3.0")?;
    interface.func_wrap("notify", |mut store: StoreContextMut<'_, AttemptState>, asked: Asked| {
        let state = store.data_mut();
        state.count_host_call()?;
        Ok((notify(state, asked),))
    })
}

/// User, level, message, data.
type Asked = (String, Level, String, Option<String>);

fn notify(state: &mut AttemptState, (user, level, message, data): Asked) -> Result<(), Error> {
    if !state.grants.notify {
        state.denied(CAPABILITY_NOTIFY);
        return Err(Error::NotGranted);
    }
    if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
        let bytes = message.len();
        return Err(refused(format!("a message to a user must have 1 to {MESSAGE_BYTES_MAX} bytes, not {bytes}")));
    }
    if let Some(data) = data.as_ref().filter(|data| data.len() > NOTIFICATION_DATA_BYTES_MAX) {
        let most = ByteSize(NOTIFICATION_DATA_BYTES_MAX as u64);
        return Err(refused(format!(
            "the data of a notification has {} bytes; it may have at most {most}",
            data.len()
        )));
    }
    // What is kept is read by others.
    let (user, message, data) = (state.redact(user), state.redact(message), data.map(|data| state.redact(data)));
    let user = user.parse().map_err(|error: UserNameError| refused(error.to_string()))?;
    if let Some(data) = &data {
        if serde_json::from_str::<serde::de::IgnoredAny>(data).is_err() {
            return Err(refused("the data of a notification must be JSON"));
        }
        if let Some(sentence) = stumbling_block(data.as_bytes()) {
            return Err(refused(format!("the data of a notification {sentence}")));
        }
    }
    let notification = NewNotification { user, level: level_of(level), message, data: data.map(Bytes::from) };
    let asked = state.effects.get_or_insert_default().add(Effect::Notify(notification));
    asked.map_err(|too_much| refused(too_much.to_string()))
}

fn level_of(level: Level) -> NotificationLevel {
    match level {
        Level::Info => NotificationLevel::Info,
        Level::Success => NotificationLevel::Success,
        Level::Warning => NotificationLevel::Warning,
        Level::Error => NotificationLevel::Error,
    }
}

fn refused(sentence: impl Into<String>) -> Error {
    Error::Refused(sentence.into())
}
