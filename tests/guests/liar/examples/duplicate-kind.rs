//! Two descriptions of one kind.

#![allow(missing_docs)]

use guest_liar::{honest, lie};

lie!(vec![honest("twin"), honest("twin")]);
