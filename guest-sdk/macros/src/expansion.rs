//! What `#[handler]` writes: the function as it stands, and beside it a type of the same name that carries the kind,
//! so that `stoker_sdk::module!(name)` finds it. Functions and types live in different namespaces.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use serde_json::Value;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result};

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
    let enqueued = format!("The kind `{kind}`, for whoever enqueues jobs of it: `NewJob::of({name}::KIND, &input)`.");
    let handles = format!("Handles `{kind}`; list it in `stoker_sdk::module!`.");
    // The call's span is the return type's, so that an error type that is no `Failure` is reported there.
    let call = quote_spanned! { signature.output.span() =>
        #name(context, input).map_err(::core::convert::Into::into)
    };
    // Where the compiler says that it is private, it shows the function.
    let carrier = quote_spanned! { name.span() => struct #name {} };
    Ok(quote! {
        // The shape is the contract's, not the author's choice.
        #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
        #function

        #[doc = #handles]
        #[allow(non_camel_case_types, missing_docs, clippy::empty_structs_with_brackets)]
        #[derive(::core::fmt::Debug)]
        #visibility #carrier

        impl #name {
            #[doc = #enqueued]
            #[allow(dead_code)]
            #visibility const KIND: ::stoker_sdk::Kind<#input> = ::stoker_sdk::Kind::new(#kind);
        }

        impl ::stoker_sdk::Handler for #name {
            const KIND: ::stoker_sdk::Kind<#input> = ::stoker_sdk::Kind::new(#kind);
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

/// What was wrong, and nothing else: the function stays, or the compiler would tell what it uses as unused, and so does a
/// handler of its name, or `module!` would tell that there is none.
pub(crate) fn refused(error: &Error, function: &ItemFn) -> TokenStream {
    let error = error.to_compile_error();
    if function.sig.receiver().is_some() {
        return quote! { #error #function };
    }
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let kind = name.to_string();
    quote! {
        #error

        #[allow(dead_code)]
        #function

        #[allow(non_camel_case_types, missing_docs, dead_code)]
        #visibility struct #name {}

        impl ::stoker_sdk::Handler for #name {
            const KIND: ::stoker_sdk::Kind<()> = ::stoker_sdk::Kind::new(#kind);
            const DESCRIPTION: ::core::option::Option<&'static str> = ::core::option::Option::None;
            const SETTINGS: ::core::option::Option<&'static str> = ::core::option::Option::None;
            type Input = ();
            type Output = ();

            fn input_schema() -> ::std::string::String {
                ::std::string::String::new()
            }

            fn output_schema() -> ::std::string::String {
                ::std::string::String::new()
            }

            fn handle(_: &::stoker_sdk::Context, (): ()) -> ::core::result::Result<(), ::stoker_sdk::Failure> {
                ::core::result::Result::Ok(())
            }
        }
    }
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
