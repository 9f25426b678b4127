//! The text of the units: the shipped ones with this machine's paths in them. Plain text in, plain text out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::edge;
use crate::cli::service::sealed;
use crate::domain::{Project, SessionChoice};

/// The unit of the agents' tmux server.
pub(in crate::cli) const SERVER: &str = "pointsman-tmux.service";
/// The daemon's unit.
pub(in crate::cli) const DAEMON: &str = "pointsman.service";
/// The unit of the relay, where there are two users.
pub(in crate::cli) const RELAY: &str = "pointsman-relay.service";
/// What the daemon may write, and what else depends on the projects: beside its unit.
pub(super) const PROJECTS: &str = "pointsman.service.d/projects.conf";

const USER_SERVER: &str = include_str!("../../../systemd/user/pointsman-tmux.service");
const USER_DAEMON: &str = include_str!("../../../systemd/user/pointsman.service");
const SYSTEM_SERVER: &str = include_str!("../../../systemd/pointsman-tmux.service");
const SYSTEM_DAEMON: &str = include_str!("../../../systemd/pointsman.service");
const SYSTEM_RELAY: &str = include_str!("../../../systemd/pointsman-relay.service");

/// What the shipped units have in the place of a machine's own.
const SHIPPED_PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin";
const SHIPPED_TMUX: &str = "/usr/bin/tmux";
const SHIPPED_STATE: &str = "%h/.local/state/pointsman";
const SHIPPED_USER: &str = "User=agents";

/// Folders every machine has, after those of the person's own PATH.
const FOLDERS_LAST: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Whose manager runs the units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Scope {
    /// A person's own, on a workstation.
    User,
    /// The machine's.
    System {
        /// The account that agents run as.
        agents: String,
        /// The account that the daemon runs as; the agents', unless there are two users.
        daemon: String,
    },
}

impl Scope {
    /// Returns the words every `systemctl` of it starts with.
    pub(in crate::cli) fn systemctl(&self) -> &'static [&'static str] {
        match self {
            Self::User => &["systemctl", "--user"],
            Self::System { .. } => &["systemctl"],
        }
    }

    /// Returns the account whose verbs reach this daemon, if it is not the caller's own.
    pub(super) fn caller(&self) -> Option<&str> {
        match self {
            Self::User => None,
            Self::System { daemon, .. } => Some(daemon),
        }
    }

    /// Returns its units, the server first.
    pub(in crate::cli) fn units(&self) -> &'static [&'static str] {
        match self.two() {
            Some(_) => &[SERVER, RELAY, DAEMON],
            None => &[SERVER, DAEMON],
        }
    }

    /// Returns the two accounts, agents' and daemon's, where they are two.
    pub(in crate::cli) fn two(&self) -> Option<(&str, &str)> {
        match self {
            Self::System { agents, daemon } if agents != daemon => Some((agents, daemon)),
            Self::System { .. } | Self::User => None,
        }
    }
}

/// One machine's place for the units, and what stands in them.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Site {
    pub(in crate::cli) scope: Scope,
    /// Where the manager looks for units.
    pub(in crate::cli) units: PathBuf,
    pub(in crate::cli) config: PathBuf,
    pub(in crate::cli) state: PathBuf,
    /// The tmux server's socket.
    pub(in crate::cli) socket: PathBuf,
    pub(in crate::cli) home: PathBuf,
    /// Whether configuration and state lie where the daemon looks by itself.
    pub(super) is_default: bool,
}

/// The programs the units start, and where these find theirs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) pointsman: PathBuf,
    pub(super) tmux: PathBuf,
    /// The value of PATH.
    pub(super) path: String,
    /// The same without what is the agents': under two users the daemon starts nothing that they can replace.
    pub(super) path_apart: String,
}

/// A file that belongs on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Wanted {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) text: String,
}

