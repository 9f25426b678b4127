//! The environment: read here and nowhere else.

#![expect(
    clippy::disallowed_methods,
    reason = "`cli` alone reads the environment and starts `gh`"
)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::cli::Failure;
use crate::daemon::places::{Apart, Offered, Places};
use crate::daemon::{FindAuth, OpenTrackerError};
use crate::domain::GitHubSettings;
use crate::terminal::TmuxError;
use crate::tracker::github::{Auth, TokenSources, find_token};
use crate::view::Ink;

/// What agents and gates see of our environment: nothing with a token in it.
const PASSED_ON: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ",
];

/// The agents' PATH, as the units hand it to a daemon of another account, whose own has none of their folders.
pub(super) const AGENTS_PATH: &str = "POINTSMAN_AGENTS_PATH";

/// How long a program may take to say its version.
const VERSION_MAX: Duration = Duration::from_secs(10);

/// Where the units of the system keep what a user's lie in the home folder for.
pub(super) const SYSTEM_CONFIG: &str = "/etc/pointsman";
/// See [`SYSTEM_CONFIG`].
pub(super) const SYSTEM_STATE: &str = "/var/lib/pointsman";
const SYSTEM_RUNTIME: &str = "/run";
const SYSTEM_UNIT: &str = "/etc/systemd/system/pointsman.service";

/// The width of a table that goes into a file.
const COLUMNS: usize = 120;

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Finds the installation's folders.
pub(super) fn places() -> Result<Places, Failure> {
    let home = home()?;
    let is_system = is_system_installation();
    let folder = |name: &str, otherwise: &str| {
        variable(name).map_or_else(|| home.join(otherwise), PathBuf::from)
    };
    let fixed = |folder: &str| is_system.then(|| PathBuf::from(folder));
    let state = variable("STATE_DIRECTORY")
        .map(PathBuf::from)
        .or_else(|| fixed(SYSTEM_STATE))
        .unwrap_or_else(|| folder("XDG_STATE_HOME", ".local/state").join("pointsman"));
    let runtime = fixed(SYSTEM_RUNTIME)
        .or_else(|| variable("XDG_RUNTIME_DIR").map(PathBuf::from))
        .unwrap_or_else(|| state.join("run"));
    let config = variable("CONFIGURATION_DIRECTORY")
        .map(PathBuf::from)
        .or_else(|| fixed(SYSTEM_CONFIG))
        .unwrap_or_else(|| folder("XDG_CONFIG_HOME", ".config").join("pointsman"));
    let apart = apart(&state, &runtime)?;
    let agents = apart.as_ref().and_then(|apart| account(&apart.name));
    let mut env = passed_on();
    if let Some(agents) = &agents {
        env.retain(|(name, _)| !["HOME", "USER", "LOGNAME", "SHELL"].contains(&name.as_str()));
        env.extend(agents.variables());
        if let Some(path) = variable(AGENTS_PATH) {
            env.retain(|(name, _)| name != "PATH");
            env.push(("PATH".to_owned(), path));
        }
    }
    Ok(Places {
        config,
        runtime: runtime.join("pointsman"),
        socket: runtime.join("pointsman-tmux").join("sock"),
        default_socket: default_socket(),
        state,
        binary: binary()?,
        env,
        offered: offered(),
        home: agents.map_or(home, |agents| agents.home),
        apart,
    })
}

/// Returns the agents' account, if it is another than ours: whose the folder is in which they work. `service install --two-users` makes
/// it, and nothing else says so.
fn apart(state: &Path, runtime: &Path) -> Result<Option<Apart>, Failure> {
    let folder = agents_state(state);
    let facts = match std::fs::metadata(folder.join("trees")) {
        Ok(facts) => facts,
        // Where no folder can be, nobody made one.
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        // Taken for one account, agents would be looked for in the wrong places.
        Err(error) => {
            let what = format!(
                "the agents' account is not known: cannot look into `{}`",
                folder.display()
            );
            return Err(Failure::new(anyhow::Error::new(error).context(what)).hint(
                "the daemon's account has to be in the agents' group: `sudo pointsman service install --two-users` says what is missing".to_owned(),
            ));
        }
    };
    let uid = facts.uid();
    if uid == rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    let Some(found) = account(&uid.to_string()) else {
        return Err(Failure::new(anyhow::anyhow!(
            "`{}` belongs to uid {uid}, which is no account",
            folder.display()
        ))
        .hint("`sudo pointsman service install --two-users` makes the agents' account and hands it over".to_owned()));
    };
    Ok(Some(Apart {
        name: found.name,
        uid,
        state: folder,
        relay: runtime.join("pointsman-relay").join("sock"),
    }))
}

/// Returns the folder in which agents of another account work, beside the daemon's state.
pub(super) fn agents_state(state: &Path) -> PathBuf {
    let mut name = state.file_name().unwrap_or_default().to_owned();
    name.push("-agents");
    state.with_file_name(name)
}

