//! The path and the query of a request as values of the domain.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use cache_core::archive::MemberName;
use cache_core::cache::Selector;
use cache_core::ids::{CacheHash, CacheId, CacheKey, FileId, InvalidName, Namespace};
use cache_core::json::FieldPath;
use cache_core::layout::KeyRef;
use cache_core::strategy::Strategy;
use http::request::Parts;

use crate::pagination::{DEFAULT_LIMIT, MAX_LIMIT, Paging};
use crate::problem::{ArchiveOp, Problem};
use crate::state::AppState;

/// The path parameter that holds the rest of a path where several parameters share it: see [`crate::routing`].
pub const REST: &str = "rest";

/// The parameters of a request by name: those of its path, and those of its query. The last value of a repeated query
/// parameter counts; unknown ones are ignored.
#[derive(Debug, Clone)]
pub struct Params {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    strict: bool,
}

impl FromRequestParts<AppState> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        // The middleware has read them to authorize the request.
        if let Some(params) = parts.extensions.remove() {
            return Ok(params);
        }
        let path = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::unreadable_body(format!("the path is not readable: {error}")))?;
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|error| Problem::unreadable_body(format!("the query is not readable: {error}")))?;
        let path = path.iter().map(|(name, raw)| (name.to_owned(), raw.to_owned())).collect();
        Ok(Self { path, query, strict: state.config.strict_names })
    }
}

impl Params {
    /// The namespace in the path.
    ///
    /// # Errors
    ///
    /// As [`Params::name`].
    pub fn namespace(&self) -> Result<Namespace, Problem> {
        self.name("namespace", self.path("namespace"))
    }

    /// The strategy in the path.
    ///
    /// # Errors
    ///
    /// 400 when there is no such strategy.
    pub fn strategy(&self) -> Result<Strategy, Problem> {
        self.path("strategy").parse().map_err(|error| Problem::strategy(&error))
    }

    /// The cache id in the path.
    ///
    /// # Errors
    ///
    /// 400 when it is not a UUID.
    pub fn cache_id(&self) -> Result<CacheId, Problem> {
        parse("cache_id", self.path("cache_id"))
    }

    /// The upload in the path.
    ///
    /// # Errors
    ///
    /// 400 when it is not a UUID.
    pub fn upload_id(&self) -> Result<CacheId, Problem> {
        parse("upload_id", self.path("upload_id"))
    }

    /// The cache id in the path, or the hash with a version that stands in its place: `{cache_hash}-v{n}`.
    ///
    /// # Errors
    ///
    /// 400 when it is neither.
    pub fn entry(&self) -> Result<Selector, Problem> {
        match hash_and_version(self.path("cache_id")) {
            Some((hash, version)) => Ok(Selector::Hash(hash, Some(version))),
            None => self.cache_id().map(Selector::Id),
        }
    }

    /// The cache hash in the path.
    ///
    /// # Errors
    ///
    /// 400 when it is not a hash.
    pub fn cache_hash(&self) -> Result<CacheHash, Problem> {
        parse("cache_hash", self.path("cache_hash"))
    }

    /// The key at the end of the path.
    ///
    /// # Errors
    ///
    /// 400 when it is blank, and as [`Params::name`].
    pub fn cache_key(&self) -> Result<CacheKey, Problem> {
        let raw = self.path("cache_key");
        if raw.parse::<CacheKey>() == Err(InvalidName::Empty) {
            return Err(Problem::missing_cache_key());
        }
        self.name("cache_key", raw)
    }

    /// The file name in the query; a blank one counts as not given.
    ///
    /// # Errors
    ///
    /// As [`Params::name`].
    pub fn file_id(&self) -> Result<Option<FileId>, Problem> {
        self.filled("file_id").map(|raw| self.name("file_id", raw)).transpose()
    }

    /// The field in the query whose value is hashed; a blank one counts as not given.
    ///
    /// # Errors
    ///
    /// As [`Params::name`].
    pub fn json_field_path(&self) -> Result<Option<FieldPath>, Problem> {
        self.filled("json_field_path").map(|raw| self.name("json_field_path", raw)).transpose()
    }

    /// The strategy in the path, and the key and file name at its end: `{strategy}/{cache_key}/{file_id}`.
    ///
    /// # Errors
    ///
    /// 404 when there is one segment only; 400 when there is no such strategy; and as [`Params::name`].
    pub fn key_ref(&self) -> Result<KeyRef, Problem> {
        let (key, file_id) = self.path(REST).rsplit_once('/').ok_or_else(Problem::route_not_found)?;
        Ok(KeyRef {
            strategy: self.strategy()?,
            cache_key: self.name("cache_key", key)?,
            file_id: self.name("file_id", file_id)?,
        })
    }

    /// The key and the file name at the end of the path, where both may be blank: then they count as not given.
    ///
    /// # Errors
    ///
    /// 404 when there is one segment only; else as [`Params::name`].
    pub fn key_and_file(&self) -> Result<(Option<CacheKey>, Option<FileId>), Problem> {
        let (key, file_id) = self.path(REST).rsplit_once('/').ok_or_else(Problem::route_not_found)?;
        Ok((self.name_if_any("cache_key", key)?, self.name_if_any("file_id", file_id)?))
    }

