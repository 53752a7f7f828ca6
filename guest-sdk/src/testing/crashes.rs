//! A host that dies wherever it can: what a handler comes to must be the same.

use std::collections::BTreeMap;

use super::FakeHost;
use crate::{Failure, Handler, payload};

/// Runs a handler once undisturbed, and then again and again on hosts that die: after each of its steps, in each of them (it has been
/// run, and its result is not recorded), and in all of these places one after the other. What the undisturbed run came to.
///
/// Everything that stays is compared: how it ended and with what output, its steps and their results, the jobs, events, notifications
/// and mails it asked for, what is in its buckets, and the rows in its databases.
///
/// ```
/// use stoker_sdk::testing::{FakeHost, crash_everywhere};
/// use stoker_sdk::{Context, Failure, handler, kv};
///
/// #[handler(kind = "sign-up", grants(kv = ["users"], events = ["user.*"]))]
/// fn sign_up(context: &Context, name: String) -> Result<u64, Failure> {
///     let id = context.step("draw-id", || Ok(7))?;
///     context.step("store", || {
///         kv::open("users")?.set(&format!("user/{id}"), name.as_bytes())?;
///         Ok(())
///     })?;
///     context.emit("user.signed-up", &name, &id)?;
///     Ok(id)
/// }
///
/// assert_eq!(crash_everywhere::<sign_up>(FakeHost::new, &"Ada".into()), Ok(7));
/// ```
///
/// What is done twice, and must not be, is found:
///
/// ```should_panic
/// # use stoker_sdk::testing::{FakeHost, crash_everywhere};
/// # use stoker_sdk::{Context, Failure, handler, kv};
/// #[handler(kind = "visit", grants(kv = ["visits"]))]
/// fn visit(context: &Context, page: String) -> Result<i64, Failure> {
///     // Added, and not known to be: added again.
///     context.step("count", || Ok(kv::open("visits")?.increment(&page, 1)?))
/// }
/// // the host died in step 1 (`count`), and `output` was "2", which undisturbed is "1"
/// let _failed = crash_everywhere::<visit>(FakeHost::new, &"/".into());
/// ```
///
/// # Panics
/// If it comes to something else, with what and where the host died.
#[track_caller]
pub fn crash_everywhere<H: Handler>(host: impl Fn() -> FakeHost, input: &H::Input) -> Result<H::Output, Failure>
where
    H::Input: Clone,
{
    let undisturbed = host();
    let result = undisturbed.run_to_end::<H>(input.clone());
    let expected = remains(&undisturbed, &result);
    let steps = undisturbed.steps();
    drop(undisturbed);
    let compare = |place: &str, disturbed: &FakeHost| {
        let result = disturbed.run_to_end::<H>(input.clone());
        for (what, found) in remains(disturbed, &result) {
            let expected = expected.get(what).map_or("", String::as_str);
            assert!(
                found == expected,
                "the host died {place}, and `{what}` was {found}, which undisturbed is {expected}"
            );
        }
    };
    for (number, step) in (1..).zip(&steps) {
        compare(&format!("after step {number} (`{}`)", step.name), &host().crash_after_steps(number));
        compare(&format!("in step {number} (`{}`)", step.name), &host().crash_in_step(number));
    }
    let everywhere = (1..=steps.len()).fold(host(), |host, step| host.crash_in_step(step).crash_after_steps(step));
    compare("in every step and after each", &everywhere);
    result
}

/// What stays of a run, by what it is.
fn remains<Output: serde::Serialize>(
    host: &FakeHost,
    result: &Result<Output, Failure>,
) -> BTreeMap<&'static str, String> {
    let output = match result {
        Ok(output) => payload::print(output).map_or_else(|failure| format!("{failure:?}"), |text| format!("{text:?}")),
        Err(failure) => format!("{failure:?}"),
    };
    let record = host.recorder.lock();
    BTreeMap::from([
        ("output", output),
        ("steps", format!("{:?}", record.job.ledger.steps())),
        ("slept", format!("{} ms", record.job.slept_ms)),
        ("enqueued", format!("{:?}", record.effects.enqueued)),
        ("emitted", format!("{:?}", record.effects.emitted)),
        ("notifications", format!("{:?}", record.effects.notified)),
        ("mails", format!("{:?}", record.effects.mails)),
        ("buckets", format!("{:?}", record.kv.contents(record.job.slept_ms))),
        ("databases", format!("{:?}", record.databases.contents())),
    ])
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::*;
    use crate::{Context, Kind, kv};

    /// Adds one in each of two steps, sleeps in between; once only if it looks first.
    fn counted(context: &Context, looks: bool) -> Result<i64, Failure> {
        let visits = kv::open("visits")?;
        for _ in 0..2 {
            context.step("count", || {
                let key = context.idempotency_key();
                if !looks || !visits.exists(&key)? {
                    visits.set_many(&[(&key, b"")])?;
                    visits.increment("all", 1)?;
                }
                Ok(())
            })?;
            context.sleep("a while", Duration::from_mins(1))?;
        }
        Ok(visits.increment("all", 0)?)
    }

    #[derive(Debug)]
    struct Counted;

    impl Handler for Counted {
        const KIND: Kind<bool> = Kind::new("counted");
        const DESCRIPTION: Option<&'static str> = None;
        const SETTINGS: Option<&'static str> = Some(r#"{"grants":{"kv":["visits"]}}"#);
        type Input = bool;
        type Output = i64;

        fn input_schema() -> String {
            String::new()
        }

        fn output_schema() -> String {
            String::new()
        }

        fn handle(context: &Context, looks: bool) -> Result<i64, Failure> {
            counted(context, looks)
        }
    }

    #[test]
    fn what_comes_to_the_same_passes() {
        assert_eq!(crash_everywhere::<Counted>(FakeHost::new, &true), Ok(2));
    }

    #[test]
    fn what_is_done_twice_is_found_with_its_place() {
        let found = catch_unwind(AssertUnwindSafe(|| crash_everywhere::<Counted>(FakeHost::new, &false)));
        let message = found.err().and_then(|panic| panic.downcast::<String>().ok()).unwrap_or_default();
        assert!(message.starts_with("the host died in step 1 (`count`), and `buckets` was "), "{message}");
    }
}
