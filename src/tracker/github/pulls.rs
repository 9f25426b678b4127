//! Pull requests of our own branches. Only two things are said in GraphQL, as REST cannot say them: edits, and that a draft is ready.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::base::encode;
use super::client::{GitHub, json as read_json};
use super::dto::{UserDto, null_as_default};
use super::failure::words;
use super::limiter::Class;
use crate::domain::{Actor, Comment, CommentId, IssueNumber, Review, Subject};
use crate::tracker::pulls::{FoundPull, ListedPull, MergeAnswer, NewPull};
use crate::tracker::{TrackerError, Written};

const READY: &str = "mutation($pull: ID!) {
  markPullRequestReadyForReview(input: { pullRequestId: $pull }) { pullRequest { isDraft } }
}";

#[derive(Debug, Deserialize)]
struct PullDto {
    number: u64,
    state: String,
    #[serde(default, deserialize_with = "null_as_default")]
    node_id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    html_url: String,
    #[serde(default, deserialize_with = "null_as_default")]
    body: String,
    #[serde(default, deserialize_with = "null_as_default")]
    draft: bool,
    /// Lists have no `merged`, but all have this.
    #[serde(default)]
    merged_at: Option<Timestamp>,
    #[serde(default)]
    merged_by: Option<UserDto>,
    /// Null until GitHub has worked it out; reading it makes it begin. Lists have none.
    #[serde(default)]
    mergeable: Option<bool>,
    #[serde(default)]
    closed_at: Option<Timestamp>,
    head: EndDto,
    base: EndDto,
}

#[derive(Debug, Deserialize)]
struct ChangedDto {
    number: u64,
    updated_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct EndDto {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// Null where the fork was deleted.
    #[serde(default)]
    repo: Option<PullRepoDto>,
}

#[derive(Debug, Deserialize)]
struct PullRepoDto {
    id: u64,
}

impl PullDto {
    /// Whether its branch lies in the repository itself: anybody can give a branch of a fork our name. And whether it goes into the
    /// default branch: a person may have one of the same branch into another.
    fn is_of(&self, branch: &str, base: &str) -> bool {
        let repo = |end: &EndDto| end.repo.as_ref().map(|repo| repo.id);
        self.head.branch == branch
            && self.base.branch == base
            && repo(&self.head).is_some()
            && repo(&self.head) == repo(&self.base)
    }

    fn found(self) -> FoundPull {
        FoundPull {
            number: IssueNumber(self.number),
            url: self.html_url,
            node: self.node_id,
            draft: self.draft,
            open: self.state == "open",
            merged: self.merged_at.is_some(),
            merged_by: self.merged_by.map(UserDto::actor),
            closed_at: self.closed_at,
            head: Subject::new(self.head.sha),
            body: self.body,
        }
    }
}

#[derive(Debug, Deserialize)]
struct ReviewDto {
    id: u64,
    #[serde(default)]
    user: Option<UserDto>,
    #[serde(default, deserialize_with = "null_as_default")]
    body: String,
    #[serde(default, deserialize_with = "null_as_default")]
    state: String,
    #[serde(default)]
    submitted_at: Option<Timestamp>,
}

/// A comment on a line of the diff.
#[derive(Debug, Deserialize)]
struct LineDto {
    id: u64,
    #[serde(default)]
    user: Option<UserDto>,
    #[serde(default, deserialize_with = "null_as_default")]
    body: String,
    #[serde(default, deserialize_with = "null_as_default")]
    path: String,
    #[serde(default)]
    line: Option<u64>,
    created_at: Timestamp,
}

/// The person who closed something; only the issue's own read says it.
#[derive(Debug, Deserialize)]
struct ClosedDto {
    #[serde(default)]
    closed_by: Option<UserDto>,
}

/// Which ways of merging the repository allows; absent means that we may not know.
#[derive(Debug, Deserialize)]
struct WaysDto {
    #[serde(default, deserialize_with = "null_as_default")]
    default_branch: String,
    #[serde(default)]
    allow_merge_commit: Option<bool>,
    #[serde(default)]
    allow_squash_merge: Option<bool>,
    #[serde(default)]
    allow_rebase_merge: Option<bool>,
}

impl WaysDto {
    fn first(&self) -> &'static str {
        let ways = [
            (self.allow_merge_commit, "merge"),
            (self.allow_squash_merge, "squash"),
            (self.allow_rebase_merge, "rebase"),
        ];
        let allowed = ways
            .into_iter()
            .find(|(allowed, _)| allowed.unwrap_or(true));
        allowed.map_or("merge", |(_, way)| way)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mutated {
    #[serde(deserialize_with = "null_as_default")]
    errors: Vec<Problem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(deserialize_with = "null_as_default")]
    message: String,
}

impl GitHub {
    /// Looks for the open pull request of a branch of this repository into the default branch.
    pub async fn find_pull(&self, branch: &str) -> Result<Option<FoundPull>, TrackerError> {
        let what = "the open pull requests";
        let (owner, _) = self.owner_and_name();
        let head = encode(&format!("{owner}:{branch}"));
        let url = self.url(&format!("/pulls?state=open&head={head}&per_page=100"));
        let pulls: Vec<PullDto> = self.read(what, Self::get(url)).await?;
        if pulls.is_empty() {
            return Ok(None);
        }
        let base = self.repo().await?.default_branch;
        let ours = pulls.into_iter().find(|pull| pull.is_of(branch, &base));
        Ok(ours.map(PullDto::found))
    }

