//! A kind whose name no job could carry.

#![allow(missing_docs)]

use guest_liar::{honest, lie};

lie!(vec![honest("no spaces, please")]);
