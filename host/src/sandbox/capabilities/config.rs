//! `wasi:config/store`: the values that an operator gave to the kind. A name without a value is none, not an error: to do
//! without is the handler's to decide.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::sandbox::state::AttemptState;

/// The version that is offered; there is no later one.
const INTERFACE: &str = "wasi:config/store@0.2.0-rc.1";

/// Why a value can't be had; here it never is so.
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("get", |mut store: StoreContextMut<'_, AttemptState>, (name,): (String,)| {
        let state = store.data_mut();
        state.count_host_call()?;
        let value: Result<Option<String>, Error> = Ok(state.grants.config.get(name.as_str()).cloned());
        Ok((value,))
    })?;
    interface.func_wrap("get-all", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        let state = store.data_mut();
        state.count_host_call()?;
        let values = state.grants.config.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone()));
        let values: Result<Vec<(String, String)>, Error> = Ok(values.collect());
        Ok((values,))
    })
}
