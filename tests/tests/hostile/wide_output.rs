//! Returns a hundred thousand fields, all of the same name: readers differ on which of them counts,
//! so that one of them is kept.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::giving("wide-output", json!({"a": 1})).of(Module::Own(wasm))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("wide-output")])
        .answering(&format!("{{{}}}", vec![r#""a":1"#; 100_000].join(",")))
        .wasm()
}
