//! Has the host write to, and read from, addresses outside of its memory.

use serde_json::json;
use stoker_tests::core_module;

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("write-elsewhere", &["trap", "handler_error"]).of(Module::Own(wasm)).set(json!({}))
}

fn wasm() -> Vec<u8> {
    core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 0xffff0000))
                (i32.store (i32.const 4) (i32.const 0x7fffffff))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const -4)))
                (drop (call $random (i32.const -64) (i32.const 128)))
                unreachable)
        )"#,
    )
}
