//! Checkpoints of a collection, kept through a crash.

use rusqlite::params;
use yagura_model::{Checkpoints, Problem};

use crate::Store;

/// How strongly answers are packed: quick, since every page waits for it.
const PACKING: i32 = 1;
/// The largest answer that is unpacked.
const LARGEST_ANSWER: usize = 256 << 20;

/// The checkpoints of one run. A run is named by its connector; a new one begins when the last one was finished.
pub struct StoredCheckpoints<'s> {
    store: &'s mut Store,
    tenant: String,
    run: String,
}

impl Store {
    /// The checkpoints of a run.
    pub fn checkpoints(&mut self, tenant: &str, run: &str) -> StoredCheckpoints<'_> {
        StoredCheckpoints { store: self, tenant: tenant.to_owned(), run: run.to_owned() }
    }
}

fn lost(action: &str, reason: impl std::fmt::Display) -> Problem {
    Problem::lost("checkpoints", None, format!("could not {action}: {reason}"))
}

impl Checkpoints for StoredCheckpoints<'_> {
    fn each(&mut self, take: &mut dyn FnMut(&str, &str)) -> Result<(), Problem> {
        let fail = |reason| lost("read the checkpoints", reason);
        let sql = "SELECT call, answer FROM checkpoints WHERE tenant = ?1 AND run = ?2 ORDER BY place";
        let mut statement = self.store.database.prepare(sql).map_err(fail)?;
        let rows =
            statement.query_map([&self.tenant, &self.run], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fail)?;
        for row in rows {
            let (call, packed): (String, Vec<u8>) = row.map_err(fail)?;
            let line = zstd::bulk::decompress(&packed, LARGEST_ANSWER)
                .map_err(|reason| lost("unpack a checkpoint", reason))?;
            take(&call, &String::from_utf8_lossy(&line));
        }
        Ok(())
    }

    fn keep(&mut self, key: &str, line: &str) -> Result<(), Problem> {
        let packed =
            zstd::bulk::compress(line.as_bytes(), PACKING).map_err(|reason| lost("pack a checkpoint", reason))?;
        let sql = "INSERT INTO checkpoints (tenant, run, call, answer) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (tenant, run, call) DO UPDATE SET answer = excluded.answer";
        let row = params![self.tenant, self.run, key, packed];
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
