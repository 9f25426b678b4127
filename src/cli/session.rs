//! `pointsman up`, `down`, `restart`, `attach` and `session explain`: a project's agent session.

mod witnesses;

use clap::{Args, Subcommand};

use crate::cli::solo::Solo;
use crate::cli::steer::ProjectArgs;
use crate::cli::{Failure, agent, client, edge, known, run, say};
use crate::daemon::desk::control::{Call, Reply};
use crate::daemon::jobs::tree;
use crate::daemon::panes::keep::end_agents;
use crate::daemon::panes::session::keep_agent;
use crate::daemon::places::Places;
use crate::daemon::trackers::Trackers;
use crate::domain::{Project, ProjectName, SessionChoice, Window};
use crate::view::attach_to;

/// Verbs of `session`.
#[derive(Debug, Subcommand)]
pub(super) enum SessionVerb {
    /// Show every piece of evidence, the verdict, and what would have to change for the agent to be idle
    Explain(witnesses::ExplainArgs),
}

/// Looks at a project's session, and changes nothing.
pub(super) fn session(verb: &SessionVerb) -> Result<(), Failure> {
    match verb {
        SessionVerb::Explain(args) => witnesses::explain(args),
    }
}

/// Arguments of `attach`.
#[derive(Debug, Args)]
pub(super) struct AttachArgs {
    /// The project
    project: String,
    /// Look at the checker's window
    #[arg(long)]
    check: bool,
    /// Look at this window: `agent-2` is the project's second agent
    #[arg(long, value_name = "WINDOW", value_parser = agent::window, conflicts_with = "check")]
    window: Option<Window>,
}

impl AttachArgs {
    fn window(&self) -> Option<Window> {
        self.window.or(self.check.then_some(Window::Check))
    }
}

/// Keeps a project's agent up.
pub(super) fn up(args: &ProjectArgs) -> Result<(), Failure> {
    keep(&args.project, &[true])
}

/// Ends a project's agent.
pub(super) fn down(args: &ProjectArgs) -> Result<(), Failure> {
    keep(&args.project, &[false])
}

/// Ends a project's agent and starts it again.
pub(super) fn restart(args: &ProjectArgs) -> Result<(), Failure> {
    keep(&args.project, &[false, true])
}

fn keep(project: &str, wishes: &[bool]) -> Result<(), Failure> {
    let places = edge::places()?;
    let name = ProjectName::new(project);
    if wishes.contains(&true) {
        folder_of(&places, project)?;
    }
    run::runtime()?.block_on(async {
        for up in wishes {
            let call = Call::Keep {
                project: name.clone(),
                up: *up,
            };
            let reply = match client::call(&places, &call).await? {
                Some(reply) => reply,
                None => Reply::done(alone(&places, project, *up).await?),
            };
            client::settle(reply)?;
        }
        if wishes.last() == Some(&true) {
            say_what_it_loosens(&places, project)?;
        }
        Ok(())
    })
}

/// Says what the agent's profile loosens in its own permissions: whoever starts it should know.
fn say_what_it_loosens(places: &Places, project: &str) -> Result<(), Failure> {
    let config = run::load(places)?;
    let agent = &known::project(&config, project)?.agent;
    let profile = config.profiles.get(agent);
    for loosened in profile
        .map(|profile| &profile.loosens)
        .into_iter()
        .flatten()
    {
        say::talk(&format!("{agent}: {loosened}"));
    }
    Ok(())
}

/// Says at once what a daemon would find out later: an agent is started in its project's folder, or not at all.
fn folder_of(places: &Places, name: &str) -> Result<(), Failure> {
    let config = run::load(places)?;
    let path = &known::project(&config, name)?.path;
    let read = std::fs::read_dir(path);
    read.map(drop).map_err(|error| {
        Failure::new(anyhow::Error::new(error).context(format!(
            "cannot use the folder `{}` of {name}",
            path.display()
        )))
        .hint("set `path` in the project's file to the folder, or make it readable".to_owned())
    })
}

