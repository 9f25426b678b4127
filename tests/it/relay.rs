//! The relay: what it reads for a daemon of another account is what that account's own daemon would read.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use pointsman::domain::{DeliveryId, Profile};
use pointsman::terminal::AgentsHome;
use pointsman::terminal::receipt::{ReceiptKind, Whereabouts};

use crate::support::tmux::profile;

/// A relay beside the socket of a tmux server that is not needed for it.
struct Relay(Child);

impl Relay {
    fn beside(tmux: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .arg("relay")
            .arg(tmux)
            .spawn()
            .expect("it starts");
        Self(child)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it ended");
    }
}

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
        use std::io::Write as _;
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
        AgentsHome::relayed(self.dir.path(), &self.tmux())
    }
}

fn until_read(home: &AgentsHome) {
    for _ in 0..400 {
        if home.unread().is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{:?}", home.unread());
}

#[test]
fn a_receipt_by_relay_is_the_receipt_itself() {
    let home = Home::new();
    let _relay = Relay::beside(&home.tmux());
    let (here, there) = (AgentsHome::from(home.dir.path()), home.relayed());
    until_read(&there);
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
#[test]
fn one_that_answers_a_byte_now_and_then_is_not_waited_for() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(dir.path().join("relay")).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..9 {
            // Who asked may have gone.
            let _gone = stream.write_all(b" ");
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let began = std::time::Instant::now();
    let why = AgentsHome::relayed(dir.path(), &dir.path().join("sock")).unread();
    assert!(why.is_some());
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
}
