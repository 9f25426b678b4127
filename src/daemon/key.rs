//! The installation's own key: report secrets and the marker lines of comments are derived from it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::domain::DispatchId;
use crate::knife;
use crate::machine::text::sha256;

/// Bytes of the key: SHA-256's block is 64, its output 32.
const KEY_BYTES: usize = 32;
/// Letters of a report secret: 24 of base 32 are 120 bits.
const SECRET_LETTERS: usize = 24;
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The key, in a file of the state folder that is not part of the ledger (0600).
#[derive(Clone)]
pub struct Key(std::sync::Arc<SecretSlice<u8>>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads the key, or makes it the first time.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) if bytes.len() == KEY_BYTES => Ok(Self(std::sync::Arc::new(bytes.into()))),
            Ok(_) => Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the key file is damaged",
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> std::io::Result<Self> {
        let mut bytes = [0u8; KEY_BYTES];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| std::io::Error::other("no random numbers"))?;
        // Under its own name it is whole: half a key would stop every later start.
        let unfinished = path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        knife::point(|| "while making the key".to_owned());
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        if let Some(folder) = path.parent() {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(Self(std::sync::Arc::new(bytes.to_vec().into())))
    }

    /// Signs bytes, which begin with what they are for.
    pub(super) fn sign(&self, bytes: &[u8]) -> hmac::Tag {
        hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret()),
            bytes,
        )
    }

    /// Returns the secret that a dispatch's reports must carry. The brief alone has it; the ledger has its hash.
    pub fn secret(&self, dispatch: &DispatchId) -> String {
        self.letters(&format!("report:{dispatch}"))
    }

    /// Returns the secret that a window's hooks write beside each event. The session's own settings alone have it.
    pub fn hooks_secret(&self, window: &str) -> String {
        self.letters(&format!("hooks:{window}"))
    }

    fn letters(&self, of: &str) -> String {
        let tag = self.sign(of.as_bytes());
        tag.as_ref()
            .iter()
            .take(SECRET_LETTERS)
            .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
            .collect()
    }

    /// Returns what the ledger keeps of that secret.
    pub fn secret_hash(&self, dispatch: &DispatchId) -> String {
        sha256(self.secret(dispatch).as_bytes())
    }
}

/// Returns `n` random letters of `[a-z0-9]`, for ids.
pub fn random_letters(n: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = vec![0u8; n];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the kernel has random numbers");
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}
