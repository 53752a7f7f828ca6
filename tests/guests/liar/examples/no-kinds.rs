//! Serves nothing.

#![allow(missing_docs)]

use guest_liar::lie;

lie!(Vec::new());
