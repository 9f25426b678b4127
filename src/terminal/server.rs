//! The server itself: starting it, its sessions and windows, and finding panes by name.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::argv;
use super::client::Tmux;
use super::control::end_orphans;
use super::ending::Held;
use super::error::TmuxError;
use super::guard::{Guard, Guarded};
use super::row::{PaneRow, ROW_FORMAT};
use super::variables::{Environment, is_variable};
use crate::domain::{DeliveryId, Pane};

/// Our own session on every server: the control client lives in it, so it never dies with a work session.
pub const SENTINEL: &str = "_ctl";
/// How often a new pane is looked at until its process is in its folder.
const SETTLE_LOOKS_MAX: u32 = 20;
/// Between two looks at a new pane.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);
/// A window to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWindow {
    /// The session, made if it is not there. `[A-Za-z0-9_-]+`: tmux changes other letters silently (facts/terminal.md F50).
    pub session: String,
    /// The window's name, same letters.
    pub window: String,
    /// The working folder. tmux would start elsewhere without a word if it is missing (F51), so it is read back.
    pub cwd: PathBuf,
    /// The *whole* environment; nothing is inherited but `TERM`, set if it is not in the list.
    pub env: Environment,
    /// The program and its arguments, started without a shell.
    pub argv: Vec<String>,
}

impl NewWindow {
    fn check(&self) -> Result<(), TmuxError> {
        let refuse = |why: String| {
            Err(TmuxError::Failed {
                command: "new-window".to_owned(),
                why,
            })
        };
        for name in [&self.session, &self.window] {
            if name.is_empty()
                || !name.bytes().all(|letter| {
                    letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-'
                })
            {
                return refuse(format!(
                    "the name `{name}` has letters other than A-Z a-z 0-9 _ -"
                ));
            }
        }
        if self
            .argv
            .first()
            .is_none_or(|program| program.contains('='))
        {
            return refuse("the program is missing, or its path has an equals sign".to_owned());
        }
        if self
            .env
            .variables()
            .iter()
            .any(|(name, _)| !is_variable(name))
        {
            return refuse("a variable's name has letters other than A-Z a-z 0-9 _".to_owned());
        }
        if !self.cwd.is_dir() || self.cwd.to_str().is_none() {
            return refuse(format!("the folder `{}` is not there", self.cwd.display()));
        }
        Ok(())
    }
}

impl Tmux {
    /// Starts our own server if none listens, sets our few options and makes the sentinel session. Safe to repeat.
    /// `remain-on-exit` keeps the exit code of a dead agent, which is why every paste is guarded (facts/terminal.md F47).
    pub async fn start_server(&self) -> Result<(), TmuxError> {
        let has_sentinel = match self.list_panes().await {
            Ok(rows) => rows.iter().any(|row| row.session == SENTINEL),
            Err(TmuxError::NoServer { .. }) => false,
            Err(error) => return Err(error),
        };
        let mut commands = vec![
            argv::set_server("exit-empty", "off"),
            argv::set_server("escape-time", "10"),
            argv::set_server("set-clipboard", "off"),
            argv::set_server("focus-events", "on"),
            argv::set_server("default-terminal", "tmux-256color"),
            argv::set_session("history-limit", "5000"),
            argv::set_session("default-size", "200x50"),
            argv::set_session("update-environment", ""),
            argv::set_window("remain-on-exit", "on"),
            argv::set_window("allow-passthrough", "off"),
        ];
        commands.insert(0, tmux_interface::StartServer::new().build());
        if !has_sentinel {
            commands.push(sentinel());
        }
        self.run(commands).await.map(drop)
    }

    /// Makes the sentinel session on a server that runs already and is not ours; changes none of its options.
    pub async fn ensure_sentinel(&self) -> Result<(), TmuxError> {
        let rows = self.list_panes().await?;
        if rows.iter().any(|row| row.session == SENTINEL) {
            return Ok(());
        }
        self.run(vec![sentinel()]).await.map(drop)
    }

    /// Reads the server's generation, `#{pid}.#{start_time}`.
    pub async fn generation(&self) -> Result<String, TmuxError> {
        let panes = self.list_panes().await?;
        panes
            .into_iter()
            .next()
            .map(|row| row.pane.generation)
            .ok_or_else(|| TmuxError::NoTarget {
                what: "any pane".to_owned(),
            })
    }

    /// Reads by when the server had started: the end of the second that it tells, for a younger one may have started in it. A
    /// generation that tells no time is taken for one of this moment.
    pub async fn started(&self) -> Result<Timestamp, TmuxError> {
        let generation = self.generation().await?;
        let second = generation
            .split_once('.')
            .and_then(|(_, second)| second.parse().ok());
        let started = second.and_then(|second: i64| Timestamp::from_second(second + 1).ok());
        Ok(started.unwrap_or(Timestamp::MAX))
    }

