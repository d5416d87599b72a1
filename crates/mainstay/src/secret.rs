//! The server's secret: cursors and token keys derive from it.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Where a secret came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    Environment(Vec<u8>),
    File(PathBuf, Vec<u8>),
}

impl Secret {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Secret::Environment(bytes) | Secret::File(_, bytes) => bytes,
        }
    }
}

/// Commands and `dev` keep one in the app's folder; a server in production is given one.
pub const VARIABLE: &str = "MAINSTAY_SECRET";

fn from_environment() -> Option<Secret> {
    let value = std::env::var(VARIABLE).ok()?;
    (!value.trim().is_empty()).then(|| Secret::Environment(value.trim().as_bytes().to_vec()))
}

fn path(folder: &Path) -> PathBuf {
    folder.join(".mainstay").join("secret")
}

/// `MAINSTAY_SECRET`, or the file that `dev` wrote.
pub fn find(folder: &Path) -> Option<Secret> {
    from_environment().or_else(|| {
        let path = path(folder);
        let text = std::fs::read_to_string(&path).ok()?;
        (!text.trim().is_empty()).then(|| Secret::File(path, text.trim().as_bytes().to_vec()))
    })
}

/// The same, and a new file where there is none, readable by its owner alone.
pub fn find_or_make(folder: &Path) -> std::io::Result<Secret> {
    if let Some(secret) = find(folder) {
        return Ok(secret);
    }
    let path = path(folder);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let text = new_secret();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            Ok(Secret::File(path, text.into_bytes()))
        }
        // Another process was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            find(folder).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// 244 random bits, as text.
pub fn new_secret() -> String {
    format!(
        "{}{}",
        spec::Uuid::new_v4().simple(),
        spec::Uuid::new_v4().simple()
    )
}
