//! The control socket: how verbs reach a running daemon. HTTP over a unix socket that only its owner may open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Path as Segment, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

use crate::daemon::desk::news::{LOOK, hear};
use crate::daemon::desk::{caller, check, surface, trial};
use crate::daemon::hands::rules_of;
use crate::daemon::panes::said;
use crate::daemon::runner::{Message, Shown};
use crate::daemon::{Daemon, heartbeat};
use crate::domain::{
    Event, IssueNumber, Label, ProjectName, Request, Rules, SessionChoice, SkillName, Window,
};
use crate::machine::pull;
use crate::repo::Users;
use crate::view::About;

/// How long a request may take until it is written down.
const RECORDED_MAX: Duration = Duration::from_secs(10);
/// How long one requested cycle may take.
const CYCLE_MAX: Duration = Duration::from_mins(2);

/// What a verb sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum Call {
    /// Something for a project's engine.
    Ask {
        /// Which project.
        project: ProjectName,
        /// What.
        request: Request,
    },
    /// Read the tracker now.
    Poll {
        /// Which project.
        project: ProjectName,
    },
    /// Read the configuration again.
    Reload,
    /// Keep a project's persistent agent up, or let it go.
    Keep {
        /// Which project.
        project: ProjectName,
        /// Up or down.
        up: bool,
    },
    /// Deliver a skill once for an issue, and say what came of it.
    Try {
        /// Which project.
        project: ProjectName,
        /// Which skill.
        skill: SkillName,
        /// For which issue.
        issue: IssueNumber,
        /// Whose wish it is.
        by: String,
    },
    /// Let a project's agent rehearse, and say what came of it.
    Check {
        /// Which project.
        project: ProjectName,
        /// Whose wish it is.
        by: String,
    },
    /// Deliver a person's words to a project's agent once.
    Say {
        /// Which project.
        project: ProjectName,
        /// Who says it.
        by: String,
        /// The words.
        text: String,
        /// To which of its agents.
        window: Window,
    },
    /// Stop what a project's agent does, by one press of its own key.
    Interrupt {
        /// Which project.
        project: ProjectName,
        /// Whose wish it is.
        by: String,
        /// Which of its agents.
        window: Window,
    },
    /// Let a project look and act once more, and say what came of it.
    Cycle {
        /// Which project.
        project: ProjectName,
    },
}

/// What a verb gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub done: bool,
    /// What to tell the person.
    pub text: String,
}

/// Listens until the daemon stops.
pub async fn serve(daemon: Arc<Daemon>) -> std::io::Result<()> {
    let path = daemon.places.control();
    // The ledger's lock is ours, so a socket that is there belongs to a daemon that is gone.
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&path)?;
    restrict(&path, daemon.places.users())?;
    let mut stopped = daemon.stopped();
    let app = Router::new()
        .route("/version", get(|| async { env!("CARGO_PKG_VERSION") }))
        .route("/status", get(status))
        .route("/find/{issue}", get(find))
        .route("/explain/{project}/{about}", get(explain))
        .route("/session/{project}", get(session))
        .route("/rehearse/{project}", get(rehearse))
        .route("/render/{project}/{issue}", get(render))
        .route("/call", post(call))
        .with_state(daemon);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<Caller>(),
    )
    .with_graceful_shutdown(async move {
        // The sender lives as long as the daemon.
        drop(stopped.wait_for(|stop| *stop).await);
    })
    .await
}

