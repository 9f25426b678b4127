//! How an answer that is not a success becomes a [`TrackerError`].

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::wire::Reply;
use crate::tracker::TrackerError;

/// The longest text of the server's that an error repeats, in characters.
const WORDS_CHARS_MAX: usize = 300;

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    /// A status that says the server is in trouble.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// Time is up.
    #[error("no complete answer within {0:?}")]
    Deadline(Duration),
    /// A body over the bound.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Following it would hand our token to somebody else.
    #[error("a link in it leads away from the configured `base_url`")]
    ForeignLink,
    /// A page leads back to an earlier one.
    #[error("its pages lead in a circle")]
    PageLoop,
    /// Something that identifies the answer is missing.
    #[error("`{0}` is missing or wrong")]
    Missing(&'static str),
}

/// What GitHub says in the body of a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: Option<String>,
    errors: serde_json::Value,
}

/// Returns the server's own words, shortened, on one line.
pub(super) fn words(body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let mut words = refusal.message.unwrap_or_default();
    if let Some(errors) = refusal.errors.as_array() {
        for error in errors {
            let detail = error
                .get("message")
                .or_else(|| error.get("code"))
                .and_then(|detail| detail.as_str());
            for part in [error.get("field").and_then(|field| field.as_str()), detail]
                .into_iter()
                .flatten()
            {
                words.push_str("; ");
                words.push_str(part);
            }
        }
    }
    if words.is_empty() {
        "no reason given".clone_into(&mut words);
    }
    words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(WORDS_CHARS_MAX)
        .collect()
}

/// Returns the error for an answer we could not read.
pub(super) fn malformed(what: &str, source: impl Error + Send + Sync + 'static) -> TrackerError {
    TrackerError::Malformed {
        what: what.to_owned(),
        source: Box::new(source),
    }
}

/// Returns the error that an unsuccessful answer means. Limits were taken out before, by the limiter.
pub(super) fn refusal(at: &str, what: &str, doing: &str, reply: &Reply) -> TrackerError {
    match reply.status {
        StatusCode::UNAUTHORIZED => TrackerError::TokenRejected {
            why: words(&reply.body),
        },
        StatusCode::FORBIDDEN => TrackerError::Forbidden {
            what: format!("{doing}: {}", words(&reply.body)),
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => TrackerError::NotFound {
            what: what.to_owned(),
        },
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            TrackerError::Unreachable {
                at: at.to_owned(),
                source: Box::new(Cause::Status(status)),
            }
        }
        status if status.is_client_error() => TrackerError::Refused {
            what: doing.to_owned(),
            why: words(&reply.body),
        },
        status => malformed(what, Cause::Status(status)),
    }
}
