//! Enums, in the four forms serde gives them.

use proc_macro2::TokenStream;
use quote::quote;
use serde_derive_internals::ast::{Style, Variant};
use serde_derive_internals::attr::TagType;
use syn::Result;

use super::attributes::Attributes;
use super::container::Side;
use super::fields::{Around, content, one};
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

/// Statements that write the members of an enum's schema.
pub(super) fn variants(variants: &[Variant<'_>], tag: &TagType, around: Around) -> Result<TokenStream> {
    let kept: Vec<&Variant<'_>> = variants.iter().filter(|variant| !is_skipped(variant, around.side)).collect();
    let words = kept.iter().map(|variant| Attributes::of(&variant.original.attrs)).collect::<Result<Vec<_>>>()?;
    let are_names = matches!(tag, TagType::External)
        && kept.iter().all(|variant| matches!(variant.style, Style::Unit) && !variant.attrs.untagged());
    if are_names && words.iter().all(|words| words.members().is_empty()) {
        let names: Vec<String> = kept.iter().map(|variant| quoted(name(variant, around.side))).collect();
        return Ok(members(&[r#""type":"string""#.to_owned(), format!("\"enum\":[{}]", names.join(","))]));
    }
    let mut choices = Vec::new();
    for (variant, words) in kept.iter().zip(&words) {
        let words = members(&words.members());
        let is_untagged = variant.attrs.untagged() || matches!(tag, TagType::None);
        let choice = if is_untagged { inner(variant, around)? } else { tagged(variant, tag, around)? };
        choices.push(quote! { schema.nested("{", |schema| { #words #choice }); });
    }
    // Without a tag more than one may fit; serde takes the first.
    let begin = if kept.iter().any(|variant| variant.attrs.untagged()) || matches!(tag, TagType::None) {
        "\"anyOf\":["
    } else {
        "\"oneOf\":["
    };
    Ok(quote! {
        schema.members(#begin);
        #(#choices)*
        schema.raw("]");
    })
}

/// The content of a variant by itself. `#[serde(default)]` of the enum does not reach its variants' fields.
fn inner(variant: &Variant<'_>, around: Around) -> Result<TokenStream> {
    content(variant.style, &variant.fields, Around { has_default: false, ..around }, None)
}

fn tagged(variant: &Variant<'_>, tag: &TagType, around: Around) -> Result<TokenStream> {
    let name = name(variant, around.side);
    let is_name = format!("{{\"type\":\"string\",\"const\":{}}}", quoted(name));
    match tag {
        TagType::None => inner(variant, around),
        TagType::External if matches!(variant.style, Style::Unit) => {
            Ok(members(&[r#""type":"string""#.to_owned(), format!("\"const\":{}", quoted(name))]))
        }
        TagType::External => {
            let begin = format!("{}:{{", quoted(name));
            let end = format!("}},\"required\":[{}],\"additionalProperties\":false", quoted(name));
            let inner = inner(variant, around)?;
            Ok(quote! {
                schema.members("\"type\":\"object\",\"properties\":{");
                schema.nested(#begin, |schema| { #inner });
                schema.raw(#end);
            })
        }
        TagType::Internal { tag } => {
            if let (Style::Newtype, Some(field)) = (variant.style, variant.fields.first()) {
                let has_tag =
                    format!("\"type\":\"object\",\"properties\":{{{0}:{is_name}}},\"required\":[{0}]", quoted(tag));
                let value = one(field)?;
                return Ok(quote! {
                    schema.members(#has_tag);
                    schema.members("\"allOf\":[");
                    schema.nested("{", |schema| { #value });
                    schema.raw("]");
                });
            }
            let around = Around { has_default: false, ..around };
            content(Style::Struct, &variant.fields, around, Some((tag, name)))
        }
        TagType::Adjacent { tag, content } => {
            let (tag, key) = (quoted(tag), quoted(content));
            let closed = if around.denies_unknown { ",\"additionalProperties\":false" } else { "" };
            let begin = format!("\"type\":\"object\",\"properties\":{{{tag}:{is_name}");
            if matches!(variant.style, Style::Unit) {
                let all = format!("{begin}}},\"required\":[{tag}]{closed}");
                return Ok(quote! { schema.members(#all); });
            }
            let content_begin = format!("{key}:{{");
            let end = format!("}},\"required\":[{tag},{key}]{closed}");
            let inner = inner(variant, around)?;
            Ok(quote! {
                schema.members(#begin);
                schema.nested(#content_begin, |schema| { #inner });
                schema.raw(#end);
            })
        }
    }
}