/// Under two users operators are those in the daemon's group; agents never are.
fn restrict(path: &Path, users: Users) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match users {
        Users::One => 0o600,
        Users::Two => 0o660,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

async fn status(Shared(daemon): Shared<Arc<Daemon>>) -> Response {
    Json(surface::snapshot(&daemon).await).into_response()
}

async fn find(Shared(daemon): Shared<Arc<Daemon>>, Segment(issue): Segment<u64>) -> Response {
    Json(surface::find(&daemon, IssueNumber(issue)).await).into_response()
}

async fn explain(
    Shared(daemon): Shared<Arc<Daemon>>,
    Segment((project, about)): Segment<(String, String)>,
) -> Response {
    let name = ProjectName::new(project);
    let about = About::parse(&about);
    or_unknown(
        &name,
        surface::explained(&daemon, &name, &about).await.map(Json),
    )
}

async fn session(
    Shared(daemon): Shared<Arc<Daemon>>,
    Segment(project): Segment<String>,
) -> Response {
    let name = ProjectName::new(project);
    or_unknown(&name, surface::witnessed(&daemon, &name).map(Json))
}

async fn rehearse(
    Shared(daemon): Shared<Arc<Daemon>>,
    Segment(project): Segment<String>,
) -> Response {
    let name = ProjectName::new(project);
    or_unknown(&name, surface::rehearse(&daemon, &name).await)
}

async fn render(
    Shared(daemon): Shared<Arc<Daemon>>,
    Segment((project, issue)): Segment<(String, u64)>,
) -> Response {
    let name = ProjectName::new(project);
    let (Some(hands), Some(shown)) = (daemon.hands(&name), daemon.show(&name).await) else {
        return or_unknown(&name, None::<String>);
    };
    match surface::render(&hands, &shown, IssueNumber(issue)).await {
        Ok(text) => text.into_response(),
        Err(why) => (StatusCode::CONFLICT, why).into_response(),
    }
}

fn or_unknown(name: &ProjectName, found: Option<impl IntoResponse>) -> Response {
    match found {
        Some(found) => found.into_response(),
        None => (StatusCode::NOT_FOUND, unknown(name)).into_response(),
    }
}

fn unknown(name: &ProjectName) -> String {
    format!("there is no project `{name}`")
}

/// Which process calls, as the kernel says.
#[derive(Clone, Debug)]
struct Caller {
    pid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let peer = stream.io().peer_cred().ok();
        let pid = peer.and_then(|peer| peer.pid());
        Self {
            pid: pid.and_then(|pid| u32::try_from(pid).ok()),
        }
    }
}

/// Returns the pane of ours that a person's call comes from, which is no person then.
async fn not_a_person(daemon: &Daemon, caller: &Caller, call: &Call) -> Option<String> {
    match call {
        Call::Ask { .. }
        | Call::Keep { .. }
        | Call::Try { .. }
        | Call::Check { .. }
        | Call::Say { .. }
        | Call::Interrupt { .. } => {
            caller::pane_above(&daemon.places, &daemon.config(), caller.pid?).await
        }
        Call::Poll { .. } | Call::Reload | Call::Cycle { .. } => None,
    }
}

async fn call(
    Shared(daemon): Shared<Arc<Daemon>>,
    ConnectInfo(from): ConnectInfo<Caller>,
    Json(call): Json<Call>,
) -> Json<Reply> {
    if let Some(pane) = not_a_person(&daemon, &from, &call).await {
        return Json(Reply::refused(caller::refusal(&pane)));
    }
    Json(match call {
        Call::Ask { project, request } => ask(&daemon, &project, request).await,
        Call::Poll { project } => {
            let done = daemon.send(&project, Message::Poll).await;
            Reply {
                done,
                text: if done {
                    String::new()
                } else {
                    unknown(&project)
                },
            }
        }
        Call::Reload => match daemon.reload().await {
            None => Reply::done("the configuration was read again"),
            Some(fault) => Reply::refused(fault),
        },
        Call::Keep { project, up } => keep(&daemon, &project, up).await,
        Call::Cycle { project } => cycle(&daemon, &project).await,
        Call::Try {
            project,
            skill,
            issue,
            by,
        } => trial::run(&daemon, &project, (&skill, issue, &by)).await,
        Call::Check { project, by } => check::run(&daemon, &project, &by).await,
        Call::Say {
            project,
            by,
            text,
            window,
        } => said::say(&daemon, (&project, window), &by, &text).await,
        Call::Interrupt {
            project,
            by,
            window,
        } => said::interrupt(&daemon, (&project, window), &by).await,
    })
}

impl Reply {
    /// It was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self {
            done: true,
            text: text.into(),
        }
    }

    /// It was not.
    pub fn refused(text: impl Into<String>) -> Self {
        Self {
            done: false,
            text: text.into(),
        }
    }
}

