//! The host under test: a child process on a data directory of its own, from start to stop.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::client::Client;

/// A host that does not listen by then has failed.
const START_WAIT: Duration = Duration::from_mins(1);
/// A host asked to stop has this long; it may have a full queue to close over.
const STOP_WAIT: Duration = Duration::from_mins(2);
/// Between two looks at whether it listens, or has stopped. Short: it is part of what is measured.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// What of the host's log is shown when it fails.
const LOG_TAIL_BYTES: usize = 4_000;

/// A fresh data directory; removed with everything in it on drop.
#[derive(Debug)]
pub(crate) struct DataDir(tempfile::TempDir);

impl DataDir {
    pub(crate) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&arguments.data_dir)
            .with_context(|| format!("cannot make {}", arguments.data_dir.display()))?;
        let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&arguments.data_dir)?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Whether a host runs jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// Accepts jobs and leaves them queued.
    None,
    /// So many slots; `None` leaves it to the host.
    Slots(Option<u32>),
}

/// A running host. Killed on drop unless it was stopped.
#[derive(Debug)]
pub(crate) struct Host {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
    /// When the process was made.
    pub(crate) spawned: Instant,
    /// When its port first took a connection.
    pub(crate) listening: Instant,
}

impl Host {
    /// Starts a host and waits until its port takes connections.
    pub(crate) fn start(arguments: &Arguments, dir: &DataDir, workers: Workers) -> anyhow::Result<Self> {
        let address = free_address()?;
        let log = dir.path().join("host.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(&arguments.stoker);
        command.args(["serve", "--listen", &address.to_string(), "--data-dir"]).arg(dir.path().join("data"));
        // How many jobs there are is the measurement's to say.
        command.args(["--quota-waiting-jobs", "any", "--quota-stored-bytes", "any"]);
        match workers {
            Workers::None => drop(command.args(["--workers", "0"])),
            Workers::Slots(Some(slots)) => drop(command.args(["--workers", &slots.to_string()])),
            Workers::Slots(None) => {}
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // The defaults are measured, whatever the shell has set.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STOKER_")) {
            command.env_remove(name);
        }
        let spawned = Instant::now();
        let child = command.spawn().with_context(|| {
            format!("cannot start {}; `cargo xtask bench` builds it first", arguments.stoker.display())
        })?;
        let mut host = Self { child, log, address, spawned, listening: spawned };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = host.child.try_wait()? {
                anyhow::bail!("the host ended at once ({status}):\n{}", host.log_tail());
            }
            anyhow::ensure!(spawned.elapsed() < START_WAIT, "the host does not listen:\n{}", host.log_tail());
            std::thread::sleep(LOOK_EVERY);
        }
        host.listening = Instant::now();
        Ok(host)
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }

    /// Uploads the bench guest.
    pub(crate) fn upload_guest(&self, arguments: &Arguments) -> anyhow::Result<Value> {
        let wasm = std::fs::read(&arguments.guest)
            .with_context(|| format!("cannot read {}; `cargo xtask guests` builds it", arguments.guest.display()))?;
        let headers = [("Content-Type", "application/wasm")];
        self.client()?.call("PUT /v1/modules/bench", &headers, &wasm)
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_WAIT {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the host stopped with {status}:\n{}", self.log_tail());
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        anyhow::bail!("the host does not stop:\n{}", self.log_tail())
    }

    /// Memory it holds now, and the most it ever held, bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok(Memory { rss_bytes: status_bytes(&status, "VmRSS:")?, peak_bytes: status_bytes(&status, "VmHWM:")? })
    }

    /// Processor time it has used so far, on all cores.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(&std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?)
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the host has no process id")
    }

    fn log_tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // After a stop both find nobody, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) rss_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// A loopback address nobody listens on. Between this and the host's bind another process could take it; then the
/// host says so and the run ends.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A line of `/proc/PID/status`, such as `VmRSS:     1234 kB`.
fn status_bytes(status: &str, field: &str) -> anyhow::Result<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib << 10)
        .with_context(|| format!("/proc says nothing about {field}"))
}

/// User and system time of `/proc/PID/stat`: the 14th and 15th fields, counted past the name, which may hold anything.
fn cpu_time(stat: &str) -> anyhow::Result<Duration> {
    let fields = stat.rsplit_once(')').context("/proc says nothing about the process")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tstoker\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(status_bytes(status, "VmRSS:").unwrap(), 1 << 20);
        assert_eq!(status_bytes(status, "VmHWM:").unwrap(), 2 << 20);
        assert!(status_bytes(status, "VmSwap:").is_err());
    }

    #[test]
    fn processor_time_is_user_and_system_time() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 30 20 9 9 20 0 1 0 5 0 0";
        let ticks = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap();
        assert_eq!(cpu_time(stat).unwrap(), Duration::from_secs(50) / ticks);
        assert!(cpu_time("").is_err());
    }

    #[test]
    fn a_free_address_is_loopback() {
        let address = free_address().unwrap();
        assert!(address.ip().is_loopback() && address.port() != 0);
    }
}
