//! One call: a command with the text on its standard input, or a POST of JSON. Both end, whatever the other side does.
//!
//! The command is the operator's own and runs outside of every project, with the environment of gates: no token is in it.

use std::fmt::Write as _;
use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;

use super::{Item, Times};
use crate::daemon::places::Places;

/// What is told at once.
#[derive(Debug, Serialize)]
pub(super) struct Call {
    pub(super) at: Timestamp,
    pub(super) items: Vec<Item>,
}

/// Why nobody was reached. Never names more of a webhook than its host: the rest of an address is often its secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("it cannot be started")]
    Start(#[source] std::io::Error),
    #[error("it ended with {0}")]
    Ended(ExitStatus),
    #[error("it was ended after {0:?}")]
    TooLong(std::time::Duration),
    #[error("its address cannot be used")]
    Address(#[source] http::Error),
    #[error("no certificates of this machine can be read")]
    Certificates(#[source] std::io::Error),
    #[error("`{host}` cannot be reached")]
    Unreachable {
        host: String,
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    #[error("`{host}` answers {status}")]
    Refused { host: String, status: StatusCode },
    #[error("`{host}` did not answer within {after:?}")]
    Silent {
        host: String,
        after: std::time::Duration,
    },
}

impl Call {
    /// The summary, then a line an item.
    pub(super) fn text(&self) -> String {
        let mut projects: Vec<&str> = self.items.iter().map(|item| &*item.project).collect();
        projects.dedup();
        let things = match self.items.len() {
            1 => "1 thing needs".to_owned(),
            more => format!("{more} things need"),
        };
        let mut text = format!("Pointsman: {things} you ({})\n", projects.join(", "));
        for item in &self.items {
            text.push_str(&item.project);
            if let Some(issue) = item.issue {
                let _ = write!(text, " {issue}");
            }
            if let Some(url) = &item.url {
                let _ = write!(text, " {url}");
            }
            let _ = write!(text, ": {}", item.text);
            if let Some(hint) = &item.hint {
                let _ = write!(text, " | to do: {hint}");
            }
            text.push('\n');
        }
        text
    }
}

/// A process group of ours. Dropped while it runs, it is killed: nothing that we called outlives the wait for it.
struct Group(Option<Pid>);

impl Group {
    fn send(&self, signal: Signal) {
        // A group without a process left is what we want.
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "the command's group is gone already");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

/// Runs the command.
pub(super) async fn command(
    places: &Places,
    times: Times,
    command: &str,
    call: &Call,
) -> Result<(), CallError> {
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir("/")
        .env_clear()
        .envs(places.env.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(CallError::Start)?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(pid.and_then(Pid::from_raw));
    let mut stdin = child.stdin.take();
    let text = call.text();
    let ends = async {
        if let Some(mut pipe) = stdin.take()
            && let Err(error) = pipe.write_all(text.as_bytes()).await
        {
            tracing::debug!(%error, "the command reads no text");
        }
        child.wait().await
    };
    if let Ok(ended) = tokio::time::timeout(times.command_max, ends).await {
        // What it left running on purpose is its own.
        group.0 = None;
        let status = ended.map_err(CallError::Start)?;
        return if status.success() {
            Ok(())
        } else {
            Err(CallError::Ended(status))
        };
    }
    group.send(Signal::TERM);
    tokio::time::sleep(times.grace).await;
    // Before the wait: until then nobody else can have the group's number.
    group.send(Signal::KILL);
    group.0 = None;
    child.wait().await.map_err(CallError::Start)?;
    Err(CallError::TooLong(times.command_max))
}

/// Posts the JSON.
pub(super) async fn webhook(times: Times, address: &str, call: &Call) -> Result<(), CallError> {
    let host = address
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
        .unwrap_or_default();
    let body = serde_json::to_vec(call).expect("a call is plain data");
    let request = Request::post(address)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("pointsman/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))
        .map_err(CallError::Address)?;
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(CallError::Certificates)?
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let answer = tokio::time::timeout(times.webhook_max, client.request(request)).await;
    match answer {
        Err(_) => Err(CallError::Silent {
            host,
            after: times.webhook_max,
        }),
        Ok(Err(source)) => Err(CallError::Unreachable { host, source }),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(CallError::Refused {
            host,
            status: answer.status(),
        }),
    }
}
