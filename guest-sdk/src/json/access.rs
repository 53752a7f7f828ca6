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
        seed.deserialize(Value(self.scanner)).map(Some).map_err(|error| error.below_index(index))
    }
}

/// The members of an object.
pub(super) struct Members<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    is_first: bool,
    key: Cow<'de, str>,
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) fn of(scanner: &'a mut Scanner<'de>) -> Self {
        Self { scanner, is_first: true, key: Cow::Borrowed("") }
    }

    fn next_key(&mut self) -> Result<bool, JsonError> {
        if !self.scanner.next_item(b'}', self.is_first)? {
            return Ok(false);
        }
        self.is_first = false;
        self.key = self.scanner.key()?;
        Ok(true)
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        if self.next_key()? { seed.deserialize(Key(self.key.clone())).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        seed.deserialize(Value(self.scanner)).map_err(|error| error.below_key(self.key.to_string()))
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
