//! Where the units belong on this machine, and the files themselves.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::accounts;
use super::units::{self, DAEMON, PROJECTS, Programs, RELAY, SERVER, Scope, Site};
use super::{ScopeArgs, Standing, sealed};
use crate::cli::edge::{SYSTEM_CONFIG, SYSTEM_STATE};
use crate::cli::{Failure, edge, say};
use crate::config::{self, Config};
use crate::daemon::places::Places;

/// The agents' account, unless another is named.
const AGENTS: &str = "agents";
/// Where the machine's manager looks for units of the machine's administrator.
const SYSTEM_UNITS: &str = "/etc/systemd/system";
/// The runtime folder of the system, `%t` in its units.
const SYSTEM_RUNTIME: &str = "/run";
/// Folders of a home in which people keep programs that no PATH of a service knows.
const HOME_PROGRAMS: [&str; 6] = [
    ".local/bin",
    "bin",
    ".cargo/bin",
    ".npm-global/bin",
    ".bun/bin",
    ".opencode/bin",
];

/// Below these nothing outlives a restart.
const PASSING: [&str; 5] = ["/tmp", "/run", "/proc", "/dev", "/var/tmp"];
/// Below these other people's programs lie, which the units' account may not start.
const HOMES: [&str; 2] = ["/home", "/root"];

/// Works out the place that is asked for.
pub(super) fn site(args: &ScopeArgs) -> Result<Site, Failure> {
    if !args.system && !args.two_users {
        if args.account.is_some() {
            return Err(Failure::usage(anyhow::anyhow!(
                "`--account` goes with `--system` or `--two-users`"
            )));
        }
        return of_a_person(&edge::places()?);
    }
    let agents = args.account.as_deref().unwrap_or(AGENTS).to_owned();
    let found = edge::account(&agents);
    if args.two_users {
        let scope = Scope::System {
            daemon: accounts::DAEMON.to_owned(),
            agents: agents.clone(),
        };
        let home = found.map_or_else(|| accounts::home_of(&agents), |found| found.home);
        return Ok(of_the_system(scope, home));
    }
    let Some(found) = found else {
        return Err(
            Failure::new(anyhow::anyhow!("there is no account `{agents}`")).hint(format!(
                "`sudo useradd --create-home {agents}`, or name another one: `--account <ACCOUNT>`"
            )),
        );
    };
    Ok(of_the_system(one_account(agents), found.home))
}

fn one_account(name: String) -> Scope {
    Scope::System {
        agents: name.clone(),
        daemon: name,
    }
}

fn of_a_person(places: &Places) -> Result<Site, Failure> {
    let units = edge::config_home()?.join("systemd/user");
    let home = &places.home;
    Ok(Site {
        scope: Scope::User,
        units,
        config: places.config.clone(),
        state: places.state.clone(),
        socket: places.socket.clone(),
        is_default: places.config == home.join(".config/pointsman")
            && places.state == home.join(".local/state/pointsman"),
        home: home.clone(),
    })
}

fn of_the_system(scope: Scope, home: PathBuf) -> Site {
    Site {
        scope,
        units: PathBuf::from(SYSTEM_UNITS),
        config: PathBuf::from(SYSTEM_CONFIG),
        state: PathBuf::from(SYSTEM_STATE),
        socket: Path::new(SYSTEM_RUNTIME).join("pointsman-tmux/sock"),
        is_default: true,
        home,
    }
}

/// Returns the place of units that may be there.
pub(super) fn there(system: bool) -> Result<Site, Failure> {
    if !system {
        return of_a_person(&edge::places()?);
    }
    // Without units there is nobody whose home counts.
    Ok(system_site()
        .unwrap_or_else(|| of_the_system(one_account(String::new()), PathBuf::from("/"))))
}

/// Reads off the installed unit of the system whose it is.
fn system_site() -> Option<Site> {
    let user = |unit: &str| {
        let unit = text(&Path::new(SYSTEM_UNITS).join(unit)).ok()??;
        let user = unit.lines().find_map(|line| line.strip_prefix("User="))?;
        Some(user.to_owned())
    };
    let daemon = user(DAEMON)?;
    let agents = user(SERVER).unwrap_or_else(|| daemon.clone());
    let home = edge::account(&agents)?.home;
    Some(of_the_system(Scope::System { agents, daemon }, home))
}

/// Returns the place of the units that run this installation, if they are installed.
pub(in crate::cli) fn installed(places: &Places) -> Option<Site> {
    let site = if places.config == Path::new(SYSTEM_CONFIG) {
        system_site()?
    } else {
        of_a_person(places).ok()?
    };
    let unit = text(&site.units.join(DAEMON)).ok()??;
    (sealed::standing(Some(&unit)) != Standing::Foreign).then_some(site)
}

