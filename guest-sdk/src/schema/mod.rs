//! JSON Schemas of inputs and outputs, written straight into text: a few hundred bytes of wasm a type.

mod object;
mod provided;
mod root;
mod spelling;
mod text;

pub(crate) use root::root_schema;
pub use text::SchemaText;
pub(crate) use text::Side;

/// A type with a JSON Schema (2020-12); derive it: `#[derive(stoker_sdk::JsonSchema)]`.
///
/// The derive reads serde's attributes (names, aliases, tags, defaults, skipped and flattened fields, `from`, `into`, …), so that
/// the schema says what serde does, and doc comments become descriptions. `#[schemars(…)]` on a field adds what a type
/// cannot say, written as for the `schemars` crate:
///
/// | attribute | in the schema |
/// |---|---|
/// | `range(min = 1, max = 9)` | `minimum`, `maximum` |
/// | `length(min = 1, max = 80)`, `length(equal = 2)` | the length of text or of a list |
/// | `regex(pattern = "^[a-z]+$")` | `pattern` |
/// | `title = "…"`, `description = "…"` | these; `description` instead of the doc comment |
/// | `extend("examples" = ["a"])` | any member, as JSON |
/// | `with = "String"` | the schema of another type; needed where serde reads or writes by a function (`#[serde(with = "…")]`) |
///
/// Flattened fields and content beside a tag become members of the one object, which alone says whether it may have others.
///
/// ```
/// use serde::Deserialize;
/// use stoker_sdk::JsonSchema;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Resize {
///     /// Where the picture is.
///     url: String,
///     #[schemars(range(min = 1, max = 4096))]
///     width: u32,
///     #[serde(default)]
///     format: Format,
/// }
///
/// #[derive(Default, Deserialize, JsonSchema)]
/// #[serde(rename_all = "lowercase")]
/// enum Format {
///     #[default]
///     Png,
///     Jpeg,
/// }
/// ```
///
/// A type of another crate that has `schemars::JsonSchema` only: derive that one on the whole input or output instead
/// (feature `schemars`, on unless switched off). `#[handler]` takes either; with schemars a module is some 170 KB larger.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema",
    label = "the host needs its schema to check payloads and outputs",
    note = "put `#[derive(stoker_sdk::JsonSchema)]` on `{Self}`, and on each type in it",
    note = "for a type of another crate: `#[schemars(with = \"String\")]` on the field, naming a type of the same JSON",
    note = "`#[derive(schemars::JsonSchema)]` on the whole input or output does as well: `cargo add schemars` (feature `schemars`)"
)]
pub trait JsonSchema {
    /// Whether a field of this type can be left out of an input.
    #[doc(hidden)]
    const CAN_BE_ABSENT: bool = false;

    /// Whether it only looks at the members of an object it is flattened into, so that to serde they stay unknown.
    #[doc(hidden)]
    const LEAVES_MEMBERS: bool = false;

    /// Adds the members of this type's schema to the object that `schema` is in.
    ///
    /// ```
    /// use stoker_sdk::{JsonSchema, SchemaText};
    ///
    /// struct Country(String);
    ///
    /// impl JsonSchema for Country {
    ///     fn write(schema: &mut SchemaText) {
    ///         schema.members(r#""type":"string","pattern":"^[A-Z]{2}$""#);
    ///     }
    /// }
    /// ```
    fn write(schema: &mut SchemaText);
}
