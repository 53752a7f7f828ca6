//! `stoker:handler/jobs`: jobs that are asked for on success. Nothing is written here: they are committed with `succeeded`.

use bytes::Bytes;
use serde::Deserialize;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::Effect;
use crate::job::grants::capability_of_enqueue;
use crate::sandbox::bindings::stoker::handler::jobs::Error;
use crate::sandbox::state::AttemptState;

/// What is looked at before the request is kept; the rest when the handler has returned.
#[derive(Deserialize)]
struct Request<'r> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'r, str>,
}

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/jobs@1.3.0")?;
    interface.func_wrap("enqueue", |mut store: StoreContextMut<'_, AttemptState>, (request,): (String,)| {
        let state = store.data_mut();
        state.count_host_call()?;
        Ok((enqueue(state, request),))
    })
}

fn enqueue(state: &mut AttemptState, request: String) -> Result<(), Error> {
    let kind = match serde_json::from_str::<Request<'_>>(&request) {
        Ok(Request { kind }) => kind.into_owned(),
        Err(error) => return Err(Error::Refused(format!("a request for a job is an object with a `kind`: {error}"))),
    };
    if !state.grants.allows_enqueue(&kind) {
        state.denied(&capability_of_enqueue(&kind));
        return Err(Error::NotGranted);
    }
    // It is kept, and shown to people.
    let request = state.redact(request);
    let asked = state.effects.get_or_insert_default().add(Effect::Enqueue(Bytes::from(request)));
    asked.map_err(|too_much| Error::Refused(too_much.to_string()))
}
