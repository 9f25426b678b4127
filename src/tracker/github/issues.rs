//! Reading one issue: its text, its label events, its comments.

use std::collections::BTreeMap;

use http::StatusCode;

use super::client::{GitHub, id_in, is_redirect, json, link};
use super::dto::{CommentDto, EventDto, IssueDto};
use super::failure::{Cause, malformed, refusal};
use super::wire::Reply;
use crate::domain::{Comment, IssueNumber, LabelEvent, SingleRead, Text, in_order};
use crate::tracker::TrackerError;

/// How many pages of an issue's events are read at most, the newest ones: 1,000 events.
const EVENT_PAGES_MAX: u64 = 10;

impl GitHub {
    /// Reads one issue with its text, and by GraphQL when and by whom the text was last edited.
    pub async fn issue(&self, number: IssueNumber) -> Result<SingleRead, TrackerError> {
        let what = format!("issue {number}");
        let reply = self
            .send(&what, Self::get(self.url(&format!("/issues/{}", number.0))))
            .await?;
        match reply.status {
            status if status.is_success() => self.found(&what, &reply).await,
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(SingleRead::Gone),
            status if is_redirect(status) => self.elsewhere(&what, &reply).await,
            _ => Err(refusal(
                &self.base().at(),
                &what,
                &format!("read {what}"),
                &reply,
            )),
        }
    }

    async fn found(&self, what: &str, reply: &Reply) -> Result<SingleRead, TrackerError> {
        let issue: IssueDto = json(what, reply)?;
        if issue.is_pull_request() {
            // An issue can be turned into a pull request: as an issue it is gone.
            return Ok(SingleRead::Gone);
        }
        let edits = self.edits(IssueNumber(issue.number)).await?;
        let text = Text {
            title: issue.title.clone(),
            body: issue.body.clone(),
            edits,
        };
        let head = issue.head(self.repo_id().await?);
        Ok(SingleRead::Found(Box::new((head, text))))
    }

    /// Tells a transferred issue from a renamed repository: only the second keeps the repository's id.
    async fn elsewhere(&self, what: &str, reply: &Reply) -> Result<SingleRead, TrackerError> {
        let target = self.redirect(what, reply)?;
        let path = self.base().path_of(&target).to_owned();
        let repo = self.repo().await?;
        if id_in(&path) == Some(repo.id.as_str()) {
            return Err(TrackerError::Moved {
                what: what.to_owned(),
                to: repo.full_name,
            });
        }
        let there = self.send(what, Self::get(target)).await?;
        let to = match serde_json::from_slice::<IssueDto>(&there.body) {
            Ok(issue) if there.status.is_success() => {
                match issue.repository_url.split_once("/repos/") {
                    Some((_, name)) => format!("{name}#{}", issue.number),
                    None => path,
                }
            }
            // We may not look there; the path is all we were told.
            Ok(_) | Err(_) => path,
        };
        Ok(SingleRead::Transferred { to })
    }

    /// Reads an issue's label events, oldest first; of a very long history the last ten pages.
    pub async fn label_events(&self, number: IssueNumber) -> Result<Vec<LabelEvent>, TrackerError> {
        let what = format!("the events of issue {number}");
        let url = |page: u64| {
            self.url(&format!(
                "/issues/{}/events?per_page=100&page={page}",
                number.0
            ))
        };
        let reply = self
            .done(&what, &format!("read {what}"), Self::get(url(1)))
            .await?;
        let mut events = Collected::default();
        let mut last = match (link(&reply, "last"), link(&reply, "next")) {
            (Some(address), _) => {
                page_in(address).ok_or_else(|| malformed(&what, Cause::Missing("page")))?
            }
            (None, None) => 1,
            // More pages, but nobody says how many: taking the first for the newest would be worse than reading all.
            (None, Some(_)) => {
                for page in self.pages::<Vec<EventDto>>(&what, url(1)).await? {
                    collect(&what, page, &mut events)?;
                }
                return Ok(events.here());
            }
        };
        let first = last.saturating_sub(EVENT_PAGES_MAX - 1).max(1);
        if first == 1 {
            collect(&what, json(&what, &reply)?, &mut events)?;
        }
        let mut page = first.max(2);
        let grown_max = last + 1;
        while page <= last {
            let reply = self
                .done(&what, &format!("read {what}"), Self::get(url(page)))
                .await?;
            collect(&what, json(&what, &reply)?, &mut events)?;
            // An event that arrived meanwhile may have opened one more page, and the newest events are the ones that count.
            if page == last && last < grown_max && link(&reply, "next").is_some() {
                last += 1;
            }
            page += 1;
        }
        Ok(events.here())
    }

    /// Reads an issue's comments, oldest first and each once.
    pub async fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, TrackerError> {
        let what = format!("the comments of issue {number}");
        let url = self.url(&format!("/issues/{}/comments?per_page=100", number.0));
        let pages: Vec<Vec<CommentDto>> = self.pages(&what, url).await?;
        let served = pages.into_iter().flatten().map(CommentDto::comment);
        Ok(in_order(served.collect(), |comment| comment.id.as_str()))
    }
}

/// An issue's label events, ordered by their numeric ids and each only once.
#[derive(Debug, Default)]
struct Collected {
    events: BTreeMap<u64, LabelEvent>,
    /// The event by which the issue came here from another repository.
    arrival: Option<u64>,
}

impl Collected {
    /// Returns what happened in this repository: who was asked for work in another one was asked by other people for another thing.
    fn here(self) -> Vec<LabelEvent> {
        let since = self.arrival.unwrap_or(0);
        let here = self.events.into_iter().filter(|(id, _)| *id > since);
        here.map(|(_, event)| event).collect()
    }
}

/// Adds a page's label events.
fn collect(what: &str, page: Vec<EventDto>, collected: &mut Collected) -> Result<(), TrackerError> {
    for event in page {
        collected.arrival = collected.arrival.max(event.arrival());
        if let Some((id, event)) = event
            .label_event()
            .map_err(|cause| malformed(what, cause))?
        {
            collected.events.insert(id, event);
        }
    }
    Ok(())
}

/// Returns the number in a link's `page` parameter.
fn page_in(address: &str) -> Option<u64> {
    let query = address.split_once('?')?.1;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("page="))?
        .parse()
        .ok()
}
