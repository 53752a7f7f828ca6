//! A schema that is no JSON.

#![allow(missing_docs)]

use guest_liar::{honest, lie};

lie!({
    let mut kind = honest("schema-not-json");
    kind.output_schema = "a string, mostly".into();
    vec![kind]
});
