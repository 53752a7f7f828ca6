//! Writes one text in four thousand million pieces: whatever makes room for them first has none left.

use serde_json::json;
use stoker_tests::core_module;

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("many-pieces", &["trap", "handler_error", "host_calls_exceeded"])
        .of(Module::Own(wasm))
        .set(json!({}))
}

fn wasm() -> Vec<u8> {
    core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8)))
                unreachable)
        )"#,
    )
}
