//! A person's move by our hand: `pointsman route`, and `deny` once it is known where to (PROTOCOLS 7). What is open for the issue is withdrawn first, then the label
//! moves like any other of ours, and rests on that person's word.

use jiff::Timestamp;

use crate::domain::{
    Action, Actor, ActorId, ActorKind, Approval, Details, Dispatch, Event, IssueNumber, Label,
    Next, Observation, Questions, Rules, SingleRead, Transition, TransitionStep,
};
use crate::machine::dispatch::watchdog;
use crate::machine::pull;
use crate::machine::starting::decide::{Act, Decision, Memory};
use crate::machine::starting::open;
use crate::machine::state::{Route, State};
use crate::machine::step::{Flow, Step};
use crate::machine::text::{issue_digest, sanitise};

/// Bytes of a person's reason that go into the next brief.
const DENIED_BYTES_MAX: usize = 16 * 1024;

/// Carries the oldest of the moves on that can go on now.
pub fn routes(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> Option<Decision> {
    let mut routes = state.routes.iter();
    routes.find_map(|(issue, route)| carry_on(rules, state, memory, seen, *issue, route, now))
}

fn carry_on(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    issue: IssueNumber,
    route: &Route,
    now: Timestamp,
) -> Option<Decision> {
    if let Some(dispatch) = state.open_dispatch(issue) {
        let busy = memory.busy.contains(&Flow::Dispatch(dispatch.id().clone()));
        let why = format!("moved to {}", route.to);
        return (!busy).then(|| watchdog::withdraw(state, dispatch, &route.by, &why));
    }
    let flow = Flow::Route(issue);
    if seen.gap.is_some()
        || seen.unread.contains_key(&issue)
        || state.transitions.contains_key(&issue)
        || state.parks.contains_key(&issue)
        || memory.waits(&flow)
    {
        return None;
    }
    let Some(details) = seen.details.get(&issue) else {
        return Some(Decision::Look(Questions {
            issues: vec![issue],
            ..Questions::default()
        }));
    };
    Some(match movable(rules, route, details) {
        Ok(Movable::Now { from, to }) => begin(issue, route, details, from, to, now),
        Ok(Movable::Parked) => Act::carry_on(flow, format!("{issue} needs nobody any more")),
        Err(why) => {
            let did = format!("{issue} stays: {why}");
            let why = why.to_owned();
            Act::record(vec![Event::RouteDropped { issue, why }], None, did)
        }
    })
}

/// Says that a dispatch begins nothing any more, because a person moves its issue: between two of its effects it is withdrawn.
pub(in crate::machine) fn awaits(state: &State, dispatch: &Dispatch) -> bool {
    let issue = dispatch.issue().filter(|_| dispatch.is_open());
    issue.is_some_and(|issue| state.routes.contains_key(&issue))
}

/// Says whether events would move an issue elsewhere than a person wants it: they were decided before that was written down.
pub(in crate::machine) fn outranks(state: &State, events: &[Event]) -> bool {
    events.iter().any(|event| {
        let Event::TransitionIntended { transition } = event else {
            return false;
        };
        let route = state.routes.get(&transition.issue);
        route.is_some_and(|route| transition.to != Next::Stage(route.to.clone()))
    })
}

/// What stands between an issue and its move.
enum Movable {
    /// Nothing: from this label to that one.
    Now { from: Label, to: Label },
    /// The park label, which goes first.
    Parked,
}

fn movable(rules: &Rules, route: &Route, details: &Details) -> Result<Movable, &'static str> {
    let stage = rules.workflow.stage(&route.to);
    let stage = stage.ok_or("the workflow has no such stage any more")?;
    let SingleRead::Found(found) = &details.read else {
        return Err("the issue is not there");
    };
    let head = &found.0;
    if !head.open {
        return Err("the issue is closed");
    }
    let routing = open::routing_labels(rules);
    let mut there = routing
        .into_iter()
        .filter(|label| head.labels.contains(label));
    let park = &rules.workflow.labels.park;
    // Without a routing label the one that may be there instead goes: a transition always takes one off.
    let (from, more) = (there.next().unwrap_or_else(|| park.clone()), there.next());
    if from == route.to {
        return Err("it has that label already");
    }
    if more.is_some() {
        return Err("it has several routing labels");
    }
    if from != *park && head.labels.contains(park) {
        return Ok(Movable::Parked);
    }
    let to = stage.label.clone();
    Ok(Movable::Now { from, to })
}

fn begin(
    issue: IssueNumber,
    route: &Route,
    details: &Details,
    from: Label,
    to: Label,
    now: Timestamp,
) -> Decision {
    let text = match &details.read {
        SingleRead::Found(found) => issue_digest(&found.1.title, &found.1.body),
        SingleRead::Transferred { .. } | SingleRead::Gone => String::new(),
    };
    let approval = Approval {
        by: operator(&route.by),
        at: details.at,
        text,
    };
    let did = format!("{issue} moves to {to}, by {}'s word", route.by);
    let transition = Transition {
        issue,
        from,
        to: Next::Stage(to),
        dispatch: None,
        after: details.events.last().map(|event| event.id.clone()),
        rework: route.rework,
        at: now,
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    let events = vec![
        Event::WalkApproved { issue, approval },
        Event::TransitionIntended { transition },
    ];
    Act::record(events, Some(Flow::Transition(issue)), did)
}

/// What is written down when a person sends work back that waits for them; nothing, if none does.
pub(in crate::machine) fn denied(
    state: &State,
    rules: &Rules,
    issue: IssueNumber,
    by: &str,
    why: &str,
) -> Vec<Event> {
    let Some(walk) = state
        .walks
        .get(&issue)
        .filter(|_| state.waits_for_approval(issue))
    else {
        return Vec::new();
    };
    let stage = walk
        .yours
        .as_ref()
        .and_then(|label| rules.workflow.stage(label));
    let Some((stage, back)) = stage.and_then(|stage| Some((stage, pull::back(rules, stage)?)))
    else {
        return Vec::new();
    };
    let again = back.label == stage.label;
    let wanted = Event::ReworkWanted {
        issue,
        by: operator(by),
        review: walk.reviewed + 1,
        findings: format!(
            "{by} sent the work back:\n\n{}",
            sanitise(why, DENIED_BYTES_MAX)
        ),
        again,
    };
    let routed = (!again).then(|| Event::Routed {
        issue,
        to: back.label.clone(),
        by: by.to_owned(),
        rework: true,
    });
    std::iter::once(wanted).chain(routed).collect()
}

/// The person at the command line: no account of the tracker, so no id of one.
pub(super) fn operator(name: &str) -> Actor {
    Actor {
        id: ActorId::new(format!("operator:{name}")),
        login: name.to_owned(),
        kind: ActorKind::User,
    }
}

/// A parked issue that a person moves is theirs no longer: the park label goes first.
pub fn next(state: &State, issue: IssueNumber, park: &Label) -> Step {
    if !state.routes.contains_key(&issue) {
        return Step::Rest;
    }
    Step::Do(Action::RemoveLabel {
        issue,
        label: park.clone(),
    })
}
