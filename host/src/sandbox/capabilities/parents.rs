//! `stoker:handler/parents`: what the jobs returned that this one runs after. Read when it is asked for, one at a time.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::ParentOutput;
use crate::sandbox::bindings::stoker::handler::parents::Parent;
use crate::sandbox::model::ParentFacts;
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/parents@1.3.0")?;
    interface.func_wrap_async("list", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        let begun = begin(&mut store);
        Box::new(async move {
            let Some(parents) = begun? else { return Ok((Vec::new(),)) };
            let listed = parents.list().await.map_err(wasmtime::Error::msg)?;
            let wire = |ParentFacts { job, name, state }: ParentFacts| Parent {
                job_id: job.to_string(),
                name,
                state: state.map_or("deleted", crate::job::JobState::as_str).to_owned(),
            };
            Ok((listed.into_iter().map(wire).collect::<Vec<Parent>>(),))
        })
    })?;
    interface.func_wrap_async("output", |mut store: StoreContextMut<'_, AttemptState>, (parent,): (String,)| {
        let begun = begin(&mut store);
        Box::new(async move {
            let Some(parents) = begun? else { return Ok((Ok(None),)) };
            let output = parents.output(parent).await.map_err(wasmtime::Error::msg)?;
            let answer: Result<Option<String>, String> = match output {
                ParentOutput::None => Ok(None),
                ParentOutput::Json(output) => Ok(Some(String::from_utf8(output.to_vec())?)),
                ParentOutput::Gone(sentence) => Err(sentence),
            };
            Ok((answer,))
        })
    })
}

type Parents = std::sync::Arc<dyn crate::sandbox::model::Parents>;

fn begin(store: &mut StoreContextMut<'_, AttemptState>) -> wasmtime::Result<Option<Parents>> {
    let state = store.data_mut();
    state.count_host_call()?;
    Ok(state.parents.clone())
}
