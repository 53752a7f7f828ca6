//! Patterns: compiled before the schema that holds them, once for each text, within bounds of all of them together; and
//! matched in one pass in which every byte counts. Nothing ever goes back in a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::{Keyword, ValidationError};
use jsonschema_regex::to_rust_regex;
use parking_lot::Mutex;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::{start, syntax};

use super::budget::{Exhausted, give_up, is_checking, step, step_bytes};
use super::lookaround::{Condition, conditions};
use super::metered::{Metered, MeteredJson};
use super::shape::PatternPlace;
use crate::job::cut;

/// Of all the patterns of a schema, compiled, bytes.
const PATTERNS_COMPILED_BYTES_MAX: usize = 12 << 20;
/// Of one expression before it is an automaton, bytes: `^\p{L}{1,200}$` fits.
const EXPRESSION_BYTES_MAX: usize = 4 << 20;
/// An automaton up to this size is made beforehand; the states of a larger one when a text leads there. Bytes.
const COMPLETE_BYTES_MAX: usize = 256 << 10;
/// How many expressions of a schema may turn out to be larger: to find out takes some milliseconds each. The others are
/// not tried any more.
const INCOMPLETE_MAX: usize = 16;
/// States kept of an automaton made on the way, bytes.
const STATES_KEPT_BYTES: usize = 128 << 10;
/// The least that is kept, for each state of the expression, bytes.
const STATE_KEPT_BYTES: usize = 32;
/// What the evaluator keeps of a pattern for names: so many times the expression, and so much beside it, bytes.
const NAME_PATTERN_FACTOR: usize = 4;
const NAME_PATTERN_BYTES: usize = 64 << 10;
/// The evaluator's bounds for a pattern for names, bytes. Those that get there have passed ours.
pub(super) const NAME_PATTERN_COMPILED_BYTES_MAX: usize = 8 << 20;
pub(super) const NAME_PATTERN_CACHE_BYTES_MAX: usize = 64 << 10;
/// Bytes between two steps of the budget.
const BYTES_BETWEEN_STEPS: usize = 1 << 10;
/// Of a value in a message, bytes.
const VALUE_SHOWN_BYTES_MAX: usize = 200;
/// Of a pattern in a message, bytes.
const PATTERN_SHOWN_BYTES_MAX: usize = 200;
/// Longest text the format `regex` is checked for, bytes: the check compares every name of a group with all others.
const REGEX_TEXT_BYTES_MAX: usize = 8 << 10;

/// The patterns of one schema, compiled.
#[derive(Default)]
pub(super) struct Patterns {
    by_text: BTreeMap<String, Arc<Pattern>>,
    /// All of them, about.
    pub(super) bytes: usize,
    /// States of the patterns for names, each of which every name may meet at every byte.
    pub(super) name_states: usize,
}

impl Patterns {
    /// Compiles each. The error is a sentence that begins with its verb.
    pub(super) fn compile(places: &[PatternPlace<'_>]) -> Result<Patterns, String> {
        let mut patterns = Patterns::default();
        let mut names: Vec<&str> = Vec::new();
        let mut incomplete = 0;
        // Those for names must be complete, so they are the first to be tried.
        let (of_names, others): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.is_of_names);
        for place in of_names.into_iter().chain(others) {
            let refused = |why: &str| {
                let shown = cut(place.pattern.to_owned(), PATTERN_SHOWN_BYTES_MAX);
                super::shape::at(&place.pointer, &format!("the pattern `{shown}` {why}"))
            };
            let known = patterns.by_text.get(place.pattern).cloned();
            let pattern = if let Some(known) = known {
                known
            } else {
                let pattern = Pattern::compile(place.pattern, &mut incomplete).map_err(|why| refused(&why))?;
                let pattern = Arc::new(pattern);
                patterns.bytes += pattern.bytes;
                patterns.by_text.insert(place.pattern.to_owned(), Arc::clone(&pattern));
                pattern
            };
            if place.is_of_names && !names.contains(&place.pattern) {
                if !pattern.is_for_names() {
                    return Err(refused(
                        "is too large for `patternProperties`, or looks around; repeat less in it, or use \
                         `propertyNames`",
                    ));
                }
                names.push(place.pattern);
                patterns.name_states += pattern.states;
                patterns.bytes += pattern.states_bytes * NAME_PATTERN_FACTOR + NAME_PATTERN_BYTES;
            }
            if patterns.bytes > PATTERNS_COMPILED_BYTES_MAX {
                return Err(refused(&format!(
                    "is one too many: all patterns together take more than {PATTERNS_COMPILED_BYTES_MAX} bytes when \
                     compiled; repeat less in them (`\\p{{L}}{{1,200}}` is large, `\\p{{L}}+` with `maxLength` is not), \
                     or have fewer"
                )));
            }
        }
        Ok(patterns)
    }

