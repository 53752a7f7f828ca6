//! Values by name in JSON. One that stands twice is refused: nobody could say which value holds.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// For `deserialize_with`.
pub(super) fn named_values<'de, N, D>(deserializer: D) -> Result<BTreeMap<N, String>, D::Error>
where
    N: Deserialize<'de> + Ord + fmt::Display,
    D: Deserializer<'de>,
{
    struct Named<N>(PhantomData<N>);

    impl<'de, N: Deserialize<'de> + Ord + fmt::Display> Visitor<'de> for Named<N> {
        type Value = BTreeMap<N, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut values = BTreeMap::new();
            while let Some(name) = access.next_key::<N>()? {
                if values.contains_key(&name) {
                    return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
                }
                values.insert(name, access.next_value()?);
            }
            Ok(values)
        }
    }

    deserializer.deserialize_map(Named(PhantomData))
}
