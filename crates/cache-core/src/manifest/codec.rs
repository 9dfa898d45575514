//! How manifests, pages and key indexes are written: a line of compact JSON, then what is not JSON.
//!
//! | part | what |
//! |---|---|
//! | head | one line of JSON. `head -1` shows it to a person; a reader that needs no content reads the first [`MAX_HEAD_BYTES`] |
//! | recent | one more line of JSON, if the head says so |
//! | contents | the inline contents, one after the other |
//!
//! The SHA-256 of each inline content stands in the head, before the bytes. So no two states that differ have one MD5 because
//! a client chose the content, and an ETag never repeats.

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::contents::{ContentNumber, Contents, Inline, Location, StoredContent};
use crate::digest::Sha256Digest;
use crate::ids::BlobToken;

/// The number of this format.
pub const FORMAT: u8 = 2;
/// A head has at most so many bytes, the end of its line included.
pub const MAX_HEAD_BYTES: usize = 40 * 1024;

/// Why an object cannot be read.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The object ends before its head does.
    #[error("the head is cut off")]
    Truncated,
    /// The head is not JSON of the expected shape.
    #[error("the head cannot be read")]
    Json(#[from] serde_json::Error),
    /// The head names another format.
    #[error("the format is {0}, not {FORMAT}")]
    Format(u8),
    /// An inline content reaches beyond the end of the object.
    #[error("the inline content {0} is cut off")]
    Content(u64),
}

/// An object as it is written.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// All bytes.
    pub bytes: Bytes,
    /// How many of them are the head.
    pub head_len: usize,
}

/// One content in a head.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ContentJson {
    #[serde(rename = "n")]
    number: ContentNumber,
    sha256: Sha256Digest,
    size: u64,
    ref_count: u64,
    /// Where the bytes begin, counted from the first byte behind the lines of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inline: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<BlobToken>,
}

/// The contents as a head lists them.
pub(crate) fn contents_json(contents: &Contents) -> Vec<ContentJson> {
    let mut offset = 0;
    let json = |content: &StoredContent| {
        let (inline, blob) = match content.location {
            Location::Inline(_) => (Some(offset), None),
            Location::Blob(token) => (None, Some(token)),
        };
        offset += inline.map_or(0, |_| content.size);
        let StoredContent { number, sha256, size, ref_count, .. } = *content;
        ContentJson { number, sha256, size, ref_count, inline, blob }
    };
    contents.iter().map(json).collect()
}

/// The inverse of [`contents_json`]. `inline` is what follows the lines of JSON; `None` when only the head was read.
pub(crate) fn read_contents(json: Vec<ContentJson>, inline: Option<&Bytes>) -> Result<Contents, DecodeError> {
    let read = |json: ContentJson| {
        let location = match (json.blob, json.inline, inline) {
            (Some(token), _, _) => Location::Blob(token),
            (None, Some(_), None) => Location::Inline(Inline::not_loaded()),
            (None, Some(offset), Some(inline)) => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(json.size)).ok());
                let (from, to) =
                    range.filter(|(_, to)| *to <= inline.len()).ok_or(DecodeError::Content(json.number.0))?;
                Location::Inline(Inline::unverified(inline.slice(from..to)))
            }
            (None, None, _) => return Err(DecodeError::Content(json.number.0)),
        };
        let ContentJson { number, sha256, size, ref_count, .. } = json;
        Ok(StoredContent { number, sha256, size, ref_count, location })
    };
    json.into_iter().map(read).collect::<Result<_, _>>().map(Contents::new)
}

/// Writes a head, a second line if there is one, and the inline contents.
pub(crate) fn encode(head: &impl Serialize, recent: Vec<u8>, contents: &Contents) -> Encoded {
    let mut line = to_json(head);
    line.push(b'\n');
    let head_len = line.len();
    let inline = contents.inline_bytes() as usize;
    if inline == 0 && recent.is_empty() {
        return Encoded { bytes: line.into(), head_len };
    }
    let mut bytes = BytesMut::with_capacity(head_len + recent.len() + inline);
    bytes.extend_from_slice(&line);
    bytes.extend_from_slice(&recent);
    for content in contents.iter() {
        if let Location::Inline(content) = &content.location {
            bytes.extend_from_slice(content.bytes().expect("a head alone is never written back"));
        }
    }
    Encoded { bytes: bytes.freeze(), head_len }
}

/// Reads a head, and returns what follows it.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &Bytes) -> Result<(T, Bytes), DecodeError> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(DecodeError::Truncated)?;
    Ok((serde_json::from_slice(&bytes[..end])?, bytes.slice(end + 1..)))
}

/// The line with what is recent; empty when nothing is.
pub(crate) fn recent_line(recent: &impl Serialize, is_empty: bool) -> Vec<u8> {
    if is_empty {
        return Vec::new();
    }
    let mut line = to_json(recent);
    line.push(b'\n');
    line
}

/// Splits what follows a head into what is recent and the inline contents. With `head_only` there is neither.
pub(crate) fn split_recent<T: DeserializeOwned + Default>(
    rest: &Bytes,
    recent_bytes: u64,
    head_only: bool,
) -> Result<(T, Option<Bytes>), DecodeError> {
    let recent_bytes = usize::try_from(recent_bytes).unwrap_or(usize::MAX);
    match head_only {
        true => Ok((T::default(), None)),
        false if rest.len() < recent_bytes => Err(DecodeError::Truncated),
        false if recent_bytes == 0 => Ok((T::default(), Some(rest.clone()))),
        false => Ok((serde_json::from_slice(&rest[..recent_bytes])?, Some(rest.slice(recent_bytes..)))),
    }
}

/// Refuses a head of another format.
pub(crate) fn check_format(format: u8) -> Result<(), DecodeError> {
    if format == FORMAT { Ok(()) } else { Err(DecodeError::Format(format)) }
}

/// JSON of our own types: they hold no maps with keys that are not text, so this cannot fail.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs always serialize")
}