    /// Brings listed pull requests up to date: what is said in a review need not move `updated_at` in the list of issues, and does in
    /// this one. The hundred that changed last are enough.
    pub(super) async fn look_for_reviews(
        &self,
        listed: &mut [ListedPull],
    ) -> Result<(), TrackerError> {
        let what = "the open pull requests";
        let url = self.url("/pulls?state=open&sort=updated&direction=desc&per_page=100");
        let changed: Vec<ChangedDto> = self.read(what, Self::get(url)).await?;
        for (number, head) in listed {
            if let Some(change) = changed.iter().find(|change| change.number == number.0) {
                head.updated_at = head.updated_at.max(change.updated_at);
            }
        }
        Ok(())
    }

    /// Reads one pull request.
    pub async fn pull(&self, number: IssueNumber) -> Result<FoundPull, TrackerError> {
        let what = format!("pull request {number}");
        let url = self.url(&format!("/pulls/{}", number.0));
        let pull: PullDto = self.read(&what, Self::get(url)).await?;
        Ok(pull.found())
    }

    /// Opens a pull request into the default branch; as no draft, where the repository refuses drafts.
    pub async fn open_pull(&self, pull: &NewPull) -> Result<FoundPull, TrackerError> {
        let what = format!("the pull request of `{}`", pull.branch);
        let base = self.repo().await?.default_branch;
        let ask = |draft: bool| {
            let body = json!({
                "title": pull.title, "body": pull.body, "head": pull.branch, "base": base, "draft": draft,
            });
            Self::write(Method::POST, self.url("/pulls"), Some(body), Class::Comment)
        };
        let doing = format!("open {what}");
        let mut reply = self.send(&what, ask(pull.draft)).await?;
        if pull.draft
            && reply.status == StatusCode::UNPROCESSABLE_ENTITY
            && words(&reply.body).to_lowercase().contains("draft")
        {
            // It was refused, hence not done: this is no second try of something unknown.
            reply = self.send(&what, ask(false)).await?;
        }
        let reply = self.succeeded(&what, &doing, reply).await?;
        Ok(read_json::<PullDto>(&what, &reply)?.found())
    }

    /// Replaces the text of a pull request.
    pub async fn edit_pull(
        &self,
        number: IssueNumber,
        body: &str,
    ) -> Result<Written, TrackerError> {
        let what = format!("pull request {number}");
        let url = self.url(&format!("/pulls/{}", number.0));
        let ask = Self::write(
            Method::PATCH,
            url,
            Some(json!({ "body": body })),
            Class::Marker,
        );
        self.done(&what, &format!("edit {what}"), ask).await?;
        Ok(Written::Changed)
    }

    /// Marks a draft as ready for review.
    pub async fn ready_pull(&self, pull: &FoundPull) -> Result<Written, TrackerError> {
        if !pull.draft {
            return Ok(Written::Already);
        }
        let what = format!("pull request {}", pull.number);
        let doing = format!("mark {what} as ready for review");
        let body = json!({ "query": READY, "variables": { "pull": pull.node } });
        let ask = Self::write(
            Method::POST,
            self.base().graphql(),
            Some(body),
            Class::Marker,
        );
        let reply = self.done(&what, &doing, ask).await?;
        let mutated: Mutated = read_json(&what, &reply)?;
        match mutated.errors.into_iter().next() {
            None => Ok(Written::Changed),
            Some(problem) => Err(TrackerError::Refused {
                what: doing,
                why: problem.message,
            }),
        }
    }

