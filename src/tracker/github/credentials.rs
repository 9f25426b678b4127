//! Credentials of one repository: the header of each request, and the App's hourly token behind it.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use octocrab::OctoBody;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tower::service_fn;

use super::auth::Auth;
use super::base::Base;
use super::failure::{Cause, malformed, refusal, words};
use super::limiter::{Class, Limiter};
use super::wire::{Answer, Hop, Reply, bytes_of, copy_of, pass};
use crate::tracker::TrackerError;

/// How far an App's assertion is dated back: GitHub refuses one from its future.
const BACKDATED: SignedDuration = SignedDuration::from_secs(60);
/// How long an assertion is good for; GitHub allows ten minutes.
const ASSERTION_LIFE: SignedDuration = SignedDuration::from_mins(8);
/// A token is replaced this long before it ends, and not earlier: each new one makes validator worthless.
const RENEWED_BEFORE_END: SignedDuration = SignedDuration::from_secs(60);
/// Bytes of the digest that a fingerprint shows.
const FINGERPRINT_BYTES: usize = 8;

/// Marks a request that the App makes as itself, not through its installation.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsApp;

/// Makes a request conditional, if it is going to be made with the token its validator belongs to.
#[derive(Clone, Debug)]
pub(super) struct Validator {
    pub(super) etag: String,
    pub(super) token_fp: String,
}

/// Tells the client which token a request was made with.
#[derive(Clone, Debug)]
pub(super) struct TokenFingerprint(pub(super) String);

/// Proof of identity for the requests of one repository.
pub(super) struct Credentials {
    kind: Kind,
    base: Base,
    /// The repository's name: what an installation token is scoped to.
    repo: String,
    /// Held while a token is fetched, so that many callers fetch one.
    minted: Mutex<Option<Minted>>,
    limiter: Arc<Limiter>,
}

#[derive(Clone)]
pub(super) enum Kind {
    Token(SecretString),
    App {
        app_id: u64,
        installation_id: u64,
        key: Arc<RsaKeyPair>,
    },
}

impl Kind {
    /// Reads the identity; a key that is none is a mistake of the configuration.
    pub(super) fn parse(auth: &Auth) -> Result<Self, TrackerError> {
        match auth {
            Auth::Token(token) if token.expose_secret().is_empty() => {
                Err(TrackerError::TokenRejected {
                    why: "it is empty".to_owned(),
                })
            }
            Auth::Token(token) => Ok(Self::Token(token.clone())),
            Auth::App {
                app_id,
                installation_id,
                key_pem,
            } => Ok(Self::App {
                app_id: *app_id,
                installation_id: *installation_id,
                key: Arc::new(read_key(key_pem.expose_secret())?),
            }),
        }
    }
}

#[derive(Clone)]
struct Minted {
    bearer: Bearer,
    ends: Timestamp,
}

/// One token, ready for a header.
#[derive(Clone)]
struct Bearer {
    token: SecretString,
    fingerprint: String,
}

impl Bearer {
    fn new(token: SecretString) -> Self {
        let digest = Sha256::digest(token.expose_secret().as_bytes());
        let mut fingerprint = String::new();
        for byte in &digest[..FINGERPRINT_BYTES] {
            write!(fingerprint, "{byte:02x}").expect("writing to a String never fails");
        }
        Self { token, fingerprint }
    }

    fn header(&self) -> Result<HeaderValue, TrackerError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.token.expose_secret()))
            .map_err(|_| TrackerError::TokenRejected {
                why: "it has characters that no token has".to_owned(),
            })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[derive(Deserialize)]
struct InstallationToken {
    token: String,
    expires_at: Timestamp,
}

impl Credentials {
    pub(super) fn new(kind: Kind, base: Base, repo: String, limiter: Arc<Limiter>) -> Self {
        Self {
            kind,
            base,
            repo,
            minted: Mutex::new(None),
            limiter,
        }
    }

    async fn bearer<S: Hop>(&self, hop: &S, as_app: bool) -> Result<Bearer, TrackerError> {
        match &self.kind {
            Kind::Token(token) => Ok(Bearer::new(token.clone())),
            Kind::App { app_id, key, .. } if as_app => {
                Ok(Bearer::new(assertion(*app_id, key, self.limiter.now())?))
            }
            Kind::App {
                app_id,
                installation_id,
                key,
            } => {
                let mut minted = self.minted.lock().await;
                match minted.as_ref() {
                    Some(good) if self.limiter.now() + RENEWED_BEFORE_END < good.ends => {
                        Ok(good.bearer.clone())
                    }
                    Some(_) | None => {
                        let fresh = self.mint(hop, *app_id, *installation_id, key).await?;
                        Ok(minted.insert(fresh).bearer.clone())
                    }
                }
            }
        }
    }

    /// Forgets an installation token that was refused; returns whether another attempt may help.
    async fn forget(&self, refused: &Bearer) -> bool {
        if matches!(self.kind, Kind::Token(_)) {
            return false;
        }
        let mut minted = self.minted.lock().await;
        if minted
            .as_ref()
            .is_some_and(|minted| minted.bearer.fingerprint == refused.fingerprint)
        {
            *minted = None;
        }
        true
    }