/// Writes the pair and what goes with it.
pub(super) fn pair(site: &Site, programs: &Programs, projects: &[&Project]) -> Vec<Wanted> {
    let (server, daemon) = match &site.scope {
        Scope::User => (USER_SERVER, USER_DAEMON),
        Scope::System { .. } => (SYSTEM_SERVER, SYSTEM_DAEMON),
    };
    let (mut server, mut daemon) = (body(server), body(daemon));
    let theirs = quoted(&format!("PATH={}", programs.path));
    let ours = if site.scope.two().is_some() {
        let handed_on = quoted(&format!("{}={}", edge::AGENTS_PATH, programs.path));
        let apart = quoted(&format!("PATH={}", programs.path_apart));
        format!("{apart}\nEnvironment={handed_on}")
    } else {
        theirs.clone()
    };
    put(&mut server, SHIPPED_PATH, &theirs);
    put(&mut daemon, SHIPPED_PATH, &ours);
    put(&mut server, SHIPPED_TMUX, &word(&programs.tmux));
    let start = match &site.scope {
        Scope::User => "ExecStart=%h/.cargo/bin/pointsman ",
        Scope::System { .. } => "ExecStart=/usr/local/bin/pointsman ",
    };
    let ours = format!("ExecStart={} ", word(&programs.pointsman));
    put(&mut daemon, start, &ours);
    match &site.scope {
        Scope::User => of_a_person(site, &mut server, &mut daemon),
        Scope::System {
            agents,
            daemon: account,
        } => {
            put(&mut server, SHIPPED_USER, &format!("User={agents}"));
            put(&mut daemon, SHIPPED_USER, &format!("User={account}"));
            if site.scope.two().is_some() {
                of_two_users(site, (agents, account), &mut server, &mut daemon);
            }
        }
    }
    let mut files = vec![
        wanted(site.units.join(SERVER), &server),
        wanted(site.units.join(DAEMON), &daemon),
        of_projects(site, projects),
    ];
    if let Some((agents, account)) = site.scope.two() {
        let relay = of_relay(programs, agents, account);
        files.insert(1, wanted(site.units.join(RELAY), &relay));
    }
    files
}

/// The relay's, which only two users have.
fn of_relay(programs: &Programs, agents: &str, account: &str) -> String {
    let mut relay = body(SYSTEM_RELAY);
    let path = quoted(&format!("PATH={}", programs.path));
    put(&mut relay, SHIPPED_PATH, &path);
    put(&mut relay, SHIPPED_USER, &format!("User={agents}"));
    let start = format!("ExecStart={} relay ", word(&programs.pointsman));
    put(
        &mut relay,
        "ExecStart=/usr/local/bin/pointsman relay ",
        &start,
    );
    put(&mut relay, "--for pointsman", &format!("--for {account}"));
    relay
}

/// Returns the file that names what the daemon may write: it alone changes when projects come and go.
pub(in crate::cli) fn of_projects(site: &Site, projects: &[&Project]) -> Wanted {
    let mut text = "# What the projects need of the daemon's sandbox.\n\n[Service]\n".to_owned();
    for project in projects {
        let _ = writeln!(
            text,
            "ReadWritePaths={}",
            quoted(&format!("-{}", project.path.display()))
        );
    }
    let adopts = |project: &&&Project| project.session != SessionChoice::Managed;
    if projects.iter().any(|project| adopts(&project)) {
        text.push_str(
            "# A pane of yours is adopted, and its server's socket lies in /tmp.\nPrivateTmp=no\n",
        );
    }
    if site.scope == Scope::User && site.token().exists() {
        let token = site.token();
        let _ = writeln!(
            text,
            "LoadCredential={}",
            quoted(&format!("github-token:{}", token.display()))
        );
    }
    wanted(site.units.join(PROJECTS), &text)
}

impl Site {
    /// Returns the file a token for GitHub is taken from, if it is there.
    pub(in crate::cli) fn token(&self) -> PathBuf {
        match self.scope {
            Scope::User => self.config.join("github-token"),
            Scope::System { .. } => PathBuf::from("/etc/credstore/pointsman.github-token"),
        }
    }
}

