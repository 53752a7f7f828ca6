//! Settings the host does not know.

#![allow(missing_docs)]

use guest_liar::{honest, lie};

lie!({
    let mut kind = honest("bad-settings");
    kind.settings = Some(r#"{"colour": "red"}"#.into());
    vec![kind]
});
