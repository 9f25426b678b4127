//! Where an issue stands, in words: from the last cycle, corrected by what the fold has learned since.

use super::snapshot::Standing;
use super::words;
use crate::domain::{Hold, IssueNumber, ProjectName};
use crate::machine::engine::CycleReport;
use crate::machine::state::State;
use crate::machine::text::{count, one_line};

/// Characters of a sentence.
const SENTENCE_CHARS_MAX: usize = 400;

/// Returns why an issue waits: the last cycle's word, unless what is open in the fold has gone on since. Without a cycle, the
/// ledger's word.
pub(super) fn hold(state: &State, report: &CycleReport, number: IssueNumber) -> Option<Hold> {
    let told = match report.at {
        Some(_) => report.standing.get(&number),
        None => state.holds.get(&number),
    };
    let of_dispatch = matches!(
        told,
        None | Some(Hold::InHand { .. } | Hold::Unknown { .. } | Hold::Asked { .. })
    );
    match (state.open_dispatch(number), told) {
        // Without a cycle, the fold knows the phase better than what was last written of it.
        (Some(_), Some(told)) if report.at.is_some() || !matches!(told, Hold::InHand { .. }) => {
            Some(told.clone())
        }
        (Some(dispatch), _) => Some(Hold::InHand {
            dispatch: dispatch.id().clone(),
            phase: words::phase(&dispatch.phase).to_owned(),
        }),
        (None, told) if !of_dispatch => told.cloned(),
        (None, _) => between(state, number),
    }
}

/// Returns what is on its way for an issue without an open dispatch.
fn between(state: &State, number: IssueNumber) -> Option<Hold> {
    let moving = state
        .transitions
        .get(&number)
        .map(|transition| Hold::Moving {
            to: transition.to.to_string(),
        });
    moving.or_else(|| {
        state.parks.get(&number).map(|(label, why)| Hold::Parked {
            label: label.clone(),
            why: Some(why.clone()),
            stripped: None,
        })
    })
}

/// Returns what an issue waits for, if it waits for others.
pub(super) fn blockers(hold: &Hold) -> Vec<String> {
    match hold {
        Hold::WaitsFor { issues, .. } => issues.iter().map(ToString::to_string).collect(),
        Hold::WaitsElsewhere {
            open,
            unseen,
            unread,
            ..
        } => {
            let unread = unread.iter().map(|other| format!("{other} (not read yet)"));
            let unseen = unseen
                .iter()
                .map(|other| format!("{other} (not looked at)"));
            let open = open.iter().map(ToString::to_string);
            open.chain(unread).chain(unseen).collect()
        }
        Hold::BlockedBy { count } => vec![count_of(*count, "issue", "by its dependencies")],
        Hold::SubIssues { count } => vec![count_of(*count, "sub-issue", "of its own")],
        Hold::Collides { with } => with.iter().map(|other| other.issue.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn count_of(number: u32, thing: &str, whose: &str) -> String {
    format!("{} {whose}", count(number, thing))
}

/// Words a hold; without one the issue goes next.
pub(super) fn standing(project: &ProjectName, hold: Option<&Hold>) -> Standing {
    let Some(hold) = hold else {
        return Standing {
            word: "next".to_owned(),
            says: "looked at in the next cycle".to_owned(),
            hint: None,
            yours: false,
        };
    };
    let word = hold.word();
    let sentence = one_line(&hold.to_string(), SENTENCE_CHARS_MAX);
    let says = sentence
        .strip_prefix(word)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(&sentence);
    let hint = hold
        .hint(project)
        .map(|hint| one_line(&hint, SENTENCE_CHARS_MAX));
    Standing {
        word: word.to_owned(),
        says: says.to_owned(),
        hint: hint.filter(|hint| !says.contains(hint.as_str())),
        yours: is_yours(hold),
    }
}

/// Tells whether a hold waits for a person. A stranger's label does not: it must not be able to call for one.
fn is_yours(hold: &Hold) -> bool {
    match hold {
        Hold::SeveralLabels { .. }
        | Hold::Parked { .. }
        | Hold::Unattributed { until: None, .. }
        | Hold::NeedsReapproval { .. }
        | Hold::NoAgent { .. }
        | Hold::NotWritable { .. }
        | Hold::AdoptedApart { .. }
        | Hold::AgentsUnread { .. }
        | Hold::AgentAsks { .. }
        | Hold::AgentNotReady { .. }
        | Hold::TreeDirty { .. }
        | Hold::BranchTaken { .. }
        | Hold::TreeElsewhere { .. }
        | Hold::Failing { .. }
        | Hold::Yours { .. }
        | Hold::Blocked { .. }
        | Hold::Asked { .. }
        | Hold::NoChecker { .. }
        | Hold::NoSkill { .. }
        | Hold::Undelivered { .. }
        | Hold::Stuck { .. }
        | Hold::LineLeft { .. }
        | Hold::OtherDaemon { .. }
        | Hold::LedgerBehind { .. }
        | Hold::Unreadable { until: None, .. }
        | Hold::Unknown { .. } => true,
        Hold::Sessions { taken } => taken.iter().all(|(_, hold)| is_yours(hold)),
        // Nobody but a person ends a ring.
        Hold::WaitsFor { ring, .. } => !ring.is_empty(),
        // Nobody but a person ends a ring, and nobody here sees closed what is not looked at.
        Hold::WaitsElsewhere {
            open, unread, back, ..
        } => !back.is_empty() || (open.is_empty() && unread.is_empty()),
        Hold::Unattributed { until: Some(_), .. }
        | Hold::Unreadable { until: Some(_), .. }
        | Hold::Vetoed { .. }
        | Hold::Paused { .. }
        | Hold::BeforeStart { .. }
        | Hold::BeforeAdoption { .. }
        | Hold::Untrusted { .. }
        | Hold::BlockedBy { .. }
        | Hold::SubIssues { .. }
        | Hold::Collides { .. }
        | Hold::Wip { .. }
        | Hold::Backlog { .. }
        | Hold::Seat { .. }
        | Hold::ActiveMax { .. }
        | Hold::AccountLimit { .. }
        | Hold::DailyCap { .. }
        | Hold::Attention { .. }
        | Hold::Gap { .. }
        | Hold::Flood { .. }
        | Hold::IssueCap { .. }
        | Hold::Hours { .. }
        | Hold::BackOff { .. }
        | Hold::Session { .. }
        | Hold::AgentNotIdle { .. }
        | Hold::Tracker { .. }
        | Hold::InHand { .. }
        | Hold::Moving { .. }
        | Hold::Stalled { .. }
        | Hold::Unmarked { .. }
        | Hold::NextCycle
        | Hold::Behind { .. }
        | Hold::Spent { .. } => false,
    }
}
