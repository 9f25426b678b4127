//! What a hold says: its sentence, and what would end it.

use std::fmt;

use super::Hold;
use crate::domain::{ActorKind, Label, ProjectName, Window};

impl Hold {
    /// Returns what a person can do to end it in that project, if it does not end by itself.
    #[expect(clippy::too_many_lines, reason = "a table, one row a hold")]
    pub fn hint(&self, project: &ProjectName) -> Option<String> {
        match self {
            Self::SeveralLabels { .. } => {
                Some("leave exactly one routing label; `pointsman labels fix` proposes".into())
            }
            Self::Vetoed { label } => Some(format!("remove `{label}`")),
            Self::Parked {
                label,
                stripped: Some(_),
                ..
            } => Some(format!(
                "somebody with write access sets `{label}` and removes it to try again, or sets another routing label; or `pointsman route`"
            )),
            Self::Parked { label, .. } => Some(format!(
                "remove `{label}` to try again, or set another routing label"
            )),
            Self::Paused { .. } => Some(format!("pointsman resume {project}")),
            Self::BeforeStart { .. } | Self::BeforeAdoption { .. } => {
                Some("remove the label and set it again".into())
            }
            Self::OtherDaemon { .. } => Some(format!(
                "stop the other daemon; then `pointsman ledger adopt {project}`"
            )),
            Self::LedgerBehind { .. } => Some(format!(
                "look at the issue and its branch for what was done; then `pointsman ledger adopt {project}`"
            )),
            Self::Unattributed { until: Some(_), .. }
            | Self::Unreadable { until: Some(_), .. } => None,
            Self::Unreadable { until: None, .. } => Some(
                "it is tried again every five minutes; if its page shows it as it is now, remove the label and set it again"
                    .into(),
            ),
            Self::Unattributed { until: None, .. } => {
                Some("remove the label and set it again".into())
            }
            Self::Undelivered { .. } => Some(format!(
                "`pointsman attach {project}`, and look what is in the way"
            )),
            Self::Stuck { .. } => Some(format!(
                "`pointsman attach {project}` and look; `pointsman restart {project}` ends it"
            )),
            Self::LineLeft { .. } => {
                Some(format!("`pointsman attach {project}`, and clear the line"))
            }
            Self::Untrusted { agents: true, .. } => {
                Some("a person with write access sets the label".into())
            }
            Self::Untrusted { actor, .. } if actor.kind == ActorKind::App => Some(format!(
                "somebody with write access sets the label, or add its id {} to `allow`",
                actor.id
            )),
            Self::Untrusted { .. } => Some(
                "somebody with write access sets the label, or add the account to `allow`".into(),
            ),
            Self::NeedsReapproval { .. } => {
                Some("read the text again, then remove and set the label".into())
            }
            Self::WaitsFor { ring, .. } if !ring.is_empty() => {
                Some("take one of these dependencies out of the issues' texts".into())
            }
            Self::WaitsFor { .. } => {
                Some("it goes on once they are closed, or its text says it no more".into())
            }
            Self::WaitsElsewhere { back, .. } if !back.is_empty() => {
                Some("take one of these dependencies out of the issues' texts".into())
            }
            Self::WaitsElsewhere { unseen, .. } if !unseen.is_empty() => Some(
                "once it is closed, tick its box (`- [x]`) or take it out of the text; a project of ours is looked at by itself"
                    .into(),
            ),
            Self::WaitsElsewhere { open, .. } if open.is_empty() => Some(
                "it is read by itself, once its own project runs and its tracker answers".into(),
            ),
            Self::WaitsElsewhere { .. } => {
                Some("it goes on once they are closed, or its text says it no more".into())
            }
            Self::SubIssues { .. } => Some(
                "it goes on once they are closed, or are its sub-issues no more; one of them may be waiting for it by its own text".into(),
            ),
            Self::BlockedBy { .. } => Some(
                "it goes on once they are closed, or the dependency is removed on its page".into(),
            ),
            Self::Collides { .. } => Some(
                "it goes on once they are merged or closed, or once its `touches:` names other paths"
                    .into(),
            ),
            Self::Attention { .. } => {
                Some("`pointsman inbox` lists them; `waiting_max` is the number".into())
            }
            Self::Backlog { limit, .. } => Some(format!(
                "it goes on once fewer than {limit} are left: `pointsman inbox` has those that wait for you"
            )),
            Self::NoAgent { hint, .. }
            | Self::NotWritable { hint, .. }
            | Self::AdoptedApart { hint, .. }
            | Self::AgentsUnread { hint } => Some(hint.clone()),
            Self::AgentAsks { .. } => Some(format!("`pointsman attach {project}`, and answer it")),
            Self::Flood { by, .. } => Some(format!(
                "if {by} meant it, wait, or raise `labellings_per_hour` in `[limits]`; else take the labels off"
            )),
            Self::IssueCap { .. } => Some(
                "look why it comes back so often; `dispatches_per_issue` in `[limits]` is the cap".into(),
            ),
            Self::AgentNotReady { .. } => Some(format!(
                "`pointsman agent check {project}` says what mends it, and lets it go on"
            )),
            Self::TreeDirty { .. } => Some("commit or stash them".into()),
            Self::BranchTaken { tree, .. } => Some(format!("commit or stash them in {tree}")),
            Self::Sessions { taken } => taken.iter().find_map(|(_, hold)| hold.hint(project)),
            Self::TreeElsewhere { switch } => Some(switch.clone()),
            Self::Failing { .. } => Some("mend what it names; it is tried again by itself".into()),
            Self::Yours { how } => Some(how.clone()),
            Self::Blocked { hint, .. } => Some(hint.clone()),
            Self::Asked { .. } => Some(
                "reply in a comment on the issue, or set another routing label to end this work"
                    .into(),
            ),
            Self::NoChecker { .. } => {
                Some("give the stage another agent: `stages = { QA = \"codex\" }`".into())
            }
            Self::NoSkill { skill } => Some(format!("pointsman skill new {skill}")),
            Self::Unknown { .. } => Some(format!(
                "`pointsman attach {project}`, look whether the agent has it, then relabel"
            )),
            Self::Spent { .. } => Some("set the routing label again".into()),
            _ => None,
        }
    }
}

