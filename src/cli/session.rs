//! `pointsman up`, `down`, `restart`, `attach` and `session explain`: a project's agent session.

mod witnesses;

use clap::{Args, Subcommand};

use crate::cli::solo::Solo;
use crate::cli::steer::ProjectArgs;
use crate::cli::{Failure, client, edge, known, run, say};
use crate::daemon::desk::control::{Call, Reply};
use crate::daemon::panes::session::keep_agent;
use crate::daemon::places::Places;
use crate::daemon::trackers::Trackers;
use crate::domain::{ProjectName, SessionChoice, Window};

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
        return match tmux.find(name, Window::Agent.as_str()).await {
            Ok(Some(row)) => tmux
                .kill_pane(&row.pane)
                .await
                .map(|_| format!("the agent of {name} was ended"))
                .map_err(Failure::of_tmux),
            Ok(None) | Err(crate::terminal::TmuxError::NoServer { .. }) => {
                Ok(format!("{name} has no agent"))
            }
            Err(error) => Err(Failure::of_tmux(error)),
        };
    }
    tmux.start_server().await.map_err(Failure::of_tmux)?;
    let new = keep_agent(&solo.hands, &profile, true)
        .await
        .map_err(|why| {
            Failure::new(anyhow::Error::msg(why))
                .hint("`pointsman doctor` looks at the agent and its folder".to_owned())
        })?;
    solo.watch().await;
    let state = solo
        .hands
        .sampled(Window::Agent)
        .map(|sampled| sampled.sample.state);
    if state.is_some_and(|state| state.attention.wants_somebody()) {
        say::talk(&format!(
            "it asks for something: accept it once with `pointsman attach {name}`, and leave it running with Ctrl-b d"
        ));
    }
    Ok(format!(
        "the agent of {name} {}",
        if new { "was started" } else { "is up" }
    ))
}

/// Shows a project's session in this terminal.
pub(super) fn attach(args: &AttachArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let project = known::project(&config, &args.project)?;
    let (mut server, target) = match &project.session {
        // Checks run in a window on our own server, whoever's pane the agent is in.
        _ if args.check => (
            vec!["-S".to_owned(), places.socket.display().to_string()],
            format!("={}:{}", project.name, Window::Check.as_str()),
        ),
        SessionChoice::Managed => (
            vec!["-S".to_owned(), places.socket.display().to_string()],
            format!("={}", project.name),
        ),
        SessionChoice::Adopted { target, .. } => {
            let socket = places.socket_of(project, Window::Agent).display();
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
        let name = &project.name;
        let (what, hint) = match (&project.session, args.check) {
            (_, true) => (
                format!("no checker is at work in {name}"),
                "it has a window only while it checks: `pointsman status` says when".to_owned(),
            ),
            (SessionChoice::Managed, false) => (
                format!("no session is up for {name}"),
                format!("pointsman up {name}"),
            ),
            (SessionChoice::Adopted { .. }, false) => (
                format!("the pane `{target}` of {name} is not there"),
                "start it yourself, or mend `session` in the project's file".to_owned(),
            ),
        };
        return Err(Failure::new(anyhow::anyhow!(what)).hint(hint));
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