    /// Reads every pane of the server.
    pub async fn list_panes(&self) -> Result<Vec<PaneRow>, TmuxError> {
        let out = match self.run(vec![argv::list_panes(ROW_FORMAT)]).await {
            // A server without any session: it answers `no current target`.
            Err(TmuxError::NoTarget { .. }) => String::new(),
            answer => answer?,
        };
        Ok(out
            .lines()
            .filter_map(|line| PaneRow::parse(self.socket(), line))
            .collect())
    }

    /// Finds the pane of a window by exact names; a living one before a dead one. Several living ones are an error.
    pub async fn find(&self, session: &str, window: &str) -> Result<Option<PaneRow>, TmuxError> {
        let rows = self.find_all(session, window).await?;
        if rows.iter().filter(|row| !row.dead).count() > 1 {
            return Err(TmuxError::Failed {
                command: "list-panes".to_owned(),
                why: format!("`{session}:{window}` has several panes"),
            });
        }
        let living = rows.iter().position(|row| !row.dead);
        Ok(rows.into_iter().nth(living.unwrap_or(0)))
    }

    /// Finds every pane of the windows of that name, living or dead.
    pub async fn find_all(&self, session: &str, window: &str) -> Result<Vec<PaneRow>, TmuxError> {
        let named = |row: &PaneRow| row.session == session && row.window == window;
        Ok(self.list_panes().await?.into_iter().filter(named).collect())
    }

    /// Finds an adopted pane by `%7`, `session`, `session:window` or `session:window.pane`; window by name or index.
    /// Names are compared whole: `-t alpha` of tmux itself would hit `alpha-two` (facts/terminal.md F48).
    pub async fn resolve_target(&self, target: &str) -> Result<PaneRow, TmuxError> {
        let mut hits = self.panes_of(target).await?.into_iter();
        match (hits.next(), hits.next()) {
            (Some(row), None) => Ok(row),
            (Some(_), Some(_)) => Err(TmuxError::Failed {
                command: "list-panes".to_owned(),
                why: format!("`{target}` names several panes; write it as session:window.pane"),
            }),
            (None, _) => Err(TmuxError::NoTarget {
                what: format!("`{target}`"),
            }),
        }
    }

    /// Finds every pane that such a target may mean.
    pub async fn panes_of(&self, target: &str) -> Result<Vec<PaneRow>, TmuxError> {
        let rows = self.list_panes().await?.into_iter();
        Ok(rows.filter(|row| addresses(target, row)).collect())
    }

    /// Makes a window and returns its pane, once its process is in its folder.
    pub async fn new_window(&self, new: &NewWindow) -> Result<Pane, TmuxError> {
        self.make(new, None).await
    }

    /// Makes a window whose program has the delivery's line as argument; the same command queue sets `@pointsman_<id> submitted:0`.
    pub async fn launch(&self, new: &NewWindow, id: &DeliveryId) -> Result<Pane, TmuxError> {
        self.make(new, Some(id)).await
    }

    async fn make(&self, new: &NewWindow, id: Option<&DeliveryId>) -> Result<Pane, TmuxError> {
        new.check()?;
        let cwd = new.cwd.to_string_lossy();
        let rows = self.list_panes().await?;
        // A window's first name is the delivery's id, which nothing else has, so that the flag cannot hit another window.
        let first_name = id.map_or(new.window.as_str(), DeliveryId::as_str);
        let file = new
            .env
            .hand_over(&format!("{}-{}", new.session, new.window))?;
        let words = new.env.words(file.as_ref(), &new.argv);
        let mut commands = vec![if rows.iter().any(|row| row.session == new.session) {
            argv::new_window(&new.session, first_name, &cwd, &words)
        } else {
            argv::new_session(&new.session, first_name, Some(&cwd), &words)
        }];
        if let Some(id) = id {
            let target = format!("={}:={first_name}", new.session);
            commands.push(argv::set_trace(&target, id.as_str(), "submitted:0"));
            commands.push(argv::rename_window(&target, &new.window));
        }
        let out = self.run(commands).await.map_err(|error| match error {
            TmuxError::NoTarget { .. } | TmuxError::Timeout { .. } | TmuxError::Failed { .. } => {
                unsettled(error)
            }
            before => before,
        })?;
        let pane = self.made(&out, new).await.map_err(unsettled)?;
        if let Some(file) = file {
            file.taken().await;
        }
        Ok(pane)
    }

