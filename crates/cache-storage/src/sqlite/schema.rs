//! The tables, and whether a file is ours.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::error::SqliteError;
use super::location::Location;
use super::python_table;

/// `mgrc`: what `PRAGMA application_id` and `file` say of our files.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"mgrc");
/// The version of the tables, in `PRAGMA user_version`.
pub(super) const FORMAT: i32 = 1;

/// How long an opening process waits for others that are opening.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the check for damage may take. It reads about a gigabyte in this time.
const CHECK_WITHIN: Duration = Duration::from_secs(2);
/// Steps of SQLite's virtual machine between two looks at the clock.
const CHECK_STEPS: i32 = 10_000;
/// The WAL is written back to the file when it has this many pages of 4 KiB.
const CHECKPOINT_PAGES: i32 = 1_000;

const TABLES: &str = "
    CREATE TABLE objects (
        key TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE contents (version INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL) STRICT;
";

/// Makes a connection the writer of a file that is ours: checks it, and creates the tables in an empty file.
pub(super) fn prepare(connection: &mut Connection, location: &Location) -> Result<(), SqliteError> {
    let deadline = Instant::now() + OPEN_WITHIN;
    loop {
        match try_prepare(connection, location) {
            Err(err) if err.is_busy() && Instant::now() < deadline => sleep(Duration::from_millis(20)),
            prepared => return prepared,
        }
    }
}

fn try_prepare(connection: &mut Connection, location: &Location) -> Result<(), SqliteError> {
    // Before anything is changed: WAL mode would be written into the file of another program.
    let is_new = is_new(connection)?;
    if matches!(location, Location::File { .. }) {
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            return Err(SqliteError::NoWal(mode));
        }
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    }
    if is_new {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        if self::is_new(&transaction)? {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.commit()?;
    } else {
        check(connection)?;
    }
    if table_names(connection)?.iter().any(|table| table == python_table::NAME) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        python_table::index(&transaction)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Whether the file has no tables of ours yet. It may have that of the Python service.
///
/// # Errors
///
/// It belongs to another program.
fn is_new(connection: &Connection) -> Result<bool, SqliteError> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables = table_names(connection)?;
    if application_id == APPLICATION_ID {
        let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        return if format > FORMAT { Err(SqliteError::Newer { found: format, known: FORMAT }) } else { Ok(false) };
    }
    if application_id != 0 || tables.iter().any(|table| table != python_table::NAME) {
        let tables = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
        return Err(SqliteError::Foreign { application_id, tables });
    }
    Ok(true)
}

fn table_names(connection: &Connection) -> Result<Vec<String>, SqliteError> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    Ok(tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Looks for damage in the structure of the file, for a while.
fn check(connection: &mut Connection) -> Result<(), SqliteError> {
    let deadline = Instant::now() + CHECK_WITHIN;
    connection.progress_handler(CHECK_STEPS, Some(move || Instant::now() > deadline))?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(SqliteError::Damaged(found)),
        Err(err) if err.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!("the database is large: only its beginning was checked for damage");
            Ok(())
        }
        Err(err) => Err(err.into()),
    }
}
