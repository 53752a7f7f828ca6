//! Functions of SQL whose own time grows with one value times the other: minutes for two of megabytes, in which nothing can end a
//! statement. Here they take time in proportion to what they are given. What is not simple text is asked of `SQLite`'s own function, on a
//! connection that holds nothing, within a bound; so they say the same in all cases.

use std::sync::Arc;

use memchr::memmem;
use parking_lot::Mutex;
use rusqlite::functions::{Context, FunctionFlags, SubType};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, ffi, params_from_iter};
use rustc_hash::FxHashSet;

use super::bounds;
use super::connection::VALUE_BYTES_MAX;
use super::watch::Watch;

/// Bytes of one value times bytes of the other that `SQLite`'s own functions are given: seconds.
const WORK_MAX: u64 = 1 << 33;
/// Largest value.
const LENGTH_MAX: usize = VALUE_BYTES_MAX.unsigned_abs() as usize;
/// Characters to be trimmed that are looked through one by one.
const FEW_CHARACTERS: usize = 16;
/// What `SQLite` marks JSON with.
const JSON_SUBTYPE: u32 = 74;

/// What a function says.
#[derive(Debug)]
enum Answer {
    Null,
    Integer(i64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// Without `SQLite`; `None`: to be asked of it.
type Quick = fn(&[ValueRef<'_>]) -> Option<Answer>;

/// One of them.
struct Function {
    name: &'static str,
    /// Calls it.
    sql: &'static str,
    parameters: std::os::raw::c_int,
    quick: Quick,
    subtype: SubType,
}

const FUNCTIONS: [Function; 8] = [
    Function { name: "instr", sql: "SELECT instr(?1, ?2)", parameters: 2, quick: instr, subtype: None },
    Function { name: "replace", sql: "SELECT replace(?1, ?2, ?3)", parameters: 3, quick: replace, subtype: None },
    Function { name: "trim", sql: "SELECT trim(?1, ?2)", parameters: 2, quick: trim::<true, true>, subtype: None },
    Function { name: "ltrim", sql: "SELECT ltrim(?1, ?2)", parameters: 2, quick: trim::<true, false>, subtype: None },
    Function { name: "rtrim", sql: "SELECT rtrim(?1, ?2)", parameters: 2, quick: trim::<false, true>, subtype: None },
    Function { name: "unhex", sql: "SELECT unhex(?1, ?2)", parameters: 2, quick: never, subtype: None },
    Function {
        name: "json_patch",
        sql: "SELECT json_patch(?1, ?2)",
        parameters: 2,
        quick: never,
        subtype: Some(JSON_SUBTYPE),
    },
    Function { name: "jsonb_patch", sql: "SELECT jsonb_patch(?1, ?2)", parameters: 2, quick: never, subtype: None },
];

/// Puts them in the place of those of the same names.
pub(super) fn add_to(sql: &Connection, watch: &Arc<Watch>) -> rusqlite::Result<()> {
    let own = Arc::<Own>::default();
    for function in FUNCTIONS {
        let (watch, own) = (Arc::clone(watch), Arc::clone(&own));
        let mut flags =
            FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
        flags.set(FunctionFlags::SQLITE_RESULT_SUBTYPE, function.subtype.is_some());
        sql.create_scalar_function(function.name, function.parameters, flags, move |context| {
            call(&function, context, &watch, &own)
        })?;
    }
    Ok(())
}

fn call(function: &Function, context: &Context<'_>, watch: &Watch, own: &Own) -> rusqlite::Result<(Answer, SubType)> {
    if watch.is_stopped() {
        return Err(failure(ffi::SQLITE_INTERRUPT));
    }
    // That a text is there is taken for granted: to end it with its zero may take memory.
    let values: Vec<_> = bounds::beyond(|| (0..context.len()).map(|place| context.get_raw(place)).collect());
    let answer = match (function.quick)(&values) {
        Some(answer) => answer,
        None if work(&values) > WORK_MAX => {
            watch.refuse(format!(
                "rule `time`: `{}` of values of {} and {} bytes takes too long: their product may be {WORK_MAX} at most",
                function.name,
                bytes_of(values[0]),
                bytes_of(values[1])
            ));
            return Err(failure(ffi::SQLITE_TOOBIG));
        }
        None => own.ask(function.sql, &values)?,
    };
    if matches!(&answer, Answer::Text(bytes) | Answer::Blob(bytes) if bytes.len() > LENGTH_MAX) {
        return Err(failure(ffi::SQLITE_TOOBIG));
    }
    let subtype = function.subtype.filter(|_| matches!(answer, Answer::Text(_)));
    Ok((answer, subtype))
}

fn work(values: &[ValueRef<'_>]) -> u64 {
    values.iter().take(2).map(|value| bytes_of(*value)).product()
}

fn bytes_of(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
        // As a text.
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 32,
    }
}

fn failure(code: std::os::raw::c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

impl ToSql for Answer {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Answer::Null => ValueRef::Null,
            Answer::Integer(number) => ValueRef::Integer(*number),
            Answer::Text(bytes) => ValueRef::Text(bytes),
            Answer::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// `SQLite`'s own functions, on a connection that is opened when it is first needed.
#[derive(Default)]
struct Own(Mutex<Option<Connection>>);

impl Own {
    fn ask(&self, sql: &str, values: &[ValueRef<'_>]) -> rusqlite::Result<Answer> {
        self.try_ask(sql, values).map_err(|error| match error {
            // A function that fails with a text fails as `SQLITE_ERROR`.
            rusqlite::Error::SqliteFailure(code, _)
                if matches!(code.extended_code, ffi::SQLITE_NOMEM | ffi::SQLITE_TOOBIG) =>
            {
                failure(code.extended_code)
            }
            other => other,
        })
    }

    fn try_ask(&self, sql: &str, values: &[ValueRef<'_>]) -> rusqlite::Result<Answer> {
        let mut kept = self.0.lock();
        let connection = match &*kept {
            Some(connection) => connection,
            None => kept.insert(open()?),
        };
        let values = values.iter().map(|value| ToSqlOutput::Borrowed(*value));
        connection.prepare_cached(sql)?.query_row(params_from_iter(values), |row| {
            Ok(match bounds::beyond(|| row.get_ref(0))? {
                ValueRef::Text(bytes) => Answer::Text(bytes.to_vec()),
                ValueRef::Blob(bytes) => Answer::Blob(bytes.to_vec()),
                ValueRef::Integer(number) => Answer::Integer(number),
                // None of them says a real.
                ValueRef::Null | ValueRef::Real(_) => Answer::Null,
            })
        })
    }
}

fn open() -> rusqlite::Result<Connection> {
    let opened = Connection::open_in_memory()?;
    opened.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    Ok(opened)
}

fn never(_: &[ValueRef<'_>]) -> Option<Answer> {
    None
}

fn instr(values: &[ValueRef<'_>]) -> Option<Answer> {
    let (within, sought, is_text) = match values {
        [ValueRef::Text(within), ValueRef::Text(sought)] => (*within, *sought, true),
        [ValueRef::Blob(within), ValueRef::Blob(sought)] => (*within, *sought, false),
        _ => return None,
    };
    let is_rest = |byte: u8| is_text && byte & 0xC0 == 0x80;
    let found = if sought.first().is_some_and(|first| is_rest(*first)) {
        // No character but a broken first one begins like that.
        within.starts_with(sought).then_some(0)
    } else {
        memmem::find(within, sought)
    };
    let place = found.map_or(0, |at| {
        let before = within.get(1..=at).unwrap_or_default();
        1 + before.iter().filter(|byte| !is_rest(**byte)).count()
    });
    Some(Answer::Integer(i64::try_from(place).unwrap_or(i64::MAX)))
}

fn replace(values: &[ValueRef<'_>]) -> Option<Answer> {
    let [ValueRef::Text(text), ValueRef::Text(sought), ValueRef::Text(by)] = values else { return None };
    if sought.first().is_none_or(|first| *first == 0) {
        return Some(Answer::Text(text.to_vec()));
    }
    let (mut replaced, mut done) = (Vec::with_capacity(text.len()), 0);
    for at in memmem::find_iter(text, sought) {
        replaced.extend_from_slice(&text[done..at]);
        replaced.extend_from_slice(by);
        done = at + sought.len();
        if replaced.len() > LENGTH_MAX {
            // It only gets longer, and is refused.
            return Some(Answer::Text(replaced));
        }
    }
    replaced.extend_from_slice(&text[done..]);
    Some(Answer::Text(replaced))
}

fn trim<const START: bool, const END: bool>(values: &[ValueRef<'_>]) -> Option<Answer> {
    let [ValueRef::Text(text), ValueRef::Text(set)] = values else { return None };
    // What is no UTF-8 has characters of its own kind.
    let (mut text, set) = (str::from_utf8(text).ok()?, str::from_utf8(set).ok()?);
    let characters = set.split('\0').next().unwrap_or_default();
    let few: Vec<char> = characters.chars().take(FEW_CHARACTERS + 1).collect();
    let many: FxHashSet<char> =
        if few.len() > FEW_CHARACTERS { characters.chars().collect() } else { FxHashSet::default() };
    let is_trimmed =
        |character: char| if many.is_empty() { few.contains(&character) } else { many.contains(&character) };
    if START {
        text = text.trim_start_matches(is_trimmed);
    }
    if END {
        text = text.trim_end_matches(is_trimmed);
    }
    Some(Answer::Text(text.as_bytes().to_vec()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::Value;

    use super::*;

    fn connection() -> Connection {
        let sql = Connection::open_in_memory().unwrap();
        add_to(&sql, &Arc::default()).unwrap();
        sql
    }

    fn said(sql: &Connection, call: &str, values: &[Value]) -> Result<(String, String), String> {
        let asked = format!("SELECT typeof(x), hex(x) FROM (SELECT {call} AS x)");
        let row = sql.query_row(&asked, params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)));
        row.map_err(|error| error.to_string())
    }

    /// Values of few different characters, so that they meet; broken and empty ones, numbers, and none.
    fn value() -> impl Strategy<Value = Value> {
        let text = proptest::string::string_regex("[abé€\u{0}1.]{0,6}").unwrap();
        let bytes = proptest::collection::vec(
            prop_oneof![Just(b'a'), Just(b'1'), Just(0), Just(0x80), Just(0xC3), Just(0xA9), Just(0xE2)],
            0..6,
        );
        prop_oneof![
            8 => text.prop_map(Value::Text),
            4 => bytes.prop_map(Value::Blob),
            1 => (-20_i64..200).prop_map(Value::Integer),
            1 => prop_oneof![Just(1.5), Just(1e300), Just(-0.0), Just(11.0)].prop_map(Value::Real),
            1 => Just(Value::Null),
        ]
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just("null".to_owned()), Just("1".to_owned()), Just("\"é\"".to_owned())];
        let tree = leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::vec(("[ab]", inner), 0..3).prop_map(|fields| {
                let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", fields.join(","))
            })
        });
        prop_oneof![6 => tree.prop_map(Value::Text), 1 => value()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn they_say_what_those_of_sqlite_say(values in [value(), value(), value()], wrapped in 0..4_u8) {
            let (ours, theirs) = (connection(), Connection::open_in_memory().unwrap());
            for call in ["instr(A, B)", "replace(A, B, C)", "trim(A, B)", "ltrim(A, B)", "rtrim(A, B)", "unhex(A, B)"] {
                // A blob as a text is a text that may be no UTF-8.
                let text = |place: u8| if wrapped == place { format!("CAST(?{place} AS TEXT)") } else { format!("?{place}") };
                let call = call.replace('A', &text(1)).replace('B', &text(2)).replace('C', &text(3));
                let values = if call.contains("?3") { &values[..] } else { &values[..2] };
                prop_assert_eq!(said(&ours, &call, values), said(&theirs, &call, values), "{}", call);
            }
        }

        #[test]
        fn patches_are_what_those_of_sqlite_are(values in [json(), json()]) {
            let (ours, theirs) = (connection(), Connection::open_in_memory().unwrap());
            for call in ["json_patch(?1, ?2)", "jsonb_patch(?1, ?2)", "json_array(json_patch(?1, ?2), json(jsonb_patch(?1, ?2)))"] {
                prop_assert_eq!(said(&ours, call, &values), said(&theirs, call, &values), "{}", call);
            }
        }
    }

    #[test]
    fn large_values_are_answered_and_the_bound_of_the_others_is_told() {
        let sql = connection();
        let size = 4_000_000;
        let many = Value::Text("a".repeat(size));
        let half = Value::Text(format!("{}b", "a".repeat(size / 2)));
        let ask = |call: &str| said(&sql, call, &[many.clone(), half.clone()]);
        assert_eq!(ask("instr(?1, ?2)").unwrap().0, "integer");
        assert_eq!(ask("length(replace(?1, ?2, 'x')) = length(?1)").unwrap().1, "31");
        let set: String = (0x4E00..0x4E00 + 20_000).filter_map(char::from_u32).collect();
        let trimmed = said(&sql, "trim(?1 || 'b' || ?1, ?2 || ?1)", &[many.clone(), Value::Text(set)]);
        assert_eq!(trimmed.unwrap().1, "62");
        for call in ["unhex(?1, ?2)", "json_patch(?1, ?2)", "trim(CAST(x'80' || ?1 AS TEXT), ?2)"] {
            let refused = ask(call).unwrap_err();
            assert!(refused.contains("too big"), "{call}: {refused}");
        }
        let too_long = said(&sql, "replace(?1, 'a', 'aaa')", &[many]).unwrap_err();
        assert!(too_long.contains("too big"), "{too_long}");
    }

    #[test]
    fn schemas_may_use_them() {
        let sql = connection();
        sql.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).unwrap();
        sql.execute_batch(
            "CREATE TABLE t (a TEXT, b TEXT AS (replace(a, 'x', 'y')) STORED, CHECK (instr(a, 'z') = 0));
             CREATE INDEX i ON t (trim(a, 'x'));
             INSERT INTO t VALUES ('xax');",
        )
        .unwrap();
        let found: String = sql.query_row("SELECT b FROM t WHERE trim(a, 'x') = 'a'", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "yay");
    }
}
