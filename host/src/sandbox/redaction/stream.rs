//! Takes secrets out of a stream that comes in pieces. What may be the beginning of a secret is held back until it is known.

use super::automaton::{Automaton, Found};

/// When so much is held, what is certain of it is given out.
const HELD_BYTES_MAX: usize = 64 << 10;

/// One stream. Holds back no more than the longest spelling.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct RedactedStream {
    /// Not given out yet: may be part of a secret, or is.
    held: Vec<u8>,
    node: u32,
    /// What of `held` is secret, in order, without overlaps.
    masks: Vec<Mask>,
    /// How many secrets the automaton finds whose node that is; one that finds more begins anew with what is held.
    secrets: usize,
}

#[derive(Clone, Copy, Debug)]
struct Mask {
    start: usize,
    end: usize,
    secret: u16,
    /// The label has been given out with a part that is gone already.
    is_told: bool,
}

impl RedactedStream {
    /// Reads the next bytes and gives out what is certain.
    pub(in crate::sandbox) fn write(&mut self, finder: &Automaton, bytes: &[u8], out: &mut Vec<u8>) {
        self.learn(finder, out);
        for byte in bytes {
            self.held.push(*byte);
            self.node = finder.step(self.node, *byte);
            if let Some(found) = finder.found(self.node) {
                self.mask(found);
            }
            let depth = finder.depth(self.node);
            if self.held.len() >= HELD_BYTES_MAX && depth * 2 < self.held.len() {
                self.give(finder, out, depth);
            }
        }
        self.give(finder, out, finder.depth(self.node));
    }

    /// Nothing comes any more: gives out the rest.
    pub(in crate::sandbox) fn finish(&mut self, finder: &Automaton, out: &mut Vec<u8>) {
        self.learn(finder, out);
        self.give(finder, out, 0);
        self.node = 0;
    }

    /// A secret was given since: what is held back for the others is looked at for it as well.
    fn learn(&mut self, finder: &Automaton, out: &mut Vec<u8>) {
        if self.secrets == finder.secrets() {
            return;
        }
        let (held, masks) = (std::mem::take(&mut self.held), std::mem::take(&mut self.masks));
        (self.secrets, self.node) = (finder.secrets(), 0);
        let told = masks.first().filter(|mask| mask.is_told).map_or(0, |mask| mask.end);
        self.write(finder, held.get(told..).unwrap_or_default(), out);
    }

    fn mask(&mut self, Found { bytes, secret }: Found) {
        let end = self.held.len();
        // Nothing before `held` belongs to a spelling that goes on: it is no deeper than what is held.
        let mut mask = Mask { start: end.saturating_sub(bytes), end, secret, is_told: false };
        while let Some(last) = self.masks.last().copied().filter(|last| last.end > mask.start) {
            // The first of those that overlap is named, but for one that begins where a longer one does.
            let secret = if last.start < mask.start || last.is_told { last.secret } else { mask.secret };
            mask = Mask { start: last.start.min(mask.start), end, secret, is_told: last.is_told };
            self.masks.pop();
        }
        self.masks.push(mask);
    }

    /// Gives out all but the last `keep` bytes; a mask that reaches into those is told and goes on.
    fn give(&mut self, finder: &Automaton, out: &mut Vec<u8>, keep: usize) {
        let boundary = self.held.len().saturating_sub(keep);
        let mut given = 0;
        let mut left = Vec::new();
        for mask in std::mem::take(&mut self.masks) {
            if mask.start >= boundary {
                left.push(Mask { start: mask.start - boundary, end: mask.end - boundary, ..mask });
                continue;
            }
            out.extend_from_slice(&self.held[given..mask.start]);
            if !mask.is_told {
                out.extend_from_slice(finder.label(mask.secret).as_bytes());
            }
            given = mask.end.min(boundary);
            if mask.end > boundary {
                left.push(Mask { start: 0, end: mask.end - boundary, is_told: true, ..mask });
            }
        }
        out.extend_from_slice(&self.held[given.min(boundary)..boundary]);
        self.held.drain(..boundary);
        self.masks = left;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secrets::SecretValue;

    fn automaton(secrets: &[&str]) -> Automaton {
        // Their names say nothing of them.
        let secret = |(index, value): (usize, &&str)| {
            (format!("of-{index}"), SecretValue::new(value.as_bytes().to_vec()).unwrap())
        };
        Automaton::new(&secrets.iter().enumerate().map(secret).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn it_does_not_matter_where_a_stream_is_cut() {
        let finder = automaton(&["0123456789", "456789abcdef", "0123456789xyz", "line one is here\nline two"]);
        for text in [
            "x0123456789y",
            "0123456789",
            "01234567",
            "0123456789abcdef0123456789",
            "0123401234567890123456789xyz0123456789xy",
            "a line one is here\nline two b",
            "MDEyMzQ1Njc4OQ== and 30313233343536373839",
        ] {
            let whole = finder.redact(text.as_bytes()).into_owned();
            assert!(!String::from_utf8_lossy(&whole).contains("456789"), "{text}");
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let (mut stream, mut out) = (RedactedStream::default(), Vec::new());
                    for piece in [&text[..first], &text[first..second], &text[second..]] {
                        stream.write(&finder, piece.as_bytes(), &mut out);
                    }
                    stream.finish(&finder, &mut out);
                    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole), "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn what_can_be_no_secret_is_not_held_back() {
        let finder = automaton(&["0123456789"]);
        let (mut stream, mut out) = (RedactedStream::default(), Vec::new());
        stream.write(&finder, b"progress: 01234", &mut out);
        assert_eq!(out, b"progress: ");
        stream.write(&finder, b"!\n", &mut out);
        assert_eq!(out, b"progress: 01234!\n");
    }

    #[test]
    fn a_secret_that_is_given_later_is_found_from_then_on() {
        let (mut stream, mut out) = (RedactedStream::default(), Vec::new());
        stream.write(&automaton(&["0123456789"]), b"abcd0123", &mut out);
        let both = automaton(&["0123456789", "0123abcdef"]);
        stream.write(&both, b"abcdef 0123456789", &mut out);
        stream.finish(&both, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "abcd[secret of-1] [secret of-0]");
    }
}