impl fmt::Display for Hold {
    #[expect(clippy::too_many_lines, reason = "a table, one row a reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralLabels { labels } => {
                let names: Vec<_> = labels.iter().map(Label::as_str).collect();
                write!(f, "several routing labels: {}", names.join(", "))
            }
            Self::Vetoed { label } => write!(f, "`{label}` is set"),
            Self::Parked {
                label,
                stripped: Some(by),
                why,
            } => {
                let why = why.as_deref().unwrap_or("it was parked");
                write!(
                    f,
                    "a person is needed: {why} ({by} took `{label}` off and may not start work here)"
                )
            }
            Self::Parked { why: Some(why), .. } => write!(f, "a person is needed: {why}"),
            Self::Parked { label, .. } => write!(f, "`{label}` is set"),
            Self::Paused { by } => write!(f, "the project is paused by {by}"),
            Self::BeforeStart { added } => {
                write!(f, "labelled before you added this project ({added:.0})")
            }
            Self::Unattributed {
                until: Some(until), ..
            } => write!(
                f,
                "the tracker does not say yet who set the label; looked for until {until:.0}"
            ),
            Self::Unattributed { until: None, .. } => {
                f.write_str("nobody I can name asked for this")
            }
            Self::Undelivered {
                dispatch,
                times,
                why,
            } => write!(
                f,
                "dispatch {dispatch} could not be delivered {times} times: {why}"
            ),
            Self::Stuck { dispatch, minutes } => write!(
                f,
                "dispatch {dispatch} is busy beyond the stage's {minutes} min"
            ),
            Self::LineLeft { dispatch, line } => write!(
                f,
                "`{line}` of dispatch {dispatch} is wanted no more and is in the composer, not alone"
            ),
            Self::Untrusted {
                actor,
                agents: true,
                ..
            } => write!(
                f,
                "{0} set the label, and agents work as {0}: their word starts nothing",
                actor.login
            ),
            Self::Untrusted { actor, .. } if actor.kind == ActorKind::App => write!(
                f,
                "the App {} set the label, and no App may start work here by its name",
                actor.login
            ),
            Self::Untrusted { actor, role, .. } => {
                write!(f, "{} set the label and is {role:?} here", actor.login)
            }
            Self::NeedsReapproval { by } => {
                write!(f, "{by} changed the text as it was approved, or after")
            }
            Self::WaitsFor { issues, ring } if ring.is_empty() => {
                write!(
                    f,
                    "its text says that it waits for {}",
                    listed(issues, ", ")
                )
            }
            Self::WaitsFor { ring, .. } => write!(
                f,
                "these issues wait for one another, by their texts: {}",
                listed(ring, " -> ")
            ),
            Self::WaitsElsewhere {
                open,
                unseen,
                unread,
                back,
            } => {
                let mut parts = Vec::new();
                if !open.is_empty() {
                    parts.push(listed(open, ", "));
                }
                if !unread.is_empty() {
                    parts.push(format!("{} (not read yet)", listed(unread, ", ")));
                }
                if !unseen.is_empty() {
                    let word = "not looked at: no project of ours";
                    parts.push(format!("{} ({word})", listed(unseen, ", ")));
                }
                let parts = parts.join(", and for ");
                write!(f, "its text says that it waits for {parts}")?;
                match back.len() {
                    0 => Ok(()),
                    1 => write!(f, "; {} waits for it as well", listed(back, ", ")),
                    _ => write!(f, "; {} wait for it as well", listed(back, ", ")),
                }
            }
            Self::SubIssues { count: 1 } => f.write_str("a sub-issue of it is open"),
            Self::SubIssues { count } => write!(f, "{count} sub-issues of it are open"),
            Self::BlockedBy { count: 1 } => f.write_str("an open issue blocks it"),
            Self::BlockedBy { count } => write!(f, "{count} open issues block it"),
            Self::Collides { with } => {
                let with: Vec<String> = with.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "its work would change what others are changing: {}",
                    with.join(", ")
                )
            }
            Self::Wip { stage, limit } => write!(f, "{stage} has its {limit} open"),
            Self::Backlog {
                stage, count: 1, ..
            } => write!(f, "a begun issue stands in a stage after {stage}"),
            Self::Backlog { stage, count, .. } => {
                write!(f, "{count} begun issues stand in the stages after {stage}")
            }
            Self::Attention { waiting, limit } => write!(
                f,
                "issues that wait for a person: {waiting}, and nothing new begins from {limit} on"
            ),
            Self::Seat { stage, holder } => write!(f, "{holder} has the seat of {stage}"),
            Self::ActiveMax { account, limit } => {
                write!(f, "account {account} has its {limit} open")
            }
            Self::AccountLimit {
                account,
                until: Some(until),
            } => write!(f, "account {account} is at its limit until {until:.0}"),
            Self::AccountLimit {
                account,
                until: None,
            } => write!(f, "account {account} is at its limit"),
            Self::DailyCap { limit, until } => {
                write!(f, "{limit} dispatches in 24 h; again at {until:.0}")
            }
            Self::Gap { until } => {
                write!(f, "the last dispatch was a moment ago; again at {until:.0}")
            }
            Self::Flood { by, limit, until } => write!(
                f,
                "{limit} labels of {by} were taken up within an hour; again at {until:.0}"
            ),
            Self::IssueCap { limit, until } => {
                write!(f, "{limit} dispatches of it in 24 h; again at {until:.0}")
            }
            Self::Hours { from, to } => {
                write!(
                    f,
                    "only between {:02}:{:02} and {:02}:{:02}",
                    from / 60,
                    from % 60,
                    to / 60,
                    to % 60
                )
            }
            Self::BackOff { attempt, until } => {
                write!(f, "attempt {attempt} failed; again at {until:.0}")
            }
            Self::Session {
                dispatch,
                issue: Some(issue),
            } => {
                write!(f, "{issue} (dispatch {dispatch}) has the session")
            }
            Self::Session {
                dispatch,
                issue: None,
            } => {
                write!(f, "an errand (dispatch {dispatch}) has the session")
            }
            Self::Sessions { taken } => {
                let each = |(window, hold): &(Window, Hold)| format!("{}: {hold}", window.as_str());
                let each: Vec<String> = taken.iter().map(each).collect();
                write!(f, "no agent is free; {}", each.join("; "))
            }
            Self::NoAgent { window, .. } => write!(f, "the window `{window}` has no agent"),
            Self::NotWritable { path, .. } => write!(f, "the daemon may not write into `{path}`"),
            Self::AdoptedApart { agents, .. } => write!(
                f,
                "a pane is adopted, and agents of this installation run as `{agents}`: nothing is typed into another account's tmux"
            ),
            Self::AgentsUnread { .. } => {
                write!(
                    f,
                    "nobody reads what the agents say, so none is known to be idle"
                )
            }
            Self::AgentNotIdle { is, because } => write!(f, "the agent is {is} ({because})"),
            Self::AgentAsks { what } => write!(f, "the agent asks: {what}"),
            Self::AgentNotReady { step, why, .. } => {
                write!(f, "the agent cannot {step} without a person: {why}")
            }
            Self::TreeDirty { files } => write!(f, "{} changed, not by us", files.join(", ")),
            Self::BranchTaken { tree, files } => write!(
                f,
                "its branch is checked out in {tree}, where {} changed and is not committed",
                files.join(", ")
            ),
            Self::TreeElsewhere { .. } => {
                f.write_str("the pane is yours, so its tree is not switched to the issue's branch")
            }
            Self::Tracker { why, since } => {
                write!(f, "the tracker is not known since {since:.0}: {why}")
            }
            Self::Unreadable { why, until: None } => write!(f, "the issue cannot be read: {why}"),
            Self::Unreadable {
                why,
                until: Some(until),
            } => write!(
                f,
                "the issue cannot be read yet: {why}; tried again until {until:.0}"
            ),
            Self::Yours { how } => write!(f, "yours: {how}"),
            Self::Asked { question } => write!(f, "the agent asked: {question}"),
            Self::NoChecker { stage } => write!(
                f,
                "{stage} needs a fresh agent, and its profile takes no text"
            ),
            Self::NoSkill { skill } => write!(f, "there is no skill `{skill}`"),
            Self::InHand { dispatch, phase } => write!(f, "dispatch {dispatch} is {phase}"),
            Self::Unknown { dispatch, verdict } => {
                write!(f, "dispatch {dispatch}: the delivery is {verdict}")
            }
            Self::Moving { to } => write!(f, "moving to {to}"),
            Self::Blocked { why, .. } => {
                write!(f, "{why}; nothing is lost, it is tried again by itself")
            }
            Self::Stalled { why, until } => write!(f, "{why}; again at {until:.0}"),
            Self::Failing { times, why, until } => {
                write!(
                    f,
                    "failed {times} times in a row: {why}; again at {until:.0}"
                )
            }
            Self::Unmarked { why, until } => {
                write!(
                    f,
                    "the status comment cannot be written: {why}; again at {until:.0}"
                )
            }
            Self::OtherDaemon { ledger, issue } => write!(
                f,
                "{issue} or a brief for it bears the mark of ledger {ledger}, which is not this one: another daemon may work here"
            ),
            Self::LedgerBehind { dispatch } => write!(
                f,
                "the issue or a brief bears the mark of dispatch {dispatch}, of which the ledger lacks a part: it was restored or damaged"
            ),
            Self::BeforeAdoption { adopted } => write!(
                f,
                "our own account set the label before the ledger was adopted ({adopted:.0}): that is nobody's word"
            ),
            Self::Behind { first } => write!(f, "{first} goes first"),
            Self::NextCycle => f.write_str("its turn is in the next cycle"),
            Self::Spent { how } => write!(f, "this labelling is used up: {how}"),
        }
    }
}

fn listed<T: ToString>(issues: &[T], between: &str) -> String {
    let numbers: Vec<String> = issues.iter().map(T::to_string).collect();
    numbers.join(between)
}
