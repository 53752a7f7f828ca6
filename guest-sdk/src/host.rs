//! Calls from the guest into the host. Compiled natively (unit tests of handlers) log lines go to the
//! fake host, or to stderr if there is none.

#[cfg(target_family = "wasm")]
mod calls {
    use crate::bindings::stoker::handler::{attempt, logging, parents, progress};
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

    pub(crate) fn slot_time_ms() -> Option<u64> {
        attempt::slot_time_ms()
    }

    pub(crate) fn parent_output(parent: &str) -> Result<Option<String>, String> {
        parents::output(parent)
    }
}

#[cfg(not(target_family = "wasm"))]
mod calls {
    use crate::logging::Level;
    use crate::testing::{LogLine, current};

    pub(crate) fn log(level: Level, message: &str) {
        match current() {
            Some(recorder) => recorder.lock().logs.push(LogLine { level, message: message.to_owned() }),
            None => eprintln!("{level:?}: {message}"),
        }
    }
}

pub(crate) use calls::log;
#[cfg(target_family = "wasm")]
pub(crate) use calls::{is_cancelled, parent_output, remaining_fuel, remaining_time_ms, report_progress, slot_time_ms};
