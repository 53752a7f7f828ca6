//! Enums, in the four forms serde gives them.

use proc_macro2::TokenStream;
use quote::quote;
use serde_derive_internals::ast::{Style, Variant};
use serde_derive_internals::attr::TagType;
use syn::{Error, Result};

use super::attributes::Attributes;
use super::container::Side;
use super::fields::{Around, OTHER_FUNCTION, content, effective_style, one};
use super::json::{members, quoted};

fn is_skipped(variant: &Variant<'_>, side: Side) -> bool {
    match side {
        Side::Input => variant.attrs.skip_deserializing(),
        Side::Output => variant.attrs.skip_serializing(),
    }
}

fn name<'v>(variant: &'v Variant<'_>, side: Side) -> &'v str {
    match side {
        Side::Input => &variant.attrs.name().deserialize_name().value,
        Side::Output => &variant.attrs.name().serialize_name().value,
    }
}

/// Every name it has on that side, in quotes, its own first.
fn names_of(variant: &Variant<'_>, side: Side) -> Vec<String> {
    let own = quoted(name(variant, side));
    let aliases: Vec<String> = match side {
        Side::Input => variant.attrs.aliases().iter().map(|alias| quoted(&alias.value)).collect(),
        Side::Output => Vec::new(),
    };
    let others = aliases.into_iter().filter(|alias| *alias != own);
    std::iter::once(own.clone()).chain(others).collect()
}

