//! What to do: one table for what a host refuses, one for why a job failed, one for why it waits. Only words; nothing here
//! decides anything.

use super::client::ClientError;
use super::hints::addressed;
use super::limited::Limited;
use super::problem::Problem;
use super::wire::Job;
use crate::job::JobId;

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Host,
    /// `stoker run`, in a host's words.
    Run,
}

/// A host's refusal with what can be done about it under it, where that is known.
pub(super) fn on_refusal(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Problem(problem)) => advised(problem, By::Host),
        _ => error,
    }
}

/// The same where the command has not said more about it than the host.
pub(super) fn on_bare_refusal(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ClientError>() {
        Some(refusal) if refusal.to_string() == error.to_string() => on_refusal(error),
        _ => error,
    }
}

/// The same for what `stoker run` refuses.
pub(super) fn on_refused_run(problem: &Problem) -> anyhow::Error {
    advised(problem, By::Run)
}

fn advised(problem: &Problem, by: By) -> anyhow::Error {
    match of_refusal(&problem.code, by) {
        Some(advice) => anyhow::anyhow!("{problem}\nwhat to do: {}", addressed(advice)),
        None => problem.clone().into(),
    }
}

/// By the code of the problem document.
fn of_refusal(code: &str, by: By) -> Option<&'static str> {
    Some(match code {
        "kinds_needed" => {
            "keep serving these kinds until their jobs have ended, or repeat with --force: the jobs then wait as no_handler"
        }
        "kind_owned" => "rename the kind, deploy under that module's name (--name), or delete the other module",
        "malformed_module" => {
            "take what the build made: for Rust `cargo build --release --target wasm32-wasip2` (a handler) or wasm32-wasip1 \
             (a plain command), and then the .wasm under target/; or name the project's folder, which is built first"
        }
        "no_entry" => {
            "a handler in Rust needs `crate-type = [\"cdylib\"]`, the target wasm32-wasip2, and one line that names its \
             #[handler] functions, `stoker_sdk::module!(greet);`, without which nothing is exported; a plain command needs a \
             `main`"
        }
        "unknown_imports" => {
            "build for wasm32-wasip1 or wasm32-wasip2 (not wasm32-unknown-unknown), and leave out what jobs don't get: \
             sockets, threads, a browser"
        }
        "module_limits" => "let it begin with less memory (a linker flag), or raise `memory_max` of the host",
        "compile_failed" => {
            "make it smaller (`opt-level = \"s\"`, `strip = true`), or raise `compile_timeout` and `compile_memory` of the host"
        }
        "describe_failed" => {
            "the module is asked for its kinds before it is used: look at the names, schemas and settings in #[handler(…)]"
        }
        "body_too_large" => "strip it (`[profile.release] strip = true`), or raise `module_max` of the host",
        "payload_too_large" => "pass less, e.g. where the rest is to be found, or raise `payload_max` of the host",
        "module_not_found" => "`stoker modules` lists what there is",
        "admin_key_needed" => "`stoker keys create NAME --role admin` makes an admin's key",
        "key_not_found" => "`stoker keys list` lists what there is",
        "tenant_not_found" => {
            "`stoker tenants list` lists what there is, for admins; --tenant and STOKER_TENANT name one"
        }
        "export_needed" => {
            "`stoker tenants export NAME FILE` keeps what it has; or repeat with --without-export, if nobody needs that"
        }
        "no_secrets_key" => {
            "give the host a key of 32 bytes in a file that only its user can read: `openssl rand -base64 32 > secrets.key`, then \
             `stoker serve --secrets-key-file secrets.key`"
        }
        "quota_exceeded" => {
            "an admin sees what is used with `stoker tenants show NAME`, and sets another quota with `stoker tenants set NAME \
             --quota QUOTA=MOST`"
        }
        "forbidden" => "use a key with that role: --key or STOKER_KEY; `stoker keys create NAME --role ROLE` makes one",
        "kind_not_found" => match by {
            By::Host => {
                "`stoker kinds` lists what there is; `stoker deploy` brings the kinds of a module: of a handler in Rust, those \
                 whose functions stand in `stoker_sdk::module!(…)`"
            }
            By::Run => {
                "a handler in Rust serves the functions that stand in its `stoker_sdk::module!(…)`; a plain command's one kind \
                 is called like its module, which --name says"
            }
        },
        "invalid_payload" => match by {
            By::Host => "`stoker kinds KIND` shows what it takes; a plain text is given with --text",
            By::Run => {
                "correct the payload or the handler's input type (with `#[serde(default)]` a field may be left out); a plain \
                 text is given with --text"
            }
        },
        _ => return None,
    })
}