/// Is the daemon for this one request.
async fn alone(places: &Places, name: &str, up: bool) -> Result<String, Failure> {
    let config = run::load(places)?;
    let project = known::project(&config, name)?.clone();
    if project.session != SessionChoice::Managed {
        return Err(Failure::new(anyhow::anyhow!(
            "the pane of {name} is yours: it is never started or ended by us"
        ))
        .hint("start and end its agent in that pane yourself".to_owned()));
    }
    let profile = config
        .profiles
        .get(&project.agent)
        .cloned()
        .expect("the configuration names profiles that are there");
    let trackers = Trackers::new(edge::find_auth());
    let solo = Solo::start(places, config, name, &trackers).await?;
    let tmux = &solo.hands.tmux;
    if !up {
        return end_agents(tmux, &solo.hands.name, solo.hands.windows(&project))
            .await
            .map_err(Failure::of_tmux);
    }
    tmux.start_server().await.map_err(Failure::of_tmux)?;
    let failed = |why| {
        Failure::new(anyhow::Error::msg(why))
            .hint("`pointsman doctor` looks at the agent and its folder".to_owned())
    };
    let mut new = Vec::new();
    for window in project.agents() {
        if window != Window::AGENT {
            tree::make(&solo.hands, window).await.map_err(failed)?;
        }
        let is_new = keep_agent(&solo.hands, window, &profile, true).await;
        new.push(is_new.map_err(failed)?);
    }
    solo.watch().await;
    for window in project.agents() {
        let sampled = solo.hands.sampled(window);
        if sampled.is_some_and(|sampled| sampled.sample.state.attention.wants_somebody()) {
            say::talk(&format!(
                "it asks for something: accept it once with `{}`, and leave it running with Ctrl-b d",
                attach_to(&solo.hands.name, window)
            ));
        }
    }
    let is_new = new.contains(&true);
    Ok(match (project.sessions, is_new) {
        (1, true) => format!("the agent of {name} was started"),
        (1, false) => format!("the agent of {name} is up"),
        (all, true) => format!("the {all} agents of {name} were started"),
        (all, false) => format!("the {all} agents of {name} are up"),
    })
}

/// Shows a project's session in this terminal.
pub(super) fn attach(args: &AttachArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let project = known::project(&config, &args.project)?;
    let window = args.window();
    let (mut server, target) = match (&project.session, window) {
        (SessionChoice::Managed, None) => (
            vec!["-S".to_owned(), places.socket.display().to_string()],
            format!("={}", project.name),
        ),
        // Checks run in a window on our own server, whoever's pane the agent is in.
        (SessionChoice::Managed, Some(window)) | (_, Some(window @ Window::Check)) => (
            vec!["-S".to_owned(), places.socket.display().to_string()],
            format!("={}:{}", project.name, window.as_str()),
        ),
        (SessionChoice::Adopted { target, .. }, _) => {
            let socket = places.socket_of(project, Window::AGENT).display();
            (vec!["-S".to_owned(), socket.to_string()], target.clone())
        }
    };
    if let Some(apart) = &places.apart {
        // A client opens files for its server's owner, and would be the daemon's account here.
        return Err(Failure::new(anyhow::anyhow!(
            "the tmux server is `{}`'s, and no client of it runs as another account",
            apart.name
        ))
        .hint(format!(
            "`sudo -u {} tmux -S {} attach-session -t {target}`",
            apart.name,
            places.socket.display()
        )));
    }
    let words = |server: &[String], verb: &str| {
        [server, &[verb.to_owned(), "-t".to_owned(), target.clone()]].concat()
    };
    // `has-session` takes a window's target too.
    if !edge::tmux_says(&words(&server, "has-session"))? {
        return Err(missing(project, window, &target));
    }
    let same = edge::tmux_around()
        .is_some_and(|around| server.last() == Some(&around.display().to_string()));
    match edge::tmux_around() {
        Some(_) if same => server = words(&server, "switch-client"),
        Some(_) => {
            say::out(&format!(
                "tmux {}",
                words(&server, "attach-session").join(" ")
            ))?;
            return Err(Failure::new(anyhow::anyhow!(
                "this terminal is inside another tmux, and sessions are not nested"
            ))
            .hint("run the printed command in a terminal of its own".to_owned()));
        }
        None => server = words(&server, "attach-session"),
    }
    Err(edge::no_tmux(edge::become_tmux(&server)))
}

/// Says that a window, or the session, is not there.
fn missing(project: &Project, window: Option<Window>, target: &str) -> Failure {
    let name = &project.name;
    let (what, hint) = match (&project.session, window) {
        (_, Some(Window::Check)) => (
            format!("no checker is at work in {name}"),
            "it has a window only while it checks: `pointsman status` says when".to_owned(),
        ),
        (SessionChoice::Managed, Some(window)) if project.agents().all(|one| one != window) => (
            format!("{name} has no agent in a window `{}`", window.as_str()),
            format!("its file says `sessions = {}`", project.sessions),
        ),
        (SessionChoice::Managed, Some(window)) => (
            format!("no window `{}` is up for {name}", window.as_str()),
            format!("pointsman up {name}"),
        ),
        (SessionChoice::Managed, None) => (
            format!("no session is up for {name}"),
            format!("pointsman up {name}"),
        ),
        (SessionChoice::Adopted { .. }, _) => (
            format!("the pane `{target}` of {name} is not there"),
            "start it yourself, or mend `session` in the project's file".to_owned(),
        ),
    };
    Failure::new(anyhow::anyhow!(what)).hint(hint)
}
