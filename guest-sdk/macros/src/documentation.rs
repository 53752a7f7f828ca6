//! Doc comments as text.

use syn::{Attribute, Expr, Lit, Meta};

/// The lines of the doc comment.
fn lines(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// The whole doc comment; lines of a paragraph become one.
pub(crate) fn doc_text(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    let mut begins = "";
    for line in lines(attributes) {
        if line.is_empty() {
            begins = "\n\n";
        } else {
            if !text.is_empty() {
                text.push_str(begins);
            }
            text.push_str(&line);
            begins = " ";
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The first paragraph of the doc comment, on one line.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> Option<String> {
    let words: Vec<String> =
        lines(attributes).skip_while(String::is_empty).take_while(|line| !line.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
