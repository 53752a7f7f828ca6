//! Handler components made to measure, for what the SDK would never build: two versions with different schemas,
//! kinds named twice, schemas that are none, a `describe` that traps.
//!
//! A core module with its answers laid out in memory (the canonical ABI of `wit/handler.wit`, by hand), wrapped into
//! a component from the very WIT the host reads.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::child::workspace_root;
use crate::command_module::core_module;

/// Where the answers begin in memory; what the host passes in is allocated far above.
const ANSWERS_AT: u32 = 1_024;
/// First byte of the allocator's area.
const HEAP_AT: u32 = 4 << 20;
/// Size of one `kind-description` in memory, bytes.
const DESCRIPTION_BYTES: usize = 48;
/// Size of the answer of `run`, bytes, more than any of its cases needs.
const ANSWER_BYTES: usize = 64;

/// What a module says of one kind.
#[derive(Clone, Debug)]
pub struct KindOf {
    name: String,
    input_schema: String,
    output_schema: String,
    settings: Option<String>,
}

impl KindOf {
    /// A kind that takes and gives anything.
    pub fn any(name: &str) -> Self {
        Self { name: name.into(), input_schema: "true".into(), output_schema: "true".into(), settings: None }
    }

    /// With this input schema, JSON text (or not).
    #[must_use]
    pub fn input(mut self, schema: &str) -> Self {
        self.input_schema = schema.into();
        self
    }

    /// With this output schema, JSON text (or not).
    #[must_use]
    pub fn output(mut self, schema: &str) -> Self {
        self.output_schema = schema.into();
        self
    }

    /// With these settings, JSON text (or not).
    #[must_use]
    pub fn settings(mut self, settings: &str) -> Self {
        self.settings = Some(settings.into());
        self
    }
}

/// A handler component.
#[derive(Clone, Debug)]
pub struct HandlerModule {
    kinds: Vec<KindOf>,
    answer: String,
    lie: Option<(u32, u32)>,
    describe_traps: bool,
}

impl HandlerModule {
    /// Serves these kinds and answers `null` to every payload.
    pub fn serving(kinds: impl IntoIterator<Item = KindOf>) -> Self {
        Self { kinds: kinds.into_iter().collect(), answer: "null".into(), lie: None, describe_traps: false }
    }

    /// Answers every payload with this text.
    #[must_use]
    pub fn answering(mut self, answer: &str) -> Self {
        self.answer = answer.into();
        self
    }

    /// Says that its answer lies at this address of its memory and has so many bytes, which is not so.
    #[must_use]
    pub fn lying(mut self, address: u32, length: u32) -> Self {
        self.lie = Some((address, length));
        self
    }

    /// Traps when asked what it serves.
    #[must_use]
    pub fn trapping_in_describe(mut self) -> Self {
        self.describe_traps = true;
        self
    }

    /// The component's bytes.
    pub fn wasm(&self) -> Vec<u8> {
        let mut memory = Memory::default();
        let list_at = memory.reserve(DESCRIPTION_BYTES * self.kinds.len());
        for (index, kind) in self.kinds.iter().enumerate() {
            let at = list_at + index * DESCRIPTION_BYTES;
            memory.put_string(at, &kind.name);
            // description: option<string>, none
            memory.put_string(at + 20, &kind.input_schema);
            memory.put_string(at + 28, &kind.output_schema);
            if let Some(settings) = &kind.settings {
                memory.put_u32(at + 36, 1);
                memory.put_string(at + 40, settings);
            }
        }
        let described_at = memory.reserve(8);
        memory.put_u32(described_at, memory.address(list_at));
        memory.put_u32(described_at + 4, u32::try_from(self.kinds.len()).expect("few kinds"));
        // result<string, failure>: the case, then (aligned to 8) the string
        let answer_at = memory.reserve(ANSWER_BYTES);
        memory.put_string(answer_at + 8, &self.answer);
        if let Some((address, length)) = self.lie {
            memory.put_u32(answer_at + 8, address);
            memory.put_u32(answer_at + 12, length);
        }
        let describe = if self.describe_traps {
            "unreachable".to_owned()
        } else {
            format!("i32.const {}", memory.address(described_at))
        };
        component(&format!(
            r#"(module
                (memory (export "memory") 128)
                (global $next (mut i32) (i32.const {HEAP_AT}))
                (data (i32.const {ANSWERS_AT}) "{answers}")
                (func (export "stoker:handler/handler@1.3.0#describe") (result i32) {describe})
                (func (export "stoker:handler/handler@1.3.0#run")
                    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64 i64 i32 i32) (result i32)
                    i32.const {answer})
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $given i32)
                    (local.set $given (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                    (global.set $next (i32.add (local.get $given) (local.get 3)))
                    (local.get $given)))"#,
            answers = memory.escaped(),
            answer = memory.address(answer_at),
        ))
    }
}

/// Bytes from `ANSWERS_AT` on.
#[derive(Default)]
struct Memory(Vec<u8>);

impl Memory {
    /// Room of `size` bytes, aligned to 8; gives its offset.
    fn reserve(&mut self, size: usize) -> usize {
        let at = self.0.len().next_multiple_of(8);
        self.0.resize(at + size, 0);
        at
    }

    fn address(&self, offset: usize) -> u32 {
        debug_assert!(offset <= self.0.len());
        ANSWERS_AT + u32::try_from(offset).expect("small")
    }

    fn put_u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// A string's pointer and length at `at`; its bytes behind everything else.
    fn put_string(&mut self, at: usize, text: &str) {
        let bytes_at = self.reserve(text.len());
        self.0[bytes_at..].copy_from_slice(text.as_bytes());
        self.put_u32(at, self.address(bytes_at));
        self.put_u32(at + 4, u32::try_from(text.len()).expect("small"));
    }

    fn escaped(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * 3);
        for byte in &self.0 {
            write!(text, "\\{byte:02x}").expect("writing to a string");
        }
        text
    }
}

/// A core module as a component of the world in `wit/`.
fn component(core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let path = workspace_root().join("wit/handler.wit");
    let text = std::fs::read_to_string(&path).expect("wit/handler.wit can be read");
    let package = resolve.push_source(&path.display().to_string(), &text).expect("wit/handler.wit is right");
    let world = resolve.select_world(&[package], Some("module")).expect("it has the world `module`");
    let mut module = core_module(core);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("metadata fits");
    let encoded = ComponentEncoder::default().validate(true).module(&module).and_then(ComponentEncoder::encode);
    encoded.unwrap_or_else(|error| panic!("the test's own component is wrong: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_valid_and_differ_by_what_they_say() {
        let plain = HandlerModule::serving([KindOf::any("a"), KindOf::any("b").settings("{}")]);
        let wasm = plain.wasm();
        // A component's preamble: version 13, layer 1.
        assert_eq!(&wasm[..8], b"\0asm\x0d\0\x01\0");
        assert_ne!(wasm, plain.clone().answering("1").wasm());
        assert_ne!(wasm, plain.trapping_in_describe().wasm());
    }

    #[test]
    fn strings_lie_where_their_pointers_say() {
        let mut memory = Memory::default();
        let at = memory.reserve(8);
        memory.put_string(at, "payload");
        let pointer = u32::from_le_bytes(memory.0[0..4].try_into().unwrap());
        let offset = usize::try_from(pointer - ANSWERS_AT).unwrap();
        assert_eq!(&memory.0[offset..offset + 7], b"payload");
        assert_eq!(memory.0[4..8], 7u32.to_le_bytes());
    }
}
