//! What the system allows a process, compared with what a host with this configuration would use.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::super::quantities::bytes;
use super::finding::Findings;
use crate::api::OTHER_FILES_MAX;
use crate::app;
use crate::artifact_folder::ArtifactFolder;
use crate::config::Config;
use crate::sandbox::Sandbox;

const CGROUPS: &str = "/sys/fs/cgroup";

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    check_cores(config, cores, findings);
    check_open_files(config, findings);
    check_address_space(config, cores, findings);
    check_memory(config, findings);
}

fn check_cores(config: &Config, cores: usize, findings: &mut Findings) {
    let message = format!("{cores} for {} attempts at once", config.workers);
    match quota(&own_cgroup()) {
        Some(quota) if quota < 1.0 => {
            let advice = "guests and API share it, and answers may wait for whole periods: allow at least one core";
            findings.note("cores", format!("{message}; the cgroup allows {quota:.2} of them"), advice);
        }
        _ => findings.ok("cores", message),
    }
}

fn check_open_files(config: &Config, findings: &mut Findings) {
    let connections = u64::try_from(config.requests.connections_max).unwrap_or(u64::MAX);
    let wanted = connections.saturating_add(OTHER_FILES_MAX);
    let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if allowed < wanted {
        let message = format!("{allowed} are allowed: fewer than {connections} connections (`connections_max`) need");
        let advice = format!("a host takes fewer connections then; `ulimit -Hn {wanted}`, or lower --connections-max");
        findings.note("open files", message, advice);
    } else {
        findings.ok("open files", format!("enough for {connections} connections"));
    }
}

/// Really reserves what a host would, and gives it back.
fn check_address_space(config: &Config, cores: usize, findings: &mut Findings) {
    // Nothing is made or looked at there.
    let artifacts = ArtifactFolder::shared(PathBuf::new());
    match Sandbox::try_to_reserve(&app::sandbox_options(config, cores, &artifacts)) {
        Ok(()) => findings.ok("address space", "enough for a pool of instances"),
        Err(error) => {
            let overcommits = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
            let advice = if overcommits.trim() == "2" {
                "the system promises no more memory than it has: `sysctl vm.overcommit_memory=0`, or lower --workers"
            } else {
                "raise the limit on virtual memory (`ulimit -v unlimited`), or lower --workers"
            };
            let message = format!("too little for a pool of instances, so jobs start and run slower: {error}");
            findings.problem("address space", message, advice);
        }
    }
}

fn check_memory(config: &Config, findings: &mut Findings) {
    let machine = meminfo_bytes("MemTotal:").unwrap_or(u64::MAX);
    let cgroup = limit_bytes(&own_cgroup()).unwrap_or(u64::MAX);
    let there = machine.min(cgroup);
    let whose = if cgroup < machine { "the cgroup allows" } else { "the machine has" };
    let guests = u64::from(config.workers).saturating_mul(config.limits.defaults.memory_bytes);
    let compiler = config.compile.memory_bytes;
    let message = format!(
        "{whose} {}; {} guests at their limit would need {}, a compiler {}",
        bytes(there),
        config.workers,
        bytes(guests),
        bytes(compiler)
    );
    if there < guests.saturating_add(compiler) {
        let advice = "few guests come near their limit; where many do, lower --workers, --memory or --compile-memory";
        findings.note("memory", message, advice);
    } else {
        findings.ok("memory", message);
    }
}

fn meminfo_bytes(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let row = text.lines().find_map(|row| row.strip_prefix(name))?;
    row.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// The folders of the process's cgroup and of those above it; none but of version 2.
fn own_cgroup() -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = text.lines().find_map(|row| row.strip_prefix("0::/")).unwrap_or_default();
    let own = Path::new(CGROUPS).join(own);
    own.ancestors().take_while(|level| level.starts_with(CGROUPS)).map(Path::to_owned).collect()
}

/// The tightest limit on memory.
fn limit_bytes(cgroups: &[PathBuf]) -> Option<u64> {
    let limit = |cgroup: &PathBuf| std::fs::read_to_string(cgroup.join("memory.max")).ok()?.trim().parse().ok();
    cgroups.iter().filter_map(limit).min()
}

/// The tightest limit on processor time, cores.
fn quota(cgroups: &[PathBuf]) -> Option<f64> {
    let quota = |cgroup: &PathBuf| {
        let text = std::fs::read_to_string(cgroup.join("cpu.max")).ok()?;
        let (quota, period) = text.trim().split_once(' ')?;
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    };
    cgroups.iter().filter_map(quota).min_by(f64::total_cmp)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_counts() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        for (folder, memory, cpu) in [(dir.path(), "1048576\n", "50000 100000\n"), (&*inner, "max\n", "max 100000\n")] {
            std::fs::write(folder.join("memory.max"), memory).unwrap();
            std::fs::write(folder.join("cpu.max"), cpu).unwrap();
        }
        let levels = [inner, dir.path().to_owned()];
        assert_eq!(limit_bytes(&levels), Some(1 << 20));
        assert_eq!(quota(&levels), Some(0.5));
        assert_eq!((limit_bytes(&levels[..1]), quota(&levels[..1])), (None, None));
    }

    #[test]
    fn the_kernel_says_how_much_memory_there_is() {
        assert!(meminfo_bytes("MemTotal:").is_some_and(|bytes| bytes > 1 << 20));
    }
}
