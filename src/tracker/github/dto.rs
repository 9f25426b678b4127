//! What GitHub sends, as tolerant as it can be: an unknown field, event or null account never fails a page.
//! Only what identifies or orders a thing is required; a made-up id would be worse than an error.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Deserializer;

use super::failure::Cause;
use crate::domain::{
    Actor, ActorId, ActorKind, Comment, CommentId, Head, IssueId, IssueNumber, Label, LabelEvent,
    LabelEventId, PullHead, RepoId, Role,
};
use crate::machine::text::touches;
use crate::tracker::waits;

#[derive(Debug, Deserialize)]
pub(super) struct UserDto {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) login: String,
    #[serde(default, rename = "type", deserialize_with = "null_as_default")]
    pub(super) kind: String,
}

impl UserDto {
    pub(super) fn actor(self) -> Actor {
        let kind = if self.kind == "Bot" {
            ActorKind::App
        } else {
            ActorKind::User
        };
        Actor {
            id: ActorId(self.id.to_string()),
            login: self.login,
            kind,
        }
    }
}

/// A label of an issue: an object, or, as the description allows, its bare name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum LabelDto {
    Named { name: Option<String> },
    Bare(String),
}

impl LabelDto {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Named { name } => name.as_deref(),
            Self::Bare(name) => Some(name),
        }
    }

    fn label(self) -> Option<Label> {
        match self {
            Self::Named { name } => name,
            Self::Bare(name) => Some(name),
        }
        .map(Label)
    }
}

/// The labels of an issue, as the label endpoints answer.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct LabelsDto(Vec<LabelDto>);

impl LabelsDto {
    pub(super) fn contains(&self, label: &Label) -> bool {
        self.0.iter().any(|present| {
            present
                .name()
                .is_some_and(|name| *label == Label::new(name))
        })
    }
}

#[derive(Debug, Deserialize)]
struct MilestoneDto {
    number: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct IssueDto {
    id: u64,
    pub(super) number: u64,
    state: String,
    created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) title: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) body: String,
    #[serde(default)]
    user: Option<UserDto>,
    #[serde(default, deserialize_with = "null_as_default")]
    labels: Vec<LabelDto>,
    #[serde(default)]
    milestone: Option<MilestoneDto>,
    #[serde(default, deserialize_with = "null_as_default")]
    html_url: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) repository_url: String,
    #[serde(default)]
    pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "null_as_default")]
    issue_dependencies_summary: DependenciesDto,
    #[serde(default, deserialize_with = "null_as_default")]
    sub_issues_summary: SubIssuesDto,
}

/// What GitHub counts of an issue's dependencies: `blocked_by` are those that are open.
#[derive(Debug, Default, Deserialize)]
struct DependenciesDto {
    #[serde(default)]
    blocked_by: u32,
}

/// What GitHub counts of an issue's sub-issues.
#[derive(Debug, Default, Deserialize)]
struct SubIssuesDto {
    #[serde(default)]
    total: u32,
    #[serde(default)]
    completed: u32,
}