/// An account of this machine.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: PathBuf,
    shell: String,
}

impl Account {
    /// Returns what a login sets.
    fn variables(&self) -> Vec<(String, String)> {
        let home = self.home.to_string_lossy().into_owned();
        [
            ("HOME", &home),
            ("USER", &self.name),
            ("LOGNAME", &self.name),
            ("SHELL", &self.shell),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec()
    }
}

/// Finds an account by its name or its number.
pub(super) fn account(name: &str) -> Option<Account> {
    let said = asked("getent", &["passwd", name])?;
    let fields: Vec<&str> = said.trim_end().split(':').collect();
    Some(Account {
        name: (*fields.first()?).to_owned(),
        uid: fields.get(2)?.parse().ok()?,
        gid: fields.get(3)?.parse().ok()?,
        home: PathBuf::from(fields.get(5)?),
        shell: (*fields.get(6)?).to_owned(),
    })
}

/// Returns the names of an account's groups.
pub(super) fn groups(name: &str) -> Vec<String> {
    let said = asked("id", &["-nG", name]).unwrap_or_default();
    said.split_whitespace().map(str::to_owned).collect()
}

/// Returns what a program says that ends well.
fn asked(program: &str, words: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(words)
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let is_good = output.status.success();
    String::from_utf8(output.stdout).ok().filter(|_| is_good)
}

/// Whether the daemon of the system runs as this user: then the verbs mean it. Variables that systemd sets win.
fn is_system_installation() -> bool {
    let unset = |name| variable(name).is_none();
    unset("STATE_DIRECTORY")
        && unset("CONFIGURATION_DIRECTORY")
        && Path::new(SYSTEM_UNIT).exists()
        && std::fs::metadata(SYSTEM_STATE)
            .is_ok_and(|facts| facts.uid() == rustix::process::geteuid().as_raw())
}

/// Returns the folder of the user's configuration files.
pub(super) fn config_home() -> Result<PathBuf, Failure> {
    match variable("XDG_CONFIG_HOME") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(home()?.join(".config")),
    }
}

/// Returns the socket of the user's own tmux server, as tmux itself finds it.
pub(super) fn default_socket() -> PathBuf {
    let folder = variable("TMUX_TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let uid = rustix::process::geteuid().as_raw();
    folder.join(format!("tmux-{uid}")).join("default")
}

/// Returns the same if its folder is the user's own, and nothing else. In /tmp anybody may have been first, and a client opens files for
/// whoever owns its server.
pub(super) fn own_socket() -> Option<PathBuf> {
    let socket = default_socket();
    let facts = std::fs::symlink_metadata(socket.parent()?).ok()?;
    (facts.is_dir() && facts.uid() == rustix::process::geteuid().as_raw()).then_some(socket)
}

/// Returns the user's home folder.
pub(super) fn home() -> Result<PathBuf, Failure> {
    let hint = "set it to the home folder of the user who runs this".to_owned();
    variable("HOME")
        .map(PathBuf::from)
        .ok_or_else(|| Failure::new(anyhow::anyhow!("HOME is not set")).hint(hint))
}

/// Returns whether a program can be found by its name.
pub(super) fn on_path(program: &str) -> bool {
    self::program(program).is_some()
}

/// Finds a program by its name.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    let mut paths = path_folders().into_iter().map(|folder| folder.join(name));
    paths.find(is_program)
}

/// Returns whether an account can change what lies at a path: it owns it, what a link there leads to, or a folder above one of them.
pub(super) fn is_of(path: &Path, uid: u32) -> bool {
    let owns = |path: &Path| std::fs::metadata(path).is_ok_and(|facts| facts.uid() == uid);
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.ancestors().chain(real.ancestors()).any(owns)
}

/// Returns the folders in which programs are looked for.
pub(super) fn path_folders() -> Vec<PathBuf> {
    std::env::split_paths(&variable("PATH").unwrap_or_default()).collect()
}

/// Asks a program for its version; the number alone, if it says one.
pub(super) async fn version(program: &str, option: &str) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command
        .arg(option)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_MAX, command.output())
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_version = |word: &&str| {
        let word = word.trim_start_matches('v');
        word.split('.').count() >= 2 && word.starts_with(|letter: char| letter.is_ascii_digit())
    };
    text.split_whitespace().find(is_version).map(str::to_owned)
}

/// Returns this program's absolute path.
pub(super) fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::new(anyhow::Error::new(error).context("this program's own path is not known"))
    })
}

/// Returns the environment of agents and gates.
pub(super) fn passed_on() -> Vec<(String, String)> {
    PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), variable(name)?)))
        .collect()
}

/// Returns the name of the person who runs this, for the ledger's words.
pub(super) fn person() -> String {
    let uid = || format!("uid:{}", rustix::process::geteuid().as_raw());
    variable("USER")
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(uid)
}

