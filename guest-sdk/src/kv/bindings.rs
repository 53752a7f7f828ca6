//! `wit/deps/keyvalue`, generated. Apart from the rest: a module that opens no bucket imports none of it.

#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic)]

wit_bindgen::generate!({
    path: "../wit",
    world: "wasi:keyvalue/imports",
});

pub(super) use wasi::keyvalue::{atomics, batch, store};
