//! A whole schema: the type at its root, with the definitions of the types in it.

use super::text::{SchemaText, Side, reference_to};
use crate::json::escape_into;
use crate::text::add;

/// What stands first in each schema: its dialect.
const BEGIN: &str = "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"";

/// The schema a type's `write` writes, as a document.
pub(crate) fn root_schema(side: Side, write: fn(&mut SchemaText)) -> String {
    let mut schema = SchemaText::new(side);
    write(&mut schema);
    let mut members = &schema.text;
    let mut definitions = schema.definitions.as_slice();
    let mut root = String::from(BEGIN);
    // A named type is written out here, being the first that was defined.
    if let Some((first, others)) = definitions.split_first()
        && *members == reference_to(&first.name)
    {
        add(&mut root, ",\"title\":");
        escape_into(&mut root, &first.name);
        members = &first.members;
        // It stays among the definitions if it is in itself.
        if first.references == 1 {
            definitions = others;
        }
    }
    if !members.is_empty() {
        add(&mut root, ",");
        add(&mut root, members);
    }
    let mut begin = ",\"$defs\":{";
    for definition in definitions {
        add(&mut root, begin);
        begin = ",";
        escape_into(&mut root, &definition.name);
        for part in [":{", &definition.members, "}"] {
            add(&mut root, part);
        }
    }
    add(&mut root, if definitions.is_empty() { "}" } else { "}}" });
    root
}
