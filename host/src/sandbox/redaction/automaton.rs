//! Finds all spellings of all secrets in one pass over a text (Aho and Corasick), in time that depends on the text alone.

use std::borrow::Cow;
use std::collections::VecDeque;

use zeroize::Zeroize;

use super::forms::forms_of;
use super::stream::RedactedStream;
use crate::secrets::SecretValue;

/// Nodes of one: the memory that an attempt's secrets take beside the guest's, some forty bytes each while it is made. All of a
/// hundred KiB of certificates fit; a few KiB that are written otherwise in each spelling take as much.
const NODES_MAX: usize = 1 << 21;
/// The node that no text leads to; also: none.
const ROOT: u32 = 0;

/// What is known after a beginning of a spelling.
#[derive(Clone, Copy, Debug)]
struct Node {
    first_child: u32,
    sibling: u32,
    /// The longest other beginning that this one ends in.
    fail: u32,
    /// Bytes from the root.
    depth: u32,
    /// Of the longest spelling that ends here, bytes; 0: none does.
    longest: u32,
    /// Whose spelling.
    secret: u16,
    byte: u8,
}

impl Node {
    fn at(byte: u8, depth: u32) -> Self {
        Self { first_child: ROOT, sibling: ROOT, fail: ROOT, depth, longest: 0, secret: 0, byte }
    }
}

/// See the file's head.
pub(in crate::sandbox) struct Automaton {
    nodes: Vec<Node>,
    /// Where a first byte leads: most bytes begin no spelling.
    first: Box<[u32; 256]>,
    labels: Vec<String>,
}

impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Automaton").field("labels", &self.labels).finish_non_exhaustive()
    }
}

impl Drop for Automaton {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.byte.zeroize());
    }
}

/// A spelling that ends at the byte just read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) bytes: usize,
    pub(super) secret: u16,
}

impl Automaton {
    /// `None`: they have too many spellings.
    pub(super) fn new(secrets: &[(String, SecretValue)]) -> Option<Self> {
        let labels = secrets.iter().map(|(name, _)| super::label(name)).collect();
        let mut automaton = Self { nodes: vec![Node::at(0, 0)], first: Box::new([ROOT; 256]), labels };
        for (index, (_, value)) in secrets.iter().enumerate() {
            for form in forms_of(value.reveal()) {
                if automaton.nodes.len() + form.len() > NODES_MAX {
                    return None;
                }
                automaton.insert(&form, u16::try_from(index).unwrap_or(u16::MAX));
            }
        }
        automaton.link();
        Some(automaton)
    }

    fn insert(&mut self, form: &[u8], secret: u16) {
        let mut node = ROOT;
        for byte in form {
            node = match self.child(node, *byte) {
                Some(child) => child,
                None => self.add(node, *byte),
            };
        }
        let end = &mut self.nodes[node as usize];
        // Of two secrets with a spelling in common the first is named.
        if end.longest == 0 {
            (end.longest, end.secret) = (end.depth, secret);
        }
    }

    fn add(&mut self, parent: u32, byte: u8) -> u32 {
        let new = u32::try_from(self.nodes.len()).unwrap_or(ROOT);
        let depth = self.nodes[parent as usize].depth + 1;
        let mut node = Node::at(byte, depth);
        if parent == ROOT {
            self.first[usize::from(byte)] = new;
        } else {
            node.sibling = std::mem::replace(&mut self.nodes[parent as usize].first_child, new);
        }
        self.nodes.push(node);
        new
    }

    fn child(&self, node: u32, byte: u8) -> Option<u32> {
        if node == ROOT {
            return Some(self.first[usize::from(byte)]).filter(|child| *child != ROOT);
        }
        let mut child = self.nodes[node as usize].first_child;
        while child != ROOT {
            let known = self.nodes[child as usize];
            if known.byte == byte {
                return Some(child);
            }
            child = known.sibling;
        }
        None
    }

