//! The one question to GraphQL about issues: when and by whom title and body were edited. REST cannot say.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::{GitHub, json as read_json};
use super::dto::null_as_default;
use super::failure::{Cause, malformed};
use super::limiter::Class;
use crate::domain::{Actor, ActorId, ActorKind, Edit, IssueNumber};
use crate::tracker::TrackerError;

/// All edits, not the last one: what a trusted person changes later says nothing about what a stranger changed before. A new title
/// is an event of its own and no content edit. The newest hundred are as many as a page holds.
const QUERY: &str = "query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { issue(number: $number) {
    createdAt
    lastEditedAt
    editor { ...who }
    userContentEdits(first: 100) { pageInfo { hasNextPage } nodes { editedAt editor { ...who } } }
    timelineItems(last: 100, itemTypes: [RENAMED_TITLE_EVENT]) { pageInfo { hasPreviousPage } nodes { ... on RenamedTitleEvent { createdAt actor { ...who } } } }
  } }
}
fragment who on Actor { __typename login ... on User { databaseId } ... on Bot { databaseId } }";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    #[serde(deserialize_with = "null_as_default")]
    data: Data,
    #[serde(deserialize_with = "null_as_default")]
    errors: Vec<Problem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Repository {
    issue: Option<EditedIssue>,
}

/// `last_edited_at` has to be there, be it null: its absence is not "never edited".
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EditedIssue {
    #[serde(default)]
    created_at: Option<Timestamp>,
    #[serde(deserialize_with = "Option::deserialize")]
    last_edited_at: Option<Timestamp>,
    #[serde(default)]
    editor: Option<Who>,
    /// `None`: the server does not tell them one by one.
    #[serde(default)]
    user_content_edits: Option<Pages<ContentEdit>>,
    #[serde(default, deserialize_with = "null_as_default")]
    timeline_items: Pages<Rename>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
struct Pages<T> {
    #[serde(default, deserialize_with = "null_as_default")]
    page_info: PageInfo,
    #[serde(default, deserialize_with = "null_as_default")]
    nodes: Vec<Option<T>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            page_info: PageInfo::default(),
            nodes: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    has_previous_page: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentEdit {
    edited_at: Timestamp,
    #[serde(default)]
    editor: Option<Who>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rename {
    created_at: Timestamp,
    #[serde(default)]
    actor: Option<Who>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Who {
    #[serde(rename = "__typename", default)]
    kind: String,
    #[serde(default)]
    login: String,
    #[serde(default)]
    database_id: Option<u64>,
}

impl Who {
    /// Trust compares ids; somebody without one is nobody.
    fn actor(self) -> Option<Actor> {
        let kind = if self.kind == "Bot" {
            ActorKind::App
        } else {
            ActorKind::User
        };
        Some(Actor {
            id: ActorId(self.database_id?.to_string()),
            login: self.login,
            kind,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(deserialize_with = "null_as_default")]
    message: String,
}

impl EditedIssue {
    /// Returns what is known of the edits, oldest first. Where some are not told, one by nobody stands for them: who cannot be named
    /// is nobody who could have approved the text.
    fn edits(self) -> Vec<Edit> {
        let contents = self.user_content_edits;
        let is_cut = contents
            .as_ref()
            .is_none_or(|contents| contents.page_info.has_next_page);
        let times = contents
            .iter()
            .flat_map(|contents| contents.nodes.iter().flatten());
        let times: Vec<Timestamp> = times.map(|edit| edit.edited_at).collect();
        // A page begins with the newest: what is not told is as old as its oldest at most. One that begins otherwise says nothing.
        let is_newest = times.iter().max() >= self.last_edited_at.as_ref();
        let oldest_told = times.iter().min().copied().filter(|_| is_newest);
        let last = self.last_edited_at.map(|at| Edit {
            at,
            by: self.editor.and_then(Who::actor),
        });
        let untold = oldest_told
            .or(self.last_edited_at)
            .filter(|_| is_cut)
            .map(|at| Edit { at, by: None });
        // One that is told without its hand and its time is nobody's, and as new as the newest.
        let is_told = |contents: &Pages<ContentEdit>| contents.nodes.iter().all(Option::is_some);
        let unnamed = self
            .last_edited_at
            .filter(|_| !contents.as_ref().is_none_or(is_told))
            .map(|at| Edit { at, by: None });
        let created = self.created_at;
        // The first of them is the text as it was opened.
        let contents = contents.into_iter().flat_map(|contents| contents.nodes);
        let contents = contents
            .flatten()
            .filter(|edit| created.is_none_or(|created| edit.edited_at > created))
            .map(|edit| Edit {
                at: edit.edited_at,
                by: edit.editor.and_then(Who::actor),
            });
        let titles_are_cut = self.timeline_items.page_info.has_previous_page;
        let titles = self.timeline_items.nodes.into_iter().flatten();
        let titles: Vec<Edit> = titles
            .map(|rename| Edit {
                at: rename.created_at,
                by: rename.actor.and_then(Who::actor),
            })
            .collect();
        let oldest = titles.iter().map(|edit| edit.at).min();
        let cut = oldest
            .filter(|_| titles_are_cut)
            .map(|at| Edit { at, by: None });
        let mut edits: Vec<Edit> = contents
            .chain(titles)
            .chain(untold)
            .chain(unnamed)
            .chain(cut)
            .collect();
        edits.extend(last.filter(|last| !edits.contains(last)));
        edits.sort_by_key(|edit| edit.at);
        edits
    }
}

impl GitHub {
    /// Returns the edits of an issue's text, oldest first; none if there were none, or if the server has no GraphQL. An answer that
    /// leaves it open is an error: "not edited" may not be guessed.
    pub(super) async fn edits(&self, number: IssueNumber) -> Result<Vec<Edit>, TrackerError> {
        let what = format!("the edits of issue {number}");
        let (owner, name) = self.owner_and_name();
        let variables = json!({ "owner": owner, "name": name, "number": number.0 });
        let body = json!({ "query": QUERY, "variables": variables });
        let ask = Self::write(Method::POST, self.base().graphql(), Some(body), Class::Read);
        let reply = self.send(&what, ask).await?;
        if matches!(
            reply.status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        ) {
            return Ok(Vec::new());
        }
        let reply = self
            .succeeded(&what, &format!("read {what}"), reply)
            .await?;
        let envelope: Envelope = read_json(&what, &reply)?;
        if let Some(issue) = envelope
            .data
            .repository
            .and_then(|repository| repository.issue)
        {
            // A title that somebody changed at a time that is not told may have been changed after everything.
            if issue.timeline_items.nodes.iter().any(Option::is_none) {
                return Err(malformed(&what, Cause::Missing("rename")));
            }
            return Ok(issue.edits());
        }
        match envelope.errors.into_iter().next() {
            Some(problem) => Err(problem.error(what)),
            None => Err(malformed(&what, Cause::Missing("issue"))),
        }
    }
}

impl Problem {
    fn error(self, what: String) -> TrackerError {
        match self.kind.as_str() {
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" => TrackerError::Forbidden {
                what: format!("read {what}: {}", self.message),
            },
            "NOT_FOUND" => TrackerError::NotFound { what },
            _ => TrackerError::Refused {
                what: format!("read {what}"),
                why: self.message,
            },
        }
    }
}
