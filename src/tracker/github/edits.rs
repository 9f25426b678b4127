//! The one use of GraphQL: when and by whom an issue's title or body was last edited. REST cannot say.

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

/// A new title is an event of its own and not part of `lastEditedAt`.
const QUERY: &str = "query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { issue(number: $number) {
    lastEditedAt
    editor { ...who }
    timelineItems(last: 1, itemTypes: [RENAMED_TITLE_EVENT]) { nodes { ... on RenamedTitleEvent { createdAt actor { ...who } } } }
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
    #[serde(deserialize_with = "Option::deserialize")]
    last_edited_at: Option<Timestamp>,
    #[serde(default)]
    editor: Option<Who>,
    #[serde(default, deserialize_with = "null_as_default")]
    timeline_items: Renames,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Renames {
    #[serde(deserialize_with = "null_as_default")]
    nodes: Vec<Option<Rename>>,
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
    fn last_edit(self) -> Option<Edit> {
        let edited = self.last_edited_at.map(|at| Edit {
            at,
            by: self.editor.and_then(Who::actor),
        });
        let title_events = self.timeline_items.nodes.into_iter().flatten();
        let renamed = title_events.map(|rename| Edit {
            at: rename.created_at,
            by: rename.actor.and_then(Who::actor),
        });
        edited.into_iter().chain(renamed).max_by_key(|edit| edit.at)
    }
}

impl GitHub {
    /// Returns the last edit of an issue's text; `None` if there is none, or if the server has no GraphQL. An answer that
    /// leaves it open is an error: "not edited" may not be guessed.
    pub(super) async fn last_edit(
        &self,
        number: IssueNumber,
    ) -> Result<Option<Edit>, TrackerError> {
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
            return Ok(None);
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
            return Ok(issue.last_edit());
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
