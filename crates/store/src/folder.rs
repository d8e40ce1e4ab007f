//! The data folder: made private, locked by one process.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::StoreError;
use crate::seal::MasterKey;

/// The variable that holds the master key (base64 of 32 bytes) instead of a file in the folder.
const KEY_VARIABLE: &str = "YAGURA_MASTER_KEY";
const KEY_FILE: &str = "master.key";

/// A data folder that this process alone uses.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder when it is not there (readable by its owner alone) and locks it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        private_folder(path).map_err(|cause| file("make the data folder", path, cause))?;
        let lock = path.join("lock");
        let opened = File::options().create(true).truncate(false).write(true).open(&lock);
        let opened = opened.map_err(|cause| file("open the lock", &lock, cause))?;
        match opened.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: opened }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(file("lock", &lock, cause)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the folder that only its owner can read, whoever can read the folder.
    pub(crate) fn private_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        keep_private(&path).map_err(|cause| file("make", &path, cause))?;
        Ok(path)
    }

    /// The key that seals credentials: from `YAGURA_MASTER_KEY`, else from the folder, where the first use makes one. Where
    /// something is sealed already (`sealed`), a new one would open nothing, and is not made.
    pub(crate) fn master_key(&self, sealed: bool) -> Result<MasterKey, StoreError> {
        if let Ok(text) = std::env::var(KEY_VARIABLE) {
            return decoded(&text);
        }
        let path = self.path.join(KEY_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => decoded(&text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && !sealed => new_key(&path),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Err(StoreError::Sealed(
                "the stored credentials are sealed with a master key that is gone: put back `master.key`, or name it in \
                 YAGURA_MASTER_KEY",
            )),
            Err(cause) => Err(file("read the master key", &path, cause)),
        }
    }
}

fn file(action: &'static str, path: &Path, cause: std::io::Error) -> StoreError {
    StoreError::File { action, path: path.to_owned(), cause }
}

fn decoded(text: &str) -> Result<MasterKey, StoreError> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok();
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(MasterKey::new).ok_or(StoreError::Sealed("the master key is not the base64 of 32 bytes"))
}

fn new_key(path: &Path) -> Result<MasterKey, StoreError> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::Sealed("the system gives no random bytes"))?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    // Under another name first, so that a disk that is full leaves no half of a key.
    let half = path.with_extension("part");
    let _ = std::fs::remove_file(&half);
    let written = private_file(&half).and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()));
    let written = written.and_then(|()| std::fs::rename(&half, path));
    written.map_err(|cause| file("write the master key", path, cause))?;
    Ok(MasterKey::new(bytes))
}

/// Makes a file of the folder readable by its owner alone, and makes it if it is not there.
#[cfg(unix)]
fn keep_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn keep_private(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

#[cfg(unix)]
fn private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().create_new(true).write(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> std::io::Result<File> {
    File::options().create_new(true).write(true).open(path)
}
