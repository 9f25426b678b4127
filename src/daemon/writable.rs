//! Whether the daemon may write into a project's folder: in a unit's sandbox only where the unit says so.

use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::daemon::hands::Hands;
use crate::domain::Hold;

/// Returns what is said of a folder that the daemon may not write into. One that is not there is somebody else's to say.
pub fn hold(hands: &Hands) -> Option<Hold> {
    let project = hands.project()?;
    let ours = project.path.join(".pointsman");
    let folder = if ours.is_dir() { &ours } else { &project.path };
    let hint = match refused(folder)? {
        Errno::ROFS => {
            "the service does not know the folder yet: `pointsman service install` tells it, and restarts it"
        }
        _ => "check who owns it: the daemon's user puts its briefs there",
    };
    Some(Hold::NotWritable {
        path: folder.display().to_string(),
        hint: hint.to_owned(),
    })
}

fn refused(folder: &Path) -> Option<Errno> {
    match access(folder, Access::WRITE_OK) {
        Err(errno @ (Errno::ROFS | Errno::ACCESS | Errno::PERM)) => Some(errno),
        Ok(()) | Err(_) => None,
    }
}
