//! The keyword `pattern`. Most patterns are matched in one pass. Those with lookaround or backreferences go back and
//! forth in the text: they may do so a bounded number of times, in a text of bounded length.

use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

use super::budget::{Exhausted, give_up, step, step_bytes};
use super::metered::{Metered, MeteredJson};

/// Longest text matched against a pattern that may go back, bytes. With the next bound: tens of milliseconds at worst.
const BACKTRACKED_TEXT_BYTES_MAX: usize = 4 << 10;
/// How often a match may go back.
const BACKTRACKS_MAX: usize = 10_000;
/// Steps such a match counts for.
const BACKTRACKING_STEPS: u32 = 256;
/// Of one compiled pattern, bytes.
pub(super) const PATTERN_COMPILED_BYTES_MAX: usize = 512 << 10;
/// Cache of one pattern on one thread, bytes.
pub(super) const PATTERN_CACHE_BYTES_MAX: usize = 256 << 10;

/// One pattern, compiled.
pub(super) struct Pattern {
    validator: Validator,
    goes_back: bool,
}

impl Pattern {
    pub(super) fn compile(pattern: &Value) -> Result<Pattern, ValidationError<'static>> {
        let schema = json!({ "pattern": pattern });
        let in_one_pass =
            PatternOptions::regex().size_limit(PATTERN_COMPILED_BYTES_MAX).dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        if let Ok(validator) = jsonschema::options().with_pattern_options(in_one_pass).build(&schema) {
            return Ok(Pattern { validator, goes_back: false });
        }
        let going_back = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS_MAX)
            .size_limit(PATTERN_COMPILED_BYTES_MAX)
            .dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        let validator = jsonschema::options().with_pattern_options(going_back).build(&schema)?;
        Ok(Pattern { validator, goes_back: true })
    }

    fn count(&self, instance: Metered<'_>) {
        let Some(text) = instance.0.as_str() else { return };
        if self.goes_back {
            if text.len() > BACKTRACKED_TEXT_BYTES_MAX {
                give_up(Exhausted::LongText);
            }
            step(BACKTRACKING_STEPS);
        } else {
            step_bytes(text.len());
        }
    }
}

impl<'i> Keyword<'i, MeteredJson> for Pattern {
    fn validate(&self, instance: Metered<'i>) -> Result<(), ValidationError<'i>> {
        self.count(instance);
        self.validator.validate(instance.0)
    }

    fn is_valid(&self, instance: Metered<'i>) -> bool {
        self.count(instance);
        self.validator.is_valid(instance.0)
    }
}
