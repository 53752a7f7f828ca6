//! Components: handlers written in text, and commands.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::job::{FailureReason, GuestType, HandlerVerdict, LogLevel, Outcome, Suspension, Timestamp};
use crate::sandbox::invocation::FUEL_NOTED_UNITS;
use crate::sandbox::testing::{Bench, failure, output};
use crate::sandbox::{DescribeError, sandbox_floor};

/// A handler whose core functions are `describe` and `run`, with the interface around them. The core code finds its
/// payload at `$payload`, `$length` bytes long, and has `$log`, `$report`, `$fuel` to call.
/// Results are written at 64: discriminant, then what it holds.
fn handler(describe: &str, run: &str) -> String {
    format!(
        r#"(component
  (import "stoker:handler/types@1.0.0" (instance $types
    (type $context1 (record (field "job-id" string) (field "tenant" string) (field "kind" string)
      (field "queue" string) (field "attempt" u32) (field "max-attempts" u32) (field "created-at-ms" u64)
      (field "run-at-ms" u64) (field "deadline-ms" u64)))
    (export "context" (type $context0 (eq $context1)))
    (type $retry1 (record (field "message" string) (field "after-ms" (option u64))))
    (export "retry" (type $retry0 (eq $retry1)))
    (type $failure1 (variant (case "retry" $retry0) (case "fatal" string) (case "snooze" u64)))
    (export "failure" (type $failure0 (eq $failure1)))
    (type $description1 (record (field "name" string) (field "description" (option string))
      (field "input-schema" string) (field "output-schema" string) (field "settings" (option string))))
    (export "kind-description" (type $description0 (eq $description1)))))
  (alias export $types "context" (type $context'))
  (alias export $types "retry" (type $retry'))
  (alias export $types "failure" (type $failure'))
  (alias export $types "kind-description" (type $description'))
  (import "stoker:handler/logging@1.0.0" (instance $logging
    (type $level (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $l (eq $level)))
    (export "log" (func (param "level" $l) (param "message" string)))))
  (import "stoker:handler/progress@1.0.0" (instance $progress
    (export "report" (func (param "done" u64) (param "total" (option u64)) (param "message" (option string))))))
  (import "stoker:handler/attempt@1.0.0" (instance $attempt
    (export "is-cancelled" (func (result bool)))
    (export "remaining-time-ms" (func (result u64)))
    (export "remaining-fuel" (func (result u64)))))
  (core module $memory
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
  (core func $log (canon lower (func $logging "log") (memory $mem) (realloc $realloc)))
  (core func $report (canon lower (func $progress "report") (memory $mem) (realloc $realloc)))
  (core func $fuel (canon lower (func $attempt "remaining-fuel")))
  (core module $code
    (import "m" "memory" (memory 2))
    (import "h" "log" (func $log (param i32 i32 i32)))
    (import "h" "report" (func $report (param i64 i32 i64 i32 i32 i32)))
    (import "h" "fuel" (func $fuel (result i64)))
    (data (i32.const 256) "greet") (data (i32.const 272) "true") (data (i32.const 288) "{{\22timeout\22:\225s\22}}")
    (data (i32.const 320) "\22hello\22") (data (i32.const 336) "try later")
    (func (export "describe") (result i32) {describe})
    (func (export "run") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64 i64)
      (param $payload i32) (param $length i32) (result i32)
      {run}))
  (core instance $h (export "log" (func $log)) (export "report" (func $report)) (export "fuel" (func $fuel)))
  (core instance $c (instantiate $code (with "m" (instance $m)) (with "h" (instance $h))))
  (component $shape
    (type $context1 (record (field "job-id" string) (field "tenant" string) (field "kind" string)
      (field "queue" string) (field "attempt" u32) (field "max-attempts" u32) (field "created-at-ms" u64)
      (field "run-at-ms" u64) (field "deadline-ms" u64)))
    (import "import-context" (type $context0 (eq $context1)))
    (type $retry1 (record (field "message" string) (field "after-ms" (option u64))))
    (import "import-retry" (type $retry0 (eq $retry1)))
    (type $failure1 (variant (case "retry" $retry0) (case "fatal" string) (case "snooze" u64)))
    (import "import-failure" (type $failure0 (eq $failure1)))
    (type $description1 (record (field "name" string) (field "description" (option string))
      (field "input-schema" string) (field "output-schema" string) (field "settings" (option string))))
    (import "import-kind-description" (type $description0 (eq $description1)))
    (import "import-describe" (func $describe (result (list $description0))))
    (import "import-run" (func $run (param "context" $context0) (param "payload" string)
      (result (result string (error $failure0)))))
    (export $context "context" (type $context0))
    (export $retry "retry" (type $retry0))
    (export $failure "failure" (type $failure0))
    (export $description "kind-description" (type $description0))
    (export "describe" (func $describe) (func (result (list $description))))
    (export "run" (func $run) (func (param "context" $context) (param "payload" string)
      (result (result string (error $failure))))))
  (func $describe (result (list $description'))
    (canon lift (core func $c "describe") (memory $mem) (realloc $realloc)))
  (func $run (param "context" $context') (param "payload" string) (result (result string (error $failure')))
    (canon lift (core func $c "run") (memory $mem) (realloc $realloc)))
  (instance $exported (instantiate $shape
    (with "import-context" (type $context')) (with "import-retry" (type $retry'))
    (with "import-failure" (type $failure')) (with "import-kind-description" (type $description'))
    (with "import-describe" (func $describe)) (with "import-run" (func $run))))
  (export "stoker:handler/handler@1.0.0" (instance $exported)))"#
    )
}

/// One kind, `greet`, that takes and gives anything, with a timeout of 5 s.
const GREET: &str = "
    (i32.store (i32.const 512) (i32.const 256)) (i32.store (i32.const 516) (i32.const 5))
    (i32.store (i32.const 532) (i32.const 272)) (i32.store (i32.const 536) (i32.const 4))
    (i32.store (i32.const 540) (i32.const 272)) (i32.store (i32.const 544) (i32.const 4))
    (i32.store (i32.const 548) (i32.const 1)) (i32.store (i32.const 552) (i32.const 288))
    (i32.store (i32.const 556) (i32.const 16))
    (i32.store (i32.const 40) (i32.const 512)) (i32.store (i32.const 44) (i32.const 1)) (i32.const 40)";

/// Returns its payload.
const ECHO: &str = "
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 72) (local.get $payload)) (i32.store (i32.const 76) (local.get $length)) (i32.const 64)";

#[tokio::test]
async fn a_handler_gets_its_payload_and_returns_an_output() {
    let bench = Bench::new();
    let wat = handler(GREET, ECHO);
    let execution = bench
        .run_with(GuestType::Handler, &wat, |invocation| invocation.payload = Bytes::from_static(b"{\"n\":[1,2]}"))
        .await;
    assert_eq!(output(&execution), "{\"n\":[1,2]}");
    let receipt = execution.receipt;
    assert!(receipt.fuel_used > 0 && receipt.memory_peak_bytes == 2 * 65_536 && receipt.host_calls == 0, "{receipt:?}");
    let garbage = bench
        .run_with(GuestType::Handler, &wat, |invocation| invocation.payload = Bytes::from_static(b"no json"))
        .await;
    assert_eq!(failure(&garbage).reason, FailureReason::InvalidOutput);
    let large = bench
        .run_with(GuestType::Handler, &wat, |invocation| {
            invocation.payload = Bytes::from(format!("\"{}\"", "x".repeat(1_000)));
            invocation.limits.output_bytes = 1_000;
        })
        .await;
    assert_eq!(failure(&large).reason, FailureReason::OutputTooLarge);
}

#[tokio::test]
async fn a_handler_asks_for_its_slot() {
    let bench = Bench::new();
    // One built for the version of the interface that has the question; it answers only where the slot is this one.
    let asking = |slot_ms: i64| {
        let run = format!(
            "(call $slot (i32.const 1024))
            (if (i32.eqz (i32.load8_u (i32.const 1024))) (then unreachable))
            (if (i64.ne (i64.load (i32.const 1032)) (i64.const {slot_ms})) (then unreachable))
            {ECHO}"
        );
        handler(GREET, &run)
            .replace("handler/attempt@1.0.0", "handler/attempt@1.3.0")
            .replace("(export \"remaining-fuel\" (func (result u64)))", "(export \"remaining-fuel\" (func (result u64)))\n    (export \"slot-time-ms\" (func (result (option u64))))")
            .replace("(core module $code", "(core func $slot (canon lower (func $attempt \"slot-time-ms\") (memory $mem)))\n  (core module $code")
            .replace("(import \"h\" \"log\"", "(import \"h\" \"slot\" (func $slot (param i32)))\n    (import \"h\" \"log\"")
            .replace("(export \"log\" (func $log)) (export \"report\"", "(export \"slot\" (func $slot)) (export \"log\" (func $log)) (export \"report\"")
    };
    let slot = Timestamp(1_800_000_000_123);
    let told = bench
        .run_with(GuestType::Handler, &asking(slot.as_ms()), |invocation| invocation.context.slot_at = Some(slot))
        .await;
    assert_eq!(output(&told), "{}");
    assert_eq!(told.receipt.host_calls, 1);
    let none = bench.run_with(GuestType::Handler, &asking(slot.as_ms()), |_| {}).await;
    assert_eq!(failure(&none).reason, FailureReason::Trap, "there is no slot to be told");
}

#[tokio::test]
async fn a_handler_is_described() {
    let bench = Bench::new();
    let digest = bench.add(&handler(GREET, ECHO));
    let kinds = bench.sandbox.describe(digest).await.expect("describes itself");
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].name.as_str(), "greet");
    assert_eq!(kinds[0].settings.limits.timeout_ms, Some(5_000));

    let trapping = bench.add(&handler("unreachable", ECHO));
    let error = bench.sandbox.describe(trapping).await.expect_err("traps");
    let DescribeError::Failed { message, detail } = error else { panic!("{error:?}") };
    assert!(message.starts_with("trap: "), "{message}");
    assert!(detail.is_some_and(|detail| detail.contains("wasm backtrace")));

    let empty = bench.add(&handler("(i64.store (i32.const 40) (i64.const 0)) (i32.const 40)", ECHO));
    assert!(matches!(bench.sandbox.describe(empty).await, Err(DescribeError::Invalid(_))));
}

#[tokio::test]
async fn a_handler_fails_as_it_says() {
    let bench = Bench::new();
    let failing = |case: &str, fields: &str| {
        let run = format!(
            "(i32.store (i32.const 64) (i32.const 1)) (i32.store (i32.const 72) (i32.const {case})) {fields} (i32.const 64)"
        );
        handler(GREET, &run)
    };
    let message = "(i32.store (i32.const 80) (i32.const 336)) (i32.store (i32.const 84) (i32.const 9))";
    let after = "(i64.store (i32.const 88) (i64.const 1)) (i64.store (i32.const 96) (i64.const 1500))";
    for (wat, verdict) in [
        (failing("0", message), HandlerVerdict::Retry { after: None }),
        (
            failing("0", &format!("{message} {after}")),
            HandlerVerdict::Retry { after: Some(Duration::from_millis(1_500)) },
        ),
        (failing("1", message), HandlerVerdict::Fatal),
    ] {
        let execution = bench.run_with(GuestType::Handler, &wat, |_| {}).await;
        let failure = failure(&execution);
        assert_eq!(failure.reason, FailureReason::HandlerError);
        assert_eq!((failure.message.as_str(), failure.verdict), ("try later", Some(verdict)));
    }
    let snooze = failing("2", "(i64.store (i32.const 80) (i64.const 2500))");
    let execution = bench.run_with(GuestType::Handler, &snooze, |_| {}).await;
    let resume_after = Duration::from_millis(2_500);
    assert_eq!(execution.outcome, Outcome::Suspended(Suspension::Snooze { resume_after }));
}

#[tokio::test]
async fn limits_hold_for_handlers_too() {
    let bench = Bench::new();
    let busy = handler(GREET, "(loop $l (br $l)) (i32.const 0)");
    let greedy =
        handler(GREET, "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable");
    let chatty =
        handler(GREET, "(loop $l (call $log (i32.const 2) (i32.const 336) (i32.const 9)) (br $l)) (i32.const 0)");
    let fuel = bench.run_with(GuestType::Handler, &busy, |invocation| invocation.limits.fuel = 100_000).await;
    assert_eq!(failure(&fuel).reason, FailureReason::FuelExhausted);
    assert_eq!(fuel.receipt.fuel_used, 100_000);
    let started = Instant::now();
    let timeout = bench
        .run_with(GuestType::Handler, &busy, |invocation| {
            invocation.limits.fuel = u64::MAX;
            invocation.limits.timeout = Duration::from_millis(300);
        })
        .await;
    assert_eq!(failure(&timeout).reason, FailureReason::Timeout);
    assert!(started.elapsed() < Duration::from_secs(10));
    // Whatever the machine, it is far more than a loop needs to begin.
    let used = timeout.receipt.fuel_used;
    assert!(used >= FUEL_NOTED_UNITS, "{used}");
    let memory = bench.run_with(GuestType::Handler, &greedy, |_| {}).await;
    assert_eq!(failure(&memory).reason, FailureReason::MemoryExceeded);
    assert!(memory.receipt.memory_peak_bytes > 100 << 20);
    let calls = bench.run_with(GuestType::Handler, &chatty, |_| {}).await;
    assert_eq!(failure(&calls).reason, FailureReason::HostCallsExceeded);
    assert_eq!(calls.receipt.host_calls, 10_001);
    // Returns, and logs, eight million bytes.
    let grow = "(drop (memory.grow (i32.const 200)))";
    let vast = format!("{grow} (i32.store (i32.const 76) (i32.const 8000000)) (i32.const 64)");
    let vast = bench.run_with(GuestType::Handler, &handler(GREET, &vast), |_| {}).await;
    assert_eq!(failure(&vast).reason, FailureReason::OutputTooLarge);
    let shout = format!("{grow} (call $log (i32.const 2) (i32.const 0) (i32.const 8000000)) {ECHO}");
    let shout = bench.run_with(GuestType::Handler, &handler(GREET, &shout), |_| {}).await;
    assert_eq!(failure(&shout).reason, FailureReason::Trap);
    assert!(failure(&shout).message.contains("too much data"), "{shout:?}");
    let next = bench.run_with(GuestType::Handler, &handler(GREET, ECHO), |_| {}).await;
    assert_eq!(output(&next), "{}");
}

#[tokio::test]
async fn a_handler_logs_and_reports() {
    let bench = Bench::new();
    let run = format!(
        "(call $log (i32.const 3) (i32.const 336) (i32.const 9))
         (call $report (i64.const 2) (i32.const 1) (i64.const 5) (i32.const 1) (i32.const 256) (i32.const 5))
         (if (i64.eqz (call $fuel)) (then unreachable)) {ECHO}"
    );
    let mut cell = None;
    let execution = bench
        .run_with(GuestType::Handler, &handler(GREET, &run), |invocation| cell = Some(invocation.progress.clone()))
        .await;
    assert_eq!(output(&execution), "{}");
    assert_eq!(execution.log.len(), 1);
    assert_eq!((execution.log[0].level, execution.log[0].message.as_str()), (LogLevel::Warn, "try later"));
    assert_eq!(execution.receipt.host_calls, 3);
    let progress = cell.and_then(|cell| cell.get()).expect("reported");
    assert_eq!((progress.done, progress.total, progress.message.as_deref()), (2, Some(5), Some("greet")));
}

#[tokio::test]
async fn a_component_command_runs_and_can_only_fail() {
    let bench = Bench::new();
    let command = |code: &str| {
        format!(
            r#"(component
            (core module $code (func (export "run") (result i32) {code}))
            (core instance $c (instantiate $code))
            (func $run (result (result)) (canon lift (core func $c "run")))
            (instance $i (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $i)))"#
        )
    };
    let ok = bench
        .run_with(GuestType::ComponentCommand, &command("(i32.const 0)"), |invocation| {
            invocation.plain.stdout = crate::job::StdoutFormat::Text;
        })
        .await;
    assert_eq!(output(&ok), "\"\"");
    let failed = bench.run_with(GuestType::ComponentCommand, &command("(i32.const 1)"), |_| {}).await;
    assert_eq!(failure(&failed).reason, FailureReason::HandlerError);
    let trap = bench.run_with(GuestType::ComponentCommand, &command("unreachable"), |_| {}).await;
    assert_eq!(failure(&trap).reason, FailureReason::Trap);
}

/// Keeps making the thing that `import` makes, and keeps each.
fn hoarder(interface: &str, exports: &str, make: &str, core_call: &str) -> String {
    format!(
        r#"(component
        (import "{interface}" (instance $from {exports}))
        (core func $make (canon lower (func $from "{make}")))
        (core module $code
            (import "from" "make" (func $make {core_call}
            (func (export "run") (result i32) (local $n i32)
                (loop $again
                    (drop (call $make))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $n) (i32.const 5000))))
                (i32.const 0)))
        (core instance $made (export "make" (func $make)))
        (core instance $c (instantiate $code (with "from" (instance $made))))
        (func $run (result (result)) (canon lift (core func $c "run")))
        (instance $i (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $i)))"#
    )
}

#[tokio::test]
async fn what_the_host_keeps_for_a_guest_is_bounded() {
    let bench = Bench::new();
    let headers = hoarder(
        "wasi:http/types@0.2.0",
        r#"(export "fields" (type $fields (sub resource))) (export "[constructor]fields" (func (result (own $fields))))"#,
        "[constructor]fields",
        "(result i32)))",
    );
    let options = hoarder(
        "wasi:http/types@0.2.0",
        r#"(export "request-options" (type $options (sub resource)))
           (export "[constructor]request-options" (func (result (own $options))))"#,
        "[constructor]request-options",
        "(result i32)))",
    );
    for hoarder in [headers, options] {
        let execution = bench.run_with(GuestType::ComponentCommand, &hoarder, |_| {}).await;
        assert_eq!(failure(&execution).reason, FailureReason::Trap, "{execution:?}");
        assert!((900..1_100).contains(&execution.receipt.host_calls), "{:?}", execution.receipt);
    }
}

#[test]
fn the_floor_counts_calls() {
    let wasm = wat::parse_str(handler(GREET, ECHO)).expect("valid text");
    let rate = sandbox_floor(&wasm, "greet", "{}", 2, 200).expect("runs");
    assert!(rate > 1.0, "{rate}");
}
