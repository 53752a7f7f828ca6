//! What steps come to on a fake host, where a real one would come to the same.

use std::time::{Duration, UNIX_EPOCH};

use crate::testing::bounds::{STEP_RESULT_BYTES_MAX, STEPS_BYTES_MAX, STEPS_MAX, WAIT_MAX};
use crate::testing::{FakeHost, Step};
use crate::{Context, Failure};

const MINUTE: Duration = Duration::from_mins(1);

fn refusal<T: std::fmt::Debug>(asked: Result<T, Failure>) -> String {
    match asked {
        Err(Failure::Fatal { message }) => message,
        other => panic!("{other:?} is no refusal"),
    }
}

/// One execution; `None`: it is to be run again.
fn execute<T>(host: &FakeHost, run: impl Fn(&Context) -> Result<T, Failure>) -> Option<Result<T, Failure>> {
    host.one_execution(|| run(&host.context()))
}

#[test]
fn a_result_that_cannot_be_recorded_leaves_the_way_open() {
    let host = FakeHost::new();
    let went_on = execute(&host, |context| {
        let large = context.step("a", || Ok("x".repeat(STEP_RESULT_BYTES_MAX)));
        let said = "the result of step `a` has 262146 bytes; it may have at most 256KiB";
        assert_eq!(refusal(large), said);
        context.step("a", || Ok(1))
    });
    assert_eq!(went_on, Some(Ok(1)));
    assert_eq!(host.steps(), [Step { name: "a".into(), occurrence: 0, result: Some("1".into()) }]);
}

#[test]
fn count_and_size_are_those_of_a_host() {
    let host = FakeHost::new();
    let context = host.context();
    for _ in 0..STEPS_MAX {
        context.step("a", || Ok(())).unwrap();
    }
    assert_eq!(refusal(context.step("a", || Ok(()))), "a job may have at most 1000 steps");
    assert_eq!(refusal(context.sleep("b", MINUTE)), "a job may have at most 1000 steps");

    let host = FakeHost::new();
    let context = host.context();
    let result = "x".repeat(STEPS_BYTES_MAX / 8 - 2);
    for _ in 0..8 {
        context.step("a", || Ok(result.clone())).unwrap();
    }
    let said = "the results of the job's steps may have at most 1MiB together, and that of step `b` would be too much";
    assert_eq!(refusal(context.step("b", || Ok(0))), said);

    for name in ["", "a\nb", &"x".repeat(129)] {
        let said = |what: &str| format!("{what} must be 1 to 128 bytes of text without control characters");
        assert_eq!(refusal(context.step(name, || Ok(()))), said("the name of a step"));
        assert_eq!(refusal(context.sleep(name, MINUTE)), said("the name of a step"));
        assert_eq!(refusal(context.wait_for::<()>(name, "", MINUTE)), said("the type of an event"));
    }
}

#[test]
fn waits_are_bounded() {
    let host = FakeHost::new();
    let context = host.context();
    let too_long = WAIT_MAX + Duration::from_millis(1);
    let said = "a job may wait at most 366 days at a time";
    assert_eq!(refusal(context.sleep("a", too_long)), said);
    assert_eq!(refusal(context.sleep("a", Duration::MAX)), said);
    assert_eq!(refusal(context.wait_for::<()>("a", "", too_long)), said);
    let said = "a correlation may have at most 255 bytes";
    assert_eq!(refusal(context.wait_for::<()>("a", &"x".repeat(256), MINUTE)), said);
    let said = "a correlation must hold no control characters: the one in place 1 is U+000A";
    assert_eq!(refusal(context.wait_for::<()>("a", "\n", MINUTE)), said);
    assert!(host.steps().is_empty() && host.slept().is_zero());
    assert_eq!(context.sleep("a", WAIT_MAX), Ok(()));
    assert_eq!(context.wait_for::<()>("b", &"x".repeat(255), WAIT_MAX), Ok(None));
}

#[test]
fn another_way_than_before_is_told_in_the_words_of_a_host() {
    let run_again = |then: fn(&Context) -> Result<(), Failure>| {
        let host = FakeHost::new();
        let first = execute(&host, |context| {
            context.step("a", || Ok(1_u32))?;
            context.step("b", || Ok(2_u32))?;
            context.wait_for::<()>("paid", "7", MINUTE).map(|_| ())
        });
        assert_eq!(first, None);
        refusal(execute(&host, then).unwrap())
    };
    let another = run_again(|context| {
        context.step("a", || Ok(1_u32))?;
        context.step("x", || Ok(()))
    });
    assert_eq!(
        another,
        "step `x` is asked for, but an earlier execution recorded `b`, which this one has not asked for; what a job asks for \
         must not depend on anything but its payload and the results of its steps"
    );
    let retyped = run_again(|context| context.step("a", || Ok(String::new())).map(|_| ()));
    assert_eq!(retyped, "the result of step `a` was recorded as `u32`; it can't be `alloc::string::String` now");
    let slept = run_again(|context| context.sleep("a", MINUTE));
    assert_eq!(slept, "what is called `a` was recorded as a step; it can't be a sleep now");
    let waited = run_again(|context| {
        context.step("a", || Ok(1_u32))?;
        context.step("b", || Ok(2_u32))?;
        context.wait_for::<()>("paid", "8", MINUTE).map(|_| ())
    });
    assert_eq!(waited, "the wait for event `paid` was recorded as one of `7`; it can't be one of `8` now");
    let nested = run_again(|context| {
        context.step("a", || Ok(1_u32))?;
        context.step("b", || Ok(1_u32))?;
        context.wait_for::<()>("paid", "7", MINUTE)?;
        context.step("outer", || context.step("inner", || Ok(())))
    });
    assert_eq!(nested, "step `inner` is asked for inside of step `outer`; end that one first");
}

