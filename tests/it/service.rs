//! `pointsman service`: what is written, what is refused, what is left alone. Real systemd runs it in `tests/systemd/run.sh`.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use pointsman::domain::Hold;
use pointsman::machine::starting::open::place;
use pointsman::machine::state::State;
use pointsman::machine::text::sha256;

use crate::builders::{dev, rules, seen};
use crate::support::home::{Home, Said};

const UNITS: &str = ".config/systemd/user";

/// A home whose PATH has an agent in a folder of its own, one that passes, and one that is not there.
fn home() -> Home {
    let home = Home::with_project();
    for name in ["bin/claude", "bin/tmux"] {
        // A tmux that finds no server.
        home.write(name, "#!/bin/sh\necho 'no server running' >&2\nexit 1\n");
        std::fs::set_permissions(home.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    home
}

fn run(home: &Home, words: &[&str]) -> Said {
    let path = format!(
        "{}:/dev/shm:/nowhere:relative:/usr/bin:/bin",
        home.path("bin").display()
    );
    let output = home.command(words).env("PATH", path).output().unwrap();
    Said::of(&output, &home.folder())
}

/// Splits what `print` says into files.
fn files(home: &Home) -> Vec<(PathBuf, String)> {
    let output = home.command(&["service", "print"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let heading = format!("# {}/", home.path(UNITS).display());
    text.split(&heading)
        .skip(1)
        .map(|part| {
            let (name, text) = part.split_once('\n').unwrap();
            (home.path(UNITS).join(name), text.to_owned())
        })
        .collect()
}

fn put(files: &[(PathBuf, String)]) {
    for (path, text) in files {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn the_units_name_this_machines_programs_and_every_project() {
    let home = home();
    home.write(".config/pointsman/github-token", "secret\n");
    let said = run(&home, &["service", "print"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let binary = env!("CARGO_BIN_EXE_pointsman");
    let lines: Vec<&str> = said
        .out
        .lines()
        .filter(|line| !line.starts_with('#') || line.starts_with("# HOME"))
        .filter(|line| {
            [
                "# HOME",
                "ExecStart",
                "Environment=PATH",
                "ReadWritePaths",
                "LoadCredential",
            ]
            .iter()
            .any(|start| line.starts_with(start))
        })
        .collect();
    let text = lines.join("\n").replace(binary, "BINARY");
    let expected = "\
# HOME/.config/systemd/user/pointsman-tmux.service
ExecStartPre=/bin/mkdir -p -m 0700 HOME/.local/state/pointsman
ExecStart=HOME/bin/tmux -D -S %t/pointsman-tmux/sock -f /dev/null
ExecStartPost=/bin/sh -c 'for i in $(seq 200); do HOME/bin/tmux -S %t/pointsman-tmux/sock show-options -s exit-empty >/dev/null 2>&1 && exit 0; sleep 0.02; done; exit 1'
Environment=PATH=HOME/bin:/usr/bin:/bin:/usr/local/bin
# HOME/.config/systemd/user/pointsman.service
ExecStart=BINARY run
Environment=PATH=HOME/bin:/usr/bin:/bin:/usr/local/bin
ReadWritePaths=-HOME/.local/state/pointsman
# HOME/.config/systemd/user/pointsman.service.d/projects.conf
ReadWritePaths=-HOME/site
LoadCredential=github-token:HOME/.config/pointsman/github-token";
    assert_eq!(text, expected);
    assert!(
        !said.out.contains("%h"),
        "a path that only systemd knows:\n{}",
        said.out
    );
}

#[test]
fn a_folder_with_a_space_and_a_percent_stays_one_word() {
    let home = Home::with_project();
    let folder = home.path("my 100% site");
    std::fs::create_dir_all(&folder).unwrap();
    let file = home.path(".config/pointsman/projects/site.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let old = home.path("site");
    std::fs::write(
        &file,
        text.replace(old.to_str().unwrap(), folder.to_str().unwrap()),
    )
    .unwrap();
    let said = run(&home, &["service", "print"]);
    assert!(
        said.out
            .contains("ReadWritePaths=\"-HOME/my 100%% site\"\n"),
        "{}",
        said.out
    );
}

#[test]
fn the_units_of_the_system_are_roots_and_need_an_account() {
    let home = home();
    let said = run(
        &home,
        &[
            "service",
            "install",
            "--system",
            "--account",
            "no-such-account",
        ],
    );
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            1,
            "Error: there is no account `no-such-account`\nHint: `sudo useradd --create-home no-such-account`, or name another one: `--account <ACCOUNT>`\n"
        )
    );
    assert_eq!(
        run(&home, &["service", "print", "--account", "ann"]).code,
        2
    );
}

#[test]
fn a_rehearsed_installation_writes_nothing() {
    let home = home();
    let said = run(&home, &["service", "install", "--dry-run"]);
    assert_eq!((said.code, said.err.as_str()), (0, "nothing was changed\n"));
    assert_eq!(
        said.out,
        "new       HOME/.config/systemd/user/pointsman-tmux.service\n\
         new       HOME/.config/systemd/user/pointsman.service\n\
         new       HOME/.config/systemd/user/pointsman.service.d/projects.conf\n"
    );
    assert!(!home.path(UNITS).exists());
}

#[test]
fn what_an_older_version_wrote_is_named_and_its_difference_shown() {
    let home = home();
    let mut files = files(&home);
    for (_, text) in &mut files {
        let body = text
            .splitn(4, '\n')
            .nth(3)
            .unwrap()
            .replace("WatchdogSec=120s", "WatchdogSec=60s");
        *text = format!(
            "# Written by `pointsman service`, version 0.0.9. What is to be different goes into a drop-in.\n# Seal: {}\n\n{body}",
            sha256(body.as_bytes())
        );
    }
    put(&files);
    let output = home
        .command(&["service", "install", "--dry-run"])
        .output()
        .unwrap();
    let said = Said::of(&output, &home.folder());
    assert_eq!(said.code, 0, "{}", said.err);
    let told: Vec<&str> = said
        .out
        .lines()
        .filter(|line| !line.contains("Seal") && !line.contains("Written by"))
        .collect();
    assert_eq!(
        told,
        [
            "replace   HOME/.config/systemd/user/pointsman-tmux.service   of version 0.0.9",
            "replace   HOME/.config/systemd/user/pointsman.service   of version 0.0.9",
            "    -WatchdogSec=60s",
            "    +WatchdogSec=120s",
            "replace   HOME/.config/systemd/user/pointsman.service.d/projects.conf   of version 0.0.9",
        ]
    );
}

#[test]
fn a_unit_that_a_person_wrote_or_changed_is_theirs() {
    let home = home();
    let mut files = files(&home);
    files[1].1.push_str("# mine\n");
    put(&files);
    let said = run(&home, &["service", "install", "--dry-run"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            1,
            "Error: `HOME/.config/systemd/user/pointsman.service` was changed since `service install` wrote it\n\
             Hint: `mv HOME/.config/systemd/user/pointsman.service HOME/.config/systemd/user/pointsman.service.old`, and put what you want different into a drop-in: `systemctl --user edit pointsman`\n"
        )
    );
    let gone = run(&home, &["service", "uninstall", "--dry-run"]);
    assert_eq!(
        gone.out,
        "stop      pointsman.service\n\
         stop      pointsman-tmux.service\n\
         remove    HOME/.config/systemd/user/pointsman.service.d/projects.conf\n\
         remove    HOME/.config/systemd/user/pointsman-tmux.service\n\
         keep      HOME/.config/systemd/user/pointsman.service   changed since: yours\n"
    );
    std::fs::write(&files[1].0, "[Service]\nExecStart=/bin/true\n").unwrap();
    let said = run(&home, &["service", "install"]);
    assert!(
        said.err
            .starts_with("Error: `HOME/.config/systemd/user/pointsman.service` was not written by `service install`\n"),
        "{}",
        said.err
    );
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let home = home();
    put(&files(&home));
    let said = run(&home, &["service", "uninstall"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            1,
            "Error: nobody can be asked: there is no terminal\nHint: pass --yes\n"
        )
    );
    assert!(home.path(UNITS).join("pointsman.service").exists());
}

/// Ends the server it names, whatever happens to the test.
struct Server(PathBuf);

impl Server {
    fn tmux(&self, words: &[&str]) -> String {
        let out = Command::new("tmux")
            .arg("-S")
            .arg(&self.0)
            .args(["-f", "/dev/null"])
            .args(words)
            .env_remove("TMUX")
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_server_that_was_started_by_hand_is_told_and_never_ended() {
    let home = Home::with_project();
    std::fs::create_dir_all(home.path("run/pointsman-tmux")).unwrap();
    let server = Server(home.path("run/pointsman-tmux/sock"));
    server.tmux(&["new-session", "-d", "-s", "site", "sleep 60"]);
    let pane = server.tmux(&["list-panes", "-a", "-F", "#{pane_pid}"]);
    assert!(!pane.is_empty());
    let output = home.command(&["service", "install"]).output().unwrap();
    let said = Said::of(&output, &home.folder());
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            1,
            "Error: a tmux server that was started by hand listens on `HOME/run/pointsman-tmux/sock`, with site\n\
             Hint: agents in it would be lost, so it is yours to end, when they are idle: `pointsman down site`, `tmux -S HOME/run/pointsman-tmux/sock kill-server`\n"
        )
    );
    assert_eq!(
        server.tmux(&["list-panes", "-a", "-F", "#{pane_pid}"]),
        pane
    );
    assert!(!home.path(UNITS).exists(), "nothing was written");
}

#[test]
fn a_daemon_that_was_started_by_hand_has_to_end_first() {
    let home = Home::with_project();
    let state = home.path(".local/state/pointsman");
    std::fs::create_dir_all(&state).unwrap();
    let _lock = pointsman::ledger::Lock::take(&state).unwrap();
    let said = home.run(&["service", "install"]);
    let expected = format!(
        "Error: a daemon that was started by hand runs (process {})\nHint: end it where it runs: Ctrl-C, or SIGTERM; it lets open steps end first\n",
        std::process::id()
    );
    assert_eq!((said.code, said.err), (1, expected));
}

#[test]
fn without_systemd_it_is_said_what_is_missing() {
    let home = home();
    let said = run(&home, &["service", "install"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.err.contains("`systemctl --user daemon-reload` failed")
            || said.err.contains("cannot start `systemctl`"),
        "{}",
        said.err
    );
    assert!(said.err.contains("\nHint: "), "{}", said.err);
    assert!(!home.path(UNITS).exists(), "nothing was written");
}

#[test]
fn a_project_that_the_daemon_may_not_write_into_is_held() {
    let home = Home::with_project();
    let config = pointsman::config::load(&home.path(".config/pointsman"), &home.folder())
        .expect("it is right");
    let mut rules = rules();
    rules.profiles = config.profiles;
    rules.skills = config
        .skills
        .into_keys()
        .map(|name| (name, String::new()))
        .collect();
    let mut seen = seen(Vec::new());
    let hold = Hold::NotWritable {
        path: "/srv/blog/.pointsman".to_owned(),
        hint: "the service does not know it".to_owned(),
    };
    seen.misplaced = Some(hold.clone());
    assert_eq!(
        place(&rules, &State::default(), &seen, &dev(), None),
        Err(hold)
    );
}

#[test]
fn two_users_differ_in_what_lets_each_in_and_in_nothing_else() {
    let home = home();
    let account = ["--account", "robots"];
    let two = run(
        &home,
        &[&["service", "print", "--two-users"][..], &account].concat(),
    );
    assert_eq!(two.code, 0, "{}", two.err);
    let own = |text: &str| -> Vec<String> {
        let is_said = |line: &&str| !line.starts_with('#') && !line.is_empty();
        text.lines().filter(is_said).map(str::to_owned).collect()
    };
    let (two, shipped) = (
        own(&two.out),
        own(&format!(
            "{}{}{}",
            include_str!("../../systemd/pointsman-tmux.service"),
            include_str!("../../systemd/pointsman-relay.service"),
            include_str!("../../systemd/pointsman.service")
        )),
    );
    let is_machines = |line: &&String| {
        line.starts_with("Environment=PATH")
            || line.starts_with("Environment=POINTSMAN_AGENTS_PATH=")
            || line.starts_with("ExecStart") && !line.contains("+/")
    };
    let new: Vec<&str> = two
        .iter()
        .filter(|line| !shipped.contains(line))
        .filter(|line| !is_machines(line))
        .map(String::as_str)
        .collect();
    let server = include_str!("../../systemd/pointsman-tmux.service");
    assert!(
        !server.contains("server-access") && !two.iter().any(|line| line.contains("server-access"))
    );
    assert_eq!(
        new,
        [
            "User=robots",
            // The relay's.
            "User=robots",
            "Wants=pointsman-tmux.service pointsman-relay.service network-online.target",
            "After=pointsman-tmux.service pointsman-relay.service network-online.target",
            "User=pointsman",
            "SupplementaryGroups=robots",
            "RuntimeDirectoryMode=0711",
            "ExecStartPre=+/usr/bin/install -d -o pointsman -g robots -m 2770 %t/pointsman/agents",
            "ConfigurationDirectoryMode=0750",
            "ProtectProc=default",
            "ReadWritePaths=-/var/lib/pointsman-agents",
        ]
    );
    let gone: Vec<&String> = shipped.iter().filter(|line| !two.contains(line)).collect();
    let changed = [
        "User=",
        "RuntimeDirectoryMode=",
        "ProtectProc=",
        "UMask=",
        "Exec",
        "Wants=",
        "After=",
        "Environment=PATH",
    ];
    for line in gone {
        assert!(
            changed.iter().any(|start| line.starts_with(start)),
            "{line}"
        );
    }
}
