//! Whose word is taken for it that the other end of a connection is S3.
//!
//! Reading the machine's certificates (140 of them, as text) takes longer than everything else that makes a client. A
//! function can do without: AWS signs the certificates of its endpoints with its own authorities, and recommends to those
//! with a trust store of their own to have all five of them in it (<https://www.amazontrust.com/repository/>).

use aws_smithy_http_client::tls::TrustStore;

use super::environment::Environment;

/// The five authorities of Amazon Trust Services, with their SHA-256 as AWS publishes it.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// What the machine's certificates are read from instead of its usual places.
const CHOSEN_CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Partitions in which AWS uses other authorities, or may: China, GovCloud, the isolated ones, the European one.
const OTHER_PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

/// Whose certificates are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nobody's: the connection is not encrypted.
    Nobody,
    /// Those of AWS's own authorities.
    Amazon,
    /// Those that this machine trusts.
    System,
}

impl Trust {
    /// For an endpoint, `None` being AWS's own in this region.
    pub(super) fn of(endpoint: Option<&str>, region: &str, environment: &Environment) -> Self {
        // Outside of Lambda a start may take longer, and somebody may read along with a certificate that the machine trusts.
        let plain_aws = environment.is_understood()
            && !OTHER_PARTITIONS.iter().any(|partition| region.starts_with(partition))
            && !CHOSEN_CERTIFICATES.iter().any(|name| environment.get(name).is_some());
        match endpoint {
            Some(url) if url.starts_with("http://") => Self::Nobody,
            None if plain_aws => Self::Amazon,
            Some(_) | None => Self::System,
        }
    }

    /// The certificates, read when the first client is made.
    pub(super) fn store(self) -> TrustStore {
        match self {
            Self::Nobody => TrustStore::empty(),
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::System => TrustStore::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::s3::{S3Config, connect};

    const LAMBDA: (&str, &str) = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");

    fn trust(endpoint: Option<&str>, region: &str, variables: &[(&str, &str)]) -> Trust {
        Trust::of(endpoint, region, &Environment::with(variables))
    }

    #[test]
    fn a_function_believes_the_authorities_of_amazon_alone() {
        assert_eq!(trust(None, "eu-west-1", &[LAMBDA]), Trust::Amazon);
        assert_eq!(trust(None, "eu-west-1", &[]), Trust::System, "a machine may have others");
    }

    #[test]
    fn where_others_may_sign_the_machine_decides() {
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"] {
            assert_eq!(trust(None, region, &[LAMBDA]), Trust::System, "{region}");
        }
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_PROFILE"] {
            assert_eq!(trust(None, "eu-west-1", &[LAMBDA, (variable, "x")]), Trust::System, "{variable}");
        }
        assert_eq!(trust(Some("https://minio.example"), "eu-west-1", &[LAMBDA]), Trust::System);
    }

    #[test]
    fn an_endpoint_without_tls_needs_no_certificates() {
        assert_eq!(trust(Some("http://127.0.0.1:9000"), "eu-west-1", &[LAMBDA]), Trust::Nobody);
    }

    #[test]
    fn each_root_is_what_its_fingerprint_says() {
        let text = std::str::from_utf8(AMAZON_ROOTS).unwrap();
        let mut found = 0;
        for part in text.split("-----END CERTIFICATE-----").filter(|part| !part.trim().is_empty()) {
            let (head, certificate) = part.split_once("-----BEGIN CERTIFICATE-----").unwrap();
            let fingerprint = head.lines().find_map(|line| line.strip_prefix("SHA-256 ")).unwrap();
            let bytes = STANDARD.decode(certificate.split_whitespace().collect::<String>()).unwrap();
            assert_eq!(hex::encode(Sha256::digest(bytes)), fingerprint, "{head}");
            found += 1;
        }
        assert_eq!(found, 5);
    }

    /// The HTTP client would panic on a certificate that it does not understand.
    #[test]
    fn a_client_can_be_made_with_each_store() {
        let region = |name: &str| S3Config { region: Some(name.to_owned()), ..S3Config::new("bucket") };
        let plain = S3Config { endpoint_url: Some("http://127.0.0.1:1".to_owned()), ..region("eu-west-1") };
        for config in [region("eu-west-1"), region("cn-north-1"), plain] {
            assert!(connect::client_with_keys(&config, "id", "secret", &Environment::with(&[LAMBDA])).is_ok());
        }
    }
}
