//! Polling: one conditional probe, then what changed. The `ETag` is only as good as the token it was made with.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use http::header::ETAG;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::base::encode;
use super::client::{GitHub, json, link};
use super::credentials::Validator;
use super::dto::IssueDto;
use super::failure::{Cause, malformed};
use super::wire::Reply;
use crate::domain::{Head, IssueNumber, PullHead};
use crate::tracker::pulls::ListedPull;
use crate::tracker::{Poll, PollMark, Sweep, TrackerError};

/// How many pages of a list are read at most: 5,000 issues.
pub(super) const PAGES_MAX: usize = 50;
/// How far a delta reaches back before the watermark: replicas lag, and times are cut to seconds.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);
/// An `ETag` made this soon after the newest change is not kept: a second change within the same second could hide behind it.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// How often a sweep is read again because something changed while it was read.
const PASSES_MAX: usize = 3;

/// A list of issues, read to its last page.
struct List {
    heads: Vec<Head>,
    pulls: Vec<ListedPull>,
    /// The newest change on the first page. A later page may have been read after yet another change.
    newest: Option<Timestamp>,
    pages: usize,
}

/// What a probe saw that was not as before.
struct Seen {
    /// The newest change of all issues.
    newest: Option<Timestamp>,
    /// Its validator, and the newest change as watermark.
    mark: PollMark,
}

impl GitHub {
    /// Reads what changed since `mark`; exactly one conditional request when nothing did.
    pub async fn poll(&self, mark: &PollMark) -> Result<Poll, TrackerError> {
        let Some(seen) = self.probe(mark).await? else {
            return Ok(Poll::Unchanged);
        };
        let query = match mark.watermark {
            Some(watermark) => format!("state=all&since={}", encode(&second(watermark - OVERLAP))),
            // Without a watermark everything open is news, and nothing closed is.
            None => "state=open".to_owned(),
        };
        let list = self.list(&query).await?;
        let mut fresh = self.settled(seen.mark, seen.newest);
        if list.newest < seen.newest {
            // The list came from a replica that lags behind the probe's.
            fresh.etag = None;
        }
        fresh.watermark = mark.watermark.max(seen.newest).max(list.newest);
        Ok(Poll::Changed {
            heads: list.heads,
            pulls: list.pulls,
            mark: fresh,
        })
    }

    /// Reads every open issue, unconditionally, and again if something changed between two of its pages.
    pub async fn sweep(&self) -> Result<Sweep, TrackerError> {
        self.repo().await?;
        let probe = self.probe(&PollMark::default()).await?;
        let mut before = probe.ok_or_else(|| {
            malformed(
                "the list of issues",
                Cause::Status(StatusCode::NOT_MODIFIED),
            )
        })?;
        let mut passes = 1;
        loop {
            let list = self.list("state=open").await?;
            let changed_meanwhile = match list.pages {
                1 => None,
                _ => self.probe(&before.mark).await?,
            };
            match changed_meanwhile {
                Some(after) if passes < PASSES_MAX => before = after,
                Some(_) | None => {
                    let mark = self.settled(before.mark, before.newest);
                    let mut pulls = list.pulls;
                    if !pulls.is_empty() {
                        self.look_for_reviews(&mut pulls).await?;
                    }
                    return Ok(Sweep {
                        open: list.heads,
                        pulls,
                        mark,
                    });
                }
            }
            passes += 1;
        }
    }

