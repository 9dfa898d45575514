//! The client: credentials, region, endpoint, timeouts and retries.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Config, Credentials, ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;

use super::S3Config;
use super::environment::{Environment, behaviour};
use super::trouble::{Trouble, with_causes};
use super::trust::Trust;

/// The SDK waits a second before it repeats a call; requests to S3 are usually answered in a twentieth of that.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// The first attempt included.
const MOST_ATTEMPTS: u32 = 3;

/// What AWS's own tools assume for S3, too.
const DEFAULT_REGION: &str = "us-east-1";

/// A client with the credentials that the surroundings provide.
pub(super) async fn client(config: &S3Config) -> Result<Client, Trouble> {
    let environment = Environment::of_this_process();
    if environment.get("AWS_CA_BUNDLE").is_some() {
        tracing::warn!("AWS_CA_BUNDLE is not read here: name the file of certificates in SSL_CERT_FILE");
    }
    let surroundings = match environment.surroundings() {
        Some(surroundings) => surroundings,
        None => look_around().await?,
    };
    Ok(Client::from_conf(settings(&surroundings, config, &environment)?))
}

/// What the SDK finds in the environment, in files, and by asking the machine.
async fn look_around() -> Result<SdkConfig, Trouble> {
    // Credentials may have to be fetched from elsewhere than S3.
    let surroundings = aws_config::defaults(behaviour()).http_client(http_client(Trust::System)?).load().await;
    require_credentials(&surroundings).await?;
    Ok(surroundings)
}

/// A client with these credentials, whatever the surroundings provide.
#[cfg(any(test, feature = "testing"))]
pub(super) fn client_with_keys(
    config: &S3Config,
    access_key_id: &str,
    secret_access_key: &str,
    environment: &Environment,
) -> Result<Client, Trouble> {
    use aws_sdk_s3::config::SharedCredentialsProvider;

    let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "given");
    let surroundings = SdkConfig::builder()
        .behavior_version(behaviour())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Ok(Client::from_conf(settings(&surroundings, config, environment)?))
}

/// What a call must be told to be tried once only.
pub(super) fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}

fn http_client(trust: Trust) -> Result<SharedHttpClient, Trouble> {
    let context = TlsContext::builder().with_trust_store(trust.store()).build();
    let context = context.map_err(|err| Trouble::Refused(format!("TLS cannot be used: {}", with_causes(&err))))?;
    let tls = Provider::Rustls(CryptoMode::Ring);
    Ok(aws_smithy_http_client::Builder::new().tls_provider(tls).tls_context(context).build_https())
}

fn settings(surroundings: &SdkConfig, config: &S3Config, environment: &Environment) -> Result<Config, Trouble> {
    let region = config.region.clone().map(Region::new).or_else(|| surroundings.region().cloned());
    let region = region.unwrap_or(Region::from_static(DEFAULT_REGION));
    let endpoint = config.endpoint_url.as_deref().or(surroundings.endpoint_url());
    let trust = Trust::of(endpoint, region.as_ref(), environment);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout)
        .operation_attempt_timeout(config.attempt_timeout)
        .operation_timeout(config.operation_timeout);
    let retries = RetryConfig::standard()
        .with_max_attempts(MOST_ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF);
    let builder = Builder::from(surroundings)
        .region(region)
        .http_client(http_client(trust)?)
        // Servers other than AWS seldom have a host name per bucket.
        .force_path_style(endpoint.is_some())
        .timeout_config(timeouts.build())
        .retry_config(retries)
        .retry_classifier(ConflictingOperation)
        // Quirk: the SDK would add a CRC behind each body, which other servers do not understand. We send a SHA-256.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // Whoever reads compares with the SHA-256 that the cache keeps; once is enough.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    Ok(match endpoint {
        Some(url) => builder.endpoint_url(url).build(),
        None => builder.build(),
    })
}

/// Without credentials, each call would wait for its retries and then say that it could not connect.
async fn require_credentials(surroundings: &SdkConfig) -> Result<Credentials, Trouble> {
    let advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run with a role";
    let Some(provider) = surroundings.credentials_provider() else {
        return Err(Trouble::Refused(format!("there are no AWS credentials: {advice}")));
    };
    let found = provider.provide_credentials().await;
    found.map_err(|err| {
        Trouble::Refused(format!("there are no usable AWS credentials ({}): {advice}", with_causes(&err)))
    })
}

/// Quirk: S3 answers 409 (ConditionalRequestConflict, OperationAborted) when another write or delete of the same key came in
/// between. Nothing was written, and whether the condition holds shows only when the request is sent again.
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
