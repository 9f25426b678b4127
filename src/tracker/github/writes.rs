//! Writing to issues. Each write is one request that is sent once; reads around it only tell whether it changed something.
//! Labels are added and removed one by one: replacing the whole set would lose somebody else's change.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::base::encode;
use super::client::{GitHub, json as read_json};
use super::dto::{CommentDto, IssueDto, LabelsDto};
use super::failure::{Cause, malformed};
use super::limiter::Class;
use crate::domain::{CommentId, IssueNumber, Label};
use crate::tracker::{NewIssue, TrackerError, Written};

#[derive(Debug, Deserialize)]
struct CreatedIssue {
    number: u64,
}

impl GitHub {
    /// Sets one label of an issue.
    pub async fn add_label(
        &self,
        number: IssueNumber,
        label: &Label,
    ) -> Result<Written, TrackerError> {
        // Read only for the answer: the POST is made either way, because a replica may show a label that was just removed.
        let present = self.has_label(number, label).await?;
        self.set_labels(number, std::slice::from_ref(label)).await?;
        Ok(if present {
            Written::Already
        } else {
            Written::Changed
        })
    }

    async fn set_labels(&self, number: IssueNumber, labels: &[Label]) -> Result<(), TrackerError> {
        let what = format!("issue {number}");
        let names: Vec<&str> = labels.iter().map(Label::as_str).collect();
        let doing = format!("set the label `{}` of {what}", names.join("`, `"));
        let url = self.url(&format!("/issues/{}/labels", number.0));
        let ask = Self::write(
            Method::POST,
            url,
            Some(json!({ "labels": names })),
            Class::Transition,
        );
        let reply = self.done(&what, &doing, ask).await?;
        let set: LabelsDto = read_json(&what, &reply)?;
        // Without the right to label GitHub may drop them without a word.
        if labels.iter().all(|label| set.contains(label)) {
            Ok(())
        } else {
            Err(TrackerError::Forbidden { what: doing })
        }
    }

    async fn has_label(&self, number: IssueNumber, label: &Label) -> Result<bool, TrackerError> {
        let what = format!("the labels of issue {number}");
        let url = self.url(&format!("/issues/{}/labels?per_page=100", number.0));
        let labels: LabelsDto = self.read(&what, Self::get(url)).await?;
        Ok(labels.contains(label))
    }

    /// Removes one label of an issue.
    pub async fn remove_label(
        &self,
        number: IssueNumber,
        label: &Label,
    ) -> Result<Written, TrackerError> {
        let what = format!("issue {number}");
        let doing = format!("remove the label `{label}` of {what}");
        let url = self.url(&format!(
            "/issues/{}/labels/{}",
            number.0,
            encode(label.as_str())
        ));
        let reply = self
            .send(
                &what,
                Self::write(Method::DELETE, url, None, Class::Transition),
            )
            .await?;
        if reply.status != StatusCode::NOT_FOUND {
            self.succeeded(&what, &doing, reply).await?;
            return Ok(Written::Changed);
        }
        // Either the label is not there, or the issue is not, or we may not: the labels tell.
        if self.has_label(number, label).await? {
            return Err(self.refused(&what, &doing, &reply));
        }
        Ok(Written::Already)
    }

    /// Writes a comment. Sent once: after a lost answer the caller looks for it before trying again.
    pub async fn comment(
        &self,
        number: IssueNumber,
        body: &str,
    ) -> Result<CommentId, TrackerError> {
        let what = format!("issue {number}");
        let url = self.url(&format!("/issues/{}/comments", number.0));
        let ask = Self::write(
            Method::POST,
            url,
            Some(json!({ "body": body })),
            Class::Comment,
        );
        let reply = self.done(&what, &format!("comment on {what}"), ask).await?;
        Ok(read_json::<CommentDto>(&what, &reply)?.id())
    }

    /// Replaces a comment of ours, if its text differs.
    pub async fn edit_comment(
        &self,
        number: IssueNumber,
        id: &CommentId,
        body: &str,
    ) -> Result<Written, TrackerError> {
        self.edit(number, id, body, Class::Marker).await
    }

    /// The same, for what may wait: refused when the hour's share is spent.
    pub async fn edit_comment_later(
        &self,
        number: IssueNumber,
        id: &CommentId,
        body: &str,
    ) -> Result<Written, TrackerError> {
        self.edit(number, id, body, Class::Spare).await
    }

    async fn edit(
        &self,
        number: IssueNumber,
        id: &CommentId,
        body: &str,
        class: Class,
    ) -> Result<Written, TrackerError> {
        let what = format!("comment {id} of issue {number}");
        if id.0.is_empty() || !id.0.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed(&what, Cause::Missing("id")));
        }
        let url = self.url(&format!("/issues/comments/{id}"));
        let present: CommentDto = self.read(&what, Self::get(url.clone())).await?;
        if present.body == body {
            return Ok(Written::Already);
        }
        let ask = Self::write(Method::PATCH, url, Some(json!({ "body": body })), class);
        self.done(&what, &format!("edit {what}"), ask).await?;
        Ok(Written::Changed)
    }

    /// Opens an issue, then sets its labels, so that each has an event with an actor.
    pub async fn create_issue(&self, issue: &NewIssue) -> Result<IssueNumber, TrackerError> {
        let body = json!({ "title": issue.title, "body": issue.body });
        let ask = Self::write(
            Method::POST,
            self.url("/issues"),
            Some(body),
            Class::Comment,
        );
        let reply = self.done("the new issue", "open an issue", ask).await?;
        let number = IssueNumber(read_json::<CreatedIssue>("the new issue", &reply)?.number);
        if !issue.labels.is_empty()
            && let Err(error) = self.set_labels(number, &issue.labels).await
        {
            let what = format!("set the labels of issue {number}, which is open now");
            return Err(TrackerError::Refused {
                what,
                why: error.to_string(),
            });
        }
        Ok(number)
    }

    /// Closes an issue as completed.
    pub async fn close(&self, number: IssueNumber) -> Result<Written, TrackerError> {
        let what = format!("issue {number}");
        let url = self.url(&format!("/issues/{}", number.0));
        let present: IssueDto = self.read(&what, Self::get(url.clone())).await?;
        if !present.is_open() {
            return Ok(Written::Already);
        }
        let body = json!({ "state": "closed", "state_reason": "completed" });
        let ask = Self::write(Method::PATCH, url, Some(body), Class::Transition);
        self.done(&what, &format!("close {what}"), ask).await?;
        Ok(Written::Changed)
    }
}
