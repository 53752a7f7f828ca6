//! `#[schemars(…)]` and doc comments: what a field or type says about itself besides its type.

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, ExprLit, ExprUnary, Ident, Lit, LitStr, Result, Token, Type, UnOp};

use super::json::quoted;
use crate::documentation::doc_text;

const KNOWN: &str = "range, length, regex, title, description, extend, with";

/// What stands in the attributes of a type, variant or field.
#[derive(Default)]
pub(super) struct Attributes {
    title: Option<String>,
    description: Option<String>,
    /// Members of the schema besides those, as name and JSON.
    pub(super) extras: Vec<(String, String)>,
    /// The type whose schema to take.
    pub(super) with: Option<Type>,
}

impl Attributes {
    pub(super) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self { description: doc_text(attributes), ..Self::default() };
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("schemars")) {
            attribute.parse_nested_meta(|meta| found.read(&meta))?;
        }
        Ok(found)
    }

    /// Title and description as members.
    pub(super) fn words(&self) -> Vec<String> {
        let words = [("title", &self.title), ("description", &self.description)];
        words.into_iter().filter_map(|(name, text)| super::json::text_member(name, text.as_deref())).collect()
    }

    /// All that is said, as members.
    pub(super) fn members(&self) -> Vec<String> {
        let mut members = self.words();
        members.extend(self.extras.iter().map(|(name, value)| format!("{}:{value}", quoted(name))));
        members
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let name = meta.path.require_ident()?.to_string();
        match name.as_str() {
            "title" => self.title = Some(meta.value()?.parse::<LitStr>()?.value()),
            "description" => self.description = Some(meta.value()?.parse::<LitStr>()?.value()),
            "with" => self.with = Some(meta.value()?.parse::<LitStr>()?.parse()?),
            "range" => meta.parse_nested_meta(|bound| self.read_range(&bound))?,
            "length" => meta.parse_nested_meta(|bound| self.read_length(&bound))?,
            "regex" => meta.parse_nested_meta(|part| {
                if !part.path.is_ident("pattern") {
                    return Err(part.error("write `regex(pattern = \"^[a-z]+$\")`"));
                }
                let pattern = part.value()?.parse::<LitStr>()?.value();
                self.extras.push(("pattern".into(), quoted(&pattern)));
                Ok(())
            })?,
            "extend" => {
                let content;
                syn::parenthesized!(content in meta.input);
                let members = Punctuated::<Member, Token![,]>::parse_terminated(&content)?;
                self.extras.extend(members.into_iter().map(|member| (member.name, member.json)));
            }
            _ => {
                let message = format!(
                    "stoker_sdk's JsonSchema knows no `{name}`; known are {KNOWN} (for others derive `schemars::JsonSchema`)"
                );
                return Err(meta.error(message));
            }
        }
        Ok(())
    }

    fn read_range(&mut self, bound: &ParseNestedMeta<'_>) -> Result<()> {
        let name = match bound.path.get_ident().map(Ident::to_string).as_deref() {
            Some("min") => "minimum",
            Some("max") => "maximum",
            _ => return Err(bound.error("write `range(min = 1, max = 9)`")),
        };
        let number: Expr = bound.value()?.parse()?;
        self.extras.push((name.into(), number_text(&number)?));
        Ok(())
    }

    /// For text and lists alike: each ignores what is said of the other.
    fn read_length(&mut self, bound: &ParseNestedMeta<'_>) -> Result<()> {
        let names: &[&str] = match bound.path.get_ident().map(Ident::to_string).as_deref() {
            Some("min") => &["minLength", "minItems"],
            Some("max") => &["maxLength", "maxItems"],
            Some("equal") => &["minLength", "minItems", "maxLength", "maxItems"],
            _ => return Err(bound.error("write `length(min = 1, max = 80)` or `length(equal = 2)`")),
        };
        let number: Expr = bound.value()?.parse()?;
        let text = number_text(&number)?;
        self.extras.extend(names.iter().map(|name| ((*name).to_owned(), text.clone())));
        Ok(())
    }
}

/// `"name" = value` in `extend(…)`; the value is Rust that is JSON as well.
struct Member {
    name: String,
    json: String,
}

impl syn::parse::Parse for Member {
    fn parse(input: syn::parse::ParseStream<'_>) -> Result<Self> {
        let name = input.parse::<LitStr>()?.value();
        input.parse::<Token![=]>()?;
        let value: Expr = input.parse()?;
        Ok(Self { name, json: json_text(&value)? })
    }
}

fn number_text(number: &Expr) -> Result<String> {
    match number {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => Ok(int.base10_digits().to_owned()),
        Expr::Lit(ExprLit { lit: Lit::Float(float), .. }) => {
            let value: f64 = float.base10_parse()?;
            Ok(serde_json::Value::from(value).to_string())
        }
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => Ok(format!("-{}", number_text(expr)?)),
        other => Err(Error::new_spanned(other, "write the number itself: it is read while compiling")),
    }
}

fn json_text(value: &Expr) -> Result<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(quoted(&text.value())),
        Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Ok(value.value.to_string()),
        Expr::Array(array) => {
            let items: Vec<String> = array.elems.iter().map(json_text).collect::<Result<_>>()?;
            Ok(format!("[{}]", items.join(",")))
        }
        other => number_text(other)
            .map_err(|_| Error::new_spanned(other, "write text, a number, a boolean or a list of these")),
    }
}
