//! Presigned requests, with which clients transfer single objects directly (Signature Version 4 in the query).

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::presigning::PresigningConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cache_core::digest::Sha256Digest;
use cache_core::storage::{ObjectKey, Presign, PresignedRequest, ResponseHeaders, StorageError};

use super::S3;
use super::error::{Cause, S3Error};

#[async_trait]
impl Presign for S3 {
    async fn presigned_put(
        &self,
        key: &ObjectKey,
        size: u64,
        sha256: Sha256Digest,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StorageError> {
        self.with_timeout(key.as_str(), self.sign_put(key, size, sha256, valid_for)).await
    }

    async fn presigned_get(
        &self,
        key: &ObjectKey,
        headers: &ResponseHeaders,
        valid_for: Duration,
    ) -> Result<String, StorageError> {
        self.with_timeout(key.as_str(), self.sign_get(key, headers, valid_for)).await
    }
}

impl S3 {
    async fn sign_put(
        &self,
        key: &ObjectKey,
        size: u64,
        sha256: Sha256Digest,
        valid_for: Duration,
    ) -> Result<PresignedRequest, S3Error> {
        let length = i64::try_from(size)
            .map_err(|_| S3Error::Refused(Cause::new(format!("no object can have {size} bytes"))))?;
        let request = self.client.put_object().bucket(&self.bucket).key(key.as_str());
        // Each of these becomes a signed header, which S3 requires and checks against the body.
        let request = request
            .content_length(length)
            .checksum_sha256(STANDARD.encode(sha256.as_bytes()))
            .if_none_match("*")
            .content_type("application/octet-stream");
        let signed = request.presigned(expires_in(valid_for)?).await?;
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(PresignedRequest { url: signed.uri().to_owned(), headers })
    }

    async fn sign_get(
        &self,
        key: &ObjectKey,
        headers: &ResponseHeaders,
        valid_for: Duration,
    ) -> Result<String, S3Error> {
        let request = self.client.get_object().bucket(&self.bucket).key(key.as_str());
        let request = request
            .response_content_type(headers.content_type)
            .set_response_content_encoding(headers.content_encoding.map(str::to_owned))
            .set_response_content_disposition(headers.content_disposition.clone());
        Ok(request.presigned(expires_in(valid_for)?).await?.uri().to_owned())
    }
}

fn expires_in(valid_for: Duration) -> Result<PresigningConfig, S3Error> {
    PresigningConfig::expires_in(valid_for)
        .map_err(|err| S3Error::Refused(Cause::with_source("the lifetime of a presigned request is not possible", err)))
}
