//! The compiling process: reads a module from standard input, and validates it or writes native code for it to standard
//! output.
//!
//! A validator or compiler fed with foreign code may take for ever, take all memory or crash. Here it can do so alone: the process
//! bounds itself before it reads a byte, and its parent watches it. It holds no secrets and opens no files.

use std::io::{Read, Write};
use std::process::ExitCode;

use wasmparser::{Validator, WasmFeatures};

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
/// Exit code: the module is not valid; standard error says at which byte and why, see [`Malformed`].
pub(super) const MALFORMED: u8 = 6;
/// How often the process looks whether its host is still there.
#[cfg(unix)]
const PARENT_WATCH_PERIOD: std::time::Duration = std::time::Duration::from_millis(500);
/// Steps of niceness below the host.
const NICENESS: i32 = 10;
/// The parent watches resident memory; what is only reserved may be so many times more.
const RESERVED_PER_RESIDENT: u64 = 4;

/// What the process is to do with the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Validate,
    Compile(GuestType),
}

impl Task {
    const VALIDATE: &str = "validate";
    const ALL: [Task; 4] = [
        Task::Validate,
        Task::Compile(GuestType::Handler),
        Task::Compile(GuestType::ComponentCommand),
        Task::Compile(GuestType::CoreCommand),
    ];

    fn as_str(self) -> &'static str {
        match self {
            Task::Validate => Self::VALIDATE,
            Task::Compile(guest) => guest.as_str(),
        }
    }
}

/// Where and why a module is not valid. As text: `offset message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) offset: usize,
    pub(super) message: String,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.offset, self.message)
    }
}

impl Malformed {
    pub(super) fn from_text(text: &str) -> Option<Malformed> {
        let (offset, message) = text.split_once(' ')?;
        Some(Malformed { offset: offset.parse().ok()?, message: message.to_owned() })
    }
}

/// Limits the process puts on itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChildLimits {
    pub(super) memory_bytes: u64,
    pub(super) cpu_seconds: u64,
    pub(super) artifact_bytes: u64,
}

impl ChildLimits {
    pub(super) fn to_arguments(self, space: AddressSpace, task: Task) -> [String; 5] {
        let ChildLimits { memory_bytes, cpu_seconds, artifact_bytes } = self;
        [
            space.as_str().to_owned(),
            task.as_str().to_owned(),
            memory_bytes.to_string(),
            cpu_seconds.to_string(),
            artifact_bytes.to_string(),
        ]
    }

    fn from_arguments(arguments: &[String]) -> Option<(AddressSpace, Task, ChildLimits)> {
        let [space, task, memory_bytes, cpu_seconds, artifact_bytes] = arguments else { return None };
        let space = [AddressSpace::Ample, AddressSpace::Short].into_iter().find(|known| known.as_str() == space)?;
        let task = Task::ALL.into_iter().find(|known| known.as_str() == task)?;
        let limits = ChildLimits {
            memory_bytes: memory_bytes.parse().ok()?,
            cpu_seconds: cpu_seconds.parse().ok()?,
            artifact_bytes: artifact_bytes.parse().ok()?,
        };
        Some((space, task, limits))
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
    let Some((space, task, limits)) = ChildLimits::from_arguments(arguments) else {
        return Err((BROKEN, "compile-child is run by the host itself, not by people".to_owned()));
    };
    limits.impose().map_err(broken)?;
    // A thread that can't be had is a stack that can't be had; said in the words the parent looks for.
    end_with_parent().map_err(|error| (BROKEN, format!("memory allocation of a thread's stack failed: {error}")))?;
    let mut wasm = Vec::new();
    std::io::stdin().lock().read_to_end(&mut wasm).map_err(broken)?;
    let artifact = match task {
        Task::Validate => return validate(&wasm).map_err(|malformed| (MALFORMED, malformed.to_string())),
        Task::Compile(guest) => compile(space, guest, &wasm).map_err(|message| (REFUSED, message))?,
    };
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

/// Whether the bytes are a module or component by the specification, with all proposals: what of them this host runs is
/// for the compiler to say.
pub(super) fn validate(wasm: &[u8]) -> Result<(), Malformed> {
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(wasm)
        .map(|_| ())
        .map_err(|error| Malformed { offset: error.offset(), message: error.message().to_owned() })
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
        for task in Task::ALL {
            for space in [AddressSpace::Ample, AddressSpace::Short] {
                let arguments = limits.to_arguments(space, task);
                assert_eq!(ChildLimits::from_arguments(&arguments), Some((space, task, limits)));
            }
        }
        assert_eq!(ChildLimits::from_arguments(&[]), None);
        let malformed = Malformed { offset: 17, message: "not at all valid".to_owned() };
        assert_eq!(Malformed::from_text(&malformed.to_string()), Some(malformed));
        assert_eq!(serve(&["x".to_owned()]).map_err(|(code, _)| code), Err(BROKEN));
    }
}
