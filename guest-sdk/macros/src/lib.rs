//! The `#[handler]` attribute of `stoker-sdk`. Use it through that crate, where it is documented.
//!
//! It checks at compile time what the host would refuse at upload: names, priorities, durations, reason words.

mod arguments;
mod expansion;
mod names;
mod quantity;

use proc_macro::TokenStream;

/// Makes a function a handler of one kind; documented in `stoker_sdk`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as arguments::Arguments);
    let function = syn::parse_macro_input!(function as syn::ItemFn);
    expansion::expand(&arguments, &function).unwrap_or_else(|error| error.to_compile_error()).into()
}
