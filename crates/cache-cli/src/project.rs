//! What a project says: the file `.mgraph-cache.toml` in the current folder or in one above it.
//!
//! ```toml
//! url = "https://cache.example.com"
//! namespace = "demo"
//! ```
//!
//! It is shared with everybody who has the project, so it holds no key, and a change of it reveals none: see
//! [`resolve`](crate::profile::resolve).

use std::path::{Path, PathBuf};

use toml::Table;

use crate::args::Global;
use crate::failure::Failure;

/// The name of the file.
pub const FILE: &str = ".mgraph-cache.toml";

/// What a project says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// The URL of the service.
    pub url: Option<String>,
    /// The namespace when none is named.
    pub namespace: Option<String>,
}

impl Project {
    /// The project of the current folder. A profile that is named comes before it, and leaves it out.
    pub fn used(global: &Global) -> Result<Self, Failure> {
        if global.profile.is_some() {
            return Ok(Self::default());
        }
        let folder =
            std::env::current_dir().map_err(|error| Failure::failed(format!("the current folder: {error}")))?;
        for folder in folder.ancestors() {
            let path = folder.join(FILE);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Self::parse(path, &text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::failed(format!("{}: {error}", path.display()))),
            }
        }
        Ok(Self::default())
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, Failure> {
        let table: Table = text.parse().map_err(|error| wrong(&path, &error))?;
        let mut project = Self::default();
        for (name, value) in table {
            let field = match name.as_str() {
                "url" => &mut project.url,
                "namespace" => &mut project.namespace,
                _ if name.starts_with("key") => {
                    return Err(wrong(&path, &format!("'{name}' must not stand there: others read this file")).hint(
                        "`mgraph-cache login` saves a key for you alone; MGRAPH_CACHE_KEY_FILE names a file with one",
                    ));
                }
                _ => return Err(wrong(&path, &format!("'{name}' is not known: there are 'url' and 'namespace'"))),
            };
            *field =
                Some(value.as_str().ok_or_else(|| wrong(&path, &format!("'{name}' should be a text")))?.to_owned());
        }
        Ok(Self { path: Some(path), ..project })
    }
}

fn wrong(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {why}", path.display()))
}
