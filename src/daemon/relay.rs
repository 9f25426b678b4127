//! Keeps the relay up: one process of the agents' account, in our own session of their tmux server.

use std::time::Duration;

use crate::daemon::hands::chain;
use crate::daemon::places::Places;
use crate::terminal::{Environment, NewWindow, SENTINEL, Tmux, TmuxError};

const WINDOW: &str = "relay";
/// How long a new relay may take until it answers.
const STARTS_MAX: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);

/// Sees to it that the agents' home is read, and says why it is not. One that is older than this program is replaced.
pub async fn keep(tmux: &Tmux, places: &Places) -> Result<(), String> {
    if places.apart.is_none() || unread(places).await.is_none() {
        return Ok(());
    }
    let say = |error: TmuxError| chain(&error);
    for row in tmux.find_all(SENTINEL, WINDOW).await.map_err(say)? {
        tmux.kill_pane(&row.pane).await.map_err(say)?;
    }
    let new = NewWindow {
        session: SENTINEL.to_owned(),
        window: WINDOW.to_owned(),
        cwd: "/".into(),
        env: Environment::Argv(places.env.clone()),
        argv: vec![
            places.binary_text(),
            "relay".to_owned(),
            places.socket.to_string_lossy().into_owned(),
        ],
    };
    tmux.new_window(&new).await.map_err(say)?;
    let deadline = tokio::time::Instant::now() + STARTS_MAX;
    loop {
        let Some(why) = unread(places).await else {
            tracing::info!("the relay was started");
            return Ok(());
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(why);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn unread(places: &Places) -> Option<String> {
    let home = places.agents_home();
    let asked = tokio::task::spawn_blocking(move || home.unread());
    // No word that it is read is none.
    asked.await.unwrap_or_else(|error| Some(error.to_string()))
}