/// Answers a request that needs no engine: it is so already, or it cannot be. `None` = the engine is to be asked.
pub fn answer_at_once(rules: &Rules, shown: &Shown, request: &Request) -> Option<Reply> {
    let (project, state) = (&rules.project.name, &shown.state);
    match request {
        Request::Pause { .. } => {
            let by = state.paused.as_ref()?;
            Some(Reply::done(format!("{project} is paused already, by {by}")))
        }
        Request::Resume { .. } if state.paused.is_none() => {
            Some(Reply::done(format!("{project} is not paused")))
        }
        Request::Adopt { .. } if state.sightings.is_empty() => Some(Reply::refused(format!(
            "no issue of {project} is known to bear a mark that this ledger cannot account for: there is nothing to adopt"
        ))),
        Request::Approve { issue, .. } => cannot_approve(project, shown, *issue),
        Request::Deny { issue, .. } => cannot_deny(rules, shown, *issue),
        Request::Route { issue, to, .. } => cannot_route(rules, shown, *issue, to),
        Request::Resume { .. }
        | Request::Try { .. }
        | Request::Interrupt { .. }
        | Request::Adopt { .. } => None,
    }
}

fn cannot_approve(project: &ProjectName, shown: &Shown, issue: IssueNumber) -> Option<Reply> {
    let state = &shown.state;
    if state.waits_for_approval(issue) {
        return None;
    }
    let by = state
        .walks
        .get(&issue)
        .and_then(|walk| walk.approved.as_ref());
    if let Some(by) = by {
        return Some(Reply::done(format!("{issue} is approved already, by {by}")));
    }
    let hold = shown.report.standing.get(&issue);
    let why = match hold.or_else(|| state.holds.get(&issue)) {
        Some(hold) => match hold.hint(project) {
            Some(hint) => format!("{hold} ({hint})"),
            None => hold.to_string(),
        },
        None if surface::knows(shown, issue) => "nothing of it is open".to_owned(),
        None => format!("nothing is known of it in {project}"),
    };
    Some(Reply::refused(format!(
        "{issue} does not wait for approval: {why}"
    )))
}

fn cannot_deny(rules: &Rules, shown: &Shown, issue: IssueNumber) -> Option<Reply> {
    if let Some(reply) = cannot_approve(&rules.project.name, shown, issue) {
        return Some(Reply::refused(reply.text));
    }
    let waits = shown.state.walks.get(&issue)?.yours.as_ref();
    let stage = rules.workflow.stage(waits?)?;
    pull::back(rules, stage).is_none().then(|| {
        Reply::refused(format!(
            "no stage before `{}` makes the work: say why on the issue and set another label",
            stage.label
        ))
    })
}

fn cannot_route(rules: &Rules, shown: &Shown, issue: IssueNumber, to: &Label) -> Option<Reply> {
    let stages = &rules.workflow.stages;
    if rules.workflow.stage(to).is_none() {
        let names: Vec<&str> = stages.iter().map(|stage| stage.label.as_str()).collect();
        return Some(Reply::refused(format!(
            "there is no stage `{to}`. The stages of {} are: {}",
            rules.project.name,
            names.join(", ")
        )));
    }
    if let Some(route) = shown.state.routes.get(&issue) {
        let (to, by) = (&route.to, &route.by);
        return Some(Reply::refused(format!(
            "{issue} is on its way to {to} already, by {by}'s word"
        )));
    }
    let head = shown.seen.as_ref()?.heads.get(&issue);
    let Some(head) = head.filter(|head| head.open) else {
        return Some(Reply::refused(format!("{issue} is not an open issue")));
    };
    let there: Vec<&str> = stages
        .iter()
        .map(|stage| &stage.label)
        .filter(|label| head.labels.contains(label))
        .map(Label::as_str)
        .collect();
    match there.as_slice() {
        [one] if Label::new(*one) == *to => Some(Reply::refused(format!(
            "{issue} is at {one} already. To ask for it once more: `pointsman issue unlabel {0} {one}`, then `pointsman issue label {0} {one}`",
            issue.0
        ))),
        [] | [_] => None,
        several => Some(Reply::refused(format!(
            "{issue} has several routing labels ({}): leave one, then move it",
            several.join(", ")
        ))),
    }
}