    /// One of them, as the keyword `pattern`.
    pub(super) fn keyword(&self, text: &str) -> Option<PatternKeyword> {
        self.by_text.get(text).map(|pattern| PatternKeyword(Arc::clone(pattern)))
    }
}

/// One pattern, compiled.
struct Pattern {
    text: String,
    /// All of them must be as wanted.
    searches: Vec<(bool, Search)>,
    bytes: usize,
    /// Of its expressions.
    states: usize,
    states_bytes: usize,
}

/// Whether an expression matches somewhere in a text.
enum Search {
    /// The whole automaton.
    Complete(Box<dense::DFA<Vec<u32>>>),
    /// One whose states are made when a text leads there, which takes a step for each state of the expression.
    Incomplete(Box<Incomplete>),
}

struct Incomplete {
    automaton: DFA,
    states: u32,
    /// What was made of it so far, for the next search; another one at the same time begins anew.
    made: Mutex<Option<Cache>>,
}

impl Pattern {
    fn compile(text: &str, incomplete: &mut usize) -> Result<Pattern, String> {
        let mut pattern = Pattern { text: text.to_owned(), searches: Vec::new(), bytes: 0, states: 0, states_bytes: 0 };
        for Condition { wanted, expression } in conditions(text)? {
            let nfa = nfa(&expression)?;
            pattern.states += nfa.states().len();
            pattern.states_bytes += nfa.memory_usage();
            let search = Search::new(nfa, incomplete)?;
            pattern.bytes += search.bytes();
            pattern.searches.push((wanted, search));
        }
        Ok(pattern)
    }

    /// The evaluator matches names by itself, in one call: the expression must be one that is quick for it, too.
    fn is_for_names(&self) -> bool {
        matches!(self.searches.as_slice(), [(true, Search::Complete(_))])
    }

    fn is_match(&self, text: &str) -> bool {
        step(1);
        self.searches.iter().all(|(wanted, search)| search.finds(text.as_bytes()) == *wanted)
    }
}

fn nfa(expression: &str) -> Result<NFA, String> {
    let no_expression = |()| "is not a regular expression this host knows (ECMA-262 without `v`)".to_owned();
    let translated = to_rust_regex(expression).map_err(no_expression)?;
    let config = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(EXPRESSION_BYTES_MAX))
        .which_captures(thompson::WhichCaptures::None);
    let compiler = &mut thompson::Compiler::new();
    let built = compiler.configure(config).syntax(syntax::Config::new().utf8(false)).build(&translated);
    built.map_err(|error| match error.size_limit() {
        Some(_) => "is too large when compiled; repeat less in it, or check the length with `maxLength`".to_owned(),
        None => format!("is not a regular expression this host knows: {error}"),
    })
}

impl Search {
    fn new(nfa: NFA, incomplete: &mut usize) -> Result<Search, String> {
        if *incomplete < INCOMPLETE_MAX {
            let config = dense::Config::new()
                .start_kind(StartKind::Unanchored)
                .accelerate(false)
                .dfa_size_limit(Some(COMPLETE_BYTES_MAX))
                .determinize_size_limit(Some(COMPLETE_BYTES_MAX));
            if let Ok(whole) = dense::Builder::new().configure(config).build_from_nfa(&nfa) {
                return Ok(Search::Complete(Box::new(whole)));
            }
            *incomplete += 1;
        }
        let states = u32::try_from(nfa.states().len()).unwrap_or(u32::MAX);
        let config = DFA::config().cache_capacity(STATES_KEPT_BYTES).skip_cache_capacity_check(true);
        let automaton = DFA::builder().configure(config).build_from_nfa(nfa);
        let automaton = automaton.map_err(|error| format!("is not a regular expression this host knows: {error}"))?;
        Ok(Search::Incomplete(Box::new(Incomplete { automaton, states, made: Mutex::new(None) })))
    }

