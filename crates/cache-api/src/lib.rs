//! The JSON of requests and responses, as the server and its clients share it.
//!
//! There is a module for each group of operations. The types only carry data: nothing is checked here, and the crate
//! knows neither the server nor the storage. With the feature `openapi` each type describes itself for `/openapi.json`.
//!
//! ```
//! use cache_api::entries::Exists;
//!
//! let json = r#"{"exists":true,"cache_id":null,"cache_hash":"2cf24dba5fb0a30e","namespace":"demo"}"#;
//! let answer: Exists = serde_json::from_str(json)?;
//! assert!(answer.exists);
//! assert_eq!(answer.cache_hash.unwrap().as_str(), "2cf24dba5fb0a30e");
//! # Ok::<(), serde_json::Error>(())
//! ```

pub mod admin;
pub mod archives;
pub mod batch_reads;
pub mod children;
pub mod contents;
pub mod entries;
pub mod errors;
pub mod info;
pub mod keys;
pub mod kinds;
pub mod lists;
pub mod names;
pub mod namespaces;
pub mod references;
pub mod uploads;
pub mod versions;

#[cfg(feature = "openapi")]
mod schema;
