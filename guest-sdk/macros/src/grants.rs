//! `grants(http = ["api.example.com"], secrets = ["stripe-key"], config(greeting = "Hello"), kv = ["sessions"])`: what a
//! handler asks its operator for. What patterns of hosts there can be the host judges at the upload.

use serde_json::{Map, Value};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitBool, LitStr, Result, Token, bracketed, parenthesized, token};

use crate::forms::{expect, form, separator, wrong};

const KNOWN: [&str; 9] = ["http", "secrets", "config", "kv", "enqueue", "events", "notify", "mail", "databases"];

/// In the form of the settings.
pub(crate) fn grants(name: &Ident, input: ParseStream<'_>) -> Result<Value> {
    let form = form("grants");
    if !input.peek(token::Paren) {
        return Err(wrong(input, form));
    }
    let inner;
    parenthesized!(inner in input);
    let mut asked = Map::new();
    while !inner.is_empty() {
        if !inner.peek(Ident::peek_any) {
            return Err(wrong(&inner, form));
        }
        let word = inner.call(Ident::parse_any)?;
        let field = word.to_string();
        if !KNOWN.contains(&field.as_str()) {
            let message = format!("`grants` has no `{field}`; there are {}", KNOWN.join(", "));
            return Err(Error::new(word.span(), message));
        }
        let value = if field == "config" {
            config(&inner, form)?
        } else {
            inner.parse::<Token![=]>().map_err(|_| Error::new(word.span(), form))?;
            if field == "notify" { Value::from(expect::<LitBool>(&inner, form)?.value) } else { texts(&inner, form)? }
        };
        if asked.insert(field.clone(), value).is_some() {
            return Err(Error::new(word.span(), format!("`{field}` is given twice")));
        }
        separator(&inner)?;
    }
    if asked.is_empty() { Err(Error::new(name.span(), form)) } else { Ok(asked.into()) }
}

fn texts(input: ParseStream<'_>, form: &str) -> Result<Value> {
    if !input.peek(token::Bracket) {
        return Err(wrong(input, form));
    }
    let items;
    bracketed!(items in input);
    let mut texts = Vec::new();
    while !items.is_empty() {
        texts.push(Value::from(expect::<LitStr>(&items, form)?.value()));
        separator(&items)?;
    }
    Ok(texts.into())
}

/// Names with the values that are suggested; a name that is no word of Rust stands in quotes.
fn config(input: ParseStream<'_>, form: &str) -> Result<Value> {
    if !input.peek(token::Paren) {
        return Err(wrong(input, form));
    }
    let inner;
    parenthesized!(inner in input);
    let mut values = Map::new();
    while !inner.is_empty() {
        let (name, span) = if inner.peek(LitStr) {
            let name: LitStr = inner.parse()?;
            (name.value(), name.span())
        } else if inner.peek(Ident::peek_any) {
            let name = inner.call(Ident::parse_any)?;
            (name.to_string(), name.span())
        } else {
            return Err(wrong(&inner, form));
        };
        inner.parse::<Token![=]>().map_err(|_| Error::new(span, form))?;
        let value = expect::<LitStr>(&inner, form)?.value();
        if values.insert(name.clone(), value.into()).is_some() {
            return Err(Error::new(span, format!("`{name}` is given twice")));
        }
        separator(&inner)?;
    }
    Ok(values.into())
}
