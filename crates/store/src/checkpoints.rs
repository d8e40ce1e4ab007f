//! Checkpoints of a collection, kept through a crash.

use rusqlite::{OptionalExtension, params};
use yagura_model::{Checkpoints, Problem, Timestamp};

use crate::Store;

/// How strongly answers are packed: quick, since every page waits for it.
const PACKING: i32 = 1;
/// The largest answer that is unpacked.
const LARGEST_ANSWER: usize = 256 << 20;

/// The checkpoints of one run. A run is named by its connector; a new one begins when the last one was finished.
pub struct StoredCheckpoints<'s> {
    store: &'s Store,
    tenant: String,
    run: String,
}

impl Store {
    /// The checkpoints of a run.
    pub fn checkpoints(&self, tenant: &str, run: &str) -> StoredCheckpoints<'_> {
        StoredCheckpoints { store: self, tenant: tenant.to_owned(), run: run.to_owned() }
    }
}

fn lost(action: &str, reason: impl std::fmt::Display) -> Problem {
    Problem::lost("checkpoints", None, format!("could not {action}: {reason}"))
}

impl Checkpoints for StoredCheckpoints<'_> {
    fn begin(&mut self, oldest: Timestamp) -> Result<u64, Problem> {
        let database = &self.store.database;
        let forget = "DELETE FROM checkpoints WHERE tenant = ?1 AND run = ?2 AND kept_at < ?3";
        let row = params![self.tenant, self.run, oldest.as_second()];
        database.execute(forget, row).map_err(|reason| lost("forget old checkpoints", reason))?;
        let count = "SELECT count(*) FROM checkpoints WHERE tenant = ?1 AND run = ?2";
        let left = database.query_row(count, [&self.tenant, &self.run], |row| row.get::<_, i64>(0));
        let left = left.map_err(|reason| lost("count the checkpoints", reason))?;
        Ok(left.unsigned_abs())
    }

    fn kept(&mut self, key: &str) -> Result<Option<String>, Problem> {
        let fail = |reason| lost("read a checkpoint", reason);
        let sql = "SELECT answer FROM checkpoints WHERE tenant = ?1 AND run = ?2 AND call = ?3";
        let mut statement = self.store.database.prepare_cached(sql).map_err(fail)?;
        let row = statement.query_row([&self.tenant, &self.run, key], |row| row.get::<_, Vec<u8>>(0));
        let Some(packed) = row.optional().map_err(fail)? else { return Ok(None) };
        let line =
            zstd::bulk::decompress(&packed, LARGEST_ANSWER).map_err(|reason| lost("unpack a checkpoint", reason))?;
        String::from_utf8(line).map(Some).map_err(|reason| lost("unpack a checkpoint", reason))
    }

    fn keep(&mut self, key: &str, line: &str, at: Timestamp) -> Result<(), Problem> {
        let packed =
            zstd::bulk::compress(line.as_bytes(), PACKING).map_err(|reason| lost("pack a checkpoint", reason))?;
        let sql = "INSERT INTO checkpoints (tenant, run, call, answer, kept_at) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (tenant, run, call)
                   DO UPDATE SET answer = excluded.answer, kept_at = excluded.kept_at";
        let row = params![self.tenant, self.run, key, packed, at.as_second()];
        self.store
            .database
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(row))
            .map_err(|reason| lost("keep a checkpoint", reason))?;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Problem> {
        let sql = "DELETE FROM checkpoints WHERE tenant = ?1 AND run = ?2";
        let deleted = self.store.database.execute(sql, [&self.tenant, &self.run]);
        deleted.map(drop).map_err(|reason| lost("clear the checkpoints", reason))
    }
}