/// What there is in a sandbox, for who met what is not there.
pub(super) const CLOSED: &str =
    "a job has no files and no network: what it needs comes in its payload, what it made goes in its output";

/// How the libraries of languages tell that a file or the network is not there for a job: by the numbers that WASI gives to
/// "permission denied", "no such file", "not permitted" and "not capable".
const CLOSED_DOORS: [&str; 6] = [
    "(os error 2)",
    "(os error 44)",
    "(os error 63)",
    "(os error 76)",
    "[Errno 44]",
    "failed to find a pre-opened file descriptor",
];

/// Whether somebody wanted a file or the network, by what was said at the end.
pub(super) fn is_closed_door(message: &str, detail: Option<&str>) -> bool {
    CLOSED_DOORS.iter().any(|words| message.contains(words) || detail.is_some_and(|detail| detail.contains(words)))
}

/// Frames of one function in a backtrace that make a recursion; its depth is far beyond what is kept.
const RECURSION_FRAMES_MIN: usize = 10;

/// Whether a backtrace is of a function that calls itself, perhaps through one or two others.
fn is_recursion(detail: &str) -> bool {
    let functions = || detail.lines().filter_map(|frame| frame.split_once('!').map(|(_, function)| function.trim()));
    functions().any(|function| functions().filter(|other| *other == function).count() >= RECURSION_FRAMES_MIN)
}

/// What to do about a job that failed, or is to be tried again; by its reason. Nothing about one that goes on: what it
/// failed of is behind it.
pub(super) fn of_failure(job: &Job) -> Option<String> {
    failure_advice(job).map(addressed)
}

fn failure_advice(job: &Job) -> Option<String> {
    let (id, kind) = (&job.id, &job.kind);
    let again = match job.state.as_str() {
        "retrying" => format!("; it is tried again by itself, or at once with `stoker retry {id}`"),
        "failed" => format!(", then `stoker retry {id}`"),
        "cancelled" => return Some(of_cancelled(job)),
        _ => return None,
    };
    let module = job.module.as_ref().map_or("MODULE", |module| module.name.as_str());
    let limited = |limit: Limited, less: &str| format!("{}{again}", limit.advice(job, less));
    let error = job.error.as_ref()?;
    Some(match error.reason.as_str() {
        "handler_error" | "trap" if is_closed_door(&error.message, error.detail.as_deref()) => {
            format!("{CLOSED}: leave that out, and deploy{again}")
        }
        "handler_error" => {
            format!(
                "the handler returned this: `stoker logs {id}` shows what it logged before. Mend it and deploy{again}"
            )
        }
        "trap" if error.detail.as_deref().is_some_and(is_recursion) => {
            format!("it recurses until its stack is full: use a loop, or recurse less, and deploy{again}")
        }
        "trap" => format!(
            "the code panicked or broke off: `stoker job {id}` shows where, and `stoker logs {id}` what it said before. Mend it \
             and deploy{again}"
        ),
        "timeout" => limited(Limited::Timeout, "let it do less at once"),
        "fuel_exhausted" => limited(Limited::Fuel, "let it compute less"),
        "memory_exceeded" => limited(Limited::Memory, "use less"),
        "stack_overflow" => format!("it recurses too deeply: use a loop, or recurse less, and deploy{again}"),
        "output_too_large" => limited(Limited::Output, "return less"),
        "invalid_output" if error.message.contains("`stdout`") => format!(
            "it is a plain command that prints no JSON: `stoker kinds {kind} --set stdout=text` takes what it prints as a text \
             (`stdout = \"text\"` in the [settings] of handler.toml for every deploy){again}"
        ),
        "invalid_output" => {
            format!("the handler returned what its own output type does not allow: mend it and deploy{again}")
        }
        "invalid_payload" => format!(
            "the payload does not fit the active version: deploy one that takes it or `stoker rollback {module}`{again}; \
             or enqueue it anew as `stoker kinds {kind}` shows"
        ),
        "host_calls_exceeded" => limited(Limited::HostCalls, "call the host less often"),
        "capability_denied" => {
            format!(
                "it used what its kind is not granted: `stoker kinds {kind}` shows all that it asks for and lacks, with the command that \
                 grants it; what it does not ask for is granted by `--set 'grants={{…}}'`{again}"
            )
        }
        "effect_rejected" => format!(
            "the handler asked for something on success that can't be; the detail of the error says where. Mend what it asks for, \
             or deploy the kind it asks for{again}"
        ),
        "host_lost" => format!("hosts died while it ran: see whether it takes them down (memory, a bug){again}"),
        "module_unavailable" => {
            format!("the host could not run its module; the host's log says why. Deploy it anew{again}")
        }
        _ => return None,
    })
}

