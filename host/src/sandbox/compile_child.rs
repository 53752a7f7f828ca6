//! The compiling process: reads a module from standard input, writes native code to standard output.
//!
//! A compiler fed with foreign code may take for ever, take all memory or crash. Here it can do so alone: the process
//! bounds itself before it reads a byte, and its parent watches it. It holds no secrets and opens no files.

use std::io::{Read, Write};
use std::process::ExitCode;

use super::engine::{AddressSpace, compiling_engine};
use crate::job::GuestType;

/// First argument of the executable that leads here.
pub const SUBCOMMAND: &str = "compile-child";
/// Exit code: the compiler refused the module; standard error says why.
pub(super) const REFUSED: u8 = 3;
/// Exit code: wrong arguments, or a pipe that broke.
pub(super) const BROKEN: u8 = 4;
/// Exit code: the disk has no room for the artifact.
pub(super) const NO_ROOM: u8 = 5;
/// How often the process looks whether its host is still there.
#[cfg(unix)]
const PARENT_WATCH_PERIOD: std::time::Duration = std::time::Duration::from_millis(500);
/// Steps of niceness below the host.
const NICENESS: i32 = 10;
/// The parent watches resident memory; what is only reserved may be so many times more.
const RESERVED_PER_RESIDENT: u64 = 4;

/// Limits the process puts on itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChildLimits {
    pub(super) memory_bytes: u64,
    pub(super) cpu_seconds: u64,
    pub(super) artifact_bytes: u64,
}

impl ChildLimits {
    pub(super) fn to_arguments(self, space: AddressSpace, guest: GuestType) -> [String; 5] {
        let ChildLimits { memory_bytes, cpu_seconds, artifact_bytes } = self;
        [
            space.as_str().to_owned(),
            guest.as_str().to_owned(),
            memory_bytes.to_string(),
            cpu_seconds.to_string(),
            artifact_bytes.to_string(),
        ]
    }

    fn from_arguments(arguments: &[String]) -> Option<(AddressSpace, GuestType, ChildLimits)> {
        let [space, guest, memory_bytes, cpu_seconds, artifact_bytes] = arguments else { return None };
        let space = [AddressSpace::Ample, AddressSpace::Short].into_iter().find(|known| known.as_str() == space)?;
        let guest = [GuestType::Handler, GuestType::ComponentCommand, GuestType::CoreCommand]
            .into_iter()
            .find(|known| known.as_str() == guest)?;
        let limits = ChildLimits {
            memory_bytes: memory_bytes.parse().ok()?,
            cpu_seconds: cpu_seconds.parse().ok()?,
            artifact_bytes: artifact_bytes.parse().ok()?,
        };
        Some((space, guest, limits))
    }

    #[cfg(target_os = "linux")]
    fn impose(self) -> std::io::Result<()> {
        use rustix::process::{Resource, Rlimit};
        let at_most = |bound: u64| Rlimit { current: Some(bound), maximum: Some(bound) };
        rustix::process::setrlimit(Resource::Cpu, at_most(self.cpu_seconds))?;
        rustix::process::setrlimit(Resource::Fsize, at_most(self.artifact_bytes))?;
        rustix::process::setrlimit(Resource::Data, at_most(self.memory_bytes.saturating_mul(RESERVED_PER_RESIDENT)))?;
        rustix::process::setrlimit(Resource::Core, at_most(0))?;
        // Work of people who wait comes first; being refused this does no harm.
        let _refused = rustix::process::nice(NICENESS);
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn impose(self) -> std::io::Result<()> {
        // The parent's clock is the only bound on this system.
        Ok(())
    }
}

/// What `stoker compile-child …` does.
pub fn main_of_child() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // Nobody may be there to read it; the exit code stands.
            let _unread = writeln!(std::io::stderr(), "{message}");
            ExitCode::from(code)
        }
    }
}

fn serve(arguments: &[String]) -> Result<(), (u8, String)> {
    let broken = |error: std::io::Error| (BROKEN, error.to_string());
    let Some((space, guest, limits)) = ChildLimits::from_arguments(arguments) else {
        return Err((BROKEN, "compile-child is run by the host itself, not by people".to_owned()));
    };
    limits.impose().map_err(broken)?;
    // A thread that can't be had is a stack that can't be had; said in the words the parent looks for.
    end_with_parent().map_err(|error| (BROKEN, format!("memory allocation of a thread's stack failed: {error}")))?;
    let mut wasm = Vec::new();
    std::io::stdin().lock().read_to_end(&mut wasm).map_err(broken)?;
    let artifact = compile(space, guest, &wasm).map_err(|message| (REFUSED, message))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&artifact).and_then(|()| out.flush()).map_err(|error| {
        let code = if is_no_room(&error) { NO_ROOM } else { BROKEN };
        (code, error.to_string())
    })
}

/// Whether it is the disk's fault, which time may heal.
pub(super) fn is_no_room(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// A killed host leaves no compiler behind. The kernel's own death signal would not do: it follows the thread that
/// started us, which lives shorter than the host.
#[cfg(unix)]
fn end_with_parent() -> std::io::Result<()> {
    let parent = rustix::process::getppid();
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(move || {
        while rustix::process::getppid() == parent {
            std::thread::sleep(PARENT_WATCH_PERIOD);
        }
        std::process::exit(i32::from(BROKEN));
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn end_with_parent() -> std::io::Result<()> {
    Ok(())
}

/// Compiles with the engine's settings. The error is the compiler's, for the author.
pub(super) fn compile(space: AddressSpace, guest: GuestType, wasm: &[u8]) -> Result<Vec<u8>, String> {
    let engine = compiling_engine(space).map_err(|error| format!("{error:#}"))?;
    match guest {
        GuestType::Handler | GuestType::ComponentCommand => engine.precompile_component(wasm),
        GuestType::CoreCommand => engine.precompile_module(wasm),
    }
    .map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive_the_command_line() {
        let limits = ChildLimits { memory_bytes: 1, cpu_seconds: 2, artifact_bytes: 3 };
        for guest in [GuestType::Handler, GuestType::ComponentCommand, GuestType::CoreCommand] {
            for space in [AddressSpace::Ample, AddressSpace::Short] {
                let arguments = limits.to_arguments(space, guest);
                assert_eq!(ChildLimits::from_arguments(&arguments), Some((space, guest, limits)));
            }
        }
        assert_eq!(ChildLimits::from_arguments(&[]), None);
        assert_eq!(serve(&["x".to_owned()]).map_err(|(code, _)| code), Err(BROKEN));
    }
}
