//! The fields of a JSON body, which are taken out one after the other, so that an error can say which one is wrong.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::body::Payload;
use crate::problem::Problem;

/// What is left of a JSON body.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of a body.
    ///
    /// # Errors
    ///
    /// 400 when it is no JSON object.
    pub fn read(payload: Payload) -> Result<Self, Problem> {
        payload.fields("dict_type").map(Self)
    }

    /// As [`Fields::read`], where nothing means no fields.
    ///
    /// # Errors
    ///
    /// 400 when it is neither nothing nor a JSON object.
    pub fn read_if_any(payload: Payload) -> Result<Self, Problem> {
        if payload.is_empty() { Ok(Self(Map::new())) } else { Self::read(payload) }
    }

    /// A name, which is sanitized; with strict names, one that sanitizing would change is refused.
    ///
    /// # Errors
    ///
    /// 400 when it cannot be used.
    pub fn name<T: FromStr<Err: Display> + Display>(&mut self, name: &str, strict: bool) -> Result<Option<T>, Problem> {
        let Some(raw) = self.take::<String>(name)? else { return Ok(None) };
        let refused = |message: String| Problem::body_field("value_error", name, &message, Value::from(raw.as_str()));
        let parsed: T = raw.parse().map_err(|error: T::Err| refused(error.to_string()))?;
        let cleaned = parsed.to_string();
        if strict && cleaned != raw {
            return Err(refused(format!("has characters that are not allowed: '{cleaned}' would be")));
        }
        Ok(Some(parsed))
    }

    /// A field that may be missing or `null`.
    ///
    /// # Errors
    ///
    /// 400 when it is of another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        Ok(self.take_if_sent(name)?.flatten())
    }

    /// A field that may be missing: `Some(None)` is `null`.
    ///
    /// # Errors
    ///
    /// 400 when it is of another type.
    pub fn take_if_sent<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<Option<T>>, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        if value.is_null() {
            return Ok(Some(None));
        }
        serde_json::from_value(value.clone()).map(|field| Some(Some(field))).map_err(|error| {
            let message = format!("is not understood: {error}");
            Problem::body_field("value_error", name, &message, value)
        })
    }

    /// A field that has to be there.
    ///
    /// # Errors
    ///
    /// 400 when it is missing or of another type.
    pub fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Problem> {
        let missing = || Problem::body_field("missing", name, "is required", Value::Null);
        self.take(name)?.ok_or_else(missing)
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    ///
    /// 400 when there is another field.
    pub fn nothing_else(self, known: &[&str]) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, value)) => {
                let message = format!("is not known here: the fields are {}", known.join(", "));
                Err(Problem::body_field("extra_forbidden", &name, &message, value))
            }
        }
    }
}
