//! Returns a hundred thousand fields, all of the same name: readers differ on which of them counts.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("wide-output", &["invalid_output"]).of(Module::Own(wasm)).set(json!({}))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("wide-output")])
        .answering(&format!("{{{}}}", vec![r#""a":1"#; 100_000].join(",")))
        .wasm()
}
