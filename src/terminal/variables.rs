//! How a window's program gets its environment: never by the server's, and no secret on a command line.
//!
//! An argv can be read by every user of the machine, in `/proc`, and tmux keeps it (`#{pane_start_command}`). So variables that may be
//! secrets are handed over in a file which only its owner can read; the shell that reads it removes it and becomes the program.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::TmuxError;

/// Resets the environment; by its absolute path, because the server's PATH is anybody's.
const ENV: &str = "/usr/bin/env";
/// Reads the file, removes it and becomes the program; a file that is gone ends it, because an agent without its account only confuses.
const TAKE: &str = r#". "$0" && rm -f -- "$0" && exec "$@""#;
/// How often it is looked whether the file was taken: the shell needs 3 ms.
const LOOKS_MAX: u32 = 100;
/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The *whole* environment of a window's program; nothing is inherited but `TERM`, set if it is not among the variables.
#[derive(Clone, PartialEq, Eq)]
pub enum Environment {
    /// On the command line: for values that everybody may see.
    Argv(Vec<(String, String)>),
    /// In a file that is read once.
    File {
        /// Where the file is written: a folder that only its readers may enter.
        folder: PathBuf,
        /// The file's mode: 0600, or 0640 for agents of another account.
        mode: u32,
        /// The variables.
        variables: Vec<(String, String)>,
    },
}

impl std::fmt::Debug for Environment {
    /// Names alone: the values are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.variables().iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Environment {
    /// Returns the variables.
    pub fn variables(&self) -> &[(String, String)] {
        match self {
            Self::Argv(variables) | Self::File { variables, .. } => variables,
        }
    }

    /// Writes the file, if there is one.
    pub(super) fn hand_over(&self, name: &str) -> Result<Option<Handed>, TmuxError> {
        let Self::File {
            folder,
            mode,
            variables,
        } = self
        else {
            return Ok(None);
        };
        let file = Handed {
            path: folder.join(format!("{name}.env")),
        };
        file.write(variables, *mode)
            .map_err(|error| TmuxError::Failed {
                command: "new-window".to_owned(),
                why: format!("cannot write `{}`: {error}", file.path.display()),
            })?;
        Ok(Some(file))
    }

    /// Returns the whole command of the window.
    pub(super) fn words(&self, file: Option<&Handed>, program: &[String]) -> Vec<String> {
        let mut words = vec![ENV.to_owned(), "-i".to_owned()];
        if !self.variables().iter().any(|(name, _)| name == "TERM") {
            words.push("TERM=tmux-256color".to_owned());
        }
        match (self, file) {
            (Self::File { .. }, Some(file)) => {
                words.extend(["/bin/sh", "-c", TAKE].map(str::to_owned));
                words.push(file.path.to_string_lossy().into_owned());
            }
            (Self::Argv(variables), _) | (Self::File { variables, .. }, None) => {
                words.extend(
                    variables
                        .iter()
                        .map(|(name, value)| format!("{name}={value}")),
                );
            }
        }
        words.extend(program.iter().cloned());
        words
    }
}

/// A file of variables on its way to a window. Removed at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Handed {
    path: PathBuf,
}

impl Handed {
    fn write(&self, variables: &[(String, String)], mode: u32) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            use std::os::unix::fs::DirBuilderExt as _;
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        // What an end in the middle left behind; a link somebody put there is not followed either.
        remove(&self.path)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&self.path)?;
        file.write_all(script(variables).as_bytes())
    }

    /// Waits until the shell has taken it: before that the pane shows a shell and not yet its program.
    pub(super) async fn taken(self) {
        for _ in 0..LOOKS_MAX {
            if !self.path.exists() {
                return;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a file of variables could not be removed");
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Returns variables as shell text: every value in single quotes, so nothing in it is special.
fn script(variables: &[(String, String)]) -> String {
    let line = |(name, value): &(String, String)| {
        format!("export {name}='{}'\n", value.replace('\'', r"'\''"))
    };
    variables.iter().map(line).collect()
}

/// Returns whether a shell takes this for a variable's name: anything else would be run.
pub(super) fn is_variable(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_letter)
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}
