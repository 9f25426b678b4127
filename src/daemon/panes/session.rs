//! Agents' windows: how one is started, where its words are found, and keeping managed ones up.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::hands::{Hands, chain};
use crate::daemon::key::Key;
use crate::daemon::panes::fleet::WindowSample;
use crate::daemon::places::{Places, private_folder};
use crate::domain::{DeliveryId, Dispatch, Pane, Profile, ProjectName, SessionChoice, Window};
use crate::repo::Users;
use crate::terminal::receipt::{self, HookSpool, Offsets, Receipt, Whereabouts};
use crate::terminal::{AgentsHome, Environment, NewWindow, Sampler, Station};

/// How long a fresh agent may take until it is proven idle (facts/agents.md 5.3: `OpenCode` took 28 s on a loaded machine).
pub const READY_MAX: Duration = Duration::from_secs(90);

/// How long the files of one agent are waited for: the longest transcripts take a second on a loaded machine.
const READ_MAX: Duration = Duration::from_secs(10);

/// Where a receipt of one agent can be.
#[derive(Clone, Debug)]
pub struct Sources {
    home: AgentsHome,
    profile: Profile,
    at: Whereabouts,
}

impl Sources {
    /// Takes the program's profile, which says what is written, and where; read as our own account.
    pub fn new(profile: Profile, at: Whereabouts) -> Self {
        let home = AgentsHome::from(&at.home);
        Self { home, profile, at }
    }

    /// Records how far every source is, as text for the ledger; `None` if they cannot be read now.
    pub async fn baseline(&self) -> Option<String> {
        let offsets = self
            .blocking(|sources| sources.home.offsets(&sources.profile, &sources.at))
            .await?;
        Some(serde_json::to_string(&offsets).expect("offsets are plain data"))
    }

    /// Looks for a delivery's id behind the baseline. A fresh agent's baseline is empty: all of its files count.
    pub async fn find(&self, baseline: &str, id: &DeliveryId) -> Option<Receipt> {
        let offsets: Offsets = serde_json::from_str(baseline).unwrap_or_default();
        let id = id.clone();
        self.blocking(move |sources| {
            sources
                .home
                .receipt(&sources.profile, &sources.at, &offsets, &id)
        })
        .await?
    }

    /// Files of megabytes and an agent's own server are read where nobody else waits. `None` while the daemon ends, and for a disk
    /// that does not answer.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let sources = self.clone();
        let reading = tokio::task::spawn_blocking(move || read(&sources));
        tokio::time::timeout(READ_MAX, reading).await.ok()?.ok()
    }
}

/// Returns where a receipt of the agent in this window can be.
pub fn sources(
    hands: &Hands,
    sampler: &Sampler,
    window: Window,
    sampled: Option<&WindowSample>,
    pane: &Pane,
) -> Sources {
    let project = hands.project();
    let cwd = project.map_or_else(PathBuf::new, |project| hands.places.tree(&project, window));
    Sources {
        home: hands.places.agents_home(),
        profile: sampler.profile().clone(),
        at: Whereabouts {
            home: hands.places.home.clone(),
            cwd,
            agent: sampled
                .filter(|sampled| sampled.sample.pane == *pane)
                .and_then(|sampled| sampled.agent.clone()),
            session: sampled.and_then(|sampled| sampled.session.clone()),
            hooks: Some(hook_spool(hands, window)),
        },
    }
}

fn hook_spool(hands: &Hands, window: Window) -> HookSpool {
    spool_of(&hands.places, &hands.key, &hands.name, window)
}

/// Returns where the hooks of a window's agent write, and the secret they write with.
pub fn spool_of(places: &Places, key: &Key, project: &ProjectName, window: Window) -> HookSpool {
    let stem = format!("{project}-{}", window.as_str());
    HookSpool {
        path: places.hook_spool().join(format!("{stem}.hooks.jsonl")),
        secret: key.hooks_secret(&stem),
    }
}

/// Returns what is known of a window besides its screen. A person's own pane has no hooks of ours.
pub fn station(hands: &Hands, window: Window) -> Station {
    let project = hands.project();
    let managed = window != Window::AGENT
        || project.is_some_and(|project| project.session == SessionChoice::Managed);
    Station {
        managed,
        hooks: managed.then(|| hook_spool(hands, window)),
    }
}

