//! How the whole numbers of a range are written as names of members: a regular expression, put together while compiling, so that a
//! module has no more of it than the text of the types it uses.

/// Longer than any: 128 bits with a sign.
const BYTES_MAX: usize = 4_096;

/// Text that grows while compiling.
pub(super) struct Spelling {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl Spelling {
    /// The members of the schema of names from `least` (`0`, `1` or negative) to `most`.
    pub(super) const fn of(least: &str, most: &str) -> Self {
        let text = Self { bytes: [0; BYTES_MAX], length: 0 }.with("\"pattern\":\"^(");
        let text = match least.as_bytes() {
            [b'0'] => text.with("0|").with_numbers(most),
            [b'1'] => text.with_numbers(most),
            _ => text.with("0|-?(").with_numbers(most).with(")|").with(least),
        };
        text.with(")$\"")
    }

    /// How many bytes it has.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Its bytes alone. `N` is its length.
    pub(super) const fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut at = 0;
        while at < N {
            bytes[at] = self.bytes[at];
            at += 1;
        }
        bytes
    }

    const fn with(self, more: &str) -> Self {
        self.with_bytes(more.as_bytes(), more.len())
    }

    /// The first `length` bytes of `more`.
    const fn with_bytes(mut self, more: &[u8], length: usize) -> Self {
        let mut at = 0;
        while at < length {
            self.bytes[self.length] = more[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// So many digits.
    const fn with_any(self, digits: usize) -> Self {
        if digits == 0 { self } else { self.with("[0-9]{").with_count(digits).with("}") }
    }

    /// A number of at most two digits.
    #[allow(clippy::cast_possible_truncation)] // each is a digit
    const fn with_count(self, count: usize) -> Self {
        let digits = [b'0' + (count / 10 % 10) as u8, b'0' + (count % 10) as u8];
        if count < 10 { self.with_bytes(&[digits[1]], 1) } else { self.with_bytes(&digits, 2) }
    }

    /// From 1 to `most`: those of fewer digits, those that are less at one of its digits, and itself.
    const fn with_numbers(self, most: &str) -> Self {
        let digits = most.as_bytes();
        let mut text = self.with("[1-9][0-9]{0,").with_count(digits.len() - 2).with("}|");
        let mut at = 0;
        while at < digits.len() {
            let least = if at == 0 { b'1' } else { b'0' };
            if digits[at] > least {
                text = text.with_bytes(digits, at).with("[");
                text = text.with_bytes(&[least, b'-', digits[at] - 1], 3).with("]");
                text = text.with_any(digits.len() - at - 1).with("|");
            }
            at += 1;
        }
        text.with(most)
    }
}
