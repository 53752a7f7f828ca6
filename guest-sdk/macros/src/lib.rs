//! The `#[handler]` attribute and the `JsonSchema` derive of `stoker-sdk`. Use them through that crate, where they are documented.
//!
//! They check at compile time what the host would refuse at upload: names, priorities, durations, reason words.

mod arguments;
mod documentation;
mod ends;
mod expansion;
mod forms;
mod grants;
mod names;
mod quantity;
mod retry;
mod schedules;
mod schema;
mod shape;

use proc_macro::TokenStream;

/// Makes a function a handler of one kind; documented in `stoker_sdk`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(function);
    let function = match shape::function(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote::quote! { #error #item }.into();
        }
    };
    let expanded = syn::parse::<arguments::Arguments>(arguments)
        .and_then(|arguments| expansion::expand(&arguments, &function))
        .unwrap_or_else(|error| expansion::refused(&error, &function));
    expanded.into()
}

/// Writes a type's JSON Schema; documented in `stoker_sdk`.
#[proc_macro_derive(JsonSchema, attributes(serde, schemars))]
pub fn json_schema(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    schema::expand(&item).unwrap_or_else(|error| error.to_compile_error()).into()
}
