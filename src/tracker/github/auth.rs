//! Who we are: the kinds of identity, and where a token is found.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// How an account proves itself. `Debug` never shows a secret.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A personal token, fine-grained or classic, or a machine account's.
    Token(SecretString),
    /// An installation of a GitHub App: each repository gets a token of its own, scoped to it, for one hour.
    App {
        /// The App's id.
        app_id: u64,
        /// Its installation on the account that owns the repositories.
        installation_id: u64,
        /// The private key, PKCS#1 or PKCS#8 PEM as GitHub hands it out.
        key_pem: SecretString,
    },
}

impl Auth {
    /// Returns whether this is the same identity with the same secret.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(mine), Self::Token(theirs)) => {
                mine.expose_secret() == theirs.expose_secret()
            }
            (
                Self::App {
                    app_id,
                    installation_id,
                    key_pem,
                },
                Self::App {
                    app_id: their_app,
                    installation_id: their_installation,
                    key_pem: their_key,
                },
            ) => {
                app_id == their_app
                    && installation_id == their_installation
                    && key_pem.expose_secret() == their_key.expose_secret()
            }
            (Self::Token(_) | Self::App { .. }, _) => false,
        }
    }
}

/// Where a token may be; read by the caller, because this module knows neither environment nor processes.
#[derive(Clone, Debug, Default)]
pub struct TokenSources {
    /// `$CREDENTIALS_DIRECTORY/github-token`, when systemd gives us a credentials folder.
    pub credential: Option<PathBuf>,
    /// The value of `GITHUB_TOKEN`.
    pub github_token: Option<SecretString>,
    /// The value of `GH_TOKEN`.
    pub gh_token: Option<SecretString>,
}

/// Where a token was found: said by `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// A file that systemd keeps for the service.
    Credential(PathBuf),
    /// An environment variable.
    Variable(&'static str),
    /// `gh auth token`.
    GhCommand,
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(path) => write!(f, "the credential `{}`", path.display()),
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::GhCommand => f.write_str("`gh auth token`"),
        }
    }
}

/// A token and where it came from.
#[derive(Clone, Debug)]
pub struct FoundToken {
    /// The token.
    pub token: SecretString,
    /// Where it was.
    pub place: TokenPlace,
}

/// Why the search stopped. A place that is there but unusable stops it: going on would act as somebody else.
#[derive(Debug, thiserror::Error)]
pub enum TokenSearchError {
    /// The credential file is there and cannot be read.
    #[error("cannot read the credential `{path}`")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was found cannot be a token. The text is not repeated.
    #[error("{place} holds something that is not a token")]
    NotAToken {
        /// Where.
        place: TokenPlace,
    },
}

/// Finds a token: systemd's credential, `GITHUB_TOKEN`, `GH_TOKEN`, then `gh`, which is asked last because it costs a process.
/// Returns `None` when no place has one. `read` reads a file, `gh` returns what `gh auth token` printed.
pub fn find_token(
    sources: &TokenSources,
    read: impl FnOnce(&Path) -> io::Result<String>,
    gh: impl FnOnce() -> Option<SecretString>,
) -> Result<Option<FoundToken>, TokenSearchError> {
    if let Some(path) = &sources.credential {
        match read(path) {
            Ok(text) => return accept(&text, TokenPlace::Credential(path.clone())).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(TokenSearchError::Unreadable {
                    path: path.clone(),
                    source,
                });
            }
        }
    }
    let variables = [
        ("GITHUB_TOKEN", &sources.github_token),
        ("GH_TOKEN", &sources.gh_token),
    ];
    for (name, value) in variables {
        if let Some(value) = value
            .as_ref()
            .map(ExposeSecret::expose_secret)
            .filter(|value| !value.trim().is_empty())
        {
            return accept(value, TokenPlace::Variable(name)).map(Some);
        }
    }
    match gh() {
        Some(printed) if !printed.expose_secret().trim().is_empty() => {
            accept(printed.expose_secret(), TokenPlace::GhCommand).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// Tokens have no fixed length or shape; but every one of them fits into a header.
fn accept(text: &str, place: TokenPlace) -> Result<FoundToken, TokenSearchError> {
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenSearchError::NotAToken { place });
    }
    Ok(FoundToken {
        token: SecretString::from(token),
        place,
    })
}