/// Reads the configuration the daemon would read.
pub(super) fn config(site: &Site) -> Result<Config, Failure> {
    config::load(&site.config, &site.home).map_err(Failure::config)
}

/// Finds the programs, and the folders in which the units find theirs.
pub(super) fn programs(site: &Site) -> Result<Programs, Failure> {
    let tmux = edge::program("tmux")
        .ok_or_else(|| Failure::of_tmux(crate::terminal::TmuxError::Missing))?;
    let mut folders = edge::path_folders();
    folders.extend(HOME_PROGRAMS.map(|below| site.home.join(below)));
    let is_kept = |folder: &Path| {
        let below = |roots: &[&str]| roots.iter().any(|root| folder.starts_with(root));
        let elsewhere = site.scope != Scope::User && below(&HOMES);
        folder.is_dir() && (folder.starts_with(&site.home) || !(elsewhere || below(&PASSING)))
    };
    let agents = site
        .scope
        .two()
        .and_then(|(agents, _)| edge::account(agents));
    let is_theirs = |folder: &Path| {
        let owner = agents.as_ref().map(|agents| agents.uid);
        folder.starts_with(&site.home) || owner.is_some_and(|uid| edge::is_of(folder, uid))
    };
    Ok(Programs {
        pointsman: edge::binary()?,
        tmux,
        path: units::path(&folders, is_kept),
        path_apart: units::path(&folders, |folder| is_kept(folder) && !is_theirs(folder)),
    })
}

/// Says which agents the units would not find.
pub(super) fn agents_not_found(config: &Config, path: &str) -> Vec<String> {
    let mut missing = std::collections::BTreeSet::new();
    for project in config.projects.values() {
        for name in project.stages.values().chain([&project.agent]) {
            let program = config
                .profiles
                .get(name)
                .and_then(|profile| profile.start.first());
            if let Some(program) = program
                && !program.contains('/')
                && !program.starts_with('{')
                && !path
                    .split(':')
                    .any(|folder| Path::new(folder).join(program).exists())
            {
                missing.insert(format!(
                    "Warning: `{program}` (agent `{name}`) is in no folder of the units' PATH\nHint: call this from a shell that finds it"
                ));
            }
        }
    }
    missing.into_iter().collect()
}

/// The system's units are root's to write.
pub(super) fn refuse_unless_root(site: &Site) -> Result<(), Failure> {
    if site.scope == Scope::User || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(
        Failure::new(anyhow::anyhow!("units of the system are written by root")).hint(
            "the same with `sudo`, or without `--system`: then they are yours alone".to_owned(),
        ),
    )
}

/// The account of the units has to be able to start this program.
pub(super) fn refuse_out_of_reach(site: &Site, programs: &Programs) -> Result<(), Failure> {
    if site.scope == Scope::User {
        return Ok(());
    }
    let binary = &programs.pointsman;
    let is_open = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o001 != 0)
    };
    match binary.ancestors().find(|path| !is_open(path)) {
        None => Ok(()),
        Some(path) => Err(Failure::new(anyhow::anyhow!(
            "`{}` cannot be started by other accounts: `{}` is closed to them",
            binary.display(),
            path.display()
        ))
        .hint(format!(
            "`install -m 0755 {} /usr/local/bin/pointsman`, then `/usr/local/bin/pointsman service install {}`",
            binary.display(),
            match site.scope.two() {
                Some(_) => "--two-users",
                None => "--system",
            }
        ))),
    }
}

/// Makes the folders that have to be there before the daemon is. The configuration's belongs to the account whose verbs write it.
pub(super) fn folders(site: &Site) -> Result<(), Failure> {
    let Scope::System { daemon, .. } = &site.scope else {
        return make(&site.state, 0o700);
    };
    let owner = edge::account(daemon).expect("it was looked for, or made");
    let two = site.scope.two().is_some();
    // With two users it may hold what is not for agents: the address of `[notify]`, an App's key.
    let bits = if two { 0o750 } else { 0o755 };
    for folder in [site.config.clone(), site.config.join("projects")] {
        make(&folder, bits)?;
        own(&folder, owner.uid, owner.gid)?;
        if two {
            mode(&folder, bits)?;
        }
    }
    for path in of_others(&site.config, owner.uid) {
        take_over(&path, &owner)?;
    }
    Ok(())
}

