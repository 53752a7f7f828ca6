//! Closes and renumbers the files it was given and those it was not, then goes on using them.

use serde_json::json;
use stoker_tests::core_module;

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("close-everything", &["trap", "handler_error"]).of(Module::Own(wasm)).set(json!({}))
}

fn wasm() -> Vec<u8> {
    core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start") (local $fd i32)
                (loop $again
                    (drop (call $renumber (local.get $fd) (i32.sub (i32.const 99) (local.get $fd))))
                    (drop (call $close (local.get $fd)))
                    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $fd) (i32.const 100))))
                unreachable)
        )"#,
    )
}
