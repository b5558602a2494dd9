//! One owner of a store: an advisory lock that goes with the process, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    process,
};

use anyhow::{Context, Result, bail};

/// The lock of a store, held until it is dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock beside the store at `path`, and makes the folder where it is missing.
    ///
    /// # Errors
    /// Names the process that holds it.
    pub fn take(path: &Path) -> Result<Lock> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} can't be made", folder.display()))?;
        }
        take(path).map(|file| Lock { _file: file })
    }
}

fn take(path: &Path) -> Result<File> {
    let lock_path = path.with_extension("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .with_context(|| format!("the lock {} can't be opened", lock_path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).unwrap_or_default();
            bail!(
                "the store {} is in use by process {}: stop that process, or give this one another --data-dir",
                path.display(),
                owner.trim()
            );
        }
        Err(TryLockError::Error(e)) => {
            return Err(e).context(format!("{} can't be locked", lock_path.display()));
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())?;
    Ok(file)
}
