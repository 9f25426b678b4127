//! Reads that are older than what is known: trackers answer from copies, and a copy may lag. Nothing is decided on such a read; it
//! counts as unread and is asked for again.
//!
//! Label events are only ever added, so a read that ends before an event the ledger has is an older one. One that begins after it
//! is no such read: a long history is cut off at its beginning.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Action, Details, Dispatch, IssueNumber, LabelEvent, LabelEventId, Observation, Outcome,
    SingleRead, order,
};
use crate::machine::state::State;

/// What is said of such a read.
pub const OLDER: &str = "the tracker's answer is older than what it said before";

/// What answers late is asked again after so long.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// Says whether events, oldest first, end before one that is known to have happened.
pub fn is_older(events: &[LabelEvent], known: &LabelEventId) -> bool {
    let known = order(known.as_str());
    events.iter().all(|event| order(event.id.as_str()) < known)
}

/// Says whether a read is older than the labelling of a dispatch.
pub fn than_the_labelling(dispatch: &Dispatch, details: &Details) -> bool {
    let (Some(labelling), SingleRead::Found(found)) = (dispatch.opening.labelling(), &details.read)
    else {
        return false;
    };
    let head = &found.0;
    head.id == labelling.issue_id
        && head.repo == labelling.repo
        && is_older(&details.events, &labelling.event)
}

/// Takes what is older than what the ledger knows for unread.
pub fn set_aside<'a>(state: &State, seen: &'a Observation) -> Cow<'a, Observation> {
    let is_stale = |(issue, details): (&IssueNumber, &Details)| {
        than_what_is_known(state, *issue, details).then_some(*issue)
    };
    let stale: Vec<IssueNumber> = seen.details.iter().filter_map(is_stale).collect();
    if stale.is_empty() {
        return Cow::Borrowed(seen);
    }
    let mut seen = seen.clone();
    for issue in stale {
        seen.details.remove(&issue);
        seen.unread.insert(issue, OLDER.to_owned());
    }
    Cow::Owned(seen)
}

fn than_what_is_known(state: &State, issue: IssueNumber, details: &Details) -> bool {
    let SingleRead::Found(found) = &details.read else {
        return false;
    };
    let open = state.open_dispatch(issue);
    if open.is_some_and(|dispatch| than_the_labelling(dispatch, details)) {
        return true;
    }
    let Some(walk) = state.walks.get(&issue) else {
        return false;
    };
    // What is known of another issue that had this number says nothing of this one.
    let same = format!("{}/{}/", found.0.repo, found.0.id);
    let is_it = walk
        .labelling
        .as_ref()
        .is_some_and(|key| key.starts_with(&same));
    // What it was asked again with may be a review, and is no event of a label.
    let known = walk.newest_event();
    is_it && known.is_some_and(|known| is_older(&details.events, known))
}

/// What came of reading a moving issue's labels: nothing, if the answer is older than the intent.
pub(in crate::machine) fn answer<'a>(
    state: &State,
    action: &Action,
    outcome: &'a Outcome,
    now: Timestamp,
) -> Cow<'a, Outcome> {
    let (Action::ReadLabels { issue }, Outcome::Labels { open, events, .. }) = (action, outcome)
    else {
        return Cow::Borrowed(outcome);
    };
    let after = state
        .transitions
        .get(issue)
        .and_then(|moves| moves.after.as_ref());
    // An issue that is gone has no events.
    let gone = !open && events.is_empty();
    if gone || !after.is_some_and(|after| is_older(events, after)) {
        return Cow::Borrowed(outcome);
    }
    Cow::Owned(Outcome::Failed {
        why: OLDER.to_owned(),
        until: now + AGAIN_AFTER,
    })
}
