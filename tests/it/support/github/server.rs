//! The model behind a port on this machine.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Uri};
use axum::response::Response;
use futures_util::stream;
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::entry::{Answer, Call, Logged};
use super::fault::{Fault, Kind};
use super::model::Model;

/// A running fake GitHub; it ends when dropped.
#[derive(Debug)]
pub(crate) struct FakeGitHub {
    /// Its address, `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    model: Arc<Mutex<Model>>,
    task: JoinHandle<()>,
}

impl Drop for FakeGitHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeGitHub {
    /// Starts an empty one on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let mut model = Model::new();
        model.base.clone_from(&url);
        let model = Arc::new(Mutex::new(model));
        let served = Arc::clone(&model);
        let router = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let served = Arc::clone(&served);
                async move { serve(&served, &method, &uri, &headers, body.to_vec()).await }
            },
        );
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serving ends only with the test");
        });
        Self { url, model, task }
    }

    /// Gives access to the model: people act, time passes, facts are switched off.
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a fault.
    pub(crate) fn arm(&self, fault: Fault) {
        self.model().arm(fault);
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, seconds: i64) {
        self.model().advance(seconds);
    }

    /// Takes the requests seen since the last time.
    pub(crate) fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut self.model().log)
    }
}

async fn serve(
    model: &Mutex<Model>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let call = Call {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    };
    let answer = model
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .handle(&call);
    if matches!(answer.fault, Some(Kind::Hang)) {
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    respond(answer)
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let body = if matches!(answer.fault, Some(Kind::Lost)) {
        // The first half, then the connection breaks.
        let half = Bytes::copy_from_slice(&answer.body[..answer.body.len() / 2]);
        Body::from_stream(stream::iter([
            Ok::<_, std::io::Error>(half),
            Err(std::io::ErrorKind::BrokenPipe.into()),
        ]))
    } else {
        Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from(
            answer.body,
        ))]))
    };
    response.body(body).expect("the model makes good headers")
}
