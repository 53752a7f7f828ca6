//! Where a guest was when it ended, in words. Names of functions are the module's own: they may be of any length, and some
//! C++ names of two hundred bytes stand for texts of gigabytes. So each is written only as far as somebody would read it.

use std::fmt::{self, Write as _};

use cpp_demangle::DemangleOptions;
use wasmtime::{FrameInfo, WasmBacktrace};

/// Of one function's name, as it is shown.
const NAME_BYTES_MAX: usize = 512;
/// A longer name is shown as it stands: nobody's compiler makes one, and to read it may take long.
const MANGLED_BYTES_MAX: usize = 4 << 10;
/// What follows a name of which there is more.
const MORE: &str = "…";

/// As wasmtime itself writes it: a line for each frame, the innermost first.
pub(super) fn told(backtrace: &WasmBacktrace) -> String {
    let mut told = "error while executing at wasm backtrace:".to_owned();
    for (index, frame) in backtrace.frames().iter().enumerate() {
        let offset = frame.module_offset().map(|offset| format!("{offset:#8x} - ")).unwrap_or_default();
        let module = shown(frame.module().name().unwrap_or("<unknown>"));
        // Writing to a text can't fail.
        let _ = write!(told, "\n  {index:>3}: {offset}{module}!{}", function(frame));
    }
    told
}

fn function(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => demangled(name),
        None => format!("<wasm function {}>", frame.func_index()),
    }
}

/// The name as its author wrote it, if it is one of Rust or C++.
fn demangled(name: &str) -> String {
    if name.len() > MANGLED_BYTES_MAX {
        return shown(name);
    }
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return shown(rust);
    }
    match cpp_demangle::Symbol::new(name) {
        Ok(cpp) => as_far_as_there_is_room(|room| cpp.structured_demangle(room, &DemangleOptions::default())),
        Err(_) => shown(name),
    }
}

fn shown(name: impl fmt::Display) -> String {
    as_far_as_there_is_room(|room| write!(room, "{name}"))
}

fn as_far_as_there_is_room(write: impl FnOnce(&mut Room) -> fmt::Result) -> String {
    let mut room = Room(String::new());
    if write(&mut room).is_err() {
        room.0.push_str(MORE);
    }
    room.0
}

/// A text that takes so much and no more: whoever writes is told to stop.
struct Room(String);

impl fmt::Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = NAME_BYTES_MAX - self.0.len();
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(left)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_their_authors_wrote_them() {
        for (name, expected) in [
            ("plain", "plain"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_ZN5hello5greet17h0123456789abcdefE", "hello::greet::h0123456789abcdef"),
            ("_ZN3foo3barEv", "foo::bar()"),
            ("_Znonsense", "_Znonsense"),
        ] {
            assert_eq!(demangled(name), expected);
        }
    }

    /// `f(a<int, int>, a<a<int, int>, a<int, int>>, …)`: each type is twice as long as the one before.
    fn doubling(times: usize) -> String {
        const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        assert!(times <= DIGITS.len());
        let pairs = DIGITS[..times].iter().map(|digit| format!("S_IS{0}_S{0}_E", char::from(*digit)));
        format!("_Z1f1aIiiE{}", pairs.collect::<String>())
    }

    #[test]
    fn a_name_that_stands_for_gigabytes_costs_no_more_than_another() {
        assert_eq!(demangled(&doubling(1)), "f(a<int, int>, a<a<int, int>, a<int, int> >)");
        let told = demangled(&doubling(36));
        assert!(told.starts_with("f(a<int, int>, a<a<int, int>, a<int, int> >, a<a<a<"), "{told}");
        assert!(told.ends_with(MORE) && told.len() <= NAME_BYTES_MAX + MORE.len(), "{} bytes", told.len());
        // Deep, long, cut in the middle of a character.
        for name in [format!("_Z{}", "N".repeat(4_000)), format!("_RN{}C1a1b", "I".repeat(4_000)), "ż".repeat(1 << 20)]
        {
            assert!(demangled(&name).len() <= NAME_BYTES_MAX + MORE.len());
        }
    }
}