    /// Reads which pane was made.
    async fn made(&self, out: &str, new: &NewWindow) -> Result<Pane, TmuxError> {
        let made = out
            .lines()
            .find_map(|line| PaneRow::parse(self.socket(), line))
            .ok_or_else(|| TmuxError::Failed {
                command: "new-window".to_owned(),
                why: format!("its answer cannot be read: `{}`", out.trim()),
            })?;
        self.settle(&made.pane, new).await
    }

    /// Waits until the new pane's process is in its folder; a pane in another one is ended.
    async fn settle(&self, pane: &Pane, new: &NewWindow) -> Result<Pane, TmuxError> {
        let wanted = new.cwd.canonicalize().unwrap_or_else(|_| new.cwd.clone());
        let mut found = PathBuf::new();
        for _ in 0..SETTLE_LOOKS_MAX {
            match self
                .list_panes()
                .await?
                .into_iter()
                .find(|row| row.pane == *pane)
            {
                // A program that ended at once has no folder to compare; its exit code tells the rest.
                Some(row) if row.dead || row.path == wanted => return Ok(row.pane),
                Some(row) => found = row.path,
                None => {
                    return Err(TmuxError::NoTarget {
                        what: format!("pane {} that was just made", pane.id),
                    });
                }
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
        self.kill_pane(pane).await?;
        Err(TmuxError::Failed {
            command: "new-window".to_owned(),
            why: format!(
                "it started in `{}` and not in `{}`",
                found.display(),
                wanted.display()
            ),
        })
    }

    /// Ends a pane if it still is the one that was pinned, and every process below it, those that ignore a hang-up too.
    pub async fn kill_pane(&self, pane: &Pane) -> Result<Guarded, TmuxError> {
        let rows = self.list_panes().await?;
        // A dead pane keeps its process's number, which may be another pane's by now.
        let given_on = |row: &PaneRow| row.pane.id != pane.id && row.pane.pid == pane.pid;
        let root = (!rows.iter().any(given_on)).then_some(pane.pid);
        let held = Held::below(server_of(&pane.generation), root);
        let answer = self
            .act(
                &Guard::identity(pane),
                &[argv::say("ok"), argv::kill_pane(&pane.id)],
                &[],
            )
            .await?;
        if answer == Guarded::Done {
            held.end(self).await;
        }
        Ok(answer)
    }

    /// Ends the server and every process below its panes. There may be none.
    pub async fn kill_server(&self) -> Result<(), TmuxError> {
        let rows = match self.list_panes().await {
            Err(TmuxError::NoServer { .. }) => return Ok(()),
            rows => rows?,
        };
        // The server ends when its clients have.
        end_orphans(self, SENTINEL).await?;
        let server = rows.first().and_then(|row| server_of(&row.pane.generation));
        let held = Held::below(server, rows.iter().map(|row| row.pane.pid));
        match self
            .run(vec![tmux_interface::KillServer::new().build()])
            .await
        {
            Ok(_) | Err(TmuxError::NoServer { .. }) => {}
            Err(error) => return Err(error),
        }
        held.end(self).await;
        Ok(())
    }

    /// Sets an option of a pane (`@goal`, ...) if it still is the one that was pinned.
    pub async fn set_option(
        &self,
        pane: &Pane,
        name: &str,
        value: &str,
    ) -> Result<Guarded, TmuxError> {
        self.act(
            &Guard::identity(pane),
            &[
                argv::set_pane_option(&pane.id, name, value),
                argv::say("ok"),
            ],
            &[],
        )
        .await
    }
}

/// Returns the server's process, the first part of its generation.
fn server_of(generation: &str) -> Option<u32> {
    generation.split_once('.')?.0.parse().ok()
}

/// From the creating command on, an error does not say that there is no window.
fn unsettled(error: TmuxError) -> TmuxError {
    TmuxError::Unsettled(Box::new(error))
}

fn sentinel() -> argv::Command {
    argv::new_session(
        SENTINEL,
        SENTINEL,
        None,
        &["/bin/sleep".to_owned(), "infinity".to_owned()],
    )
}

/// Returns whether a written target names this pane.
fn addresses(target: &str, row: &PaneRow) -> bool {
    if target.starts_with('%') {
        return row.pane.id == target;
    }
    let (session, place) = target.split_once(':').unwrap_or((target, ""));
    // A window's name may have a point itself, so a pane index is only taken off if it is one.
    let (window, pane) = match place
        .rsplit_once('.')
        .and_then(|(window, pane)| Some((window, pane.parse::<u32>().ok()?)))
    {
        Some((window, pane)) => (window, Some(pane)),
        None => (place, None),
    };
    row.session == session
        && (window.is_empty() || row.window == window || row.window_index.to_string() == window)
        && pane.is_none_or(|pane| row.pane_index == pane)
}
