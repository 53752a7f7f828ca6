//! Preview-1 programs: limits, exit codes, streams.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::job::{ExitFailure, FailureReason, GuestType, HandlerVerdict, LogLevel, Outcome, StdinFormat, StdoutFormat};
use crate::sandbox::Invocation;
use crate::sandbox::testing::{Bench, failure, output};

/// What a case does to the invocation, given a short time.
type Change = fn(&mut Invocation, Duration);

const EXIT_0: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// A program that writes `text` to `fd`, `times` times, then does `rest`.
fn printer(fd: u32, text: &str, times: u32, rest: &str) -> String {
    let escaped = text.bytes().fold(String::new(), |escaped, byte| escaped + &format!("\\{byte:02x}"));
    let length = text.len();
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2)
        (data (i32.const 0) "\10\00\00\00") (data (i32.const 16) "{escaped}")
        (func (export "_start") (local $n i32)
            (i32.store (i32.const 4) (i32.const {length}))
            (loop $again
                (drop (call $write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8)))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))
            {rest}))"#
    )
}

fn text_out(invocation: &mut Invocation) {
    invocation.plain.stdout = StdoutFormat::Text;
}

#[tokio::test]
async fn every_limit_has_its_own_reason_and_the_next_job_runs() {
    let bench = Bench::new();
    let looping = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
    let growing = r#"(module (memory (export "memory") 1) (func (export "_start")
        (loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable))"#;
    let table = r#"(module (memory (export "memory") 1) (table $t 1 funcref) (func (export "_start")
        (loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 4000)) (i32.const 0)))) unreachable))"#;
    let born_big = r#"(module (memory (export "memory") 3000) (func (export "_start")))"#;
    let recursing = r#"(module (memory (export "memory") 1)
        (func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (i64.const 1)))
        (func (export "_start") (drop (call $deep (i64.const 1)))))"#;
    let copying = r#"(module (memory (export "memory") 1000) (func (export "_start")
        (loop $l (memory.copy (i32.const 0) (i32.const 1) (i32.const 65000000)) (br $l))))"#;
    let sleeping = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store8 (i32.const 8) (i32.const 0))
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 3600000000000))
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;
    let calling = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (memory (export "memory") 1) (func (export "_start") (loop $l (drop (call $yield)) (br $l))))"#;
    let short = Duration::from_millis(200);
    let changes: [(&str, &str, Change, FailureReason); 10] = [
        ("loop, fuel", looping, |i, _| i.limits.fuel = 1_000_000, FailureReason::FuelExhausted),
        (
            "loop, time",
            looping,
            |i, short| (i.limits.timeout, i.limits.fuel) = (short, u64::MAX),
            FailureReason::Timeout,
        ),
        ("memory.grow", growing, |i, _| i.limits.memory_bytes = 8 << 20, FailureReason::MemoryExceeded),
        ("table.grow", table, |i, _| i.limits.memory_bytes = 80_000, FailureReason::MemoryExceeded),
        ("initial memory", born_big, |_, _| (), FailureReason::MemoryExceeded),
        ("recursion", recursing, |_, _| (), FailureReason::StackOverflow),
        (
            "memory.copy",
            copying,
            |i, short| (i.limits.timeout, i.limits.fuel) = (short, u64::MAX),
            FailureReason::Timeout,
        ),
        ("sleep", sleeping, |i, short| i.limits.timeout = short, FailureReason::Timeout),
        (
            "sleep past its calls",
            sleeping,
            |i, short| (i.limits.timeout, i.limits.host_calls) = (short, 0),
            FailureReason::HostCallsExceeded,
        ),
        ("host calls", calling, |i, _| i.limits.host_calls = 100, FailureReason::HostCallsExceeded),
    ];
    for (name, wat, change, reason) in changes {
        let started = Instant::now();
        let execution = bench.run_with(GuestType::CoreCommand, wat, |invocation| change(invocation, short)).await;
        assert_eq!(failure(&execution).reason, reason, "{name}: {execution:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
        if reason == FailureReason::HostCallsExceeded {
            assert!(execution.receipt.host_calls < 110, "{}", execution.receipt.host_calls);
        }
        let next = bench.run_with(GuestType::CoreCommand, EXIT_0, text_out).await;
        assert_eq!(output(&next), "\"\"", "after {name}");
    }
}

