//! Finds numbers that JSON does not have.
//!
//! A NaN or an infinity becomes `null` in JSON, so a call with it would have the key of another one. Neither `serde_json` nor the
//! canonicalizer tells of those inside of a list or an object.

use std::fmt;

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

/// Why a value has no form in JSON.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoJson(String);

impl Error for NoJson {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Refuses a value with a NaN or an infinity in it.
pub(super) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), NoJson> {
    value.serialize(Finite)
}

/// Looks at each number, and writes nothing.
struct Finite;

macro_rules! nothing_to_see {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<(), NoJson> {
            Ok(())
        })*
    };
}

macro_rules! look_into {
    ($($method:ident($($argument:ty),*) -> $kind:ident;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::$kind, NoJson> {
            Ok(self)
        })*
    };
}

impl Serializer for Finite {
    type Ok = ();
    type Error = NoJson;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_f32(self, value: f32) -> Result<(), NoJson> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), NoJson> {
        if value.is_finite() { Ok(()) } else { Err(NoJson(format!("{value} has no form in JSON"))) }
    }

    nothing_to_see! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoJson> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), NoJson> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), NoJson> {
        value.serialize(self)
    }

    look_into! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

macro_rules! items {
    ($($kind:ident $method:ident($($name:ty)?);)*) => {
        $(impl $kind for Finite {
            type Ok = ();
            type Error = NoJson;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<(), NoJson> {
                value.serialize(Finite)
            }

            fn end(self) -> Result<(), NoJson> {
                Ok(())
            }
        })*
    };
}

items! {
    SerializeSeq serialize_element();
    SerializeTuple serialize_element();
    SerializeTupleStruct serialize_field();
    SerializeTupleVariant serialize_field();
    SerializeStruct serialize_field(&'static str);
    SerializeStructVariant serialize_field(&'static str);
}

impl SerializeMap for Finite {
    type Ok = ();
    type Error = NoJson;

    /// Keys become text, or are refused by `serde_json`.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), NoJson> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoJson> {
        value.serialize(Finite)
    }

    fn end(self) -> Result<(), NoJson> {
        Ok(())
    }
}
