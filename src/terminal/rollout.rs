//! Codex's rollouts: which of them are an agent's.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::open::open_regular;
use super::process::Process;
use super::receipt::{Whereabouts, is_same, is_young};

/// Below the agents' home.
const SESSIONS: &str = ".codex/sessions";
/// Entries looked at, newest first: a year of forty conversations a day.
const ENTRIES_MAX: usize = 16 * 1024;
/// Rollouts that are young enough, of whatever folder.
const YOUNG_MAX: usize = 512;
/// Bytes of a rollout's first line, which names its folder.
const HEAD_BYTES_MAX: u64 = 256 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Newest first.
    pub(super) files: Vec<PathBuf>,
    /// Whether there is no other: everything was looked at, and could be read.
    pub(super) is_all: bool,
}

/// Finds the rollouts that belong to the folder and are not older than the agent's process. `folder_of` reads one's folder.
pub(super) fn find(at: &Whereabouts, folder_of: impl Fn(&Path) -> Option<PathBuf>) -> Found {
    let born = at.agent.as_ref().and_then(Process::started);
    let mut walk = Walk::default();
    // Year, month, day: their names sort by time.
    let mut level = vec![at.home.join(SESSIONS)];
    for _ in 0..4 {
        level = level.iter().flat_map(|folder| walk.inner(folder)).collect();
    }
    let mut found = Found {
        files: Vec::new(),
        is_all: !walk.is_cut,
    };
    let rollouts = level
        .into_iter()
        .filter(|path| is_rollout(path) && is_young(path, born));
    for (n, path) in rollouts.enumerate() {
        if n == YOUNG_MAX {
            found.is_all = false;
            break;
        }
        match folder_of(&path) {
            Some(folder) if is_same(&folder, &at.cwd) => found.files.push(path),
            Some(_) => {}
            None => found.is_all = false,
        }
    }
    found
}

/// Entries looked at so far.
#[derive(Debug, Default)]
struct Walk {
    seen: usize,
    is_cut: bool,
}

impl Walk {
    /// Lists what is in a folder, the last name first; a file in a folder's place has nothing in it.
    fn inner(&mut self, folder: &Path) -> Vec<PathBuf> {
        let left = ENTRIES_MAX.saturating_sub(self.seen);
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let is_nothing =
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
                self.is_cut |= !is_nothing;
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => found.push(entry.path()),
                Err(_) => self.is_cut = true,
            }
        }
        found.sort();
        found.reverse();
        self.is_cut |= found.len() > left;
        found.truncate(left);
        self.seen += found.len();
        found
    }
}

/// Returns the rollouts that the agent's own process holds open, newest first: of the first process from the agent downwards that
/// holds any, because further down may be an agent that the agent started.
pub(super) fn held(home: &Path, processes: &[Process], agent: &Process) -> Vec<PathBuf> {
    let Ok(sessions) = home.join(SESSIONS).canonicalize() else {
        return Vec::new();
    };
    let mut own = BTreeSet::from([agent.pid]);
    // Parents stand before their children.
    for process in processes {
        if own.contains(&process.parent) {
            own.insert(process.pid);
        }
    }
    let own = processes
        .iter()
        .filter(|process| own.contains(&process.pid));
    own.map(|process| open_rollouts(process.pid, &sessions))
        .find(|held| !held.is_empty())
        .unwrap_or_default()
}

fn open_rollouts(pid: u32, sessions: &Path) -> Vec<PathBuf> {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let links = open
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let found: BTreeSet<PathBuf> = links
        .filter(|path| path.starts_with(sessions) && is_rollout(path))
        .collect();
    found.into_iter().rev().collect()
}

fn is_rollout(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "jsonl")
}

