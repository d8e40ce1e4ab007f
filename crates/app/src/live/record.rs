//! Recordings: one file of answers a connector.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Makes the folder. One that holds something is refused: old answers among new ones would be read as one estate.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    let mut entries =
        std::fs::read_dir(folder).with_context(|| format!("could not list the folder {}", folder.display()))?;
    if entries.next().is_some() {
        bail!("the folder {} of the recording is not empty", folder.display());
    }
    Ok(())
}

/// A recording under way. It gets its name when it is whole, so that half of one is not taken for all.
pub struct Recording {
    out: BufWriter<File>,
    under_way: PathBuf,
    whole: PathBuf,
}

impl Recording {
    /// The recording of a connector, whose answers only the owner may read: documents hold what the cloud told.
    pub fn new(folder: &Path, connector: &str) -> anyhow::Result<Self> {
        let whole = folder.join(format!("{connector}.jsonl"));
        let under_way = folder.join(format!("{connector}.jsonl.part"));
        let mut options = File::options();
        options.create_new(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&under_way).with_context(|| format!("could not make {}", under_way.display()))?;
        Ok(Self { out: BufWriter::new(file), under_way, whole })
    }

    /// Writes one answer.
    pub fn line(&mut self, line: &str) -> std::io::Result<()> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Everything is written.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.out.flush()?;
        std::fs::rename(&self.under_way, &self.whole)
    }
}
