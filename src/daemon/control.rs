//! The control socket: how verbs reach a running daemon. HTTP over a unix socket that only its owner may open.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as Segment, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::daemon::Daemon;
use crate::daemon::runner::Message;
use crate::domain::{ProjectName, Request};

/// What a verb sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum Call {
    /// Something for a project's engine.
    Ask {
        /// Which project.
        project: ProjectName,
        /// What.
        request: Request,
    },
    /// Read the tracker now.
    Poll {
        /// Which project.
        project: ProjectName,
    },
    /// Read the configuration again.
    Reload,
    /// Keep a project's persistent agent up, or let it go.
    Keep {
        /// Which project.
        project: ProjectName,
        /// Up or down.
        up: bool,
    },
}

/// What a verb gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub done: bool,
    /// What to tell the person.
    pub text: String,
}

/// Listens until the daemon stops.
pub async fn serve(daemon: Arc<Daemon>) -> std::io::Result<()> {
    let path = daemon.places.control();
    // The ledger's lock is ours, so a socket that is there belongs to a daemon that is gone.
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = tokio::net::UnixListener::bind(&path)?;
    restrict(&path)?;
    let mut stopped = daemon.stopped();
    let app = Router::new()
        .route("/version", get(|| async { env!("CARGO_PKG_VERSION") }))
        .route("/status", get(status))
        .route("/explain/{project}/{issue}", get(explain))
        .route("/call", post(call))
        .with_state(daemon);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            // The sender lives as long as the daemon.
            drop(stopped.wait_for(|stop| *stop).await);
        })
        .await
}

fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

async fn status(Shared(daemon): Shared<Arc<Daemon>>) -> Response {
    Json(crate::daemon::surface::snapshot(&daemon).await).into_response()
}

async fn explain(
    Shared(daemon): Shared<Arc<Daemon>>,
    Segment((project, issue)): Segment<(String, u64)>,
) -> Response {
    match crate::daemon::surface::explain(&daemon, &ProjectName::new(project), issue).await {
        Some(text) => text.into_response(),
        None => (StatusCode::NOT_FOUND, "no such project").into_response(),
    }
}

async fn call(Shared(daemon): Shared<Arc<Daemon>>, Json(call): Json<Call>) -> Json<Reply> {
    let reply = |done: bool, text: String| Json(Reply { done, text });
    match call {
        Call::Ask { project, request } => {
            let done = daemon.ask(&project, request).await;
            reply(
                done,
                if done {
                    "asked".to_owned()
                } else {
                    format!("there is no project `{project}`")
                },
            )
        }
        Call::Poll { project } => {
            let done = daemon.send(&project, Message::Poll).await;
            reply(done, String::new())
        }
        Call::Reload => match daemon.reload().await {
            None => reply(true, "the configuration was read again".to_owned()),
            Some(fault) => reply(false, fault),
        },
        Call::Keep { project, up } => match daemon.keep(&project, up).await {
            Ok(text) => reply(true, text),
            Err(why) => reply(false, why),
        },
    }
}
