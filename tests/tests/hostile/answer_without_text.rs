//! Says that bytes that are no text are its answer.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("answer-without-text", &["trap", "invalid_output", "output_too_large"])
        .of(Module::Own(wasm))
        .set(json!({}))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("answer-without-text")]).lying(0, 4).wasm()
}
