//! The contract, held by the S3 backend in front of a look-alike, and of any other server.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use cache_testing::moto::Moto;

cache_storage::conformance!(let Some(moto) = Moto::shared(); moto.storage("conformance").await);

/// A server of one's own: `MGRAPH_S3_ENDPOINT` is its URL, and the credentials are in the usual variables. The bucket
/// `conformance` is created.
mod server {
    use std::env;

    use cache_storage::s3::{S3, S3Config};

    struct Server {
        endpoint_url: String,
    }

    impl Server {
        fn of_environment() -> Option<Self> {
            env::var("MGRAPH_S3_ENDPOINT").ok().map(|endpoint_url| Self { endpoint_url })
        }

        async fn storage(self) -> S3 {
            let config = S3Config { endpoint_url: Some(self.endpoint_url), ..S3Config::new("conformance") };
            let s3 = S3::open(config).await.unwrap();
            s3.create_bucket().await.unwrap();
            s3.probe().await.unwrap()
        }
    }

    cache_storage::conformance!(let Some(server) = Server::of_environment(); server.storage().await);
}
