//! The client: where the service is, the key, and how calls are made.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri};

use crate::error::Error;
use crate::policy::Policy;
use crate::transport::{Remote, Transport};

/// The header that carries the key where no other is named.
pub(crate) const DEFAULT_KEY_HEADER: &str = "x-api-key";

/// A client of one service. Cheap to clone: clones share connections.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    /// Without a slash at the end.
    url: String,
    key: Option<ApiKey>,
    policy: Policy,
    transport: Arc<dyn Transport>,
    /// For URLs that lead to the storage. Made when the first one is followed.
    storage: Storage,
    namespace: Option<String>,
}

/// The ways to the storage, by whether the URL needs TLS.
#[derive(Default)]
struct Storage {
    plain: OnceLock<Arc<dyn Transport>>,
    tls: OnceLock<Arc<dyn Transport>>,
}

/// The API key, and the header that carries it.
#[derive(Clone)]
pub(crate) struct ApiKey {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

impl ApiKey {
    fn new(name: &str, value: &str) -> Result<Self, Error> {
        let name =
            name.parse().map_err(|_| Error::argument("the key's name", format!("'{name}' cannot name a header")))?;
        let value = HeaderValue::from_str(value.trim());
        let mut value = value.map_err(|_| Error::argument("the key", "has characters that no header can carry"))?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

/// A client that is being configured.
#[derive(Debug)]
#[must_use = "end it with `build`"]
pub struct ClientBuilder {
    url: String,
    key: Option<(String, Secret)>,
    policy: Policy,
    namespace: Option<String>,
    transport: Option<Arc<dyn Transport>>,
}

struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Client {
    /// A client of the service at a URL such as `https://cache.example.com` or `http://127.0.0.1:10017`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder { url: url.into(), key: None, policy: Policy::default(), namespace: None, transport: None }
    }

    /// The URL of the service, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// How long calls may take, and how often they are tried.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The name of the configured namespace.
    pub(crate) fn namespace_name(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.0.key.as_ref()
    }

    /// The same client without its key.
    pub(crate) fn without_key(&self) -> Self {
        let Shared { url, policy, transport, namespace, .. } = self.0.as_ref();
        let (url, policy, namespace) = (url.clone(), *policy, namespace.clone());
        let (key, storage) = (None, Storage::default());
        Self(Arc::new(Shared { url, key, policy, transport: Arc::clone(transport), storage, namespace }))
    }

    /// Whether a target is at the service itself, so that the key may go there.
    pub(crate) fn is_own(&self, target: &str) -> bool {
        let rest = target.strip_prefix(self.url());
        target.starts_with('/') && !target.starts_with("//") || rest.is_some_and(|rest| rest.starts_with('/'))
    }

    pub(crate) fn transport_for(&self, target: &str) -> Result<Arc<dyn Transport>, Error> {
        if self.is_own(target) {
            return Ok(Arc::clone(&self.0.transport));
        }
        let Storage { plain, tls } = &self.0.storage;
        let kept = if target.starts_with("https://") { tls } else { plain };
        if let Some(transport) = kept.get() {
            return Ok(Arc::clone(transport));
        }
        let made: Arc<dyn Transport> = Arc::new(Remote::new(target, self.0.policy.connect_timeout)?);
        Ok(Arc::clone(kept.get_or_init(|| made)))
    }
}

impl ClientBuilder {
    /// The API key, sent in the header `x-api-key`; none for a server that needs none.
    pub fn key(self, value: impl Into<Option<String>>) -> Self {
        let name = self.key.as_ref().map_or(DEFAULT_KEY_HEADER.to_owned(), |(name, _)| name.clone());
        Self { key: value.into().map(|value| (name, Secret(value))), ..self }
    }

    /// The API key, and the header that carries it.
    pub fn key_in_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: Some((name.into(), Secret(value.into()))), ..self }
    }

    /// How long calls may take, and how often they are tried.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// How long a call may take in all.
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.policy.total_timeout = limit;
        self
    }

    /// What [`Client::default_namespace`] returns.
    pub fn default_namespace(self, name: impl Into<Option<String>>) -> Self {
        Self { namespace: name.into(), ..self }
    }

    /// Another way to reach the service than the network.
    pub fn transport(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport: Some(transport), ..self }
    }

    /// The client. It has not connected yet: [`Client::check`] does.
    ///
    /// # Errors
    ///
    /// When the URL or the key cannot be used, or a URL with `https` finds no certificate authorities on the machine.
    pub fn build(self) -> Result<Client, Error> {
        let url = base_url(&self.url)?;
        let key = self.key.map(|(name, Secret(value))| ApiKey::new(&name, &value)).transpose()?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(Remote::new(&url, self.policy.connect_timeout)?),
        };
        let (policy, namespace) = (self.policy, self.namespace);
        Ok(Client(Arc::new(Shared { url, key, policy, transport, storage: Storage::default(), namespace })))
    }
}

impl fmt::Debug for Client {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { url, policy, transport, namespace, .. } = self.0.as_ref();
        f.debug_struct("Client")
            .field("url", url)
            .field("policy", policy)
            .field("transport", transport)
            .field("namespace", namespace)
            .finish_non_exhaustive()
    }
}

fn base_url(raw: &str) -> Result<String, Error> {
    let refused = |why: &str| Error::argument("the URL", format!("'{raw}' {why}, such as https://cache.example.com"));
    let uri: Uri = raw.trim().trim_end_matches('/').parse().map_err(|_| refused("is none: name scheme and host"))?;
    let web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    match (uri.authority(), uri.query()) {
        (Some(authority), None) if web && !authority.as_str().contains('@') => {
            let path = uri.path_and_query().map_or("", PathAndQuery::path).trim_end_matches('/');
            Ok(format!("{}://{authority}{path}", uri.scheme_str().unwrap_or_default()))
        }
        (Some(_), _) if web => Err(refused("has a query or a user name: leave it out")),
        _ => Err(refused("must begin with http:// or https:// and name a host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_a_host_and_perhaps_a_path() {
        for (raw, url) in [
            ("http://h:1/", Some("http://h:1")),
            (" https://h/prod/ ", Some("https://h/prod")),
            ("h:1", None),
            ("ftp://h", None),
            ("http://user@h", None),
            ("http://h/?q=1", None),
        ] {
            assert_eq!(base_url(raw).ok().as_deref(), url, "{raw}");
        }
    }

    #[test]
    fn the_key_is_shown_nowhere() {
        let builder = Client::builder("http://h").key("secret-key".to_owned());
        assert!(!format!("{builder:?}").contains("secret-key"));
        let client = builder.build().expect("valid");
        assert!(!format!("{client:?}").contains("secret-key"));
    }

    #[test]
    fn the_key_goes_to_the_service_alone() {
        let client = Client::builder("http://h:1/a").build().expect("valid");
        for (target, own) in [
            ("/x", true),
            ("http://h:1/a/x", true),
            ("http://h:12/a/x", false),
            ("//h/x", false),
            ("https://s3/x", false),
        ] {
            assert_eq!(client.is_own(target), own, "{target}");
        }
    }
}
