//! `stoker:handler/attempt`: what the attempt can ask about its own limits.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::duration::whole_ms;
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/attempt@1.3.0")?;
    interface.func_wrap("is-cancelled", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        let state = store.data_mut();
        state.count_host_call()?;
        Ok((state.interrupt.ask(),))
    })?;
    interface.func_wrap("remaining-time-ms", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        let state = store.data_mut();
        state.count_host_call()?;
        let left = state.deadline.saturating_sub(state.clock.monotonic());
        Ok((whole_ms(left),))
    })?;
    interface.func_wrap("slot-time-ms", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        let state = store.data_mut();
        state.count_host_call()?;
        Ok((state.slot_at.map(|slot_at| u64::try_from(slot_at.as_ms()).unwrap_or(0)),))
    })?;
    interface.func_wrap("remaining-fuel", |mut store: StoreContextMut<'_, AttemptState>, (): ()| {
        store.data_mut().count_host_call()?;
        Ok((store.get_fuel()?,))
    })
}
