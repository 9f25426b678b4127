//! `pointsman init`: one commented file per project, from what lies in its folder. Nothing is written into the repository.

mod file;
mod folder;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{Failure, client, cycle, doctor, edge, known, labels, run, say, service};
use crate::config::{self, Config};
use crate::daemon::hands::now;
use crate::daemon::places::Places;
use crate::daemon::trackers::Trackers;
use crate::domain::{Label, ProfileName, Project, ProjectName, Role, TrackerChoice};
use crate::machine::text;
use crate::terminal::Tmux;
use crate::tracker::{Tracker, TrackerError};

use file::{Found, Named};
use folder::Folder;

/// Agent programs in the order in which one is chosen when several are there.
const AGENTS: [&str; 5] = ["claude-code", "codex", "opencode", "gemini", "aider"];

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Working trees or folders; the current one if none is named
    paths: Vec<PathBuf>,
    /// The repository on GitHub, as `owner/name`, in place of what `git remote` says
    #[arg(long, value_name = "REPO", conflicts_with = "local")]
    repo: Option<String>,
    /// Keep the issues on this machine
    #[arg(long)]
    local: bool,
    /// The agent's profile, in place of the first program found
    #[arg(long, value_name = "PROFILE")]
    agent: Option<String>,
    /// The command that must exit 0 before work counts, or `none`
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// Another workflow: `solo.toml`, `content.toml`, or a file of yours
    #[arg(long, value_name = "FILE")]
    workflow: Option<String>,
    /// Print the file, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Adds projects. One that cannot be added does not stop the others.
pub(super) fn init(args: &InitArgs) -> Result<(), Failure> {
    run::runtime()?.block_on(add_all(args))
}

async fn add_all(args: &InitArgs) -> Result<(), Failure> {
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() {
        &here[..]
    } else {
        &args.paths
    };
    if paths.len() > 1 && args.repo.is_some() {
        return Err(Failure::usage(anyhow::anyhow!(
            "`--repo` names one repository, and there are {} folders",
            paths.len()
        )));
    }
    let places = edge::places()?;
    let mut added = Vec::new();
    let mut failed = None;
    for path in paths {
        match add(&places, args, path).await {
            Ok(name) => added.extend(name),
            Err(failure) => {
                if let Some(earlier) = failed.replace(failure) {
                    say::talk(&earlier.to_string());
                }
            }
        }
    }
    if !added.is_empty() {
        first_cycle(&places, &added).await?;
    }
    failed.map_or(Ok(()), Err)
}

/// A project that was added.
struct Added {
    name: ProjectName,
    /// Whether the tracker said what the project looks like.
    is_known: bool,
}

/// Adds one folder; nothing is returned for a rehearsal.
async fn add(places: &Places, args: &InitArgs, path: &Path) -> Result<Option<Added>, Failure> {
    let config = run::load(places)?;
    let folder = Folder::read(path, places.apart.as_ref())?;
    refuse_twice(&config, &folder)?;
    let found = look(&config, args, folder).await?;
    if let Some(other) = same_repository(&config, &found) {
        return Err(Failure::new(anyhow::anyhow!(
            "`{}` is a project already: `{other}`",
            found.tracker
        ))
        .hint("a repository belongs to one project; delete the other's file first".to_owned()));
    }
    let text = file::text(&found, now());
    let path = places
        .config
        .join("projects")
        .join(format!("{}.toml", found.name));
    if args.dry_run {
        say::out(&format!("# {}\n{text}", path.display()))?;
        return Ok(None);
    }
    write_new(&path, &text)?;
    // Read back as the daemon would: a file that we wrote and cannot read is ours to take away again.
    let config = match run::load(places) {
        Ok(config) => config,
        Err(failure) => {
            std::fs::remove_file(&path)?;
            return Err(failure);
        }
    };
    let name = ProjectName::new(found.name.as_str());
    let project = known::project(&config, name.as_str())?;
    let is_known = tell(places, &config, project, &found, &path).await?;
    Ok(Some(Added { name, is_known }))
}

/// One folder is one project, and no tree lies in another's.
fn refuse_twice(config: &Config, folder: &Folder) -> Result<(), Failure> {
    for project in config.projects.values() {
        let theirs = project
            .path
            .canonicalize()
            .unwrap_or_else(|_| project.path.clone());
        if theirs == folder.root {
            return Err(Failure::new(anyhow::anyhow!(
                "`{}` is a project already: `{}`",
                folder.root.display(),
                project.name
            ))
            .hint(format!(
                "edit {}.toml, or delete it and call this again",
                project.name
            )));
        }
        if theirs.starts_with(&folder.root) || folder.root.starts_with(&theirs) {
            return Err(Failure::new(anyhow::anyhow!(
                "`{}` and the project `{}` at `{}` lie in one another",
                folder.root.display(),
                project.name,
                theirs.display()
            ))
            .hint("two agents would work in one tree; add the outer or the inner one".to_owned()));
        }
    }
    Ok(())
}

