//! `stoker:handler/progress`: how far the attempt is.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::{Progress, cut};
use crate::sandbox::state::AttemptState;

/// A longer message is cut.
const MESSAGE_BYTES_MAX: usize = 1 << 10;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/progress@1.3.0")?;
    interface.func_wrap(
        "report",
        |mut store: StoreContextMut<'_, AttemptState>, (done, total, message): (u64, Option<u64>, Option<String>)| {
            let state = store.data_mut();
            state.count_host_call()?;
            state.progress.set(Progress {
                done,
                total,
                message: message.map(|message| cut(state.redact(message), MESSAGE_BYTES_MAX)),
            });
            Ok(())
        },
    )
}
