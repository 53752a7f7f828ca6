//! How much work a comparison may be, counted instead of timed.

/// Steps of one comparison. Each is about a tenth of a microsecond: a value, a name or a few dozen bytes looked at.
pub(super) const STEPS_MAX: usize = 400_000;
/// Of a place that is read: its keywords are looked up one by one.
pub(super) const PLACE_STEPS: usize = 25;
/// Bytes of text in a step.
const TEXT_BYTES: usize = 64;

/// Steps that were taken. Once they are used up nothing that was found afterwards counts.
#[derive(Debug, Default)]
pub(super) struct Steps {
    taken: usize,
}

impl Steps {
    pub(super) fn take(&mut self, steps: usize) {
        self.taken = self.taken.saturating_add(steps);
    }

    /// For looking at a text, and at what holds it.
    pub(super) fn take_text(&mut self, text: &str) {
        self.take(1 + text.len() / TEXT_BYTES);
    }

    pub(super) fn are_used_up(&self) -> bool {
        self.taken > STEPS_MAX
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}