/// Reads the folder a rollout belongs to from its first record, `session_meta`.
pub(super) fn folder(path: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    open_regular(path)
        .ok()?
        .take(HEAD_BYTES_MAX)
        .read_to_end(&mut head)
        .ok()?;
    let record: Value = serde_json::from_slice(head.split(|byte| *byte == b'\n').next()?).ok()?;
    record
        .pointer("/payload/cwd")
        .or_else(|| record.get("cwd"))?
        .as_str()
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Signals;
    use crate::machine::resolve::{Claim, Source};
    use crate::terminal::agent_files::{Wanted, listen};
    use crate::terminal::turns::FileCache;
    use jiff::Timestamp;
    use serde_json::json;

    /// So long after this process started.
    fn second(after: u64) -> Timestamp {
        let born = Process::read(std::process::id()).unwrap().started();
        born.unwrap() + std::time::Duration::from_secs(after)
    }

    /// An agents' home whose agent is this very process: what it holds open is open.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            let home = Self(tempfile::TempDir::new().unwrap());
            std::fs::create_dir_all(home.0.path().join(".codex")).unwrap();
            home
        }

        fn path(&self, name: &str) -> PathBuf {
            let day = self.0.path().join(SESSIONS).join("2026/11/20");
            std::fs::create_dir_all(&day).unwrap();
            day.join(format!("rollout-{name}.jsonl"))
        }

        fn rollout(&self, name: &str, cwd: &str, kinds: &[&str]) -> PathBuf {
            let mut text = format!(
                "{}\n",
                json!({"type": "session_meta", "payload": {"cwd": cwd}})
            );
            for kind in kinds {
                let record = json!({"timestamp": second(1).to_string(), "payload": {"type": kind}});
                text += &format!("{record}\n");
            }
            std::fs::write(self.path(name), text).unwrap();
            self.path(name)
        }

        fn says(&self) -> Vec<Claim> {
            let process = Process::read(std::process::id()).unwrap();
            let wanted = Wanted {
                signals: Signals {
                    codex_rollout: true,
                    ..Signals::default()
                },
                processes: vec![process.clone()],
                agent: Some(process),
                cwd: "/src/shop".into(),
                pane: "%1".into(),
                hooks: None,
                version: false,
                now: second(2),
            };
            let heard = listen(self.0.path(), &FileCache::default(), &wanted);
            let own = heard.rows.into_iter();
            own.filter(|row| row.source == Source::Rollout)
                .map(|row| row.claim)
                .collect()
        }
    }

    #[test]
    fn of_several_rollouts_of_a_folder_only_the_one_held_open_is_heard() {
        let home = Home::new();
        assert_eq!(home.says(), [Claim::Idle], "no turn since it started");
        let work = ["task_started"];
        let done = ["task_started", "task_complete"];
        let ours = home.rollout("1-ours", "/src/shop", &work);
        assert_eq!(home.says(), [Claim::Busy], "the only one");
        home.rollout("2-other", "/src/shop", &done);
        assert_eq!(home.says(), [], "the newer one is another agent's, perhaps");
        let held = std::fs::File::open(&ours).unwrap();
        assert_eq!(home.says(), [Claim::Busy]);
        let other = std::fs::File::open(home.path("2-other")).unwrap();
        assert_eq!(home.says(), [Claim::Busy], "of two, the one at work");
        drop(held);
        assert_eq!(home.says(), [Claim::Idle]);
        drop(other);
    }

    #[test]
    fn no_turn_is_said_only_if_every_rollout_was_read() {
        let home = Home::new();
        for n in 0..100 {
            home.rollout(&format!("9-{n:03}"), "/src/other", &["task_started"]);
        }
        assert_eq!(home.says(), [Claim::Idle]);
        home.rollout("1-ours", "/src/shop", &["task_started"]);
        assert_eq!(
            home.says(),
            [Claim::Busy],
            "behind a hundred of another folder"
        );
        std::fs::remove_file(home.path("1-ours")).unwrap();
        std::fs::write(home.path("1-torn"), "{\"type\":").unwrap();
        assert_eq!(home.says(), [], "whose it is cannot be told");
    }
}
