//! The repository itself: its facts, its labels, who we are and what others may do.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::base::encode;
use super::client::{GitHub, is_redirect, json as read_json};
use super::dto::{PermissionDto, RepoDto, RepoLabelDto, UserDto};
use super::failure::refusal;
use super::limiter::Class;
use crate::domain::{Actor, ActorKind, Label, RepoId, Role};
use crate::tracker::{RepoFacts, RepoLabel, TrackerError, Written};

#[derive(Debug, Deserialize)]
struct AppDto {
    slug: String,
}

impl GitHub {
    /// Reads the repository; after a rename, under its new name.
    pub async fn repo(&self) -> Result<RepoFacts, TrackerError> {
        let what = format!("repository `{}`", self.full_name());
        let mut reply = self.send(&what, Self::get(self.url(""))).await?;
        if is_redirect(reply.status) {
            reply = self
                .send(&what, Self::get(self.redirect(&what, &reply)?))
                .await?;
        }
        let reply = self
            .succeeded(&what, &format!("read {what}"), reply)
            .await?;
        let repo: RepoDto = read_json(&what, &reply)?;
        let facts = RepoFacts {
            id: RepoId(repo.id.to_string()),
            default_branch: repo.default_branch.clone(),
            public: repo.is_public(),
            our_role: repo.our_role(),
            full_name: repo.full_name,
        };
        self.remember_repo_id(&facts.id);
        Ok(facts)
    }

    /// Reads which account we are; an App is its bot account.
    pub async fn whoami(&self) -> Result<Actor, TrackerError> {
        let what = "our own account";
        if !self.is_app() {
            let user: UserDto = self.read(what, Self::get(self.base().url("/user"))).await?;
            return Ok(user.actor());
        }
        let app: AppDto = self
            .read(what, Self::get(self.base().url("/app")).by_app())
            .await?;
        let login = encode(&format!("{}[bot]", app.slug));
        let user: UserDto = self
            .read(what, Self::get(self.base().url(&format!("/users/{login}"))))
            .await?;
        Ok(user.actor())
    }

    /// Reads what an account may do here, now. An App has no role: it is trusted by its id or not at all.
    pub async fn role(&self, actor: &Actor) -> Result<Role, TrackerError> {
        if actor.kind == ActorKind::App || actor.login.is_empty() {
            return Ok(Role::None);
        }
        let what = format!("the role of `{}`", actor.login);
        let url = self.url(&format!(
            "/collaborators/{}/permission",
            encode(&actor.login)
        ));
        let reply = self.send(&what, Self::get(url)).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(Role::None);
        }
        let reply = self
            .succeeded(&what, &format!("read {what}"), reply)
            .await?;
        Ok(read_json::<PermissionDto>(&what, &reply)?.role_of(&actor.id))
    }

    /// Reads the repository's labels.
    pub async fn labels(&self) -> Result<Vec<RepoLabel>, TrackerError> {
        let pages: Vec<Vec<RepoLabelDto>> = self
            .pages("the list of labels", self.url("/labels?per_page=100"))
            .await?;
        Ok(pages.into_iter().flatten().map(repo_label).collect())
    }

    /// Creates a label of the repository.
    pub async fn create_label(&self, label: &RepoLabel) -> Result<Written, TrackerError> {
        let what = format!("label `{}`", label.name);
        let doing = format!("create the {what}");
        let body = json!({ "name": label.name.as_str(), "color": label.color, "description": label.description });
        let ask = Self::write(
            Method::POST,
            self.url("/labels"),
            Some(body),
            Class::Comment,
        );
        let reply = self.send(&what, ask).await?;
        if reply.status == StatusCode::UNPROCESSABLE_ENTITY {
            // Exists already, or is no good as a label: whether it is there tells more surely than the words.
            let there = self.send(&what, Self::get(self.label_url(label))).await?;
            if there.status.is_success() {
                return Ok(Written::Already);
            }
        }
        self.succeeded(&what, &doing, reply).await?;
        Ok(Written::Changed)
    }

    /// Changes colour and text of an existing label, if they differ.
    pub async fn change_label(&self, label: &RepoLabel) -> Result<Written, TrackerError> {
        let what = format!("label `{}`", label.name);
        let url = self.label_url(label);
        let present = repo_label(self.read(&what, Self::get(url.clone())).await?);
        if present.color.eq_ignore_ascii_case(&label.color)
            && present.description == label.description
        {
            return Ok(Written::Already);
        }
        let body = json!({ "color": label.color, "description": label.description });
        let doing = format!("change the {what}");
        self.done(
            &what,
            &doing,
            Self::write(Method::PATCH, url, Some(body), Class::Comment),
        )
        .await?;
        Ok(Written::Changed)
    }

    fn label_url(&self, label: &RepoLabel) -> String {
        self.url(&format!("/labels/{}", encode(label.name.as_str())))
    }

    /// Returns the error of a refused write that is not a redirect.
    pub(super) fn refused(
        &self,
        what: &str,
        doing: &str,
        reply: &super::wire::Reply,
    ) -> TrackerError {
        refusal(&self.base().at(), what, doing, reply)
    }
}

fn repo_label(dto: RepoLabelDto) -> RepoLabel {
    RepoLabel {
        name: Label(dto.name),
        color: dto.color,
        description: dto.description,
    }
}
