//! The macros of the `log` and `tracing` crates, on their way into the attempt's log. Each is a feature of its own.

#[cfg(feature = "log")]
mod log_lines;
#[cfg(any(feature = "log", feature = "tracing"))]
mod threshold;
#[cfg(feature = "tracing")]
mod tracing_events;

#[cfg(any(feature = "log", feature = "tracing"))]
pub use threshold::set_log_level;

/// Takes what these crates' macros say, from here on: an attempt begins. Whoever was there before stays.
pub(crate) fn install() {
    #[cfg(any(feature = "log", feature = "tracing"))]
    threshold::reset();
    #[cfg(feature = "log")]
    log_lines::install();
    #[cfg(feature = "tracing")]
    tracing_events::install();
}

#[cfg(all(test, feature = "log", feature = "tracing"))]
mod tests {
    use crate::testing::{FakeHost, LogLine};
    use crate::{Level, set_log_level};

    #[test]
    fn both_reach_the_log_with_level_target_and_fields() {
        let host = FakeHost::new();
        set_log_level(Level::Trace);
        log::warn!(target: "mail", "late by {} s", 3);
        tracing::info!(target: "mail", rows = 7, name = "a", "imported");
        tracing::error_span!("import", file = "x.csv").in_scope(|| {
            tracing::debug!(target: "csv", "row {}", 1);
            tracing::info_span!("inner", n = 2).in_scope(|| tracing::trace!(target: "csv", a = ?Some(1)));
        });
        tracing::error!(target: "csv", "outside");
        let line = |level, message: &str| LogLine { level, message: message.into() };
        assert_eq!(
            host.logs(),
            [
                line(Level::Warn, "mail: late by 3 s"),
                line(Level::Info, "mail: imported rows=7 name=a"),
                line(Level::Debug, "csv: import{file=x.csv}: row 1"),
                line(Level::Trace, "csv: import{file=x.csv}: inner{n=2}: a=Some(1)"),
                line(Level::Error, "csv: outside"),
            ]
        );
    }

    #[test]
    fn what_matters_little_is_dropped_unless_asked_for() {
        let host = FakeHost::new();
        let messages = |host: &FakeHost| host.logs().into_iter().map(|line| line.message).collect::<Vec<_>>();
        log::debug!(target: "http", "a header");
        tracing::trace!(target: "http", "a byte");
        tracing::debug_span!("quiet").in_scope(|| log::info!(target: "http", "connected"));
        assert!(!log::log_enabled!(log::Level::Debug));
        assert_eq!(messages(&host), ["http: connected"]);
        for _ in 0..2 {
            // The same lines again: nobody remembers the answer for a place in the code.
            tracing::debug!(target: "http", "from one place");
            set_log_level(Level::Debug);
        }
        log::debug!(target: "http", "a header");
        log::trace!(target: "http", "a byte");
        crate::log(Level::Trace, "of the handler itself");
        assert_eq!(messages(&host)[1..], ["http: from one place", "http: a header", "of the handler itself"]);
        // The next attempt begins as this one did.
        let host = FakeHost::new();
        log::debug!(target: "http", "a header");
        assert!(host.logs().is_empty());
    }
}
