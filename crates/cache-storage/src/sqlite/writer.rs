//! The thread that writes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::clock::Clock;
use cache_core::storage::{PutMode, StorageError, Version};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::error::SqliteError;
use super::location::Location;
use super::python_table;
use super::reader::{row_id, version};
use crate::reserve::MAX_RESERVED_GROWTH;
use crate::system::SystemClock;
use crate::write_queue::{Change, Committer, Write};

/// How often a process that waits for others says so.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// With more room than this on the disk nobody has to look more closely, in bytes.
const PLENTY: u64 = 64 << 20;
/// What stores leave free for deletes, in bytes: twice what the log has before it is written back.
const RESERVED: u64 = 8 << 20;
/// A disk with less room than this is full, in bytes: SQLite enlarges its shared memory by 32 KiB.
const LITTLE_ROOM: u64 = 64 << 10;
/// SQLite's default.
const PAGE_BYTES: u64 = 4_096;

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
    pub(super) fn new(connection: Connection, location: Location) -> Self {
        Self { connection, location }
    }

    /// Commits these writes together. `None` if all callers gave up while another process had the database.
    fn apply(&mut self, writes: &[Write<Bytes>]) -> Result<Option<Vec<Applied>>, SqliteError> {
        self.location.check()?;
        let applied = self.try_apply(writes);
        applied.map_err(|err| err.or_full(|| self.location.available() > LITTLE_ROOM))
    }

    fn try_apply(&mut self, writes: &[Write<Bytes>]) -> Result<Option<Vec<Applied>>, SqliteError> {
        let Some(transaction) = begin(&self.connection, writes)? else { return Ok(None) };
        let applied = writes.iter().map(|write| apply(&transaction, write)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(Some(applied))
    }

    /// Commits a write by itself, if there is room for it.
    fn apply_one(&mut self, write: &Write<Bytes>) -> Result<Option<Vec<Applied>>, SqliteError> {
        if let Change::Put { content, .. } = &write.change
            && !self.is_reserved_for(write)
        {
            self.make_room(content.len() as u64)?;
        }
        let one = std::slice::from_ref(write);
        match self.apply(one) {
            Err(err) if err.is_full() => {
                self.empty_log();
                self.apply(one)
            }
            applied => applied,
        }
    }

    /// Sees to it that the disk is not filled up: a content needs room in the log, and later in the database, and without
    /// room for the log nothing could be deleted any more.
    fn make_room(&self, bytes: u64) -> Result<(), SqliteError> {
        let free_pages: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        let growth = bytes.saturating_sub(free_pages.unsigned_abs() * PAGE_BYTES);
        let needed = bytes + growth + if growth > 0 { RESERVED } else { RESERVED / 2 };
        if self.location.available() >= needed {
            return Ok(());
        }
        self.empty_log();
        let available = self.location.available();
        if available >= needed { Ok(()) } else { Err(SqliteError::LittleRoom { available, needed }) }
    }

    /// Writes the log back to the database and truncates it. If that is not possible now, it is done later.
    fn empty_log(&self) {
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(err) = emptied {
            tracing::debug!(%err, "the log of the database was not emptied");
        }
    }

    /// Whether a write may use the last room of a disk: it removes something, or makes a delete possible.
    fn is_reserved_for(&self, write: &Write<Bytes>) -> bool {
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

impl Writer {
    fn commit_one_by_one(&mut self, writes: Vec<Write<Bytes>>) {
        for write in writes {
            match self.apply_one(&write) {
                Ok(applied) => answer(vec![write], applied),
                Err(err) => fail(write, err),
            }
        }
    }
}

impl Committer<Bytes> for Writer {
    fn commit(&mut self, writes: Vec<Write<Bytes>>) {
        let bytes: u64 = writes.iter().map(Write::bytes).sum();
        if self.location.available() < PLENTY + 2 * bytes {
            return self.commit_one_by_one(writes);
        }
        match self.apply(&writes) {
            Ok(applied) => answer(writes, applied),
            // One that does not fit must not take the others with it.
            Err(err) if err.wrote_nothing() => self.commit_one_by_one(writes),
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
        match python_table::place(replaced) {
            Some((_, _, row)) => python_table::remove(transaction, row)?,
            None => _ = transaction.prepare_cached(REMOVE_CONTENT)?.execute([replaced])?,
        }
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
