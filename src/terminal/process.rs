//! The processes below a pane, read from `/proc`. Reads a few small files per process and starts nothing.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::open::open_regular;

/// Processes looked at below one pane: an agent with a running build has dozens.
const PROCESSES_MAX: usize = 512;
/// Folders between a program's file and its package's: Codex has five.
const PACKAGE_DEPTH_MAX: usize = 8;
/// Bytes of a `package.json`.
const PACKAGE_BYTES_MAX: u64 = 256 * 1024;
/// Clock ticks per second in `/proc/<pid>/stat`: fixed for user space on every Linux architecture (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;
/// Interactive shells: a brief typed there would be executed.
const SHELLS: [&str; 12] = [
    "sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "ash", "busybox", "tcsh", "csh", "nu",
];
/// Programs that run a script: the script's name counts.
const INTERPRETERS: [&str; 7] = ["node", "nodejs", "bun", "deno", "python", "ruby", "tsx"];

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// The kernel's short name, at most 15 bytes.
    pub name: String,
    /// Its arguments.
    pub argv: Vec<String>,
    /// When it started, clock ticks since boot: with the pid, an identity.
    pub start_ticks: u64,
    /// Whether its group is the terminal's foreground group.
    pub foreground: bool,
}

impl Process {
    /// Reads one; `None` if it is gone.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let stat = String::from_utf8_lossy(&std::fs::read(root.join("stat")).ok()?).into_owned();
        // The name stands in parentheses and may hold parentheses itself: the last one ends it.
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| {
            fields
                .get(index)
                .and_then(|field| field.parse::<i64>().ok())
        };
        let group = number(2)?;
        let argv = std::fs::read(root.join("cmdline")).unwrap_or_default();
        let argv = argv
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .filter(|word| !word.is_empty())
            .collect();
        Some(Self {
            pid,
            parent: u32::try_from(number(1)?).ok()?,
            group: u32::try_from(group).ok()?,
            name,
            argv,
            start_ticks: fields.get(19)?.parse().ok()?,
            foreground: number(5)? == group,
        })
    }

    /// Returns whether this is one of the programs: by its own name, or by the script an interpreter or shell runs.
    pub fn is_one_of(&self, programs: &[String]) -> bool {
        let own = self.argv.first().map_or("", |word| base_name(word));
        let named = |name: &str| {
            programs
                .iter()
                .any(|program| program == name || (name.len() == 15 && program.starts_with(name)))
        };
        if is_shell(own) || is_shell(&self.name) {
            // Its own name never counts: a bare shell is no agent, whatever a profile says.
            return self.script().is_some_and(|script| named(base_name(script)));
        }
        if named(own) || named(&self.name) {
            return true;
        }
        INTERPRETERS.contains(&versionless(own))
            && self
                .script()
                .is_some_and(|script| named(base_name(script)) || named(stem(base_name(script))))
    }

    /// Returns whether this is a shell that reads commands from the terminal or from its argument.
    pub fn is_bare_shell(&self) -> bool {
        let own = self
            .argv
            .first()
            .map_or(self.name.as_str(), |word| base_name(word));
        is_shell(own) && self.script().is_none()
    }

    /// Returns the first argument that is not a flag; none after `-c`.
    fn script(&self) -> Option<&str> {
        let mut words = self.argv.iter().skip(1);
        let first = words.find(|word| !word.starts_with('-') || word.starts_with("-c"))?;
        (!first.starts_with('-')).then_some(first)
    }

    /// Returns the version that the program's npm package says it has: an update changes the file a link points to and not what runs,
    /// so the running file is asked. `None` for a program that is no npm package.
    pub(super) fn package_version(&self) -> Option<String> {
        let exe = std::fs::read_link(format!("/proc/{}/exe", self.pid)).ok();
        let script = self
            .script()
            .and_then(|path| Path::new(path).canonicalize().ok());
        [script, exe].into_iter().flatten().find_map(|file| {
            let inside = file
                .ancestors()
                .skip(1)
                .take_while(|folder| !folder.ends_with("node_modules"))
                .take(PACKAGE_DEPTH_MAX);
            if !file.iter().any(|part| part == "node_modules") {
                return None;
            }
            inside.into_iter().find_map(|folder| {
                let file = open_regular(&folder.join("package.json")).ok()?;
                let facts: serde_json::Value =
                    serde_json::from_reader(file.take(PACKAGE_BYTES_MAX)).ok()?;
                facts.get("version")?.as_str().map(str::to_owned)
            })
        })
    }

    /// Returns when it started, on the wall clock; `None` if the boot time cannot be read.
    pub fn started(&self) -> Option<Timestamp> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: i64 = stat
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()?;
        let since_boot =
            SignedDuration::from_secs(i64::try_from(self.start_ticks / TICKS_PER_SECOND).ok()?);
        Timestamp::from_second(boot)
            .ok()?
            .checked_add(since_boot)
            .ok()
    }
}

/// The processes below one pane's first process, that one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTree {
    /// In breadth-first order, at most 512.
    pub processes: Vec<Process>,
}

impl ProcessTree {
    /// Reads the tree below `root`; empty if it is gone.
    pub fn below(root: u32) -> Self {
        let mut tree = Self::default();
        let mut waiting = vec![root];
        let mut known = BTreeSet::from([root]);
        let mut next = 0;
        while next < waiting.len() && tree.processes.len() < PROCESSES_MAX {
            let pid = waiting[next];
            next += 1;
            let Some(process) = Process::read(pid) else {
                continue;
            };
            waiting.extend(
                children(pid)
                    .into_iter()
                    .filter(|child| known.insert(*child)),
            );
            tree.processes.push(process);
        }
        tree
    }

    /// Returns the first process that is one of the programs, one in the foreground first.
    pub fn agent(&self, programs: &[String]) -> Option<&Process> {
        let hits = || {
            self.processes
                .iter()
                .filter(|process| process.is_one_of(programs))
        };
        hits()
            .find(|process| process.foreground)
            .or_else(|| hits().next())
    }

    /// Returns a bare shell that has the terminal.
    pub fn shell_in_front(&self) -> Option<&Process> {
        self.processes
            .iter()
            .find(|process| process.foreground && process.is_bare_shell())
    }

    /// Returns whether a process is in the tree.
    pub fn has(&self, pid: u32) -> bool {
        self.processes.iter().any(|process| process.pid == pid)
    }
}

/// Reads the children of every thread of a process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn is_shell(name: &str) -> bool {
    // A login shell's name starts with a hyphen.
    SHELLS.contains(&name.strip_prefix('-').unwrap_or(name))
}

fn base_name(path: &str) -> &str {
    Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(path)
}

/// Takes a version off a program's name: `python3.11` is `python`.
fn versionless(name: &str) -> &str {
    name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.')
}

fn stem(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}
