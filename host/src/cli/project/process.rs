//! A compiler as a child process: started, waited for, and ended from another thread if need be.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

/// Most that is kept of what a compiler writes to standard output, bytes: cargo's messages of a very large build.
const OUTPUT_BYTES_MAX: u64 = 256 << 20;

/// A build was ended because somebody wanted it to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the build was interrupted")]
pub(in crate::cli) struct BuildInterrupted;

/// Ends builds from another thread. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Interrupt(Arc<Mutex<Compiler>>);

#[derive(Clone, Copy, Debug, Default)]
enum Compiler {
    #[default]
    Idle,
    /// Leads a process group of its own.
    Running(Pid),
    /// By somebody's wish; whom that has not ended yet.
    Interrupted(Option<Pid>),
}

impl Interrupt {
    /// Ends the build under way, if there is one, with all it has started; none will start any more. Once more: kills what
    /// does not end.
    pub(in crate::cli) fn raise(&self) {
        let mut compiler = self.0.lock();
        let (group, signal) = match *compiler {
            Compiler::Idle => (None, Signal::TERM),
            Compiler::Running(group) => (Some(group), Signal::TERM),
            Compiler::Interrupted(group) => (group, Signal::KILL),
        };
        *compiler = Compiler::Interrupted(group);
        if let Some(group) = group {
            // It may have ended this moment, which is what is wanted.
            let _ended = kill_process_group(group, signal);
        }
    }

    /// Its process has been waited for, and there is none of that number any more. Whether it was interrupted.
    fn ended(&self) -> bool {
        let mut compiler = self.0.lock();
        let was_interrupted = matches!(*compiler, Compiler::Interrupted(_));
        *compiler = if was_interrupted { Compiler::Interrupted(None) } else { Compiler::Idle };
        was_interrupted
    }
}

/// Where a compiler's standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// To the caller, as text.
    Kept,
    /// To standard error with everything else: standard output is for results.
    Shown,
}

/// Runs a compiler to its end; an error unless it succeeds. Without `interrupt` it shares the terminal's signals with
/// this process, and so ends with it.
pub(super) fn run(mut command: Command, output: Output, interrupt: Option<&Interrupt>) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).stdout(match output {
        Output::Kept => Stdio::piped(),
        Output::Shown => Stdio::from(std::io::stderr()),
    });
    let program = command.get_program().to_string_lossy().into_owned();
    let cannot_run = || format!("cannot run `{program}`");
    let mut child = if let Some(interrupt) = interrupt {
        command.process_group(0);
        // Held while it starts, so that it can't start unseen.
        let mut compiler = interrupt.0.lock();
        if matches!(*compiler, Compiler::Interrupted(_)) {
            return Err(BuildInterrupted.into());
        }
        let child = command.spawn().with_context(cannot_run)?;
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            *compiler = Compiler::Running(group);
        }
        child
    } else {
        command.spawn().with_context(cannot_run)?
    };
    let mut text = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |stdout| stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut text));
    let waited = child.wait();
    if interrupt.is_some_and(Interrupt::ended) {
        return Err(BuildInterrupted.into());
    }
    read.with_context(|| format!("cannot read what `{program}` writes"))?;
    let status = waited.with_context(|| format!("`{program}` can't be waited for"))?;
    if !status.success() {
        bail!("`{}` failed ({status}); what it wrote stands above", shown(&command));
    }
    String::from_utf8(text).with_context(|| format!("`{program}` writes what is no text"))
}

/// A command as one would type it.
pub(super) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(program).chain(command.get_args()).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_it_prints_and_how_it_ends() {
        assert_eq!(run(sh("echo made"), Output::Kept, None).unwrap(), "made\n");
        let failed = run(sh("exit 3"), Output::Kept, Some(&Interrupt::default())).unwrap_err().to_string();
        assert!(failed.contains("`sh -c exit 3` failed (exit status: 3)"), "{failed}");
        let missing = run(Command::new("no-such-compiler"), Output::Shown, None).unwrap_err().to_string();
        assert_eq!(missing, "cannot run `no-such-compiler`");
    }

    #[test]
    fn an_interrupt_ends_the_build_and_all_it_started() {
        let interrupt = Interrupt::default();
        // Standard output ends when the last that holds it has ended: what it started, too.
        let build = sh("sleep 600 & wait");
        let started = std::thread::spawn({
            let interrupt = interrupt.clone();
            move || {
                while !matches!(*interrupt.0.lock(), Compiler::Running(_)) {
                    std::thread::yield_now();
                }
                interrupt.raise();
            }
        });
        let ended = run(build, Output::Kept, Some(&interrupt)).unwrap_err();
        assert!(ended.is::<BuildInterrupted>(), "{ended:#}");
        started.join().unwrap();
        assert!(run(sh("true"), Output::Kept, Some(&interrupt)).unwrap_err().is::<BuildInterrupted>());
    }

    #[test]
    fn a_build_that_will_not_end_is_killed_when_asked_again() {
        let interrupt = Interrupt::default();
        let build = sh("trap '' TERM; echo started >&2; while :; do sleep 1; done");
        let running = std::thread::spawn({
            let interrupt = interrupt.clone();
            move || run(build, Output::Kept, Some(&interrupt))
        });
        while !matches!(*interrupt.0.lock(), Compiler::Running(_)) {
            std::thread::yield_now();
        }
        // The first may come before it is deaf to it; the others find it so, or gone.
        while !running.is_finished() {
            interrupt.raise();
            std::thread::yield_now();
        }
        assert!(running.join().unwrap().unwrap_err().is::<BuildInterrupted>());
    }
}
