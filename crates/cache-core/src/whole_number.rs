//! Whole numbers in JSON.

use serde::{Deserialize, Deserializer, de::Error as _};

/// A number without a fraction, also when it is written as `5.0`: to JSON that is the same number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "serde_json::Number")]
pub struct WholeNumber(pub u64);

/// What is wrong with another number.
const EXPECTED: &str = "a whole number is expected";

impl TryFrom<serde_json::Number> for WholeNumber {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, &'static str> {
        let whole = |number: f64| number.fract() == 0.0 && (0.0..9e15).contains(&number);
        let written_as_fraction = || number.as_f64().filter(|number| whole(*number)).map(|number| number as u64);
        number.as_u64().or_else(written_as_fraction).map(Self).ok_or(EXPECTED)
    }
}

/// A field that is a [`WholeNumber`] or nothing, as `N`.
///
/// # Errors
///
/// When it is another number, or `N` has no such number.
pub fn optional<'de, N: TryFrom<u64>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let Some(WholeNumber(number)) = Option::deserialize(deserializer)? else { return Ok(None) };
    N::try_from(number).map(Some).map_err(|_| D::Error::custom(EXPECTED))
}
