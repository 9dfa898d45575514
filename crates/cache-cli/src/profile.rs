//! Where the service is and which key it gets: flags, then the environment, then the project, then a profile.
//!
//! Profiles are in `$XDG_CONFIG_HOME/mgraph-cache/config.toml` (else `~/.config/…`), which only its owner may read:
//!
//! ```toml
//! default = "work"
//!
//! [profile.work]
//! url = "https://cache.example.com"
//! namespace = "demo"
//! key_name = "x-api-key"
//! key_command = "pass show cache"     # or key_file = "…", or key_env = "…", or key = "…", which `login` writes
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cache_client::config::{self, Config};
use serde::{Deserialize, Serialize};

use crate::args::Global;
use crate::failure::Failure;
use crate::project::Project;

/// The name of a profile that `login` writes when none is named.
const DEFAULT_PROFILE: &str = "default";
/// Where `mgraph-cache serve` listens.
pub const LOCAL_URL: &str = "http://127.0.0.1:10017";

/// All profiles.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// The profile that is used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Profiles by name.
    #[serde(default, rename = "profile", skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, Profile>,
}

/// One of them.
#[derive(Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The URL of the service.
    pub url: String,
    /// The namespace when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The header that carries the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A file that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// A command that prints the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_command: Option<String>,
    /// A variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
}

impl std::fmt::Debug for Profile {
    /// Leaves out the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Profile {
    /// The key, from wherever it is.
    pub fn key(&self) -> Result<Option<String>, Failure> {
        if let Some(path) = &self.key_file {
            return Ok(Some(config::read_key(path)?));
        }
        if let Some(command) = &self.key_command {
            return command_output(command).map(Some);
        }
        if let Some(name) = &self.key_env {
            let missing = || Failure::usage(format!("the profile takes its key from {name}, which is not set"));
            return std::env::var(name).ok().filter(|key| !key.is_empty()).ok_or_else(missing).map(Some);
        }
        Ok(self.key.clone())
    }
}

/// Runs the command of a profile, and returns what it prints.
fn command_output(command: &str) -> Result<String, Failure> {
    let refused = |why: &str| Failure::usage(format!("the key_command of the profile, '{command}', {why}"));
    let words = shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| refused("is no command"))?;
    let output =
        std::process::Command::new(&words[0]).args(&words[1..]).stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| refused(&format!("does not run: {error}")))?;
    let key = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() && !key.is_empty() {
        true => Ok(key),
        false => Err(refused(&format!("ended with {} and printed {} bytes", output.status, key.len()))),
    }
}

/// The file with the profiles.
pub fn path() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let folder = folder.ok_or_else(|| Failure::usage("neither XDG_CONFIG_HOME nor HOME is set"))?;
    Ok(folder.join("mgraph-cache").join("config.toml"))
}

/// Reads the profiles; none if there is no file.
pub fn read() -> Result<Profiles, Failure> {
    let path = path()?;
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Profiles::default()),
        Err(error) => return Err(Failure::failed(format!("{}: {error}", path.display()))),
    };
    toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// Writes the profiles: to another file first, so that a full disk or Ctrl-C leaves the old ones.
pub fn write(profiles: &Profiles) -> Result<PathBuf, Failure> {
    let path = path()?;
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let text = toml::to_string_pretty(profiles).map_err(|error| Failure::failed(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_private(&beside, text.as_bytes()).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        // What is half written must not stay; that it was not written is what counts.
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(failed)?;
    Ok(path)
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The name of the profile that counts, whether it exists or not.
pub fn name(global: &Global, profiles: &Profiles) -> String {
    global.profile.clone().or_else(|| profiles.default.clone()).unwrap_or_else(|| DEFAULT_PROFILE.to_owned())
}

/// What flags, environment, project and profile say together.
pub fn resolve(global: &Global) -> Result<Config, Failure> {
    let environment = Config::from_env()?;
    let project = Project::used(global)?;
    let profiles = read()?;
    let name = name(global, &profiles);
    let profile = profiles.profiles.get(&name);
    if profile.is_none() && global.profile.is_some() {
        let known: Vec<&str> = profiles.profiles.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "`mgraph-cache login` makes one".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        };
        return Err(Failure::usage(format!("there is no profile '{name}'")).hint(hint));
    }
    let named_url = global.url.clone().or(environment.url);
    if named_url.is_none()
        && environment.key.is_some()
        && global.key_file.is_none()
        && let Some(url) = &project.url
    {
        // The file of a project names a URL, so a change of it could send the key anywhere.
        let message = format!("the key of the environment is not sent to {url}, which the file of the project names");
        return Err(Failure::usage(message).hint(format!("set MGRAPH_CACHE_URL={url} if that is where it belongs")));
    }
    let url = named_url.or(project.url);
    // The key of a profile is for its service, and for no other.
    let profile = profile.filter(|profile| {
        url.as_ref().is_none_or(|url| url.trim_end_matches('/') == profile.url.trim_end_matches('/'))
    });
    let key = match (&global.key_file, environment.key) {
        (Some(path), _) if path.as_os_str() == "-" => Some(read_stdin_key()?),
        (Some(path), _) => Some(config::read_key(path)?),
        (None, Some(key)) => Some(key),
        (None, None) => profile.map(Profile::key).transpose()?.flatten(),
    };
    Ok(Config {
        url: url.or_else(|| profile.map(|profile| profile.url.clone())),
        key,
        key_name: environment.key_name.or_else(|| profile.and_then(|profile| profile.key_name.clone())),
        namespace: global
            .namespace
            .clone()
            .or(environment.namespace)
            .or(project.namespace)
            .or_else(|| profile.and_then(|it| it.namespace.clone())),
    })
}

/// A key from stdin, without white space around it. It is read once, however many commands ask for it.
pub fn read_stdin_key() -> Result<String, Failure> {
    static KEY: OnceLock<String> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let text = std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::failed(format!("stdin: {error}")))?;
    match text.trim() {
        "" => Err(Failure::usage("stdin holds no key")),
        key => Ok(KEY.get_or_init(|| key.to_owned()).clone()),
    }
}
