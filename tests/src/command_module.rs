//! Plain commands made to measure: core modules for WASI preview 1, a few instructions each.

use std::fmt::Write as _;

use serde_json::Value;

/// A command that prints a text and exits with a code.
#[derive(Clone, Debug, Default)]
pub struct CommandModule {
    stdout: String,
    exit_code: i32,
    padding_bytes: usize,
}

impl CommandModule {
    /// Prints `text` on standard output and exits with 0.
    pub fn printing(text: &str) -> Self {
        Self { stdout: text.to_owned(), ..Self::default() }
    }

    /// Exits with `code`.
    #[must_use]
    pub fn exiting(mut self, code: i32) -> Self {
        self.exit_code = code;
        self
    }

    /// So many bytes larger, to no purpose.
    #[must_use]
    pub fn padded(mut self, bytes: usize) -> Self {
        self.padding_bytes = bytes;
        self
    }

    /// The module's bytes. Different texts give different digests.
    pub fn wasm(&self) -> Vec<u8> {
        let mut escaped = String::new();
        for byte in self.stdout.bytes() {
            write!(escaped, "\\{byte:02x}").expect("writing to a string");
        }
        let (length, code) = (self.stdout.len(), self.exit_code);
        let mut wasm = core_module(&format!(
            r#"(module
                (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 2)
                (data (i32.const 64) "{escaped}")
                (func (export "_start")
                    (i32.store (i32.const 0) (i32.const 64))
                    (i32.store (i32.const 4) (i32.const {length}))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (call $exit (i32.const {code}))))"#
        ));
        if self.padding_bytes > 0 {
            append_section(&mut wasm, "padding", &vec![0; self.padding_bytes]);
        }
        wasm
    }
}

/// A plain command with settings written into it, as a deploy of its project does.
#[must_use]
pub fn with_settings(mut wasm: Vec<u8>, settings: &Value) -> Vec<u8> {
    append_section(&mut wasm, "stoker:settings", settings.to_string().as_bytes());
    wasm
}

/// Appends a custom section. A host knows one by name; others mean nothing.
fn append_section(wasm: &mut Vec<u8>, name: &str, data: &[u8]) {
    wasm.push(0);
    append_length(wasm, 1 + name.len() + data.len());
    append_length(wasm, name.len());
    wasm.extend_from_slice(name.as_bytes());
    wasm.extend_from_slice(data);
}

/// In groups of seven bits, the lowest first. (A name's is one byte.)
fn append_length(wasm: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        wasm.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    wasm.push(length.to_le_bytes()[0]);
}

/// The bytes of a module given as text.
#[track_caller]
pub fn core_module(text: &str) -> Vec<u8> {
    match wat::parse_str(text) {
        Ok(wasm) => wasm,
        Err(error) => panic!("the test's own module is wrong: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_texts_are_different_modules() {
        let one = CommandModule::printing("1").wasm();
        assert_ne!(one, CommandModule::printing("2").wasm());
        assert_ne!(one, CommandModule::printing("1").exiting(3).wasm());
        assert_eq!(&one[..4], b"\0asm");
    }
}
