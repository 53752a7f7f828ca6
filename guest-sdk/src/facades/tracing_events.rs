//! The `tracing` crate's macros: each event becomes a line, with the spans it is in and their fields before it.

use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Dispatch, Event, Metadata, Subscriber, dispatcher};

use super::threshold::keeps;
use crate::{Level, log as host_log};

pub(super) fn install() {
    // Whoever was first stays.
    let _ = dispatcher::set_global_default(Dispatch::new(HostEvents(Mutex::new(Spans::default()))));
}

/// Spans of the attempt. There is one thread in a module; natively the spans of tests in parallel get mixed.
struct HostEvents(Mutex<Spans>);

#[derive(Default)]
struct Spans {
    /// The id is the place, from 1; it is another's once the span is closed.
    places: Vec<Span>,
    /// Those one is in.
    entered: Vec<Id>,
}

#[derive(Default)]
struct Span {
    /// Name and fields.
    text: String,
    /// Who holds it; without any it is closed.
    handles: usize,
}

impl Spans {
    fn open(&mut self, text: String) -> Id {
        let free = self.places.iter().position(|span| span.handles == 0).unwrap_or(self.places.len());
        if free == self.places.len() {
            self.places.push(Span::default());
        }
        if let Some(place) = self.places.get_mut(free) {
            *place = Span { text, handles: 1 };
        }
        Id::from_u64(free as u64 + 1)
    }

    /// One handle less; whether it was the last.
    fn close(&mut self, id: &Id) -> bool {
        let Some(span) = self.places.get_mut(index(id)) else { return false };
        span.handles = span.handles.saturating_sub(1);
        let is_closed = span.handles == 0;
        if is_closed {
            span.text = String::new();
            while self.places.last().is_some_and(|span| span.handles == 0) {
                self.places.pop();
            }
        }
        is_closed
    }
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

fn level(of: &Metadata<'_>) -> Level {
    match *of.level() {
        tracing_core::Level::TRACE => Level::Trace,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::ERROR => Level::Error,
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}

impl Subscriber for HostEvents {
    // The answer changes with the level: it is not to be kept.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        keeps(level(metadata))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut words = Words::default();
        span.record(&mut words);
        let name = span.metadata().name();
        let text = if words.fields.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", words.fields) };
        self.lock().open(text)
    }

    fn clone_span(&self, id: &Id) -> Id {
        if let Some(span) = self.lock().places.get_mut(index(id)) {
            span.handles += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.lock().close(&id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut words = Words::default();
        values.record(&mut words);
        if let Some(Span { text, .. }) = self.lock().places.get_mut(index(span)) {
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
        let mut line = format!("{}: ", metadata.target());
        let spans = self.lock();
        for span in spans.entered.iter().filter_map(|id| spans.places.get(index(id))) {
            line.push_str(&span.text);
            line.push_str(": ");
        }
        drop(spans);
        line.push_str(&words.message);
        if !words.message.is_empty() && !words.fields.is_empty() {
            line.push(' ');
        }
        line.push_str(&words.fields);
        host_log(level(metadata), line);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_spans_are_forgotten() {
        let events = HostEvents(Mutex::new(Spans::default()));
        let dispatch = Dispatch::new(events);
        let held = || dispatch.downcast_ref::<HostEvents>().map_or(0, |events| events.lock().places.len());
        dispatcher::with_default(&dispatch, || {
            let outer = tracing::info_span!("outer", n = 1);
            for n in 0..1_000 {
                let inner = tracing::info_span!("inner", n);
                let twice = inner.clone();
                drop(inner);
                twice.in_scope(|| assert_eq!(held(), 2));
            }
            assert_eq!(held(), 1);
            let longest = tracing::info_span!("longest");
            drop(outer);
            // Its place is taken again.
            let another = tracing::info_span!("another");
            assert_eq!(held(), 2);
            drop((longest, another));
        });
        assert_eq!(held(), 0);
    }
}
