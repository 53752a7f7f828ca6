//! What the examples share: the contract's types, and a component whose `describe` is the example's and whose `run`
//! is never reached. Each example is one lie, and must be refused at upload.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]
// Only the generated glue between guest and host needs it.
#![allow(unsafe_code)]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "module",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "::guest_liar",
});

pub use exports::stoker::handler::handler::{Context, Failure, Guest, KindDescription};

/// A truthful description, for lies to start from.
pub fn honest(name: &str) -> KindDescription {
    KindDescription {
        name: name.into(),
        description: None,
        input_schema: "true".into(),
        output_schema: "true".into(),
        settings: None,
    }
}

/// Makes the example a component that describes itself with `$describe`.
#[macro_export]
macro_rules! lie {
    ($describe:expr) => {
        struct Liar;

        impl $crate::Guest for Liar {
            fn describe() -> Vec<$crate::KindDescription> {
                $describe
            }

            fn run(_context: $crate::Context, _payload: String) -> Result<String, $crate::Failure> {
                Err($crate::Failure::Fatal("a liar was let in".into()))
            }
        }

        $crate::export_component!(Liar with_types_in $crate);
    };
}
