//! What can be known about a service and the key before anything is stored.

use std::time::Duration;

use cache_api::keys::{CallerKind, WhoAmI};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::operations as op;

/// What can be known about a service and the key before anything is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The URL that was asked.
    pub url: String,
    /// Whether a cache answers there.
    pub reachable: bool,
    /// How long one response took, connecting included.
    #[serde(serialize_with = "milliseconds", rename = "latency_ms")]
    pub latency: Option<Duration>,
    /// The version of the service.
    pub version: Option<String>,
    /// `aws-lambda` or `local`; known with a valid key.
    pub environment: Option<String>,
    /// Whether a key is configured.
    pub key_found: bool,
    /// Whether the service asks for a key.
    pub key_required: Option<bool>,
    /// Whether the service takes the configured key.
    pub key_valid: Option<bool>,
    /// What may be done now.
    pub permissions: Option<Permissions>,
    /// What the service takes the caller for; known unless the key is missing or wrong.
    pub caller: Option<WhoAmI>,
    /// What is wrong, and what to do.
    pub problem: Option<String>,
    /// Whether the same check may find nothing wrong later.
    pub is_temporary: bool,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// Nothing but reading what is public.
    None,
    /// What the grants of its key permit: see [`Check::caller`].
    Granted,
    /// Everything.
    All,
}

impl Check {
    /// Whether the service can be used, for what the key permits.
    pub fn is_ok(&self) -> bool {
        matches!(self.permissions, Some(Permissions::Granted | Permissions::All))
    }
}

impl Client {
    /// Asks whether the service can be reached, and whether it takes the key. It stores nothing, and does not fail: what is
    /// wrong is in the response.
    pub async fn check(&self) -> Check {
        let mut check = Check {
            url: self.url().to_owned(),
            reachable: false,
            latency: None,
            version: None,
            environment: None,
            key_found: self.key().is_some(),
            key_required: None,
            key_valid: None,
            permissions: None,
            caller: None,
            problem: None,
            is_temporary: false,
        };
        if let Err(error) = self.fill(&mut check).await {
            (check.problem, check.is_temporary) = (Some(error.to_string()), error.is_temporary());
        }
        check
    }

    async fn fill(&self, check: &mut Check) -> Result<(), Error> {
        let begun = Instant::now();
        // It is public, and no other service has it.
        let reply = self.send(&Call::new(&op::GET_OPENAPI_JSON, &[])?).await?;
        check.latency = Some(begun.elapsed());
        let document: Value = reply.json()?;
        check.version = document["info"]["version"].as_str().map(ToOwned::to_owned);
        if document["paths"]["/{namespace}/{strategy}/store/json"].is_null() {
            let failure =
                crate::error::Failure::new("GET /openapi.json", "another service answers there: check the URL");
            return Err(Error::Protocol(failure));
        }
        check.reachable = true;
        let open = match self.without_key().info().status().await {
            Ok(_) => true,
            Err(Error::NotPermitted(_)) => false,
            Err(error) => return Err(error),
        };
        (check.key_required, check.permissions) =
            (Some(!open), Some(if open { Permissions::All } else { Permissions::None }));
        if !check.key_found && !open {
            return Err(Error::argument("the API key", "is missing, and the service asks for one: configure it"));
        }
        let status = self.info().status().await;
        let taken = match &status {
            Ok(_) | Err(Error::LimitExceeded(_)) => Some(true),
            Err(Error::NotPermitted(_)) => Some(false),
            Err(_) => None,
        };
        check.key_valid = taken.filter(|_| check.key_found && !open);
        check.environment = Some(status?.environment);
        let caller = self.whoami().await?;
        check.permissions = Some(match caller.kind {
            CallerKind::Open | CallerKind::Root => Permissions::All,
            CallerKind::Key => Permissions::Granted,
        });
        check.caller = Some(caller);
        Ok(())
    }
}

fn milliseconds<S: serde::Serializer>(latency: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    latency.map(|latency| (latency.as_secs_f64() * 10_000.0).round() / 10.0).serialize(serializer)
}
