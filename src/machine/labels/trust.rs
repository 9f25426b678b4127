//! Who asked, and may they (PROTOCOLS 1 and 7; fails closed).
//!
//! Looks at a single read only: the list that named the issue is never believed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Actor, ActorKind, Approval, Basis, Details, Dispatch, Edit, Errand, Head, Hold, Label,
    LabelEvent, Labelling, Project, Role, SingleRead, Text, Workflow, order,
};
use crate::machine::labels::legend::Legend;
use crate::machine::state::Walk;
use crate::machine::text::issue_digest;

/// How long a label's event may be late before nobody can be named (PROTOCOLS 1).
pub const UNATTRIBUTED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// An edit so shortly before the approval was not seen by whoever approved: GitHub's clock has whole seconds, and a page takes a while
/// to show what changed.
pub const EDIT_GRACE: SignedDuration = SignedDuration::from_secs(10);

/// What a trusted labelling rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The labelling to claim.
    pub labelling: Labelling,
    /// Whose word it rests on.
    pub approval: Approval,
    /// Whether a person moved an issue that was already in our hands.
    pub overrides: bool,
    /// SHA-256 of title and body as read.
    pub text: String,
}

/// Returns the event that set `label` and still stands: the last `set` with no later removal.
pub fn standing_event<'a>(events: &'a [LabelEvent], label: &Label) -> Option<&'a LabelEvent> {
    events
        .iter()
        .rev()
        .find(|event| event.label == *label)
        .filter(|event| event.set)
}

/// Decides who asked for `label` and whether they may, from one single read.
pub fn request(
    project: &Project,
    workflow: &Workflow,
    walk: Option<&Walk>,
    added: Timestamp,
    label: &Label,
    details: &Details,
) -> Result<Request, Hold> {
    let SingleRead::Found(found) = &details.read else {
        return Err(Hold::Spent {
            how: "the issue is not there any more".to_owned(),
        });
    };
    let (head, text) = (&found.0, &found.1);
    if let Some(hold) = refused_by_labels(head, workflow) {
        return Err(hold);
    }
    let Some(event) = standing_event(&details.events, label) else {
        return Err(Hold::Unattributed {
            since: Some(details.at),
            until: Some(details.at + UNATTRIBUTED_FOR),
        });
    };
    let ours = walk.is_some_and(|walk| walk.own_event.as_ref() == Some(&event.id));
    if !ours && event.at < added {
        return Err(Hold::BeforeStart { added });
    }
    let actor = event.actor.clone().ok_or(Hold::Unattributed {
        since: Some(event.at),
        until: None,
    })?;
    let digest = issue_digest(&text.title, &text.body);
    let approval = match walk.and_then(|walk| walk.approval.clone()).filter(|_| ours) {
        Some(inherited) => inherited,
        None => own_word(project, &actor, event, &details.roles, &digest)?,
    };
    check_edit(project, text, &approval, &digest, &details.roles)?;
    let labelling = Labelling {
        repo: head.repo.clone(),
        issue_id: head.id.clone(),
        issue: head.number,
        label: label.clone(),
        event: event.id.clone(),
        by: actor,
        at: event.at,
        again: walk.and_then(|walk| walk.again.clone()),
    };
    Ok(Request {
        labelling,
        approval,
        // Asked for once more after a park is no move.
        overrides: !ours
            && walk
                .and_then(|walk| walk.event.as_ref())
                .is_some_and(|served| *served != event.id),
        text: digest,
    })
}

fn own_word(
    project: &Project,
    actor: &Actor,
    event: &LabelEvent,
    roles: &BTreeMap<Actor, Role>,
    digest: &str,
) -> Result<Approval, Hold> {
    if !is_trusted(project, actor, roles) {
        let role = roles.get(actor).copied().unwrap_or(Role::None);
        return Err(Hold::Untrusted {
            actor: actor.clone(),
            role,
            agents: is_agents(project, actor),
        });
    }
    Ok(Approval {
        by: actor.clone(),
        at: event.at,
        text: digest.to_owned(),
    })
}

