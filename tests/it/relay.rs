//! The relay: what it reads for a daemon of another account is what that account's own daemon would read, and the clients it runs do what
//! that daemon's own would do.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use pointsman::domain::{DeliveryId, Profile};
use pointsman::terminal::receipt::{ReceiptKind, Whereabouts};

use pointsman::terminal::{AgentsHome, Guarded, PaneRow, ROW_FORMAT, Tmux, TmuxError, Watch};

use crate::support::patience::{PATIENCE, until_blocking as until};
use crate::support::relay::{Relay, known};
use crate::support::tmux::{Lab, profile};

/// A home with a transcript in it.
struct Home {
    dir: tempfile::TempDir,
    profile: Profile,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut profile = profile(dir.path());
        profile.signals.transcript = Some("{home}/said.jsonl".to_owned());
        let home = Self { dir, profile };
        home.say("before");
        home
    }

    fn say(&self, text: &str) {
        let path = self.dir.path().join("said.jsonl");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, r#"{{"type": "user", "text": "{text}"}}"#).unwrap();
    }

    fn at(&self) -> Whereabouts {
        Whereabouts {
            home: self.dir.path().to_owned(),
            cwd: self.dir.path().to_owned(),
            agent: None,
            session: None,
            hooks: None,
        }
    }

    fn tmux(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    fn relayed(&self) -> AgentsHome {
        AgentsHome::relayed(self.dir.path(), known(&self.tmux().with_file_name("relay")))
    }
}

#[test]
fn a_receipt_by_relay_is_the_receipt_itself() {
    let home = Home::new();
    let _relay = Relay::beside(&home.tmux());
    let (here, there) = (AgentsHome::from(home.dir.path()), home.relayed());
    assert_eq!(there.unread(), None);
    let (profile, at) = (&home.profile, home.at());
    let since = there.offsets(profile, &at);
    assert_eq!(since, here.offsets(profile, &at));
    assert_eq!(since.0.len(), 1, "the transcript is known");
    let id = DeliveryId::new("ab12cd34");
    assert_eq!(there.receipt(profile, &at, &since, &id), None);
    home.say("Task ab12cd34: read it");
    let receipt = there
        .receipt(profile, &at, &since, &id)
        .expect("it is there");
    assert_eq!(receipt.kind, ReceiptKind::Prompt);
    assert_eq!(Some(receipt), here.receipt(profile, &at, &since, &id));
}

#[test]
fn without_a_relay_nothing_is_evidence_and_it_is_said() {
    let home = Home::new();
    let there = home.relayed();
    home.say("Task ab12cd34: read it");
    let (profile, at) = (&home.profile, home.at());
    let id = DeliveryId::new("ab12cd34");
    let since = there.offsets(profile, &at);
    assert_eq!(there.receipt(profile, &at, &since, &id), None);
    let why = there.unread().expect("nobody reads");
    assert!(why.contains("the relay does not answer"), "{why}");
    // Who reads for itself needs none.
    assert_eq!(AgentsHome::from(home.dir.path()).unread(), None);
}

/// Agents own the folder, and can put a relay of their own there.
/// Whoever takes a folder away counts one that is not there as gone: no relay is another matter.
#[test]
fn without_a_relay_no_folder_counts_as_gone() {
    let dir = tempfile::TempDir::new().unwrap();
    let relay = known(&dir.path().join("relay"));
    let error = relay.remove(dir.path(), false).unwrap_err();
    assert_ne!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("does not answer"), "{error}");
    assert!(dir.path().is_dir());
}