    /// Merges a pull request, in the first way that the repository allows, if its newest commit is that one.
    pub async fn merge_pull(
        &self,
        number: IssueNumber,
        head: &Subject,
    ) -> Result<MergeAnswer, TrackerError> {
        let what = format!("pull request {number}");
        let ways: WaysDto = self.read("the repository", Self::get(self.url(""))).await?;
        let url = self.url(&format!("/pulls/{}", number.0));
        let present: PullDto = self.read(&what, Self::get(url.clone())).await?;
        if present.merged_at.is_some() {
            return Ok(MergeAnswer::Merged(ways.default_branch));
        }
        if present.base.branch != ways.default_branch {
            let base = present.base.branch;
            return Ok(MergeAnswer::Refused(format!("it goes into `{base}` now")));
        }
        let body = json!({ "sha": head.as_str(), "merge_method": ways.first() });
        let ask = Self::write(
            Method::PUT,
            format!("{url}/merge"),
            Some(body),
            Class::Transition,
        );
        let reply = self.send(&what, ask).await?;
        if matches!(
            reply.status,
            StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::CONFLICT
                | StatusCode::UNPROCESSABLE_ENTITY
        ) {
            return self.not_merged(&what, url, words(&reply.body)).await;
        }
        match self.succeeded(&what, &format!("merge {what}"), reply).await {
            Ok(_) => Ok(MergeAnswer::Merged(ways.default_branch)),
            Err(TrackerError::Forbidden { what }) => {
                Ok(MergeAnswer::Refused(format!("the token may not {what}")))
            }
            Err(error) => Err(error),
        }
    }

    /// Not mergeable, another head, a rule of the branch: the answer will be the same again. Only right after another merge it is not:
    /// GitHub then works out anew whether this one is mergeable, and says until then that it is not.
    async fn not_merged(
        &self,
        what: &str,
        url: String,
        why: String,
    ) -> Result<MergeAnswer, TrackerError> {
        if why.starts_with("Base branch was modified") {
            return Ok(MergeAnswer::Later(why));
        }
        if why.contains("is not mergeable") {
            let present: PullDto = self.read(what, Self::get(url)).await?;
            if present.state == "open" && present.mergeable != Some(false) {
                return Ok(MergeAnswer::Later(why));
            }
        }
        Ok(MergeAnswer::Refused(why))
    }

    async fn reviews(&self, number: IssueNumber) -> Result<Vec<ReviewDto>, TrackerError> {
        let what = format!("the reviews of pull request {number}");
        let url = self.url(&format!("/pulls/{}/reviews?per_page=100", number.0));
        let pages: Vec<Vec<ReviewDto>> = self.pages(&what, url).await?;
        Ok(pages.into_iter().flatten().collect())
    }

    /// Reads the reviews that ask for changes and stand: a later approval or a dismissal takes one back, a mere comment does not.
    pub async fn wanted_changes(&self, number: IssueNumber) -> Result<Vec<Review>, TrackerError> {
        let mut standing: Vec<(Actor, Option<Review>)> = Vec::new();
        for review in self.reviews(number).await? {
            let wants = match review.state.as_str() {
                "CHANGES_REQUESTED" => true,
                "APPROVED" | "DISMISSED" => false,
                _ => continue,
            };
            let Some(by) = review.user.map(UserDto::actor) else {
                continue;
            };
            standing.retain(|(other, _)| other.id != by.id);
            let review = wants.then(|| Review {
                id: review.id,
                by: by.clone(),
                body: review.body,
            });
            standing.push((by, review));
        }
        let mut wants: Vec<Review> = standing
            .into_iter()
            .filter_map(|(_, review)| review)
            .collect();
        wants.sort_by_key(|review| review.id);
        Ok(wants)
    }

    /// Reads who closed a pull request.
    pub async fn closer(&self, number: IssueNumber) -> Result<Option<Actor>, TrackerError> {
        let what = format!("pull request {number}");
        let url = self.url(&format!("/issues/{}", number.0));
        let closed: ClosedDto = self.read(&what, Self::get(url)).await?;
        Ok(closed.closed_by.map(UserDto::actor))
    }

    /// Reads what was said in reviews and on lines, oldest first.
    pub async fn pull_remarks(&self, number: IssueNumber) -> Result<Vec<Comment>, TrackerError> {
        let what = format!("the remarks on pull request {number}");
        let mut said: Vec<Comment> = Vec::new();
        for review in self.reviews(number).await? {
            let Some(at) = review
                .submitted_at
                .filter(|_| !review.body.trim().is_empty())
            else {
                continue;
            };
            said.push(remark(
                format!("review-{}", review.id),
                review.user,
                review.body,
                at,
            ));
        }
        let url = self.url(&format!("/pulls/{}/comments?per_page=100", number.0));
        let pages: Vec<Vec<LineDto>> = self.pages(&what, url).await?;
        for line in pages.into_iter().flatten() {
            let place = match line.line {
                Some(at) => format!("{}:{at}", line.path),
                None => line.path,
            };
            let body = format!("On `{}`:\n\n{}", place.replace('`', "'"), line.body);
            said.push(remark(
                format!("line-{}", line.id),
                line.user,
                body,
                line.created_at,
            ));
        }
        said.sort_by_key(|remark| remark.created_at);
        Ok(said)
    }
}

fn remark(id: String, user: Option<UserDto>, body: String, at: Timestamp) -> Comment {
    Comment {
        id: CommentId(id),
        author: user.map(UserDto::actor),
        body,
        created_at: at,
        updated_at: at,
    }
}
