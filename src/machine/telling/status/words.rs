//! The words of a status comment: where the issue stands, what happened last and on what evidence, what is awaited, what a person
//! can do. `short` leaves out whatever may name a path, a session or a log, and every word of an agent's.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Notice, Over, Past};
use crate::domain::{
    Cause, CommentMode, Dispatch, Evidence, GateName, Hold, IssueNumber, Label, Phase, Rules,
};
use crate::machine::state::{State, Walk};
use crate::machine::text::one_line;
use crate::machine::text::quote::clause;

/// Characters of a quoted sentence.
const QUOTE_CHARS_MAX: usize = 300;
/// Evidence rows that are told.
const ROWS_MAX: usize = 12;

/// Writes what a person reads.
pub fn text(rules: &Rules, state: &State, hold: Option<&Hold>, issue: IssueNumber) -> String {
    let scene = Scene {
        rules,
        full: rules.comment == CommentMode::Full,
        walk: state.walks.get(&issue),
        notice: state.notices.get(&issue),
        dispatch: state.open_dispatch(issue),
        hold,
        issue,
    };
    let mut text = format!("**Pointsman:** {}\n", scene.stands());
    for (name, says) in [
        ("Last", scene.last()),
        ("Next", scene.next()),
        ("You can", scene.can()),
        ("Work", scene.work()),
    ] {
        if let Some(says) = says {
            let _ = write!(text, "\n- **{name}:** {says}");
        }
    }
    let number = issue.0;
    let _ = write!(
        text,
        "\n\n<sub>Edited in place. Why it stands so: `pointsman explain {number}`</sub>"
    );
    text
}

/// All that the words are made of.
struct Scene<'a> {
    rules: &'a Rules,
    full: bool,
    walk: Option<&'a Walk>,
    notice: Option<&'a Notice>,
    dispatch: Option<&'a Dispatch>,
    hold: Option<&'a Hold>,
    issue: IssueNumber,
}

