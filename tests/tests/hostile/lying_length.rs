//! Says that its answer is longer than its memory.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("lying-length", &["trap", "invalid_output", "output_too_large"])
        .of(Module::Own(wasm))
        .set(json!({}))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("lying-length")]).lying(1_024, u32::MAX).wasm()
}