    fn bytes(&self) -> usize {
        match self {
            Search::Complete(automaton) => automaton.memory_usage(),
            Search::Incomplete(search) => {
                let states = search.automaton.get_nfa().states().len();
                let kept = STATES_KEPT_BYTES.max(states.saturating_mul(STATE_KEPT_BYTES));
                search.automaton.get_nfa().memory_usage() + kept
            }
        }
    }

    fn finds(&self, text: &[u8]) -> bool {
        match self {
            Search::Complete(automaton) => finds_in_one_pass(automaton, text),
            Search::Incomplete(search) => {
                let mut lent = Lent { search, made: search.made.try_lock().and_then(|mut made| made.take()) };
                let made = lent.made.get_or_insert_with(|| search.automaton.create_cache());
                // Without bounds on how often states are forgotten, and without bytes it stops at, it always ends.
                search.finds(made, text).unwrap_or(false)
            }
        }
    }
}

/// What was made of an automaton so far, for one search. It is given back at the end, also of one that is given up: so
/// the next one gets further.
struct Lent<'s> {
    search: &'s Incomplete,
    made: Option<Cache>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mut kept) = self.search.made.try_lock() {
            *kept = self.made.take();
        }
    }
}

fn finds_in_one_pass(automaton: &dense::DFA<Vec<u32>>, text: &[u8]) -> bool {
    // Fails only for searches it was not made for.
    let Ok(mut state) = automaton.start_state(&start::Config::new()) else { return false };
    for bytes in text.chunks(BYTES_BETWEEN_STEPS) {
        step_bytes(bytes.len());
        for byte in bytes {
            state = automaton.next_state(state, *byte);
            if automaton.is_special_state(state) {
                if automaton.is_match_state(state) {
                    return true;
                }
                if automaton.is_dead_state(state) {
                    return false;
                }
            }
        }
    }
    automaton.is_match_state(automaton.next_eoi_state(state))
}

impl Incomplete {
    /// `None`: the automaton gave up, which it was not told to.
    fn finds(&self, made: &mut Cache, text: &[u8]) -> Option<bool> {
        step(self.states);
        let mut state = self.automaton.start_state(made, &start::Config::new()).ok()?;
        for bytes in text.chunks(BYTES_BETWEEN_STEPS) {
            step_bytes(bytes.len());
            for byte in bytes {
                if state.is_tagged() {
                    return Some(state.is_match());
                }
                let known = self.automaton.next_state_untagged(made, state, *byte);
                state = if known.is_unknown() {
                    step(self.states);
                    self.automaton.next_state(made, state, *byte).ok()?
                } else {
                    known
                };
            }
        }
        if state.is_tagged() {
            return Some(state.is_match());
        }
        step(self.states);
        Some(self.automaton.next_eoi_state(made, state).ok()?.is_match())
    }
}

/// The keyword `pattern` of some schema.
pub(super) struct PatternKeyword(Arc<Pattern>);

impl<'i> Keyword<'i, MeteredJson> for PatternKeyword {
    fn validate(&self, instance: Metered<'i>) -> Result<(), ValidationError<'i>> {
        match instance.0.as_str() {
            Some(text) if !self.0.is_match(text) => {
                let shown = serde_json::Value::from(cut(text.to_owned(), VALUE_SHOWN_BYTES_MAX));
                Err(ValidationError::custom(format!("{shown} does not match \"{}\"", self.0.text)))
            }
            _ => Ok(()),
        }
    }

    fn is_valid(&self, instance: Metered<'i>) -> bool {
        instance.0.as_str().is_none_or(|text| self.0.is_match(text))
    }
}

/// The format `regex`.
pub(super) fn is_regex(text: &str) -> bool {
    if text.len() > REGEX_TEXT_BYTES_MAX {
        if is_checking() {
            give_up(Exhausted::LongText);
        }
        return false;
    }
    let is_regex = jsonschema_regex::is_valid_ecma_regex(text);
    step_bytes(text.len() * text.len());
    is_regex
}