fn of_a_person(site: &Site, server: &mut String, daemon: &mut String) {
    let state = word(&site.state);
    put(server, SHIPPED_STATE, &state);
    put(
        daemon,
        &format!("-{SHIPPED_STATE}"),
        &quoted(&format!("-{}", site.state.display())),
    );
    if !site.is_default {
        let folders = format!(
            "[Service]\nEnvironment={} {}\n",
            quoted(&format!("STATE_DIRECTORY={}", site.state.display())),
            quoted(&format!(
                "CONFIGURATION_DIRECTORY={}",
                site.config.display()
            )),
        );
        put(daemon, "[Service]\n", &folders);
    }
}

/// What differs where agents have an account of their own (PROTOCOLS 13): the daemon is a member of the agents' group and sees their
/// processes, and what it hands to them lies in a folder of that group. Their tmux server lets nobody in but themselves.
fn of_two_users(
    site: &Site,
    (agents, account): (&str, &str),
    server: &mut String,
    daemon: &mut String,
) {
    put(
        server,
        "RuntimeDirectoryMode=0700",
        "RuntimeDirectoryMode=0700\nUMask=0027",
    );
    put(
        daemon,
        &format!("Wants={SERVER}"),
        &format!("Wants={SERVER} {RELAY}"),
    );
    put(
        daemon,
        &format!("After={SERVER}"),
        &format!("After={SERVER} {RELAY}"),
    );
    let user = format!("User={account}");
    put(
        daemon,
        &user,
        &format!("{user}\nSupplementaryGroups={agents}"),
    );
    // Agents go through it to the folder below; the control socket in it has a mode of its own.
    let folder = format!(
        "RuntimeDirectoryMode=0711\n\
         # Files for one session: written by the daemon, read by agents. Only root may give a folder their group.\n\
         ExecStartPre=+/usr/bin/install -d -o {account} -g {agents} -m 2770 %t/pointsman/agents"
    );
    put(daemon, "RuntimeDirectoryMode=0700", &folder);
    put(
        daemon,
        "ConfigurationDirectory=pointsman",
        "ConfigurationDirectory=pointsman\nConfigurationDirectoryMode=0750",
    );
    put(
        daemon,
        "CapabilityBoundingSet=",
        &format!(
            "CapabilityBoundingSet=\nReadWritePaths=-{}",
            word(&edge::agents_state(&site.state))
        ),
    );
    put(daemon, "ProtectProc=invisible", "ProtectProc=default");
    put(daemon, "UMask=0077", "UMask=0027");
}

/// What follows the shipped unit's own words about itself.
fn body(shipped: &str) -> String {
    let start = shipped.find("[Unit]").expect("a shipped unit has a [Unit]");
    shipped[start..].to_owned()
}

fn put(text: &mut String, shipped: &str, ours: &str) {
    assert!(text.contains(shipped), "a shipped unit lacks `{shipped}`");
    *text = text.replace(shipped, ours);
}

fn wanted(path: PathBuf, body: &str) -> Wanted {
    Wanted {
        path,
        text: sealed::seal(body),
    }
}

/// One word of a unit's line.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@".contains(letter);
    if text.chars().all(plain) {
        return text.into_owned();
    }
    quoted(&text)
}

/// One word in quotes, its specifiers doubled; plain words stay as they are.
fn quoted(text: &str) -> String {
    let text = text.replace('%', "%%");
    if !text.contains([' ', '"', '\'', '\\', '\t']) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the PATH of the units: the person's own folders as far as they are kept, then those every machine has.
pub(super) fn path(own: &[PathBuf], is_kept: impl Fn(&Path) -> bool) -> String {
    let mut kept: Vec<String> = Vec::new();
    let last = FOLDERS_LAST.iter().map(PathBuf::from);
    for folder in own.iter().cloned().chain(last) {
        let text = folder.to_string_lossy().into_owned();
        let is_plain = folder.is_absolute() && !text.contains([':', '\n']);
        if is_plain && is_kept(&folder) && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept.join(":")
}
