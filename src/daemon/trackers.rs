//! The projects' trackers. Repositories of one identity share one account: one limiter, one allowance, one pause.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::config::Config;
use crate::daemon::hands::now;
use crate::daemon::places::Places;
use crate::domain::{
    Actor, ActorId, ActorKind, GitHubSettings, Project, ProjectName, TrackerChoice,
};
use crate::tracker::github::{self, Account, Auth, TokenSearchError};
use crate::tracker::{Tracker, TrackerError, local};

/// Finds a token for GitHub; the edge that knows the environment supplies it.
pub type FindAuth = Arc<dyn Fn(&GitHubSettings) -> Result<Auth, OpenTrackerError> + Send + Sync>;

/// Why a project's tracker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenTrackerError {
    /// Nobody said who we are.
    #[error("there is no token for GitHub")]
    NoToken,
    /// Somebody did, but it cannot be read.
    #[error(transparent)]
    Token(#[from] TokenSearchError),
    /// The App's key.
    #[error("cannot read the App's key `{path}`")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder of a local tracker.
    #[error("cannot make `{path}`")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The tracker itself.
    #[error(transparent)]
    Tracker(#[from] TrackerError),
}

impl OpenTrackerError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoToken => Some(
                "set GITHUB_TOKEN or GH_TOKEN, run `gh auth login`, or configure an App under [github]".to_owned(),
            ),
            Self::Token(TokenSearchError::Unreadable { .. }) => {
                Some("check who owns the file and who may read it".to_owned())
            }
            Self::Token(TokenSearchError::NotAToken { .. }) => {
                Some("put the token there alone, on one line".to_owned())
            }
            Self::Key { .. } => Some("check `private_key` under [github] in pointsman.toml".to_owned()),
            Self::Folder { .. } => {
                Some("check who owns it, and whether the disk is full".to_owned())
            }
            Self::Tracker(error) => error.hint(),
        }
    }
}

/// An identity's account, as long as who we are and how it is reached stay the same.
struct Opened {
    auth: Auth,
    base_url: String,
    reserve: u64,
    account: Account,
}

/// Opens trackers as the account we are.
pub struct Trackers {
    find_auth: FindAuth,
    opened: Mutex<Option<Opened>>,
}

impl std::fmt::Debug for Trackers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trackers").finish_non_exhaustive()
    }
}

impl Trackers {
    /// Opens nothing yet.
    pub fn new(find_auth: FindAuth) -> Self {
        Self {
            find_auth,
            opened: Mutex::new(None),
        }
    }

    /// Opens a project's tracker.
    pub fn open(
        &self,
        places: &Places,
        config: &Config,
        project: &Project,
    ) -> Result<Tracker, OpenTrackerError> {
        match &project.tracker {
            TrackerChoice::Local => open_local(places, &project.name).map(Tracker::Local),
            TrackerChoice::GitHub { owner, repo } => Ok(Tracker::GitHub(
                self.account(&config.settings.github)?
                    .repository(owner, repo),
            )),
        }
    }

    /// The account we are now; the one there is, unless the token or its settings changed.
    fn account(&self, settings: &GitHubSettings) -> Result<Account, OpenTrackerError> {
        let auth = (self.find_auth)(settings)?;
        let mut opened = self.opened.lock().expect("no holder of this lock panics");
        if let Some(same) = opened.as_ref().filter(|opened| {
            opened.auth.is(&auth)
                && opened.base_url == settings.base_url
                && opened.reserve == settings.reserve
        }) {
            return Ok(same.account.clone());
        }
        let mut config = github::Config::new(settings.base_url.clone(), auth.clone());
        config.reserve = settings.reserve;
        let account = Account::open(&config)?;
        *opened = Some(Opened {
            auth,
            base_url: settings.base_url.clone(),
            reserve: settings.reserve,
            account: account.clone(),
        });
        Ok(account)
    }
}

/// Opens one project's tracker, for a verb that needs no other.
pub fn open_tracker(
    places: &Places,
    config: &Config,
    project: &Project,
    find_auth: &FindAuth,
) -> Result<Tracker, OpenTrackerError> {
    Trackers::new(Arc::clone(find_auth)).open(places, config, project)
}

/// Opens a project's local tracker as the user we are.
pub fn open_local(places: &Places, name: &ProjectName) -> Result<local::Local, OpenTrackerError> {
    let uid = rustix::process::geteuid().as_raw();
    let actor = Actor {
        id: ActorId::new(format!("uid:{uid}")),
        login: format!("uid:{uid}"),
        kind: ActorKind::User,
    };
    let folder = places.tracker(name);
    std::fs::create_dir_all(&folder).map_err(|source| OpenTrackerError::Folder {
        path: folder.clone(),
        source,
    })?;
    Ok(local::Local::open(&folder, now, actor)?)
}