#[tokio::test]
async fn one_that_answers_a_byte_now_and_then_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let relay = known(&dir.path().join("relay"));
    let listener = UnixListener::bind(&relay.socket).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            // Who asked may have gone.
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    });
    let began = std::time::Instant::now();
    let why = AgentsHome::relayed(dir.path(), relay.clone()).unread();
    assert!(why.is_some());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let began = std::time::Instant::now();
    let tmux = Tmux::relayed(dir.path().join("sock"), relay);
    let error = tmux.list_panes().await.unwrap_err();
    assert!(matches!(error, TmuxError::Timeout { .. }), "{error}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// A server, and its relay.
async fn lab() -> (Lab, Relay, Tmux) {
    let lab = Lab::new().await;
    let relay = Relay::beside(lab.tmux.socket());
    let tmux = Tmux::relayed(lab.tmux.socket(), relay.known());
    (lab, relay, tmux)
}

/// Asks as the daemon's process would, in its own words.
fn ask(relay: &Relay, question: &str) -> UnixStream {
    let mut stream = UnixStream::connect(relay.known().socket).unwrap();
    writeln!(stream, "{question}").unwrap();
    stream
}

fn answer(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    // One that was refused may be reset.
    let _cut = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test]
async fn clients_by_relay_do_what_ones_own_do_and_none_is_ours() {
    let (lab, _relay, tmux) = lab().await;
    let pane = lab.agent().await;
    let names = |rows: Vec<PaneRow>| -> Vec<_> {
        let name = |row: PaneRow| (row.pane, row.session, row.window, row.command, row.path);
        rows.into_iter().map(name).collect()
    };
    assert_eq!(
        names(tmux.list_panes().await.unwrap()),
        names(lab.tmux.list_panes().await.unwrap())
    );
    let there = tmux.look(&pane).await.unwrap();
    assert_eq!(there.row.pane, pane);
    assert!(there.capture.text().contains("fake agent"));
    assert!(matches!(
        tmux.resolve_target("nobody").await,
        Err(TmuxError::NoTarget { .. })
    ));
    let made = tmux
        .new_window(&lab.window("more", "agent", &["/bin/sleep", "100"]))
        .await
        .unwrap();
    assert_eq!(
        tmux.kill_pane(&made).await.unwrap(),
        Guarded::Done,
        "and it is ended"
    );
    assert_eq!(lab.tmux.find("more", "agent").await.unwrap(), None);
    assert_eq!(tmux.spawned(), 0);
}

#[tokio::test]
async fn a_watch_by_relay_sees_the_panes_and_its_client_ends_with_the_connection() {
    let (lab, relay, tmux) = lab().await;
    let pane = lab.agent().await;
    let clients = || {
        lab.raw(&["list-clients", "-F", "#{client_pid}"])
            .lines()
            .count()
    };
    let mut watch = Watch::new(tmux.clone());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let seen = watch.tick(now).await.unwrap();
    assert_eq!(seen.panes.len(), 1);
    assert!(
        watch
            .look(&pane)
            .await
            .unwrap()
            .capture
            .text()
            .contains("fake agent")
    );
    assert_eq!((clients(), tmux.spawned()), (1, 0));
    drop(watch);
    until("the client ends", || clients() == 0);
    // Who dies with answers unread leaves nobody behind either.
    let mut dies = ask(&relay, r#"{"Control":{"session":"_ctl"}}"#);
    until("the client is there", || clients() == 1);
    dies.write_all("list-keys\n".repeat(50).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    drop(dies);
    until("the client of one that died ends", || clients() == 0);
    lab.tmux.kill_server().await.unwrap();
    let error = Watch::new(tmux).tick(now).await.unwrap_err();
    assert!(matches!(error, TmuxError::NoServer { .. }), "{error}");
}

#[tokio::test]
async fn a_relay_runs_clients_of_its_own_server_and_starts_none() {
    let (lab, relay, tmux) = lab().await;
    for words in [
        r#"["-S","/tmp/other","list-panes"]"#,
        r#"["-Lother","list-panes"]"#,
        "[]",
    ] {
        let question = format!(r#"{{"Tmux":{{"words":{words},"stdin":null}}}}"#);
        let said = answer(ask(&relay, &question));
        assert!(said.contains("it is no command of tmux"), "{said}");
    }
    lab.tmux.kill_server().await.unwrap();
    let new = lab.window("work", "agent", &["/bin/sleep", "100"]);
    for error in [
        tmux.start_server().await.unwrap_err(),
        tmux.new_window(&new).await.unwrap_err(),
    ] {
        assert!(matches!(error, TmuxError::NoServer { .. }), "{error}");
    }
    assert!(lab.raw(&["list-sessions"]).contains("no server running"));
}

/// The folder is the agents': what lies there may lead to somebody who trusts the daemon.
#[tokio::test]
async fn another_accounts_socket_is_told_nothing_and_another_account_is_not_answered() {
    let lab = Lab::new().await;
    let listener = UnixListener::bind(lab.path("relay")).unwrap();
    let mut foreign = known(&lab.path("relay"));
    foreign.uid += 1;
    let tmux = Tmux::relayed(lab.tmux.socket(), foreign.clone());
    let error = tmux.list_panes().await.unwrap_err();
    assert!(matches!(error, TmuxError::NoRelay { .. }), "{error}");
    assert!(
        error.to_string().contains("listens there, and not uid"),
        "{error}"
    );
    assert!(foreign.missing().is_some());
    for _ in 0..2 {
        assert_eq!(answer_of_nobody(&listener), "");
    }
    drop(listener);
    std::fs::remove_file(lab.path("relay")).unwrap();

    let relay = Relay::answering(lab.tmux.socket(), foreign.uid);
    let why = relay.known().missing().expect("it answers another account");
    assert!(why.contains("does not answer"), "{why}");
    let error = Tmux::relayed(lab.tmux.socket(), relay.known())
        .list_panes()
        .await
        .unwrap_err();
    assert!(!matches!(error, TmuxError::NoServer { .. }), "{error}");
}

/// Reads what came over the next connection.
fn answer_of_nobody(listener: &UnixListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    answer(stream)
}

#[test]
fn a_relay_whose_socket_was_taken_away_ends_so_that_its_unit_starts_it_again() {
    let home = Home::new();
    let mut relay = Relay::beside(&home.tmux());
    std::fs::remove_file(relay.known().socket).unwrap();
    let _other = UnixListener::bind(relay.known().socket).unwrap();
    until("it ends", || relay.child.try_wait().unwrap().is_some());
}

/// Who gave up waits no longer, and takes it for undone, or looks: done a while later it might be done twice.
#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_done() {
    let (lab, relay, _tmux) = lab().await;
    let question = |name: &str| {
        format!(r#"{{"Tmux":{{"words":["set-buffer","-b","{name}","x"],"stdin":null}}}}"#)
    };
    // Nobody else gets a word in while these say nothing.
    let silent: Vec<UnixStream> = (0..32)
        .map(|_| UnixStream::connect(relay.known().socket).unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    drop(ask(&relay, &question("gone")));
    let waits = ask(&relay, &question("waits"));
    assert_eq!(lab.raw(&["list-buffers", "-F", "#{buffer_name}"]), "");
    assert_eq!(answer(waits).trim(), r#"{"Ok":""}"#);
    assert_eq!(
        lab.raw(&["list-buffers", "-F", "#{buffer_name}"]),
        "waits\n"
    );
    drop(silent);
}

/// A server may name any process as a pane's: the daemon ends none on its word.
#[tokio::test]
async fn a_process_of_ours_that_a_server_names_is_not_ended() {
    let lab = Lab::new().await;
    let pane = lab.agent().await;
    let mut ours = std::process::Command::new("sleep")
        .arg("100")
        .spawn()
        .unwrap();
    let row = lab.raw(&["list-panes", "-a", "-F", ROW_FORMAT]);
    let is_it =
        |row: &&str| PaneRow::parse(lab.tmux.socket(), row).is_some_and(|row| row.pane == pane);
    let row = row.lines().find(is_it).expect("the agent's row");
    let (_, start) = pane.generation.split_once('.').unwrap();
    let me = std::process::id();
    let fields: Vec<&str> = row.splitn(4, '|').collect();
    let (id, rest) = (fields[1], fields[3]);
    let lie = format!("{me}.{start}|{id}|{}|{rest}", ours.id());
    let named = PaneRow::parse(lab.tmux.socket(), &lie).expect("a row").pane;
    assert_eq!(
        (named.pid, named.generation),
        (ours.id(), format!("{me}.{start}"))
    );
    let listener = UnixListener::bind(lab.path("relay")).unwrap();
    let asked = std::thread::spawn(move || liar(&listener, &lie));
    let tmux = Tmux::relayed(lab.tmux.socket(), known(&lab.path("relay")));
    let row = tmux.list_panes().await.unwrap().remove(0);
    assert_eq!(tmux.kill_pane(&row.pane).await.unwrap(), Guarded::Done);
    assert_eq!(ours.try_wait().unwrap(), None, "it lives");
    drop(tmux);
    std::fs::remove_file(lab.path("relay")).unwrap();
    assert!(asked.join().unwrap() > 0, "the relay was asked to end it");
    ours.kill().unwrap();
    ours.wait().unwrap();
}

/// A relay that says what it likes; returns how often it was asked to end something.
fn liar(listener: &UnixListener, row: &str) -> usize {
    use std::io::BufRead as _;
    let mut ends = 0;
    while ends < 2 {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(&stream)
            .read_line(&mut line)
            .unwrap();
        let said = if line.starts_with(r#"{"End""#) {
            ends += 1;
            "null".to_owned()
        } else if line.contains(r#""list-panes""#) {
            serde_json::json!({ "Ok": format!("{row}\n") }).to_string()
        } else {
            serde_json::json!({ "Ok": "ok\n" }).to_string()
        };
        writeln!(stream, "{said}").unwrap();
    }
    ends
}

/// Silence is not waited for in the relay either.
#[test]
fn one_that_asks_a_byte_now_and_then_is_cut_off() {
    let home = Home::new();
    let relay = Relay::beside(&home.tmux());
    let mut stream = UnixStream::connect(relay.known().socket).unwrap();
    let began = std::time::Instant::now();
    while stream.write_all(b" ").is_ok() {
        assert!(began.elapsed() < PATIENCE, "it still listens");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Whoever has the account can trace what root runs as it, and would push keys into the terminal that it shares with root.
#[tokio::test]
async fn what_root_runs_as_another_account_has_no_terminal_of_roots() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::TempDir::new().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open.clone()).unwrap();
    let program = dir.path().join("tmux");
    let says = "#!/bin/sh\nread -r _ _ _ _ _ session _ </proc/$$/stat\necho \"own: $((session == $$)), uid $(id -u), groups $(id -G)\" >&2\nexit 1\n";
    std::fs::write(&program, says).unwrap();
    std::fs::set_permissions(&program, open).unwrap();
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    let tmux = Tmux::new("/nowhere").with_env("PATH", path);
    let error = tmux.of_account(65534, 65534).list_panes().await;
    let said = error.unwrap_err().to_string();
    assert!(said.contains("own: 1, uid 65534, groups 65534"), "{said}");
}
