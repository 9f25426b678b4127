//! Talking to a running daemon over its control socket. A daemon that hangs is not waited for: its version is asked first, and what
//! is alive says that at once.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;

use crate::cli::{Failure, known, say, service};
use crate::daemon::desk::control::{Call, Reply};
use crate::daemon::places::Places;
use crate::domain::{IssueNumber, ProjectName};

/// How long the daemon may take to say its version: it has it in memory.
const VERSION_MAX: Duration = Duration::from_secs(5);
/// How long it may take to read something; a brief is rendered with a read of the tracker.
const READ_MAX: Duration = Duration::from_mins(1);
/// How long it may take to do something: more than the longest limit of its own, a trial's.
const CALL_MAX: Duration = Duration::from_mins(35);

/// Sends a request; `None` when no daemon listens.
async fn send(
    places: &Places,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<Option<Bytes>, Failure> {
    let stream = match tokio::net::UnixStream::connect(places.control()).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => {
            let what = format!(
                "the daemon's control socket `{}` cannot be used",
                places.control().display()
            );
            return Err(Failure::new(anyhow::Error::new(error).context(what))
                .hint("only the user who runs the daemon may: check who owns it".to_owned()));
        }
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let task = tokio::spawn(connection);
    let version = ask(&mut sender, "GET", "/version", Vec::new());
    let (_, version) = in_time(VERSION_MAX, version).await?;
    compare(places, &String::from_utf8_lossy(&version));
    let limit = if method == "GET" { READ_MAX } else { CALL_MAX };
    let (status, bytes) = in_time(limit, ask(&mut sender, method, path, body)).await?;
    drop(sender);
    task.abort();
    if !status.is_success() {
        let said = String::from_utf8_lossy(&bytes).into_owned();
        return Err(match status {
            http::StatusCode::NOT_FOUND if !said.is_empty() => Failure::new(anyhow::anyhow!(said))
                .hint("`pointsman status` lists the projects".to_owned()),
            http::StatusCode::CONFLICT if !said.is_empty() => Failure::new(anyhow::anyhow!(said))
                .hint("`pointsman explain` says where an issue stands".to_owned()),
            _ => Failure::new(anyhow::anyhow!("the daemon answered {status}: {said}"))
                .hint("its log says more: `journalctl --user -u pointsman`".to_owned()),
        });
    }
    Ok(Some(bytes))
}

/// Waits for an answer, and not for ever.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_| {
            let silent = anyhow::anyhow!("nothing came within {} s", limit.as_secs());
            Err(
                Failure::new(silent.context("the daemon hangs")).hint(
                    "look at its log, `journalctl --user -u pointsman`, and restart it, `systemctl --user restart pointsman`: no agent is touched by that"
                        .to_owned(),
                ),
            )
        })
}

/// One question over an open connection.
async fn ask(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<(http::StatusCode, Bytes), Failure> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "pointsman")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let silent = |error: hyper::Error| {
        Failure::new(anyhow::Error::new(error).context("the daemon does not answer"))
            .hint("it may be stopping: try again, or start it with `pointsman run`".to_owned())
    };
    // The second question on a connection is refused until the first answer was put away.
    sender.ready().await.map_err(silent)?;
    let response = sender.send_request(request).await.map_err(silent)?;
    let status = response.status();
    let bytes = response.into_body().collect().await.map_err(silent)?;
    Ok((status, bytes.to_bytes()))
}

/// Says once that the daemon is another version's; its answers may be, too.
fn compare(places: &Places, theirs: &str) {
    static SAID: std::sync::Once = std::sync::Once::new();
    let ours = env!("CARGO_PKG_VERSION");
    if theirs != ours {
        SAID.call_once(|| {
            say::talk(&format!(
                "Warning: the daemon is version {theirs}, this program is {ours}\nHint: {}",
                service::restart_hint(places)
            ));
        });
    }
}

/// Reads something; `None` when no daemon listens.
pub(super) async fn get(places: &Places, path: &str) -> Result<Option<Bytes>, Failure> {
    send(places, "GET", path, Vec::new()).await
}

/// Asks for something; `None` when no daemon listens.
pub(super) async fn call(places: &Places, call: &Call) -> Result<Option<Reply>, Failure> {
    let body = serde_json::to_vec(call)?;
    match send(places, "POST", "/call", body).await? {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        None => Ok(None),
    }
}

/// Finds the project that has an issue by the daemon's word; `None` when no daemon listens.
pub(super) async fn project_with(
    places: &Places,
    issue: IssueNumber,
    named: Option<&str>,
) -> Result<Option<ProjectName>, Failure> {
    let Some(bytes) = get(places, &format!("/find/{}", issue.0)).await? else {
        return Ok(None);
    };
    if let Some(name) = named {
        return Ok(Some(ProjectName::new(name)));
    }
    let knowing: Vec<ProjectName> = serde_json::from_slice(&bytes)?;
    known::the_one(issue, &knowing).map(Some)
}

/// Tells a running daemon that a project's tracker changed.
pub(super) async fn poke(places: &Places, project: &ProjectName) {
    // The write is done; a daemon that was not told sees it at its next poll.
    if let Err(failure) = call(
        places,
        &Call::Poll {
            project: project.clone(),
        },
    )
    .await
    {
        say::talk(&format!(
            "the daemon was not told, it looks by itself within its cycle: {failure}"
        ));
    }
}

/// Lets a running daemon read the configuration at once; it looks by itself within seconds.
pub(super) async fn reread(places: &Places) {
    drop(call(places, &Call::Reload).await);
}

/// Prints what the daemon said to a request.
pub(super) fn settle(reply: Reply) -> Result<(), Failure> {
    if reply.done {
        return say::out(&reply.text);
    }
    Err(anyhow::anyhow!(reply.text).into())
}