    /// Fetches an installation token. Tried twice, because the first refusal tells us the tracker's time.
    async fn mint<S: Hop>(
        &self,
        hop: &S,
        app_id: u64,
        installation_id: u64,
        key: &RsaKeyPair,
    ) -> Result<Minted, TrackerError> {
        let url = self.base.url(&format!(
            "/app/installations/{installation_id}/access_tokens"
        ));
        let scope = serde_json::json!({ "repositories": [self.repo] }).to_string();
        let what = format!("the App's installation {installation_id}");
        let mut tried = 0;
        loop {
            let assertion = Bearer::new(assertion(app_id, key, self.limiter.now())?);
            let request = Request::builder()
                .method(Method::POST)
                .uri(&url)
                .header(AUTHORIZATION, assertion.header()?)
                .header(CONTENT_TYPE, "application/json")
                .extension(Class::Read)
                .body(OctoBody::from(scope.clone()))
                .map_err(|error| malformed(&what, error))?;
            let (parts, body) = bytes_of(pass(hop, request).await?).await;
            tried += 1;
            match parts.status {
                StatusCode::CREATED => {
                    // The reader's own words are left out: they could quote the token.
                    let minted: InstallationToken = serde_json::from_slice(&body)
                        .map_err(|_| malformed(&what, Cause::Missing("token` and `expires_at")))?;
                    return Ok(Minted {
                        bearer: Bearer::new(minted.token.into()),
                        ends: minted.expires_at,
                    });
                }
                StatusCode::UNAUTHORIZED if tried < 2 => {}
                StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
                    let why = format!("{what} has no access to `{}`: {}", self.repo, words(&body));
                    return Err(TrackerError::TokenRejected { why });
                }
                status => {
                    let reply = Reply {
                        status,
                        headers: parts.headers,
                        body,
                        token_fp: None,
                    };
                    return Err(refusal(
                        &self.base.at(),
                        &what,
                        "fetch an installation token",
                        &reply,
                    ));
                }
            }
        }
    }
}

/// Signs each request; asks once more with a fresh token when an App's was refused, which proves that nothing was done.
pub(super) fn authenticated<S: Hop>(inner: S, credentials: Arc<Credentials>) -> impl Hop {
    service_fn(move |request: Request<OctoBody>| {
        let (inner, credentials) = (inner.clone(), Arc::clone(&credentials));
        async move {
            let (parts, body) = request.into_parts();
            let as_app = parts.extensions.get::<AsApp>().is_some();
            let mut renewed = false;
            loop {
                let bearer = credentials.bearer(&inner, as_app).await?;
                let mut request = copy_of(&parts, &body);
                request
                    .headers_mut()
                    .insert(AUTHORIZATION, bearer.header()?);
                if let Some(validator) = parts.extensions.get::<Validator>()
                    && validator.token_fp == bearer.fingerprint
                    && let Ok(etag) = HeaderValue::try_from(&validator.etag)
                {
                    request.headers_mut().insert(IF_NONE_MATCH, etag);
                }
                let answer = pass(&inner, request).await?;
                if answer.status() == StatusCode::UNAUTHORIZED
                    && !renewed
                    && credentials.forget(&bearer).await
                {
                    renewed = true;
                    continue;
                }
                return Ok(without_token(answer, &bearer).await);
            }
        }
    })
}

/// Takes our token out of a refusal that repeats it, as some proxies do, and notes which token was used.
async fn without_token(answer: Answer, bearer: &Bearer) -> Answer {
    let (mut parts, mut body) = bytes_of(answer).await;
    let token = bearer.token.expose_secret();
    if !parts.status.is_success()
        && body
            .windows(token.len())
            .any(|window| window == token.as_bytes())
    {
        body = Bytes::from(String::from_utf8_lossy(&body).replace(token, "[token]"));
    }
    parts
        .extensions
        .insert(TokenFingerprint(bearer.fingerprint.clone()));
    Answer::from_parts(parts, Full::new(body))
}

fn read_key(pem: &str) -> Result<RsaKeyPair, TrackerError> {
    let refuse = |why: &str| TrackerError::TokenRejected {
        why: format!("the App's private key {why}"),
    };
    let text: String = pem
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD
        .decode(text)
        .map_err(|_| refuse("is not a PEM file"))?;
    let key = if pem.contains("BEGIN RSA PRIVATE KEY") {
        RsaKeyPair::from_der(&der)
    } else {
        RsaKeyPair::from_pkcs8(&der)
    };
    key.map_err(|_| refuse("is not an RSA key of 2048 bits or more"))
}

/// Returns the App's signed assertion, RS256.
fn assertion(app_id: u64, key: &RsaKeyPair, now: Timestamp) -> Result<SecretString, TrackerError> {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let claims = serde_json::json!({
        "iat": (now - BACKDATED).as_second(),
        "exp": (now + ASSERTION_LIFE).as_second(),
        "iss": app_id.to_string(),
    });
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| TrackerError::TokenRejected {
        why: "the App's private key cannot sign".to_owned(),
    })?;
    Ok(SecretString::from(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}
