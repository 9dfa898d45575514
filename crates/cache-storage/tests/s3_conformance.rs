//! The contract, held by the S3 backend in front of a look-alike.

use cache_testing::moto::Moto;

cache_storage::conformance!(let Some(moto) = Moto::shared(); moto.storage("conformance").await);