/// Says whether an account's word counts: on the allow-list, or a person with write access now. Apps by id only. An account that
/// agents work as has no word, whatever it may do: nobody approves their own work.
pub fn is_trusted(project: &Project, actor: &Actor, roles: &BTreeMap<Actor, Role>) -> bool {
    if is_agents(project, actor) {
        return false;
    }
    let listed = project.allow.iter().any(|entry| {
        // An App is called what its owner likes.
        (actor.kind == ActorKind::User || *entry == *actor.id.as_str()) && names(entry, actor)
    });
    let may = actor.kind == ActorKind::User
        && roles.get(actor).copied().unwrap_or(Role::None) >= Role::Write;
    listed || may
}

/// Says whether agents work as that account. An App's login ends in `[bot]`, and no person's does: it is meant with and without.
pub fn is_agents(project: &Project, actor: &Actor) -> bool {
    let bot = |entry: &String| {
        let name = entry.strip_suffix("[bot]").unwrap_or(entry);
        let login = actor.login.strip_suffix("[bot]");
        login.is_some_and(|login| login.eq_ignore_ascii_case(name))
    };
    project
        .agents
        .iter()
        .any(|entry| names(entry, actor) || bot(entry))
}

/// Says whether an entry of the project's file means that account. A number is an id: anybody may register an account that is called
/// like another one's id.
fn names(entry: &str, actor: &Actor) -> bool {
    let is_name = !entry.bytes().all(|byte| byte.is_ascii_digit());
    *entry == *actor.id.as_str() || (is_name && entry.eq_ignore_ascii_case(&actor.login))
}

/// Returns the accounts whose role decides what an issue asks for: who set the routing labels that stand, who took the park label
/// off, and who edited the text.
pub fn in_question(workflow: &Workflow, found: &(Head, Text), events: &[LabelEvent]) -> Vec<Actor> {
    let (head, text) = found;
    let stages = workflow.stages.iter().map(|stage| &stage.label);
    let set = stages
        .filter(|label| head.labels.contains(*label))
        .filter_map(|label| standing_event(events, label));
    let by = |event: &LabelEvent| event.actor.clone();
    let editors: BTreeSet<Actor> = text
        .edits
        .iter()
        .filter_map(|edit| edit.by.clone())
        .collect();
    set.chain(park_taken_off(workflow, events))
        .filter_map(by)
        .chain(editors)
        .collect()
}

/// Returns the event that took the park label off, if it was the last of that label.
pub fn park_taken_off<'a>(workflow: &Workflow, events: &'a [LabelEvent]) -> Option<&'a LabelEvent> {
    let park = &workflow.labels.park;
    let last = events.iter().rev().find(|event| event.label == *park);
    last.filter(|event| !event.set)
}

/// An edit after the approval by somebody who could not have approved it means: ask again, whoever edited since.
fn check_edit(
    project: &Project,
    text: &Text,
    approval: &Approval,
    digest: &str,
    roles: &BTreeMap<Actor, Role>,
) -> Result<(), Hold> {
    let unseen = |edit: &&Edit| edit.at > approval.at - EDIT_GRACE;
    let since: Vec<&Edit> = text.edits.iter().filter(unseen).collect();
    let may = |editor: &Actor| {
        !is_agents(project, editor)
            && (editor.id == approval.by.id || is_trusted(project, editor, roles))
    };
    let stranger = since
        .iter()
        .find(|edit| !edit.by.as_ref().is_some_and(may))
        .map(|edit| edit.by.as_ref());
    match stranger {
        Some(by) => Err(Hold::NeedsReapproval {
            by: by.map_or_else(|| "somebody".to_owned(), |by| by.login.clone()),
        }),
        // The text changed since, and nobody can say who did it.
        None if since.is_empty() && approval.text != digest => Err(Hold::NeedsReapproval {
            by: "somebody".to_owned(),
        }),
        None => Ok(()),
    }
}

/// Says whether the text a brief would quote was changed since its approval by somebody who could not have approved it: who, and what
/// that means. What an agent was given before stands; stopping it is nobody's right for having edited a text.
pub fn unapproved_text(
    dispatch: &Dispatch,
    project: &Project,
    details: &Details,
) -> Option<(String, String)> {
    let (Some(approval), SingleRead::Found(found)) = (dispatch.opening.approval(), &details.read)
    else {
        return None;
    };
    let digest = issue_digest(&found.1.title, &found.1.body);
    let hold = check_edit(project, &found.1, approval, &digest, &details.roles).err()?;
    let by = match &hold {
        Hold::NeedsReapproval { by } => by.clone(),
        _ => "somebody".to_owned(),
    };
    Some((by, hold.to_string()))
}

