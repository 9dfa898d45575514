//! The S3 settings of the environment.
//!
//! A Lambda function gets its region and credentials in environment variables. The SDK would also search files and
//! other services for settings, which takes time at each start and yields nothing. So the function is built without
//! that search (feature `credential-chain`).

use std::collections::BTreeMap;
use std::env;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;

/// Set by Lambda, for every custom runtime.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
/// The endpoint, the more specific one first.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

const USE_FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const USE_DUALSTACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";

/// The prefixes of variables that Lambda sets and the SDK does not read.
const LAMBDA_PREFIXES: [&str; 3] = ["AWS_LAMBDA_", "AWS_XRAY_", "AWS_EXECUTION_ENV"];
const KNOWN: [&str; 9] =
    [REGIONS[0], REGIONS[1], KEY_ID, SECRET, TOKEN, ENDPOINTS[0], ENDPOINTS[1], USE_FIPS, USE_DUALSTACK];

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
        self.get(RUNTIME_API).is_some() && self.unknown().next().is_none()
    }

    /// The `AWS_` variables that this module does not read.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        let known = |name: &str| KNOWN.contains(&name) || LAMBDA_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with("AWS_") && !known(name))
    }

    /// The configuration of a Lambda function. `None` if region or credentials are missing or other variables are set:
    /// then there may be more to load.
    pub(super) fn of_function(&self) -> Option<SdkConfig> {
        let sdk = self.sdk_config()?;
        (self.is_known() && sdk.region().is_some()).then_some(sdk)
    }

    /// The region, credentials and endpoint that the variables name. `None` without credentials.
    pub(super) fn sdk_config(&self) -> Option<SdkConfig> {
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| self.get(name)).map(str::to_owned);
        let is_set = |name| self.get(name).map(|value| value.eq_ignore_ascii_case("true"));
        let token = self.get(TOKEN).map(str::to_owned);
        let credentials = Credentials::new(self.get(KEY_ID)?, self.get(SECRET)?, token, None, "environment");
        let mut sdk = SdkConfig::builder()
            .behavior_version(behavior_version())
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        sdk.set_region(first(REGIONS).map(Region::new));
        sdk.set_endpoint_url(first(ENDPOINTS));
        sdk.set_use_fips(is_set(USE_FIPS));
        sdk.set_use_dual_stack(is_set(USE_DUALSTACK));
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
        let sdk = Environment::with(&FUNCTION).of_function().unwrap();
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
            let sdk = Environment::with(&[&FUNCTION[..], more].concat()).of_function().unwrap();
            sdk.endpoint_url().map(str::to_owned)
        };
        assert_eq!(endpoint(&both).as_deref(), Some("http://s3"));
        assert_eq!(endpoint(&both[..1]).as_deref(), Some("http://all"));
    }

    #[test]
    fn other_variables_are_not_enough() {
        for name in ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_NEW_IN_2030"] {
            let environment = Environment::with(&[&FUNCTION[..], &[(name, "x")]].concat());
            assert!(environment.of_function().is_none(), "{name}");
            assert_eq!(environment.unknown().collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn endpoints_for_fips_and_ipv6_are_used_when_the_environment_says_so() {
        let with = |more: &[(&str, &str)]| Environment::with(&[&FUNCTION[..], more].concat()).of_function().unwrap();
        assert_eq!(with(&[(USE_FIPS, "true")]).use_fips(), Some(true));
        assert_eq!(with(&[(USE_DUALSTACK, "True")]).use_dual_stack(), Some(true));
        assert_eq!(with(&[(USE_FIPS, "false")]).use_fips(), Some(false));
        assert_eq!(with(&[]).use_fips(), None);
    }

    #[test]
    fn a_function_needs_region_and_credentials() {
        for missing in [RUNTIME_API, "AWS_REGION", KEY_ID, SECRET] {
            let rest: Vec<_> = FUNCTION.iter().copied().filter(|(name, _)| *name != missing).collect();
            assert!(Environment::with(&rest).of_function().is_none(), "{missing}");
        }
    }
}
