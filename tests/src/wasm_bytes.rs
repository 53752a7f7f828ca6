//! WebAssembly written byte by byte: what no compiler and no assembler would write.

/// How a core module begins.
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// How a component begins.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Sections of a core module.
pub mod section {
    /// Anything with a name.
    pub const CUSTOM: u8 = 0;
    /// Types of functions.
    pub const TYPES: u8 = 1;
    /// What is imported.
    pub const IMPORTS: u8 = 2;
    /// Which type each function has.
    pub const FUNCTIONS: u8 = 3;
    /// Tables.
    pub const TABLES: u8 = 4;
    /// Memories.
    pub const MEMORIES: u8 = 5;
    /// Globals.
    pub const GLOBALS: u8 = 6;
    /// What is exported.
    pub const EXPORTS: u8 = 7;
    /// What tables begin with.
    pub const ELEMENTS: u8 = 9;
    /// Bodies of functions.
    pub const CODE: u8 = 10;
    /// What memories begin with.
    pub const DATA: u8 = 11;
}

/// LEB128.
pub fn unsigned(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The same, with a sign.
pub fn signed(mut number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        let is_positive = low & 0x40 == 0;
        if (number == 0 && is_positive) || (number == -1 && !is_positive) {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A length and that many bytes.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    [&unsigned(bytes.len() as u64)[..], bytes].concat()
}

/// A section of a module or component.
pub fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id][..], &sized(contents)].concat()
}

/// A section that holds `count` times the same.
pub fn section_of(id: u8, count: usize, item: &[u8]) -> Vec<u8> {
    section(id, &[unsigned(count as u64), item.repeat(count)].concat())
}

/// A custom section.
pub fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
    section(section::CUSTOM, &[sized(name.as_bytes()), contents.to_vec()].concat())
}

/// A plain command, but for what makes it odd.
#[derive(Clone, Debug)]
pub struct OddCommand {
    bodies: Vec<u8>,
    functions: usize,
    memory_pages: u64,
    before_code: Vec<u8>,
    tables: Vec<u8>,
    globals: Vec<u8>,
    after: Vec<u8>,
}

impl Default for OddCommand {
    fn default() -> Self {
        Self {
            bodies: Vec::new(),
            functions: 0,
            memory_pages: 1,
            before_code: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            after: Vec::new(),
        }
    }
}

impl OddCommand {
    /// One function that does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many functions of this body: locals, then instructions with their `end`. The first is `_start`.
    #[must_use]
    pub fn functions(mut self, count: usize, body: &[u8]) -> Self {
        self.bodies.extend_from_slice(&sized(body).repeat(count));
        self.functions += count;
        self
    }

    /// What its memory begins with.
    #[must_use]
    pub fn memory_pages(mut self, pages: u64) -> Self {
        self.memory_pages = pages;
        self
    }

    /// A section of tables.
    #[must_use]
    pub fn tables(mut self, section: Vec<u8>) -> Self {
        self.tables = section;
        self
    }

    /// A section of globals.
    #[must_use]
    pub fn globals(mut self, section: Vec<u8>) -> Self {
        self.globals = section;
        self
    }

    /// A section that stands before the code.
    #[must_use]
    pub fn before_code(mut self, section: Vec<u8>) -> Self {
        self.before_code = section;
        self
    }

    /// A section at the end.
    #[must_use]
    pub fn ending_with(mut self, section: &[u8]) -> Self {
        self.after.extend_from_slice(section);
        self
    }

    /// Its bytes.
    pub fn wasm(&self) -> Vec<u8> {
        let this = if self.functions == 0 { self.clone().functions(1, b"\0\x0b") } else { self.clone() };
        let exports = [&unsigned(2)[..], &sized(b"memory"), b"\x02\0", &sized(b"_start"), b"\0\0"].concat();
        let memory = [&unsigned(1)[..], b"\0", &unsigned(this.memory_pages)].concat();
        [
            MODULE,
            &section_of(section::TYPES, 1, b"\x60\0\0"),
            &section_of(section::FUNCTIONS, this.functions, b"\0"),
            &this.tables,
            &section(section::MEMORIES, &memory),
            &this.globals,
            &section(section::EXPORTS, &exports),
            &this.before_code,
            &section(section::CODE, &[unsigned(this.functions as u64), this.bodies].concat()),
            &this.after,
        ]
        .concat()
    }
}
