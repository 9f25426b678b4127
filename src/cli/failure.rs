//! How a verb fails: what failed, why, what to do.

use std::fmt;
use std::process::ExitCode;

use crate::daemon::store::ReplayError;
use crate::ledger::OpenError;
use crate::terminal::TmuxError;

/// A failure in three parts, with its exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    /// Whether the error brings a heading of its own.
    is_headed: bool,
    error: anyhow::Error,
    hint: Option<String>,
}

/// `EX_CONFIG`: the unit does not restart on it.
const CONFIG: u8 = 78;

impl Failure {
    /// It failed.
    pub fn new(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 1,
            is_headed: false,
            error: error.into(),
            hint: None,
        }
    }

    /// The configuration is wrong.
    pub fn config(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: CONFIG,
            is_headed: true,
            error: error.into(),
            hint: None,
        }
    }

    /// What lies here is for another version of this program: a restart would change nothing.
    pub fn unfit(error: impl Into<anyhow::Error>) -> Self {
        Self {
            is_headed: false,
            ..Self::config(error)
        }
    }

    /// The ledger cannot be opened.
    pub fn of_ledger(error: OpenError) -> Self {
        let hint = error.hint();
        match error {
            OpenError::Newer { .. } => Self::unfit(error),
            _ => Self::new(error),
        }
        .hint(hint)
    }

    /// The ledger cannot be replayed.
    pub fn of_replay(error: ReplayError) -> Self {
        let hint = error.hint();
        match error {
            ReplayError::Unknown { .. } => Self::unfit(error),
            _ => Self::new(error),
        }
        .hint(hint)
    }

    /// It was called wrongly.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 2,
            is_headed: false,
            error: error.into(),
            hint: None,
        }
    }

    /// tmux did not do what was asked.
    pub fn of_tmux(error: TmuxError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::new(error).hint(hint)
    }

    /// Nobody reads the answer any more: no error, and nothing to say.
    pub fn silent() -> Self {
        Self {
            code: 0,
            is_headed: false,
            error: anyhow::anyhow!("the reader of the answer went away"),
            hint: None,
        }
    }

    /// Returns whether there is something to say.
    pub fn speaks(&self) -> bool {
        self.code != 0
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Returns what failed with why, on one line.
    pub fn says(&self) -> String {
        let chain: Vec<String> = self.error.chain().map(ToString::to_string).collect();
        chain.join(": ")
    }

    /// Returns what to do about it.
    pub fn hinted(&self) -> Option<String> {
        self.hint.clone()
    }

    /// Returns the exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration's own problems bring their heading and carets.
        if self.is_headed {
            write!(f, "{}", self.error)?;
        } else {
            write!(f, "Error: {}", self.error)?;
        }
        for cause in self.error.chain().skip(1) {
            write!(f, "\nCaused by: {cause}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nHint: {hint}"),
            None => Ok(()),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
