//! Accounts, tokens and Apps: who calls, and what they may.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::json;

use super::entry::{Answer, Call};
use super::fact::Fact;
use super::model::{Model, Repo};

/// The only App's key; made for these tests and good for nothing else. Bytes, because a key in letters sets off scanners for secrets.
const APP_KEY: &[u8] = include_bytes!("app-key-for-tests.der");
/// The only App's id.
const APP: u64 = 12345;
/// Its only installation.
const INSTALLATION: u64 = 100;

/// Returns the App's key as a person downloads it.
pub(crate) fn app_key() -> String {
    let base64 = STANDARD.encode(APP_KEY);
    let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body = lines.collect::<Vec<_>>().join("\n");
    let kind = "PRIVATE KEY";
    format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    /// `User` or `Bot`.
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct InstallationToken {
    ends: Timestamp,
    /// Names of repositories, without their owner.
    repos: Vec<String>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Nobody,
    Person(u64),
    /// The App as itself.
    App,
    /// The App's bot, for these repositories.
    Installation {
        bot: u64,
        repos: Vec<String>,
    },
}

impl Caller {
    /// The account whose name is under what they do.
    pub(crate) fn account(&self) -> Option<u64> {
        match self {
            Self::Person(id) | Self::Installation { bot: id, .. } => Some(*id),
            Self::Nobody | Self::App => None,
        }
    }
}

/// What one may do, lowest first.
const LADDER: [&str; 6] = ["none", "read", "triage", "write", "maintain", "admin"];

fn rung(role: &str) -> usize {
    LADDER.iter().position(|known| *known == role).unwrap_or(0)
}

impl Model {
    /// Returns the account of a login; it is made on first mention.
    pub(crate) fn account(&mut self, login: &str) -> u64 {
        if let Some(known) = self
            .accounts
            .values()
            .find(|account| account.login.eq_ignore_ascii_case(login))
        {
            return known.id;
        }
        let id = self.new_id();
        let kind = if login.ends_with("[bot]") {
            "Bot"
        } else {
            "User"
        };
        self.accounts.insert(
            id,
            Account {
                id,
                login: login.to_owned(),
                kind,
            },
        );
        id
    }

    /// Makes a token for a login; returns it.
    pub(crate) fn token_for(&mut self, login: &str) -> String {
        let owner = self.account(login);
        let token = format!("ghp_{login}_{}", self.new_id());
        self.tokens.insert(token.clone(), owner);
        token
    }

    /// Gives a role in a repository.
    pub(crate) fn grant(&mut self, full_name: &str, login: &str, role: &'static str) {
        let id = self.account(login);
        self.repo(full_name).roles.insert(id, role);
    }

    pub(crate) fn token_owner(&self, token: &str) -> Option<u64> {
        self.tokens.get(token).copied()
    }

    pub(crate) fn caller(&mut self, call: &Call) -> Result<Caller, Answer> {
        let Some(token) = call.token() else {
            return Ok(Caller::Nobody);
        };
        if let Some(owner) = self.token_owner(token) {
            return Ok(Caller::Person(owner));
        }
        let bot = self.account("pointsman-test[bot]");
        if let Some(minted) = self.installation_tokens.get(token) {
            let alive = self.now < minted.ends || !self.is(Fact::InstallationTokensEnd);
            if alive {
                return Ok(Caller::Installation {
                    bot,
                    repos: minted.repos.clone(),
                });
            }
        } else if token.split('.').count() == 3 {
            return self.check_assertion(token).map(|()| Caller::App);
        }
        if self.is(Fact::UnknownTokenIs401) {
            return Err(Answer::refusal(401, "Bad credentials"));
        }
        Ok(Caller::Nobody)
    }

    /// Checks an App's assertion: signature, issuer, times.
    fn check_assertion(&self, token: &str) -> Result<(), Answer> {
        let refuse = |why: &str| Answer::refusal(401, why);
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or_else(|| refuse("A JSON web token could not be decoded"))?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| refuse("A JSON web token could not be decoded"))?;
        let key = RsaKeyPair::from_pkcs8(APP_KEY).expect("the test key is an RSA key");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| refuse("A JSON web token could not be decoded"))?;
        let claims = signed
            .split('.')
            .nth(1)
            .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok())
            .unwrap_or_default();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap_or_default();
        let time = |name: &str| {
            claims
                .get(name)
                .and_then(serde_json::Value::as_i64)
                .unwrap_or_default()
        };
        let now = self.now.as_second();
        if claims.get("iss") != Some(&json!(APP.to_string())) {
            return Err(refuse("Integration not found"));
        }
        if time("iat") > now && self.is(Fact::FutureAssertionsAreRefused) {
            return Err(refuse(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ));
        }
        if time("exp") <= now || time("exp") > now + 600 {
            return Err(refuse(
                "'Expiration time' claim ('exp') is too far in the future or past",
            ));
        }
        Ok(())
    }

    pub(crate) fn mint(
        &mut self,
        caller: &Caller,
        installation: &str,
        input: &serde_json::Value,
    ) -> Answer {
        if *caller != Caller::App {
            return Answer::refusal(401, "A JSON web token could not be decoded");
        }
        if installation != INSTALLATION.to_string() {
            return Answer::refusal(404, "Not Found");
        }
        let named = input
            .get("repositories")
            .and_then(|names| names.as_array())
            .cloned()
            .unwrap_or_default();
        let repos: Vec<String> = named
            .iter()
            .filter_map(|name| name.as_str())
            .map(str::to_lowercase)
            .collect();
        let token = format!("ghs_{APP}_{}", self.new_id());
        let ends = self.now + SignedDuration::from_hours(1);
        self.installation_tokens
            .insert(token.clone(), InstallationToken { ends, repos });
        Answer::json(
            201,
            &json!({ "token": token, "expires_at": ends.to_string(), "permissions": {} }),
        )
    }

    /// Returns what a caller may do in a repository.
    pub(crate) fn role_in(&self, repo: &Repo, caller: &Caller) -> &'static str {
        let granted = match caller {
            Caller::Installation { repos, .. } => {
                let name = repo.full_name.to_lowercase();
                let scoped = repos.is_empty()
                    || repos
                        .iter()
                        .any(|scope| name.ends_with(&format!("/{scope}")));
                if scoped || !self.is(Fact::InstallationTokensAreScoped) {
                    "write"
                } else {
                    "none"
                }
            }
            Caller::Person(id) => repo.roles.get(id).copied().unwrap_or("none"),
            Caller::Nobody | Caller::App => "none",
        };
        if granted == "none" && !repo.private {
            "read"
        } else {
            granted
        }
    }

    /// Returns whether a caller stands at least on this rung.
    pub(crate) fn may(&self, repo: &Repo, caller: &Caller, role: &str) -> bool {
        rung(self.role_in(repo, caller)) >= rung(role)
    }

    /// `GET /repos/../collaborators/{login}/permission`
    pub(crate) fn permission(&self, repo: &Repo, login: &str) -> Answer {
        let Some(account) = self
            .accounts
            .values()
            .find(|account| account.login.eq_ignore_ascii_case(login))
        else {
            return Answer::refusal(404, &format!("{login} is not a user"));
        };
        if account.kind == "Bot" {
            return Answer::refusal(404, &format!("{login} is not a user"));
        }
        let role = match repo.roles.get(&account.id) {
            Some(role) => *role,
            None if !self.is(Fact::StrangersHaveNoPermission) => "write",
            None if repo.private => return Answer::refusal(404, "Not Found"),
            None => "read",
        };
        let permission = match role {
            "maintain" if self.is(Fact::PermissionIsCoarse) => "write",
            "triage" if self.is(Fact::PermissionIsCoarse) => "read",
            other => other,
        };
        let user = self.user_json(Some(account.id));
        Answer::json(
            200,
            &json!({ "permission": permission, "role_name": role, "user": user }),
        )
    }
}
