//! The way in: who calls, what it costs, whether it changed since; around the routes of `api`.

use sha2::{Digest, Sha256};

use super::fact::Fact;
use super::fault::Kind;
use super::model::Model;

/// Seconds of one window of the allowance.
const WINDOW_SECONDS: i64 = 3600;

/// One request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A request by a token's owner; `target` is path and query.
    pub(crate) fn new(method: &str, target: &str, token: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            body: Vec::new(),
        }
    }

    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.method == "GET"
    }

    /// Returns a parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .map(decode)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        let (_, token) = self.header("authorization")?.split_once(' ')?;
        Some(token)
    }

    pub(crate) fn input(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How the transport mistreats it.
    pub(crate) fault: Option<Kind>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            fault: None,
        }
    }

    pub(crate) fn refusal(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &serde_json::json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }),
        )
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One line of the request log.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) conditional: bool,
    pub(crate) authorized: bool,
    pub(crate) status: u16,
    /// What it took from the allowance.
    pub(crate) cost: u64,
}

/// An account's use of its allowance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    requests: u64,
    /// In seconds since 1970.
    window_ends: i64,
}

impl Model {
    /// Answers a request: limits first, then the route, then what every answer carries.
    pub(crate) fn handle(&mut self, call: &Call) -> Answer {
        let fault = self.next_fault(call);
        let caller = self.caller(call);
        let key = self.allowance_key(call);
        let remaining = self.remaining(&key);
        let (mut answer, mut cost) = if let Some(refused) = refused_by(fault.as_ref(), call) {
            (refused, 0)
        } else if remaining == 0 && self.is(Fact::PrimaryLimitStops) {
            (
                Answer::refusal(403, "API rate limit exceeded for this account."),
                0,
            )
        } else {
            let answer = match caller {
                Ok(caller) => self.route(call, &caller),
                Err(refused) => refused,
            };
            (answer, 1)
        };
        if (200..300).contains(&answer.status) && answer.status != 204 && call.path != "/graphql" {
            let etag = self.etag(call, &answer.body);
            if call.is_read() && call.header("if-none-match") == Some(etag.as_str()) {
                answer = Answer::empty(304);
                cost = u64::from(!self.is(Fact::NotModifiedIsFree));
            }
            answer = answer.with("etag", etag);
        }
        self.charge(&key, cost);
        answer = self.with_common_headers(answer, &key);
        if matches!(fault, Some(Kind::Endless)) {
            let page = call
                .parameter("page")
                .and_then(|page| page.parse::<u64>().ok())
                .unwrap_or(1);
            let next = format!(
                "<{}{}?per_page=100&page={}>; rel=\"next\"",
                self.base,
                call.path,
                page + 1
            );
            answer.headers.retain(|(name, _)| name != "link");
            answer = answer.with("link", next);
        }
        spoil(&mut answer, fault);
        self.log.push(Logged {
            method: call.method.clone(),
            target: call.target(),
            conditional: call.header("if-none-match").is_some(),
            authorized: call.token().is_some(),
            status: answer.status,
            cost,
        });
        answer
    }

    fn next_fault(&mut self, call: &Call) -> Option<Kind> {
        let fault = self.faults.iter_mut().find(|fault| fault.concerns(call))?;
        fault.times -= 1;
        Some(fault.kind.clone())
    }

    /// SHA-256 over Accept, Authorization and body, as GitHub seems to make it (facts 1.1).
    fn etag(&self, call: &Call, body: &[u8]) -> String {
        let mut digest = Sha256::new();
        digest.update(call.header("accept").unwrap_or_default());
        digest.update(":");
        if self.is(Fact::EtagNeedsSameToken) {
            digest.update(call.header("authorization").unwrap_or_default());
        }
        digest.update(":");
        digest.update(body);
        let hex: Vec<String> = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("W/\"{}\"", hex.concat())
    }

    fn allowance_key(&self, call: &Call) -> String {
        let token = call.token().unwrap_or("anonymous");
        match self.token_owner(token) {
            Some(owner) if self.is(Fact::LimitIsPerAccount) => format!("account {owner}"),
            _ => token.to_owned(),
        }
    }

    fn remaining(&mut self, key: &str) -> u64 {
        let now = self.now.as_second();
        let used = self.used.entry(key.to_owned()).or_default();
        if used.window_ends <= now {
            *used = Used {
                requests: 0,
                window_ends: now + WINDOW_SECONDS,
            };
        }
        self.limit.saturating_sub(used.requests)
    }

    fn charge(&mut self, key: &str, cost: u64) {
        if let Some(used) = self.used.get_mut(key) {
            used.requests += cost;
        }
    }

    fn with_common_headers(&mut self, answer: Answer, key: &str) -> Answer {
        let remaining = self.remaining(key);
        let reset = self.used.get(key).map_or(0, |used| used.window_ends);
        answer
            .with(
                "date",
                self.now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            )
            .with("content-type", "application/json; charset=utf-8")
            .with("x-ratelimit-limit", self.limit.to_string())
            .with("x-ratelimit-remaining", remaining.to_string())
            .with("x-ratelimit-reset", reset.to_string())
            .with("x-ratelimit-resource", "core")
    }
}

/// Returns the answer of a fault that comes before anything is done.
fn refused_by(fault: Option<&Kind>, call: &Call) -> Option<Answer> {
    match fault? {
        Kind::Status(status) => Some(Answer::refusal(*status, "Server Error")),
        Kind::Limit {
            status,
            retry_after,
        } => {
            let answer = Answer::refusal(
                *status,
                "You have exceeded a secondary rate limit. Please wait.",
            );
            Some(match retry_after {
                Some(seconds) => answer.with("retry-after", seconds.to_string()),
                None => answer,
            })
        }
        Kind::EchoToken => Some(Answer::refusal(
            422,
            &format!("cannot parse header `{}`", call.token().unwrap_or_default()),
        )),
        Kind::StatusAfter(_)
        | Kind::Lost
        | Kind::Hang
        | Kind::Body(_)
        | Kind::Bytes(_)
        | Kind::Link(_)
        | Kind::Endless => None,
    }
}

/// Spoils an answer after everything was done.
fn spoil(answer: &mut Answer, fault: Option<Kind>) {
    match fault {
        Some(Kind::StatusAfter(status)) => {
            answer.status = status;
            answer.body = b"<html>Bad Gateway</html>".to_vec();
        }
        Some(Kind::Body(body)) => {
            answer.status = 200;
            answer.body = body.into_bytes();
        }
        Some(Kind::Bytes(bytes)) => {
            answer.status = 200;
            answer.body = bytes.to_vec();
        }
        Some(Kind::Link(link)) => {
            answer.headers.retain(|(name, _)| name != "link");
            answer.headers.push(("link".to_owned(), link));
        }
        Some(kind @ (Kind::Lost | Kind::Hang)) => answer.fault = Some(kind),
        Some(Kind::Status(_) | Kind::Limit { .. } | Kind::EchoToken | Kind::Endless) | None => {}
    }
}

/// Decodes percent signs.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: Vec<u8> = rest.by_ref().take(2).collect();
            let hex = String::from_utf8_lossy(&hex);
            bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
