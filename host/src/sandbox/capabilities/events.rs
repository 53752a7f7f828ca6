//! `stoker:handler/events`: events that are asked for on success. Nothing is written here: they are committed with `succeeded`.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::effect::EVENT_DATA_BYTES_MAX;
use crate::job::grants::capability_of_event;
use crate::job::json_text::stumbling_block;
use crate::job::step::CORRELATION_BYTES_MAX;
use crate::job::{ByteSize, Effect, NewEvent, control_character};
use crate::sandbox::bindings::stoker::handler::events::Error;
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/events@1.3.0")?;
    interface.func_wrap(
        "emit",
        |mut store: StoreContextMut<'_, AttemptState>, (event_type, correlation, data): (String, String, String)| {
            let state = store.data_mut();
            state.count_host_call()?;
            Ok((emit(state, &event_type, correlation, data),))
        },
    )
}

fn emit(state: &mut AttemptState, event_type: &str, correlation: String, data: String) -> Result<(), Error> {
    if !state.grants.allows_event(event_type) {
        state.denied(&capability_of_event(event_type));
        return Err(Error::NotGranted);
    }
    let event_type = event_type.parse().map_err(|error: crate::job::step::StepNameError| refused(error.to_string()))?;
    if correlation.len() > CORRELATION_BYTES_MAX {
        return Err(refused(format!("a correlation may have at most {CORRELATION_BYTES_MAX} bytes")));
    }
    if let Some(sentence) = control_character(&correlation) {
        return Err(refused(format!("a correlation {sentence}")));
    }
    if data.len() > EVENT_DATA_BYTES_MAX {
        let most = ByteSize(EVENT_DATA_BYTES_MAX as u64);
        return Err(refused(format!("the data of an event has {} bytes; it may have at most {most}", data.len())));
    }
    // What is kept is read by others.
    let data = state.redact(data);
    if serde_json::from_str::<serde::de::IgnoredAny>(&data).is_err() {
        return Err(refused("the data of an event must be JSON"));
    }
    if let Some(sentence) = stumbling_block(data.as_bytes()) {
        return Err(refused(format!("the data of an event {sentence}")));
    }
    let event = NewEvent { event_type, correlation, data: Bytes::from(data) };
    let asked = state.effects.get_or_insert_default().add(Effect::Emit(event));
    asked.map_err(|too_much| refused(too_much.to_string()))
}

fn refused(sentence: impl Into<String>) -> Error {
    Error::Refused(sentence.into())
}