/// Statements that write the members of an enum's schema.
pub(super) fn variants(variants: &[Variant<'_>], tag: &TagType, around: Around) -> Result<TokenStream> {
    let kept: Vec<&Variant<'_>> = variants.iter().filter(|variant| !is_skipped(variant, around.side)).collect();
    let words = kept.iter().map(|variant| Attributes::of(&variant.original.attrs)).collect::<Result<Vec<_>>>()?;
    let names: Vec<Vec<String>> = kept.iter().map(|variant| names_of(variant, around.side)).collect();
    let are_names = matches!(tag, TagType::External)
        && kept.iter().all(|variant| {
            matches!(variant.style, Style::Unit) && !variant.attrs.untagged() && !takes_others(variant, around.side)
        });
    if are_names && words.iter().all(|words| words.members().is_empty() && words.with.is_none()) {
        let names = names.iter().flatten();
        return Ok(quote! { schema.names(&[#(#names),*]); });
    }
    let mut choices = Vec::new();
    for ((variant, words), own) in kept.iter().zip(&words).zip(&names) {
        let is_name = if takes_others(variant, around.side) {
            let others: Vec<&str> = names.iter().filter(|names| *names != own).flatten().map(String::as_str).collect();
            format!("\"type\":\"string\",\"not\":{{\"enum\":[{}]}}", others.join(","))
        } else if let [only] = own.as_slice() {
            format!("\"type\":\"string\",\"const\":{only}")
        } else {
            format!("\"type\":\"string\",\"enum\":[{}]", own.join(","))
        };
        let is_untagged = variant.attrs.untagged() || matches!(tag, TagType::None);
        // As the name of a member each is an object of its own; as a tag one of several values.
        let is_member = matches!(tag, TagType::External) && !is_untagged && !takes_others(variant, around.side);
        for name in own.iter().take(if is_member { own.len() } else { 1 }) {
            let choice = if is_untagged {
                inner(variant, words, around)?
            } else {
                tagged(variant, words, tag, (name, &is_name), around)?
            };
            let words = members(&words.members());
            choices.push(quote! { schema.choice(|schema| { #words #choice }); });
        }
    }
    // Without a tag more than one may fit; serde takes the first.
    let keyword = if kept.iter().any(|variant| variant.attrs.untagged()) || matches!(tag, TagType::None) {
        "\"anyOf\":["
    } else {
        "\"oneOf\":["
    };
    let is_shown_all = matches!(tag, TagType::None | TagType::Internal { .. });
    Ok(quote! { schema.choices(#keyword, #is_shown_all, |schema| { #(#choices)* }); })
}

/// `#[serde(other)]`: whatever name no other variant has.
fn takes_others(variant: &Variant<'_>, side: Side) -> bool {
    variant.attrs.other() && side == Side::Input
}

/// The type whose schema the content of a variant has, if the variant says so.
fn with(variant: &Variant<'_>, words: &Attributes, side: Side) -> Result<Option<TokenStream>> {
    if let Some(with) = &words.with {
        return Ok(Some(quote! { <#with as ::stoker_sdk::JsonSchema>::write(schema); }));
    }
    let function = match side {
        Side::Input => variant.attrs.deserialize_with(),
        Side::Output => variant.attrs.serialize_with(),
    };
    function.map_or(Ok(None), |_| Err(Error::new_spanned(variant.original, OTHER_FUNCTION)))
}

/// The content of a variant by itself. `#[serde(default)]` of the enum does not reach its variants' fields.
fn inner(variant: &Variant<'_>, words: &Attributes, around: Around) -> Result<TokenStream> {
    match with(variant, words, around.side)? {
        Some(other) => Ok(other),
        None => content(variant.style, &variant.fields, Around { has_default: false, ..around }, None),
    }
}

/// A variant and its name, which are given in quotes and as a schema.
fn tagged(
    variant: &Variant<'_>,
    words: &Attributes,
    tag: &TagType,
    (name, is_name): (&str, &str),
    around: Around,
) -> Result<TokenStream> {
    let with = with(variant, words, around.side)?;
    let style = effective_style(variant.style, &variant.fields, around.side);
    let is_empty = matches!(style, Style::Unit) && with.is_none();
    match tag {
        TagType::None => inner(variant, words, around),
        TagType::External if is_empty && takes_others(variant, around.side) => {
            Ok(quote! { schema.other_name(#name, #is_name); })
        }
        TagType::External if matches!(variant.style, Style::Unit) && with.is_none() => {
            Ok(quote! { schema.name(#name); })
        }
        TagType::External => {
            let inner = inner(variant, words, around)?;
            Ok(quote! {
                schema.object(|schema| {
                    schema.property(#name, true, |schema| { #inner });
                    schema.close(false);
                });
            })
        }
        TagType::Internal { tag } => {
            let tag = quoted(tag);
            let beside = match (with, style, variant.fields.first()) {
                (Some(other), _, _) => other,
                (None, Style::Newtype, Some(field)) => one(field)?,
                _ => {
                    // Where there are no fields, serde looks at no other members.
                    let denies_unknown = around.denies_unknown && !is_empty;
                    let around = Around { has_default: false, denies_unknown, ..around };
                    let fields: &[_] = if is_empty { &[] } else { &variant.fields };
                    return content(Style::Struct, fields, around, Some((&tag, is_name)));
                }
            };
            Ok(quote! {
                schema.object(|schema| {
                    schema.property(#tag, true, |schema| schema.members(#is_name));
                    schema.beside(|schema| { #beside });
                });
            })
        }
        TagType::Adjacent { tag, content } => {
            let (tag, key) = (quoted(tag), quoted(content));
            let closed = around.denies_unknown.then(|| quote! { schema.close(false); });
            // Nothing is null or not there, and so is what an `Option` lacks.
            let is_required = match (&with, style, variant.fields.first()) {
                (None, Style::Unit, _) => quote! { false },
                (None, Style::Newtype, Some(field)) if field.attrs.deserialize_with().is_none() => {
                    let own = field.ty;
                    quote! { schema.is_output() || !<#own as ::stoker_sdk::JsonSchema>::CAN_BE_ABSENT }
                }
                _ => quote! { true },
            };
            let inner = inner(variant, words, around)?;
            let content = quote! {
                let is_required = #is_required;
                schema.property(#key, is_required, |schema| { #inner });
            };
            Ok(quote! {
                schema.object(|schema| {
                    schema.property(#tag, true, |schema| schema.members(#is_name));
                    #content
                    #closed
                });
            })
        }
    }
}
