//! The outer layers: one deadline for the whole call, and the only retry there is.

use std::time::Duration;

use http::{Method, Request};
use octocrab::OctoBody;
use tower::service_fn;

use super::failure::Cause;
use super::wire::{Answer, Hop, copy_of, pass};
use crate::tracker::TrackerError;

/// How often a read is sent at most.
const READ_ATTEMPTS_MAX: u32 = 3;
/// The pause before the second attempt; doubled for the next.
const READ_PAUSE: Duration = Duration::from_millis(250);

/// Ends a call, with all its attempts and waits, after `deadline`.
pub(super) fn timed<S: Hop>(inner: S, deadline: Duration, at: String) -> impl Hop {
    service_fn(move |request: Request<OctoBody>| {
        let (inner, at) = (inner.clone(), at.clone());
        async move {
            match tokio::time::timeout(deadline, pass(&inner, request)).await {
                Ok(result) => result,
                Err(_) => Err(TrackerError::Unreachable {
                    at,
                    source: Box::new(Cause::Deadline(deadline)),
                }),
            }
        }
    })
}

/// Repeats a GET that met a server in trouble. Anything else is sent exactly once: a write whose answer was lost may have
/// happened, and only a read can tell.
pub(super) fn retried<S: Hop>(inner: S) -> impl Hop {
    service_fn(move |request: Request<OctoBody>| {
        let inner = inner.clone();
        async move {
            if request.method() != Method::GET {
                return pass(&inner, request).await;
            }
            let (parts, body) = request.into_parts();
            let mut attempt = 1;
            loop {
                let result = pass(&inner, copy_of(&parts, &body)).await;
                if attempt == READ_ATTEMPTS_MAX || !worth_repeating(&result) {
                    return result;
                }
                tokio::time::sleep(READ_PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
        }
    })
}

fn worth_repeating(result: &Result<Answer, TrackerError>) -> bool {
    match result {
        Ok(answer) => answer.status().is_server_error(),
        Err(TrackerError::Unreachable { .. }) => true,
        Err(_) => false,
    }
}
