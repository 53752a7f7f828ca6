//! The derive as a whole: one type, both sides of it.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use serde_derive_internals::ast::{Container, Data};
use serde_derive_internals::attr::Default;
use serde_derive_internals::{Ctxt, Derive};
use syn::{DeriveInput, GenericParam, Ident, Result, Type, parse_quote};

use super::attributes::Attributes;
use super::fields::{Around, content, one};
use super::json::words;
use super::variants::variants;

/// What serde reads, or what it writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Input,
    Output,
}

/// The implementation of `JsonSchema` for a type.
pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let context = Ctxt::new();
    // Only the derive for reading checks and fills in all there is.
    let container =
        Container::from_ast(&context, item, Derive::Deserialize, &Ident::new("__private", Span::call_site()));
    context.check()?;
    let Some(container) = container else { return Ok(TokenStream::new()) };
    let attributes = Attributes::of(&item.attrs)?;
    let words = words(&attributes.members());
    let input = side(&container, &attributes, Side::Input)?;
    let output = side(&container, &attributes, Side::Output)?;
    // Most types are the same on both sides.
    let whole = if input.to_string() == output.to_string() {
        input
    } else {
        quote! { if schema.is_output() { #output } else { #input } }
    };
    let name = &item.ident;
    let schema_name = container.attrs.name().deserialize_name().value.clone();
    let mut generics = item.generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(parse_quote!(::stoker_sdk::JsonSchema));
        }
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::stoker_sdk::JsonSchema for #name #arguments #bounds {
            fn write(schema: &mut ::stoker_sdk::SchemaText) {
                schema.reference(::core::any::type_name::<Self>(), #schema_name, |schema| {
                    #words
                    #whole
                });
            }
        }
    })
}

fn side(container: &Container<'_>, attributes: &Attributes, side: Side) -> Result<TokenStream> {
    let other: Option<&Type> = attributes.with.as_ref().or(match side {
        Side::Input => container.attrs.type_from().or(container.attrs.type_try_from()),
        Side::Output => container.attrs.type_into(),
    });
    if let Some(other) = other {
        return Ok(quote! { <#other as ::stoker_sdk::JsonSchema>::write(schema); });
    }
    let around = Around {
        side,
        denies_unknown: container.attrs.deny_unknown_fields(),
        has_default: !matches!(container.attrs.default(), Default::None),
    };
    match &container.data {
        Data::Enum(all) => variants(all, container.attrs.tag(), around),
        Data::Struct(_, fields) if container.attrs.transparent() => {
            fields.iter().find(|field| field.attrs.transparent()).map_or_else(|| Ok(TokenStream::new()), one)
        }
        Data::Struct(style, fields) => content(*style, fields, around, None),
    }
}
