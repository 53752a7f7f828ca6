//! Never ends before it has begun: what it does is done while the instance is made.

use serde_json::json;
use stoker_tests::core_module;

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("start-without-end", &["timeout", "fuel_exhausted"])
        .of(Module::Own(wasm))
        .set(json!({"timeout": "1s"}))
}

fn wasm() -> Vec<u8> {
    core_module(
        r#"(module
            (memory (export "memory") 1)
            (func $spin (loop $again (br $again)))
            (start $spin)
            (func (export "_start"))
        )"#,
    )
}