/// No tick comes between calls in a straight line, however they end.
#[tokio::test]
async fn calls_past_the_limit_are_found_when_the_guest_ends() {
    let bench = Bench::new();
    let calls = "(drop (call $yield))".repeat(20);
    for end in ["", "(call $exit (i32.const 0))", "unreachable"] {
        let wat = format!(
            r#"(module
            (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1) (func (export "_start") {calls} {end}))"#
        );
        let run = |host_calls: u64| {
            bench.run_with(GuestType::CoreCommand, &wat, move |invocation| {
                text_out(invocation);
                invocation.limits.host_calls = host_calls;
            })
        };
        assert_eq!(failure(&run(10).await).reason, FailureReason::HostCallsExceeded, "{end}");
        let enough = run(21).await;
        if end == "unreachable" {
            assert_eq!(failure(&enough).reason, FailureReason::Trap);
        } else {
            assert_eq!(output(&enough), "\"\"", "{end}");
        }
    }
}

#[tokio::test]
async fn a_table_past_its_bound_is_told() {
    let bench = Bench::new();
    let execution = bench
        .command(
            r#"(module (memory (export "memory") 1) (table $t 1 funcref) (func (export "_start")
            (if (i32.lt_s (table.grow $t (ref.null func) (i32.const 20000)) (i32.const 0)) (then unreachable))))"#,
        )
        .await;
    let failure = failure(&execution);
    assert_eq!(failure.reason, FailureReason::MemoryExceeded);
    assert!(failure.message.contains("a table of more than 20000 elements"), "{}", failure.message);
}

/// Guests of the largest shape there may be, more of them than there is room for, all of which want to sleep at once.
#[tokio::test]
async fn who_finds_no_room_waits_for_it() {
    let bench = Bench::with(|options| options.instances_max = 2);
    let large = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) {} {}
        (func (export "_start")
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 100000000))
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#,
        "(memory 1)".repeat(9),
        "(table 1 funcref)".repeat(40),
    );
    let runs = (0..5).map(|_| bench.run_with(GuestType::CoreCommand, &large, text_out));
    for execution in futures_util::future::join_all(runs).await {
        assert_eq!(output(&execution), "\"\"");
    }
}

#[tokio::test]
async fn a_refused_growth_that_the_program_copes_with_is_no_failure_of_memory() {
    let bench = Bench::new();
    let grow = "(drop (memory.grow (i32.const 60000)))";
    for (code, reason) in
        [(75, FailureReason::HandlerError), (65, FailureReason::HandlerError), (1, FailureReason::MemoryExceeded)]
    {
        let execution =
            bench.command(&printer(2, "why\n", 1, &format!("{grow} (call $exit (i32.const {code}))"))).await;
        assert_eq!(failure(&execution).reason, reason, "{code}");
    }
}

#[tokio::test]
async fn a_trap_names_its_function() {
    let bench = Bench::new();
    let execution = bench
        .command(
            r#"(module (memory (export "memory") 1) (func $read_past_the_end (drop (i32.load (i32.const -1))))
            (func (export "_start") (call $read_past_the_end)))"#,
        )
        .await;
    let failure = failure(&execution);
    assert_eq!(failure.reason, FailureReason::Trap);
    assert!(failure.message.contains("out of bounds memory access"), "{}", failure.message);
    let detail = failure.detail.as_deref().expect("a backtrace");
    assert!(detail.contains("read_past_the_end"), "{detail}");
}

#[tokio::test]
async fn the_last_words_of_a_panic_are_kept_although_the_log_is_full() {
    let bench = Bench::new();
    let wat = printer(2, "thread 'main' panicked at src/main.rs:1:1:\nboom\n", 3, "unreachable");
    let execution = bench.run_with(GuestType::CoreCommand, &wat, |invocation| invocation.limits.log_bytes = 0).await;
    let failure = failure(&execution);
    assert_eq!(failure.reason, FailureReason::Trap);
    assert!(failure.message.ends_with("panicked at src/main.rs:1:1: boom"), "{}", failure.message);
    assert!(failure.detail.as_deref().is_some_and(|detail| detail.contains("end of standard error")), "{failure:?}");
    assert!(execution.log.is_empty());
    assert_eq!(execution.log_lines_dropped, 6);
}