/// What is cancelled because of another one runs without that one's output if it is retried itself.
fn of_cancelled(job: &Job) -> String {
    let id = &job.id;
    let error = job.error.as_ref();
    let parent: Option<JobId> = error.and_then(|error| error.detail.as_deref()?.parse().ok());
    match (parent, error) {
        (Some(_), Some(error)) if error.message.contains("not needed") => {
            format!("nothing, it is not needed; `stoker retry {id}` runs it all the same")
        }
        (Some(parent), _) => {
            format!("`stoker retry {parent}` brings it back with that job; `stoker retry {id}` runs it without")
        }
        (None, _) => format!("`stoker retry {id}` brings it back"),
    }
}

/// What to do about a job that waits; by its reason. Nothing where waiting is all there is to do.
pub(super) fn of_waiting(job: &Job) -> Option<String> {
    waiting_advice(job).map(addressed)
}

fn waiting_advice(job: &Job) -> Option<String> {
    let kind = &job.kind;
    let advice = match job.waiting.as_ref()?.reason.as_str() {
        "no_handler" => format!(
            "deploy a module that serves `{kind}`, or go back to a version that did: `stoker modules` lists them, `stoker rollback MODULE`"
        ),
        "no_workers" => "this host accepts jobs and runs none: start it with `--workers 1` or more".to_owned(),
        "host_slots" => {
            "every slot is busy: see `stoker jobs --state running`; more slots come with `--workers`".to_owned()
        }
        "compiling" => "it starts once its module is compiled; if that takes long, the host's log says why".to_owned(),
        "retry_backoff" => format!("`stoker retry {}` runs it at once", job.id),
        "after_jobs" => "`stoker job` of a job it waits for says why that one has not ended".to_owned(),
        "sleeping" => format!("`stoker run-now {}` ends the sleep", job.id),
        "event" => format!(
            "a job emits the event by `context.emit`; `stoker run-now {}` ends the wait as if its time were over",
            job.id
        ),
        "scheduled" => format!("it starts by itself when it is due; `stoker cancel {}` ends it", job.id),
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::job::{FailureReason, WaitingReason};

    #[test]
    fn every_reason_a_job_can_fail_of_has_its_advice() {
        for reason in FailureReason::ALL.iter().filter(|reason| **reason != FailureReason::Cancelled) {
            let json = format!(
                r#"{{"id":"job_01","kind":"greet","state":"failed","module":{{"name":"m"}},"error":{{"reason":"{reason}"}}}}"#
            );
            let advice = of_failure(&serde_json::from_str(&json).unwrap());
            // A deadline says what it is; a stopping host gives back.
            let silent = matches!(reason, FailureReason::Shutdown | FailureReason::DeadlineExpired);
            assert_eq!(advice.is_none(), silent, "{reason}");
            assert!(advice.is_none_or(|advice| advice.contains("stoker retry job_01")), "{reason}");
        }
    }

    #[test]
    fn a_recursion_is_known_by_its_backtrace() {
        let backtrace = |frames: usize, function: &str| {
            let frame = |at: usize| format!("    {at}:   0x1f{at:02} - greet.wasm!{function}\n");
            (0..frames).map(frame).collect::<String>() + "   99:   0x2000 - greet.wasm!run\n"
        };
        assert!(is_recursion(&backtrace(20, "greet::deeper::h0123")));
        assert!(!is_recursion(&backtrace(3, "greet::deeper::h0123")));
        assert!(!is_recursion("no backtrace"));
    }

    #[test]
    fn advice_on_a_failure_is_for_jobs_it_still_matters_to() {
        for (state, said) in [
            ("failed", Some("deploy, then `stoker retry job_01`")),
            ("retrying", Some("deploy; it is tried again by itself, or at once with `stoker retry job_01`")),
            ("cancelled", Some("`stoker retry job_01` brings it back")),
            ("ready", None),
            ("scheduled", None),
            ("blocked", None),
            ("running", None),
            ("succeeded", None),
        ] {
            let json = format!(
                r#"{{"id":"job_01","kind":"greet","state":"{state}","error":{{"reason":"trap","message":"m"}}}}"#
            );
            let advice = of_failure(&serde_json::from_str(&json).unwrap());
            assert_eq!(advice.is_some(), said.is_some(), "{state}: {advice:?}");
            assert!(said.is_none_or(|said| advice.is_some_and(|advice| advice.ends_with(said))), "{state}");
        }
    }

    #[test]
    fn advice_on_a_cancelled_job_names_the_one_it_comes_back_with() {
        const PARENT: &str = "job_00000000000000000000000001";
        for (message, detail, said) in [
            (
                "x, which it was to run after, did not succeed",
                PARENT,
                "`stoker retry job_00000000000000000000000001` brings it",
            ),
            ("x succeeded: it is not needed", PARENT, "nothing, it is not needed; `stoker retry job_01`"),
            ("cancelled on request", "", "`stoker retry job_01` brings it back"),
        ] {
            let error = serde_json::json!({"reason": "cancelled", "message": message, "detail": detail});
            let job = serde_json::json!({"id": "job_01", "kind": "k", "state": "cancelled", "error": error});
            let advice = of_failure(&serde_json::from_value(job).unwrap()).unwrap();
            assert!(advice.starts_with(said), "{advice}");
        }
    }

    #[test]
    fn advice_follows_what_was_said() {
        let told = |reason: &str, message: &str| {
            let job = serde_json::json!({"id": "job_01", "kind": "cat", "state": "failed",
                "error": {"reason": reason, "message": message}});
            of_failure(&serde_json::from_value(job).unwrap()).unwrap()
        };
        for (reason, message, said) in [
            (
                "invalid_output",
                "the output is not JSON (x); set `stdout` to `text`",
                "`stoker kinds cat --set stdout=text`",
            ),
            ("invalid_output", "the output breaks the kind's output schema: x", "its own output type"),
            ("handler_error", "Permission denied (os error 2)", "no network"),
            ("trap", "panicked at x: No such file or directory (os error 44)", "no files"),
            ("handler_error", "the address is wrong", "the handler returned this"),
        ] {
            let told = told(reason, message);
            assert!(told.contains(said) && told.contains("`stoker retry job_01`"), "{message}: {told}");
        }
    }

    #[test]
    fn a_job_that_waits_for_somebody_says_for_whom() {
        for reason in WaitingReason::ALL {
            let reason = reason.as_str();
            let json = format!(r#"{{"id":"job_01","kind":"greet","state":"ready","waiting":{{"reason":"{reason}"}}}}"#);
            let advice = of_waiting(&serde_json::from_str(&json).unwrap());
            assert_eq!(
                advice.is_none(),
                matches!(
                    reason,
                    "snoozed"
                        | "behind"
                        | "suspect"
                        // Their sentences say it.
                        | "queue_paused"
                        | "queue_concurrency"
                        | "kind_concurrency"
                        | "key_concurrency"
                        | "fifo_key"
                        | "tenant_concurrency"
                        | "tenant_suspended"
                        | "quota"
                        | "rate_limited"
                ),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_a_host_refuses_is_explained_under_its_words() {
        let problem = super::super::problem::Problem::from_body(
            409,
            br#"{"title":"Unfinished jobs need the kinds","code":"kinds_needed","detail":"`a` (1)"}"#,
        );
        let told = on_refusal(ClientError::from(problem).into()).to_string();
        assert!(told.contains("kinds_needed") && told.contains("--force"), "{told}");
        let no_entry = Problem { code: "no_entry".to_owned(), ..Problem::default() };
        for told in [on_refused_run(&no_entry), on_refusal(ClientError::from(no_entry.clone()).into())] {
            assert!(told.to_string().contains("stoker_sdk::module!"), "{told}");
        }
        let other = on_refusal(anyhow::anyhow!("cannot read it")).to_string();
        assert_eq!(other, "cannot read it");
    }
}
