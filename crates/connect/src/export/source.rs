//! Which files an estate consists of, and their bytes unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use yagura_model::Problem;

/// How deep folders may stand inside each other.
const DEEPEST_FOLDER: usize = 32;
/// The largest window a zstd frame may ask for: 2^27 bytes.
const LARGEST_ZSTD_WINDOW: u32 = 27;

/// One file of an estate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub path: PathBuf,
    /// Whether the user named this file; one found in a folder may be no export.
    pub named: bool,
}

impl Source {
    /// The name for people.
    pub(crate) fn name(&self) -> String {
        if self.is_standard_input() { "standard input".to_owned() } else { self.path.display().to_string() }
    }

    fn is_standard_input(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The bytes, unpacked as their first bytes say (gzip, zstd), with a count of the packed bytes that were read.
    pub(crate) fn open<'p>(&self, progress: &'p dyn Fn(u64)) -> io::Result<Box<dyn Read + 'p>> {
        let raw: Box<dyn Read> =
            if self.is_standard_input() { Box::new(io::stdin()) } else { Box::new(File::open(&self.path)?) };
        unpacked(Counted { inner: raw, progress })
    }
}

struct Counted<'p> {
    inner: Box<dyn Read>,
    progress: &'p dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        (self.progress)(count as u64);
        Ok(count)
    }
}

/// A stream unpacked as its first bytes say.
pub(crate) fn unpacked<'p>(mut raw: impl Read + 'p) -> io::Result<Box<dyn Read + 'p>> {
    let mut first = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut first)?;
    let packing = Packing::of(&first);
    let whole = io::Cursor::new(first).chain(raw);
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, whole))),
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(LARGEST_ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Packing::None => Box::new(whole),
    })
}

enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The files that the given files and folders stand for, in a stable order, with what could not be listed.
pub(crate) fn sources(paths: &[PathBuf]) -> (Vec<Source>, Vec<Problem>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            folder(path, 0, &mut found, &mut problems);
        } else {
            found.push(Source { path: path.clone(), named: true });
        }
    }
    (found, problems)
}

fn folder(path: &Path, depth: usize, found: &mut Vec<Source>, problems: &mut Vec<Problem>) {
    let fail = |reason: String| Problem::lost(path.display().to_string(), None, reason);
    let say = |path: &Path, what: &str| Problem::note(path.display().to_string(), None, what);
    if depth > DEEPEST_FOLDER {
        return problems.push(fail(format!("folders more than {DEEPEST_FOLDER} deep are not read")));
    }
    let entries = match std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return problems.push(fail(format!("could not list the folder: {error}"))),
    };
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.to_string_lossy().ends_with(".jsonl.part") {
            let message = "is a recording that was interrupted; it was not read";
            problems.push(Problem::lost(path.display().to_string(), None, message));
            continue;
        }
        // A link to a folder could lead back here; a link to a file is read as that file.
        let is_link = path.symlink_metadata().is_ok_and(|facts| facts.is_symlink());
        match path.metadata() {
            Err(error) => {
                problems.push(Problem::lost(path.display().to_string(), None, format!("leads nowhere: {error}")))
            }
            Ok(facts) if facts.is_file() => found.push(Source { path, named: false }),
            Ok(facts) if !facts.is_dir() => problems.push(say(&path, "is neither a file nor a folder; skipped")),
            Ok(_) if is_link => problems.push(say(&path, "is a link to a folder; not followed")),
            Ok(_) => folder(&path, depth + 1, found, problems),
        }
    }
}
