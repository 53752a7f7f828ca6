//! The one engine configuration, for compiling and for running, with a reason beside each setting.
//! Compiling needs no pool of instances: everything else must be equal, or artifacts would not load.

use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::model::{SandboxError, SandboxOptions};

/// Wasm stack of a guest. Deep enough for interpreters (`CPython`, `StarlingMonkey`), which recurse by design.
const WASM_STACK_BYTES: usize = 1 << 20;
/// Native stack under it: the wasm stack and as much again for host calls made at its very end.
const FIBER_STACK_BYTES: usize = 2 << 20;
/// Address space reserved per memory: all a 32-bit guest can name, so that loads and stores need no bounds checks.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Unmapped bytes after it: catches constant offsets, for the same reason.
const MEMORY_GUARD_BYTES: u64 = 32 << 20;
/// Where the address space is short: a memory has the bytes it uses, some to grow into, and a small guard. Accesses are
/// checked by the code itself, which costs guests some speed.
const SHORT_RESERVATION_BYTES: u64 = 0;
const SHORT_GROWTH_BYTES: u64 = 8 << 20;
const SHORT_GUARD_BYTES: u64 = 64 << 10;
/// Memory that stays mapped when an instance ends. At least what usual guests touch: below it no `madvise` is made,
/// so that cores don't queue on the kernel's lock of the address space.
const MEMORY_KEPT_BYTES: usize = 4 << 20;
/// Elements of a table. Go and Python guests need 8,000.
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Pointers of one table: stay mapped, as memory does.
const TABLE_KEPT_BYTES: usize = TABLE_ELEMENTS_MAX * size_of::<usize>();
/// componentize-py links dozens of core modules into one component.
const CORE_INSTANCES_PER_GUEST_MAX: u32 = 200;
/// Composed components have one memory each.
pub(super) const MEMORIES_PER_GUEST_MAX: u32 = 10;
/// And each core module may have a table.
pub(super) const TABLES_PER_GUEST_MAX: u32 = 40;
/// Bytes of runtime structures of one core instance; large modules have thousands of functions.
const INSTANCE_BYTES_MAX: usize = 4 << 20;
/// Frames in a trap's backtrace.
const BACKTRACE_FRAMES_MAX: usize = 64;

/// How much address space there is; compiled code depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressSpace {
    /// Enough to reserve all a guest could name.
    Ample,
    /// Limited (`ulimit -v`, some containers).
    Short,
}

impl AddressSpace {
    /// The word on the compiling process's command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            AddressSpace::Ample => "ample",
            AddressSpace::Short => "short",
        }
    }
}

/// Everything that decides what compiled code looks like, and what does no harm to set while compiling.
fn config(space: AddressSpace) -> Config {
    let mut config = Config::new();
    // A guest's work is counted, and ends when it is used up.
    config.consume_fuel(true);
    // A busy guest gives its thread away at every tick, and can be ended there.
    config.epoch_interruption(true);
    // No component-model async here; without its bookkeeping an instance is made in a third of the time.
    config.concurrency_support(false);
    // A guest with threads could outlive its call and escape fuel accounting.
    config.shared_memory(false);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(FIBER_STACK_BYTES);
    match space {
        AddressSpace::Ample => {
            config.memory_reservation(MEMORY_RESERVATION_BYTES);
            config.memory_guard_size(MEMORY_GUARD_BYTES);
        }
        AddressSpace::Short => {
            config.memory_reservation(SHORT_RESERVATION_BYTES);
            config.memory_reservation_for_growth(SHORT_GROWTH_BYTES);
            config.memory_guard_size(SHORT_GUARD_BYTES);
        }
    }
    // Initial memory is mapped, not copied.
    config.memory_init_cow(true);
    // Function names in the backtrace of a trap: the first thing an author asks for.
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    // Source lines would need DWARF, which most uploads don't carry and which is slow to read at a trap.
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    // Native unwind tables serve native profilers only.
    config.native_unwind_info(false);
    // Compiling uses all cores the child process is given.
    config.parallel_compilation(true);
    config
}

/// The engine of the compiling process.
pub(super) fn compiling_engine(space: AddressSpace) -> wasmtime::Result<Engine> {
    Engine::new(&config(space))
}

fn pooled_engine(options: &SandboxOptions) -> wasmtime::Result<Engine> {
    let mut pooled = config(AddressSpace::Ample);
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    Engine::new(&pooled)
}

/// Whether the system gives the address space a host with these options would reserve; else why not.
pub(super) fn try_to_reserve(options: &SandboxOptions) -> Result<(), String> {
    pooled_engine(options).map(drop).map_err(|error| format!("{error:#}"))
}

/// The engine guests run in: instances come from a pool reserved at start, or, where the address space is too small
/// for one (containers with a limit on it), from the system.
pub(super) fn running_engine(options: &SandboxOptions) -> Result<(Engine, AddressSpace), SandboxError> {
    match pooled_engine(options) {
        Ok(engine) => Ok((engine, AddressSpace::Ample)),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot reserve address space for a pool of instances; jobs will take several times longer to start and \
                 run slower. Raise the limit on virtual memory (ulimit -v) or lower --workers"
            );
            let engine = Engine::new(&config(AddressSpace::Short));
            let engine = engine.map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
            Ok((engine, AddressSpace::Short))
        }
    }
}

fn pool(options: &SandboxOptions) -> PoolingAllocationConfig {
    let instances = options.instances_max.max(1);
    // Room for every guest at its maximum, so that none ever waits for what another one has: it is address space only.
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_GUEST_MAX))
        .total_memories(instances.saturating_mul(MEMORIES_PER_GUEST_MAX))
        .total_tables(instances.saturating_mul(TABLES_PER_GUEST_MAX))
        // One guest runs on one fiber.
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES_PER_GUEST_MAX)
        .max_memories_per_component(MEMORIES_PER_GUEST_MAX)
        .max_tables_per_component(TABLES_PER_GUEST_MAX)
        .max_memories_per_module(MEMORIES_PER_GUEST_MAX)
        .max_tables_per_module(TABLES_PER_GUEST_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(MEMORY_KEPT_BYTES)
        .table_keep_resident(TABLE_KEPT_BYTES)
        // Where the kernel can tell which pages were touched, only those are reset.
        .pagemap_scan(if cfg!(target_os = "linux") { Enabled::Auto } else { Enabled::No });
    pool
}

/// Names what compiled code depends on: wasmtime's version, the processor's features, the settings above. Artifacts
/// are kept under it.
pub(super) fn compatibility(engine: &Engine) -> String {
    let mut hasher = StableHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A [`Hasher`] that gives the same answer in every build, unlike the standard library's.
struct StableHasher(Sha256);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testing::options;

    #[test]
    fn what_is_compiled_can_be_run() {
        let directory = tempfile::tempdir().expect("a directory");
        let (running, space) = running_engine(&options(directory.path())).expect("an engine");
        let compiling = compiling_engine(space).expect("an engine");
        assert_eq!((space, compatibility(&running)), (AddressSpace::Ample, compatibility(&compiling)));
        // Code that relies on reserved address space must not be taken for code that does not.
        let short = compiling_engine(AddressSpace::Short).expect("an engine");
        assert_ne!(compatibility(&running), compatibility(&short));
        assert!(running.get_pooling_config().is_some(), "the pool was reserved");
    }
}