/// Returns what in the configuration belongs to an account that is neither root nor the daemon's: as after a change from one account to
/// two. Links are a person's to look at.
fn of_others(config: &Path, daemon: u32) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![config.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else {
                continue;
            };
            if (facts.is_dir() || facts.is_file()) && ![0, daemon].contains(&facts.uid()) {
                found.push(entry.path());
            }
            if facts.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Says what [`folders`] would take over.
pub(super) fn tell_owners(site: &Site) -> Result<(), Failure> {
    if let Scope::System { daemon, .. } = &site.scope
        && let Some(daemon) = edge::account(daemon)
    {
        for path in of_others(&site.config, daemon.uid) {
            say::out(&format!("owner     {}", path.display()))?;
        }
    }
    Ok(())
}

/// Hands a folder over, and a file as a copy: its old owner may hold it open, or by another name.
fn take_over(path: &Path, owner: &edge::Account) -> Result<(), Failure> {
    use std::io::Write as _;
    say::out(&format!("owner     {}", path.display()))?;
    if !path.is_dir() {
        let copied = std::fs::read(path).and_then(|bytes| {
            let mode = std::fs::metadata(path)?.permissions().mode() & 0o640;
            let mut copy = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
            copy.write_all(&bytes)?;
            let bits = std::fs::Permissions::from_mode(mode);
            copy.as_file().set_permissions(bits)?;
            copy.as_file().sync_all()?;
            copy.persist(path).map(drop).map_err(|error| error.error)
        });
        copied.map_err(|error| failed(error, "take over", path))?;
    }
    own(path, owner.uid, owner.gid)
}

/// What two users left makes a daemon of a third account look for its agents there, where it may not.
pub(super) fn refuse_what_two_left(site: &Site) -> Result<(), Failure> {
    let Scope::System { daemon, .. } = &site.scope else {
        return Ok(());
    };
    let left = edge::agents_state(&site.state);
    let whose = std::fs::metadata(left.join("trees")).ok();
    let daemon = edge::account(daemon);
    match (whose, daemon) {
        (Some(whose), Some(daemon)) if site.scope.two().is_none() && whose.uid() != daemon.uid => {
            let left = left.display();
            Err(Failure::new(anyhow::anyhow!(
                "`{left}` is left of two users, and `{}` would be taken for one of them",
                daemon.name
            ))
            .hint(format!(
                "`sudo rm -r {left}`, once nothing in its work trees is needed"
            )))
        }
        _ => Ok(()),
    }
}

/// Returns the paths of what `install` may have written.
pub(super) fn paths(site: &Site) -> Vec<PathBuf> {
    vec![
        site.units.join(PROJECTS),
        site.units.join(DAEMON),
        site.units.join(RELAY),
        site.units.join(SERVER),
    ]
}

/// Returns the command that does what its caller may not.
pub(super) fn install_again(site: &Site) -> String {
    match &site.scope {
        Scope::User => "pointsman service install".to_owned(),
        Scope::System { agents, .. } => {
            let users = match site.scope.two() {
                Some(_) => "--two-users",
                None => "--system",
            };
            format!("sudo pointsman service install {users} --account {agents}")
        }
    }
}

/// Reads a file; `None` if it is not there.
pub(super) fn text(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error, "read", path)),
    }
}

/// Puts a file in its place, whole.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let folder = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder).map_err(|error| failed(error, "make", folder))?;
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    });
    written.map_err(|error| failed(error, "write", path))
}

/// Removes a file, and its folder if nothing else is in it and it is a drop-in's.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    std::fs::remove_file(path).map_err(|error| failed(error, "remove", path))?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| folder.to_string_lossy().ends_with(".d"))
    {
        // Another drop-in in it is a person's.
        let _kept = std::fs::remove_dir(folder);
    }
    Ok(())
}

pub(super) fn make(folder: &Path, bits: u32) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|error| failed(error, "make", folder))?;
    mode(folder, bits)
}

pub(super) fn mode(path: &Path, bits: u32) -> Result<(), Failure> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits))
        .map_err(|error| failed(error, "open to others", path))
}

pub(super) fn own(path: &Path, uid: u32, gid: u32) -> Result<(), Failure> {
    let facts = std::fs::symlink_metadata(path).map_err(|error| failed(error, "look at", path))?;
    if facts.uid() == uid && facts.gid() == gid {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
        .map_err(|error| failed(error, "hand over", path))
}

pub(super) fn failed(error: std::io::Error, what: &str, path: &Path) -> Failure {
    Failure::new(anyhow::Error::new(error).context(format!("cannot {what} `{}`", path.display())))
        .hint("check who owns it, and whether the disk is full".to_owned())
}
