//! The derive as a whole: one type, both sides of it.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use serde_derive_internals::ast::{Container, Data, Field, Style};
use serde_derive_internals::attr::{Default, TagType};
use serde_derive_internals::{Ctxt, Derive};
use syn::spanned::Spanned;
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
    let leaves_members = leaves_members(&container, &attributes);
    let can_be_absent = can_be_absent(&container, &attributes);
    let unreadable = unreadable(&container);
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::stoker_sdk::JsonSchema for #name #arguments #bounds {
            #can_be_absent
            const LEAVES_MEMBERS: bool = #leaves_members;

            fn write(schema: &mut ::stoker_sdk::SchemaText) {
                #unreadable
                schema.reference(::core::any::type_name::<Self>(), #schema_name, |schema| {
                    #words
                    #whole
                });
            }
        }
    })
}

/// Whether a missing member of the type is read as something: of one that is read exactly as another is.
fn can_be_absent(container: &Container<'_>, attributes: &Attributes) -> TokenStream {
    if !container.attrs.transparent() || attributes.with.is_some() {
        return TokenStream::new();
    }
    let mut fields = container.data.all_fields().filter(|field| has_own_schema(field));
    match (fields.next(), fields.next()) {
        (Some(field), None) => {
            let inner = field.ty;
            quote! { const CAN_BE_ABSENT: bool = <#inner as ::stoker_sdk::JsonSchema>::CAN_BE_ABSENT; }
        }
        _ => TokenStream::new(),
    }
}

/// Whether the type leaves the members of an object it is flattened into: serde shows all of them to what chooses by looking,
/// and to a struct that passes them on.
fn leaves_members(container: &Container<'_>, attributes: &Attributes) -> TokenStream {
    if let Some(other) = attributes.with.as_ref().or(container.attrs.type_from()).or(container.attrs.type_try_from()) {
        return quote! { <#other as ::stoker_sdk::JsonSchema>::LEAVES_MEMBERS };
    }
    let leaves = match &container.data {
        Data::Enum(_) => matches!(container.attrs.tag(), TagType::Internal { .. } | TagType::None),
        Data::Struct(Style::Newtype, fields) => match fields.first() {
            Some(field) if has_own_schema(field) => {
                let inner = field.ty;
                return quote! { <#inner as ::stoker_sdk::JsonSchema>::LEAVES_MEMBERS };
            }
            _ => false,
        },
        Data::Struct(_, fields) => fields.iter().any(|field| field.attrs.flatten()),
    };
    quote! { #leaves }
}

/// Whether what is read is of the field's own type.
fn has_own_schema(field: &Field<'_>) -> bool {
    let is_of_another = Attributes::of(&field.original.attrs).is_ok_and(|attributes| attributes.with.is_some());
    !field.attrs.skip_deserializing() && field.attrs.deserialize_with().is_none() && !is_of_another
}

/// Ends the compilation where serde would refuse whatever it is given: members that are unknown to everybody but a
/// flattened field that does not take them.
fn unreadable(container: &Container<'_>) -> TokenStream {
    if !container.attrs.deny_unknown_fields() {
        return TokenStream::new();
    }
    let flattened = container.data.all_fields().filter(|field| field.attrs.flatten() && has_own_schema(field));
    let checks = flattened.map(|field| {
        let own = field.ty;
        let name = field.original.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = format!(
            "`#[serde(deny_unknown_fields)]` refuses every input here: the flattened `{name}` is chosen by members (an enum with \
             its tag inside or with none, or a struct that flattens on), and to serde they stay unknown. Leave \
             `deny_unknown_fields` out, or `#[serde(flatten)]`"
        );
        let check = quote_spanned! { own.span() => assert!(!<#own as ::stoker_sdk::JsonSchema>::LEAVES_MEMBERS, #message) };
        // Where a type has parameters, only the function knows them.
        if container.generics.params.is_empty() { quote! { const _: () = #check; } } else { quote! { const { #check } } }
    });
    quote! { #(#checks)* }
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
