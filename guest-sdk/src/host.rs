//! Calls from the guest into the host. Compiled natively (unit tests of handlers) there is no host: log lines go to
//! stderr, and the limits look endless.

#[cfg(target_family = "wasm")]
mod calls {
    use crate::bindings::stoker::handler::{attempt, logging, progress};
    use crate::logging::Level;

    pub(crate) fn log(level: Level, message: &str) {
        let level = match level {
            Level::Trace => logging::Level::Trace,
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
        };
        logging::log(level, message);
    }

    pub(crate) fn report_progress(done: u64, total: Option<u64>, message: Option<&str>) {
        progress::report(done, total, message);
    }

    pub(crate) fn is_cancelled() -> bool {
        attempt::is_cancelled()
    }

    pub(crate) fn remaining_time_ms() -> u64 {
        attempt::remaining_time_ms()
    }

    pub(crate) fn remaining_fuel() -> u64 {
        attempt::remaining_fuel()
    }
}

#[cfg(not(target_family = "wasm"))]
mod calls {
    use crate::logging::Level;

    pub(crate) fn log(level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }

    pub(crate) fn report_progress(_done: u64, _total: Option<u64>, _message: Option<&str>) {}

    pub(crate) fn is_cancelled() -> bool {
        false
    }

    pub(crate) fn remaining_time_ms() -> u64 {
        u64::MAX
    }

    pub(crate) fn remaining_fuel() -> u64 {
        u64::MAX
    }
}

pub(crate) use calls::{is_cancelled, log, remaining_fuel, remaining_time_ms, report_progress};
