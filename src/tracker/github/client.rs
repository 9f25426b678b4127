//! The client: an account, its repositories, and how one request is asked and read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, LINK, LOCATION};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::layer::layer_fn;

use super::auth::Auth;
use super::base::{Base, encode, links};
use super::credentials::{AsApp, Credentials, Kind, TokenFingerprint, Validator, authenticated};
use super::dto::RepoDto;
use super::failure::{Cause, malformed, refusal};
use super::layers::{retried, timed};
use super::limiter::{Allowance, Class, Limiter, limited};
use super::wire::{Reply, Wire, open};
use crate::domain::RepoId;
use crate::knife;
use crate::tracker::TrackerError;

/// Reads the machine's clock; an argument, so that tests tell the time.
pub type Clock = fn() -> Timestamp;

/// Returns the machine's time. Used for reports of a wait before the tracker's first `Date`, and for an App's first assertion.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge's own clock; everything else gets it as an argument"
)]
pub fn system_clock() -> Timestamp {
    Timestamp::now()
}

/// How an account reaches GitHub.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.github.com`, a GHES address ending in `/api/v3`, or a test double on this machine.
    pub base_url: String,
    /// Who we are.
    pub auth: Auth,
    /// Requests of the hourly allowance that are left to the person; at most half of it is kept back.
    pub reserve: u64,
    /// The pause between two writes. GitHub asks for a second.
    pub pace: Duration,
    /// The longest a call may take, with all its attempts and waits; one that makes several requests, for each of them.
    pub deadline: Duration,
    /// The machine's clock: [`system_clock`].
    pub clock: Clock,
}

impl Config {
    /// Returns the usual numbers for an identity: a reserve of 500, one write a second, 30 seconds a request.
    pub fn new(base_url: impl Into<String>, auth: Auth) -> Self {
        Self {
            base_url: base_url.into(),
            auth,
            reserve: 500,
            pace: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            clock: system_clock,
        }
    }
}

/// One identity: its connections and its allowance, shared by all its repositories.
#[derive(Clone)]
pub struct Account {
    base: Base,
    kind: Kind,
    limiter: Arc<Limiter>,
    wire: Wire,
    deadline: Duration,
}

impl Account {
    /// Prepares the connections of an identity; sends nothing yet.
    pub fn open(config: &Config) -> Result<Self, TrackerError> {
        let base = Base::parse(&config.base_url)?;
        let limiter = Limiter::new(config.pace, config.deadline, config.reserve, config.clock);
        Ok(Self {
            kind: Kind::parse(&config.auth)?,
            wire: open(&base)?,
            limiter: Arc::new(limiter),
            deadline: config.deadline,
            base,
        })
    }

