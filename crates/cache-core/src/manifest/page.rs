//! Pages: what does not fit into a head any more.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::{self, ContentJson, DecodeError, FORMAT};
use super::contents::Contents;
use super::rows::Revision;
use crate::version_log::{PageRef, Row};

/// A page of a manifest or a key index: rows with the contents that only they reference, or references to other pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<R> {
    /// Rows, oldest first.
    pub rows: Vec<R>,
    /// References to pages, oldest first.
    pub pages: Vec<PageRef>,
    /// Contents that no row outside of this page references.
    pub contents: Contents,
}

#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "R: Row", serialize = "R: Row"))]
struct PageJson<R> {
    format: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contents: Vec<ContentJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<R>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<PageRef>,
}

impl<R: Row> Page<R> {
    /// A page with references to pages.
    pub fn of_pages(pages: Vec<PageRef>) -> Self {
        Self { rows: Vec::new(), pages, contents: Contents::default() }
    }

    /// The reference to this page under a name; `None` when it lists nothing.
    pub fn reference(&self, name: String) -> Option<PageRef> {
        match (self.rows.is_empty(), self.pages.is_empty()) {
            (false, _) => Some(PageRef::of_rows(name, &self.rows, self.contents.bytes())),
            (true, false) => Some(PageRef::of_pages(name, &self.pages)),
            (true, true) => None,
        }
    }

    /// The page as stored.
    pub fn to_bytes(&self) -> Bytes {
        let contents = codec::contents_json(&self.contents);
        let json = PageJson { format: FORMAT, contents, entries: self.rows.clone(), pages: self.pages.clone() };
        codec::encode(&json, Vec::new(), &self.contents).bytes
    }

    /// Reads what [`Page::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// When it is not a page.
    pub fn parse(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (json, inline): (PageJson<R>, _) = codec::decode(bytes)?;
        codec::check_format(json.format)?;
        let contents = codec::read_contents(json.contents, Some(&inline))?;
        Ok(Self { rows: json.entries, pages: json.pages, contents })
    }
}

/// A page with older revisions of one entry, and with the contents that only they reference.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionPage {
    /// Revisions, oldest first.
    pub revisions: Vec<Revision>,
    /// Their contents, as far as nobody else references them.
    pub contents: Contents,
    /// The page with the revisions before these.
    pub previous: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct RevisionPageJson {
    format: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contents: Vec<ContentJson>,
    revisions: Vec<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

impl RevisionPage {
    /// The page as stored.
    pub fn to_bytes(&self) -> Bytes {
        let json = RevisionPageJson {
            format: FORMAT,
            contents: codec::contents_json(&self.contents),
            revisions: self.revisions.clone(),
            previous: self.previous.clone(),
        };
        codec::encode(&json, Vec::new(), &self.contents).bytes
    }

    /// Reads what [`RevisionPage::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// When it is not a page of revisions.
    pub fn parse(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (json, inline): (RevisionPageJson, _) = codec::decode(bytes)?;
        codec::check_format(json.format)?;
        let contents = codec::read_contents(json.contents, Some(&inline))?;
        Ok(Self { revisions: json.revisions, contents, previous: json.previous })
    }
}
