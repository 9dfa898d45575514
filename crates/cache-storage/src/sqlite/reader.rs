//! The calls that read, as they run on a thread that may block.

use std::ops::ControlFlow;

use cache_core::storage::{GetOptions, GetResult, ListPage, ListRequest, ListedObject, Object, ObjectHead, Version};
use cache_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row};

use super::error::SqliteError;
use super::python_table;
use crate::list_page::list_index;
use crate::slice::clamp;

/// The bytes are read only if the version is another one than `?2`.
const GET: &str = "SELECT version, size, iif(version IS ?2, NULL, (SELECT bytes FROM contents WHERE version = objects.version)) \
                   FROM objects WHERE key = ?1";
const HEAD: &str = "SELECT version, size, modified FROM objects WHERE key = ?1";
const LIST: &str = "SELECT key, version, size, modified FROM objects WHERE key >= ?1 ORDER BY key";

pub(super) fn get(connection: &Connection, key: &str, options: &GetOptions) -> Result<Option<GetResult>, SqliteError> {
    if options.range.is_some() {
        return get_range(connection, key, options);
    }
    let known = options.if_none_match.as_ref().and_then(row_id);
    let mut statement = connection.prepare_cached(GET)?;
    let found = statement.query_row((key, known), |row| {
        let (found, size) = (row.get(0)?, unsigned(row, 1)?);
        let bytes = row.get_ref(2)?.as_blob_or_null()?.map(<[u8]>::to_vec);
        let object = |bytes: Vec<u8>| GetResult::Object(Object { bytes: bytes.into(), size, version: version(found) });
        Ok((found, bytes.map(object)))
    });
    match found.optional()? {
        None => Ok(None),
        Some((_, Some(object))) => Ok(Some(object)),
        Some((found, None)) if Some(found) == known => Ok(Some(GetResult::NotModified)),
        // In the table of the Python service.
        Some((_, None)) => get_range(connection, key, options),
    }
}

/// Reads a part of a large content, and only that; or one that is in the table of the Python service.
fn get_range(connection: &Connection, key: &str, options: &GetOptions) -> Result<Option<GetResult>, SqliteError> {
    // Both reads see one state.
    let transaction = connection.unchecked_transaction()?;
    let row = transaction
        .prepare_cached(HEAD)?
        .query_row([key], |row| Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?)))
        .optional()?;
    let Some((row_id, size)) = row else { return Ok(None) };
    let version = version(row_id);
    if options.if_none_match.as_ref() == Some(&version) {
        return Ok(Some(GetResult::NotModified));
    }
    let range = options.range.as_ref().map_or(0..size, |range| clamp(range, size));
    // Both ends are at most the size, which is far below the limits of these types.
    let mut bytes = vec![0; (range.end - range.start) as usize];
    let (table, column, row_id) = python_table::place(row_id).unwrap_or(("contents", "bytes", row_id));
    let content = transaction.blob_open(rusqlite::MAIN_DB, table, column, row_id, true)?;
    content.read_at_exact(&mut bytes, range.start as usize)?;
    Ok(Some(GetResult::Object(Object { bytes: bytes.into(), size, version })))
}

pub(super) fn head(connection: &Connection, key: &str) -> Result<Option<ObjectHead>, SqliteError> {
    let mut statement = connection.prepare_cached(HEAD)?;
    let head = statement.query_row([key], |row| {
        let (version, size) = (version(row.get(0)?), unsigned(row, 1)?);
        Ok(ObjectHead { size, version, sha256: None, modified: UnixMillis::new(unsigned(row, 2)?) })
    });
    Ok(head.optional()?)
}

pub(super) fn list(connection: &Connection, request: &ListRequest) -> Result<ListPage, SqliteError> {
    // One state, however many folders are skipped.
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached(LIST)?;
    list_index(request, |from, visit| {
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            let (key, version) = (row.get(0)?, version(row.get(1)?));
            let (size, modified) = (unsigned(row, 2)?, UnixMillis::new(unsigned(row, 3)?));
            if let ControlFlow::Break(()) = visit(ListedObject { key, size, version, modified }) {
                break;
            }
        }
        Ok(())
    })
}

/// The version of the content in this row.
pub(super) fn version(row_id: i64) -> Version {
    Version::new(row_id.to_string())
}

/// The row that a version names; `None` if it is not one of ours.
pub(super) fn row_id(version: &Version) -> Option<i64> {
    version.as_str().parse().ok()
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}
