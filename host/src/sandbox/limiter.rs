//! The memory limit: one sum over all memories and tables of a guest, its peak, and whether growth was refused.
//! Owns no decision about what a refusal means for the outcome; `classify` has it.

use wasmtime::ResourceLimiter;

use super::engine::{MEMORIES_PER_GUEST_MAX, TABLE_ELEMENTS_MAX, TABLES_PER_GUEST_MAX};

/// What an element of a table costs: a pointer.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// What a guest was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// More bytes than it may have, or than there are.
    Memory,
    /// More elements in a table than any may have.
    TableElements,
}

/// Counts the memory of one guest.
#[derive(Debug)]
pub(super) struct MemoryMeter {
    bytes_max: u64,
    bytes: u64,
    peak: u64,
    /// Added by the last growth that was allowed; taken back when the system then refuses it.
    last_growth: u64,
    /// The last one.
    refused: Option<Refused>,
}

impl MemoryMeter {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, bytes: 0, peak: 0, last_growth: 0, refused: None }
    }

    /// Highest sum so far, bytes.
    pub(super) fn peak_bytes(&self) -> u64 {
        self.peak
    }

    /// Whether the guest asked for more than it may have.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// What of it the guest was refused last.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    fn grow(&mut self, current: u64, desired: u64, declared_max: Option<u64>) -> bool {
        if declared_max.is_some_and(|max| desired > max) {
            // The guest's own bound, not ours.
            return false;
        }
        let growth = desired.saturating_sub(current);
        let Some(bytes) = self.bytes.checked_add(growth).filter(|bytes| *bytes <= self.bytes_max) else {
            self.refused = Some(Refused::Memory);
            return false;
        };
        self.bytes = bytes;
        self.last_growth = growth;
        self.peak = self.peak.max(bytes);
        true
    }

    fn growth_failed(&mut self) {
        self.bytes = self.bytes.saturating_sub(self.last_growth);
        self.last_growth = 0;
        self.refused = Some(Refused::Memory);
    }
}

/// `usize` fits into 64 bits on every target wasmtime has.
fn widen(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(widen(current), widen(desired), maximum.map(widen)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.growth_failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A table without a bound of its own has the room of a place in the pool as its maximum.
        if desired > TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| maximum >= TABLE_ELEMENTS_MAX) {
            self.refused = Some(Refused::TableElements);
            return Ok(false);
        }
        let bytes = |elements: usize| widen(elements).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(bytes(current), bytes(desired), maximum.map(bytes)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.growth_failed();
        Ok(())
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_GUEST_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_GUEST_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_and_tables_count_together() {
        let mut meter = MemoryMeter::new(1_000);
        assert!(meter.memory_growing(0, 400, None).expect("decides"));
        assert!(meter.memory_growing(0, 400, None).expect("decides"));
        assert!(meter.table_growing(0, 20, None).expect("decides"));
        assert!(!meter.memory_growing(400, 500, None).expect("decides"));
        assert!(meter.was_refused());
        assert_eq!(meter.peak_bytes(), 960);
        assert!(meter.memory_growing(400, 440, None).expect("decides"));
        assert_eq!(meter.peak_bytes(), 1_000);
    }

    #[test]
    fn the_most_elements_of_a_table_are_no_bound_of_the_guests_own() {
        let mut meter = MemoryMeter::new(u64::MAX);
        assert!(meter.table_growing(0, TABLE_ELEMENTS_MAX, Some(TABLE_ELEMENTS_MAX)).expect("decides"));
        assert!(!meter.table_growing(0, 6, Some(5)).expect("decides"));
        assert_eq!(meter.refused(), None);
        for maximum in [None, Some(TABLE_ELEMENTS_MAX)] {
            let mut meter = MemoryMeter::new(u64::MAX);
            assert!(!meter.table_growing(0, TABLE_ELEMENTS_MAX + 1, maximum).expect("decides"));
            assert_eq!(meter.refused(), Some(Refused::TableElements));
        }
    }

    #[test]
    fn the_guests_own_bound_is_no_refusal() {
        let mut meter = MemoryMeter::new(1_000);
        assert!(!meter.memory_growing(0, 200, Some(100)).expect("decides"));
        assert!(!meter.was_refused());
        assert!(meter.memory_growing(0, 100, Some(100)).expect("decides"));
        meter.memory_grow_failed(wasmtime::Error::msg("no pages")).expect("notes it");
        assert!(meter.was_refused());
        assert_eq!(meter.bytes, 0);
    }
}
