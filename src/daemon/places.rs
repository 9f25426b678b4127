//! Where everything lies, and what of the environment agents and gates may see. Made once by `cli`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::{Project, ProjectName, SessionChoice, TRACKER_TOKENS, Window};
use crate::repo::Users;
use crate::terminal::{AgentsHome, Relay, Tmux};

/// The folders and the environment of one installation.
#[derive(Clone, Debug)]
pub struct Places {
    /// `labels.toml`, `projects/`, `skills/`, `agents/`, `pointsman.toml`.
    pub config: PathBuf,
    /// Ledger, mirrors, local trackers, work trees, keys.
    pub state: PathBuf,
    /// The control socket and files for sessions.
    pub runtime: PathBuf,
    /// The tmux server's socket: one path per installation.
    pub socket: PathBuf,
    /// The socket of the user's own tmux server: what `default` means in `session = "default:work:1.0"`.
    pub default_socket: PathBuf,
    /// The agents' home folder.
    pub home: PathBuf,
    /// The absolute path of this binary, as briefs print it.
    pub binary: PathBuf,
    /// The whole environment of agents and gates: an allow-list, no token, no secret of ours.
    pub env: Vec<(String, String)>,
    /// What a profile may pick from by `pass_env`.
    pub offered: Offered,
    /// The agents' own account, if the daemon has another one (PROTOCOLS 13).
    pub apart: Option<Apart>,
}

/// The account of agents that are not the daemon's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uid: u32,
    /// Work trees, logs of jobs and the hooks' spool: what jobs and agents write and the daemon reads.
    pub state: PathBuf,
    /// Where its relay listens.
    pub relay: PathBuf,
}

impl Apart {
    fn relay(&self) -> Relay {
        Relay {
            socket: self.relay.clone(),
            uid: self.uid,
        }
    }
}

/// The daemon's own environment without the tracker's tokens. Its values are not for logs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Offered(BTreeMap<String, String>);

impl Offered {
    /// Takes variables; the tracker's tokens are left out.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(
            variables
                .into_iter()
                .filter(|(name, _)| !TRACKER_TOKENS.contains(&name.as_str()))
                .collect(),
        )
    }

    /// Returns a variable.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Places {
    /// Returns the socket of the server that a window of the project is on: the user's for the agent of an adopted pane, else ours.
    /// Under two users no pane is adopted, and no other server is asked.
    pub fn socket_of<'a>(&'a self, project: &'a Project, window: Window) -> &'a Path {
        match &project.session {
            SessionChoice::Adopted { socket, .. }
                if window == Window::AGENT && self.apart.is_none() =>
            {
                if socket == SessionChoice::DEFAULT_SOCKET {
                    &self.default_socket
                } else {
                    Path::new(socket)
                }
            }
            SessionChoice::Adopted { .. } | SessionChoice::Managed => &self.socket,
        }
    }

    /// Returns our own server.
    pub fn tmux(&self) -> Tmux {
        self.server(&self.socket)
    }

    /// Returns the server that a window of the project is on.
    pub fn tmux_of(&self, project: &Project, window: Window) -> Tmux {
        self.server(self.socket_of(project, window))
    }

    /// Returns the server on a socket. Under two users it is the agents', and no client of it runs as the daemon (PROTOCOLS 13).
    pub fn server(&self, socket: &Path) -> Tmux {
        match &self.apart {
            Some(apart) => Tmux::relayed(socket, apart.relay()),
            None => Tmux::new(socket),
        }
    }

    /// Returns the ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.state.join("ledger.sqlite")
    }

    /// Returns the folder of a project's local tracker.
    pub fn tracker(&self, project: &ProjectName) -> PathBuf {
        self.state.join("tracker").join(project.as_str())
    }

    /// Returns the folder of a project's bare mirror.
    pub fn mirror(&self, project: &ProjectName) -> PathBuf {
        self.state.join("mirrors").join(format!("{project}.git"))
    }

    /// Returns whether agents run as the daemon's user.
    pub fn users(&self) -> Users {
        if self.apart.is_some() {
            Users::Two
        } else {
            Users::One
        }
    }

    /// Returns who does in the agents' folders what the daemon may not, if it is another account.
    pub fn relay(&self) -> Option<Relay> {
        self.apart.as_ref().map(Apart::relay)
    }

    /// Returns the agents' home, with who reads it.
    pub fn agents_home(&self) -> AgentsHome {
        match &self.apart {
            Some(apart) => AgentsHome::relayed(&self.home, apart.relay()),
            None => AgentsHome::from(&self.home),
        }
    }

    /// Returns the folder of what jobs write.
    fn jobs(&self) -> &Path {
        self.apart
            .as_ref()
            .map_or(&self.state, |apart| &apart.state)
    }

    /// Returns the folder of a project's own trees.
    pub fn trees(&self, project: &ProjectName) -> PathBuf {
        self.jobs().join("trees").join(project.as_str())
    }

    /// Returns the folder in which a window's agent works.
    pub fn tree(&self, project: &Project, window: Window) -> PathBuf {
        match window {
            window if project.git && window != Window::AGENT => {
                self.trees(&project.name).join(window.as_str())
            }
            Window::Agent(_) | Window::Check => project.path.clone(),
        }
    }

    /// Returns the windows that are ours in the project's session: of its agents, of its checker, and of an agent that it had before,
    /// whose tree is still there. Any other is a person's, whatever its name.
    pub fn windows(&self, project: &Project) -> Vec<Window> {
        let has_tree = |window| project.git && self.tree(project, window).join(".git").exists();
        let is_ours = |window: &Window| {
            let is_had = || project.agents().any(|agent| agent == *window);
            *window == Window::Check || is_had() || has_tree(*window)
        };
        Window::all().filter(is_ours).collect()
    }

    /// Returns every folder in which an agent of the project may work, with its window; some may not be there.
    pub fn agents_trees(&self, project: &Project) -> Vec<(Window, PathBuf)> {
        let own = Window::all().filter(|window| project.git || *window == Window::AGENT);
        own.map(|window| (window, self.tree(project, window)))
            .collect()
    }

    /// Returns the tree in which gates run.
    pub fn gate_tree(&self, project: &Project) -> PathBuf {
        if project.git {
            self.trees(&project.name).join("gate")
        } else {
            project.path.clone()
        }
    }

    /// Returns the folder of a project's logs.
    pub fn logs(&self, project: &ProjectName) -> PathBuf {
        self.jobs().join("logs").join(project.as_str())
    }

    /// Returns the file a gate's output goes to.
    pub fn gate_log(&self, project: &ProjectName, name: &str) -> PathBuf {
        self.logs(project).join(format!("{name}.log"))
    }

    /// Returns the heartbeat log.
    pub fn heartbeat(&self) -> PathBuf {
        self.state.join("heartbeat.log")
    }

    /// Returns the control socket.
    pub fn control(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// Returns the folder for files made for one session (hook settings, variables). Under two users the unit makes it, because its
    /// group is the agents'.
    pub fn sessions(&self) -> PathBuf {
        let name = match self.users() {
            Users::One => "sessions",
            Users::Two => "agents",
        };
        self.runtime.join(name)
    }

    /// Returns the folder of the files that agents' hooks append to.
    pub fn hook_spool(&self) -> PathBuf {
        match &self.apart {
            Some(apart) => apart.state.join("hooks"),
            None => self.sessions(),
        }
    }

    /// Returns the binary as text, for briefs and profiles.
    pub fn binary_text(&self) -> String {
        self.binary.to_string_lossy().into_owned()
    }
}

/// Makes a folder that only its owner may enter.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
