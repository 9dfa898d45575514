//! TLS root certificates for connections to S3.
//!
//! Reading the machine's certificates (140 of them, as text) takes longer than everything else that a client needs. A
//! Lambda function can do without: AWS signs the certificates of its endpoints with its own root certificates, and
//! recommends that trust stores contain all five of them (<https://www.amazontrust.com/repository/>).

use aws_smithy_http_client::tls::TrustStore;

use super::environment::Environment;

/// The five root certificates of Amazon Trust Services, with their SHA-256 as AWS publishes it.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Variables that name other certificates than those of the machine.
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Region prefixes of partitions in which AWS uses other root certificates, or may: China, GovCloud, isolated,
/// European.
const OTHER_PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

/// Which root certificates a connection trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrustRoots {
    /// None: the connection is not encrypted.
    None,
    /// Those of Amazon Trust Services.
    Amazon,
    /// Those that this machine trusts.
    System,
}

impl TrustRoots {
    /// The roots for an endpoint. `None` is AWS's own endpoint in this region.
    pub(super) fn of(endpoint: Option<&str>, region: &str, environment: &Environment) -> Self {
        // Outside of Lambda a start may take longer, and a company's proxy may use a certificate that only the machine
        // trusts.
        let plain_aws = environment.is_known()
            && !OTHER_PARTITIONS.iter().any(|partition| region.starts_with(partition))
            && !CERTIFICATE_VARIABLES.iter().any(|name| environment.get(name).is_some());
        match endpoint {
            Some(url) if url.starts_with("http://") => Self::None,
            None if plain_aws => Self::Amazon,
            Some(_) | None => Self::System,
        }
    }

    /// The certificates, which are read when the first client is created.
    pub(super) fn store(self) -> TrustStore {
        match self {
            Self::None => TrustStore::empty(),
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

    fn roots(endpoint: Option<&str>, region: &str, variables: &[(&str, &str)]) -> TrustRoots {
        TrustRoots::of(endpoint, region, &Environment::with(variables))
    }

    #[test]
    fn a_function_trusts_only_amazon_roots() {
        assert_eq!(roots(None, "eu-west-1", &[LAMBDA]), TrustRoots::Amazon);
        assert_eq!(roots(None, "eu-west-1", &[]), TrustRoots::System, "a machine may have others");
    }

    #[test]
    fn elsewhere_the_roots_of_the_machine_are_used() {
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"] {
            assert_eq!(roots(None, region, &[LAMBDA]), TrustRoots::System, "{region}");
        }
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_PROFILE"] {
            assert_eq!(roots(None, "eu-west-1", &[LAMBDA, (variable, "x")]), TrustRoots::System, "{variable}");
        }
        assert_eq!(roots(Some("https://minio.example"), "eu-west-1", &[LAMBDA]), TrustRoots::System);
    }

    #[test]
    fn an_endpoint_without_tls_needs_no_certificates() {
        assert_eq!(roots(Some("http://127.0.0.1:9000"), "eu-west-1", &[LAMBDA]), TrustRoots::None);
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

    /// The HTTP client would panic on a certificate that it cannot parse.
    #[test]
    fn a_client_can_be_created_with_all_roots() {
        let region = |name: &str| S3Config { region: Some(name.to_owned()), ..S3Config::new("bucket") };
        let plain = S3Config { endpoint_url: Some("http://127.0.0.1:1".to_owned()), ..region("eu-west-1") };
        for config in [region("eu-west-1"), region("cn-north-1"), plain] {
            assert!(connect::client_with_keys(&config, "id", "secret", &Environment::with(&[LAMBDA])).is_ok());
        }
    }
}
