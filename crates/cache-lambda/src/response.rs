//! Response bodies: values of core as the types of [`cache_api`], a file for each group of routes.

pub mod batch;
pub mod children;
pub mod content;
pub mod entry;
pub mod keys;
pub mod namespace;
pub mod references;
pub mod versions;
pub mod wire;
pub mod zip;

#[cfg(test)]
mod tests;
