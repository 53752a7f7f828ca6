//! Makes its table larger until it is refused, and then goes on asking.

use serde_json::json;
use stoker_tests::core_module;

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("grow-table", &["fuel_exhausted", "memory_exceeded", "timeout"])
        .of(Module::Own(wasm))
        .set(json!({"fuel": 100_000_000}))
}

fn wasm() -> Vec<u8> {
    core_module(
        r#"(module
            (memory (export "memory") 1)
            (table $t 1 funcref)
            (func (export "_start")
                (loop $again
                    (drop (table.grow $t (ref.null func) (i32.const 1000)))
                    (br $again)))
        )"#,
    )
}
