//! One human sentence per event. A new kind of event does not compile until it has one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::words;
use crate::domain::{
    Basis, Cause, CheckResult, Checked, Delivery, DispatchId, Errand, Event, Evidence, Hold,
    IssueNumber, Opening, Post, Posting, Reply, Report, Settled, Sighting, SkillName, Subject,
    Transition, TransitionStep,
};
use crate::machine::text::one_line;

/// Characters of a quoted reason.
const REASON_CHARS_MAX: usize = 160;

/// An event with its place and time in the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: &'a Event,
}

/// Writes one event as a line: number, time, sentence.
pub fn line(told: &Told) -> String {
    self::told(told.seq, told.at, &sentence(told.event))
}

/// Writes a sentence with its number and time.
pub(super) fn told(seq: u64, at: Timestamp, says: &str) -> String {
    format!("{seq:>6}  {}  {says}", at.strftime("%m-%d %H:%M:%S"))
}

/// Says what happened, without a full stop.
#[expect(
    clippy::too_many_lines,
    reason = "one exhaustive table, a line per kind"
)]
pub fn sentence(event: &Event) -> String {
    match event {
        Event::ProjectAdded { added } => {
            format!("project seen for the first time; labels set before {added:.0} do not start")
        }
        Event::ProjectPaused { by } => format!("{by} paused the project"),
        Event::ProjectResumed { by } => format!("{by} resumed the project"),
        Event::AgentChecked { checked, .. } => rehearsed(checked),
        Event::InterruptIntended { by, pane } => {
            format!("{by} interrupts the agent in {}", pane.id)
        }
        Event::InterruptSettled { refused: None } => {
            "the agent's interrupting key was sent once".to_owned()
        }
        Event::InterruptSettled { refused: Some(why) } => {
            format!("not interrupted: {}", short(why))
        }
        Event::HoldsChanged { holds } => held(holds),
        Event::SchedulesChanged { schedules } => scheduled(schedules),
        Event::DispatchOpened { opening } => opened(opening),
        Event::TreePrepared { dispatch, base, .. } => {
            format!("tree prepared for {dispatch}{}", at(base.as_ref()))
        }
        Event::DispatchStalled {
            dispatch,
            why,
            until,
            ..
        } => format!("{dispatch} stalled until {until:.0}: {}", short(why)),
        Event::DeliveryPlanned { delivery } => planned(delivery),
        Event::BriefStaged { delivery } => {
            format!("delivery {delivery}: file written and read back")
        }
        Event::PasteIntended { delivery, pane, .. } => {
            format!("delivery {delivery}: about to paste into {}", pane.id)
        }
        Event::LinePasted { delivery, .. } => format!("delivery {delivery}: pasted"),
        Event::LaunchIntended { delivery } => {
            format!("delivery {delivery}: about to launch an agent with it")
        }
        Event::LineLaunched { delivery, pane, .. } => {
            format!("delivery {delivery}: launched in {}", pane.id)
        }
        Event::WindowOpened { dispatch, pane, .. } => {
            format!("fresh agent for {dispatch} in {}", pane.id)
        }
        Event::EnterIntended { delivery, n, .. } => {
            format!("delivery {delivery}: about to send Enter {n}")
        }
        Event::LineCleared { delivery } => {
            format!("the line of {delivery} is wanted no more: cleared")
        }
        Event::LineSubmitted { delivery, n } => {
            format!("delivery {delivery}: submitted with Enter {n}")
        }
        Event::ReceiptMissed { delivery, waits } => {
            format!("delivery {delivery}: no receipt yet, wait {waits} over")
        }
        Event::DeliverySettled {
            delivery,
            verdict,
            witness,
        } => format!(
            "delivery {delivery}: {} ({})",
            verdict.as_str(),
            short(witness)
        ),
        Event::ReportReceived { report } => reported(report),
        Event::GateStarted { dispatch, gate } => format!("gate {gate} started for {dispatch}"),
        Event::GateFinished { evidence, .. } => measured(evidence),
        Event::ReportRefused { dispatch, answer } => {
            let told = answer.text.strip_prefix("not accepted. ");
            let told = short(told.unwrap_or(&answer.text));
            format!("report of {dispatch} not accepted: {told}")
        }
        Event::PostIntended { post } => posting(post),
        Event::PostSettled { dispatch, answer } => {
            format!("post of {dispatch}: {}", short(&answer.text))
        }
        Event::ReportIgnored { answer } => {
            format!("report {} answered: {}", answer.report, short(&answer.text))
        }
        Event::BranchPushed {
            branch, subject, ..
        } => format!("`{branch}` pushed at {}", subject.short()),
        Event::SpecPublished { spec, .. } => format!("spec published ({})", digest(&spec.digest)),
        Event::QuestionPublished { dispatch, .. } => {
            format!("question of {dispatch} put on the issue")
        }
        Event::QuestionAnswered { dispatch, replies } => answered(dispatch, replies),
        Event::ParkLabelRemoved { dispatch } => {
            format!("question of {dispatch} is over: its label is off the issue")
        }
        Event::DispatchObserved { dispatch, seconds } => {
            format!("{dispatch} watched at work for {} min", seconds / 60)
        }
        Event::DispatchClosed { dispatch, cause } => {
            format!("{dispatch} closed: {}", closed(cause))
        }
        Event::DispatchTidied { dispatch } => format!("{dispatch} cleared away"),
        Event::TransitionIntended { transition } => moving(transition),
        Event::TransitionStepped { issue, step } => format!("{issue}: {}", stepped(*step)),
        Event::TransitionUnseen { issue } => {
            format!("{issue}: the move is not to be seen yet; read again in a minute")
        }
        Event::TransitionSettled { issue, outcome } => settled(*issue, outcome),
        Event::Overridden {
            issue,
            by,
            from,
            to,
            ..
        } => match from {
            Some(from) => format!("{} moved {issue} from {from} to {to}", by.login),
            None => format!("{} moved {issue} to {to}", by.login),
        },
        Event::Routed { issue, to, by, .. } => format!("{by} wants {issue} at {to}"),
        Event::RouteDropped { issue, why } => {
            format!("{issue} is not moved: {}", short(why))
        }
        Event::Approved { issue, by, .. } => format!("{by} approved {issue}"),
        Event::Merged {
            issue,
            subject,
            into,
        } => format!("{issue} merged into {into} at {}", subject.short()),
        Event::PullKept { issue, pull, .. } => {
            let draft = if pull.draft { "a draft" } else { "ready" };
            format!(
                "{issue}: pull request {} is {draft}, with the evidence",
                pull.number
            )
        }
        Event::PullMoved { issue, head } => {
            format!("{issue}: its pull request is at {}", head.short())
        }
        Event::PullEnded { issue, end, anew } => {
            let anew = anew.as_ref().map_or("", |_| ", and it was asked for anew");
            format!("{issue}: its pull request {}{anew}", end.words())
        }
        Event::ReworkWanted { issue, by, .. } => {
            format!("{issue}: {} wants changes, another round", by.login)
        }
        Event::ParkIntended { issue, why, .. } => {
            format!("{issue} goes to a person: {}", short(why))
        }
        Event::IssueParked { issue } => format!("{issue} is with a person"),
        Event::NoteIntended { note } => {
            format!("{}: a person is to know: {}", note.issue, short(&note.text))
        }
        Event::NoteWritten { issue, .. } => format!("{issue}: a person was told"),
        Event::IssueUnparked { issue, .. } => format!("{issue} may be tried again"),
        Event::IssueLeft { issue, how } => format!("{issue} left: {}", short(how)),
        Event::StatusIntended {
            issue, dispatch, ..
        } => match dispatch {
            Some(dispatch) => format!("{issue}: about to be marked for dispatch {dispatch}"),
            None => format!("{issue}: its status comment is about to be written"),
        },
        Event::StatusWritten {
            issue,
            comment,
            round,
            ..
        } => match comment {
            Some(_) if *round > 1 => {
                format!(
                    "{issue}: its status comment is up to date; a ledger before this one was in round {round}"
                )
            }
            Some(_) => format!("{issue}: its status comment is up to date"),
            None => format!("{issue}: the tracker does not take its status comment"),
        },
        Event::LedgerSighted { issue, sighting } => match sighting {
            Sighting::Other { ledger } => format!("{issue} bears the mark of ledger {ledger}"),
            Sighting::Ahead { dispatch } => {
                format!("{issue} bears the mark of {dispatch}, which the ledger lacks")
            }
        },
        Event::LedgerAdopted { by } => format!("{by} adopted the ledger: it goes on here"),
        Event::WalkApproved { issue, approval } => {
            format!("{issue} rests on {}'s word", approval.by.login)
        }
    }
}

