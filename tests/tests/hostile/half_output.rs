//! Returns the first half of an answer.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("half-output", &["invalid_output"]).of(Module::Own(wasm)).set(json!({}))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("half-output")]).answering(r#"{"half": ["#).wasm()
}
