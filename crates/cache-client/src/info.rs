//! What runs, where it stores, and which namespaces there are. And sample data, where the service serves it.

use cache_api::info::{Health, Server, Status, Storage, Versions};
use cache_api::names::Namespace as NamespaceName;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::operations::{self as op, Operation};

/// What runs, and where it stores.
#[derive(Debug, Clone)]
pub struct Info {
    client: Client,
}

/// Sample data. A service has it only if it is configured so.
#[derive(Debug, Clone)]
pub struct TestData {
    client: Client,
}

impl Client {
    /// What runs, and where it stores.
    pub fn info(&self) -> Info {
        Info { client: self.clone() }
    }

    /// Sample data. A service has it only if it is configured so; else each call is [`Error::Protocol`].
    pub fn test_data(&self) -> TestData {
        TestData { client: self.clone() }
    }

    /// The names of all namespaces.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn namespaces(&self) -> Result<Vec<String>, Error> {
        let names: Vec<NamespaceName> = self.get(&op::GET_NAMESPACES_LIST).await?;
        Ok(names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, operation: &'static Operation) -> Result<T, Error> {
        self.send(&Call::new(operation, &[])?).await?.json()
    }
}

impl Info {
    /// Whether it answers.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn health(&self) -> Result<Health, Error> {
        self.client.get(&op::GET_INFO_HEALTH).await
    }

    /// Whether the storage of the service answers. While it does not, this is an error that is worth another try later.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn ready(&self) -> Result<Health, Error> {
        self.client.get(&op::GET_INFO_READY).await
    }

    /// Which process answers.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn server(&self) -> Result<Server, Error> {
        self.client.get(&op::GET_INFO_SERVER).await
    }

    /// What runs, and where.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.client.get(&op::GET_INFO_STATUS).await
    }

    /// The versions of its parts.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn versions(&self) -> Result<Versions, Error> {
        self.client.get(&op::GET_INFO_VERSIONS).await
    }

    /// Where entries live.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn storage(&self) -> Result<Storage, Error> {
        self.client.get(&op::GET_SERVER_STORAGE_INFO).await
    }

    /// The metrics in the text format of Prometheus; a Lambda function has none.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` of a Lambda function.
    pub async fn metrics(&self) -> Result<Option<String>, Error> {
        let reply = self.client.send_if_any(&Call::new(&op::GET_METRICS, &[])?).await?;
        reply.map(|reply| reply.text()).transpose()
    }

    /// The description of every operation, as OpenAPI 3.1.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn openapi(&self) -> Result<Value, Error> {
        self.client.get(&op::GET_OPENAPI_JSON).await
    }
}

impl TestData {
    /// The fixtures that the Python clients know, made if need be.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn fixtures(&self) -> Result<Value, Error> {
        self.client.get(&op::POST_SERVER_CREATE_TEST_FIXTURES).await
    }

    /// Stores samples in three namespaces.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn comprehensive(&self) -> Result<Value, Error> {
        self.client.get(&op::POST_TEST_DATA_CREATE_IN_DEFAULT_NAMESPACES_COMPREHENSIVE).await
    }

    /// Stores a few samples.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn minimal(&self) -> Result<Value, Error> {
        self.client.get(&op::POST_TEST_DATA_CREATE_IN_DEFAULT_NAMESPACES_MINIMAL).await
    }

    /// Stores samples in a namespace.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn in_namespace(&self, name: &str) -> Result<Value, Error> {
        self.client.send(&Call::new(&op::POST_TEST_DATA_CREATE_IN_NEW_NAMESPACE, &[name])?).await?.json()
    }

    /// Deletes everything in a namespace.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn clear(&self, name: &str) -> Result<Value, Error> {
        self.client.send(&Call::new(&op::DELETE_TEST_DATA_CLEAR_NAMESPACE, &[name])?).await?.json()
    }
}
