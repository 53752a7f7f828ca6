//! A module: the handlers it serves, found by kind. Owns `module!` and the dispatch behind the component's exports.

use crate::payload;
use crate::{Context, Failure, Handler};

/// Makes the crate a Stoker module that serves the listed handlers.
///
/// Once per crate, at its root; the crate's type is `cdylib` (and `rlib`, to be tested). Two handlers of one kind do
/// not compile. Where the compiler says that it "expected type, found function", `#[handler]` is missing on that
/// function; where it says that a "struct is private", a `pub` is, as for any function that is used outside its `mod`.
///
/// ```
/// mod greetings {
/// #   use stoker_sdk::{Context, Failure, handler};
///     #[handler(kind = "hello")]
///     pub fn hello(_context: &Context, name: String) -> Result<String, Failure> {
///         Ok(format!("Hello, {name}!"))
///     }
///
///     #[handler(kind = "goodbye")]
///     pub fn goodbye(_context: &Context, name: String) -> Result<String, Failure> {
///         Ok(format!("Goodbye, {name}."))
///     }
/// }
///
/// stoker_sdk::module!(greetings::hello, greetings::goodbye);
/// ```
#[macro_export]
macro_rules! module {
    ($($handler:path),+ $(,)?) => {
        const _: () = {
            const ENTRIES: &[$crate::macro_support::Entry] =
                &[$(<$handler as $crate::macro_support::Listed>::ENTRY),+];
            const _: () = $crate::macro_support::assert_kinds_distinct(ENTRIES);

            #[cfg(target_family = "wasm")]
            struct Component;

            #[cfg(target_family = "wasm")]
            impl $crate::bindings::Guest for Component {
                fn describe() -> ::std::vec::Vec<$crate::bindings::KindDescription> {
                    $crate::macro_support::describe(ENTRIES)
                        .map($crate::bindings::to_wire_description)
                        .collect()
                }

                fn run(
                    context: $crate::bindings::WireContext,
                    payload: ::std::string::String,
                ) -> ::core::result::Result<::std::string::String, $crate::bindings::WireFailure> {
                    let context = $crate::bindings::to_context(context);
                    $crate::macro_support::run(ENTRIES, &context, &payload)
                        .map_err($crate::bindings::to_wire_failure)
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::export_component!(
                Component with_types_in $crate::bindings
            );
        };
    };
}

/// What a module says about one of its kinds.
#[derive(Debug)]
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
#[allow(clippy::struct_field_names)] // the contract's words
pub struct Description {
    pub(crate) name: &'static str,
    pub(crate) description: Option<&'static str>,
    pub(crate) input_schema: String,
    pub(crate) output_schema: String,
    pub(crate) settings: Option<&'static str>,
}

/// One handler with its types erased.
#[derive(Debug)]
pub struct Entry {
    kind: &'static str,
    describe: fn() -> Description,
    run: fn(&Context, &str) -> Result<String, Failure>,
}

impl Entry {
    /// The entry of a handler.
    pub const fn of<H: Handler>() -> Self {
        Self { kind: H::KIND.name(), describe: describe_one::<H>, run: run_one::<H> }
    }
}

/// A handler in `module!`. As a path of its own, so that the compiler points at a name that is no type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "put `#[stoker_sdk::handler(kind = \"…\")]` on the function listed in `stoker_sdk::module!`"
)]
pub trait Listed {
    /// Its entry.
    const ENTRY: Entry;
}

impl<H: Handler> Listed for H {
    const ENTRY: Entry = Entry::of::<H>();
}

fn describe_one<H: Handler>() -> Description {
    Description {
        name: H::KIND.name(),
        description: H::DESCRIPTION,
        input_schema: H::input_schema(),
        output_schema: H::output_schema(),
        settings: H::SETTINGS,
    }
}

pub(crate) fn run_one<H: Handler>(context: &Context, payload: &str) -> Result<String, Failure> {
    payload::print(&H::handle(context, payload::parse(payload)?)?)
}

/// The descriptions of every kind.
pub fn describe(entries: &[Entry]) -> impl Iterator<Item = Description> + '_ {
    entries.iter().map(|entry| (entry.describe)())
}

/// Runs the handler of the context's kind.
pub fn run(entries: &[Entry], context: &Context, payload: &str) -> Result<String, Failure> {
    crate::facades::install();
    match entries.iter().find(|entry| entry.kind == context.kind()) {
        Some(entry) => (entry.run)(context, payload),
        None => Err(Failure::fatal(format_args!("this module has no handler of kind `{}`", context.kind()))),
    }
}

/// Ends the compilation when two handlers serve one kind.
///
/// # Panics
/// That is how it does so.
pub const fn assert_kinds_distinct(entries: &[Entry]) {
    let mut first = 0;
    while first < entries.len() {
        let mut second = first + 1;
        while second < entries.len() {
            assert!(
                !same(entries[first].kind.as_bytes(), entries[second].kind.as_bytes()),
                "two handlers serve one kind"
            );
            second += 1;
        }
        first += 1;
    }
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    struct Double;

    impl Handler for Double {
        const KIND: Kind<i64> = Kind::new("test");
        const DESCRIPTION: Option<&'static str> = Some("Doubles.");
        const SETTINGS: Option<&'static str> = None;
        type Input = i64;
        type Output = i64;

        fn input_schema() -> String {
            crate::schema::root_schema(crate::schema::Side::Input, <i64 as crate::JsonSchema>::write)
        }

        fn output_schema() -> String {
            crate::schema::root_schema(crate::schema::Side::Output, <i64 as crate::JsonSchema>::write)
        }

        fn handle(context: &Context, input: i64) -> Result<i64, Failure> {
            input.checked_mul(2).ok_or_else(|| Failure::retry(format_args!("attempt {}", context.attempt())))
        }
    }

    const ENTRIES: &[Entry] = &[Entry::of::<Double>()];

    #[test]
    fn a_payload_goes_through_its_handler() {
        let context = Context::for_test();
        assert_eq!(run(ENTRIES, &context, "21"), Ok("42".to_owned()));
        assert_eq!(run(ENTRIES, &context, "9223372036854775807"), Err(Failure::retry("attempt 1")));
        assert!(matches!(run(ENTRIES, &context, "true"), Err(Failure::Fatal { .. })));
    }

    #[test]
    fn a_kind_nobody_serves_is_fatal() {
        let failure = run(&[], &Context::for_test(), "1");
        assert_eq!(failure, Err(Failure::fatal("this module has no handler of kind `test`")));
    }

    #[test]
    fn every_kind_is_described() {
        let described: Vec<Description> = describe(ENTRIES).collect();
        assert_eq!(described.len(), 1);
        assert_eq!((described[0].name, described[0].description), ("test", Some("Doubles.")));
        assert!(described[0].input_schema.contains("int64"), "{}", described[0].input_schema);
    }

    #[test]
    #[should_panic(expected = "two handlers serve one kind")]
    fn two_handlers_of_one_kind_are_refused() {
        assert_kinds_distinct(&[Entry::of::<Double>(), Entry::of::<Double>()]);
    }
}
