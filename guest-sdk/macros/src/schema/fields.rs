//! The fields of a struct or a variant: which there are on a side, what they are called, whether they must be there.

use proc_macro2::TokenStream;
use quote::quote;
use serde_derive_internals::ast::{Field, Style};
use serde_derive_internals::attr::Default;
use syn::{Error, Result};

use super::attributes::Attributes;
use super::container::Side;
use super::json::{quoted, words};

/// To whoever reads or writes a field by a function, which says nothing about its JSON.
pub(super) const OTHER_FUNCTION: &str = "serde reads or writes this by a function of its own, so its type does not say what \
                                         its JSON is: add `#[schemars(with = \"String\")]`, naming a type of the same JSON";

/// What every field of a container has in common.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) side: Side,
    pub(super) denies_unknown: bool,
    /// `#[serde(default)]` on the whole.
    pub(super) has_default: bool,
}

/// Statements that write the members of the schema of these fields' JSON. `tag` is another member the object has: its
/// name in quotes and its schema.
pub(super) fn content(
    style: Style,
    fields: &[Field<'_>],
    around: Around,
    tag: Option<(&str, &str)>,
) -> Result<TokenStream> {
    match effective_style(style, fields, around.side) {
        Style::Unit => Ok(quote! { schema.nothing(); }),
        Style::Newtype => match fields.first() {
            Some(field) => one(field),
            None => Ok(TokenStream::new()),
        },
        Style::Tuple => places(fields, around),
        Style::Struct => object(fields, around, tag),
    }
}

/// A newtype whose only field is skipped is nothing, for serde as well.
pub(super) fn effective_style(style: Style, fields: &[Field<'_>], side: Side) -> Style {
    match fields.first() {
        Some(field) if matches!(style, Style::Newtype) && is_skipped(field, side) => Style::Unit,
        _ => style,
    }
}

fn is_skipped(field: &Field<'_>, side: Side) -> bool {
    match side {
        Side::Input => field.attrs.skip_deserializing(),
        Side::Output => field.attrs.skip_serializing(),
    }
}

/// The type whose schema a field has.
fn schema_type(field: &Field<'_>, attributes: &Attributes) -> Result<TokenStream> {
    if let Some(with) = &attributes.with {
        return Ok(quote! { #with });
    }
    let skipped = [Side::Input, Side::Output].map(|side| is_skipped(field, side));
    let functions = [field.attrs.deserialize_with(), field.attrs.serialize_with()];
    if functions.iter().zip(skipped).any(|(function, is_skipped)| function.is_some() && !is_skipped) {
        return Err(Error::new_spanned(field.original, OTHER_FUNCTION));
    }
    let own = field.ty;
    Ok(quote! { #own })
}

/// One value: its own words, then its type's schema.
pub(super) fn one(field: &Field<'_>) -> Result<TokenStream> {
    let attributes = Attributes::of(&field.original.attrs)?;
    let schema_type = schema_type(field, &attributes)?;
    let words = words(&attributes.words());
    if attributes.extras.is_empty() {
        return Ok(quote! { #words <#schema_type as ::stoker_sdk::JsonSchema>::write(schema); });
    }
    let extras = attributes.extras.iter().map(|(name, value)| quote! { (#name, #value) });
    Ok(quote! {
        #words
        schema.narrowed(<#schema_type as ::stoker_sdk::JsonSchema>::write, &[#(#extras),*]);
    })
}

/// A list with a schema for each place; the last ones can be left out of an input if all of them have defaults.
fn places(fields: &[Field<'_>], around: Around) -> Result<TokenStream> {
    let kept: Vec<&Field<'_>> = fields.iter().filter(|field| !is_skipped(field, around.side)).collect();
    let is_needed = |field: &&Field<'_>| !around.has_default && matches!(field.attrs.default(), Default::None);
    let needed = match around.side {
        Side::Input => kept.iter().rposition(is_needed).map_or(0, |last| last + 1),
        Side::Output => kept.len(),
    };
    let begin = format!(r#""type":"array","minItems":{needed},"maxItems":{},"prefixItems":["#, kept.len());
    let items = kept.into_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        schema.members(#begin);
        #(schema.nested("{", |schema| { #items });)*
        schema.raw("]");
    })
}

fn object(fields: &[Field<'_>], around: Around, tag: Option<(&str, &str)>) -> Result<TokenStream> {
    let mut members = Vec::new();
    if let Some((tag, value)) = tag {
        members.push(quote! { schema.property(#tag, true, |schema| schema.members(#value)); });
    }
    let mut has_flattened = false;
    for field in fields.iter().filter(|field| !is_skipped(field, around.side)) {
        let attributes = Attributes::of(&field.original.attrs)?;
        let schema_type = schema_type(field, &attributes)?;
        if field.attrs.flatten() {
            has_flattened = true;
            members.push(quote! { schema.flattened(<#schema_type as ::stoker_sdk::JsonSchema>::write); });
            continue;
        }
        let name = quoted(match around.side {
            Side::Input => &field.attrs.name().deserialize_name().value,
            Side::Output => &field.attrs.name().serialize_name().value,
        });
        let is_required = match around.side {
            Side::Input if around.has_default || !matches!(field.attrs.default(), Default::None) => quote! { false },
            // A function of one's own reads nothing from nothing, whatever the type.
            Side::Input if field.attrs.deserialize_with().is_some() => quote! { true },
            Side::Input => quote! { !<#schema_type as ::stoker_sdk::JsonSchema>::CAN_BE_ABSENT },
            Side::Output => {
                let is_always_there = field.attrs.skip_serializing_if().is_none();
                quote! { #is_always_there }
            }
        };
        let value = one(field)?;
        let others: Vec<String> = match around.side {
            Side::Input => field.attrs.aliases().iter().map(|alias| quoted(&alias.value)).collect(),
            Side::Output => Vec::new(),
        };
        let others: Vec<&str> = others.iter().filter(|other| **other != name).map(String::as_str).collect();
        if others.is_empty() {
            members.push(quote! { schema.property(#name, #is_required, |schema| { #value }); });
            continue;
        }
        let (at_most_one, at_least_one) = (at_most_one(&name, &others), at_least_one(&name, &others));
        members.push(quote! {
            for name in [#name, #(#others),*] {
                schema.property(name, false, |schema| { #value });
            }
            schema.together(#at_most_one);
            if #is_required {
                schema.together(#at_least_one);
            }
        });
    }
    // Asked when it is written, so that both sides share one text wherever they can.
    if around.denies_unknown {
        members.push(quote! { schema.deny_unknown(#has_flattened); });
    }
    Ok(quote! { schema.object(|schema| { #(#members)* }); })
}

/// To serde a field that is there under two of its names is there twice.
fn at_most_one(name: &str, others: &[&str]) -> String {
    let mut excluded = format!("{name}:false");
    let mut rules = Vec::new();
    for other in others {
        rules.push(format!(r#"{{"if":{{"required":[{other}]}},"then":{{"properties":{{{excluded}}}}}}}"#));
        excluded = format!("{excluded},{other}:false");
    }
    rules.join(",")
}

/// What is missing is called by the name of its own: the others are for what was written before.
fn at_least_one(name: &str, others: &[&str]) -> String {
    let others: Vec<String> = others.iter().map(|other| format!(r#"{{"required":[{other}]}}"#)).collect();
    format!(r#"{{"if":{{"anyOf":[{}]}},"else":{{"required":[{name}]}}}}"#, others.join(","))
}
