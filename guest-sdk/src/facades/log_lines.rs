//! The `log` crate's macros: level, target, message.

use super::threshold::keeps;
use crate::{Level, log as host_log};

struct HostLog;

static HOST_LOG: HostLog = HostLog;

pub(super) fn install() {
    if log::set_logger(&HOST_LOG).is_ok() {
        // What is kept is asked each time.
        log::set_max_level(log::LevelFilter::Trace);
    }
}

fn level(of: log::Level) -> Level {
    match of {
        log::Level::Trace => Level::Trace,
        log::Level::Debug => Level::Debug,
        log::Level::Info => Level::Info,
        log::Level::Warn => Level::Warn,
        log::Level::Error => Level::Error,
    }
}

impl log::Log for HostLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        keeps(level(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = level(record.level());
        if keeps(level) {
            host_log(level, format_args!("{}: {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}