fn same_repository(config: &Config, found: &Found) -> Option<ProjectName> {
    let same = |project: &&Project| match &project.tracker {
        TrackerChoice::GitHub { owner, repo } => found
            .tracker
            .eq_ignore_ascii_case(&format!("{owner}/{repo}")),
        TrackerChoice::Local => false,
    };
    config
        .projects
        .values()
        .find(same)
        .map(|project| project.name.clone())
}

/// Puts together what the folder, the machine and the arguments say.
async fn look(config: &Config, args: &InitArgs, folder: Folder) -> Result<Found, Failure> {
    let host = folder::web_host(&config.settings.github.base_url);
    let tracker = match (&args.repo, args.local) {
        (Some(repo), _) => Named::by_you(repo.clone()),
        (None, true) => Named::by_you(file::LOCAL.to_owned()),
        (None, false) => folder
            .remote
            .as_deref()
            .and_then(|address| folder::repository(address, &host))
            .map_or_else(
                || {
                    Named::new(
                        file::LOCAL.to_owned(),
                        "no remote on GitHub: issues live on this machine",
                    )
                },
                |repo| Named::new(repo, "from `git remote`"),
            ),
    };
    let workflow = args.workflow.clone().unwrap_or_else(|| {
        let default = if folder.is_git {
            config::WORKFLOW_DEFAULT
        } else {
            "content.toml"
        };
        default.to_owned()
    });
    let agent = agent(config, args.agent.as_deref()).await?;
    let build = match &args.build {
        Some(command) => Named::by_you(command.clone()),
        None if folder.is_git => folder.build(),
        None => Named::new("none".to_owned(), "without git there is no commit to build"),
    };
    let prepare = folder.prepare();
    let session = running_agent(config, &agent.value, &folder.root).await;
    Ok(Found {
        name: free_name(config, &folder, &tracker.value),
        tracker: tracker.value,
        tracker_from: tracker.from,
        path: folder.root,
        is_git: folder.is_git,
        agent: agent.value,
        agent_from: agent.from,
        build: build.value,
        build_from: build.from,
        prepare,
        workflow,
        session,
    })
}

/// The profile that was asked for, or the first whose program is there.
async fn agent(config: &Config, asked: Option<&str>) -> Result<Named, Failure> {
    if let Some(name) = asked {
        return Ok(Named::by_you(name.to_owned()));
    }
    let program = |name: &str| {
        let profile = config.profiles.get(&ProfileName::new(name))?;
        profile
            .start
            .first()
            .cloned()
            .filter(|program| edge::on_path(program))
    };
    let mut there = AGENTS
        .into_iter()
        .filter_map(|name| Some((name, program(name)?)));
    let Some((name, program)) = there.next() else {
        let programs: Vec<&str> = AGENTS
            .into_iter()
            .filter_map(|name| config.profiles.get(&ProfileName::new(name)))
            .filter_map(|profile| profile.start.first().map(String::as_str))
            .collect();
        return Err(Failure::new(anyhow::anyhow!(
            "none of these agents is on PATH: {}",
            programs.join(", ")
        ))
        .hint(
            "install one and log in, or name a profile of yours: `--agent <PROFILE>`".to_owned(),
        ));
    };
    let others: Vec<&str> = there.map(|(name, _)| name).collect();
    let version = edge::version(&program, "--version")
        .await
        .unwrap_or_else(|| "version unknown".to_owned());
    let from = if others.is_empty() {
        version
    } else {
        format!("{version}; also here: {}", others.join(", "))
    };
    Ok(Named::new(name.to_owned(), from))
}

/// A pane of the person's own tmux in which this agent runs in this folder: it may be adopted.
async fn running_agent(config: &Config, agent: &str, root: &Path) -> Option<String> {
    let profile = config.profiles.get(&ProfileName::new(agent))?;
    let tmux = Tmux::new(edge::own_socket()?);
    let rows = tmux.list_panes().await.ok()?;
    let row = rows
        .into_iter()
        .find(|row| row.path == root && profile.processes.contains(&row.command))?;
    Some(format!(
        "default:{}:{}.{}",
        row.session, row.window_index, row.pane_index
    ))
}

/// The repository's name, else the folder's; with the parent's before it when that is taken.
fn free_name(config: &Config, folder: &Folder, tracker: &str) -> String {
    let own = tracker
        .rsplit('/')
        .next()
        .filter(|_| tracker != file::LOCAL);
    let last = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        folder::plain_name(&name)
    };
    let name = own.map_or_else(|| last(&folder.root), folder::plain_name);
    let parent = folder.root.parent().map(last).unwrap_or_default();
    let taken = |name: &str| config.projects.contains_key(&ProjectName::new(name));
    let mut names = [name.clone(), format!("{parent}-{name}")]
        .into_iter()
        .chain((2..).map(|n| format!("{name}-{n}")));
    names
        .find(|name| !taken(name))
        .expect("there is always one more number")
}

