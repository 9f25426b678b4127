//! Faults on demand: what goes wrong, for which requests, how often.

use super::entry::Call;

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// This status, and nothing was done.
    Status(u16),
    /// This status, although it was done.
    StatusAfter(u16),
    /// It was done, and the connection breaks in the middle of the answer.
    Lost,
    /// No answer ever.
    Hang,
    /// A limit: 403 or 429, with or without `retry-after`.
    Limit {
        status: u16,
        retry_after: Option<u64>,
    },
    /// A success with this body instead.
    Body(String),
    /// A success with these bytes instead.
    Bytes(&'static [u8]),
    /// A success with this `Link` header instead.
    Link(String),
    /// Every page has a next one.
    Endless,
    /// A refusal that repeats the token, as a careless proxy would.
    EchoToken,
}

/// A fault, armed until it has happened so many times.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    pub(crate) part: String,
    pub(crate) times: usize,
    pub(crate) kind: Kind,
}

impl Fault {
    /// Arms a fault for the next request of a method whose path with query contains `part`.
    pub(crate) fn once(method: &'static str, part: impl Into<String>, kind: Kind) -> Self {
        Self {
            method,
            part: part.into(),
            times: 1,
            kind,
        }
    }

    /// Arms it for good.
    pub(crate) fn always(method: &'static str, part: impl Into<String>, kind: Kind) -> Self {
        Self {
            method,
            part: part.into(),
            times: usize::MAX,
            kind,
        }
    }

    pub(crate) fn concerns(&self, call: &Call) -> bool {
        self.times > 0 && self.method == call.method && call.target().contains(&self.part)
    }
}
