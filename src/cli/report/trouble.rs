//! What is said when a report cannot be made: what failed, why, what to do.

use std::fmt::{self, Display};
use std::process::ExitCode;

/// An error in three parts, and whether the caller or the world was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What failed.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
    usage: bool,
}

impl Trouble {
    /// The world is not as it has to be: exit code 1.
    pub fn failed(what: impl Into<String>, why: impl Display, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: format!("{why}"),
            hint: hint.into(),
            usage: false,
        }
    }

    /// The command line is wrong: exit code 2.
    pub fn usage(what: impl Into<String>, why: impl Display, hint: impl Into<String>) -> Self {
        Self {
            usage: true,
            ..Self::failed(what, why, hint)
        }
    }

    /// Returns the exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Error: {}", self.what)?;
        writeln!(f, "Caused by: {}", self.why)?;
        write!(f, "Hint: {}", self.hint)
    }
}

impl std::error::Error for Trouble {}
