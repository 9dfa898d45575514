//! A typed client of the cache service.
//!
//! ```no_run
//! use mgraph_cache_client::{Client, Selector, Strategy};
//!
//! # async fn example() -> Result<(), mgraph_cache_client::Error> {
//! // MGRAPH_CACHE_URL and MGRAPH_CACHE_KEY, or the variables of the Python clients.
//! let cache = Client::from_env()?.namespace("demo")?;
//!
//! let profile = serde_json::json!({"name": "Ada", "score": 2});
//! cache.store_json(&profile).strategy(Strategy::KeyBased).key("users/ada").file_id("profile").send().await?;
//!
//! match cache.get(Selector::key(Strategy::KeyBased, "users/ada", "profile")).await? {
//!     Some(found) => println!("version {}: {}", found.info.version, found.text()?),
//!     None => println!("a miss is no error"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it does for the caller:
//!
//! - A store carries an `Idempotency-Key`, so it is one entry however often it is sent; therefore it is retried, as reads are.
//! - [`Namespace::get`] and [`Namespace::download`] compare each content with its SHA-256.
//! - Large contents go to the storage, and come from it, without passing through a Lambda function.
//! - Every call ends within [`Policy::total_timeout`], and an [`Error`] says what the caller can do.
//! - `testing` is the same client over a service in this process, for tests.
//!
//! Reading order: [`client`](Client) and [`namespace`](Namespace), then what a namespace hands out: [`store`](Store),
//! [`get`](Namespace::get), [`entry`](Entry), [`download`](Download). Below them `call` describes one call, `send` sends it,
//! and [`transport`](Transport) is the way it takes.

mod admin;
mod body;
mod call;
mod check;
mod children;
mod client;
pub mod config;
mod download;
mod entry;
mod error;
mod find;
mod get;
mod handles;
mod info;
mod keys;
pub mod memo;
mod names;
mod namespace;
pub mod operations;
mod policy;
mod progress;
mod read;
mod retrieved;
mod selector;
mod send;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;
mod upload;
mod zip;

pub use admin::{Admin, ListOptions};
pub use body::{Body, of_bytes};
pub use cache_api as api;
pub use cache_api::kinds::{ContentKind, Strategy};
pub use check::{Check, Permissions};
pub use children::{Child, Children};
pub use client::{Client, ClientBuilder};
pub use config::Config;
pub use download::{Download, Incoming};
pub use entry::Entry;
pub use error::{BoxError, Error, Failure};
pub use handles::{ByHash, ByKey};
pub use info::{Info, TestData};
pub use keys::Keys;
pub use namespace::{EntriesQuery, Namespace};
pub use policy::Policy;
pub use progress::Progress;
pub use read::{Generic, GenericData, Read};
pub use retrieved::{Content, EntryInfo, Retrieved};
pub use selector::{EntryRef, STRATEGIES, Selector, parse_strategy, strategy_name};
pub use store::{MAX_DIRECT_STORE_BYTES, Store, Stored};
pub use transport::{Remote, Transport, TransportError};
pub use upload::sha256_of_file;
pub use zip::{Zip, ZipStore};

/// The Rust blocks of the pages, compiled.
#[cfg(all(doctest, feature = "macros", feature = "testing"))]
mod pages {
    #[doc = include_str!("../../../docs/client.md")]
    struct Client;
    #[doc = include_str!("../../../docs/memo.md")]
    struct Memo;
}
