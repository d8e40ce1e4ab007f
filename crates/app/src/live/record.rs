//! Recordings: one file of answers a connector.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// How the name of a recording ends that is not whole.
const UNDER_WAY: &str = "jsonl.part";

/// Makes the folder. One that holds something is refused: old answers among new ones would be read as one estate. What a
/// recording left that was interrupted goes: it is written again from the start.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    let list = || format!("could not list the folder {}", folder.display());
    let mut left = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let path = entry.with_context(list)?.path();
        if !path.to_string_lossy().ends_with(&format!(".{UNDER_WAY}")) {
            bail!("the folder {} of the recording is not empty", folder.display());
        }
        left.push(path);
    }
    for path in left {
        std::fs::remove_file(&path).with_context(|| format!("could not remove {}", path.display()))?;
    }
    Ok(())
}

/// A recording under way. It gets its name when it is whole, so that half of one is not taken for all.
pub struct Recording {
    out: BufWriter<File>,
    under_way: PathBuf,
    whole: PathBuf,
    /// A line could not be written: it never becomes whole.
    broken: bool,
}

impl Recording {
    /// The recording of a connector, whose answers only the owner may read: documents hold what the cloud told.
    pub fn new(folder: &Path, connector: &str) -> anyhow::Result<Self> {
        let whole = folder.join(format!("{connector}.jsonl"));
        let under_way = folder.join(format!("{connector}.{UNDER_WAY}"));
        let mut options = File::options();
        options.create_new(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&under_way).with_context(|| format!("could not make {}", under_way.display()))?;
        Ok(Self { out: BufWriter::new(file), under_way, whole, broken: false })
    }

    /// Writes one answer.
    pub fn line(&mut self, line: &str) -> std::io::Result<()> {
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        self.broken |= written.is_err();
        written
    }

    /// Everything is written.
    pub fn finish(mut self) -> std::io::Result<()> {
        if self.broken {
            return Err(std::io::Error::other(format!("{} is not whole", self.under_way.display())));
        }
        self.out.flush()?;
        std::fs::rename(&self.under_way, &self.whole)
    }
}
