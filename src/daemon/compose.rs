//! Writing a brief: the skill's own words, then facts that were read for this very delivery.

use crate::daemon::gates::skill_body;
use crate::daemon::hands::{Hands, now, tracker_failed};
use crate::domain::{Build, DeliveryId, Dispatch, Ground, Outcome, Project, Purpose, SingleRead, Text};
use crate::machine::anchor::{self, Anchor, Checked};
use crate::machine::brief::{self, Facts};
use crate::machine::text::{issue_digest, sha256};
use crate::repo::Mirror;

/// Composes the text of a delivery.
pub async fn compose(hands: &Hands, dispatch: &Dispatch, delivery: &DeliveryId, ground: &Ground) -> Outcome {
    let Some(project) = hands.project() else {
        return Outcome::Failed { why: "the project's configuration is gone".to_owned(), until: now() };
    };
    let details = match hands.details(dispatch.issue(), true).await {
        Ok(details) => details,
        Err(error) => return tracker_failed(&error),
    };
    let (text, url) = match &details.read {
        SingleRead::Found(found) => (found.1.clone(), found.0.url.clone()),
        SingleRead::Transferred { .. } | SingleRead::Gone => (empty(), String::new()),
    };
    let skill = match ground.purpose.unwrap_or(Purpose::Brief) {
        Purpose::Brief => match skill_body(hands, &project, &dispatch.opening.stage.skill).await {
            Ok(body) => Some(body),
            Err(why) => return Outcome::Failed { why, until: now() + crate::daemon::hands::RETRY_AFTER },
        },
        Purpose::Nudge | Purpose::Answer | Purpose::Stop => None,
    };
    let version = hands.ledger.version(hands.name.as_str()).await.unwrap_or(0);
    let facts = Facts {
        dispatch: dispatch.clone(),
        delivery: delivery.clone(),
        ground: ground.clone(),
        token: format!("{}.{}", dispatch.id(), hands.key.secret(dispatch.id())),
        binary: hands.places.binary_text(),
        ledger_id: hands.ledger_id.clone(),
        ledger_version: version,
        url,
        text: text.clone(),
        comments: details.comments.as_ref().map_or(0, Vec::len),
        build: match &project.build {
            Build::Command(command) => Some(command.clone()),
            Build::None => None,
        },
        git: project.git,
        anchors: check_anchors(hands, &project, dispatch, ground, &text).await,
        at: now(),
    };
    let text_of_brief = match &skill {
        Some(body) => brief::compose(body, &facts),
        None => brief::message(&facts),
    };
    Outcome::Composed {
        digest: sha256(text_of_brief.as_bytes()),
        text: text_of_brief,
        issue_text: issue_digest(&text.title, &text.body),
    }
}

fn empty() -> Text {
    Text { title: String::new(), body: String::new(), edited: None }
}

/// Checks what issue and spec claim, against the commit the agent will stand on.
async fn check_anchors(hands: &Hands, project: &Project, dispatch: &Dispatch, ground: &Ground, text: &Text) -> Vec<(Anchor, Checked)> {
    let source = ground.spec.as_ref().map_or(text.body.as_str(), |spec| spec.text.as_str());
    let anchors = anchor::parse(source);
    let Some(commit) = dispatch.base.as_ref().filter(|_| project.git && !anchors.is_empty()) else { return Vec::new() };
    let Ok(mirror) = Mirror::open(&hands.places.mirror(&project.name)).await else { return Vec::new() };
    if mirror.fetch_path(&project.path).await.is_err() {
        return Vec::new();
    }
    let tree = match crate::daemon::objects::Objects::load(&mirror, commit, &anchors).await {
        Ok(tree) => tree,
        Err(error) => {
            tracing::warn!(%error, dispatch = %dispatch.id(), "anchors could not be checked");
            return Vec::new();
        }
    };
    anchors.into_iter().map(|anchor| {
        let checked = anchor::check(&anchor, &tree);
        (anchor, checked)
    }).collect()
}
