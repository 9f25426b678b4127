//! The last mile: the pull request of an issue's branch, what it says, and what a person does with it (DESIGN 8, PROTOCOLS 8).
//!
//! There is at most one open pull request for a branch, and the tracker sees to that: so it is looked for before it is opened, and
//! a lost answer costs a look. Merging it is `done`, closing it drops the work, a trusted review that asks for changes is a round.

mod closed;
mod evidence;
mod known;
pub mod reserved;
mod watch;

pub(super) use evidence::proofs;
pub use evidence::{Proof, body, in_body};
pub use known::Known;
pub(super) use watch::once_more;
pub(super) use watch::watch;
pub use watch::{NOBODYS_MERGE, next};

use crate::domain::{
    Action, Advance, Dispatch, GateName, IssueNumber, Labelling, Merge, Next, Outcome, Pull,
    PullEnd, PullPlan, Rules, Stage, Subject, TrackerChoice,
};
use crate::machine::state::{State, Walk};
use crate::machine::step::Step;

/// A pull request as the fold knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// As it stood when we last wrote to it.
    pub pull: Pull,
    /// Its newest commit, if that is not the one the evidence is of.
    pub moved: Option<Subject>,
    /// How it ended.
    pub end: Option<PullEnd>,
    /// Whether it is of a walk that is over: another one may be open by now, and what becomes of this one says nothing of the issue.
    pub stale: bool,
}

impl Kept {
    /// Says whether it is open, as far as is known, and shows what the issue is about now.
    pub(crate) fn stands(&self) -> bool {
        self.end.is_none() && !self.stale
    }
}

/// Says what the pull request needs before a stage is left: nothing, if it says already what is known.
pub(super) fn keep(
    state: &State,
    dispatch: &Dispatch,
    labelling: &Labelling,
    rules: &Rules,
) -> Option<Step> {
    let walk = state.walks.get(&labelling.issue)?;
    // Where its work began is known once its branch was pushed. One that was set up and never pushed has nothing to be read.
    let is_pushed = walk.began.is_some() && walk.subject.is_some();
    if !matches!(rules.project.tracker, TrackerChoice::GitHub { .. }) || !is_pushed {
        return None;
    }
    let plan = plan(walk, walk.branch.clone()?, dispatch, labelling.issue);
    let kept = walk.pull.as_ref().filter(|kept| !kept.stale);
    let agrees = |kept: &&Kept| {
        let digest = crate::machine::text::sha256(plan.evidence.as_bytes());
        kept.end.is_none() && kept.pull.evidence == digest && !(plan.ready && kept.pull.draft)
    };
    if kept.is_some_and(|kept| agrees(&kept)) {
        return None;
    }
    Some(Step::Do(Action::KeepPull {
        dispatch: Box::new(dispatch.clone()),
        plan: Box::new(plan),
        known: kept.map(|kept| kept.pull.number),
    }))
}

fn plan(walk: &Walk, branch: String, dispatch: &Dispatch, issue: IssueNumber) -> PullPlan {
    let opening = &dispatch.opening;
    PullPlan {
        issue,
        branch,
        title: opening.title.clone(),
        evidence: evidence::table(&proofs(&walk.proofs, dispatch), opening),
        ready: is_a_persons(&opening.stage) || opening.stage.next == Next::Done,
    }
}

/// Says whether the last move out of a stage is a person's.
pub(super) fn is_a_persons(stage: &Stage) -> bool {
    stage.advance == Advance::Human || stage.needs.contains(&GateName::Approval)
}

/// Says what a person can do with an issue whose last move is theirs.
pub(super) fn yours(walk: &Walk, issue: IssueNumber, stage: &Stage, rules: &Rules) -> String {
    let number = issue.0;
    let approve = format!("`pointsman approve {number}`");
    let kept = walk.pull.as_ref().filter(|kept| kept.stands());
    match (kept, &walk.branch, rules.project.git) {
        (Some(kept), ..) => with_pull(kept, walk, &approve, stage, rules),
        (None, Some(branch), true) => {
            let leaves = rules.project.merge == Merge::Off && stage.next == Next::Done;
            let leaves = if leaves {
                " (it leaves the branch: `merge = \"off\"`)"
            } else {
                ""
            };
            format!("{approve}{leaves}, merge {branch}, or set another label")
        }
        (None, ..) => format!("{approve}, close the issue, or set another label"),
    }
}

fn with_pull(kept: &Kept, walk: &Walk, approve: &str, stage: &Stage, rules: &Rules) -> String {
    let pull = &kept.pull;
    let moved = kept.moved.as_ref().map_or_else(String::new, |head| {
        let verified = walk.subject.as_ref().map_or("nothing", Subject::short);
        format!(
            "its newest commit {} is not ours, the evidence is of {verified}; ",
            head.short()
        )
    });
    let draft = if pull.draft { ", which is a draft" } else { "" };
    let merge = format!("merge pull request {} ({}){draft}", pull.number, pull.url);
    let merge = if merges(rules, stage) && kept.moved.is_none() {
        format!("{merge} or `{}`", approve.trim_matches('`'))
    } else {
        merge
    };
    let back = back(rules, stage).map_or_else(String::new, |back| {
        format!(
            "; `{}` or a review that requests changes is another round",
            back.label
        )
    });
    format!("{moved}{merge}{back}; closing it drops this")
}

/// Says whether `approve` moves the default branch.
pub(super) fn merges(rules: &Rules, stage: &Stage) -> bool {
    rules.project.git && rules.project.merge == Merge::FastForward && stage.next == Next::Done
}

/// Returns the stage in which work on the branch goes on: where the stage sends back to, else the nearest that makes commits.
pub fn back<'a>(rules: &'a Rules, stage: &'a Stage) -> Option<&'a Stage> {
    let named = stage
        .back
        .as_ref()
        .and_then(|back| rules.workflow.stage(back));
    let upto = rules.workflow.position(&stage.label)?;
    let mut before = rules.workflow.stages.iter().take(upto + 1).rev();
    named.or_else(|| before.find(|stage| stage.makes_commits()))
}

/// Says whether setting this stage's label again is another round of work on what a pull request showed.
pub(super) fn is_rework(walk: Option<&Walk>, stage: &Stage) -> bool {
    stage.makes_commits() && walk.is_some_and(|walk| walk.pull.is_some())
}

/// Turns what came of an effect on a dispatch's branch into what is written down.
pub(super) fn settle(dispatch: &Dispatch, action: &Action, outcome: &Outcome) -> Option<Step> {
    use crate::domain::Event;
    match (action, outcome) {
        (Action::KeepPull { plan, .. }, Outcome::PullKept { pull }) => {
            Some(Step::Record(vec![Event::PullKept {
                dispatch: dispatch.id().clone(),
                issue: plan.issue,
                pull: pull.clone(),
            }]))
        }
        _ => None,
    }
}
