//! Says that its answer lies where no memory is.

use serde_json::json;
use stoker_tests::{HandlerModule, KindOf};

use super::attack::{Attack, Module};

pub fn attack() -> Attack {
    Attack::failing("lying-address", &["trap", "invalid_output", "output_too_large"])
        .of(Module::Own(wasm))
        .set(json!({}))
}

fn wasm() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("lying-address")]).lying(u32::MAX, 16).wasm()
}
