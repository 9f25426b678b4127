//! Talking to a running daemon over its control socket.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;

use crate::cli::Failure;
use crate::daemon::control::{Call, Reply};
use crate::daemon::places::Places;

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
            return Err(anyhow::Error::new(error)
                .context("the daemon's control socket cannot be used")
                .into());
        }
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let task = tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "pointsman")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    drop(sender);
    task.abort();
    if !status.is_success() {
        return Err(anyhow::anyhow!(
            "the daemon answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        )
        .into());
    }
    Ok(Some(bytes))
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
