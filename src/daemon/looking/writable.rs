//! Whether a project is where the daemon can work: in a unit's sandbox only where the unit says so, and with agents of another account
//! only in that account's sessions.

use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::daemon::hands::Hands;
use crate::domain::{Hold, SessionChoice};

/// Returns what is said of an adopted pane that is not the agents', or of a folder that the daemon may not write into. One that is not
/// there is somebody else's to say.
pub fn hold(hands: &Hands) -> Option<Hold> {
    let project = hands.project()?;
    if let (Some(apart), SessionChoice::Adopted { .. }) = (&hands.places.apart, &project.session) {
        return Some(Hold::AdoptedApart {
            agents: apart.name.clone(),
            hint: format!(
                "take `session` out of {}.toml: its agent then has a session of its own",
                hands.name
            ),
        });
    }
    if let Some(why) = hands.samples.borrow().unread.clone() {
        return Some(Hold::AgentsUnread {
            hint: format!("{why}; its unit starts it again, and `pointsman doctor` looks at it"),
        });
    }
    let ours = project.path.join(".pointsman");
    let folder = if ours.is_dir() { &ours } else { &project.path };
    let hint = match refused(folder)? {
        Errno::ROFS => {
            "the service does not know the folder yet: `pointsman service install` tells it, and restarts it"
        }
        _ if hands.places.apart.is_some() => {
            "`sudo pointsman service install --two-users` makes its `.pointsman` folder for both users"
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
