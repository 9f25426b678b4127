//! `pointsman skill try`: asks for the trial, follows it to its end, and says what came of it.

use std::time::Duration;

use crate::daemon::control::{Reply, ask};
use crate::daemon::hands::{now, rules_of};
use crate::daemon::key::random_letters;
use crate::daemon::observe::DISPATCH_LETTERS;
use crate::daemon::runner::Message;
use crate::daemon::{Daemon, store};
use crate::domain::{
    Cause, DispatchId, Event, Fresh, IssueNumber, ProjectName, Request, SkillName, Verb,
};
use crate::machine::errand;
use crate::machine::text::one_line;

/// How long the verb waits for the end; the trial goes on without it.
const FOLLOWED_MAX: Duration = Duration::from_mins(30);
/// How long an agent that was busy at the last look is looked at again.
const FRESH_LOOK_MAX: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Events that are read at once.
const PAGE: usize = 500;
/// Characters of an agent's words.
const NOTE_CHARS_MAX: usize = 1_000;

/// Runs one trial.
pub async fn run(
    daemon: &Daemon,
    project: &ProjectName,
    what: (&SkillName, IssueNumber, &str),
) -> Reply {
    let (skill, issue, _) = what;
    let unknown = || Reply::refused(format!("there is no project `{project}`"));
    let Some(hands) = daemon.hands(project) else {
        return unknown();
    };
    let id = DispatchId::new(random_letters(DISPATCH_LETTERS));
    let fresh = Fresh {
        secret_hash: hands.key.secret_hash(&id),
        dispatch: id.clone(),
    };
    let deadline = tokio::time::Instant::now() + FRESH_LOOK_MAX;
    let (opening, version) = loop {
        let rules = rules_of(&daemon.config(), project);
        let (Some(shown), Some(rules)) = (daemon.show(project).await, rules) else {
            return unknown();
        };
        let Some(seen) = &shown.seen else {
            return Reply::refused("nothing was seen yet: try again in a moment");
        };
        match errand::trial(&rules, &shown.state, seen, what, fresh.clone(), now()) {
            Ok(opening) => break (Box::new(opening), shown.state.version),
            Err(refusal) if refusal.passes && tokio::time::Instant::now() < deadline => {
                daemon.send(project, Message::Wake).await;
                tokio::time::sleep(LOOK).await;
            }
            Err(refusal) => return Reply::refused(refusal.why),
        }
    };
    let asked = ask(daemon, project, Request::Try { opening }).await;
    if !asked.done {
        return asked;
    }
    let told = follow(daemon, project, &id, version).await;
    Reply {
        done: told.done,
        text: format!(
            "`{skill}` on {issue}, dispatch {id}: {} No label moved.",
            told.text
        ),
    }
}

/// Waits for the trial's end.
async fn follow(daemon: &Daemon, project: &ProjectName, id: &DispatchId, mut after: u64) -> Reply {
    let deadline = tokio::time::Instant::now() + FOLLOWED_MAX;
    let mut said = None;
    let stopped = daemon.stopped();
    while !*stopped.borrow() && tokio::time::Instant::now() < deadline {
        // An unreadable ledger stops the daemon elsewhere.
        let stream = project.as_str();
        let news = daemon.ledger().read_stream(stream, after, PAGE).await;
        for record in news.unwrap_or_default() {
            after = record.ver;
            match store::event_of(&record) {
                Ok(Event::ReportReceived { report }) if report.dispatch == *id => {
                    if matches!(report.verb, Verb::Done | Verb::Fail) {
                        said.clone_from(&report.note);
                    }
                }
                Ok(Event::DispatchClosed { dispatch, cause }) if dispatch == *id => {
                    return ended(&cause, said.as_deref());
                }
                Ok(_) | Err(_) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    let why = if *stopped.borrow() {
        "the daemon stops".to_owned()
    } else {
        format!("{} min are over", FOLLOWED_MAX.as_secs() / 60)
    };
    Reply::done(format!(
        "still at work, and nobody waits here any more: {why}. See `pointsman explain`."
    ))
}

fn ended(cause: &Cause, said: Option<&str>) -> Reply {
    let quoted = |text: &str| {
        one_line(text, NOTE_CHARS_MAX)
            .trim_end_matches('.')
            .to_owned()
    };
    match (cause, said) {
        (Cause::Verified { .. }, Some(said)) => {
            Reply::done(format!("done. The agent says: {}.", quoted(said)))
        }
        (Cause::Verified { .. }, None) => Reply::done("done, without a word of the agent's."),
        (Cause::TimedOut, _) => Reply::refused("it took too long and was ended."),
        (
            Cause::Failed { why }
            | Cause::Lost { why }
            | Cause::Parked { why }
            | Cause::Withdrawn { why, .. }
            | Cause::Rework { findings: why },
            _,
        ) => Reply::refused(format!("{}: {}.", cause.word(), quoted(why))),
    }
}
