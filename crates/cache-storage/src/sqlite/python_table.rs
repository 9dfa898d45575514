//! The table of the Python service. Its rows stay where they are until they are replaced or deleted: `objects` refers to them by
//! negative versions.

use cache_core::storage::ObjectKey;
use rusqlite::{Connection, Transaction};

use super::error::SqliteError;

/// Its name.
pub(super) const NAME: &str = "memory_fs_files";

/// What is not in `objects` as it is: everything at the first open, and what the Python service has written since the last one.
const CHANGED: &str = "SELECT path, files.id, length(CAST(data AS BLOB)), coalesce(updated_at, 0) \
                       FROM memory_fs_files AS files LEFT JOIN objects ON objects.key = files.path \
                       WHERE data IS NOT NULL AND (objects.key IS NULL \
                       OR objects.version = -files.id AND objects.modified IS NOT coalesce(updated_at, 0)) ORDER BY files.id";
const ADD: &str = "INSERT OR REPLACE INTO objects (key, version, size, modified) VALUES (?1, ?2, ?3, ?4)";
const REMOVE: &str = "DELETE FROM memory_fs_files WHERE id = ?1";

/// Makes objects of all rows. Names that no object can have are left out.
pub(super) fn index(transaction: &Transaction<'_>) -> Result<(), SqliteError> {
    let mut changed = transaction.prepare(CHANGED)?;
    let mut rows = changed.query([])?;
    let (mut found, mut left_out) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (path, id, size, modified): (String, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        match path.parse::<ObjectKey>() {
            Ok(key) => found.push((key.to_string(), -id, size, modified)),
            Err(_) => left_out += 1,
        }
    }
    let mut add = transaction.prepare(ADD)?;
    for row in &found {
        add.execute(row.clone())?;
    }
    if !found.is_empty() {
        tracing::info!(objects = found.len(), left_out, "objects of the Python service are in the database");
    }
    Ok(())
}

/// Table, column and row of a content in this table; `None` when the version is one of ours.
pub(super) fn place(version: i64) -> Option<(&'static str, &'static str, i64)> {
    (version < 0).then_some((NAME, "data", -version))
}

/// Removes a row.
pub(super) fn remove(connection: &Connection, row: i64) -> Result<(), SqliteError> {
    connection.prepare_cached(REMOVE)?.execute([row])?;
    Ok(())
}
