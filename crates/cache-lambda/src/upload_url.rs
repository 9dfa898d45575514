//! Presigned URLs at which the server itself receives uploads: HMAC-SHA256 (RFC 2104) with a random key that never
//! leaves the process.

use std::fmt;

use cache_core::digest::Sha256Digest;
use cache_core::ids::{CacheId, Namespace};
use cache_core::rng::Rng;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What an upload URL is signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUpload {
    /// Where the entry is going to live.
    pub namespace: Namespace,
    /// The upload; its id encodes strategy and kind.
    pub upload_id: CacheId,
    /// SHA-256 of the content.
    pub sha256: Sha256Digest,
    /// Bytes of the content.
    pub size: u64,
    /// When the URL expires, in milliseconds since 1970 UTC.
    pub expires_at: u64,
}

/// The key of this process, as long as a block of the hash.
#[derive(Clone)]
pub struct UploadSigningKey([u8; 64]);

impl UploadSigningKey {
    /// A new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut key = [0; 64];
        for part in key.chunks_exact_mut(8) {
            part.copy_from_slice(&rng.next_u64().to_le_bytes());
        }
        Self(key)
    }

    /// The signature as it stands in the URL.
    pub fn sign(&self, upload: &SignedUpload) -> String {
        hex::encode(self.mac(upload).finalize().into_bytes())
    }

    /// Whether a signature is valid for this upload. In constant time.
    pub fn verify(&self, upload: &SignedUpload, signature: &str) -> bool {
        // A digest has the same form as a signature: 64 lowercase hex digits.
        let Ok(signature) = signature.parse::<Sha256Digest>() else { return false };
        self.mac(upload).verify_slice(signature.as_bytes()).is_ok()
    }

    fn mac(&self, upload: &SignedUpload) -> Hmac<Sha256> {
        let SignedUpload { namespace, upload_id, sha256, size, expires_at } = upload;
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        // No part can contain a line break, so the text of each upload is unique.
        mac.update(format!("{namespace}\n{upload_id}\n{sha256}\n{size}\n{expires_at}").as_bytes());
        mac
    }
}

impl fmt::Debug for UploadSigningKey {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadSigningKey")
    }
}

#[cfg(test)]
mod tests {
    use cache_storage::system::OsRng;

    use super::*;

    fn upload() -> SignedUpload {
        SignedUpload {
            namespace: "ns".parse().unwrap(),
            upload_id: CacheId::from_u128(7),
            sha256: Sha256Digest::of(b"x"),
            size: 1,
            expires_at: 1000,
        }
    }

    #[test]
    fn a_signature_is_of_one_upload_and_one_process() {
        let (key, other) = (UploadSigningKey::generate(&OsRng), UploadSigningKey::generate(&OsRng));
        let signature = key.sign(&upload());
        assert!(key.verify(&upload(), &signature));
        assert!(!other.verify(&upload(), &signature));
        for changed in [
            SignedUpload { namespace: "other".parse().unwrap(), ..upload() },
            SignedUpload { upload_id: CacheId::from_u128(8), ..upload() },
            SignedUpload { sha256: Sha256Digest::of(b"y"), ..upload() },
            SignedUpload { size: 2, ..upload() },
            SignedUpload { expires_at: 1001, ..upload() },
        ] {
            assert!(!key.verify(&changed, &signature), "{changed:?}");
        }
        for odd in ["", &signature[1..], &signature.to_uppercase()] {
            assert!(!key.verify(&upload(), odd), "{odd}");
        }
    }

    #[test]
    fn the_code_is_the_one_of_rfc_4231() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let expected: Sha256Digest =
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843".parse().unwrap();
        assert!(mac.verify_slice(expected.as_bytes()).is_ok());
    }
}
