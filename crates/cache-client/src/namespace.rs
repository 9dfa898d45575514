//! A namespace: where entries are stored, found and listed.
//!
//! What it does with entries is beside what that returns: stores in `store.rs`, reads in `get.rs`, and so on.

use cache_api::kinds::Strategy;
use cache_api::lists::Page;
use cache_api::names::{CacheHash, CacheId};
use cache_api::namespaces::{Entries, NamespaceSettings, NamespaceStats, NewSettings};
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::names;
use crate::operations::{self, Operation};
use crate::selector::strategy_name;

/// A namespace of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Namespace {
    client: Client,
    name: String,
}

impl Client {
    /// A namespace of the service, which need not exist.
    ///
    /// # Errors
    ///
    /// When the service would refuse or change the name: it has 1 to 128 characters of `A-Za-z0-9_-`, and not `_` alone.
    pub fn namespace(&self, name: impl Into<String>) -> Result<Namespace, Error> {
        let name = name.into();
        names::check_id("namespace", &name)?;
        Ok(Namespace { client: self.clone(), name })
    }

    /// The namespace that the configuration names.
    ///
    /// # Errors
    ///
    /// When it names none.
    pub fn default_namespace(&self) -> Result<Namespace, Error> {
        let missing = || Error::argument("the namespace", "is not configured: set MGRAPH_CACHE_NAMESPACE, or name one");
        self.namespace(self.namespace_name().ok_or_else(missing)?)
    }
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client that it belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn call(&self, operation: &'static Operation, parameters: &[&str]) -> Result<Call, Error> {
        Call::new(operation, &[&[self.name.as_str()], parameters].concat())
    }

    /// Sends a call, and reads the response as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        self.client.send(call).await?.json()
    }

    /// The same; `None` for a miss.
    pub(crate) async fn json_if_any<T: DeserializeOwned>(&self, call: &Call) -> Result<Option<T>, Error> {
        self.client.send_if_any(call).await?.map(|reply| reply.json()).transpose()
    }

    /// How much it holds.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn stats(&self) -> Result<NamespaceStats, Error> {
        self.json(&self.call(&operations::GET_STATS, &[])?).await
    }

    /// Its settings.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn settings(&self) -> Result<NamespaceSettings, Error> {
        self.json(&self.call(&operations::GET_SETTINGS, &[])?).await
    }

    /// Replaces its settings. What is left out is unset.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn replace_settings(&self, settings: &NewSettings) -> Result<NamespaceSettings, Error> {
        self.json(&self.call(&operations::PUT_SETTINGS, &[])?.json(settings)?).await
    }

    /// A page of the ids of its entries, of up to 1,000. The next page begins at `next_cursor` of this one.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn ids(&self, limit: usize, cursor: Option<&str>) -> Result<Page<CacheId>, Error> {
        let call = self.call(&operations::GET_FILE_IDS, &[])?;
        self.json(&call.query("limit", Some(limit)).query("cursor", cursor)).await
    }

    /// A page of the hashes of its entries, as [`Namespace::ids`].
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn hashes(&self, limit: usize, cursor: Option<&str>) -> Result<Page<CacheHash>, Error> {
        let call = self.call(&operations::GET_FILE_HASHES, &[])?;
        self.json(&call.query("limit", Some(limit)).query("cursor", cursor)).await
    }

    /// A page of the entries of the temporal strategies, in the order of time.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn entries(&self, query: &EntriesQuery) -> Result<Entries, Error> {
        let EntriesQuery { strategy, from_ms, to_ms, limit, cursor } = query;
        let call = self.call(&operations::GET_ENTRIES, &[])?.query("strategy", strategy.map(strategy_name));
        let call = call.query("from", *from_ms).query("to", *to_ms).query("limit", *limit);
        self.json(&call.query("cursor", cursor.as_deref())).await
    }
}

/// Which entries [`Namespace::entries`] returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntriesQuery {
    /// Only those of this strategy.
    pub strategy: Option<Strategy>,
    /// From this moment on, in milliseconds since 1970 UTC.
    pub from_ms: Option<u64>,
    /// Before this moment, in milliseconds since 1970 UTC.
    pub to_ms: Option<u64>,
    /// Up to 1,000.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}