impl IssueDto {
    /// Returns whether it is a pull request, which GitHub lists among the issues.
    pub(super) fn is_pull_request(&self) -> bool {
        self.pull_request.is_some()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    pub(super) fn pull_head(&self) -> PullHead {
        PullHead {
            open: self.is_open(),
            updated_at: self.updated_at,
        }
    }

    pub(super) fn head(self, repo: RepoId) -> Head {
        let own = self.repository_url.split_once("/repos/");
        let waits = waits::named(&self.body, own.map(|(_, name)| name));
        let parts = &self.sub_issues_summary;
        Head {
            repo,
            id: IssueId(self.id.to_string()),
            number: IssueNumber(self.number),
            open: self.is_open(),
            title: self.title,
            labels: self
                .labels
                .into_iter()
                .filter_map(LabelDto::label)
                .collect(),
            milestone: self.milestone.map(|milestone| milestone.number),
            author: self.user.map(UserDto::actor),
            created_at: self.created_at,
            updated_at: self.updated_at,
            url: self.html_url,
            waits_for: waits.here,
            waits_elsewhere: waits.elsewhere,
            sub_issues: parts.total.saturating_sub(parts.completed),
            touches: touches::declared(&self.body),
            blocked_by: self.issue_dependencies_summary.blocked_by,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct EventDto {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default, deserialize_with = "null_as_default")]
    event: String,
    #[serde(default)]
    actor: Option<UserDto>,
    #[serde(default)]
    label: Option<LabelDto>,
    #[serde(default)]
    created_at: Option<Timestamp>,
}

impl EventDto {
    /// Returns the number of the event by which an issue came from another repository.
    pub(super) fn arrival(&self) -> Option<u64> {
        self.id.filter(|_| self.event == "transferred")
    }

    /// Returns the label event with its number, `None` for any other kind of event.
    pub(super) fn label_event(self) -> Result<Option<(u64, LabelEvent)>, Cause> {
        let set = match self.event.as_str() {
            "labeled" => true,
            "unlabeled" => false,
            _ => return Ok(None),
        };
        let id = self.id.ok_or(Cause::Missing("id"))?;
        let label = self
            .label
            .and_then(LabelDto::label)
            .ok_or(Cause::Missing("label"))?;
        let at = self.created_at.ok_or(Cause::Missing("created_at"))?;
        let actor = self.actor.map(UserDto::actor);
        Ok(Some((
            id,
            LabelEvent {
                id: LabelEventId(id.to_string()),
                set,
                label,
                actor,
                at,
            },
        )))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CommentDto {
    id: u64,
    #[serde(default)]
    user: Option<UserDto>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) body: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl CommentDto {
    pub(super) fn id(&self) -> CommentId {
        CommentId(self.id.to_string())
    }

    pub(super) fn comment(self) -> Comment {
        Comment {
            id: self.id(),
            author: self.user.map(UserDto::actor),
            body: self.body,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RepoDto {
    pub(super) id: u64,
    pub(super) full_name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) default_branch: String,
    /// Absent means private: the careful reading.
    #[serde(default)]
    private: Option<bool>,
    #[serde(default)]
    visibility: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    permissions: PermissionsDto,
}

impl RepoDto {
    pub(super) fn is_public(&self) -> bool {
        self.private == Some(false)
            && self
                .visibility
                .as_deref()
                .is_none_or(|visibility| visibility == "public")
    }

    pub(super) fn our_role(&self) -> Role {
        let may = &self.permissions;
        let ladder = [
            (may.admin, Role::Admin),
            (may.maintain, Role::Maintain),
            (may.push, Role::Write),
            (may.triage, Role::Triage),
            (may.pull, Role::Read),
        ];
        ladder
            .into_iter()
            .find(|(granted, _)| *granted)
            .map_or(Role::None, |(_, role)| role)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "GitHub sends five flags")]
struct PermissionsDto {
    admin: bool,
    maintain: bool,
    push: bool,
    triage: bool,
    pull: bool,
}

/// What one account may do: `role_name` says more than `permission`, which knows no triage and no maintain.
#[derive(Debug, Deserialize)]
pub(super) struct PermissionDto {
    #[serde(default, deserialize_with = "null_as_default")]
    permission: String,
    #[serde(default, deserialize_with = "null_as_default")]
    role_name: String,
    #[serde(default)]
    user: Option<UserDto>,
}

impl PermissionDto {
    /// Returns the role, if it is the role of that very account: a login may have been given away, an id not.
    pub(super) fn role_of(&self, id: &ActorId) -> Role {
        if self
            .user
            .as_ref()
            .is_none_or(|user| user.id.to_string() != id.0)
        {
            return Role::None;
        }
        role(&self.role_name)
            .or_else(|| role(&self.permission))
            .unwrap_or(Role::None)
    }
}

fn role(name: &str) -> Option<Role> {
    match name {
        "admin" => Some(Role::Admin),
        "maintain" => Some(Role::Maintain),
        "write" => Some(Role::Write),
        "triage" => Some(Role::Triage),
        "read" => Some(Role::Read),
        "none" => Some(Role::None),
        // A custom role of an enterprise: `permission` says what it amounts to.
        _ => None,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RepoLabelDto {
    pub(super) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) color: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) description: String,
}

/// Reads null as if the field were absent.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
