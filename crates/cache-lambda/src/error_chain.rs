//! An error with all its sources, for the log and for the operator.

use std::error::Error;
use std::iter::successors;

/// An error and its sources in one text, separated by colons.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let chain = successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
