//! The tables, as numbered steps that only go forward.

use rusqlite::Connection;

use crate::error::StoreError;

/// Every step brings the database from its position to the next one. Steps are added, never changed.
const STEPS: [&str; 3] = [
    "
    CREATE TABLE connectors (
        tenant TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        settings TEXT NOT NULL,
        sealed_key BLOB,
        sealed_body BLOB,
        created_at TEXT NOT NULL,
        PRIMARY KEY (tenant, id),
        UNIQUE (tenant, name)
    );
    CREATE TABLE checkpoints (
        place INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        run TEXT NOT NULL,
        call TEXT NOT NULL,
        answer BLOB NOT NULL,
        UNIQUE (tenant, run, call)
    );
",
    // Seconds since 1970: an answer that is too old is not gone on with.
    "ALTER TABLE checkpoints ADD COLUMN kept_at INTEGER NOT NULL DEFAULT 0;",
    // Answers belong to a collection, and stay when it is finished: the last one is the estate that is known.
    "DELETE FROM checkpoints;
    ALTER TABLE checkpoints ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE collections (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        connector TEXT NOT NULL,
        began_at INTEGER NOT NULL,
        finished_at INTEGER
    );
    CREATE INDEX collections_of_connectors ON collections (tenant, connector);",
];

/// Brings the database to the newest version. One that a newer Yagura wrote is refused.
pub(crate) fn prepare(database: &Connection) -> Result<(), StoreError> {
    let fail = |action| move |cause| StoreError::database(action, cause);
    // WAL with `synchronous = NORMAL` keeps what was committed through a crash of the process; `FULL` also through a
    // loss of power, which checkpoints do not need.
    let settings =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;";
    database.execute_batch(settings).map_err(fail("set up the database"))?;
    let found: u32 =
        database.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail("read the database's version"))?;
    let known = STEPS.len() as u32;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (position, step) in STEPS.iter().enumerate().skip(found as usize) {
        let version = position + 1;
        let batch = format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {version}; COMMIT;");
        database.execute_batch(&batch).map_err(fail("bring the database to this version"))?;
    }
    Ok(())
}
