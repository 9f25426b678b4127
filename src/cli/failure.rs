//! How a verb fails: what failed, why, what to do.

use std::fmt;
use std::process::ExitCode;

use crate::terminal::TmuxError;

/// A failure in three parts, with its exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
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
            error: error.into(),
            hint: None,
        }
    }

    /// The configuration is wrong.
    pub fn config(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: CONFIG,
            error: error.into(),
            hint: None,
        }
    }

    /// It was called wrongly.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 2,
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
        if self.code == CONFIG {
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
