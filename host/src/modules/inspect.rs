//! What an uploaded artifact is: which kind of guest, and what it imports. Reads bytes that were validated before, in
//! time that grows with their number only; nothing is validated or compiled here.

use wasmparser::{
    ComponentExternName, ComponentExternalKind, ComponentTypeRef, CompositeInnerType, ExternalKind, Parser, Payload,
    TypeRef,
};

use super::facade::UploadError;
use super::settings_section::SETTINGS_SECTION;
use crate::job::{ByteSize, GuestType};
use crate::sandbox::InstanceBounds;

/// The handler interface, without its version.
const HANDLER: &str = "stoker:handler/handler";
/// Majors of it this host runs.
const HANDLER_MAJOR: &str = "1";
const COMMAND: &str = "wasi:cli/run";
/// Log of the size of a page, unless a memory says otherwise, bytes.
const PAGE_SIZE_LOG2: u32 = 16;
/// Memories and tables listed in a sentence.
const EXCESSES_SHOWN_MAX: usize = 3;
/// One may be there, and the next is refused.
const SETTINGS_SECTIONS_KEPT: usize = 2;
/// Names listed in a sentence.
const NAMES_SHOWN_MAX: usize = 12;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inspected<'a> {
    pub(super) guest: GuestType,
    pub(super) imports: Vec<Import>,
    /// Its settings sections, as they are: one more than there may be at most.
    pub(super) settings: Vec<&'a [u8]>,
    /// What the largest of its memories begins with, bytes.
    pub(super) memory_begins_bytes: u64,
}

/// One import: an interface of a component, a function of a core module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Import {
    /// `namespace:package/interface@version`
    Interface(String),
    /// Module and name.
    Core(String, String),
}

impl std::fmt::Display for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Import::Interface(name) => f.write_str(name),
            Import::Core(module, name) => write!(f, "{module}.{name}"),
        }
    }
}

#[derive(Default)]
struct Found<'a> {
    is_component: bool,
    imports: Vec<Import>,
    exports: Vec<String>,
    /// Index of the function `_start`.
    start: Option<u32>,
    /// Numbers of parameters and results of each type; `None`: not of a function.
    types: Vec<Option<(usize, usize)>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    exports_memory: bool,
    /// Memories and tables that begin with more than an instance may have.
    excesses: Vec<String>,
    memory_begins_bytes: u64,
    settings: Vec<&'a [u8]>,
}

impl Found<'_> {
    /// Numbers of parameters and results of a function.
    fn of_function(&self, index: u32) -> Option<(usize, usize)> {
        let ty = self.functions.get(usize::try_from(index).ok()?)?;
        *self.types.get(usize::try_from(*ty).ok()?)?
    }

    fn exceeds(&mut self, sentence: String) {
        if self.excesses.len() < EXCESSES_SHOWN_MAX {
            self.excesses.push(sentence);
        }
    }
}

/// Refuses what does not even look like WebAssembly.
pub(super) fn require_wasm(wasm: &[u8]) -> Result<(), UploadError> {
    if !wasm.starts_with(b"\0asm") {
        let message = if wasm.is_empty() {
            "the body is empty; send the bytes of a .wasm file"
        } else {
            "it does not begin with `\\0asm`; send the binary .wasm file, not text, an archive or JSON"
        };
        return Err(UploadError::Malformed { offset: 0, message: message.to_owned() });
    }
    Ok(())
}

/// Tells what a valid module or component is.
pub(super) fn inspect(wasm: &[u8], bounds: InstanceBounds) -> Result<Inspected<'_>, UploadError> {
    let found = read(wasm, bounds).map_err(malformed)?;
    let guest = if found.is_component { classify_component(&found) } else { classify_core(&found) };
    let guest = guest.map_err(UploadError::NoEntry)?;
    if !found.excesses.is_empty() {
        return Err(UploadError::TooLarge(found.excesses.join("; ")));
    }
    let Found { imports, settings, memory_begins_bytes, .. } = found;
    Ok(Inspected { guest, imports, settings, memory_begins_bytes })
}