/// Returns the same for a command that looks without a daemon. Without a key there was never one, and no hook of ours; looking makes
/// none.
pub fn station_of(
    places: &Places,
    project: &ProjectName,
    window: Window,
    managed: bool,
) -> anyhow::Result<Station> {
    let path = places.state.join("key");
    let key = (managed && path.exists())
        .then(|| Key::open(&path))
        .transpose()?;
    let hooks = key.map(|key| spool_of(places, &key, project, window));
    Ok(Station { managed, hooks })
}

/// Describes the window of an agent: its folder, its whole environment, its command. `resume` asks for the last conversation.
pub fn window(
    hands: &Hands,
    window: Window,
    profile: &Profile,
    line: Option<&str>,
    resume: bool,
) -> Result<NewWindow, String> {
    let project = hands
        .project()
        .ok_or("the project's configuration is gone")?;
    let tree = hands.places.tree(&project, window);
    let binary = hands.places.binary_text();
    let hooks = if profile.signals.claude_hooks {
        write_hooks(hands, window)?
    } else {
        String::new()
    };
    let git_dir = project.path.join(".git").to_string_lossy().into_owned();
    let words = profile
        .resume
        .as_ref()
        .filter(|_| resume)
        .unwrap_or(&profile.start);
    let port = if words.iter().any(|word| word.contains("{port}")) {
        free_port()?
    } else {
        String::new()
    };
    let fill = |word: &str| {
        word.replace("{pointsman}", &binary)
            .replace("{hooks}", &hooks)
            .replace("{git_dir}", &git_dir)
            .replace("{port}", &port)
    };
    let mut argv = Vec::new();
    for word in words {
        match (word.as_str(), line) {
            ("{line}", Some(line)) => argv.push(line.to_owned()),
            ("{line}", None) => {}
            (word, _) => argv.push(fill(word)),
        }
    }
    let passed = profile
        .pass_env
        .iter()
        .filter_map(|name| Some((name.clone(), hands.places.offered.get(name)?.clone())));
    let set = profile
        .env
        .iter()
        .map(|(name, value)| (name.clone(), fill(value)));
    let mut variables: BTreeMap<String, String> = hands.places.env.iter().cloned().collect();
    variables.extend(passed);
    variables.extend(set);
    Ok(NewWindow {
        session: project.name.to_string(),
        window: window.as_str().to_owned(),
        cwd: tree,
        env: Environment::File {
            folder: hands.places.sessions(),
            mode: hands.places.users().file_bits(),
            variables: variables.into_iter().collect(),
        },
        argv,
    })
}

/// Finds a free port of the loopback interface. Another program may take it before the agent does: then the agent ends, and the next
/// start has another one.
fn free_port() -> Result<String, String> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0));
    let found = listener.and_then(|listener| listener.local_addr());
    found
        .map(|address| address.port().to_string())
        .map_err(|error| format!("there is no free loopback port: {error}"))
}

/// Writes the hook settings of a session into a private folder: the user's own settings are never touched.
fn write_hooks(hands: &Hands, window: Window) -> Result<String, String> {
    let folder = hands.places.sessions();
    let path = folder.join(format!("{}-{}.hooks.json", hands.name, window.as_str()));
    let settings = receipt::hooks_settings(&hook_spool(hands, window)).to_string();
    private_folder(&folder)
        .and_then(|()| put(&folder, &path, &settings, hands.places.users()))
        .map_err(|error| {
            format!(
                "cannot write the hook settings `{}`: {error}",
                path.display()
            )
        })?;
    Ok(path.to_string_lossy().into_owned())
}

/// Puts a file in its place, whole; what was there, a link too, is replaced.
fn put(folder: &Path, path: &Path, text: &str, users: Users) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(users.file_bits());
    file.as_file().set_permissions(mode)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Opens a fresh agent in a window: an old pane of that name is ended first, unless it is this dispatch's own.
