//! The wire: what travels between our layers, and the innermost ones: connection, constant headers, bounded bodies.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use octocrab::OctoBody;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};

use super::base::Base;
use super::failure::{Cause, malformed};
use crate::tracker::TrackerError;

/// The largest answer that is read. 100 issues with the longest possible text stay below it.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long an unused connection is kept: shorter than servers do, so that a write seldom meets a closed one.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(20);
/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The version of the API whose fields we read. Also the default of servers that never heard of versions.
const API_VERSION: HeaderValue = HeaderValue::from_static("2022-11-28");
/// Constant, because GitHub's `ETag`s depend on it.
const ACCEPT_JSON: HeaderValue = HeaderValue::from_static("application/vnd.github+json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pointsman/", env!("CARGO_PKG_VERSION")));

/// A whole answer with its body in memory.
pub(super) type Answer = Response<Full<Bytes>>;
/// The innermost service, shared by all repositories of an account.
pub(super) type Wire = BoxCloneSyncService<Request<OctoBody>, Answer, TrackerError>;

/// A service between octocrab and the network; what all our layers are and wrap.
pub(super) trait Hop:
    Service<Request<OctoBody>, Response = Answer, Error = TrackerError, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}
impl<T> Hop for T where
    T: Service<Request<OctoBody>, Response = Answer, Error = TrackerError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// An answer as the client reads it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Which token it was asked with.
    pub(super) token_fp: Option<String>,
}

/// Opens the connection pool of an account.
pub(super) fn open(base: &Base) -> Result<Wire, TrackerError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_MAX));
    tcp.set_nodelay(true);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE_CONNECTION_MAX);
    let at: Arc<str> = base.at().into();
    if !base.encrypted() {
        return Ok(read_whole(builder.build::<_, OctoBody>(tcp), at));
    }
    let tls = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|source| TrackerError::Unreachable {
            at: base.at(),
            source: Box::new(source),
        })?
        .https_only()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(read_whole(builder.build::<_, OctoBody>(tls), at))
}

/// Sets the constant headers and reads the body to its end or its bound.
fn read_whole<C>(client: Client<C, OctoBody>, at: Arc<str>) -> Wire
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    BoxCloneSyncService::new(service_fn(move |mut request: Request<OctoBody>| {
        let (client, at) = (client.clone(), Arc::clone(&at));
        async move {
            let headers = request.headers_mut();
            headers.insert("x-github-api-version", API_VERSION);
            headers.insert(ACCEPT, ACCEPT_JSON);
            headers.insert(USER_AGENT, AGENT);
            let path = request.uri().path().to_owned();
            let unreachable =
                |source: Box<dyn std::error::Error + Send + Sync>| TrackerError::Unreachable {
                    at: at.as_ref().to_owned(),
                    source,
                };
            let answer = client
                .request(request)
                .await
                .map_err(|error| unreachable(Box::new(error)))?;
            let (parts, body) = answer.into_parts();
            match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
                Ok(whole) => Ok(Response::from_parts(parts, Full::new(whole.to_bytes()))),
                Err(error) if error.is::<LengthLimitError>() => Err(malformed(
                    &format!("`{path}`"),
                    Cause::TooLarge(ANSWER_BYTES_MAX),
                )),
                Err(error) => Err(unreachable(error)),
            }
        }
    }))
}

/// Copies a request, so that it can be sent again after an answer that proves it was not carried out.
pub(super) fn copy_of(parts: &http::request::Parts, body: &OctoBody) -> Request<OctoBody> {
    Request::from_parts(
        parts.clone(),
        body.try_clone().unwrap_or_else(OctoBody::empty),
    )
}

/// Sends one request through a hop.
pub(super) async fn pass<S: Hop>(
    hop: &S,
    request: Request<OctoBody>,
) -> Result<Answer, TrackerError> {
    hop.clone().oneshot(request).await
}

/// Takes the bytes out of an answer that was read whole.
pub(super) async fn bytes_of(answer: Answer) -> (http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    let whole = body.collect().await.expect("a body in memory cannot fail");
    (parts, whole.to_bytes())
}
