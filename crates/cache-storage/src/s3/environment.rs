//! The S3 settings of the environment.
//!
//! A Lambda function gets its region and credentials in environment variables. The SDK would also search files and
//! other services for settings, which takes time at each start and yields nothing.

use std::collections::BTreeMap;
use std::env;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

/// Set by Lambda, for every custom runtime.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
/// The endpoint, the more specific one first.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// The prefixes of variables that Lambda sets and the SDK does not read.
const LAMBDA_PREFIXES: [&str; 3] = ["AWS_LAMBDA_", "AWS_XRAY_", "AWS_EXECUTION_ENV"];
const KNOWN: [&str; 7] = [REGIONS[0], REGIONS[1], KEY_ID, SECRET, TOKEN, ENDPOINTS[0], ENDPOINTS[1]];

/// The SDK's defaults of that day, so that an update of it changes none of them.
pub(super) fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The variables that have a value, by name.
#[derive(Debug, Default)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(super) fn of_this_process() -> Self {
        // `vars` would panic on a variable that is not UTF-8.
        let text = |value: std::ffi::OsString| value.to_string_lossy().trim().to_owned();
        Self::new(env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether this is a Lambda function, and this module knows every `AWS_` variable that is set.
    pub(super) fn is_known(&self) -> bool {
        let known = |name: &String| {
            KNOWN.contains(&name.as_str()) || LAMBDA_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        self.get(RUNTIME_API).is_some() && self.0.keys().filter(|name| name.starts_with("AWS_")).all(known)
    }

    /// The region, credentials and endpoint of a Lambda function. `None` if one is missing or other variables are set:
    /// then the SDK has to load its configuration.
    pub(super) fn sdk_config(&self) -> Option<SdkConfig> {
        if !self.is_known() {
            return None;
        }
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| self.get(name)).map(str::to_owned);
        let token = self.get(TOKEN).map(str::to_owned);
        let credentials = Credentials::new(self.get(KEY_ID)?, self.get(SECRET)?, token, None, "environment");
        let mut sdk = SdkConfig::builder()
            .behavior_version(behavior_version())
            .region(Region::new(first(REGIONS)?))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        sdk.set_endpoint_url(first(ENDPOINTS));
        Some(sdk.build())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::ProvideCredentials;

    use super::*;

    /// The relevant variables that Lambda sets.
    const FUNCTION: [(&str, &str); 8] = [
        (RUNTIME_API, "127.0.0.1:9001"),
        ("AWS_LAMBDA_FUNCTION_NAME", "cache"),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_REGION", "eu-west-1"),
        (KEY_ID, "id"),
        (SECRET, "secret"),
        (TOKEN, "token"),
    ];

    impl Environment {
        pub(in crate::s3) fn with(variables: &[(&str, &str)]) -> Self {
            Self::new(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
        }
    }

    #[tokio::test]
    async fn the_environment_of_a_function_is_enough() {
        let sdk = Environment::with(&FUNCTION).sdk_config().unwrap();
        assert_eq!(sdk.region(), Some(&Region::from_static("eu-west-1")));
        assert_eq!(sdk.endpoint_url(), None);
        let credentials = sdk.credentials_provider().unwrap().provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("id", "secret"));
        assert_eq!(credentials.session_token(), Some("token"));
    }

    #[test]
    fn the_endpoint_of_s3_wins() {
        let both = [(ENDPOINTS[1], "http://all"), (ENDPOINTS[0], "http://s3")];
        let endpoint = |more: &[(&str, &str)]| {
            let sdk = Environment::with(&[&FUNCTION[..], more].concat()).sdk_config().unwrap();
            sdk.endpoint_url().map(str::to_owned)
        };
        assert_eq!(endpoint(&both).as_deref(), Some("http://s3"));
        assert_eq!(endpoint(&both[..1]).as_deref(), Some("http://all"));
    }

    #[test]
    fn other_variables_are_left_to_the_sdk() {
        for name in ["AWS_PROFILE", "AWS_USE_FIPS_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_NEW_IN_2030"] {
            let environment = Environment::with(&[&FUNCTION[..], &[(name, "x")]].concat());
            assert!(environment.sdk_config().is_none(), "{name}");
        }
    }

    #[test]
    fn missing_variables_are_left_to_the_sdk() {
        for missing in [RUNTIME_API, "AWS_REGION", KEY_ID, SECRET] {
            let rest: Vec<_> = FUNCTION.iter().copied().filter(|(name, _)| *name != missing).collect();
            assert!(Environment::with(&rest).sdk_config().is_none(), "{missing}");
        }
    }
}