#[allow(clippy::needless_pass_by_value)]
fn malformed(error: wasmparser::BinaryReaderError) -> UploadError {
    UploadError::Malformed { offset: error.offset(), message: error.message().to_owned() }
}

/// Imports, exports and settings of the outermost module or component; memories and tables of all in it.
fn read(wasm: &[u8], bounds: InstanceBounds) -> Result<Found<'_>, wasmparser::BinaryReaderError> {
    let mut found = Found::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if depth == 1 {
                    found.is_component = encoding == wasmparser::Encoding::Component;
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    let page_bytes =
                        1_u64.checked_shl(memory.page_size_log2.unwrap_or(PAGE_SIZE_LOG2)).unwrap_or(u64::MAX);
                    let bytes = memory.initial.saturating_mul(page_bytes);
                    found.memory_begins_bytes = found.memory_begins_bytes.max(bytes);
                    if bytes > bounds.memory_bytes {
                        let (bytes, bound) = (ByteSize(bytes), ByteSize(bounds.memory_bytes));
                        found.exceeds(format!("a memory begins with {bytes}, and `memory_max` is {bound}"));
                    }
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let (elements, bound) = (table?.ty.initial, bounds.table_elements);
                    if elements > bound {
                        found.exceeds(format!("a table begins with {elements} elements, and {bound} is the most"));
                    }
                }
            }
            Payload::CustomSection(section)
                if depth == 1
                    && section.name() == SETTINGS_SECTION
                    && found.settings.len() < SETTINGS_SECTIONS_KEPT =>
            {
                found.settings.push(section.data());
            }
            Payload::TypeSection(section) if depth == 1 => {
                for group in section {
                    found.types.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
                        CompositeInnerType::Func(function) => Some((function.params().len(), function.results().len())),
                        _ => None,
                    }));
                }
            }
            Payload::FunctionSection(section) if depth == 1 => {
                for ty in section {
                    found.functions.push(ty?);
                }
            }
            Payload::ImportSection(section) if depth == 1 => {
                for import in section.into_imports() {
                    let import = import?;
                    let what = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            found.functions.push(ty);
                            ""
                        }
                        TypeRef::Memory(_) => " (a memory)",
                        TypeRef::Table(_) => " (a table)",
                        TypeRef::Global(_) => " (a global)",
                        TypeRef::Tag(_) => " (a tag)",
                    };
                    found.imports.push(Import::Core(import.module.to_owned(), format!("{}{what}", import.name)));
                }
            }
            Payload::ExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export?;
                    if export.name == "_start" && matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                        found.start = Some(export.index);
                    }
                    found.exports_memory |= export.name == "memory" && export.kind == ExternalKind::Memory;
                    found.exports.push(export.name.to_owned());
                }
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import?;
                    // An imported type asks for nothing at run time.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        found.imports.push(Import::Interface(full_name(&import.name)));
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance || export.kind == ComponentExternalKind::Func {
                        found.exports.push(full_name(&export.name));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// With the part of its version that stands apart.
fn full_name(name: &ComponentExternName<'_>) -> String {
    match (name.implements, name.version_suffix) {
        (None, Some(suffix)) => format!("{}{suffix}", name.name),
        _ => name.name.to_owned(),
    }
}

fn classify_component(found: &Found<'_>) -> Result<GuestType, String> {
    let versions = |interface: &str| -> Vec<&str> {
        found.exports.iter().filter_map(|name| name.strip_prefix(interface)?.strip_prefix('@').or(Some(""))).collect()
    };
    let handler = versions(HANDLER);
    if handler.iter().any(|version| version.split('.').next() == Some(HANDLER_MAJOR)) {
        return Ok(GuestType::Handler);
    }
    if let Some(version) = handler.first() {
        return Err(format!(
            "it exports {HANDLER}@{version}, and this host runs version {HANDLER_MAJOR}; rebuild it with a matching stoker-sdk"
        ));
    }
    if versions(COMMAND).iter().any(|version| version.starts_with("0.2")) {
        return Ok(GuestType::ComponentCommand);
    }
    Err(format!(
        "a component must export {HANDLER}@{HANDLER_MAJOR}.0.0 (a handler) or {COMMAND}@0.2 (a command); this one exports {}",
        listed(&found.exports)
    ))
}

fn classify_core(found: &Found<'_>) -> Result<GuestType, String> {
    if let (Some(start), true) = (found.start, found.exports_memory) {
        return match found.of_function(start) {
            Some((0, 0)) => Ok(GuestType::CoreCommand),
            signature => {
                let (parameters, results) = signature.unwrap_or_default();
                Err(format!(
                    "`_start` must be a function without parameters and results; this one has {parameters} and {results}. \
                     Export the start code of the language's library under that name, not `main` itself"
                ))
            }
        };
    }
    let missing = match (found.start.is_some(), found.exports_memory) {
        (true, _) => "`memory`, which WASI needs",
        (false, true) => "a function `_start`",
        (false, false) => "a function `_start` and a `memory`",
    };
    Err(format!(
        "a core module is run as a WASI preview 1 command and must export {missing}; this one exports {}. Build it as a \
         program, not as a library, e.g. for wasm32-wasip1, or as a handler component for wasm32-wasip2",
        listed(&found.exports)
    ))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = names
        .iter()
        .take(NAMES_SHOWN_MAX)
        .map(|name| format!("`{}`", name.chars().take(80).collect::<String>()))
        .collect();
    let more = names.len().saturating_sub(NAMES_SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: InstanceBounds = InstanceBounds { memory_bytes: 64 << 20, table_elements: 20_000 };

    fn of(wat: &str) -> Result<(GuestType, Vec<Import>), UploadError> {
        inspect(&wat::parse_str(wat).expect("valid text"), BOUNDS).map(|found| (found.guest, found.imports))
    }

    fn no_entry(wat: &str) -> String {
        match of(wat) {
            Err(UploadError::NoEntry(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn not_wasm_names_the_byte() {
        let Err(UploadError::Malformed { offset: 0, .. }) = require_wasm(b"") else { panic!() };
        let Err(UploadError::Malformed { offset: 0, .. }) = require_wasm(b"PK\x03\x04") else { panic!() };
        let mut wasm =
            wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).expect("text");
        assert!(require_wasm(&wasm).is_ok() && inspect(&wasm, BOUNDS).is_ok());
        let end = wasm.len();
        wasm.truncate(end - 1);
        let Err(UploadError::Malformed { offset, .. }) = inspect(&wasm, BOUNDS) else { panic!() };
        assert!(offset > 8 && offset <= end, "{offset}");
    }

    #[test]
    fn core_commands_and_their_imports() {
        let inspected =
            of(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "env" "memory" (memory 1)) (memory (export "memory") 1) (func (export "_start")))"#)
            .expect("a command");
        assert_eq!(inspected.0, GuestType::CoreCommand);
        let names: Vec<String> = inspected.1.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["wasi_snapshot_preview1.fd_write", "env.memory (a memory)"]);
    }

    #[test]
    fn what_begins_with_more_than_an_instance_may_have_is_named() {
        let module = |inside: &str| {
            of(&format!(r#"(module (memory (export "memory") 1024) (func (export "_start")) {inside})"#))
        };
        assert!(module("(table 20000 funcref)").is_ok(), "as much as may be");
        let too_large = |result| match result {
            Err(UploadError::TooLarge(sentence)) => sentence,
            other => panic!("{other:?}"),
        };
        let said = too_large(module("(memory 1025) (table 20001 funcref)"));
        for word in ["memory", "65600KiB", "64MiB", "table", "20001", "20000"] {
            assert!(said.contains(word), "`{word}` is missing: {said}");
        }
        let within = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)) (core module (table 99999 funcref)))"#;
        assert!(too_large(of(within)).contains("99999"));
        let two =
            wat::parse_str(r#"(module (memory (export "memory") 3) (memory 17) (memory 2) (func (export "_start")))"#);
        let two = two.expect("valid text");
        assert_eq!(inspect(&two, BOUNDS).expect("a command").memory_begins_bytes, 17 << 16);
        let many = "(table 30000 funcref)".repeat(50);
        assert_eq!(too_large(module(&many)).split("; ").count(), EXCESSES_SHOWN_MAX);
    }

    #[test]
    fn what_has_no_entry_is_told_what_was_expected() {
        assert!(no_entry(r#"(module (func (export "add")))"#).contains("`add`"));
        assert!(no_entry(r#"(module (func (export "_start")))"#).contains("`memory`"));
        assert!(no_entry("(component)").contains("exports nothing"));
        let start = |inside: &str| {
            of(&format!(
                r#"(module (type (struct)) (import "a" "b" (func (param i32))) (memory (export "memory") 1) {inside})"#
            ))
        };
        assert!(start(r#"(func (param i32)) (func (export "_start"))"#).is_ok());
        for (inside, numbers) in [
            (r#"(func) (func (export "_start") (result i32) i32.const 0)"#, "has 0 and 1"),
            (r#"(func) (func (export "_start") (param i32 i32))"#, "has 2 and 0"),
            (r#"(func) (export "_start" (func 0))"#, "has 1 and 0"),
        ] {
            let Err(UploadError::NoEntry(sentence)) = start(inside) else { panic!("{inside}") };
            assert!(sentence.contains(numbers), "{sentence}");
        }
        assert!(
            no_entry(r#"(component (instance $i) (export "stoker:handler/handler@2.0.0" (instance $i)))"#)
                .contains("version 1")
        );
    }

    #[test]
    fn components_are_told_apart_and_only_their_own_imports_count() {
        let handler = of(r#"(component (component (import "inner:thing/x" (instance)))
            (import "wasi:cli/stdout@0.2.3" (instance)) (instance $i) (export "stoker:handler/handler@1.4.0" (instance $i)))"#)
        .expect("a handler");
        assert_eq!(handler.0, GuestType::Handler);
        assert_eq!(handler.1, [Import::Interface("wasi:cli/stdout@0.2.3".to_owned())]);
        let command =
            of(r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#).expect("a command");
        assert_eq!(command.0, GuestType::ComponentCommand);
    }

    #[test]
    fn settings_are_those_of_the_outermost_alone() {
        let settings = |wat: &str| {
            let wasm = wat::parse_str(wat).expect("valid text");
            let found = inspect(&wasm, BOUNDS).expect("a command");
            found.settings.iter().map(|section| String::from_utf8_lossy(section).into_owned()).collect::<Vec<_>>()
        };
        let command = r#"(memory (export "memory") 1) (func (export "_start"))"#;
        let section = |text: &str| format!(r#"(@custom "stoker:settings" "{text}")"#);
        assert!(settings(&format!("(module {command})")).is_empty());
        assert!(settings(&format!(r#"(module {command} (@custom "stoker:other" "x"))"#)).is_empty());
        assert_eq!(settings(&format!("(module {} {command})", section("one"))), ["one"]);
        let three = ["one", "two", "three"].map(section).concat();
        assert_eq!(settings(&format!("(module {command} {three})")), ["one", "two"]);
        let (inner, outer) = (section("inner"), section("outer"));
        let component = format!(
            r#"(component (core module {inner}) (component {inner} (core module {inner}))
            (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)) {outer})"#
        );
        assert_eq!(settings(&component), ["outer"]);
    }

    #[test]
    fn a_section_that_ends_early_is_malformed() {
        let mut wasm =
            wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).expect("text");
        let end = wasm.len();
        crate::modules::append_settings(&mut wasm, &serde_json::from_str(r#"{"stdin":"text"}"#).expect("settings"))
            .expect("written");
        assert_eq!(inspect(&wasm, BOUNDS).expect("whole").settings, [br#"{"stdin":"text"}"#]);
        for cut in [end + 1, end + 2, end + 10, wasm.len() - 1] {
            let Err(UploadError::Malformed { .. }) = inspect(&wasm[..cut], BOUNDS) else { panic!("{cut}") };
        }
    }
}
