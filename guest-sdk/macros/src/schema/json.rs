//! Pieces of JSON text as literals in the expansion.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value;

/// A string in quotes.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// `"name":"text"`, or nothing.
pub(super) fn text_member(name: &str, text: Option<&str>) -> Option<String> {
    text.map(|text| format!("{}:{}", quoted(name), quoted(text)))
}

/// Members joined by commas, written by the expansion; nothing if there are none.
pub(super) fn members(members: &[String]) -> TokenStream {
    if members.is_empty() {
        return TokenStream::new();
    }
    let text = members.join(",");
    quote! { schema.members(#text); }
}

/// Title and description, written by the expansion where they are not another type's; nothing if there are none.
pub(super) fn words(members: &[String]) -> TokenStream {
    if members.is_empty() {
        return TokenStream::new();
    }
    let text = members.join(",");
    quote! { schema.words(#text); }
}