/// Says that a request is written down.
pub fn recorded(project: &ProjectName, request: &Request) -> Reply {
    Reply::done(match request {
        Request::Pause { .. } => {
            format!("{project} is paused: nothing new starts, what is open ends")
        }
        Request::Resume { .. } => format!("{project} goes on"),
        Request::Adopt { .. } => format!(
            "{project} goes on with this ledger. What our own account labelled before now is nobody's word: label it again"
        ),
        Request::Approve { issue, .. } => format!("{issue} is approved in {project}"),
        Request::Deny { issue, .. } => {
            format!("{issue} goes back in {project}: your words are in the next brief")
        }
        Request::Try { opening } => {
            format!("{} is tried: dispatch {}", opening.stage.skill, opening.id)
        }
        Request::Interrupt { .. } => format!("the agent of {project} is interrupted"),
        Request::Route { issue, to, .. } => format!(
            "{issue} goes to {to} by your word: what is open for it is withdrawn, then the label moves"
        ),
    })
}

/// Asks a project's engine and waits until the ledger has it.
pub async fn ask(daemon: &Daemon, project: &ProjectName, request: Request) -> Reply {
    let Some(shown) = daemon.show(project).await else {
        return Reply::refused(unknown(project));
    };
    let Some(rules) = rules_of(&daemon.config(), project) else {
        return Reply::refused(unknown(project));
    };
    if let Some(reply) = answer_at_once(&rules, &shown, &request) {
        return reply;
    }
    if !daemon.ask(project, request.clone()).await {
        return Reply::refused(unknown(project));
    }
    let heard = hear(
        daemon,
        project,
        shown.state.version,
        RECORDED_MAX,
        |event| says(&event, &request).then_some(()),
    );
    if heard.await.is_ok() {
        return recorded(project, &request);
    }
    Reply::refused(format!(
        "asked, but {project} has not written it down yet: see `pointsman status`"
    ))
}

fn says(event: &Event, request: &Request) -> bool {
    match (event, request) {
        (Event::ProjectPaused { .. }, Request::Pause { .. })
        | (Event::LedgerAdopted { .. }, Request::Adopt { .. })
        | (Event::ProjectResumed { .. }, Request::Resume { .. }) => true,
        (Event::Approved { issue, .. }, Request::Approve { issue: wanted, .. })
        | (Event::Routed { issue, .. }, Request::Route { issue: wanted, .. })
        | (Event::ReworkWanted { issue, .. }, Request::Deny { issue: wanted, .. }) => {
            issue == wanted
        }
        (Event::DispatchOpened { opening }, Request::Try { opening: wanted }) => {
            opening.id == wanted.id
        }
        _ => false,
    }
}

async fn keep(daemon: &Daemon, project: &ProjectName, up: bool) -> Reply {
    let config = daemon.config();
    let adopted = config
        .projects
        .get(project)
        .is_some_and(|project| project.session != SessionChoice::Managed);
    if adopted {
        return Reply::refused(format!(
            "the pane of {project} is yours: it is never started or ended by us"
        ));
    }
    match daemon.keep(project, up).await {
        Ok(text) => Reply::done(text),
        Err(why) => Reply::refused(why),
    }
}

async fn cycle(daemon: &Daemon, project: &ProjectName) -> Reply {
    let Some(before) = daemon.show(project).await else {
        return Reply::refused(unknown(project));
    };
    daemon.send(project, Message::Poll).await;
    let deadline = tokio::time::Instant::now() + CYCLE_MAX;
    while tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        let Some(shown) = daemon.show(project).await else {
            break;
        };
        if shown.report.at > before.report.at {
            return Reply::done(heartbeat::line(
                project.as_str(),
                &shown.report,
                shown.seen.as_ref(),
            ));
        }
    }
    Reply::refused(format!(
        "the cycle of {project} has not ended within {} s",
        CYCLE_MAX.as_secs()
    ))
}
