//! JSON text that goes out as it is stored.

use serde::{Serialize, Serializer, ser};
use serde_json::value::RawValue;

/// JSON text, never parsed into values again. Text that is not JSON can only come from a damaged store and fails.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_slice::<&RawValue>(self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_is_kept_to_the_byte() {
        let text = r#"{"b" : 1.0e2,"a":[ 1,2 ],"b":null}"#;
        assert_eq!(serde_json::to_string(&[Raw(text.as_bytes())]).unwrap(), format!("[{text}]"));
        assert!(serde_json::to_string(&Raw(b"{")).is_err());
    }
}
