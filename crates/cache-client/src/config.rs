//! The configuration of a client in the environment. The Rust client, the command line and the Python clients can share it.
//!
//! | variable | what | of the Python clients |
//! |---|---|---|
//! | `MGRAPH_CACHE_URL` | the URL of the service | `URL__TARGET_SERVER__CACHE_SERVICE` |
//! | `MGRAPH_CACHE_KEY` | the API key | `AUTH__TARGET_SERVER__CACHE_SERVICE__KEY_VALUE` |
//! | `MGRAPH_CACHE_KEY_FILE` | a file that holds the API key, instead | |
//! | `MGRAPH_CACHE_KEY_NAME` | the header that carries it; `x-api-key` without it | `AUTH__TARGET_SERVER__CACHE_SERVICE__KEY_NAME` |
//! | `MGRAPH_CACHE_NAMESPACE` | the default namespace | |
//!
//! The first column counts where both are set. A blank value counts as unset.

use std::fmt;
use std::path::Path;

use crate::client::{Client, ClientBuilder, DEFAULT_KEY_HEADER};
use crate::error::Error;

/// The variable with the URL, and that of the Python clients.
pub const URL: [&str; 2] = ["MGRAPH_CACHE_URL", "URL__TARGET_SERVER__CACHE_SERVICE"];
/// The variable with the API key, and that of the Python clients.
pub const KEY: [&str; 2] = ["MGRAPH_CACHE_KEY", "AUTH__TARGET_SERVER__CACHE_SERVICE__KEY_VALUE"];
/// The variable with the header that carries the key, and that of the Python clients.
pub const KEY_NAME: [&str; 2] = ["MGRAPH_CACHE_KEY_NAME", "AUTH__TARGET_SERVER__CACHE_SERVICE__KEY_NAME"];
/// The variable with a file that holds the key.
pub const KEY_FILE: &str = "MGRAPH_CACHE_KEY_FILE";
/// The variable with the default namespace.
pub const NAMESPACE: &str = "MGRAPH_CACHE_NAMESPACE";

/// What the environment says about a client.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The URL of the service.
    pub url: Option<String>,
    /// The API key.
    pub key: Option<String>,
    /// The header that carries it.
    pub key_name: Option<String>,
    /// The default namespace.
    pub namespace: Option<String>,
}

impl Config {
    /// Reads the environment of the process.
    ///
    /// # Errors
    ///
    /// When the file with the key cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        // `var` would fail for a value that is not UTF-8.
        Self::read(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The same with another environment.
    ///
    /// # Errors
    ///
    /// When the file with the key cannot be read.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let filled = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let first = |names: [&str; 2]| names.into_iter().find_map(filled);
        let own_key = match (filled(KEY[0]), filled(KEY_FILE)) {
            (Some(_), Some(_)) => {
                return Err(Error::argument(KEY[0], format!("and {KEY_FILE} are both set: set one of them")));
            }
            (Some(key), None) => Some(key),
            (None, Some(file)) => Some(read_key(Path::new(&file))?),
            (None, None) => filled(KEY[1]),
        };
        Ok(Self { url: first(URL), key: own_key, key_name: first(KEY_NAME), namespace: filled(NAMESPACE) })
    }

    /// A client with this configuration, to be configured further.
    ///
    /// # Errors
    ///
    /// When there is no URL.
    pub fn builder(self) -> Result<ClientBuilder, Error> {
        let missing = || Error::argument(URL[0], "is not set: name the service, such as http://127.0.0.1:10017");
        let builder = Client::builder(self.url.ok_or_else(missing)?).default_namespace(self.namespace);
        let name = self.key_name.unwrap_or_else(|| DEFAULT_KEY_HEADER.to_owned());
        Ok(match self.key {
            Some(key) => builder.key_in_header(name, key),
            None => builder,
        })
    }
}

impl Client {
    /// The client that the environment describes: see [`Config`].
    ///
    /// # Errors
    ///
    /// When the URL is missing, or a variable cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        Config::from_env()?.builder()?.build()
    }
}

impl fmt::Debug for Config {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, key, key_name, namespace } = self;
        f.debug_struct("Config")
            .field("url", url)
            .field("has_key", &key.is_some())
            .field("key_name", key_name)
            .field("namespace", namespace)
            .finish()
    }
}

/// The key in a file, without white space around it.
///
/// # Errors
///
/// When the file cannot be read, or is blank.
pub fn read_key(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, "reading the API key", error))?;
    match text.trim() {
        "" => Err(Error::argument("the file with the API key", format!("{} is blank", path.display()))),
        key => Ok(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, Error> {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::read(&lookup)
    }

    #[test]
    fn the_variables_of_the_python_clients_are_read() {
        let config = read(&[(URL[1], "http://h"), (KEY[1], "k"), (KEY_NAME[1], "X-Key")]).expect("valid");
        let expected = Config {
            url: Some("http://h".to_owned()),
            key: Some("k".to_owned()),
            key_name: Some("X-Key".to_owned()),
            namespace: None,
        };
        assert_eq!(config, expected);
        assert!(!format!("{config:?}").contains("\"k\""));
    }

    #[test]
    fn own_variables_come_first_and_blank_ones_count_as_unset() {
        let config = read(&[(URL[0], " "), (URL[1], "http://b"), (KEY[0], "own"), (KEY[1], "k")]).expect("valid");
        assert_eq!((config.url.as_deref(), config.key.as_deref()), (Some("http://b"), Some("own")));
    }

    #[test]
    fn a_key_comes_from_a_file_or_a_variable_but_not_both() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "from-file\n").expect("written");
        let path = file.path().to_str().expect("UTF-8");
        assert_eq!(read(&[(KEY_FILE, path)]).expect("valid").key.as_deref(), Some("from-file"));
        assert!(read(&[(KEY_FILE, path), (KEY[0], "k")]).is_err());
        std::fs::write(file.path(), "\n").expect("written");
        assert!(read(&[(KEY_FILE, path)]).expect_err("blank").to_string().contains("is blank"));
    }

    #[test]
    fn without_a_url_the_error_says_which_variable() {
        let error = read(&[]).expect("nothing is wrong yet").builder().expect_err("no URL");
        assert!(error.to_string().contains("MGRAPH_CACHE_URL is not set"), "{error}");
    }
}
