//! The `log` crate's macros: level, target, message.

use crate::{Level, log as host_log};

struct HostLog;

static HOST_LOG: HostLog = HostLog;

pub(super) fn install() {
    if log::set_logger(&HOST_LOG).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

impl log::Log for HostLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        host_log(level, format_args!("{}: {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}
