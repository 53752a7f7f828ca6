//! The shape a handler's function must have, and what to change where it has another.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericArgument, GenericParam, ItemFn, PathArguments, Result, ReturnType, Signature, Type};

const SHAPE: &str = "fn name(context: &Context, input: Input) -> Result<Output, Failure>";

/// What returns one of these returns no `Result`, though it has a parameter as well.
const NO_RESULTS: [&str; 4] = ["Option", "Vec", "Box", "Poll"];

fn wrong<T>(place: &impl Spanned, what: &str) -> Result<T> {
    Err(Error::new(place.span(), format!("{what}; a handler is `{SHAPE}`")))
}

/// The function an attribute stands on.
pub(crate) fn function(item: TokenStream) -> Result<ItemFn> {
    let place = item.clone().into_iter().next();
    syn::parse2(item.clone()).or_else(|error| {
        // Mistakes in a function are the compiler's to tell.
        let is_function = item.into_iter().any(|token| matches!(&token, TokenTree::Ident(word) if word == "fn"));
        if is_function { Err(error) } else { wrong(&place, "`#[handler]` goes on a function") }
    })
}

/// Types of input and output.
pub(crate) fn types(signature: &Signature) -> Result<(&Type, &Type)> {
    if let Some(keyword) = &signature.asyncness {
        let message = "a handler is not async: each job has an instance of its own, just block";
        return Err(Error::new(keyword.span(), message));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return match parameter {
            GenericParam::Lifetime(lifetime) => wrong(
                lifetime,
                "a handler has no lifetimes: its input is made for it, so it owns what is in it (`String` for `&str`)",
            ),
            other => wrong(
                other,
                "a handler has no generic parameters: its kind has one input and one output, name their types",
            ),
        };
    }
    Ok((input(signature)?, output(&signature.output)?))
}

/// Whether it is `Context`, and whether by reference.
fn is_context(of: &Type) -> bool {
    match of {
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Context"),
        _ => false,
    }
}

fn input(signature: &Signature) -> Result<&Type> {
    let mut parameters = Vec::new();
    for parameter in &signature.inputs {
        match parameter {
            FnArg::Typed(typed) => parameters.push(&*typed.ty),
            FnArg::Receiver(receiver) => {
                return wrong(receiver, "a handler is no method: move it out of the `impl` and leave out `self`");
            }
        }
    }
    let (context, input) = match parameters.as_slice() {
        [context, input] => (*context, *input),
        [] => return wrong(&signature.ident, "the context and the input are missing"),
        [only] if is_context(only) => return wrong(only, "the input is missing; `_input: ()` is the payload `null`"),
        [only] => return wrong(only, "the context is missing: add `_context: &Context` before the input"),
        [_, _, more, ..] => {
            return wrong(more, "a handler has one input: put all that the caller sends into one type");
        }
    };
    match context {
        other if !is_context(other) && is_context(input) => {
            return wrong(other, "the context comes first, then the input");
        }
        Type::Reference(reference) if reference.mutability.is_some() => {
            return wrong(reference, "the context is not changed: write `&Context`");
        }
        Type::Reference(_) => {}
        other if is_context(other) => return wrong(other, "the context is borrowed: write `&Context`"),
        other => return wrong(other, "the first parameter is the context: write `&Context`"),
    }
    match input {
        Type::ImplTrait(unnamed) => wrong(unnamed, "the input has a type of its own: name it instead of `impl …`"),
        Type::Reference(reference) => {
            let message = "a handler takes its input by value, it is made for this attempt: leave out the `&`";
            Err(Error::new(reference.span(), message))
        }
        borrowed if borrows(borrowed.to_token_stream()) => wrong(
            borrowed,
            "the input owns what is in it, as the payload is gone by then: write `String` for `&str`, and no lifetimes",
        ),
        owned => Ok(owned),
    }
}

fn borrows(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(punct) => matches!(punct.as_char(), '&' | '\''),
        TokenTree::Group(group) => borrows(group.stream()),
        _ => false,
    })
}

