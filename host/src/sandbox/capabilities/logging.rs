//! `stoker:handler/logging`: lines of the attempt's log.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::LogLevel;
use crate::sandbox::bindings::stoker::handler::logging::Level;
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/logging@1.3.0")?;
    interface.func_wrap("log", |mut store: StoreContextMut<'_, AttemptState>, (level, message): (Level, String)| {
        let state = store.data_mut();
        state.count_host_call()?;
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        state.log_line(level, &message);
        Ok(())
    })
}
