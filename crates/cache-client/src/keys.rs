//! API keys: what each may do, and how much.

use std::time::Duration;

use cache_api::keys::{KeyChange, KeyCreated, KeyInfo, Keys as KeysPage, NewKey, Rotation, WhoAmI};

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::operations::{self as op, Operation};

/// API keys: those that the caller may manage. Keys of others are as if they were not there.
#[derive(Debug, Clone)]
pub struct Keys {
    client: Client,
}

impl Client {
    /// API keys.
    pub fn keys(&self) -> Keys {
        Keys { client: self.clone() }
    }

    /// What the service takes the caller for, and what the caller may do.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn whoami(&self) -> Result<WhoAmI, Error> {
        self.get(&op::GET_AUTH_WHOAMI).await
    }
}

impl Keys {
    /// A page of them, of up to 1,000, in the order of their ids. The next page begins at `next_cursor` of this one.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn list(&self, limit: usize, cursor: Option<&str>) -> Result<KeysPage, Error> {
        let call = Call::new(&op::GET_KEYS, &[])?.query("limit", Some(limit)).query("cursor", cursor);
        self.client.send(&call).await?.json()
    }

    /// A key, without the key itself.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn get(&self, id: &str) -> Result<Option<KeyInfo>, Error> {
        self.if_any(&call(&op::GET_KEYS_ID, id)?).await
    }

    /// Makes a key. The key itself is in this response only.
    ///
    /// # Errors
    ///
    /// See [`Error`]; [`Error::Conflict`] of a server that requires no key. After [`Error::Temporary`] there may be a key
    /// that nobody knows: delete it.
    pub async fn create(&self, key: &NewKey) -> Result<KeyCreated, Error> {
        self.client.send(&Call::new(&op::POST_KEYS, &[])?.json(key)?).await?.json()
    }

    /// Changes a key. Other processes of the service know it within a minute.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn change(&self, id: &str, change: &KeyChange) -> Result<Option<KeyInfo>, Error> {
        self.if_any(&call(&op::PATCH_KEYS_ID, id)?.json(change)?).await
    }

    /// Deletes a key; other processes of the service refuse it within a minute. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        Ok(self.client.send_if_any(&call(&op::DELETE_KEYS_ID, id)?).await?.is_some())
    }

    /// Makes a key that replaces this one, which stays valid for `overlap`, in whole seconds; for a day without it. The key itself
    /// is in this response only.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`. After [`Error::Temporary`], `replaced_by` of the old key says whether there is a new one.
    pub async fn rotate(&self, id: &str, overlap: Option<Duration>) -> Result<Option<KeyCreated>, Error> {
        let rotation = Rotation { overlap_seconds: overlap.map(|overlap| overlap.as_secs()) };
        self.if_any(&call(&op::POST_KEYS_ID_ROTATE, id)?.json(&rotation)?).await
    }

    async fn if_any<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<Option<T>, Error> {
        self.client.send_if_any(call).await?.map(|reply| reply.json()).transpose()
    }
}

/// A call about one key. Without an id it would be about all of them.
fn call(operation: &'static Operation, id: &str) -> Result<Call, Error> {
    if id.is_empty() {
        return Err(Error::argument("the id of the key", "must not be empty"));
    }
    Call::new(operation, &[id])
}