    /// Level by level: what a node falls back to is nearer to the root.
    fn link(&mut self) {
        let mut queue: VecDeque<u32> = self.first.iter().copied().filter(|node| *node != ROOT).collect();
        while let Some(node) = queue.pop_front() {
            let mut child = self.nodes[node as usize].first_child;
            while child != ROOT {
                let Node { byte, sibling, .. } = self.nodes[child as usize];
                let fail = self.step(self.nodes[node as usize].fail, byte);
                let ends = self.nodes[fail as usize];
                let linked = &mut self.nodes[child as usize];
                linked.fail = fail;
                if linked.longest == 0 {
                    (linked.longest, linked.secret) = (ends.longest, ends.secret);
                }
                queue.push_back(child);
                child = sibling;
            }
        }
    }

    /// How many secrets it finds.
    pub(super) fn secrets(&self) -> usize {
        self.labels.len()
    }

    /// Where a byte leads.
    pub(super) fn step(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            if let Some(child) = self.child(node, byte) {
                return child;
            }
            if node == ROOT {
                return ROOT;
            }
            node = self.nodes[node as usize].fail;
        }
    }

    /// How many of the bytes last read may be the beginning of a spelling.
    pub(super) fn depth(&self, node: u32) -> usize {
        self.nodes[node as usize].depth as usize
    }

    /// The longest spelling that ends here.
    pub(super) fn found(&self, node: u32) -> Option<Found> {
        let Node { longest, secret, .. } = self.nodes[node as usize];
        (longest > 0).then_some(Found { bytes: longest as usize, secret })
    }

    /// What stands in a secret's place.
    pub(super) fn label(&self, secret: u16) -> &str {
        self.labels.get(usize::from(secret)).map_or("[secret]", String::as_str)
    }

    /// Whether a secret is in the text.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let mut node = ROOT;
        text.iter().any(|byte| {
            node = self.step(node, *byte);
            self.found(node).is_some()
        })
    }

    /// The text without the secrets in it.
    pub(in crate::sandbox) fn redact<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if !self.is_in(text) {
            return Cow::Borrowed(text);
        }
        let mut redacted = Vec::with_capacity(text.len());
        let mut stream = RedactedStream::default();
        stream.write(self, text, &mut redacted);
        stream.finish(self, &mut redacted);
        Cow::Owned(redacted)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn automaton(secrets: &[(&str, &str)]) -> Automaton {
        let secret =
            |(name, value): &(&str, &str)| ((*name).to_owned(), SecretValue::new(value.as_bytes().to_vec()).unwrap());
        Automaton::new(&secrets.iter().map(secret).collect::<Vec<_>>()).unwrap()
    }

    fn redacted(automaton: &Automaton, text: &str) -> String {
        String::from_utf8(automaton.redact(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn secrets_are_replaced_and_nothing_else() {
        let automaton =
            automaton(&[("key", "sk_live_1234"), ("longer", "sk_live_1234_and_more"), ("tail", "1234_and_what")]);
        for (text, expected) in [
            ("", ""),
            ("sk_live_123", "sk_live_123"),
            ("a sk_live_1234 b", "a [secret key] b"),
            ("sk_live_1234sk_live_1234", "[secret key][secret key]"),
            ("sk_live_sk_live_1234", "sk_live_[secret key]"),
            ("sk_live_1234_and_more!", "[secret longer]!"),
            ("sk_live_1234_and_mor", "[secret key]_and_mor"),
            // They overlap: nothing of either is left.
            ("sk_live_1234_and_what", "[secret key]"),
            ("token c2tfbGl2ZV8xMjM0 ends", "token [secret key] ends"),
            ("736b5f6c6976655f31323334", "[secret key]"),
        ] {
            assert_eq!(redacted(&automaton, text), expected, "{text}");
        }
        assert!(!format!("{automaton:?}").contains("sk_live"));
    }

    #[test]
    fn a_secret_that_repeats_itself_is_one() {
        let automaton = automaton(&[("a", "aaaaaaaa")]);
        assert_eq!(redacted(&automaton, &format!("b{}b", "a".repeat(10_000))), "b[secret a]b");
        assert_eq!(redacted(&automaton, "baaaaaaab"), "baaaaaaab");
    }
}
