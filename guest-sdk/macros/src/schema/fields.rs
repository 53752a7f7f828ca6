//! The fields of a struct or a variant: which there are on a side, what they are called, whether they must be there.

use proc_macro2::TokenStream;
use quote::quote;
use serde_derive_internals::ast::{Field, Style};
use serde_derive_internals::attr::Default;
use syn::Result;

use super::attributes::Attributes;
use super::container::Side;
use super::json::{members, quoted};

/// What every field of a container has in common.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) side: Side,
    pub(super) denies_unknown: bool,
    /// `#[serde(default)]` on the whole.
    pub(super) has_default: bool,
}

/// Statements that write the members of the schema of these fields' JSON. `tag` is another member the object has, with
/// its only value.
pub(super) fn content(
    style: Style,
    fields: &[Field<'_>],
    around: Around,
    tag: Option<(&str, &str)>,
) -> Result<TokenStream> {
    match style {
        Style::Unit => Ok(members(&[r#""type":"null""#.to_owned()])),
        Style::Newtype => match fields.first() {
            Some(field) => one(field),
            None => Ok(TokenStream::new()),
        },
        Style::Tuple => places(fields, around.side),
        Style::Struct => object(fields, around, tag),
    }
}

fn is_skipped(field: &Field<'_>, side: Side) -> bool {
    match side {
        Side::Input => field.attrs.skip_deserializing(),
        Side::Output => field.attrs.skip_serializing(),
    }
}

/// The type whose schema a field has.
fn schema_type(field: &Field<'_>, attributes: &Attributes) -> TokenStream {
    let own = field.ty;
    attributes.with.as_ref().map_or_else(|| quote! { #own }, |with| quote! { #with })
}

/// One value: its own words, then its type's schema.
pub(super) fn one(field: &Field<'_>) -> Result<TokenStream> {
    let attributes = Attributes::of(&field.original.attrs)?;
    let schema_type = schema_type(field, &attributes);
    let words = members(&attributes.words());
    if attributes.extras.is_empty() {
        return Ok(quote! { #words <#schema_type as ::stoker_sdk::JsonSchema>::write(schema); });
    }
    let extras = attributes.extras.iter().map(|(name, value)| quote! { (#name, #value) });
    Ok(quote! {
        #words
        schema.narrowed(<#schema_type as ::stoker_sdk::JsonSchema>::write, &[#(#extras),*]);
    })
}

fn places(fields: &[Field<'_>], side: Side) -> Result<TokenStream> {
    let kept: Vec<&Field<'_>> = fields.iter().filter(|field| !is_skipped(field, side)).collect();
    let begin = format!(r#""type":"array","minItems":{0},"maxItems":{0},"prefixItems":["#, kept.len());
    let items = kept.into_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        schema.members(#begin);
        #(schema.nested("{", |schema| { #items });)*
        schema.raw("]");
    })
}

fn object(fields: &[Field<'_>], around: Around, tag: Option<(&str, &str)>) -> Result<TokenStream> {
    let mut properties = Vec::new();
    let mut required = Vec::new();
    let mut flattened = Vec::new();
    if let Some((tag, value)) = tag {
        let begin = format!("{}:{{\"type\":\"string\",\"const\":{}", quoted(tag), quoted(value));
        properties.push(quote! { schema.nested(#begin, |_| {}); });
        required.push(quote! { (#tag, true) });
    }
    for field in fields.iter().filter(|field| !is_skipped(field, around.side)) {
        let attributes = Attributes::of(&field.original.attrs)?;
        let schema_type = schema_type(field, &attributes);
        let can_be_absent = quote! { <#schema_type as ::stoker_sdk::JsonSchema>::CAN_BE_ABSENT };
        if field.attrs.flatten() {
            flattened.push(quote! { (<#schema_type as ::stoker_sdk::JsonSchema>::write, #can_be_absent) });
            continue;
        }
        let name = match around.side {
            Side::Input => &field.attrs.name().deserialize_name().value,
            Side::Output => &field.attrs.name().serialize_name().value,
        };
        let begin = format!("{}:{{", quoted(name));
        let value = one(field)?;
        properties.push(quote! { schema.nested(#begin, |schema| { #value }); });
        required.push(match around.side {
            Side::Input if around.has_default || !matches!(field.attrs.default(), Default::None) => {
                quote! { (#name, false) }
            }
            // A function of one's own reads nothing from nothing, whatever the type.
            Side::Input if field.attrs.deserialize_with().is_some() => quote! { (#name, true) },
            Side::Input => quote! { (#name, !#can_be_absent) },
            Side::Output => {
                let is_always_there = field.attrs.skip_serializing_if().is_none();
                quote! { (#name, #is_always_there) }
            }
        });
    }
    // The members a flattened field takes are not known here.
    let closed = (around.denies_unknown && around.side == Side::Input && flattened.is_empty())
        .then(|| quote! { schema.members("\"additionalProperties\":false"); });
    let required = (!required.is_empty()).then(|| quote! { schema.required(&[#(#required),*]); });
    let flattened = (!flattened.is_empty()).then(|| quote! { schema.flattened(&[#(#flattened),*]); });
    let properties = (!properties.is_empty()).then(|| {
        quote! {
            schema.members("\"properties\":{");
            #(#properties)*
            schema.raw("}");
        }
    });
    Ok(quote! {
        schema.members("\"type\":\"object\"");
        #properties
        #required
        #closed
        #flattened
    })
}
