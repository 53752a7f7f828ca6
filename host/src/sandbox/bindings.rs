//! The host's side of `wit/`, generated.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "module",
    exports: { default: async },
});
