//! Files that an agent can replace.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Opens a file to be read, if it is one: opening a FIFO waits for a writer for ever, and a device is endless.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        let what = "it is no regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_and_a_folder_are_refused_at_once_and_a_link_to_a_file_is_read() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        for name in ["fifo", ".", "/dev/zero"] {
            let found = open_regular(&path(name)).map_err(|error| error.kind());
            assert_eq!(found.unwrap_err(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(open_regular(&path("link")).is_ok());
        let missing = open_regular(&path("missing")).map_err(|error| error.kind());
        assert_eq!(missing.unwrap_err(), io::ErrorKind::NotFound);
    }
}