/// The label of an issue by which anybody keeps agents away.
pub fn vetoed(head: &Head, workflow: &Workflow) -> Option<Hold> {
    let refusal = Legend::of(workflow).read(head).refusal(head, workflow);
    refusal.filter(|hold| matches!(hold, Hold::Vetoed { .. }))
}

/// The labels of an issue that forbid starting, whoever set them.
pub fn refused_by_labels(head: &Head, workflow: &Workflow) -> Option<Hold> {
    Legend::of(workflow).read(head).refusal(head, workflow)
}

/// Says whether the other routing labels are all of people who may not start work: they stop nothing either.
fn is_a_strangers(
    hold: &Hold,
    labelling: &Labelling,
    project: &Project,
    details: &Details,
) -> bool {
    let Hold::SeveralLabels { labels } = hold else {
        return false;
    };
    let mut others = labels.iter().filter(|label| **label != labelling.label);
    others.all(|label| {
        let event = standing_event(&details.events, label);
        let actor = event.and_then(|event| event.actor.as_ref());
        actor.is_some_and(|actor| !is_trusted(project, actor, &details.roles))
    })
}

/// The same for an issue with an open dispatch, whose own question may have set the park label. An errand asks for no route.
pub fn refused_while_open(dispatch: &Dispatch, head: &Head, workflow: &Workflow) -> Option<Hold> {
    if dispatch.opening.errand().is_some() {
        return vetoed(head, workflow);
    }
    if !dispatch.park_label {
        return refused_by_labels(head, workflow);
    }
    let mut others = head.clone();
    others.labels.remove(&workflow.labels.park);
    refused_by_labels(&others, workflow)
}

/// Says whether a dispatch's labelling still holds, from one single read; else who ended it and how.
pub fn still_wanted(
    dispatch: &Dispatch,
    project: &Project,
    workflow: &Workflow,
    details: &Details,
) -> Result<(), (String, String)> {
    let last = || {
        let event = details.events.last().and_then(|event| event.actor.as_ref());
        event.map_or_else(|| "somebody".to_owned(), |actor| actor.login.clone())
    };
    let (repo, issue_id, labelling) = match &dispatch.opening.basis {
        Basis::Labelling { labelling, .. } => {
            (&labelling.repo, &labelling.issue_id, Some(labelling))
        }
        Basis::Errand(Errand::Trial { repo, issue_id, .. }) => (repo, issue_id, None),
        Basis::Errand(Errand::Due { .. } | Errand::Check { .. } | Errand::Said { .. }) => {
            return Ok(());
        }
    };
    let found = match &details.read {
        SingleRead::Found(found) => found,
        SingleRead::Transferred { to } => {
            return Err((last(), format!("the issue was transferred to {to}")));
        }
        SingleRead::Gone => return Err((last(), "the issue is gone".to_owned())),
    };
    let head = &found.0;
    if head.id != *issue_id || head.repo != *repo {
        return Err((last(), "the issue is another one now".to_owned()));
    }
    if !head.open {
        return Err((last(), "the issue was closed".to_owned()));
    }
    if let Some(gone) = labelling.filter(|labelling| !head.labels.contains(&labelling.label)) {
        return Err((last(), format!("`{}` was removed", gone.label)));
    }
    let refusal = refused_while_open(dispatch, head, workflow);
    if let Some(hold) = refusal.filter(|hold| {
        !labelling.is_some_and(|asked| is_a_strangers(hold, asked, project, details))
    }) {
        return Err((last(), hold.to_string()));
    }
    let Some(labelling) = labelling else {
        return Ok(());
    };
    let mut events = details.events.iter().rev();
    let known = order(labelling.event.as_str());
    match events.find(|event| event.label == labelling.label) {
        // The label is there, and nothing is known of it since: a long history is cut off at its beginning.
        None => Ok(()),
        Some(event) if order(event.id.as_str()) <= known => Ok(()),
        Some(event) if event.set => Err((last(), format!("`{}` was set anew", labelling.label))),
        Some(_) => Err((
            last(),
            format!("nobody is known to have set `{}`", labelling.label),
        )),
    }
}
