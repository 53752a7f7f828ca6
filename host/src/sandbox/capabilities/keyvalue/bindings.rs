//! The host's side of `wit/deps/keyvalue`, generated.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "wasi:keyvalue/imports",
    imports: { default: async | trappable },
    with: {
        "wasi:keyvalue/store.bucket": super::bucket::OpenBucket,
        "wasi:keyvalue/atomics.cas": super::atomics::Handle,
    },
});