fn short(text: &str) -> String {
    one_line(text, REASON_CHARS_MAX)
}

/// Shortens a digest to what one recognises.
pub(super) fn digest(digest: &str) -> &str {
    digest.get(..10).unwrap_or(digest)
}

fn at(subject: Option<&Subject>) -> String {
    subject.map_or_else(String::new, |subject| format!(" at {}", subject.short()))
}

fn held(holds: &BTreeMap<IssueNumber, Hold>) -> String {
    if holds.is_empty() {
        return "nothing is held".to_owned();
    }
    let words: Vec<String> = holds
        .iter()
        .map(|(issue, hold)| format!("{issue} {}", hold.word()))
        .collect();
    short(&format!("standing: {}", words.join(", ")))
}

fn scheduled(schedules: &BTreeMap<SkillName, u16>) -> String {
    if schedules.is_empty() {
        return "nothing is due by the clock".to_owned();
    }
    let times: Vec<String> = schedules
        .iter()
        .map(|(skill, minute)| format!("{skill} at {}", words::clock(*minute)))
        .collect();
    short(&format!("due by the clock: {}", times.join(", ")))
}

fn opened(opening: &Opening) -> String {
    let Opening { id, stage, .. } = opening;
    match &opening.basis {
        Basis::Labelling { labelling, .. } => format!(
            "dispatch {id} opened: {} to {} (round {}, attempt {}), labelled by {}",
            labelling.issue, stage.skill, opening.round, opening.attempt, labelling.by.login
        ),
        Basis::Errand(Errand::Trial { by, issue, .. }) => {
            format!(
                "dispatch {id} opened: {by} tries {} on {issue}",
                stage.skill
            )
        }
        Basis::Errand(Errand::Check { by }) => {
            format!(
                "dispatch {id} opened: {by} has {} rehearse",
                opening.profile
            )
        }
        Basis::Errand(Errand::Said { by, text }) => {
            format!("dispatch {id} opened: {by} says: {}", short(text))
        }
        Basis::Errand(Errand::Due { on, at, .. }) => format!(
            "dispatch {id} opened: {} of {on}, due at {at:.0}, no issue",
            stage.skill
        ),
    }
}