pub async fn open_fresh(
    hands: &Hands,
    dispatch: &Dispatch,
    profile: &Profile,
) -> Result<(), String> {
    hands
        .checker
        .lock()
        .expect("no holder of this lock panics")
        .replace(dispatch.opening.profile.clone());
    let new = window(hands, dispatch.opening.window, profile, None, false)?;
    let goal = format!("{} {}", dispatch.about(), dispatch.opening.stage.skill);
    open_window(hands, &new, Some((dispatch.id().as_str(), &goal))).await
}

async fn open_window(
    hands: &Hands,
    new: &NewWindow,
    owner: Option<(&str, &str)>,
) -> Result<(), String> {
    let say = |error: crate::terminal::TmuxError| chain(&error);
    let rows = hands.tmux.find_all(&new.session, &new.window).await;
    for row in rows.map_err(say)? {
        let same = match owner {
            Some((id, _)) => !row.dead && hands.owner_of(&row.pane).await.as_deref() == Some(id),
            None => !row.dead,
        };
        if same {
            return Ok(());
        }
        hands.tmux.kill_pane(&row.pane).await.map_err(say)?;
    }
    let pane = hands.tmux.new_window(new).await.map_err(say)?;
    if let Some((id, goal)) = owner {
        hands
            .tmux
            .set_option(&pane, "@pointsman_dispatch", id)
            .await
            .map_err(say)?;
        hands
            .tmux
            .set_option(&pane, "@goal", goal)
            .await
            .map_err(say)?;
    }
    Ok(())
}

/// Brings a persistent agent of a managed project up, if it is not; `true` when it was started now. It goes on with its last
/// conversation if that is asked for and there may be one.
pub async fn keep_agent(
    hands: &Hands,
    at: Window,
    profile: &Profile,
    resume: bool,
) -> Result<bool, String> {
    let say = |error: crate::terminal::TmuxError| chain(&error);
    let tree = hands
        .project()
        .map(|project| hands.places.tree(&project, at));
    let home = hands.places.agents_home();
    let resume = match tree.filter(|_| resume) {
        Some(tree) => {
            // The relay answers it under two users, and may take its time.
            let profile = profile.clone();
            let asking = tokio::task::spawn_blocking(move || home.may_continue(&profile, &tree));
            match tokio::time::timeout(READ_MAX, asking).await {
                Ok(may) => may.unwrap_or(false),
                Err(_) => {
                    return Err(
                        "its last conversation cannot be read: a disk does not answer".to_owned(),
                    );
                }
            }
        }
        None => false,
    };
    let new = window(hands, at, profile, None, resume)?;
    let there = hands
        .tmux
        .find(&new.session, &new.window)
        .await
        .map_err(say)?;
    if there.as_ref().is_some_and(|row| !row.dead) {
        return Ok(false);
    }
    open_window(hands, &new, None).await?;
    Ok(true)
}

/// Ends the fresh agent of a closed dispatch; the persistent one is never ended.
pub async fn close_fresh(hands: &Hands, dispatch: &Dispatch) -> Result<(), String> {
    if dispatch.opening.window != Window::Check {
        return Ok(());
    }
    let say = |error: crate::terminal::TmuxError| chain(&error);
    let session = hands.name.to_string();
    let rows = hands.tmux.find_all(&session, Window::Check.as_str()).await;
    let rows = match rows {
        Err(crate::terminal::TmuxError::NoServer { .. }) => return Ok(()),
        rows => rows.map_err(say)?,
    };
    let alone = rows.len() == 1;
    for row in rows {
        // Of several panes, one that we marked nothing in is a person's.
        if alone || row.dead || hands.is_marked(&row.pane).await {
            hands.tmux.kill_pane(&row.pane).await.map_err(say)?;
        }
    }
    Ok(())
}

impl Hands {
    /// Returns whether a pane has a mark of ours: of a dispatch or of a delivery.
    async fn is_marked(&self, pane: &Pane) -> bool {
        let seen = self.tmux.look(pane).await;
        seen.is_ok_and(|seen| !seen.traces.is_empty())
    }

    /// Reads which dispatch a window was opened for.
    async fn owner_of(&self, pane: &Pane) -> Option<String> {
        let seen = self.tmux.look(pane).await.ok()?;
        seen.traces
            .into_iter()
            .find(|(name, _)| name.as_str() == "dispatch")
            .map(|(_, owner)| owner)
    }
}
