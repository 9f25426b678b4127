//! `pointsman service`: the pair of units with this machine's paths, written, compared and taken away.
//!
//! Every file carries a seal, so that only what we wrote and nobody changed is ever replaced or removed. A tmux server that a person
//! started is never ended.

mod accounts;
mod sealed;
mod site;
mod systemd;
mod units;

use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::{Failure, edge, run, say};
use crate::config::Config;
use crate::daemon::places::Places;
use crate::domain::Project;
use crate::ledger::{Lock, LockError};
use crate::terminal::Tmux;

use sealed::Standing;
pub(super) use site::installed;
pub(super) use systemd::Systemd;
use units::RELAY;
use units::Wanted;
pub(super) use units::{DAEMON, SERVER, Scope, Site};

#[derive(Debug, Subcommand)]
pub(super) enum ServiceVerb {
    /// Print the units
    Print(ScopeArgs),
    /// Write the units and start them; again after an update, to replace those of an older version
    Install(InstallArgs),
    /// Stop the units and remove what `install` wrote
    Uninstall(UninstallArgs),
}

#[derive(Debug, Args)]
pub(super) struct ScopeArgs {
    /// For the whole machine, in place of the calling user
    #[arg(long)]
    system: bool,
    /// For the whole machine, with an account of its own for the daemon, whose token and ledger agents cannot read (SECURITY.md says what was tried)
    #[arg(long)]
    two_users: bool,
    /// The account that agents run as, and without `--two-users` the daemon as well [default: agents]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct UninstallArgs {
    /// The units of the whole machine
    #[arg(long)]
    system: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the verb.
pub(super) fn service(verb: &ServiceVerb) -> Result<(), Failure> {
    match verb {
        ServiceVerb::Print(args) => print(args),
        ServiceVerb::Install(args) => install(args),
        ServiceVerb::Uninstall(args) => {
            let site = site::there(args.system)?;
            uninstall(&site, args)
        }
    }
}

/// The words of every difference stand under the file they are about.
fn print(args: &ScopeArgs) -> Result<(), Failure> {
    let site = site::site(args)?;
    let config = site::config(&site)?;
    for file in files(&site, &config)? {
        say::out(&format!("# {}\n{}", file.path.display(), file.text))?;
    }
    Ok(())
}

fn projects(config: &Config) -> Vec<&Project> {
    config.projects.values().collect()
}

fn files(site: &Site, config: &Config) -> Result<Vec<Wanted>, Failure> {
    let programs = site::programs(site)?;
    Ok(units::pair(site, &programs, &projects(config)))
}

fn install(args: &InstallArgs) -> Result<(), Failure> {
    let site = site::site(&args.scope)?;
    let missing = accounts::missing(&site)?;
    site::refuse_unless_root(&site)?;
    let config = site::config(&site)?;
    let programs = site::programs(&site)?;
    let files = units::pair(&site, &programs, &projects(&config));
    refuse_strangers(&site, &files)?;
    refuse_started_by_hand(&site)?;
    site::refuse_out_of_reach(&site, &programs)?;
    site::refuse_what_two_left(&site)?;
    for line in site::agents_not_found(&config, &programs.path) {
        say::talk(&line);
    }
    for command in &missing {
        say::out(&format!("account   {}", command.join(" ")))?;
    }
    if args.dry_run {
        accounts::tell_folders(&site, &config)?;
        site::tell_owners(&site)?;
        for file in &files {
            told(file)?;
        }
        say::talk("nothing was changed");
        return Ok(());
    }
    let systemd = Systemd(&site.scope);
    systemd.run(&["daemon-reload"])?;
    accounts::add(&missing)?;
    site::folders(&site)?;
    accounts::folders(&site, &config)?;
    let mut changed = Vec::new();
    for file in &files {
        if told(file)? {
            site::write(&file.path, &file.text)?;
            changed.push(file.path.as_path());
        }
    }
    start(&site, &changed)
}

/// Says what is to be done about a file; `true` if it is to be written.
fn told(file: &Wanted) -> Result<bool, Failure> {
    let there = site::text(&file.path)?;
    let (word, more) = match sealed::against(there.as_deref(), &file.text) {
        Standing::Same => ("same", String::new()),
        Standing::Absent => ("new", String::new()),
        Standing::Ours { version } if version != env!("CARGO_PKG_VERSION") => {
            ("replace", format!("   of version {version}"))
        }
        // The others were refused.
        Standing::Ours { .. } | Standing::Changed | Standing::Foreign => ("replace", String::new()),
    };
    say::out(&format!("{word:<9} {}{more}", file.path.display()))?;
    if let Some(there) = there {
        for line in sealed::difference(&there, &file.text) {
            say::out(&format!("    {line}"))?;
        }
    }
    Ok(word != "same")
}

/// What somebody else wrote, or changed, is theirs.
fn refuse_strangers(site: &Site, files: &[Wanted]) -> Result<(), Failure> {
    for file in files {
        let there = site::text(&file.path)?;
        let path = file.path.display();
        let why = match sealed::against(there.as_deref(), &file.text) {
            Standing::Same | Standing::Absent | Standing::Ours { .. } => continue,
            Standing::Changed => "was changed since `service install` wrote it",
            Standing::Foreign => "was not written by `service install`",
        };
        let edit = Systemd(&site.scope).typed(&["edit", "pointsman"]);
        return Err(
            Failure::new(anyhow::anyhow!("`{path}` {why}")).hint(format!(
                "`mv {path} {path}.old`, and put what you want different into a drop-in: `{edit}`"
            )),
        );
    }
    Ok(())
}

/// A server or a daemon that a person started has to be ended by a person.
fn refuse_started_by_hand(site: &Site) -> Result<(), Failure> {
    let systemd = Systemd(&site.scope);
    let lock = site.state.join("ledger.lock");
    if lock.exists()
        && !systemd.is_active(DAEMON)
        && let Err(LockError::Held { pid }) = Lock::take(&site.state)
    {
        let pid = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
        return Err(Failure::new(anyhow::anyhow!(
            "a daemon that was started by hand runs{pid}"
        ))
        .hint(
            "end it where it runs: Ctrl-C, or SIGTERM; it lets open steps end first".to_owned(),
        ));
    }
    if systemd.is_active(SERVER) {
        return Ok(());
    }
    let Some(sessions) = run::runtime()?.block_on(sessions(site)) else {
        return Ok(());
    };
    let downs: Vec<String> = sessions
        .iter()
        .map(|name| format!("`pointsman down {name}`"))
        .collect();
    let socket = site.socket.display();
    let last = match &site.scope {
        Scope::User => format!("`tmux -S {socket} kill-server`"),
        Scope::System { agents, .. } => {
            format!("`sudo -u {agents} tmux -S {socket} kill-server`")
        }
    };
    Err(Failure::new(anyhow::anyhow!(
        "a tmux server that was started by hand listens on `{socket}`{}",
        if sessions.is_empty() {
            String::new()
        } else {
            format!(", with {}", sessions.join(", "))
        }
    ))
    .hint(format!(
        "agents in it would be lost, so it is yours to end, when they are idle: {}",
        downs
            .into_iter()
            .chain([last])
            .collect::<Vec<_>>()
            .join(", ")
    )))
}

/// Returns the projects' sessions of a server; `None` if none listens, or if it is not the caller's to ask.
async fn sessions(site: &Site) -> Option<Vec<String>> {
    let rows = server_of(site)?.list_panes().await.ok()?;
    let mut names: Vec<String> = rows
        .into_iter()
        .map(|row| row.session)
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.dedup();
    Some(names)
}

/// Returns the agents' server as the caller may ask it: as their account and as no other, least of all as root.
fn server_of(site: &Site) -> Option<Tmux> {
    let server = Tmux::new(&site.socket);
    let Scope::System { agents, .. } = &site.scope else {
        return Some(server);
    };
    let agents = edge::account(agents)?;
    let caller = rustix::process::geteuid();
    if caller.as_raw() == agents.uid {
        return Some(server);
    }
    caller
        .is_root()
        .then(|| server.of_account(agents.uid, agents.gid))
}

/// Starts what is new. A server that runs is left alone: its agents would end.
fn start(site: &Site, changed: &[&Path]) -> Result<(), Failure> {
    let systemd = Systemd(&site.scope);
    let server = systemd.is_active(SERVER);
    end_relay_of_two(site)?;
    systemd.run(&["daemon-reload"])?;
    let units = site.scope.units();
    // What runs and keeps nothing is started anew: the daemon also when no file changed, because what `init` wrote counts only from then.
    let again: Vec<&str> = units
        .iter()
        .copied()
        .filter(|unit| *unit != SERVER && systemd.is_active(unit))
        .collect();
    systemd.run(&[&["enable", "--now"], units].concat())?;
    if !again.is_empty() {
        systemd.run(&[&["restart"], again.as_slice()].concat())?;
    }
    for unit in units.iter().filter(|unit| **unit != SERVER) {
        let word = if again.contains(unit) {
            "restarted"
        } else {
            "started"
        };
        say::out(&format!("{word:<9} {unit}"))?;
    }
    let word = if server { "runs" } else { "started" };
    say::out(&format!("{word:<9} {SERVER}"))?;
    if server && changed.iter().any(|path| path.ends_with(SERVER)) {
        let restart = systemd.typed(&["restart", SERVER]);
        say::talk(&format!(
            "\nThe tmux server goes on as it is, with its agents. When they are idle: `{restart}`"
        ));
    }
    afterwards(site);
    Ok(())
}

/// One account for both needs no relay: one that two users left behind would wait for a daemon that is gone.
fn end_relay_of_two(site: &Site) -> Result<(), Failure> {
    let path = site.units.join(RELAY);
    let is_ours = matches!(
        sealed::standing(site::text(&path)?.as_deref()),
        Standing::Ours { .. }
    );
    if site.scope.units().contains(&RELAY) || !is_ours {
        return Ok(());
    }
    Systemd(&site.scope).run(&["disable", "--now", RELAY])?;
    site::remove(&path)?;
    say::out(&format!("remove    {}", path.display()))
}

/// What a person has to know after it.
fn afterwards(site: &Site) {
    if site.scope == Scope::User && systemd::lingers() == Some(false) {
        say::talk(
            "\nBoth end when you log out. So that they stay, and start with the machine: `loginctl enable-linger`",
        );
    }
    if !site.token().exists() {
        say::talk(&format!(
            "\nA token for GitHub, if `gh` has none for it: into `{}`, mode 0600, then `service install` again",
            site.token().display()
        ));
    }
    if site.scope.two().is_some() {
        say::talk(
            "\nWhat is the daemon's is closed to agents, also by way of their tmux server. What they say stays their word, and their own account is all theirs: SECURITY.md says what was tried, and what two users do not change",
        );
    }
    if let Some(account) = site.scope.caller() {
        say::talk(&format!(
            "\nVerbs reach it as its user: `sudo -u {account} pointsman status`"
        ));
    }
}

/// What an `uninstall` of the units would remove, and what it has to leave.
#[derive(Debug)]
pub(super) struct Traces {
    /// Ours, unchanged.
    pub(super) ours: Vec<std::path::PathBuf>,
    /// Changed since.
    pub(super) changed: Vec<std::path::PathBuf>,
}

/// Looks for what `install` wrote.
pub(super) fn traces(site: &Site) -> Result<Traces, Failure> {
    let mut traces = Traces {
        ours: Vec::new(),
        changed: Vec::new(),
    };
    for path in site::paths(site) {
        match sealed::standing(site::text(&path)?.as_deref()) {
            Standing::Absent | Standing::Foreign => {}
            Standing::Ours { .. } | Standing::Same => traces.ours.push(path),
            Standing::Changed => traces.changed.push(path),
        }
    }
    Ok(traces)
}

fn uninstall(site: &Site, args: &UninstallArgs) -> Result<(), Failure> {
    let traces = traces(site)?;
    if traces.ours.is_empty() && traces.changed.is_empty() {
        return say::out("no units of ours are installed");
    }
    let sessions = run::runtime()?.block_on(sessions(site)).unwrap_or_default();
    for unit in site.scope.units().iter().rev() {
        say::out(&format!("stop      {unit}"))?;
    }
    for name in sessions {
        say::out(&format!("end       the agent of {name}"))?;
    }
    for path in &traces.ours {
        say::out(&format!("remove    {}", path.display()))?;
    }
    for path in &traces.changed {
        say::out(&format!(
            "keep      {}   changed since: yours",
            path.display()
        ))?;
    }
    for line in accounts::kept(site) {
        say::out(&format!("keep      {line}"))?;
    }
    if args.dry_run {
        say::talk("nothing was changed");
        return Ok(());
    }
    say::agreed("Go on?", args.yes)?;
    take_away(site, &traces)
}

/// Stops the units and removes what is ours.
pub(super) fn take_away(site: &Site, traces: &Traces) -> Result<(), Failure> {
    let systemd = Systemd(&site.scope);
    // A manager that does not answer runs nothing that could be stopped.
    for unit in [DAEMON, RELAY, SERVER] {
        if systemd.is_active(unit) || site.units.join(unit).exists() {
            systemd.run(&["disable", "--now", unit])?;
        }
    }
    for path in &traces.ours {
        site::remove(path)?;
    }
    systemd.run(&["daemon-reload"])
}

/// Writes anew what depends on the projects, after one came or went. Says what makes it count, if anything does.
pub(super) fn projects_changed(
    places: &Places,
    config: &Config,
) -> Result<Option<String>, Failure> {
    let Some(site) = installed(places) else {
        return Ok(None);
    };
    let wanted = units::of_projects(&site, &projects(config));
    let there = site::text(&wanted.path)?;
    let systemd = Systemd(&site.scope);
    let restart = format!(
        "{} && {}",
        systemd.typed(&["daemon-reload"]),
        systemd.typed(&["restart", "pointsman"])
    );
    match sealed::against(there.as_deref(), &wanted.text) {
        Standing::Same => Ok(None),
        Standing::Absent | Standing::Ours { .. } => match site::write(&wanted.path, &wanted.text) {
            Ok(()) => Ok(Some(restart)),
            Err(_) => Ok(Some(site::install_again(&site))),
        },
        Standing::Changed | Standing::Foreign => Ok(Some(format!(
            "add the folder to `ReadWritePaths=` in {}, then {restart}",
            wanted.path.display()
        ))),
    }
}

/// Returns how this installation's daemon is started anew.
pub(super) fn restart_hint(places: &Places) -> String {
    match installed(places) {
        Some(site) => format!(
            "restart the daemon: `{}`",
            Systemd(&site.scope).typed(&["restart", "pointsman"])
        ),
        None => "end the daemon where it runs, and start it again: `pointsman run`".to_owned(),
    }
}
