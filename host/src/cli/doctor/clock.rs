//! The clock: schedules, delays and leases are told by it.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::finding::Findings;

const CHECK: &str = "clock";
/// This program was not there before.
const YEAR_MIN: i16 = 2026;
const YEAR_MAX: i16 = 2100;
/// HTTP tells whole seconds; more than this apart is more than that and the way there, s.
const APART_MAX_S: i64 = 5;

/// `host_time`: what the host says it is, as HTTP writes it.
pub(super) fn check(host_time: Option<String>, findings: &mut Findings) {
    let now = Timestamp::now();
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    if !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        let advice = "set it, and keep it right with NTP: jobs with a delay run when it says so";
        return findings.problem(CHECK, format!("it is {now}, says this machine"), advice);
    }
    let apart_s = host_time.and_then(|time| rfc2822::parse(&time.replace("GMT", "+0000")).ok()).map(|host| {
        let host = host.timestamp();
        now.as_second() - host.as_second()
    });
    match apart_s {
        Some(apart_s) if apart_s.abs() > APART_MAX_S => {
            let relation = if apart_s > 0 { "ahead of" } else { "behind" };
            findings.note(
                CHECK,
                format!("this machine's is {} s {relation} the host's", apart_s.abs()),
                "keep both right with NTP: a `run_at` is the host's to understand",
            );
        }
        Some(_) => findings.ok(CHECK, format!("{now:.0}, as the host's")),
        None => findings.ok(CHECK, format!("{now:.0}")),
    }
}
