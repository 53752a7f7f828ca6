//! A schema that is JSON but no schema.

#![allow(missing_docs)]

use guest_liar::{honest, lie};

lie!({
    let mut kind = honest("invalid-schema");
    kind.input_schema = r#"{"type": "colour"}"#.into();
    vec![kind]
});
