//! What `#[handler]` writes: the function as it stands, and beside it a type of the same name that carries the kind,
//! so that `stoker_sdk::module!(name)` finds it. Functions and types live in different namespaces.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use serde_json::Value;
use syn::spanned::Spanned;
use syn::{ItemFn, Result};

use crate::arguments::Arguments;
use crate::documentation::first_paragraph;
use crate::shape::types;

/// The function and its handler type.
pub(crate) fn expand(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    let (input, output) = types(signature)?;
    let name = &signature.ident;
    let visibility = &function.vis;
    let kind = &arguments.kind;
    let description = option(arguments.description.clone().or_else(|| first_paragraph(&function.attrs)));
    let settings =
        option((!arguments.settings.is_empty()).then(|| Value::Object(arguments.settings.clone()).to_string()));
    let handles = format!("Handles `{kind}`; list it in `stoker_sdk::module!`.");
    // The call's span is the return type's, so that an error type that is no `Failure` is reported there.
    let call = quote_spanned! { signature.output.span() =>
        #name(context, input).map_err(::core::convert::Into::into)
    };
    Ok(quote! {
        // The shape is the contract's, not the author's choice.
        #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
        #function

        #[doc = #handles]
        #[allow(non_camel_case_types, missing_docs, clippy::empty_structs_with_brackets)]
        #[derive(::core::fmt::Debug)]
        #visibility struct #name {}

        impl ::stoker_sdk::Handler for #name {
            const KIND: &'static str = #kind;
            const DESCRIPTION: ::core::option::Option<&'static str> = #description;
            const SETTINGS: ::core::option::Option<&'static str> = #settings;
            type Input = #input;
            type Output = #output;

            fn input_schema() -> ::std::string::String {
                use ::stoker_sdk::macro_support::{NoSchema as _, SchemarsSchema as _, SdkSchema as _};
                (&&&::stoker_sdk::macro_support::SchemaOf::<#input>::new()).of_input()
            }

            fn output_schema() -> ::std::string::String {
                use ::stoker_sdk::macro_support::{NoSchema as _, SchemarsSchema as _, SdkSchema as _};
                (&&&::stoker_sdk::macro_support::SchemaOf::<#output>::new()).of_output()
            }

            // The error type is `Failure` already, or something that becomes one.
            #[allow(clippy::useless_conversion)]
            fn handle(
                context: &::stoker_sdk::Context,
                input: Self::Input,
            ) -> ::core::result::Result<Self::Output, ::stoker_sdk::Failure> {
                #call
            }
        }
    })
}

fn option(text: Option<String>) -> TokenStream {
    text.map_or_else(|| quote! { ::core::option::Option::None }, |text| quote! { ::core::option::Option::Some(#text) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn expansion(function: &str) -> std::result::Result<String, String> {
        let arguments = syn::parse_str::<Arguments>(r#"kind = "a""#).unwrap();
        let function = syn::parse_str::<ItemFn>(function).unwrap();
        expand(&arguments, &function).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_doc_comment_describes_the_kind() {
        let text = expansion(
            "/// Says hello,\n/// politely.\n///\n/// More.\nfn a(c: &Context, i: In) -> Result<Out, Failure> {}",
        );
        assert!(text.unwrap().contains(r#"Some ("Says hello, politely.")"#));
    }
}
