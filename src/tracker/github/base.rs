//! Addresses: where the API answers, which links may be followed, how text becomes part of a path.

use std::fmt::Write as _;

use http::Uri;

use super::failure::Cause;
use crate::tracker::TrackerError;

/// The API's address. Everything we ask for, and every link we follow, lies below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// `https://api.github.com`, without a path.
    origin: String,
    /// Nothing, or `/api/v3`, without a slash at the end.
    prefix: String,
}

impl Base {
    /// Reads an address; refuses one that would send the token in clear text to another machine.
    pub(super) fn parse(text: &str) -> Result<Self, TrackerError> {
        let refuse = |why: &str| TrackerError::Refused {
            what: "use the configured `base_url`".to_owned(),
            why: why.to_owned(),
        };
        let uri: Uri = text.parse().map_err(|_| refuse("it is not an address"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse(
                "it needs a scheme and a host, as in `https://api.github.com`",
            ));
        };
        if authority.as_str().contains('@') {
            return Err(refuse("it may not carry a user or password"));
        }
        if uri.query().is_some() {
            return Err(refuse("it may not carry a query"));
        }
        let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
        match scheme {
            "https" => {}
            "http" if loopback => {}
            "http" => {
                return Err(refuse(
                    "`http` would send the token in clear text; use `https`",
                ));
            }
            _ => return Err(refuse("it must begin with `https://`")),
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            prefix,
        })
    }

    /// Returns the address of a path that begins with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.prefix)
    }

    /// Returns where GraphQL answers: beside `/api/v3` on GHES, below the base elsewhere.
    pub(super) fn graphql(&self) -> String {
        match self.prefix.strip_suffix("/api/v3") {
            Some(before) => format!("{}{before}/api/graphql", self.origin),
            None => self.url("/graphql"),
        }
    }

    /// Returns whether the connection is encrypted.
    pub(super) fn encrypted(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Returns the address as words for an error.
    pub(super) fn at(&self) -> String {
        self.url("")
    }

    /// Returns a link of an answer as an address below this base, or says that it leads away: it would carry our token.
    pub(super) fn own_link(&self, link: &str) -> Result<String, Cause> {
        let uri: Uri = link.parse().map_err(|_| Cause::ForeignLink)?;
        let same_origin = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => {
                format!("{scheme}://{authority}").eq_ignore_ascii_case(&self.origin)
            }
            (None, None) => true,
            _ => false,
        };
        let below = uri
            .path()
            .strip_prefix(&self.prefix)
            .is_some_and(|rest| rest.starts_with('/'));
        if !same_origin || !below {
            return Err(Cause::ForeignLink);
        }
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        Ok(format!("{}{path}", self.origin))
    }

    /// Returns an own link's path without the prefix, `/repositories/7/issues`.
    pub(super) fn path_of<'a>(&self, own: &'a str) -> &'a str {
        let path = own.strip_prefix(&self.origin).unwrap_or(own);
        let path = path.strip_prefix(&self.prefix).unwrap_or(path);
        path.split('?').next().unwrap_or(path)
    }
}

/// Encodes text as one segment of a path or one value of a query: only unreserved characters stay.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
    encoded
}

/// Returns the links of a `Link` header as (relation, address).
pub(super) fn links(header: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for part in header.split('<').skip(1) {
        let Some((address, parameters)) = part.split_once('>') else {
            continue;
        };
        let relation = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.trim().split_once('=')?;
            (name.trim() == "rel")
                .then(|| value.trim().trim_end_matches(',').trim().trim_matches('"'))
        });
        found.extend(relation.map(|relation| (relation, address)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Base, encode, links};

    fn base(text: &str) -> Base {
        Base::parse(text).expect("the test's address is good")
    }

    #[test]
    fn graphql_lives_beside_v3_on_an_enterprise_server() {
        assert_eq!(
            base("https://api.github.com").graphql(),
            "https://api.github.com/graphql"
        );
        assert_eq!(
            base("https://ghe.test/api/v3/").graphql(),
            "https://ghe.test/api/graphql"
        );
    }

    #[test]
    fn a_token_is_not_sent_in_clear_text_to_another_machine() {
        for bad in [
            "http://ghe.test",
            "https://me:pw@ghe.test",
            "ghe.test",
            "ftp://ghe.test",
            "https://ghe.test?a=b",
        ] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
        assert!(Base::parse("http://127.0.0.1:4101").is_ok());
    }

    #[test]
    fn a_link_that_leads_away_is_not_followed() {
        let base = base("https://ghe.test/api/v3");
        let own = base
            .own_link("https://ghe.test/api/v3/repositories/7/issues?page=2")
            .expect("an own link");
        assert_eq!(own, "https://ghe.test/api/v3/repositories/7/issues?page=2");
        assert_eq!(base.path_of(&own), "/repositories/7/issues");
        for foreign in [
            "https://evil.test/api/v3/repositories/7",
            "http://ghe.test/api/v3/repositories/7",
            "https://ghe.test.evil.test/api/v3/x",
            "https://ghe.test@evil.test/api/v3/x",
            "https://ghe.test/elsewhere",
            "https://ghe.test/api/v3evil/x",
        ] {
            assert!(base.own_link(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn text_is_encoded_as_one_segment() {
        assert_eq!(encode("ready for/dev: ä"), "ready%20for%2Fdev%3A%20%C3%A4");
    }

    #[test]
    fn links_are_read_with_commas_and_extra_parameters() {
        let header = r#"<https://a.test/x?labels=a,b&page=2>; rel="next", <https://a.test/x?page=9>; title="t"; rel="last""#;
        assert_eq!(
            links(header),
            [
                ("next", "https://a.test/x?labels=a,b&page=2"),
                ("last", "https://a.test/x?page=9")
            ]
        );
    }
}