/// Returns whether a person looks at stdout.
pub(super) fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}

/// Returns whether stdout may be coloured.
pub(super) fn ink() -> Ink {
    let dumb = variable("TERM").is_some_and(|term| term == "dumb");
    if variable("NO_COLOR").is_some() || dumb || !is_terminal() {
        Ink::Plain
    } else {
        Ink::Colour
    }
}

/// Returns how wide stdout is.
pub(super) fn columns() -> usize {
    let asked = variable("COLUMNS").and_then(|text| text.parse().ok());
    let size = || {
        rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|width| *width > 0)
    };
    asked.or_else(size).unwrap_or(COLUMNS)
}

/// Returns the socket of the tmux around this terminal, if there is one.
pub(super) fn tmux_around() -> Option<PathBuf> {
    variable("TMUX")?.split(',').next().map(PathBuf::from)
}

/// Replaces this program by tmux; returns only when that fails.
pub(super) fn become_tmux(args: &[String]) -> std::io::Error {
    use std::os::unix::process::CommandExt as _;
    std::process::Command::new("tmux").args(args).exec()
}

/// Asks tmux something; `true` when it says yes.
pub(super) fn tmux_says(args: &[String]) -> Result<bool, Failure> {
    let asked = std::process::Command::new("tmux")
        .args(args)
        .stdin(std::process::Stdio::null())
        .output();
    asked.map(|output| output.status.success()).map_err(no_tmux)
}

/// Says that tmux cannot be started.
pub(super) fn no_tmux(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::of_tmux(TmuxError::Missing);
    }
    Failure::new(anyhow::Error::new(error).context("cannot start `tmux`"))
}

/// Returns what a profile may name in `pass_env`.
pub(super) fn offered() -> Offered {
    Offered::new(
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

/// Returns how a token for GitHub is found: a systemd credential, the environment, `gh`, or an App.
pub(super) fn find_auth() -> FindAuth {
    let sources = TokenSources {
        credential: variable("CREDENTIALS_DIRECTORY")
            .map(|folder| PathBuf::from(folder).join("github-token")),
        github_token: variable("GITHUB_TOKEN").map(SecretString::from),
        gh_token: variable("GH_TOKEN").map(SecretString::from),
    };
    Arc::new(move |settings: &GitHubSettings| auth(&sources, settings))
}

fn auth(sources: &TokenSources, settings: &GitHubSettings) -> Result<Auth, OpenTrackerError> {
    if let (Some(app_id), Some(installation_id), Some(path)) = (
        settings.app_id,
        settings.installation_id,
        &settings.private_key,
    ) {
        let key = secret_text(path).map_err(|source| OpenTrackerError::Key {
            path: path.clone(),
            source,
        })?;
        return Ok(Auth::App {
            app_id,
            installation_id,
            key_pem: SecretString::from(key),
        });
    }
    let found = find_token(sources, secret_text, gh_token)?;
    found
        .map(|found| Auth::Token(found.token))
        .ok_or(OpenTrackerError::NoToken)
}

/// Reads a file with a secret in it, unless everybody on the machine may. A mounted secret is often open to all in a folder that
/// nobody else may enter: what counts is the way to the file itself, wherever a link to it lies.
fn secret_text(path: &Path) -> std::io::Result<String> {
    const OTHERS: u32 = 0o007;
    // The folders that daemon and agents share are open to their group.
    const OTHERS_ENTER: u32 = 0o011;
    let real = path.canonicalize()?;
    let lets = |place: &Path, others: u32| {
        std::fs::metadata(place).map(|found| found.permissions().mode() & others != 0)
    };
    let mut is_open = lets(&real, OTHERS)?;
    for folder in real.ancestors().skip(1) {
        is_open = is_open && lets(folder, OTHERS_ENTER)?;
    }
    if is_open {
        let why = format!(
            "every account of this machine may open it: `chmod o= {}`, or put it into a folder that only its owner may enter",
            path.display()
        );
        return Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            why,
        ));
    }
    std::fs::read_to_string(&real)
}

/// How long `gh` may take: a locked keyring may ask somebody who is not there.
const GH_MAX: Duration = Duration::from_secs(10);

/// Asks `gh`, if it is there.
fn gh_token() -> Option<SecretString> {
    let mut gh = std::process::Command::new("gh")
        .args(["auth", "token"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let began = Instant::now();
    while gh.try_wait().ok()?.is_none() {
        if began.elapsed() >= GH_MAX {
            tracing::warn!("`gh auth token` did not answer");
            drop(gh.kill());
            drop(gh.wait());
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = gh.wait_with_output().ok()?;
    let text = String::from_utf8(output.stdout)
        .ok()
        .filter(|_| output.status.success())?;
    Some(text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(SecretString::from)
}
