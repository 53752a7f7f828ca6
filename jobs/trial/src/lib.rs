//! A job that lasts for days, through restarts and crashes: it opens an account, waits for a payment, and keeps or closes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoker_sdk::kv::{self, Bucket, KvError};
use stoker_sdk::{Context, Failure, JsonSchema, NotificationLevel, handler};

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// Who tries something, and for how long.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// What the application calls the user; anything but blank.
    pub user: String,
    /// Until it has to be paid.
    #[schemars(range(min = 1, max = 366))]
    pub days: u32,
}

/// What became of it.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ended {
    /// The account's number.
    pub account: i64,
    /// What was paid; nothing: it is closed.
    pub paid_cents: Option<u64>,
}

/// Opens an account, and closes it where the event `trial.paid` does not come in time.
#[handler(kind = "trial", grants(kv = ["accounts"], events = ["trial.*"], notify = true))]
pub fn trial(context: &Context, input: Trial) -> Result<Ended, Failure> {
    let Trial { user, days } = input;
    if user.trim().is_empty() {
        return Err(Failure::fatal("`user` is blank: there is nobody to try anything"));
    }
    let account = context.step("open-account", || Ok(open_account(context, &user)?))?;
    // Days may pass here, and the host may be another one. What comes before is not done again.
    let paid_cents: Option<u64> = context.wait_for("trial.paid", &user, DAY * days)?;
    if paid_cents.is_none() {
        context.step("close-account", || Ok(kv::open("accounts")?.delete(&account_key(account))?))?;
    }
    // Both come with the job's success, once.
    let (level, message) = match paid_cents {
        Some(_) => (NotificationLevel::Success, "Thank you: your account stays open"),
        None => (NotificationLevel::Warning, "Your trial is over, and your account is closed"),
    };
    context.notify(&user, level, message)?;
    context.emit("trial.ended", &user, &paid_cents.is_some())?;
    Ok(Ended { account, paid_cents })
}

/// Draws a number and keeps the account under it. The host may die before the step is recorded, and this runs again: what was drawn
/// under the step's key is found.
fn open_account(context: &Context, user: &str) -> Result<i64, KvError> {
    let accounts = kv::open("accounts")?;
    let drawn = format!("drawn/{}", context.idempotency_key());
    let account = match accounts.get_json(&drawn)? {
        Some(account) => account,
        None => draw(&accounts, &drawn)?,
    };
    accounts.set_json(&account_key(account), &user)?;
    Ok(account)
}

/// A number that nobody else has. One that is drawn and not kept is lost, as with any counter.
fn draw(accounts: &Bucket, drawn: &str) -> Result<i64, KvError> {
    let account = accounts.increment("last", 1)?;
    accounts.set_json(drawn, &account)?;
    Ok(account)
}

fn account_key(account: i64) -> String {
    format!("account/{account}")
}

stoker_sdk::module!(trial);

#[cfg(test)]
mod tests {
    use stoker_sdk::testing::{FakeHost, crash_everywhere};

    use super::*;

    fn input(user: &str) -> Trial {
        Trial { user: user.into(), days: 14 }
    }

    #[test]
    fn who_pays_in_time_stays() {
        let host = FakeHost::new().event_after(DAY * 3, "trial.paid", "ann", "4200");
        assert_eq!(host.run_to_end::<trial>(input("ann")), Ok(Ended { account: 1, paid_cents: Some(4_200) }));
        assert_eq!((host.slept(), host.executions()), (DAY * 3, 2));
        assert_eq!(host.value("accounts", "account/1"), Some(br#""ann""#.to_vec()));
        assert_eq!(host.emitted()[0].data, "true");
    }

    #[test]
    fn who_does_not_is_told_and_the_account_closed() {
        let host = FakeHost::new();
        assert_eq!(host.run_to_end::<trial>(input("ann")), Ok(Ended { account: 1, paid_cents: None }));
        assert_eq!(host.slept(), DAY * 14);
        assert_eq!(host.value("accounts", "account/1"), None);
        assert_eq!(host.notifications()[0].level, NotificationLevel::Warning);
    }

    #[test]
    fn wherever_the_host_dies_it_comes_to_the_same() {
        let paid = || FakeHost::new().event_after(DAY, "trial.paid", "ann", "4200");
        let ended = crash_everywhere::<trial>(paid, &input("ann"));
        assert_eq!(ended, Ok(Ended { account: 1, paid_cents: Some(4_200) }));
        let ended = crash_everywhere::<trial>(FakeHost::new, &input("ann"));
        assert_eq!(ended, Ok(Ended { account: 1, paid_cents: None }));
    }

    #[test]
    fn nobody_tries_nothing() {
        assert!(matches!(FakeHost::new().run_to_end::<trial>(input(" ")), Err(Failure::Fatal { .. })));
    }
}