#[test]
fn what_is_recorded_after_a_failure_need_not_come_again() {
    let host = FakeHost::new();
    let first = execute(&host, |context| {
        let failed: Result<(), Failure> = context.step("ship", || Err(Failure::retry("no ship")));
        context.step("tell", || Ok(()))?;
        failed
    });
    assert_eq!(first, Some(Err(Failure::retry("no ship"))));
    assert_eq!(execute(&host, |context| context.step("ship", || Ok(()))), Some(Ok(())));
}

#[test]
fn an_event_that_is_there_is_returned_at_once_and_another_one_waited_for() {
    let host = FakeHost::new().event("paid", "7", "1").event_after(MINUTE, "paid", "7", "2");
    let wait = |context: &Context| context.wait_for::<u32>("paid", "7", MINUTE * 2);
    let run = |context: &Context| Ok((wait(context)?, wait(context)?, wait(context)?));
    assert_eq!(execute(&host, run), None, "the second is still to come");
    assert_eq!((host.slept(), host.steps().len()), (MINUTE, 2));
    assert_eq!(execute(&host, run), None, "the third never comes");
    assert_eq!(host.slept(), MINUTE * 3);
    assert_eq!(execute(&host, run), Some(Ok((Some(1), Some(2), None))));
    assert_eq!(execute(&host, run), Some(Ok((Some(1), Some(2), None))), "as it was recorded");
}

#[test]
fn time_goes_forward_where_a_handler_sleeps() {
    let host = FakeHost::new().at(UNIX_EPOCH).timeout(Duration::from_secs(5));
    let times = |context: &Context| {
        context.sleep("a while", MINUTE)?;
        Ok([context.created_at(), context.run_at(), context.deadline()])
    };
    assert_eq!(execute(&host, times), None);
    let expected = [UNIX_EPOCH, UNIX_EPOCH + MINUTE, UNIX_EPOCH + MINUTE + Duration::from_secs(5)];
    assert_eq!(execute(&host, times), Some(Ok(expected)));
}

#[test]
fn secrets_are_in_nothing_that_is_kept() {
    let host = FakeHost::new().secret("token", "very \"secret\"").may_emit("*").may_notify().may_enqueue("*");
    let run = |context: &Context| {
        let token = context.step("ask", || Ok(crate::secrets::get("token")?.text()?.to_owned()))?;
        context.emit("asked", "", &token)?;
        context.enqueue("use", &token)?;
        context.notify("ann", crate::NotificationLevel::Info, &token)?;
        Ok(token)
    };
    assert_eq!(execute(&host, run), Some(Ok("very \"secret\"".to_owned())));
    assert_eq!(host.steps()[0].result.as_deref(), Some("\"[secret token]\""));
    assert_eq!(host.emitted()[0].data, "\"[secret token]\"");
    assert_eq!(host.enqueued(), [r#"{"kind":"use","payload":"[secret token]"}"#]);
    assert_eq!(host.notifications()[0].message, "[secret token]");
    assert_eq!(execute(&host, run), Some(Ok("[secret token]".to_owned())), "whoever needs it asks for it again");
}

#[test]
fn a_host_that_dies_in_a_wait_has_lost_nothing_of_it() {
    for host in [FakeHost::new().crash_in_step(1), FakeHost::new().crash_after_steps(1)] {
        let host = host.event("paid", "7", "1").event_after(MINUTE, "paid", "7", "2");
        let run = |context: &Context| {
            let first: Option<u32> = context.wait_for("paid", "7", MINUTE)?;
            context.sleep("a while", MINUTE)?;
            Ok((first, context.wait_for::<u32>("paid", "7", MINUTE)?))
        };
        let mut executions = 1;
        let ended = loop {
            match execute(&host, run) {
                Some(ended) => break ended,
                None => executions += 1,
            }
        };
        assert_eq!((ended, executions, host.slept()), (Ok((Some(1), Some(2))), 3, MINUTE));
    }
}
