//! Which schema a type has: this crate's, or that of schemars. `#[handler]` asks through method calls on references, of
//! which the compiler takes the first that holds.

use std::marker::PhantomData;

use crate::schema::{JsonSchema, Side, root_schema};

/// Stands for a type in the question which schema it has.
#[derive(Debug)]
pub struct SchemaOf<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> SchemaOf<T> {
    /// The question.
    #[allow(clippy::new_without_default)] // it is never made by anything but the macro
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// First: the schema of this crate's derive.
pub trait SdkSchema {
    /// Of what is read.
    fn of_input(&self) -> String;
    /// Of what is written.
    fn of_output(&self) -> String;
}

impl<T: JsonSchema + ?Sized> SdkSchema for &&SchemaOf<T> {
    fn of_input(&self) -> String {
        root_schema(Side::Input, T::write)
    }

    fn of_output(&self) -> String {
        root_schema(Side::Output, T::write)
    }
}

/// Then: the schema of schemars' derive.
pub trait SchemarsSchema {
    /// Of what is read.
    fn of_input(&self) -> String;
    /// Of what is written.
    fn of_output(&self) -> String;
}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema + ?Sized> SchemarsSchema for &SchemaOf<T> {
    fn of_input(&self) -> String {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_deserialize();
        settings.into_generator().into_root_schema_for::<T>().as_value().to_string()
    }

    fn of_output(&self) -> String {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        settings.into_generator().into_root_schema_for::<T>().as_value().to_string()
    }
}

/// Last, so that the compiler says what is missing.
pub trait NoSchema<T: ?Sized> {
    /// Does not compile.
    fn of_input(&self) -> String
    where
        T: JsonSchema;
    /// Does not compile.
    fn of_output(&self) -> String
    where
        T: JsonSchema;
}

impl<T: ?Sized> NoSchema<T> for SchemaOf<T> {
    fn of_input(&self) -> String
    where
        T: JsonSchema,
    {
        root_schema(Side::Input, T::write)
    }

    fn of_output(&self) -> String
    where
        T: JsonSchema,
    {
        root_schema(Side::Output, T::write)
    }
}
