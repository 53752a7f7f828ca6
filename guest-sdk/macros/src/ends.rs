//! What follows the end of a job: `on_failed = "alert"` and `retention(succeeded = "24h", failed = "forever")`.

use serde_json::{Map, Value, json};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Result, Token, parenthesized, token};

use crate::forms::{expect, form, integer, separator, wrong};
use crate::names::checked_name;
use crate::quantity::keep_text;

const ON_FAILED: [&str; 3] = ["kind", "queue", "priority"];
const STATES: [&str; 3] = ["succeeded", "cancelled", "failed"];
/// The last priority.
const PRIORITY_MAX: u64 = 9;

/// The kind that is told of a failure, in the form of the settings.
pub(crate) fn on_failed(input: ParseStream<'_>) -> Result<Value> {
    let form = form("on_failed");
    if input.peek(LitStr) {
        return Ok(json!({ "kind": checked_name("a kind", &expect(input, form)?)? }));
    }
    let unknown = wrong(input, form);
    if !input.peek(Ident::peek_any) {
        return Err(unknown);
    }
    let word = input.call(Ident::parse_any)?;
    if word != "job" || !input.peek(token::Paren) {
        return Err(unknown);
    }
    let fields = fields(input, "job", &ON_FAILED, form, |inner, field| {
        Ok(match field {
            "kind" => checked_name("a kind", &expect(inner, crate::forms::form(field))?)?.into(),
            "queue" => checked_name("a queue name", &expect(inner, crate::forms::form(field))?)?.into(),
            _ => integer(inner, crate::forms::form(field), 0, PRIORITY_MAX)?.into(),
        })
    })?;
    if !fields.contains_key("kind") {
        return Err(Error::new(word.span(), "name the kind that is told of a failure: `job(kind = \"alert\")`"));
    }
    Ok(fields.into())
}

/// How long what ended is kept, in the form of the settings.
pub(crate) fn retention(name: &Ident, input: ParseStream<'_>) -> Result<Value> {
    let form = form("retention");
    if !input.peek(token::Paren) {
        return Err(wrong(input, form));
    }
    let fields =
        fields(input, "retention", &STATES, form, |inner, _| Ok(keep_text(&expect::<LitStr>(inner, form)?)?.into()))?;
    if fields.is_empty() { Err(Error::new(name.span(), form)) } else { Ok(fields.into()) }
}

/// Names and values in parentheses.
fn fields(
    input: ParseStream<'_>,
    of: &str,
    known: &[&str],
    form: &str,
    value: impl Fn(ParseStream<'_>, &str) -> Result<Value>,
) -> Result<Map<String, Value>> {
    let inner;
    parenthesized!(inner in input);
    let mut fields = Map::new();
    while !inner.is_empty() {
        if !inner.peek(Ident::peek_any) {
            return Err(wrong(&inner, form));
        }
        let name = inner.call(Ident::parse_any)?;
        let field = name.to_string();
        if !known.contains(&field.as_str()) {
            let message = format!("`{of}` has no `{field}`; there are {}", known.join(", "));
            return Err(Error::new(name.span(), message));
        }
        inner.parse::<Token![=]>().map_err(|_| Error::new(name.span(), form))?;
        let value = value(&inner, &field)?;
        if fields.insert(field.clone(), value).is_some() {
            return Err(Error::new(name.span(), format!("`{field}` is given twice")));
        }
        separator(&inner)?;
    }
    Ok(fields)
}
