//! How functions are memoised.

use std::time::Duration;

use crate::namespace::Namespace;

/// The variable that sets the mode of a process: `on`, `off`, `read-only` or `refresh`.
pub const MODE_VARIABLE: &str = "MGRAPH_CACHE_MEMO";

/// How long the cache may take for one lookup or store.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many bytes of values a process remembers.
const DEFAULT_LOCAL_BYTES: u64 = 16 * 1024 * 1024;
/// How long a process remembers a value without asking again.
const DEFAULT_LOCAL_TTL: Duration = Duration::from_secs(60);

/// Whether values are looked up and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Both.
    #[default]
    On,
    /// Neither: functions are run.
    Off,
    /// Values are looked up, and new ones remembered in this process only.
    ReadOnly,
    /// Functions are run, and their values stored.
    Refresh,
}

impl Mode {
    /// The mode that [`MODE_VARIABLE`] names, if it names one.
    fn from_env() -> Option<Self> {
        let name = std::env::var(MODE_VARIABLE).ok().filter(|name| !name.trim().is_empty())?;
        let mode = Self::parse(name.trim());
        if mode.is_none() {
            tracing::warn!("{MODE_VARIABLE} is '{name}', and should be on, off, read-only or refresh: it is left out");
        }
        mode
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            "read-only" => Some(Self::ReadOnly),
            "refresh" => Some(Self::Refresh),
            _ => None,
        }
    }

    pub(super) fn stores(self) -> bool {
        match self {
            Self::On | Self::Refresh => true,
            Self::Off | Self::ReadOnly => false,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) mode: Mode,
    pub(super) version: u32,
    pub(super) ignored: Vec<String>,
    pub(super) lease: Option<Duration>,
    pub(super) ttl: Option<Duration>,
    stale_if_error: Duration,
    local_ttl: Duration,
}

impl Options {
    /// How long a value of this age may be remembered here; `None` when it is too old to be used.
    pub(super) fn left(&self, age: Duration) -> Option<Duration> {
        match self.ttl {
            None => Some(self.local_ttl),
            Some(ttl) => ttl.checked_sub(age).filter(|left| !left.is_zero()).map(|left| left.min(self.local_ttl)),
        }
    }

    /// Whether a value of this age may be returned in place of an error.
    pub(super) fn may_be_stale(&self, age: Duration) -> bool {
        self.ttl.is_none_or(|ttl| age < ttl + self.stale_if_error)
    }

    /// How long the service keeps a value.
    pub(super) fn kept_for(&self) -> Option<Duration> {
        self.ttl.map(|ttl| ttl + self.stale_if_error)
    }
}

/// How functions are memoised; end it with [`MemoBuilder::build`].
#[derive(Debug)]
#[must_use = "end it with `build`"]
pub struct MemoBuilder {
    pub(super) namespace: Namespace,
    pub(super) options: Options,
    pub(super) timeout: Duration,
    pub(super) local_bytes: u64,
}

impl Namespace {
    /// Memoises functions in this namespace.
    pub fn memo(&self) -> MemoBuilder {
        let options = Options {
            mode: Mode::from_env().unwrap_or_default(),
            version: 1,
            ignored: Vec::new(),
            lease: None,
            ttl: None,
            stale_if_error: Duration::ZERO,
            local_ttl: DEFAULT_LOCAL_TTL,
        };
        MemoBuilder { namespace: self.clone(), options, timeout: DEFAULT_TIMEOUT, local_bytes: DEFAULT_LOCAL_BYTES }
    }
}

impl MemoBuilder {
    /// The version of the functions, 1 without it: raise it when they return something else for the same arguments.
    pub fn version(mut self, version: u32) -> Self {
        self.options.version = version;
        self
    }

    /// How long a value may be used; for ever without it.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long after its time to live a value may still be returned if the function fails. Nothing without it.
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.options.stale_if_error = time;
        self
    }

    /// Arguments, by name, that do not count, such as a connection.
    pub fn ignore<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.ignored.extend(names.into_iter().map(Into::into));
        self
    }

    /// Lets one process at a time run a call; the others wait for its value, at most this long. Choose it longer than the
    /// function takes: a process that dies holds the others up until then. Whole seconds, rounded up.
    pub fn lease(mut self, limit: Duration) -> Self {
        self.options.lease = Some(limit);
        self
    }

    /// Whether values are looked up and stored. It overrules [`MODE_VARIABLE`].
    pub fn mode(mut self, mode: Mode) -> Self {
        self.options.mode = mode;
        self
    }

    /// How many bytes of values this process remembers: 16 MiB without it, none for 0.
    pub fn local_bytes(mut self, bytes: u64) -> Self {
        self.local_bytes = bytes;
        self
    }

    /// How long this process remembers a value without asking again: 60 s without it. An invalidation elsewhere is seen
    /// after that.
    pub fn local_ttl(mut self, time: Duration) -> Self {
        self.options.local_ttl = time;
        self
    }

    /// How long the cache may take for one lookup or store before the call goes on without it. 5 s without it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_one_of_four_words() {
        for (name, mode) in [
            ("on", Some(Mode::On)),
            ("off", Some(Mode::Off)),
            ("read-only", Some(Mode::ReadOnly)),
            ("refresh", Some(Mode::Refresh)),
            ("ON", None),
        ] {
            assert_eq!(Mode::parse(name), mode, "{name}");
        }
    }
}
