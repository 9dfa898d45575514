//! Reads settings from the environment, and collects all errors.

use std::str::FromStr;

use thiserror::Error;

use super::settings::{DefaultValue, Setting};

/// One thing that is wrong in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// The error, and how to fix it.
    pub problem: String,
}

/// Everything that is wrong in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// Reads settings. A value that cannot be used is reported at the end, so that all errors come at once.
pub struct EnvReader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<ConfigError>,
}

impl<'a> EnvReader<'a> {
    /// Reads from this environment: `lookup` returns the value of a variable.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, errors: Vec::new() }
    }

    /// The value of a variable; `None` when it is blank.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The value of a setting; `None` when it is blank.
    pub fn text(&self, setting: &Setting) -> Option<String> {
        self.variable(setting.name)
    }

    /// The value of a setting, or its default; `T`'s own default when neither can be used.
    pub fn parsed<T: FromStr + Default>(&mut self, setting: &Setting) -> T {
        let default = match setting.default {
            DefaultValue::Value(value) => value,
            DefaultValue::Unset | DefaultValue::Rule(_) => return self.parsed_or(setting, T::default()),
        };
        let text = self.text(setting).unwrap_or_else(|| default.to_owned());
        self.parse(setting, &text).unwrap_or_default()
    }

    /// The value of a setting, or this default.
    pub fn parsed_or<T: FromStr>(&mut self, setting: &Setting, default: T) -> T {
        match self.text(setting) {
            Some(text) => self.parse(setting, &text).unwrap_or(default),
            None => default,
        }
    }

    fn parse<T: FromStr>(&mut self, setting: &Setting, text: &str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.error(setting, format!("'{text}' is not usable: give {}, or leave it out", setting.expected));
        }
        parsed
    }

    /// Reports an invalid setting.
    pub fn error(&mut self, setting: &Setting, problem: impl Into<String>) {
        self.errors.push(ConfigError { variable: setting.name, problem: problem.into() });
    }

    /// The configuration, unless something was wrong.
    ///
    /// # Errors
    ///
    /// Everything that was wrong.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigErrors> {
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }
}

/// `true` or `false`, in the words that people use for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct BoolValue(pub bool);

/// A text that is neither yes nor no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is neither true nor false")]
pub struct InvalidBool;

impl FromStr for BoolValue {
    type Err = InvalidBool;

    fn from_str(text: &str) -> Result<Self, InvalidBool> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Self(true)),
            "false" | "0" | "no" | "off" => Ok(Self(false)),
            _ => Err(InvalidBool),
        }
    }
}
