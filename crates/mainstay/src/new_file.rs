//! A file that is there whole or not at all, and its owner's alone: what exports and backups write holds everybody's
//! data.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// A file on its way. It has another name until [`NewFile::finish`], and goes away where that is never called.
pub struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    over: bool,
    file: File,
    finished: bool,
}

impl NewFile {
    /// With `over`, it takes the place of a file that is there; of nothing else than a plain file.
    pub fn create(path: &Path, over: bool) -> Result<NewFile> {
        is_free(path, over)?;
        let mut name = path
            .file_name()
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "this names no file"))?
            .to_owned();
        name.push(format!(".partial-{}", spec::Uuid::new_v4().simple()));
        let partial = path.with_file_name(name);
        let mut options = OpenOptions::new();
        // A link that somebody put there is not followed.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(NewFile {
            file: options.open(&partial)?,
            path: path.to_owned(),
            partial,
            over,
            finished: false,
        })
    }

    /// Where it is until it is finished.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Makes it durable and leaves it under the name that it has meanwhile, for somebody else to put in its place.
    pub fn keep(mut self) -> Result<PathBuf> {
        self.file.sync_all()?;
        self.finished = true;
        Ok(self.partial.clone())
    }

    /// Makes it durable and gives it its name.
    pub fn finish(mut self) -> Result<()> {
        self.file.sync_all()?;
        is_free(&self.path, self.over)?;
        std::fs::rename(&self.partial, &self.path)?;
        self.finished = true;
        sync_folder(&self.path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // With what SQLite keeps beside a database, where it is one.
        for beside in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.partial.as_os_str().to_owned();
            name.push(beside);
            let _ = std::fs::remove_file(name);
        }
    }
}

fn is_free(path: &Path, over: bool) -> Result<()> {
    let what = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(what) => what,
    };
    if !what.is_file() {
        let text =
            "it is there and no plain file; name another, or write to standard output with `-`";
        return Err(Error::new(ErrorKind::AlreadyExists, text));
    }
    match over {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::AlreadyExists,
            "it is there already; name another, or replace it with --force",
        )),
    }
}

/// Makes a folder for such files, where there is none: its owner's alone.
pub fn private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A name is durable once its folder is.
pub fn sync_folder(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let names = || {
            let entries = std::fs::read_dir(folder.path()).expect("the folder");
            entries
                .map(|e| e.expect("an entry").file_name())
                .collect::<Vec<_>>()
        };
        let mut dropped = NewFile::create(&path, false).expect("a new file");
        dropped.write_all(b"half").expect("bytes");
        drop(dropped);
        assert!(names().is_empty());
        let mut file = NewFile::create(&path, false).expect("a new file");
        file.write_all(b"one").expect("bytes");
        file.finish().expect("a name");
        assert_eq!(std::fs::read(&path).expect("the file"), b"one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path)
                .expect("the file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // What is there stays, unless it was said that it need not.
        assert!(NewFile::create(&path, false).is_err());
        let file = NewFile::create(&path, true).expect("in its place");
        file.finish().expect("a name");
        assert_eq!(std::fs::read(&path).expect("the file"), b"");
        // A file that came in the meantime stays, too.
        let other = folder.path().join("other");
        let late = NewFile::create(&other, false).expect("a new file");
        std::fs::write(&other, "somebody else's").expect("a file");
        assert!(late.finish().is_err());
        assert_eq!(std::fs::read(&other).expect("the file"), b"somebody else's");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (kept, link) = (folder.path().join("kept"), folder.path().join("link"));
        std::fs::write(&kept, "kept").expect("a file");
        std::os::unix::fs::symlink(&kept, &link).expect("a link");
        for over in [false, true] {
            assert!(NewFile::create(&link, over).is_err());
        }
        assert!(NewFile::create(Path::new("/dev/null"), true).is_err());
        assert_eq!(std::fs::read(&kept).expect("the file"), b"kept");
    }
}