/// Makes a file that was not there.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(
            anyhow::Error::new(error).context(format!("cannot write `{}`", path.display())),
        )
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mut file = std::fs::File::create_new(path).map_err(cannot)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(cannot)
}

/// Says what was found, a line a thing; `false` if the tracker could not be asked.
async fn tell(
    places: &Places,
    config: &Config,
    project: &Project,
    found: &Found,
    path: &Path,
) -> Result<bool, Failure> {
    let row = |what: &str, says: &str| say::out(&format!("{what:<9}{says}"));
    row("project", &format!("{}   {}", project.name, path.display()))?;
    let trackers = Trackers::new(edge::find_auth());
    let tracker = trackers
        .open(places, config, project)
        .map_err(known::unopened);
    let told = match tracker {
        Ok(tracker) => ask(config, project, &tracker).await,
        Err(failure) => Err(failure),
    };
    match &told {
        Ok(told) => row(
            "repo",
            &format!("{}   {}; {}", found.tracker, found.tracker_from, told.role),
        )?,
        Err(_) => row(
            "repo",
            &format!("{}   {}; not asked yet", found.tracker, found.tracker_from),
        )?,
    }
    row("agent", &format!("{}   {}", found.agent, found.agent_from))?;
    row("build", &format!("{}   {}", found.build, found.build_from))?;
    if let Some((prepare, from)) = &found.prepare {
        row("prepare", &format!("{prepare}   {from}"))?;
    }
    if let Some(session) = &found.session {
        row(
            "session",
            &format!("your pane {session} runs it already: `session = \"{session}\"` adopts it"),
        )?;
    }
    let told = match told {
        Ok(told) => told,
        Err(failure) => {
            say::talk(&format!(
                "\nThe file is written, but the tracker could not be asked.\n{failure}"
            ));
            return Ok(false);
        }
    };
    row("labels", &told.labels)?;
    row("phone", &told.phone)?;
    Ok(true)
}

/// What the tracker says, in words.
struct Told {
    role: String,
    labels: String,
    phone: String,
}

async fn ask(config: &Config, project: &Project, tracker: &Tracker) -> Result<Told, Failure> {
    let failed = |error: TrackerError| {
        let hint = error.hint();
        Failure::new(error).hint(hint)
    };
    if project.tracker == TrackerChoice::Local {
        return Ok(Told {
            role: "you are the owner".to_owned(),
            labels: "made when they are set".to_owned(),
            phone: "issues on this machine: nothing reaches a phone but `notify.command`"
                .to_owned(),
        });
    }
    let facts = tracker.repo().await.map_err(failed)?;
    let us = tracker.whoami().await.map_err(failed)?;
    let there = tracker.labels().await.map_err(failed)?;
    let workflow = config
        .workflow_of(project)
        .expect("the file was read against it");
    let missing = labels::missing(workflow, &there);
    let open = tracker.sweep().await.map_err(failed)?.open;
    let mut clashes: BTreeMap<&Label, usize> = BTreeMap::new();
    for stage in &workflow.stages {
        let count = open
            .iter()
            .filter(|head| head.labels.contains(&stage.label))
            .count();
        if count > 0 {
            clashes.insert(&stage.label, count);
        }
    }
    let clashes: Vec<String> = clashes
        .into_iter()
        .map(|(label, count)| {
            let issues = text::count(count, "issue");
            format!("\"{label}\" exists on {issues}: left alone, not started")
        })
        .collect();
    let mut words = vec![format!("{missing} to create")];
    words.extend(clashes);
    let role = match facts.our_role {
        role if role >= Role::Write => {
            format!("{} may write, so labels of `{}` count", us.login, us.login)
        }
        _ => format!(
            "{} may only read: labels cannot be moved, give it write access",
            us.login
        ),
    };
    let phone = doctor::whose(&us);
    Ok(Told {
        role,
        labels: words.join("; "),
        phone,
    })
}

/// Ends with what the first cycle would do.
async fn first_cycle(places: &Places, added: &[Added]) -> Result<(), Failure> {
    let config = run::load(places)?;
    let names: Vec<ProjectName> = added
        .iter()
        .filter(|added| added.is_known)
        .map(|added| added.name.clone())
        .collect();
    if client::get(places, "/version").await?.is_some() {
        say::talk("\nThe running daemon reads the new file by itself.");
    } else if !names.is_empty() {
        say::out("")?;
        cycle::rehearse(places, &config, &names).await?;
    }
    if let Some(restart) = service::projects_changed(places, &config)? {
        say::talk(&format!(
            "\nThe service may not write there yet, and holds it until:\n    {restart}"
        ));
    }
    let first = added.first().map_or("", |added| added.name.as_str());
    say::talk(&format!(
        "\nNext:\n    pointsman labels sync\n    pointsman up {first}    its trust dialog is yours, once: pointsman attach {first}\n    pointsman agent check {first}    it rehearses once, on a branch that is thrown away\n    pointsman run"
    ));
    Ok(())
}
