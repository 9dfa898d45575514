//! The thread that writes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::clock::Clock;
use cache_core::storage::{PutMode, StorageError, Version};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::error::SqliteError;
use super::location::Location;
use super::reader::{row_id, version};
use crate::reserve::{MAX_RESERVED_GROWTH, Reserve};
use crate::system::SystemClock;
use crate::write_queue::{Change, Committer, Write};

/// How often a process that waits for others says so.
const WARN_EVERY: Duration = Duration::from_secs(10);

const FIND: &str = "SELECT version, size FROM objects WHERE key = ?1";
const ADD_CONTENT: &str = "INSERT INTO contents (bytes) VALUES (?1)";
const PUT: &str = "INSERT INTO objects (key, version, size, modified) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (key) DO UPDATE SET version = ?2, size = ?3, modified = ?4";
const REMOVE: &str = "DELETE FROM objects WHERE key = ?1";
const REMOVE_CONTENT: &str = "DELETE FROM contents WHERE version = ?1";

/// The connection that writes.
pub(super) struct Writer {
    connection: Connection,
    location: Location,
    /// For the deletes of a full disk; a database in memory has none.
    reserve: Option<Reserve>,
}

/// What became of a write.
enum Applied {
    Put(Version),
    Deleted,
    Precondition,
    /// Nothing: its caller gave up while another process had the database.
    Abandoned,
}

impl Writer {
    pub(super) fn new(connection: Connection, location: Location) -> Result<Self, SqliteError> {
        let reserve = location.beside("-reserve").map(Reserve::new);
        if let Some(reserve) = &reserve {
            reserve.fill();
        }
        Ok(Self { connection, location, reserve })
    }

    /// Commits these writes together. `None` if all callers gave up while another process had the database.
    fn apply(&mut self, writes: &[Write<Bytes>]) -> Result<Option<Vec<Applied>>, SqliteError> {
        self.location.check()?;
        let applied = self.try_apply(writes);
        applied.map_err(|err| err.or_full(|| self.location.has_room()))
    }

    fn try_apply(&mut self, writes: &[Write<Bytes>]) -> Result<Option<Vec<Applied>>, SqliteError> {
        let Some(transaction) = begin(&self.connection, writes)? else { return Ok(None) };
        let applied = writes.iter().map(|write| apply(&transaction, write)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(Some(applied))
    }

    fn apply_one(&mut self, write: &Write<Bytes>) -> Result<Option<Vec<Applied>>, SqliteError> {
        let one = std::slice::from_ref(write);
        let applied = self.apply(one);
        let is_full = applied.as_ref().is_err_and(SqliteError::is_full);
        if !is_full || !self.may_use_reserve(write) || !self.reserve.as_ref().is_some_and(Reserve::release) {
            return applied;
        }
        let applied = self.apply(one);
        // Empties the WAL, so that there is room for the next one.
        let emptied = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(err) = emptied {
            tracing::debug!(%err, "the WAL was not emptied");
        }
        if let Some(reserve) = &self.reserve {
            reserve.fill();
        }
        applied
    }

    /// Whether a write may use the reserve of a full disk: it removes something, or makes a delete possible.
    fn may_use_reserve(&self, write: &Write<Bytes>) -> bool {
        match &write.change {
            Change::Delete => true,
            Change::Put { mode: PutMode::Create | PutMode::Overwrite, .. } => false,
            Change::Put { content, mode: PutMode::Update(_) } => {
                let found = find(&self.connection, write.key.as_str());
                found.is_ok_and(|found| {
                    found.is_some_and(|(_, size)| content.len() as u64 <= size.unsigned_abs() + MAX_RESERVED_GROWTH)
                })
            }
        }
    }
}

impl Committer<Bytes> for Writer {
    fn commit(&mut self, writes: Vec<Write<Bytes>>) {
        match self.apply(&writes) {
            Ok(applied) => answer(writes, applied),
            // One that does not fit must not take the others with it.
            Err(err) if err.wrote_nothing() => {
                for write in writes {
                    match self.apply_one(&write) {
                        Ok(applied) => answer(vec![write], applied),
                        Err(err) => fail(write, err),
                    }
                }
            }
            Err(err) => {
                let message = err.to_string();
                let mut writes = writes.into_iter();
                let first = writes.next();
                for write in writes {
                    let key = write.key.to_string();
                    write.answer(Err(StorageError::Unavailable { key, source: message.clone().into() }));
                }
                if let Some(write) = first {
                    fail(write, err);
                }
            }
        }
    }
}

/// Begins a transaction that may write, after others have ended theirs. `None` if no caller waits any more.
fn begin<'c>(connection: &'c Connection, writes: &[Write<Bytes>]) -> Result<Option<Transaction<'c>>, SqliteError> {
    let mut warn_at = Instant::now() + WARN_EVERY;
    while !writes.iter().all(Write::is_abandoned) {
        // It waits for a moment by itself. No other transaction is open: there is one thread that writes.
        let begun = Transaction::new_unchecked(connection, TransactionBehavior::Immediate);
        match begun.map_err(SqliteError::from) {
            Ok(transaction) => return Ok(Some(transaction)),
            Err(err) if !err.is_busy() => return Err(err),
            Err(_) if Instant::now() > warn_at => {
                tracing::warn!(writes = writes.len(), "another process keeps the database locked");
                warn_at += WARN_EVERY;
            }
            Err(_) => {}
        }
    }
    Ok(None)
}

fn apply(transaction: &Transaction<'_>, write: &Write<Bytes>) -> Result<Applied, SqliteError> {
    if write.is_abandoned() {
        return Ok(Applied::Abandoned);
    }
    let key = write.key.as_str();
    let found = find(transaction, key)?.map(|(version, _)| version);
    let applied = match &write.change {
        Change::Delete => {
            if found.is_some() {
                transaction.prepare_cached(REMOVE)?.execute([key])?;
            }
            Applied::Deleted
        }
        Change::Put { content, mode } => {
            let allowed = match mode {
                PutMode::Overwrite => true,
                PutMode::Create => found.is_none(),
                PutMode::Update(version) => found.is_some() && found == row_id(version),
            };
            if !allowed {
                return Ok(Applied::Precondition);
            }
            transaction.prepare_cached(ADD_CONTENT)?.execute([&content[..]])?;
            let row = transaction.last_insert_rowid();
            let (size, modified) = (content.len() as i64, SystemClock.now().get().cast_signed());
            transaction.prepare_cached(PUT)?.execute((key, row, size, modified))?;
            Applied::Put(version(row))
        }
    };
    if let Some(replaced) = found {
        transaction.prepare_cached(REMOVE_CONTENT)?.execute([replaced])?;
    }
    Ok(applied)
}

/// The version and size of an object.
fn find(connection: &Connection, key: &str) -> Result<Option<(i64, i64)>, SqliteError> {
    let mut statement = connection.prepare_cached(FIND)?;
    Ok(statement.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn answer(writes: Vec<Write<Bytes>>, applied: Option<Vec<Applied>>) {
    // Without outcomes there is nobody to tell.
    for (write, applied) in writes.into_iter().zip(applied.into_iter().flatten()) {
        let key = write.key.to_string();
        write.answer(match applied {
            Applied::Put(version) => Ok(Some(version)),
            Applied::Deleted => Ok(None),
            Applied::Precondition => Err(StorageError::Precondition { key }),
            Applied::Abandoned => Err(StorageError::Unavailable { key, source: "nobody waits for it".into() }),
        });
    }
}

fn fail(write: Write<Bytes>, err: SqliteError) {
    let err = err.into_storage_error(write.key.as_str());
    write.answer(Err(err));
}