    /// Returns the tracker of one repository. Must be called inside a tokio runtime, as octocrab starts a task for it.
    pub fn repository(&self, owner: &str, repo: &str) -> GitHub {
        let limiter = Arc::clone(&self.limiter);
        let credentials = Arc::new(Credentials::new(
            self.kind.clone(),
            self.base.clone(),
            repo.to_owned(),
            Arc::clone(&limiter),
        ));
        let (deadline, at) = (self.deadline, self.base.at());
        let octocrab = OctocrabBuilder::new_empty()
            .with_service(self.wire.clone())
            .with_layer(&layer_fn(|inner| limited(inner, Arc::clone(&limiter))))
            .with_layer(&layer_fn(|inner| {
                authenticated(inner, Arc::clone(&credentials))
            }))
            .with_layer(&layer_fn(retried))
            .with_layer(&layer_fn(|inner| timed(inner, deadline, at.clone())))
            .with_auth(AuthState::None)
            .build()
            .expect("building it cannot fail: its error type has no values");
        GitHub {
            octocrab,
            shared: Arc::new(Shared {
                base: self.base.clone(),
                owner: owner.to_owned(),
                repo: repo.to_owned(),
                is_app: matches!(self.kind, Kind::App { .. }),
                repo_id: Mutex::new(None),
                limiter,
            }),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// One repository on GitHub.
#[derive(Clone)]
pub struct GitHub {
    octocrab: Octocrab,
    shared: Arc<Shared>,
}

struct Shared {
    base: Base,
    owner: String,
    repo: String,
    is_app: bool,
    /// Read with the first heads, again with every sweep.
    repo_id: Mutex<Option<RepoId>>,
    limiter: Arc<Limiter>,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("base", &self.shared.base)
            .field("repository", &self.full_name())
            .finish_non_exhaustive()
    }
}

/// One request, before it is sent.
pub(super) struct Ask {
    method: Method,
    url: String,
    body: Option<Value>,
    class: Class,
    validator: Option<Validator>,
    as_app: bool,
}

impl Ask {
    pub(super) fn conditional(mut self, validator: Option<Validator>) -> Self {
        self.validator = validator;
        self
    }

    pub(super) fn by_app(mut self) -> Self {
        self.as_app = true;
        self
    }

    /// Names what it changes, for the knife: method and path, without numbers. `None` if it only reads.
    fn deed(&self) -> Option<String> {
        let path = match self.url.split_once("/repos/") {
            Some((_, path)) => path.splitn(3, '/').nth(2),
            None => self.url.rsplit('/').next(),
        };
        let part = |part: &str| match part.parse::<u64>() {
            Ok(_) => "n".to_owned(),
            Err(_) => part.to_owned(),
        };
        let parts: Vec<String> = path?.split('/').map(part).collect();
        (self.class != Class::Read).then(|| format!("{} {}", self.method, parts.join("/")))
    }
}

impl GitHub {
    /// Opens an account for a single repository. Several repositories of one identity belong to one [`Account`].
    pub fn connect(config: &Config, owner: &str, repo: &str) -> Result<Self, TrackerError> {
        Ok(Account::open(config)?.repository(owner, repo))
    }

    /// Returns `owner/name` as it was configured.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.shared.owner, self.shared.repo)
    }

    /// Returns what the account may still ask this hour; `None` until an answer said it.
    pub fn allowance(&self) -> Option<Allowance> {
        self.shared.limiter.allowance()
    }

    /// Returns how far the tracker's clock is before ours; `None` until an answer said it.
    pub fn clock_skew(&self) -> Option<jiff::SignedDuration> {
        self.shared.limiter.clock_skew()
    }

    pub(super) fn base(&self) -> &Base {
        &self.shared.base
    }

    pub(super) fn owner_and_name(&self) -> (&str, &str) {
        (&self.shared.owner, &self.shared.repo)
    }

    pub(super) fn is_app(&self) -> bool {
        self.shared.is_app
    }

    /// Returns the time by the tracker's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.limiter.now()
    }

    /// Returns the address of something in this repository; `path` is empty or begins with a slash or a question mark.
    pub(super) fn url(&self, path: &str) -> String {
        self.base().url(&format!(
            "/repos/{}/{}{path}",
            encode(&self.shared.owner),
            encode(&self.shared.repo)
        ))
    }

    pub(super) fn get(url: String) -> Ask {
        Ask {
            method: Method::GET,
            url,
            body: None,
            class: Class::Read,
            validator: None,
            as_app: false,
        }
    }

    pub(super) fn write(method: Method, url: String, body: Option<Value>, class: Class) -> Ask {
        Ask {
            method,
            url,
            body,
            class,
            validator: None,
            as_app: false,
        }
    }