impl Scene<'_> {
    fn over(&self) -> Option<&Over> {
        self.notice.and_then(|notice| notice.over.as_ref())
    }

    /// The first line: stage, round, attempt, and what is going on.
    fn stands(&self) -> String {
        match (self.over(), self.dispatch) {
            (Some(Over::Done), _) => "done".to_owned(),
            (Some(Over::Left(how)), _) => format!("no longer in the workflow ({})", quoted(how)),
            (None, Some(dispatch)) => {
                let opening = &dispatch.opening;
                let mut text = format!("`{}`, round {}", opening.stage.label, opening.round);
                if opening.attempt > 1 {
                    let most = self.rules.workflow.limits.attempts;
                    let _ = write!(text, ", attempt {} of {most}", opening.attempt);
                }
                let _ = write!(text, ": {}", self.in_hand(dispatch));
                text
            }
            (None, None) => self.between(),
        }
    }

    fn in_hand(&self, dispatch: &Dispatch) -> String {
        match (&dispatch.phase, self.hold) {
            (_, Some(Hold::Asked { .. })) => "the agent asks a question".to_owned(),
            (_, Some(hold @ (Hold::Undelivered { .. } | Hold::Unknown { .. }))) => {
                self.sentence(hold)
            }
            (
                _,
                Some(hold @ (Hold::Stuck { .. } | Hold::Stalled { .. } | Hold::LineLeft { .. })),
            ) => self.sentence(hold),
            (Phase::Delivering, _) => "the brief is on its way to the agent".to_owned(),
            (Phase::Working, _) => match dispatch.confirmed_at {
                Some(at) => format!("the agent has it since {}", moment(at)),
                None => "the agent has it".to_owned(),
            },
            (Phase::Judging, _) => "the agent's report is being checked".to_owned(),
            (Phase::Closed { cause, .. }, _) => cause.word().to_owned(),
        }
    }

    /// Without a dispatch the hold tells.
    fn between(&self) -> String {
        match self.hold {
            Some(hold) => self.sentence(hold),
            None => "its turn comes".to_owned(),
        }
    }

    /// A hold's sentence without a moment that moves by itself; in the short form without what it quotes.
    fn sentence(&self, hold: &Hold) -> String {
        match hold {
            Hold::Moving { to } => format!("on its way to `{to}`"),
            Hold::Yours { .. } => format!("{}the gates hold, the last move is yours", self.stage()),
            Hold::Parked { why, .. } => match (why, self.full) {
                (Some(why), true) => format!("a person is needed: {}", quoted(why)),
                (Some(why), false) => format!("a person is needed: {}", clause(why)),
                (None, _) => "a person has it".to_owned(),
            },
            Hold::SeveralLabels { labels } => {
                let names: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
                format!("it has several routing labels: {}", names.join(", "))
            }
            Hold::Vetoed { label } => format!("kept away by `{label}`"),
            Hold::NeedsReapproval { by } => {
                format!(
                    "{} changed the text as it was approved, or after",
                    quoted(by)
                )
            }
            Hold::Untrusted {
                actor,
                agents: true,
                ..
            } => format!(
                "{} set the label, and agents work as that account",
                quoted(&actor.login)
            ),
            Hold::Untrusted { actor, .. } => {
                format!(
                    "{} set the label and may not start work here",
                    quoted(&actor.login)
                )
            }
            Hold::BackOff { attempt, .. } => format!("attempt {attempt} failed; tried again soon"),
            Hold::Wip { .. }
            | Hold::Backlog { .. }
            | Hold::Seat { .. }
            | Hold::ActiveMax { .. }
            | Hold::Session { .. }
            | Hold::Gap { .. }
            | Hold::Attention { .. }
            | Hold::Sessions { .. }
            | Hold::Behind { .. }
            | Hold::AgentNotIdle { .. }
            | Hold::InHand { .. }
            | Hold::Asked { .. }
            | Hold::Tracker { .. }
            | Hold::Unmarked { .. }
            | Hold::NextCycle => format!("{}its turn comes", self.stage()),
            // Whose account it is, and when it is paid for again, is nobody else's.
            Hold::AccountLimit { .. } => "the agent's account is at its limit".to_owned(),
            Hold::DailyCap { limit, .. } => format!("the day's {limit} dispatches are spent"),
            Hold::Flood { limit, .. } => {
                format!(
                    "{limit} labels of one account were taken up within an hour; its turn comes later"
                )
            }
            Hold::IssueCap { limit, .. } => format!("its {limit} dispatches of a day are spent"),
            Hold::Stalled { why, .. } if self.full => {
                format!("a step failed and is tried again: {}", quoted(why))
            }
            Hold::Stalled { .. } => "a step failed and is tried again".to_owned(),
            Hold::Paused { .. } => "the project is paused".to_owned(),
            _ if self.full => quoted(&hold.to_string()),
            _ => format!("waits (`{}`)", hold.word()),
        }
    }

    fn stage(&self) -> String {
        let yours = self.walk.and_then(|walk| walk.yours.as_ref());
        yours.map_or_else(String::new, |label| format!("`{label}`: "))
    }

    fn last(&self) -> Option<String> {
        if let Some(dispatch) = self
            .dispatch
            .filter(|dispatch| !dispatch.evidence.is_empty())
        {
            return Some(format!("measured: {}", self.rows(&dispatch.evidence)));
        }
        let past = self.notice.and_then(|notice| notice.last.as_ref())?;
        Some(self.past(past))
    }

    fn past(&self, past: &Past) -> String {
        let mut text = format!(
            "`{}` of round {}: {}",
            past.stage,
            past.round,
            self.ended(&past.cause)
        );
        if !past.evidence.is_empty() {
            let _ = write!(text, "; {}", self.rows(&past.evidence));
        }
        let _ = write!(text, " ({})", moment(past.at));
        text
    }

    fn ended(&self, cause: &Cause) -> String {
        let why = |word: &str, why: &str| {
            if self.full {
                format!("{word}: {}", quoted(why))
            } else {
                word.to_owned()
            }
        };
        match cause {
            Cause::Verified { subject, .. } => match subject {
                Some(subject) => format!("verified at `{}`", subject.short()),
                None => "verified".to_owned(),
            },
            Cause::Rework { findings } => why("sent back", findings),
            Cause::Failed { why: said } => why("failed", said),
            Cause::TimedOut => "took longer than the stage allows".to_owned(),
            Cause::Lost { why: said } => why("lost", said),
            Cause::Withdrawn { by, why: said } => {
                format!("withdrawn by {} ({})", quoted(by), quoted(said))
            }
            Cause::Parked { why: said } => why("handed to a person", said),
        }
    }

    fn rows(&self, evidence: &[Evidence]) -> String {
        let rows = evidence.iter().take(ROWS_MAX).map(|row| {
            let mut text = format!("{} {}", row.gate, row.word());
            if self.full {
                let _ = write!(text, " ({})", quoted(&row.says));
            }
            let failed = !row.holds || row.warned;
            if let Some(log) = row.log.as_ref().filter(|_| self.full && failed) {
                let _ = write!(text, " log {}", quoted(log));
            }
            text
        });
        rows.collect::<Vec<_>>().join(", ")
    }

    fn next(&self) -> Option<String> {
        if self.over().is_some() {
            return None;
        }
        let Some(dispatch) = self.dispatch else {
            let waits = matches!(self.hold, Some(Hold::Yours { .. } | Hold::Parked { .. }));
            return waits.then(|| "a person's decision".to_owned());
        };
        let needs: Vec<&str> = dispatch
            .opening
            .stage
            .needs
            .iter()
            .map(GateName::as_str)
            .collect();
        let gates = match needs.as_slice() {
            [] => String::new(),
            needs => format!(", then the gates: {}", needs.join(", ")),
        };
        Some(match (&dispatch.phase, self.hold) {
            (_, Some(Hold::Asked { .. })) => "a person's answer".to_owned(),
            (Phase::Delivering, _) => "a receipt from the agent".to_owned(),
            (Phase::Working, _) => format!("the agent's report{gates}"),
            (Phase::Judging, _) => match &dispatch.running {
                Some(gate) => format!("the gate {gate}"),
                None => format!("the gates: {}", needs.join(", ")),
            },
            (Phase::Closed { .. }, _) => return None,
        })
    }

    /// What a person can do from a phone; commands only where nothing else ends it.
    fn can(&self) -> Option<String> {
        let number = self.issue.0;
        if self.over().is_some() {
            return Some("set a routing label to start again".to_owned());
        }
        let park = &self.rules.workflow.labels.park;
        Some(match self.hold {
            Some(Hold::Asked { .. }) => {
                "reply in a comment; or set another routing label, which ends this work".to_owned()
            }
            Some(Hold::Parked { .. }) => {
                format!("remove `{park}` to try again, or set another routing label")
            }
            Some(Hold::Yours { how }) => format!("{how}{}", self.back()),
            Some(Hold::SeveralLabels { .. }) => "leave exactly one of them".to_owned(),
            Some(Hold::Vetoed { label }) => format!("remove `{label}`"),
            Some(Hold::NeedsReapproval { .. }) => {
                "read the text again, then remove the label and set it".to_owned()
            }
            Some(
                Hold::Undelivered { .. }
                | Hold::Unknown { .. }
                | Hold::LineLeft { .. }
                | Hold::Stuck { .. }
                | Hold::AgentAsks { .. }
                | Hold::NoAgent { .. }
                | Hold::TreeDirty { .. }
                | Hold::BranchTaken { .. },
            ) => format!("ask `pointsman explain {number}` where it runs"),
            _ => self.stop()?,
        })
    }

    fn back(&self) -> String {
        let yours = self.walk.and_then(|walk| walk.yours.as_ref());
        let stage = yours.and_then(|label| self.rules.workflow.stage(label));
        let back = stage.and_then(|stage| stage.back.as_ref());
        back.map_or_else(String::new, |back| {
            format!("; for another round say why in a comment and set `{back}`")
        })
    }

    fn stop(&self) -> Option<String> {
        let label: &Label = &self.dispatch?.opening.stage.label;
        let veto = self.rules.workflow.labels.veto.first();
        let veto = veto.map_or_else(String::new, |veto| {
            format!(", or `{veto}` to keep it waiting")
        });
        Some(format!(
            "remove `{label}` to stop it, set another routing label to decide yourself{veto}"
        ))
    }

    fn work(&self) -> Option<String> {
        let walk = self.walk?;
        let branch = walk.branch.as_ref()?;
        let mut text = format!("branch `{branch}`");
        if let Some(subject) = &walk.subject {
            let _ = write!(text, " at `{}`", subject.short());
        }
        if let (true, Some(dispatch)) = (self.full, self.dispatch) {
            let (id, profile) = (dispatch.id(), &dispatch.opening.profile);
            let name = &self.rules.project.name;
            let _ = write!(
                text,
                "; dispatch `{id}` with {profile}, to be watched with `pointsman attach {name}`"
            );
        }
        Some(text)
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Somebody else's words: in a code span they mention nobody, link nowhere and close nothing.
fn quoted(text: &str) -> String {
    format!("`{}`", one_line(text, QUOTE_CHARS_MAX).replace('`', "'"))
}
