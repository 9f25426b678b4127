//! `pointsman skill try`: asks for the trial, follows it to its end, and says what came of it. Other errands of a person begin alike.

use std::time::Duration;

use crate::daemon::Daemon;
use crate::daemon::desk::control::{Reply, ask};
use crate::daemon::desk::news::{LOOK, Unheard, hear};
use crate::daemon::hands::{now, rules_of};
use crate::daemon::key::random_letters;
use crate::daemon::looking::observe::DISPATCH_LETTERS;
use crate::daemon::runner::Message;
use crate::domain::{
    Cause, DispatchId, Event, Fresh, IssueNumber, Observation, Opening, ProjectName, Request,
    Rules, SkillName, Verb,
};
use crate::machine::dispatch::errand::{self, Refusal};
use crate::machine::state::State;
use crate::machine::text::one_line;

/// How long the verb waits for the end; the trial goes on without it.
pub const FOLLOWED_MAX: Duration = Duration::from_mins(30);
/// How long an agent that was busy at the last look is looked at again.
pub const FRESH_LOOK_MAX: Duration = Duration::from_secs(5);
/// Characters of an agent's words.
const NOTE_CHARS_MAX: usize = 1_000;

/// Runs one trial.
pub async fn run(
    daemon: &Daemon,
    project: &ProjectName,
    what: (&SkillName, IssueNumber, &str),
) -> Reply {
    let (skill, issue, _) = what;
    let opened = open_errand(
        daemon,
        project,
        FRESH_LOOK_MAX,
        |rules, state, seen, fresh| errand::trial(rules, state, seen, what, fresh, now()),
    );
    let (id, version) = match opened.await {
        Ok(opened) => opened,
        Err(reply) => return reply,
    };
    let told = follow(daemon, project, &id, version).await;
    Reply {
        done: told.done,
        text: format!(
            "`{skill}` on {issue}, dispatch {id}: {} No label moved.",
            told.text
        ),
    }
}

/// Opens an errand that a person waits for; what is in the way and passes by itself is waited for as long as `patience`. Returns its
/// id and the stream's version before it.
pub async fn open_errand(
    daemon: &Daemon,
    project: &ProjectName,
    patience: Duration,
    plan: impl Fn(&Rules, &State, &Observation, Fresh) -> Result<Opening, Refusal>,
) -> Result<(DispatchId, u64), Reply> {
    let unknown = || Reply::refused(format!("there is no project `{project}`"));
    let Some(hands) = daemon.hands(project) else {
        return Err(unknown());
    };
    let id = DispatchId::new(random_letters(DISPATCH_LETTERS));
    let fresh = Fresh {
        secret_hash: hands.key.secret_hash(&id),
        dispatch: id.clone(),
    };
    let deadline = tokio::time::Instant::now() + patience;
    let (opening, version) = loop {
        let rules = rules_of(&daemon.config(), project);
        let (Some(shown), Some(rules)) = (daemon.show(project).await, rules) else {
            return Err(unknown());
        };
        let is_early = tokio::time::Instant::now() < deadline;
        let planned = match &shown.seen {
            Some(seen) => plan(&rules, &shown.state, seen, fresh.clone()),
            None => Err(Refusal {
                why: "nothing was seen yet: try again in a moment".to_owned(),
                passes: true,
            }),
        };
        match planned {
            Ok(opening) => break (Box::new(opening), shown.state.version),
            Err(refusal) if refusal.passes && is_early => {
                daemon.send(project, Message::Wake).await;
                tokio::time::sleep(LOOK).await;
            }
            Err(refusal) => return Err(Reply::refused(refusal.why)),
        }
    };
    let asked = ask(daemon, project, Request::Try { opening }).await;
    if asked.done {
        Ok((id, version))
    } else {
        Err(asked)
    }
}

/// Waits for the trial's end.
async fn follow(daemon: &Daemon, project: &ProjectName, id: &DispatchId, after: u64) -> Reply {
    let mut said = None;
    let heard = hear(daemon, project, after, FOLLOWED_MAX, |event| match event {
        Event::ReportReceived { report }
            if report.dispatch == *id && matches!(report.verb, Verb::Done | Verb::Fail) =>
        {
            said = report.note;
            None
        }
        Event::DispatchClosed { dispatch, cause } if dispatch == *id => {
            Some(ended(&cause, said.as_deref()))
        }
        _ => None,
    });
    let why = match heard.await {
        Ok(reply) => return reply,
        Err(Unheard::Stopped) => "the daemon stops".to_owned(),
        Err(Unheard::Late) => format!("{} min are over", FOLLOWED_MAX.as_secs() / 60),
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
