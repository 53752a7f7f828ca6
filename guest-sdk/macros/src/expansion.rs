//! What `#[handler]` writes: the function as it stands, and beside it a type of the same name that carries the kind,
//! so that `stoker_sdk::module!(name)` finds it. Functions and types live in different namespaces.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use serde_json::Value;
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericArgument, ItemFn, PathArguments, Result, ReturnType, Type};

use crate::arguments::Arguments;
use crate::documentation::first_paragraph;

const SHAPE: &str = "a handler is `fn name(context: &Context, input: Input) -> Result<Output, Failure>`";

/// The function and its handler type.
pub(crate) fn expand(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new(
            keyword.span(),
            "a handler is not async: each job has an instance of its own, just block",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "a handler has no generic parameters"));
    }
    let input = input_type(function)?;
    let output = output_type(&signature.output)?;
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

fn input_type(function: &ItemFn) -> Result<&Type> {
    let mut parameters = function.sig.inputs.iter();
    let (Some(FnArg::Typed(_)), Some(FnArg::Typed(input)), None) =
        (parameters.next(), parameters.next(), parameters.next())
    else {
        return Err(Error::new(function.sig.span(), SHAPE));
    };
    match &*input.ty {
        Type::Reference(reference) => {
            let message = "a handler takes its input by value, it is made for this attempt: leave out the `&`";
            Err(Error::new(reference.span(), message))
        }
        owned => Ok(owned),
    }
}

/// `Output` of `Result<Output, …>`, also through an alias with one parameter.
fn output_type(output: &ReturnType) -> Result<&Type> {
    if let ReturnType::Type(_, returned) = output
        && let Type::Path(path) = &**returned
        && let Some(last) = path.path.segments.last()
        && let PathArguments::AngleBracketed(parameters) = &last.arguments
        && let Some(GenericArgument::Type(output)) = parameters.args.first()
    {
        return Ok(output);
    }
    Err(Error::new(output.span(), SHAPE))
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

    #[test]
    fn wrong_shapes_are_refused() {
        for (function, expected) in [
            ("async fn a(c: &Context, i: In) -> Result<Out, Failure> {}", "not async"),
            ("fn a<T>(c: &Context, i: T) -> Result<Out, Failure> {}", "no generic"),
            ("fn a(i: In) -> Result<Out, Failure> {}", "a handler is `fn"),
            ("fn a(c: &Context, i: In) {}", "a handler is `fn"),
            ("fn a(c: &Context, i: &In) -> Result<Out, Failure> {}", "by value"),
        ] {
            let message = expansion(function).unwrap_err();
            assert!(message.contains(expected), "{function}: {message}");
        }
    }
}