#[tokio::test]
async fn exit_codes_are_exact() {
    let bench = Bench::new();
    let exit = |code: i32| printer(2, "why\n", 1, &format!("(call $exit (i32.const {code}))"));
    assert_eq!(output(&bench.run_with(GuestType::CoreCommand, &exit(0), text_out).await), "\"\"");
    for (code, exit_failure, verdict) in [
        (75, ExitFailure::Fatal, Some(HandlerVerdict::Retry { after: None })),
        (65, ExitFailure::Retry, Some(HandlerVerdict::Fatal)),
        (1, ExitFailure::Retry, None),
        (2, ExitFailure::Fatal, Some(HandlerVerdict::Fatal)),
        (126, ExitFailure::Fatal, Some(HandlerVerdict::Fatal)),
        (255, ExitFailure::Retry, None),
        (256, ExitFailure::Fatal, Some(HandlerVerdict::Fatal)),
        (-1, ExitFailure::Fatal, Some(HandlerVerdict::Fatal)),
    ] {
        let execution = bench
            .run_with(GuestType::CoreCommand, &exit(code), |invocation| invocation.plain.exit_failure = exit_failure)
            .await;
        let failure = failure(&execution);
        assert_eq!((failure.reason, failure.verdict), (FailureReason::HandlerError, verdict), "{code}");
        assert_eq!(failure.message, format!("exited with code {code}: why"));
        assert_eq!(execution.log[0].level, LogLevel::Stderr);
    }
}

#[tokio::test]
async fn standard_output_is_the_output() {
    let bench = Bench::new();
    let json = bench.command(&printer(1, "{\"a\":[1]}\n", 1, "")).await;
    assert_eq!(output(&json), "{\"a\":[1]}\n");
    assert_eq!(json.receipt.output_bytes, 10);
    assert!(json.receipt.fuel_used > 0 && json.receipt.memory_peak_bytes == 2 * 65_536, "{:?}", json.receipt);
    let garbage = bench.command(&printer(1, "not json", 1, "")).await;
    assert_eq!(failure(&garbage).reason, FailureReason::InvalidOutput);
    let schema = crate::schema::BoundedSchema::compile(r#"{"type": "object", "required": ["b"]}"#).expect("a schema");
    let schema = crate::schema::SharedSchema::new(schema, crate::schema::SlowWork::default());
    let broken = bench
        .run_with(GuestType::CoreCommand, &printer(1, "{\"a\":[1]}\n", 1, ""), |invocation| {
            invocation.output_schema = Some(schema);
        })
        .await;
    assert_eq!(failure(&broken).reason, FailureReason::InvalidOutput);
    let started = Instant::now();
    let flood = bench
        .run_with(GuestType::CoreCommand, &printer(1, &"x".repeat(1_000), u32::MAX, ""), |invocation| {
            invocation.limits.host_calls = u64::MAX;
        })
        .await;
    assert_eq!(failure(&flood).reason, FailureReason::OutputTooLarge);
    assert!(started.elapsed() < Duration::from_secs(10), "ended as soon as it was too much");
}

#[tokio::test]
async fn a_flood_of_log_lines_kills_nothing() {
    let bench = Bench::new();
    let execution = bench
        .run_with(GuestType::CoreCommand, &printer(2, "line\n", 5_000, ""), |invocation| {
            invocation.limits.log_bytes = 1_000;
            invocation.plain.stdout = StdoutFormat::Text;
        })
        .await;
    assert_eq!(output(&execution), "\"\"");
    assert_eq!(execution.log.len() as u64 + execution.log_lines_dropped, 5_000);
}

/// Copies standard input to standard output, then says what its arguments and environment measure.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (loop $more
            (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (if (i32.load (i32.const 8)) (then
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
                (br $more))))))"#;

