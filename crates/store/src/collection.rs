//! Collections: the answers of one that is under way, kept through a crash, and those of the last one that was finished.

use rusqlite::{OptionalExtension, Row, params};
use yagura_model::{Checkpoints, Problem, Timestamp};

use crate::Store;
use crate::error::StoreError;

/// How strongly answers are packed: quick, since every page waits for it.
const PACKING: i32 = 1;
/// The largest answer that is unpacked.
const LARGEST_ANSWER: usize = 256 << 20;

/// A collection that was finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its number: a later one has a higher one.
    pub number: i64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was done.
    pub finished_at: Timestamp,
}

/// The collection of a connector that is under way.
pub struct StoredCheckpoints<'s> {
    store: &'s Store,
    tenant: String,
    connector: String,
    /// Its number, once it has begun.
    collection: Option<i64>,
}

impl Store {
    /// The collection of a connector (its id) that is under way, or will be.
    pub fn checkpoints(&self, tenant: &str, connector: &str) -> StoredCheckpoints<'_> {
        StoredCheckpoints { store: self, tenant: tenant.to_owned(), connector: connector.to_owned(), collection: None }
    }

    /// The last collection of a connector (its id) that was finished.
    pub fn last_collection(&self, tenant: &str, connector: &str) -> Result<Option<Collection>, StoreError> {
        let sql = "SELECT number, began_at, finished_at FROM collections
                   WHERE tenant = ?1 AND connector = ?2 AND finished_at IS NOT NULL ORDER BY number DESC LIMIT 1";
        let row = self.database.query_row(sql, [tenant, connector], finished).optional();
        row.map_err(|cause| StoreError::database("read the last collection", cause))
    }

    /// Hands every answer of a collection on, failed calls among them, in the order in which they came.
    pub fn each_answer(&self, tenant: &str, number: i64, take: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
        let fail = |cause| StoreError::database("read the answers of a collection", cause);
        let sql = "SELECT answer FROM checkpoints WHERE tenant = ?1 AND run = ?2 ORDER BY place";
        let mut statement = self.database.prepare(sql).map_err(fail)?;
        let rows = statement.query_map([tenant, &number.to_string()], |row| row.get::<_, Vec<u8>>(0)).map_err(fail)?;
        for row in rows {
            let line = unpacked(&row.map_err(fail)?)
                .map_err(|reason| StoreError::Broken { what: "an answer of a collection", reason })?;
            take(&line);
        }
        Ok(())
    }

    /// Forgets all collections of a connector.
    pub(crate) fn forget_collections(&self, tenant: &str, connector: &str) -> rusqlite::Result<()> {
        let rows = [tenant, connector];
        self.database.execute(&format!("DELETE FROM checkpoints WHERE tenant = ?1 AND run IN ({NUMBERS})"), rows)?;
        self.database.execute("DELETE FROM collections WHERE tenant = ?1 AND connector = ?2", rows)?;
        Ok(())
    }
}

const NUMBERS: &str = "SELECT CAST(number AS TEXT) FROM collections WHERE tenant = ?1 AND connector = ?2";

fn finished(row: &Row<'_>) -> rusqlite::Result<Collection> {
    let moment = |place| {
        let seconds: i64 = row.get(place)?;
        let error = |error: jiff::Error| {
            rusqlite::Error::FromSqlConversionFailure(place, rusqlite::types::Type::Integer, Box::new(error))
        };
        Timestamp::from_second(seconds).map_err(error)
    };
    Ok(Collection { number: row.get(0)?, began_at: moment(1)?, finished_at: moment(2)? })
}

fn unpacked(packed: &[u8]) -> Result<String, String> {
    let line = zstd::bulk::decompress(packed, LARGEST_ANSWER).map_err(|reason| reason.to_string())?;
    String::from_utf8(line).map_err(|reason| reason.to_string())
}

fn lost(action: &str, reason: impl std::fmt::Display) -> Problem {
    Problem::lost("collection", None, format!("could not {action}: {reason}"))
}

