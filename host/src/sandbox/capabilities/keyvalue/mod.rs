//! `wasi:keyvalue`, and what it has no words for: the buckets that are granted to the kind. Each call counts; keys, values and lists are bounded; a write is
//! made under the attempt's lease, and a guest whose lease is not the job's any more is ended by its first write.

mod atomics;
mod batch;
mod bindings;
mod bucket;
mod checks;
mod timed;

use wasmtime::component::{HasSelf, Linker};

use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    fn of(state: &mut AttemptState) -> &mut AttemptState {
        state
    }
    timed::link(linker)?;
    bindings::wasi::keyvalue::store::add_to_linker::<_, HasSelf<AttemptState>>(linker, of)?;
    bindings::wasi::keyvalue::atomics::add_to_linker::<_, HasSelf<AttemptState>>(linker, of)?;
    bindings::wasi::keyvalue::batch::add_to_linker::<_, HasSelf<AttemptState>>(linker, of)
}