#[tokio::test]
async fn standard_input_is_the_payload() {
    let bench = Bench::new();
    let payload = Bytes::from_static(b"{\"deep\": [1, 2]}");
    let json = bench.run_with(GuestType::CoreCommand, ECHO, |invocation| invocation.payload = payload.clone()).await;
    assert_eq!(output(&json), "{\"deep\": [1, 2]}");
    let text = |payload: &'static str| {
        bench.run_with(GuestType::CoreCommand, ECHO, move |invocation| {
            invocation.payload = Bytes::from_static(payload.as_bytes());
            invocation.plain.stdin = StdinFormat::Text;
            invocation.plain.stdout = StdoutFormat::Text;
        })
    };
    assert_eq!(output(&text(r#""Title\n""#).await), r#""Title\n""#);
    assert_eq!(failure(&text("[1]").await).reason, FailureReason::InvalidPayload);
}

#[tokio::test]
async fn arguments_and_environment_are_the_kinds_and_the_jobs_facts() {
    let bench = Bench::new();
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $args_sizes (i32.const 0) (i32.const 16)))
            (drop (call $args (i32.const 100) (i32.const 1000)))
            (drop (call $env_sizes (i32.const 0) (i32.const 20)))
            (drop (call $env (i32.const 100) (i32.add (i32.const 1000) (i32.load (i32.const 16)))))
            (i32.store (i32.const 4) (i32.const 1000))
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 16)) (i32.load (i32.const 20))))
            (drop (call $write (i32.const 1) (i32.const 4) (i32.const 1) (i32.const 12)))))"#;
    let execution = bench
        .run_with(GuestType::CoreCommand, wat, |invocation| {
            invocation.plain.stdout = StdoutFormat::Text;
            invocation.plain.args = vec!["-c".to_owned()];
            invocation.plain.env = vec![("MODE".to_owned(), "fast".to_owned())];
        })
        .await;
    let text: String = serde_json::from_str(output(&execution)).expect("a string");
    let words: Vec<&str> = text.split_terminator('\0').collect();
    assert_eq!(words[..3], ["test.kind", "-c", "MODE=fast"]);
    assert!(words[3].starts_with("STOKER_JOB_ID=job_"), "{words:?}");
    assert_eq!(words[4..], ["STOKER_ATTEMPT=1", "STOKER_TENANT=default", "STOKER_KIND=test.kind"]);
}

#[tokio::test]
async fn an_interrupt_ends_the_busy_and_the_sleeping() {
    let bench = Bench::new();
    let busy = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
    let asleep = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 3600000000000))
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;
    for wat in [busy, asleep] {
        for reason in [FailureReason::Cancelled, FailureReason::Shutdown] {
            let running = bench.run_with(GuestType::CoreCommand, wat, |invocation| {
                invocation.limits.fuel = u64::MAX;
                let interrupt = invocation.interrupt.clone();
                // Raised from elsewhere, whenever that may be in the guest's life.
                std::thread::spawn(move || interrupt.raise(reason));
            });
            assert_eq!(failure(&running.await).reason, reason);
        }
    }
}

#[tokio::test]
async fn guests_share_a_thread() {
    let bench = Bench::new();
    let busy = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
    // More busy guests than threads, and a short one among them.
    let hogs = (0..3).map(|_| {
        bench.run_with(GuestType::CoreCommand, busy, |invocation| {
            invocation.limits.fuel = u64::MAX;
            invocation.limits.timeout = Duration::from_secs(3);
        })
    });
    let quick = async {
        let started = Instant::now();
        let execution = bench.run_with(GuestType::CoreCommand, EXIT_0, text_out).await;
        assert!(matches!(execution.outcome, Outcome::Succeeded { .. }), "{execution:?}");
        started.elapsed()
    };
    let mut hogs: Vec<_> = hogs.collect();
    let (a, b, c) = (hogs.remove(0), hogs.remove(0), hogs.remove(0));
    let (a, b, c, quick) = tokio::join!(a, b, c, quick);
    for hog in [a, b, c] {
        assert_eq!(failure(&hog).reason, FailureReason::Timeout);
    }
    assert!(quick < Duration::from_secs(2), "waited {quick:?} for busy neighbours");
}
