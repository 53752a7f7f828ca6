//! The `tracing` crate's macros: each event becomes a line, with the spans it is in and their fields before it.

use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Metadata, Subscriber, dispatcher};

use crate::{Level, log as host_log};

pub(super) fn install() {
    // Whoever was first stays.
    let _ = dispatcher::set_global_default(Dispatch::new(HostEvents(Mutex::new(Spans::default()))));
}

/// Spans of the attempt. There is one thread in a module; natively the spans of tests in parallel get mixed.
struct HostEvents(Mutex<Spans>);

#[derive(Default)]
struct Spans {
    /// Name and fields of each span there was; the id is its place, from 1.
    texts: Vec<String>,
    /// Those one is in.
    entered: Vec<Id>,
}

impl HostEvents {
    fn lock(&self) -> MutexGuard<'_, Spans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message and then the fields, as text.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A String takes everything.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let space = if self.fields.is_empty() { "" } else { " " };
            write!(self.fields, "{space}{}={value:?}", field.name())
        };
    }

    // Not as `Debug`, which for floating point is 50 KB.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_debug(field, &format_args!("{}", zmij::Buffer::new().format(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}

impl Subscriber for HostEvents {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut words = Words::default();
        span.record(&mut words);
        let name = span.metadata().name();
        let text = if words.fields.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", words.fields) };
        let mut spans = self.lock();
        spans.texts.push(text);
        Id::from_u64(spans.texts.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut words = Words::default();
        values.record(&mut words);
        if let Some(text) = self.lock().texts.get_mut(index(span)) {
            let name = text.strip_suffix('}').map(str::to_owned);
            *text = match name {
                Some(begun) => format!("{begun} {}}}", words.fields),
                None => format!("{text}{{{}}}", words.fields),
            };
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing_core::Level::TRACE => Level::Trace,
            tracing_core::Level::DEBUG => Level::Debug,
            tracing_core::Level::INFO => Level::Info,
            tracing_core::Level::WARN => Level::Warn,
            tracing_core::Level::ERROR => Level::Error,
        };
        let mut line = format!("{}: ", metadata.target());
        let spans = self.lock();
        for text in spans.entered.iter().filter_map(|id| spans.texts.get(index(id))) {
            line.push_str(text);
            line.push_str(": ");
        }
        drop(spans);
        line.push_str(&words.message);
        if !words.message.is_empty() && !words.fields.is_empty() {
            line.push(' ');
        }
        line.push_str(&words.fields);
        host_log(level, line);
    }

    fn enter(&self, span: &Id) {
        self.lock().entered.push(span.clone());
    }

    fn exit(&self, span: &Id) {
        let mut spans = self.lock();
        if let Some(place) = spans.entered.iter().rposition(|entered| entered == span) {
            spans.entered.remove(place);
        }
    }
}
