//! What runs, and where it stores.

use serde::{Deserialize, Serialize};

/// Whether the service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// Which process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Server {
    /// As it is configured.
    pub server_id: Option<String>,
    /// As it is configured.
    pub server_name: Option<String>,
    /// A name of this process that no other has.
    pub server_instance_id: String,
    /// When the process started, in milliseconds since 1970 UTC.
    pub server_boot_time: u64,
}

/// What runs, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// The name of the service.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Always `operational`.
    pub status: String,
    /// `aws-lambda` or `local`.
    pub environment: String,
}

/// The versions of the service's parts. It has none of the libraries that the clients also know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Versions {
    /// The version of the service.
    pub mgraph_ai_service_cache: String,
    /// `not used`.
    pub osbot_utils: String,
    /// `not used`.
    pub osbot_aws: String,
    /// `not used`.
    pub osbot_fast_api: String,
    /// `not used`.
    pub osbot_fast_api_serverless: String,
}

/// Where entries live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Storage {
    /// `s3`, `local_disk`, `sqlite`, `zip` or `memory`.
    pub storage_mode: String,
    /// The time to live of entries, in hours, of namespaces that set none.
    pub ttl_hours: u32,
    /// The bucket, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    /// The folder, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_disk_path: Option<String>,
    /// The SQLite file, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite_path: Option<String>,
    /// The ZIP archive, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip_path: Option<String>,
}
