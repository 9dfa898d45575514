//! The client: credentials, region, endpoint, timeouts and retries.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_types::SdkConfig;

use super::S3Config;
use super::environment::{Environment, behavior_version};
use super::error::{Cause, S3Error};
use super::tls::TrustRoots;

/// The SDK waits a second before it retries a call; requests to S3 usually take a twentieth of that.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// How often a request is sent, including the first attempt.
const MAX_ATTEMPTS: u32 = 3;

/// How long a copy within S3 may take: some gigabytes take longer than any other call.
pub(super) const COPY_TIMEOUT: Duration = Duration::from_secs(60);

/// The default of AWS's own tools for S3.
const DEFAULT_REGION: &str = "us-east-1";

/// A client, and where it sends its requests.
pub(super) struct S3Client {
    pub(super) client: Client,
    /// Whether that is Amazon S3.
    pub(super) is_aws: bool,
}

/// A client with the credentials of the environment.
pub(super) async fn client(config: &S3Config) -> Result<S3Client, S3Error> {
    let environment = Environment::of_this_process();
    if environment.get("AWS_CA_BUNDLE").is_some() {
        tracing::warn!("AWS_CA_BUNDLE is ignored: name the file of certificates in SSL_CERT_FILE");
    }
    let sdk = match environment.of_function() {
        Some(sdk) => sdk,
        None => load_sdk_config(&environment).await?,
    };
    build(&sdk, config, &environment)
}

/// The configuration that the SDK loads from the environment, files, and the metadata service of the machine.
#[cfg(feature = "credential-chain")]
async fn load_sdk_config(_: &Environment) -> Result<SdkConfig, S3Error> {
    // Credentials may have to be fetched from other services than S3.
    let http_client = http_client(TrustRoots::System)?;
    let sdk = aws_config::defaults(behavior_version()).http_client(http_client).load().await;
    require_credentials(&sdk).await?;
    Ok(sdk)
}

/// The configuration of the environment. A function must not fail to start because Lambda sets another variable, so
/// what is not known is ignored.
#[cfg(not(feature = "credential-chain"))]
async fn load_sdk_config(environment: &Environment) -> Result<SdkConfig, S3Error> {
    for name in environment.unknown() {
        tracing::warn!("{name} is ignored: this program was built for Lambda, without the feature credential-chain");
    }
    environment.sdk_config().ok_or_else(|| {
        S3Error::Refused(Cause::new(
            "there are no AWS credentials: this program was built for Lambda and reads AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY; for profiles and roles build it with the feature credential-chain",
        ))
    })
}

/// A client with these credentials instead of those of the environment.
#[cfg(any(test, feature = "testing"))]
pub(super) fn client_with_keys(
    config: &S3Config,
    access_key_id: &str,
    secret_access_key: &str,
    environment: &Environment,
) -> Result<S3Client, S3Error> {
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

    let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "given");
    let sdk = SdkConfig::builder()
        .behavior_version(behavior_version())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    build(&sdk, config, environment)
}

/// The override for a call that is not retried.
pub(super) fn without_retries() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

/// The override for a conditional write, which is sent again only if it was certainly not applied. If the response to
/// an applied write is lost, the same write would fail its own condition, and the caller would take it for another
/// one's.
pub(super) fn for_conditional_write() -> Builder {
    Builder::new().retry_classifier(UnknownOutcome)
}

/// The override for a copy, which takes longer than other calls and may have an unknown outcome, too.
pub(super) fn for_copy() -> Builder {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(COPY_TIMEOUT).operation_timeout(COPY_TIMEOUT);
    for_conditional_write().timeout_config(timeouts.build())
}

fn http_client(roots: TrustRoots) -> Result<SharedHttpClient, S3Error> {
    let context = TlsContext::builder().with_trust_store(roots.store()).build();
    let context = context.map_err(|err| S3Error::Refused(Cause::with_source("TLS cannot be used", err)))?;
    let tls = Provider::Rustls(CryptoMode::Ring);
    Ok(aws_smithy_http_client::Builder::new().tls_provider(tls).tls_context(context).build_https())
}

fn build(sdk: &SdkConfig, config: &S3Config, environment: &Environment) -> Result<S3Client, S3Error> {
    let region = config.region.clone().map(Region::new).or_else(|| sdk.region().cloned());
    let region = region.unwrap_or(Region::from_static(DEFAULT_REGION));
    let endpoint = config.endpoint_url.as_deref().or(sdk.endpoint_url());
    let roots = TrustRoots::of(endpoint, region.as_ref(), environment);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout)
        .operation_attempt_timeout(config.attempt_timeout)
        .operation_timeout(config.operation_timeout);
    let retries = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(INITIAL_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    let builder = Builder::from(sdk)
        .region(region)
        .http_client(http_client(roots)?)
        // Other servers than AWS seldom have a host name per bucket.
        .force_path_style(endpoint.is_some())
        .timeout_config(timeouts.build())
        .retry_config(retries)
        .retry_classifier(ConflictingOperation)
        // Quirk: the SDK would append a CRC to each body, which other servers do not understand. We send a SHA-256.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // Readers compare with the SHA-256 that the cache keeps; once is enough.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    let config = match endpoint {
        Some(url) => builder.endpoint_url(url).build(),
        None => builder.build(),
    };
    Ok(S3Client { client: Client::from_conf(config), is_aws: endpoint.is_none_or(is_amazon) })
}

/// Whether an endpoint is Amazon's own, such as that of a VPC or a FIPS one.
fn is_amazon(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|domain| host.ends_with(domain))
}

/// Without credentials, each call would wait for its retries and then report that it could not connect.
#[cfg(feature = "credential-chain")]
async fn require_credentials(sdk: &SdkConfig) -> Result<(), S3Error> {
    use aws_sdk_s3::config::ProvideCredentials;
    use cache_core::error::error_chain;

    const ADVICE: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run with a role";

    let Some(provider) = sdk.credentials_provider() else {
        return Err(S3Error::Refused(Cause::new(format!("there are no AWS credentials: {ADVICE}"))));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(err) => {
            let message = format!("there are no usable AWS credentials ({}): {ADVICE}", error_chain(&err));
            Err(S3Error::Refused(Cause::with_source(message, err)))
        }
    }
}

/// Quirk: S3 responds 409 (ConditionalRequestConflict, OperationAborted) when another write or delete of the same key
/// was in progress. Nothing was written, and only another attempt shows whether the condition holds.
#[derive(Debug)]
struct ConflictingOperation;

impl ClassifyRetry for ConflictingOperation {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(response) if response.status().as_u16() == 409 => RetryAction::server_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "conflicting operation on the same key"
    }
}

/// Forbids another attempt unless the server refused this one without applying it: 409 (see [`ConflictingOperation`]),
/// 429, and 503 (`SlowDown`).
#[derive(Debug)]
struct UnknownOutcome;

impl ClassifyRetry for UnknownOutcome {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().map(|response| response.status().as_u16()) {
            Some(409 | 429 | 503) => RetryAction::NoActionIndicated,
            Some(_) | None => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "conditional write with an unknown outcome"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_amazon_is_amazon_s3() {
        for url in
            ["https://s3.dualstack.eu-west-1.amazonaws.com", "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com/"]
        {
            assert!(is_amazon(url), "{url}");
        }
        for url in ["http://127.0.0.1:9000", "https://amazonaws.com.example", "https://minio.example/x.amazonaws.com"] {
            assert!(!is_amazon(url), "{url}");
        }
    }
}
