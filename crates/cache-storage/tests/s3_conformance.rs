//! The contract, held by the S3 backend in front of a look-alike, or of a server of one's own: `MGRAPH_S3_ENDPOINT`.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use cache_testing::s3_server::S3Server;

cache_storage::conformance!(let Some(server) = S3Server::shared(); server.storage("conformance").await);
