//! Dead letters: failed jobs by what they have in common.

mod inspect;

pub(super) use inspect::*;