/// `Output` of `Result<Output, …>`, also through an alias with one parameter.
fn output(output: &ReturnType) -> Result<&Type> {
    let ReturnType::Type(_, returned) = output else {
        return wrong(output, "a handler returns its output: write `-> Result<(), Failure>` if it has none");
    };
    let last = match &**returned {
        Type::Path(path) => path.path.segments.last(),
        Type::ImplTrait(unnamed) => {
            return wrong(unnamed, "the output has a type of its own: name it instead of `impl …`");
        }
        _ => None,
    };
    let Some(last) = last.filter(|last| NO_RESULTS.iter().all(|word| last.ident != word)) else {
        return wrong(returned, "a handler returns a `Result`: wrap what it returns in `Ok(…)`");
    };
    match &last.arguments {
        PathArguments::AngleBracketed(parameters) => match parameters.args.first() {
            Some(GenericArgument::Type(Type::ImplTrait(unnamed))) => {
                wrong(unnamed, "the output has a type of its own: name it instead of `impl …`")
            }
            Some(GenericArgument::Type(output)) => Ok(output),
            _ => wrong(returned, "the output's type stands first in the `Result`"),
        },
        _ if last.ident.to_string().ends_with("Result") => {
            wrong(returned, "the output's type must stand here: write `Result<Output, Failure>`")
        }
        _ => wrong(returned, "a handler returns a `Result`: wrap what it returns in `Ok(…)`"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(text: &str) -> std::result::Result<(String, String), String> {
        let function = function(text.parse().unwrap()).map_err(|error| error.to_string())?;
        let (input, output) = types(&function.sig).map_err(|error| error.to_string())?;
        Ok((input.to_token_stream().to_string(), output.to_token_stream().to_string()))
    }

    #[test]
    fn input_and_output_are_found() {
        for text in [
            "fn a(c: &Context, i: In) -> Result<Out, Failure> {}",
            "pub fn a(_: &stoker_sdk::Context, In { b }: In) -> anyhow::Result<Out> {}",
            "fn a(c: &Job, i: In) -> std::result::Result<Out, Box<dyn Error>> {}",
        ] {
            assert_eq!(check(text), Ok(("In".into(), "Out".into())), "{text}");
        }
        assert_eq!(check("fn a(c: &Context, i: Vec<(u8, In)>) -> Done<()> {}").unwrap().1, "()");
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for (function, expected) in [
            ("struct A;", "goes on a function"),
            ("impl A { }", "goes on a function"),
            ("async fn a(c: &Context, i: In) -> Result<Out, Failure> {}", "not async"),
            ("fn a<T>(c: &Context, i: T) -> Result<Out, Failure> {}", "no generic parameters"),
            ("fn a<const N: usize>(c: &Context, i: [u8; N]) -> Result<Out, Failure> {}", "no generic parameters"),
            ("fn a<'a>(c: &'a Context, i: In) -> Result<Out, Failure> {}", "no lifetimes"),
            ("fn a(&self, c: &Context, i: In) -> Result<Out, Failure> {}", "no method"),
            ("fn a() -> Result<Out, Failure> {}", "context and the input are missing"),
            ("fn a(i: In) -> Result<Out, Failure> {}", "add `_context: &Context`"),
            ("fn a(c: &Context) -> Result<Out, Failure> {}", "the input is missing"),
            ("fn a(c: &Context, i: In, j: In) -> Result<Out, Failure> {}", "one input"),
            ("fn a(i: In, c: &Context) -> Result<Out, Failure> {}", "the context comes first"),
            ("fn a(i: &In, c: Context) -> Result<Out, Failure> {}", "the context comes first"),
            ("fn a(c: Context, i: In) -> Result<Out, Failure> {}", "the context is borrowed"),
            ("fn a(c: &mut Context, i: In) -> Result<Out, Failure> {}", "not changed"),
            ("fn a(c: In, i: In) -> Result<Out, Failure> {}", "the first parameter is the context"),
            ("fn a(c: &Context, i: &In) -> Result<Out, Failure> {}", "by value"),
            ("fn a(c: &Context, i: Option<&str>) -> Result<Out, Failure> {}", "`String` for `&str`"),
            ("fn a(c: &Context, i: In<'_>) -> Result<Out, Failure> {}", "no lifetimes"),
            ("fn a(c: &Context, i: impl Read) -> Result<Out, Failure> {}", "name it instead of `impl"),
            ("fn a(c: &Context, i: In) -> Result<impl Serialize, Failure> {}", "name it instead of `impl"),
            ("fn a(c: &Context, i: In) -> impl Serialize {}", "name it instead of `impl"),
            ("fn a(c: &Context, i: In) {}", "if it has none"),
            ("fn a(c: &Context, i: In) -> Out {}", "wrap what it returns"),
            ("fn a(c: &Context, i: In) -> (Out, u8) {}", "wrap what it returns"),
            ("fn a(c: &Context, i: In) -> Option<Out> {}", "wrap what it returns"),
            ("fn a(c: &Context, i: In) -> JobResult {}", "write `Result<Output, Failure>`"),
        ] {
            let message = check(function).unwrap_err();
            assert!(message.contains(expected), "{function}: {message}");
        }
    }
}
