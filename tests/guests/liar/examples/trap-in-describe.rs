//! Traps instead of answering.

#![allow(missing_docs)]

use guest_liar::lie;

lie!(panic!("nothing to say"));
