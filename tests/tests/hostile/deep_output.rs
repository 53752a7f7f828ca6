//! Returns lists within lists, deeper than a reader of JSON can go that calls itself.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("deep-output", &["invalid_output"]).of(Module::Own(wasm)).set(json!({}))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("deep-output")]).answering(&("[".repeat(200_000) + &"]".repeat(200_000))).wasm()
}
