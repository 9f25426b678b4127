//! GraphQL: the one question about an issue's edits.

use serde_json::{Value, json};

use super::entry::{Answer, Call};
use super::fact::Fact;
use super::json::time;
use super::model::{Fate, Issue, Model};
use super::people::Caller;

impl Model {
    pub(crate) fn graphql(&mut self, call: &Call, caller: &Caller) -> Answer {
        let input = call.input();
        let query = input["query"].as_str().unwrap_or_default();
        if query.contains("markPullRequestReadyForReview") {
            return if self.is(Fact::GraphqlMarksReady) {
                self.ready(call, caller)
            } else {
                self.problem(
                    "undefinedField",
                    "Field 'markPullRequestReadyForReview' doesn't exist",
                )
            };
        }
        let variable = |name: &str| {
            input
                .get("variables")
                .and_then(|all| all.get(name))
                .cloned()
                .unwrap_or_default()
        };
        let name = format!(
            "{}/{}",
            variable("owner").as_str().unwrap_or_default(),
            variable("name").as_str().unwrap_or_default()
        );
        let repo = self
            .repos
            .values()
            .find(|repo| repo.full_name.eq_ignore_ascii_case(&name));
        let Some(repo) = repo.filter(|repo| self.may(repo, caller, "read")) else {
            return self.problem(
                "NOT_FOUND",
                &format!("Could not resolve to a Repository with the name '{name}'."),
            );
        };
        let number = variable("number").as_u64().unwrap_or_default();
        let Some(issue) = repo
            .issues
            .get(&number)
            .filter(|issue| issue.fate == Fate::Here && !issue.pull)
        else {
            return self.problem(
                "NOT_FOUND",
                &format!("Could not resolve to an Issue with the number of {number}."),
            );
        };
        if !self.is(Fact::GraphqlKnowsEdits) {
            return Answer::json(
                200,
                &json!({ "data": { "repository": { "issue": {
                "lastEditedAt": null, "editor": null, "userContentEdits": { "nodes": [] }, "timelineItems": { "nodes": [] } } } } }),
            );
        }
        let data = json!({ "repository": { "issue": self.edits_json(issue) } });
        Answer::json(200, &json!({ "data": data }))
    }

    fn edits_json(&self, issue: &Issue) -> Value {
        let renamed = issue.events.iter().filter(|event| event.kind == "renamed");
        let renamed: Vec<Value> = renamed
            .map(|event| json!({ "createdAt": time(event.at), "actor": self.actor_json(event.actor) }))
            .collect();
        let (edited, editor) = match issue.edits.last() {
            Some((at, editor)) => (json!(time(*at)), self.actor_json(*editor)),
            None => (Value::Null, Value::Null),
        };
        // The newest first, and the text as it was opened as the last of them.
        let opened = (!issue.edits.is_empty()).then_some((issue.created, issue.author));
        let contents = opened.into_iter().chain(issue.edits.iter().copied());
        let mut contents: Vec<Value> = contents
            .map(|(at, editor)| json!({ "editedAt": time(at), "editor": self.actor_json(editor) }))
            .collect();
        contents.reverse();
        json!({
            "createdAt": time(issue.created), "lastEditedAt": edited, "editor": editor,
            "userContentEdits": { "pageInfo": { "hasNextPage": false }, "nodes": contents },
            "timelineItems": { "pageInfo": { "hasPreviousPage": false }, "nodes": renamed },
        })
    }

    /// A failure: 200 with `errors`, and null where the data would be.
    pub(crate) fn problem(&self, kind: &str, message: &str) -> Answer {
        let status = if self.is(Fact::GraphqlErrorsAre200) {
            200
        } else {
            404
        };
        let errors = json!([{ "type": kind, "path": ["repository"], "message": message }]);
        Answer::json(
            status,
            &json!({ "data": { "repository": null }, "errors": errors }),
        )
    }

    fn actor_json(&self, id: Option<u64>) -> Value {
        match id.and_then(|id| self.accounts.get(&id)) {
            Some(account) => {
                json!({ "__typename": account.kind, "login": account.login, "databaseId": account.id })
            }
            None => Value::Null,
        }
    }
}