    /// Asks for the newest change; `None` if it is the one of `mark`.
    async fn probe(&self, mark: &PollMark) -> Result<Option<Seen>, TrackerError> {
        let what = "the list of issues";
        let validator = match (&mark.etag, &mark.token_fp) {
            (Some(etag), Some(token_fp)) => Some(Validator {
                etag: etag.clone(),
                token_fp: token_fp.clone(),
            }),
            _ => None,
        };
        let ask = Self::get(self.url("/issues?state=all&sort=updated&direction=desc&per_page=1"));
        let conditional = validator.is_some();
        let reply = self.send(what, ask.conditional(validator)).await?;
        if reply.status == StatusCode::NOT_MODIFIED && conditional {
            return Ok(None);
        }
        let reply = self.succeeded(what, "list the issues", reply).await?;
        let newest = json::<Vec<IssueDto>>(what, &reply)?
            .iter()
            .map(|issue| issue.updated_at)
            .max();
        let etag = reply
            .headers
            .get(ETAG)
            .and_then(|etag| etag.to_str().ok())
            .map(str::to_owned);
        let mark = PollMark {
            etag,
            token_fp: reply.token_fp,
            watermark: newest,
        };
        Ok(Some(Seen { newest, mark }))
    }

    /// Returns a mark to be kept: without its validator if a second change could hide behind it.
    fn settled(&self, mut mark: PollMark, newest: Option<Timestamp>) -> PollMark {
        if newest.is_some_and(|newest| self.now().duration_since(newest) <= SETTLED_AFTER) {
            mark.etag = None;
        }
        mark
    }

    /// Reads a list of issues to its last page, newest change first: an issue that changes meanwhile moves to the front and
    /// pushes others onto a later page, never past us.
    async fn list(&self, query: &str) -> Result<List, TrackerError> {
        let url = self.url(&format!(
            "/issues?{query}&sort=updated&direction=desc&per_page=100"
        ));
        let mut newest = None;
        let mut found: BTreeMap<u64, IssueDto> = BTreeMap::new();
        let mut pulls: BTreeMap<IssueNumber, PullHead> = BTreeMap::new();
        let pages: Vec<Vec<IssueDto>> = self.pages("the list of issues", url).await?;
        let count = pages.len();
        for (number, page) in pages.into_iter().enumerate() {
            if number == 0 {
                newest = page.iter().map(|issue| issue.updated_at).max();
            }
            for issue in page {
                if issue.is_pull_request() {
                    let newest = pulls.entry(IssueNumber(issue.number));
                    let newest = newest.or_insert_with(|| issue.pull_head());
                    if newest.updated_at < issue.updated_at {
                        *newest = issue.pull_head();
                    }
                    continue;
                }
                match found.get(&issue.number) {
                    Some(newer) if newer.updated_at >= issue.updated_at => {}
                    Some(_) | None => drop(found.insert(issue.number, issue)),
                }
            }
        }
        if found.is_empty() {
            return Ok(List {
                heads: Vec::new(),
                pulls: pulls.into_iter().collect(),
                newest,
                pages: count,
            });
        }
        let repo = self.repo_id().await?;
        let heads = found
            .into_values()
            .map(|issue| issue.head(repo.clone()))
            .collect();
        Ok(List {
            heads,
            pulls: pulls.into_iter().collect(),
            newest,
            pages: count,
        })
    }

    /// Reads every page of a list by its `next` links.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        what: &str,
        url: String,
    ) -> Result<Vec<T>, TrackerError> {
        let mut pages = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(url);
        while let Some(url) = next {
            if pages.len() == PAGES_MAX {
                let why = format!("it has more than {PAGES_MAX} pages");
                return Err(TrackerError::Refused {
                    what: format!("read {what}"),
                    why,
                });
            }
            let reply = self
                .done(what, &format!("read {what}"), Self::get(url.clone()))
                .await?;
            pages.push(json(what, &reply)?);
            seen.insert(url);
            next = self.next_page(what, &reply)?;
            if next.as_ref().is_some_and(|next| seen.contains(next)) {
                return Err(malformed(what, Cause::PageLoop));
            }
        }
        Ok(pages)
    }

    fn next_page(&self, what: &str, reply: &Reply) -> Result<Option<String>, TrackerError> {
        match link(reply, "next") {
            Some(address) => self
                .base()
                .own_link(address)
                .map(Some)
                .map_err(|cause| malformed(what, cause)),
            None => Ok(None),
        }
    }
}

/// Returns a time as GitHub writes it, cut to whole seconds.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
