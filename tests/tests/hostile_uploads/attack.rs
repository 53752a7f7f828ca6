//! What an attack by upload is.

/// One file of this folder each.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Of the module.
    pub name: &'static str,
    /// Makes it.
    pub wasm: fn() -> Vec<u8>,
    /// What comes of it.
    pub expected: Expected,
}

/// How an attack is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// 422: no WebAssembly.
    Malformed,
    /// 422: instances of it would be too large.
    ModuleLimits,
    /// 422: its settings are too long.
    InvalidSettings,
    /// 422: past the time or memory that compiling may take.
    CompileFailed,
    /// 422, for one of these reasons.
    Refused,
    /// Taken or refused, depending on the machine: within bounds either way.
    Bounded,
}

impl Expected {
    /// Whether this answer is one of those expected.
    pub fn allows(self, status: u16, code: &str) -> bool {
        match self {
            Expected::Malformed => (status, code) == (422, "malformed_module"),
            Expected::ModuleLimits => (status, code) == (422, "module_limits"),
            Expected::InvalidSettings => (status, code) == (422, "invalid_settings"),
            Expected::CompileFailed => (status, code) == (422, "compile_failed"),
            Expected::Refused => {
                let codes = ["no_entry", "unknown_imports", "malformed_module", "module_limits", "compile_failed"];
                status == 422 && codes.contains(&code)
            }
            Expected::Bounded => status == 201 || (status, code) == (422, "compile_failed"),
        }
    }
}
