//! What to do: one table for what a host refuses, one for why a job failed, one for why it waits. Only words; nothing here
//! decides anything.

use super::client::ClientError;
use super::wire::Job;

/// A refusal with what can be done about it under it, where that is known.
pub(super) fn on_refusal(error: anyhow::Error) -> anyhow::Error {
    let code = match error.downcast_ref::<ClientError>() {
        Some(ClientError::Problem(problem)) => problem.code.clone(),
        _ => return error,
    };
    match of_refusal(&code) {
        Some(advice) => anyhow::anyhow!("{error}\nwhat to do: {advice}"),
        None => error,
    }
}

/// By the code of the problem document.
fn of_refusal(code: &str) -> Option<&'static str> {
    Some(match code {
        "kinds_needed" => {
            "keep serving these kinds until their jobs have ended, or repeat with --force: the jobs then wait as no_handler"
        }
        "kind_owned" => "rename the kind, deploy under that module's name (--name), or delete the other module",
        "malformed_module" => {
            "deploy what the build made: for Rust `cargo build --release --target wasm32-wasip2` (a handler) or wasm32-wasip1 \
             (a plain command), and then the .wasm under target/"
        }
        "no_entry" => {
            "a handler is a `cdylib` with #[handler] functions, a plain command a program with a `main`; for Rust mind \
             `crate-type = [\"cdylib\"]` and the target wasm32-wasip2"
        }
        "unknown_imports" => {
            "build for wasm32-wasip1 or wasm32-wasip2 (not wasm32-unknown-unknown), and leave out what jobs don't get: \
             sockets, threads, a browser"
        }
        "module_limits" => "let it begin with less memory (a linker flag), or raise `memory` of the host",
        "compile_failed" => {
            "make it smaller (`opt-level = \"s\"`, `strip = true`), or raise `compile_timeout` and `compile_memory` of the host"
        }
        "describe_failed" => {
            "the module is asked for its kinds when it is uploaded: look at the names, schemas and settings in #[handler(…)]"
        }
        "body_too_large" => "strip it (`[profile.release] strip = true`), or raise `module_max` of the host",
        _ => return None,
    })
}

/// What to do about a job that failed, or is to be tried again; by its reason.
pub(super) fn of_failure(job: &Job) -> Option<String> {
    let reason = job.error.as_ref()?.reason.as_str();
    let (id, kind) = (&job.id, &job.kind);
    let module = job.module.as_ref().map_or("MODULE", |module| module.name.as_str());
    let set = |setting: &str| format!("stoker kinds {kind} --set {setting}");
    let again = if job.state == "retrying" {
        format!("it is tried again by itself; `stoker retry {id}` does so at once")
    } else {
        format!("then `stoker retry {id}`")
    };
    Some(match reason {
        "handler_error" => {
            format!("the handler returned this: `stoker logs {id}` shows what led to it. Mend it and deploy, {again}")
        }
        "trap" => format!(
            "the code panicked or broke off: its last words are in `stoker logs {id}`. Mend it and deploy, {again}"
        ),
        "timeout" => format!("give it more time (`{}`) or let it do less at once, {again}", set("timeout=2m")),
        "fuel_exhausted" => format!("give it more (`{}`) or let it compute less, {again}", set("fuel=50000000000")),
        "memory_exceeded" => format!("raise it (`{}`) or use less, {again}", set("memory=256MiB")),
        "stack_overflow" => format!("it recurses too deeply: use a loop, or recurse less, and deploy, {again}"),
        "output_too_large" => format!("raise it (`{}`) or return less, {again}", set("output=8MiB")),
        "invalid_output" => {
            format!("the handler returned what its own output type does not allow: mend it and deploy, {again}")
        }
        "invalid_payload" => format!(
            "the payload does not fit the active version: deploy one that takes it or `stoker rollback {module}`, {again}; \
             or enqueue it anew as `stoker kinds {kind}` shows"
        ),
        "host_calls_exceeded" => {
            format!("raise it (`{}`) or call the host less often, {again}", set("host_calls=100000"))
        }
        "capability_denied" => {
            format!("it used what jobs don't get (files, network): leave that out and deploy, {again}")
        }
        "host_lost" => format!("hosts died while it ran: see whether it takes them down (memory, a bug), {again}"),
        "module_unavailable" => {
            format!("the host could not run its module; the host's log says why. Deploy it anew, {again}")
        }
        "cancelled" if job.state == "cancelled" => format!("`stoker retry {id}` brings it back"),
        _ => return None,
    })
}

/// What to do about a job that waits; by its reason. Nothing where waiting is all there is to do.
pub(super) fn of_waiting(job: &Job) -> Option<String> {
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
    fn every_reason_a_guest_can_cause_has_its_advice() {
        for reason in FailureReason::ALL {
            let json = format!(
                r#"{{"id":"job_01","kind":"greet","state":"failed","module":{{"name":"m"}},"error":{{"reason":"{reason}"}}}}"#
            );
            let advice = of_failure(&serde_json::from_str(&json).unwrap());
            // Effects and deadlines are nothing jobs have; a stopping host gives back.
            let silent = matches!(
                reason,
                FailureReason::Shutdown
                    | FailureReason::Cancelled
                    | FailureReason::EffectRejected
                    | FailureReason::DeadlineExpired
            );
            assert_eq!(advice.is_none(), silent, "{reason}");
            assert!(advice.is_none_or(|advice| advice.contains("stoker retry job_01")), "{reason}");
        }
    }

    #[test]
    fn a_job_that_waits_for_somebody_says_for_whom() {
        for reason in WaitingReason::ALL {
            let reason = reason.as_str();
            let json = format!(r#"{{"id":"job_01","kind":"greet","state":"ready","waiting":{{"reason":"{reason}"}}}}"#);
            let advice = of_waiting(&serde_json::from_str(&json).unwrap());
            assert_eq!(advice.is_none(), matches!(reason, "snoozed" | "behind" | "suspect"), "{reason}");
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
        let other = on_refusal(anyhow::anyhow!("cannot read it")).to_string();
        assert_eq!(other, "cannot read it");
    }
}
