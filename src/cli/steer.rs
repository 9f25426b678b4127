//! `pointsman pause`, `resume`, `approve`, `deny` and `route`: a person's word, written into the ledger by the daemon, or with its lock.

use clap::Args;

use crate::cli::{Failure, client, edge, known, run, say};
use crate::daemon::desk::caller;
use crate::daemon::desk::control::{self, Call, Reply};
use crate::daemon::hands::{now, rules_of};
use crate::daemon::places::Places;
use crate::daemon::store;
use crate::domain::{Event, IssueNumber, Label, ProjectName, Request};
use crate::ledger::{Sqlite, Store as _};
use crate::machine::engine::{Effect, Engine, Input};

/// Arguments of `pause` and `resume`.
#[derive(Debug, Args)]
pub(super) struct ProjectArgs {
    /// The project
    pub(super) project: String,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The issue's number
    issue: u64,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Arguments of `deny`.
#[derive(Debug, Args)]
pub(super) struct DenyArgs {
    /// The issue's number
    issue: u64,
    /// What is wrong: these words are in the next brief
    why: String,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Arguments of `route`.
#[derive(Debug, Args)]
pub(super) struct RouteArgs {
    /// The issue's number
    issue: u64,
    /// The stage's routing label
    stage: String,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Starts nothing new in a project from now on.
pub(super) fn pause(args: &ProjectArgs) -> Result<(), Failure> {
    ask(
        &edge::places()?,
        &ProjectName::new(args.project.clone()),
        Request::Pause { by: edge::person() },
    )
}

/// Lets a project go on.
pub(super) fn resume(args: &ProjectArgs) -> Result<(), Failure> {
    ask(
        &edge::places()?,
        &ProjectName::new(args.project.clone()),
        Request::Resume { by: edge::person() },
    )
}

/// Approves the work on an issue.
pub(super) fn approve(args: &ApproveArgs) -> Result<(), Failure> {
    let issue = IssueNumber(args.issue);
    let by = edge::person();
    about(
        issue,
        args.project.as_deref(),
        Request::Approve { issue, by },
    )
}

/// Sends the work on an issue back, with a reason.
pub(super) fn deny(args: DenyArgs) -> Result<(), Failure> {
    let issue = IssueNumber(args.issue);
    if args.why.trim().is_empty() {
        let failure = Failure::new(anyhow::anyhow!("there is no reason"));
        return Err(failure.hint(format!(
            "say what is wrong, for the next brief: pointsman deny {} \"the list is not sorted\"",
            issue.0
        )));
    }
    let request = Request::Deny {
        issue,
        by: edge::person(),
        why: args.why,
    };
    about(issue, args.project.as_deref(), request)
}

/// Moves an issue to a stage, by the person's word.
pub(super) fn route(args: &RouteArgs) -> Result<(), Failure> {
    let issue = IssueNumber(args.issue);
    let request = Request::Route {
        issue,
        to: Label::new(&args.stage),
        by: edge::person(),
    };
    about(issue, args.project.as_deref(), request)
}

/// Goes on with this ledger where marks that it cannot account for were found.
pub(super) fn adopt(places: &Places, project: &str) -> Result<(), Failure> {
    let by = edge::person();
    ask(places, &ProjectName::new(project), Request::Adopt { by })
}

fn about(issue: IssueNumber, named: Option<&str>, request: Request) -> Result<(), Failure> {
    let places = edge::places()?;
    let found = run::runtime()?.block_on(client::project_with(&places, issue, named))?;
    let name = match found {
        Some(name) => name,
        None => known::project_in_ledger(&places, issue, named)?,
    };
    ask(&places, &name, request)
}

fn ask(places: &Places, project: &ProjectName, request: Request) -> Result<(), Failure> {
    let call = Call::Ask {
        project: project.clone(),
        request: request.clone(),
    };
    let reply = match run::runtime()?.block_on(client::call(places, &call))? {
        Some(reply) => reply,
        None => write_down(places, project, request)?,
    };
    client::settle(reply)
}

#[expect(clippy::needless_pass_by_value, reason = "the request is handed over")]
/// Is the daemon for this one request: its lock, its engine, and the append alone. No loop runs, so nothing else can start.
fn write_down(places: &Places, name: &ProjectName, request: Request) -> Result<Reply, Failure> {
    let config = run::load(places)?;
    known::project(&config, name.as_str())?;
    let rules = rules_of(&config, name).expect("the project was found in this configuration");
    let above = caller::pane_above(places, &config, std::process::id());
    if let Some(pane) = run::runtime()?.block_on(above) {
        return Ok(Reply::refused(caller::refusal(&pane)));
    }
    let (_lock, mut store) = known::to_write(places)?;
    let state = known::fold(&store, name)?;
    if state.added.is_none() {
        let event = Event::ProjectAdded {
            added: rules.project.added.unwrap_or_else(now),
        };
        append(&mut store, name, state.version, now(), &[event])?;
    }
    let shown = known::shown(places, Some(&store), name)?;
    if let Some(reply) = control::answer_at_once(&rules, &shown, &request) {
        return Ok(reply);
    }
    let effects = Engine::new(shown.state).step(&rules, Input::Asked(request.clone()), now());
    for effect in effects {
        if let Effect::Append {
            at,
            version,
            events,
        } = effect
        {
            append(&mut store, name, version, at, &events)?;
        }
    }
    say::talk(
        "no daemon runs: it is written down, and the next `pointsman run` or `cycle` acts on it",
    );
    Ok(control::recorded(name, &request))
}

fn append(
    store: &mut Sqlite,
    name: &ProjectName,
    version: u64,
    at: jiff::Timestamp,
    events: &[Event],
) -> Result<(), Failure> {
    let append = store::append_of(name, version, at, events);
    let written = store.append(
        &append.stream,
        append.expected_ver,
        append.records,
        append.claims,
    );
    written.map(drop).map_err(|error| {
        let hint = error.hint();
        Failure::new(error).hint(hint)
    })
}
