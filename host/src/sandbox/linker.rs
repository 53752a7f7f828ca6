//! What is offered to guests: all of WASI 0.2 and preview 1, closed, and the interfaces of `wit/`.

use rustc_hash::FxHashSet;
use wasmtime::{Caller, Engine, Store};
use wasmtime_wasi::I32Exit;

use super::capabilities;
use super::interrupt::{Interrupt, ProgressCell};
use super::state::{AttemptParts, AttemptState};
use crate::job::Clock;

/// Preview 1's only module of imports.
pub(super) const PREVIEW1: &str = "wasi_snapshot_preview1";

pub(super) struct Linkers {
    pub(super) component: wasmtime::component::Linker<AttemptState>,
    pub(super) core: wasmtime::Linker<AttemptState>,
    /// Names of preview 1's functions.
    pub(super) preview1: FxHashSet<String>,
}

impl Linkers {
    pub(super) fn new(engine: &Engine, clock: std::sync::Arc<dyn Clock>) -> wasmtime::Result<Linkers> {
        let mut component = wasmtime::component::Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut component)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut component)?;
        capabilities::http_errors::link(&mut component)?;
        capabilities::logging::link(&mut component)?;
        capabilities::progress::link(&mut component)?;
        capabilities::attempt::link(&mut component)?;
        capabilities::parents::link(&mut component)?;
        capabilities::secrets::link(&mut component)?;
        capabilities::steps::link(&mut component)?;
        capabilities::jobs::link(&mut component)?;
        capabilities::events::link(&mut component)?;
        capabilities::notifications::link(&mut component)?;
        capabilities::mail::link(&mut component)?;
        capabilities::database::link(&mut component)?;
        capabilities::keyvalue::link(&mut component)?;
        capabilities::config::link(&mut component)?;
        capabilities::sockets::link(&mut component)?;

        let mut core = wasmtime::Linker::new(engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut core, AttemptState::preview1)?;
        // wasmtime-wasi's own makes a trap of every code from 126 on; here all are the kind's to judge.
        core.allow_shadowing(true);
        core.func_wrap(
            PREVIEW1,
            "proc_exit",
            |mut guest: Caller<'_, AttemptState>, code: i32| -> wasmtime::Result<()> {
                guest.data_mut().count_host_call()?;
                Err(I32Exit(code).into())
            },
        )?;
        core.allow_shadowing(false);
        let mut store = Store::new(
            engine,
            AttemptState::new(AttemptParts {
                engine: engine.clone(),
                clock,
                deadline: std::time::Duration::ZERO,
                interrupt: Interrupt::default(),
                progress: ProgressCell::default(),
                memory_bytes_max: 0,
                host_calls_max: 0,
                log_bytes_max: 0,
                slot_at: None,
                plain: None,
                parents: None,
                grants: std::sync::Arc::default(),
                secrets: None,
                kv: None,
                steps: None,
                mail_sender: None,
                databases: None,
                egress: None,
            }),
        );
        let preview1 = core
            .iter(&mut store)
            .filter(|(module, _, _)| *module == PREVIEW1)
            .map(|(_, name, _)| name.to_owned())
            .collect();
        Ok(Linkers { component, core, preview1 })
    }
}