    /// The path of an archive's member at the end of the path, as it was sent: its meaning depends on the archive.
    ///
    /// # Errors
    ///
    /// 400 when it is blank, or 404 where `op` reads; else as [`Params::name`].
    pub fn file_path(&self, op: ArchiveOp) -> Result<String, Problem> {
        let raw = self.path("file_path");
        if raw.trim().is_empty() {
            return Err(Problem::missing_file_path(op));
        }
        // A member of an archive that was made elsewhere may have a name that is not valid here.
        if raw.parse::<MemberName>().is_ok() {
            self.name::<MemberName>("file_path", raw)?;
        }
        Ok(raw.to_owned())
    }

    /// A number in the query.
    ///
    /// # Errors
    ///
    /// 400 when it is not a number that is `allowed`.
    pub fn number(&self, name: &str, allowed: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(raw) = self.query(name) else { return Ok(None) };
        match raw.trim().parse() {
            Ok(number) if allowed.contains(&number) => Ok(Some(number)),
            _ if *allowed.end() == u64::MAX => Err(Problem::query(
                "int_parsing",
                name,
                raw,
                format_args!("should be a number from {}", allowed.start()),
            )),
            _ => {
                let reason = format!("should be a number from {} to {}", allowed.start(), allowed.end());
                Err(Problem::query("int_parsing", name, raw, reason))
            }
        }
    }

    /// The version in the query, from 1.
    ///
    /// # Errors
    ///
    /// As [`Params::number`].
    pub fn version(&self) -> Result<Option<u64>, Problem> {
        self.number("version", 1..=u64::MAX)
    }

    /// The revision in the query; 0 is the content that the entry was stored with.
    ///
    /// # Errors
    ///
    /// As [`Params::number`].
    pub fn revision(&self) -> Result<Option<u64>, Problem> {
        self.number("revision", 0..=u64::MAX)
    }

    /// How much of a list to show: `limit`, and the `cursor` that the page before named. `None` when neither is given.
    ///
    /// # Errors
    ///
    /// 400 when the limit is not a number from 1 to [`MAX_LIMIT`].
    pub fn paging(&self) -> Result<Option<Paging<'_>>, Problem> {
        let limit = self.number("limit", 1..=MAX_LIMIT)?;
        let cursor = self.filled("cursor");
        let asked = limit.is_some() || cursor.is_some();
        Ok(asked.then(|| Paging { limit: limit.unwrap_or(DEFAULT_LIMIT) as usize, cursor }))
    }

    /// A yes or no in the query.
    ///
    /// # Errors
    ///
    /// 400 when it is neither.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Problem> {
        let Some(raw) = self.query(name) else { return Ok(default) };
        match raw.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => Err(Problem::query("bool_parsing", name, raw, "should be true or false")),
        }
    }

    /// A query parameter as it was sent.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(known, _)| known == name).map(|(_, raw)| raw.as_str())
    }

    /// A query parameter that is not blank.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.query(name).filter(|raw| !raw.trim().is_empty())
    }

    /// A path parameter as it was sent; empty when the route has none of this name.
    pub fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| known == name).map_or("", |(_, raw)| raw)
    }

    /// As [`Params::name`], where a blank name counts as not given.
    ///
    /// # Errors
    ///
    /// As [`Params::name`].
    pub fn name_if_any<T>(&self, name: &str, raw: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: Display> + Display,
    {
        if raw.trim().is_empty() { Ok(None) } else { self.name(name, raw).map(Some) }
    }

    /// Whether names that need sanitizing are refused.
    pub fn strict(&self) -> bool {
        self.strict
    }

    /// Parses a name, which is sanitized; with strict names, one that sanitizing would change is refused.
    ///
    /// # Errors
    ///
    /// 400 when it is not valid, or with strict names when sanitizing would change it.
    pub fn name<T>(&self, name: &str, raw: &str) -> Result<T, Problem>
    where
        T: FromStr<Err: Display> + Display,
    {
        let parsed: T = parse(name, raw)?;
        if self.strict
            && let sanitized = parsed.to_string()
            && sanitized != raw
        {
            let reason = format!("has characters that are not allowed: '{sanitized}' would be");
            return Err(Problem::parameter(name, raw, reason));
        }
        Ok(parsed)
    }
}

fn parse<T: FromStr<Err: Display>>(name: &str, raw: &str) -> Result<T, Problem> {
    raw.parse().map_err(|error| Problem::parameter(name, raw, error))
}

/// A hash with a version, as it stands in the place of an id: `{cache_hash}-v{n}`.
pub fn hash_and_version(raw: &str) -> Option<(CacheHash, u64)> {
    let (hash, version) = raw.split_once("-v")?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    Some((hash.parse().ok()?, version))
}

#[cfg(test)]
mod tests;
