//! What to do about an attempt that failed, by its reason.

use crate::job::FailureReason;

/// One sentence, or nothing where the message says it all.
pub(super) fn advice(reason: &str, kind: &str) -> Option<String> {
    use FailureReason as R;
    let reason = R::ALL.iter().copied().find(|known| known.as_str() == reason)?;
    let raise =
        |limit: &str| format!("use less, or raise `{limit}` of the kind `{kind}`: in the code, or as its operator");
    let advice = match reason {
        R::Trap => "the guest ended where it should not; the log and the backtrace say where".to_owned(),
        R::Timeout => format!("be quicker, do less in one job, or raise `timeout` of the kind `{kind}`"),
        R::FuelExhausted => raise("fuel"),
        R::MemoryExceeded => raise("memory"),
        R::OutputTooLarge => raise("output"),
        R::HostCallsExceeded => raise("host_calls"),
        R::StackOverflow => "recurse less deeply; this limit can't be raised".to_owned(),
        R::InvalidOutput => "the output must fit the schema of its type; a plain command that prints text needs \
            `stdout = \"text\"` under [settings]"
            .to_owned(),
        R::InvalidPayload => {
            "the payload fits an older input type; give new fields a `#[serde(default)]`, or enqueue it \
            anew"
                .to_owned()
        }
        R::CapabilityDenied => "a sandbox has no files, network or environment unless they were granted".to_owned(),
        // A handler's own words say it best; what is the host's to mend, its operator reads elsewhere.
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named() {
        for (reason, said) in [
            ("fuel_exhausted", "raise `fuel` of the kind `greet`"),
            ("memory_exceeded", "raise `memory` of the kind `greet`"),
            ("timeout", "raise `timeout` of the kind `greet`"),
            ("invalid_payload", "#[serde(default)]"),
        ] {
            assert!(advice(reason, "greet").is_some_and(|advice| advice.contains(said)), "{reason}");
        }
        assert_eq!(advice("handler_error", "greet"), None);
        assert_eq!(advice("of a newer host", "greet"), None);
    }
}
