//! What serde asks of arrays, objects and enums while it builds them; adds the place to what goes wrong inside.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor};

use super::JsonError;
use super::key::Key;
use super::parse::Value;
use super::scan::Scanner;

/// The elements of an array.
pub(super) struct Elements<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    index: usize,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn of(scanner: &'a mut Scanner<'de>) -> Self {
        Self { scanner, index: 0 }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        if !self.scanner.next_item(b']', self.index == 0)? {
            return Ok(None);
        }
        let index = self.index;
        self.index += 1;
        match seed.deserialize(Value(self.scanner)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.below_index(index)),
        }
    }
}

/// The members of an object.
pub(super) struct Members<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    is_first: bool,
    /// Where the key of the value that comes next stands in the text.
    key_at: usize,
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) fn of(scanner: &'a mut Scanner<'de>) -> Self {
        Self { scanner, is_first: true, key_at: 0 }
    }

    fn next_key(&mut self) -> Result<Option<Cow<'de, str>>, JsonError> {
        if !self.scanner.next_item(b'}', self.is_first)? {
            return Ok(None);
        }
        self.is_first = false;
        self.key_at = self.scanner.place();
        self.scanner.key().map(Some)
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        match self.next_key()? {
            Some(key) => seed.deserialize(Key(key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        match seed.deserialize(Value(self.scanner)) {
            Ok(value) => Ok(value),
            Err(error) => Err(self.scanner.below_key_at(self.key_at, error)),
        }
    }
}

/// A variant without content: `"Name"`.
pub(super) struct VariantName<'de>(pub(super) Cow<'de, str>);

impl<'de> EnumAccess<'de> for VariantName<'de> {
    type Error = JsonError;
    type Variant = NoContent;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, NoContent), JsonError> {
        Ok((seed.deserialize(CowStrDeserializer::<JsonError>::new(self.0))?, NoContent))
    }
}

/// The content a `"Name"` does not have.
pub(super) struct NoContent;

impl<'de> VariantAccess<'de> for NoContent {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, JsonError> {
        Err(serde::de::Error::invalid_type(Unexpected::UnitVariant, &"newtype variant"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, JsonError> {
        Err(serde::de::Error::invalid_type(Unexpected::UnitVariant, &"tuple variant"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, JsonError> {
        Err(serde::de::Error::invalid_type(Unexpected::UnitVariant, &"struct variant"))
    }
}

/// A variant with content: `{"Name": content}`.
pub(super) struct Variant<'a, 'de>(pub(super) &'a mut Scanner<'de>);

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = JsonError;
    type Variant = Value<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Value<'a, 'de>), JsonError> {
        let name = self.0.key()?;
        Ok((seed.deserialize(CowStrDeserializer::<JsonError>::new(name))?, Value(self.0)))
    }
}

impl<'de> VariantAccess<'de> for Value<'_, 'de> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        serde::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, JsonError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        serde::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        serde::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}