fn rehearsed(checked: &Checked) -> String {
    match checked.stopped_at() {
        None => format!("{} rehearsed: ready", checked.profile),
        Some((step, CheckResult::Asks { dialog })) => {
            format!(
                "{} rehearsed: to {step} it asks: {}",
                checked.profile,
                short(dialog)
            )
        }
        Some((step, CheckResult::Fails { why })) => {
            format!(
                "{} rehearsed: it does not {step}: {}",
                checked.profile,
                short(why)
            )
        }
        Some((step, _)) => format!("{} rehearsed: it does not {step}", checked.profile),
    }
}

fn planned(delivery: &Delivery) -> String {
    let took = match delivery.ms {
        0 => String::new(),
        ms => format!(", its facts read in {ms} ms"),
    };
    format!(
        "delivery {} planned: the {} of {}{took}",
        delivery.id,
        words::purpose(delivery.purpose),
        delivery.dispatch
    )
}

fn reported(report: &Report) -> String {
    let origin = if report.proven {
        ""
    } else {
        ", origin not proven"
    };
    let note = report
        .note
        .as_ref()
        .map_or_else(String::new, |note| format!(": {}", short(note)));
    format!(
        "{} said {}{}{origin}{note}",
        report.dispatch,
        words::verb(report.verb),
        at(report.head.as_ref())
    )
}

fn posting(post: &Post) -> String {
    match &post.what {
        Posting::Issue { title, .. } => {
            format!("{} opens an issue: {}", post.dispatch, short(title))
        }
        Posting::Comment { body } => format!("{} comments: {}", post.dispatch, short(body)),
    }
}

fn answered(dispatch: &DispatchId, replies: &[Reply]) -> String {
    let said: Vec<String> = replies
        .iter()
        .map(|reply| format!("{}: {}", reply.by.login, one_line(&reply.body, 120)))
        .collect();
    format!(
        "question of {dispatch} answered by {}",
        short(&said.join("; "))
    )
}

fn measured(evidence: &Evidence) -> String {
    format!(
        "gate {} {}{}: {}",
        evidence.gate,
        evidence.word(),
        at(evidence.subject.as_ref()),
        short(&evidence.says)
    )
}

/// Says why a dispatch ended.
pub(super) fn closed(cause: &Cause) -> String {
    match cause {
        Cause::Verified { subject, reported } => {
            let unsaid = if *reported { "" } else { ", unreported" };
            format!("verified{}{unsaid}", at(subject.as_ref()))
        }
        Cause::Rework { findings } => format!("rework: {}", short(findings)),
        Cause::Failed { why } => format!("failed: {}", short(why)),
        Cause::TimedOut => "took longer than the stage allows".to_owned(),
        Cause::Lost { why } => format!("lost: {}", short(why)),
        Cause::Withdrawn { by, why } => format!("withdrawn by {by}: {}", short(why)),
        Cause::Parked { why } => format!("to a person: {}", short(why)),
    }
}

fn moving(transition: &Transition) -> String {
    let why = if transition.rework { " (rework)" } else { "" };
    format!(
        "{} moves from {} to {}{why}",
        transition.issue, transition.from, transition.to
    )
}

fn stepped(step: TransitionStep) -> &'static str {
    match step {
        TransitionStep::Intended => "the move is intended",
        TransitionStep::Added => "the new label is set",
        TransitionStep::Removed => "the old label is removed",
    }
}

fn settled(issue: IssueNumber, outcome: &Settled) -> String {
    match outcome {
        Settled::Moved { .. } => format!("{issue} moved"),
        Settled::Overridden { by, found } => {
            let labels: Vec<&str> = found.iter().map(crate::domain::Label::as_str).collect();
            format!(
                "{issue} was moved by {by} meanwhile; found: {}",
                if labels.is_empty() {
                    "no routing label".to_owned()
                } else {
                    labels.join(", ")
                }
            )
        }
    }
}