impl StoredCheckpoints<'_> {
    /// The number of the collection as answers name it.
    fn number(&self) -> Result<String, Problem> {
        self.collection.map(|number| number.to_string()).ok_or_else(|| lost("go on", "it has not begun"))
    }

    /// The answer under a key in a collection; none if the call failed.
    fn answer(&self, number: &str, key: &str) -> Result<Option<String>, Problem> {
        let fail = |reason| lost("read an answer that was kept", reason);
        let sql = "SELECT answer FROM checkpoints WHERE tenant = ?1 AND run = ?2 AND call = ?3 AND failed = 0";
        let mut statement = self.store.database.prepare_cached(sql).map_err(fail)?;
        let row = statement.query_row([self.tenant.as_str(), number, key], |row| row.get::<_, Vec<u8>>(0));
        let Some(packed) = row.optional().map_err(fail)? else { return Ok(None) };
        unpacked(&packed).map(Some).map_err(|reason| lost("unpack an answer that was kept", reason))
    }

    fn unfinished(&self) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT number FROM collections WHERE tenant = ?1 AND connector = ?2 AND finished_at IS NULL
                   ORDER BY number DESC LIMIT 1";
        self.store.database.query_row(sql, [&self.tenant, &self.connector], |row| row.get(0)).optional()
    }

    fn begun(&mut self, now: Timestamp, oldest: Timestamp) -> rusqlite::Result<u64> {
        let database = &self.store.database;
        let Some(number) = self.unfinished()? else {
            let sql = "INSERT INTO collections (tenant, connector, began_at) VALUES (?1, ?2, ?3)";
            database.execute(sql, params![self.tenant, self.connector, now.as_second()])?;
            self.collection = Some(database.last_insert_rowid());
            return Ok(0);
        };
        self.collection = Some(number);
        let run = number.to_string();
        let forget = "DELETE FROM checkpoints WHERE tenant = ?1 AND run = ?2 AND (failed = 1 OR kept_at < ?3)";
        database.execute(forget, params![self.tenant, run, oldest.as_second()])?;
        let count = "SELECT count(*) FROM checkpoints WHERE tenant = ?1 AND run = ?2";
        let left: i64 = database.query_row(count, [&self.tenant, &run], |row| row.get(0))?;
        if left == 0 {
            database.execute("UPDATE collections SET began_at = ?1 WHERE number = ?2", [now.as_second(), number])?;
        }
        Ok(left.unsigned_abs())
    }

    /// This collection is the one that counts; the earlier ones go, with their answers.
    fn finished(&self, number: i64, at: Timestamp) -> rusqlite::Result<()> {
        let transaction = self.store.database.unchecked_transaction()?;
        transaction.execute("UPDATE collections SET finished_at = ?1 WHERE number = ?2", [at.as_second(), number])?;
        let row = params![self.tenant, self.connector, number];
        let answers = format!("DELETE FROM checkpoints WHERE tenant = ?1 AND run IN ({NUMBERS} AND number <> ?3)");
        transaction.execute(&answers, row)?;
        let earlier = "DELETE FROM collections WHERE tenant = ?1 AND connector = ?2 AND number <> ?3";
        transaction.execute(earlier, row)?;
        transaction.commit()
    }
}

impl Checkpoints for StoredCheckpoints<'_> {
    fn begin(&mut self, now: Timestamp, oldest: Timestamp) -> Result<u64, Problem> {
        self.begun(now, oldest).map_err(|reason| lost("begin", reason))
    }

    fn kept(&mut self, key: &str) -> Result<Option<String>, Problem> {
        self.answer(&self.number()?, key)
    }

    fn earlier(&mut self, key: &str) -> Result<Option<String>, Problem> {
        let last = self.store.last_collection(&self.tenant, &self.connector);
        match last.map_err(|reason| lost("find the last one", reason))? {
            Some(last) => self.answer(&last.number.to_string(), key),
            None => Ok(None),
        }
    }

    fn keep(&mut self, key: &str, line: &str, at: Timestamp, failed: bool) -> Result<(), Problem> {
        let packed = zstd::bulk::compress(line.as_bytes(), PACKING).map_err(|reason| lost("pack an answer", reason))?;
        let sql = "INSERT INTO checkpoints (tenant, run, call, answer, kept_at, failed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (tenant, run, call) DO UPDATE
                   SET answer = excluded.answer, kept_at = excluded.kept_at, failed = excluded.failed";
        let row = params![self.tenant, self.number()?, key, packed, at.as_second(), failed];
        self.store
            .database
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(row))
            .map_err(|reason| lost("keep an answer", reason))?;
        Ok(())
    }

    fn finish(&mut self, at: Timestamp) -> Result<(), Problem> {
        let Some(number) = self.collection else { return Err(lost("finish", "it has not begun")) };
        self.finished(number, at).map_err(|reason| lost("finish", reason))
    }
}