    /// Sends a request and returns whatever came back, success or not.
    pub(super) async fn send(&self, what: &str, ask: Ask) -> Result<Reply, TrackerError> {
        let deed = cfg!(debug_assertions).then(|| ask.deed()).flatten();
        let mut builder = Request::builder()
            .method(ask.method)
            .uri(&ask.url)
            .extension(ask.class);
        if let Some(validator) = ask.validator {
            builder = builder.extension(validator);
        }
        if ask.as_app {
            builder = builder.extension(AsApp);
        }
        let body = match ask.body {
            Some(json) => {
                builder = builder.header(CONTENT_TYPE, "application/json");
                OctoBody::from(json.to_string())
            }
            None => OctoBody::empty(),
        };
        let request = builder.body(body).map_err(|error| malformed(what, error))?;
        let answer = knife::around(|| deed, self.octocrab.send(request))
            .await
            .map_err(|error| self.ours(error))?;
        let (parts, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| self.ours(error))?
            .to_bytes();
        let token_fp = parts
            .extensions
            .get::<TokenFingerprint>()
            .map(|fingerprint| fingerprint.0.clone());
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body,
            token_fp,
        })
    }

    /// Sends a request that has to succeed; a redirect means that the thing moved.
    pub(super) async fn done(
        &self,
        what: &str,
        doing: &str,
        ask: Ask,
    ) -> Result<Reply, TrackerError> {
        let reply = self.send(what, ask).await?;
        self.succeeded(what, doing, reply).await
    }

    /// Returns a successful reply, or the error it means.
    pub(super) async fn succeeded(
        &self,
        what: &str,
        doing: &str,
        reply: Reply,
    ) -> Result<Reply, TrackerError> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        if is_redirect(reply.status) {
            return Err(self.moved(what, &reply).await);
        }
        Err(refusal(&self.base().at(), what, doing, &reply))
    }

    /// Reads something that has to be there.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        what: &str,
        ask: Ask,
    ) -> Result<T, TrackerError> {
        let reply = self.done(what, &format!("read {what}"), ask).await?;
        json(what, &reply)
    }

    /// Returns the address a redirect names, if it lies below our base.
    pub(super) fn redirect(&self, what: &str, reply: &Reply) -> Result<String, TrackerError> {
        let location = reply
            .headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| malformed(what, Cause::Missing("Location")))?;
        self.base()
            .own_link(location)
            .map_err(|cause| malformed(what, cause))
    }

    /// Returns the error of a redirect, with the repository's new name where it can be had with one request.
    async fn moved(&self, what: &str, reply: &Reply) -> TrackerError {
        let target = match self.redirect(what, reply) {
            Ok(target) => target,
            Err(error) => return error,
        };
        let path = self.base().path_of(&target).to_owned();
        let to = match self.name_behind(&path).await {
            Some(name) => name,
            None => path,
        };
        TrackerError::Moved {
            what: what.to_owned(),
            to,
        }
    }

    /// Returns the full name of the repository that a path of the form `/repositories/{id}/..` belongs to.
    async fn name_behind(&self, path: &str) -> Option<String> {
        let id = id_in(path)?;
        let ask = Self::get(self.base().url(&format!("/repositories/{id}")));
        let reply = self.send("the repository it moved to", ask).await.ok()?;
        let repo: RepoDto = serde_json::from_slice(&reply.body).ok()?;
        Some(repo.full_name)
    }

    /// Returns the repository's id, read once; [`GitHub::repo`] refreshes it.
    pub(super) async fn repo_id(&self) -> Result<RepoId, TrackerError> {
        let known = self
            .shared
            .repo_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match known {
            Some(id) => Ok(id),
            None => Ok(self.repo().await?.id),
        }
    }

    pub(super) fn remember_repo_id(&self, id: &RepoId) {
        *self
            .shared
            .repo_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(id.clone());
    }

    /// Returns the tracker error inside octocrab's.
    fn ours(&self, error: octocrab::Error) -> TrackerError {
        let at = self.base().at();
        match error {
            octocrab::Error::Service { source, .. } => match source.downcast::<TrackerError>() {
                Ok(ours) => *ours,
                Err(source) => TrackerError::Unreachable { at, source },
            },
            other => TrackerError::Unreachable {
                at,
                source: Box::new(other),
            },
        }
    }
}

/// Reads a reply's body.
pub(super) fn json<T: DeserializeOwned>(what: &str, reply: &Reply) -> Result<T, TrackerError> {
    serde_json::from_slice(&reply.body).map_err(|error| malformed(what, error))
}

/// Returns the link of one relation in a reply.
pub(super) fn link<'a>(reply: &'a Reply, relation: &str) -> Option<&'a str> {
    let headers = reply.headers.get_all(LINK).iter();
    let mut all = headers
        .filter_map(|header| header.to_str().ok())
        .flat_map(links);
    all.find(|(name, _)| *name == relation)
        .map(|(_, address)| address)
}

/// Returns whether a status says "elsewhere".
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns the id in `/repositories/{id}/..`.
pub(super) fn id_in(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/repositories/")?.split('/').next()?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then_some(id)
}
