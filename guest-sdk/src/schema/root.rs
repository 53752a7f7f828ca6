//! A whole schema: the type at its root, with the definitions of the types in it.

use super::text::{SchemaText, Side, reference_to};
use crate::json::escape_into;

/// What stands in each schema.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema a type's `write` writes, as a document.
pub(crate) fn root_schema(side: Side, write: fn(&mut SchemaText)) -> String {
    let mut schema = SchemaText::new(side);
    write(&mut schema);
    let SchemaText { text: members, mut definitions, .. } = schema;
    let mut root = String::from("{\"$schema\":\"");
    root.push_str(DIALECT);
    root.push('"');
    // A named type is written out here, being the first that was defined.
    let root_type = definitions.first().filter(|first| members == reference_to(&first.name));
    let members = match root_type {
        Some(definition) => {
            root.push_str(",\"title\":");
            escape_into(&mut root, &definition.name);
            let members = definition.members.clone();
            // It stays among the definitions if it is in itself.
            if definition.references == 1 {
                definitions.remove(0);
            }
            members
        }
        None => members,
    };
    if !members.is_empty() {
        root.push(',');
        root.push_str(&members);
    }
    let mut begin = ",\"$defs\":{";
    for definition in &definitions {
        root.push_str(begin);
        begin = ",";
        escape_into(&mut root, &definition.name);
        root.push_str(":{");
        root.push_str(&definition.members);
        root.push('}');
    }
    root.push_str(if definitions.is_empty() { "}" } else { "}}" });
    root
}
