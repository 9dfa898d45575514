//! The JSON of answers, as the clients know it, a file for each group of routes. Everything in it comes from records and
//! indexes.

pub mod batch;
pub mod children;
pub mod content;
pub mod entry;
pub mod namespace;
pub mod references;
pub mod upload;
pub mod versions;
pub mod zip;
