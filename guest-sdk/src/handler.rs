//! What `#[handler]` implements for a function.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Failure, Kind};

/// One kind and the function that runs it; implemented by [`#[handler]`](macro@crate::handler).
///
/// ```
/// use stoker_sdk::{Context, Failure, Handler, handler};
///
/// /// Doubles a number.
/// #[handler(kind = "double", timeout = "5s")]
/// fn double(_context: &Context, number: i32) -> Result<i64, Failure> {
///     Ok(i64::from(number) * 2)
/// }
///
/// assert_eq!(double::KIND, "double");
/// assert_eq!(double::DESCRIPTION, Some("Doubles a number."));
/// assert_eq!(double::SETTINGS, Some(r#"{"timeout":"5s"}"#));
/// assert!(double::input_schema().contains("int32"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "put `#[stoker_sdk::handler(kind = \"…\")]` on the function listed in `stoker_sdk::module!`"
)]
pub trait Handler {
    /// The kind, e.g. `email.send`. What `#[handler]` makes has it without this trait as well: `email::send::KIND`.
    const KIND: Kind<Self::Input>;
    /// One sentence for people.
    const DESCRIPTION: Option<&'static str>;
    /// Default settings as JSON, in the form of `PUT /v1/kinds/{kind}/settings`.
    const SETTINGS: Option<&'static str>;
    /// The payload.
    type Input: DeserializeOwned;
    /// The result.
    type Output: Serialize;

    /// JSON Schema of the payload.
    fn input_schema() -> String;
    /// JSON Schema of the result.
    fn output_schema() -> String;
    /// Runs one attempt.
    fn handle(context: &Context, input: Self::Input) -> Result<Self::Output, Failure>;
}
