//! A tmux server of a test's own, and a small raw-mode agent that is this test binary itself, started again.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pointsman::domain::{
    FirstLine, Pane, Profile, ProfileName, Region, ScreenClaim, ScreenRule, ScreenRules, Signals,
    Submit,
};
use pointsman::terminal::{Environment, NewWindow, Sampler, Seen, Tmux};
use tempfile::TempDir;

use super::patience::{LOOK, PATIENCE};

/// A tmux server on a socket in a folder of its own; ended when dropped.
pub(crate) struct Lab {
    pub(crate) dir: TempDir,
    pub(crate) tmux: Tmux,
}

impl Lab {
    /// Starts the server.
    pub(crate) async fn new() -> Self {
        let lab = Self::without_server();
        lab.tmux.start_server().await.expect("tmux starts");
        lab
    }

    /// Makes the folder and no server.
    pub(crate) fn without_server() -> Self {
        let dir = TempDir::new().expect("a folder");
        let tmux = Tmux::new(dir.path().join("sock"))
            .with_env("HOME", dir.path())
            .with_env("TMUX_TMPDIR", dir.path());
        Self { dir, tmux }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Reads a file; empty if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs any tmux command, as a person at another terminal would.
    #[expect(clippy::disallowed_methods, reason = "a test is an edge")]
    pub(crate) fn raw(&self, words: &[&str]) -> String {
        let mut command = std::process::Command::new("tmux");
        command
            .arg("-u")
            .arg("-S")
            .arg(self.tmux.socket())
            .args(words);
        command
            .env("HOME", self.dir.path())
            .env("TMUX_TMPDIR", self.dir.path())
            .env_remove("TMUX")
            .env_remove("TMUX_PANE");
        let out = command.output().expect("tmux runs");
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    }

    pub(crate) fn window(&self, session: &str, window: &str, argv: &[&str]) -> NewWindow {
        let words = argv.iter().map(|word| (*word).to_owned()).collect();
        let env = vec![
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("FAKE_DIR".to_owned(), self.dir.path().display().to_string()),
        ];
        NewWindow {
            session: session.to_owned(),
            window: window.to_owned(),
            cwd: self.dir.path().to_owned(),
            env: Environment::Argv(env),
            argv: words,
        }
    }

    /// Starts the fake agent and waits until its composer is there and empty.
    pub(crate) async fn agent(&self) -> Pane {
        let exe = exe();
        let argv = [
            exe.to_str().expect("a plain path"),
            "--exact",
            "terminal::fake_agent",
            "--ignored",
            "--nocapture",
        ];
        let pane = self
            .tmux
            .new_window(&self.window("work", "agent", &argv))
            .await
            .expect("a window");
        self.until(&pane, |seen| seen.capture.text().contains("\n❯\u{a0}"))
            .await;
        pane
    }

    /// Looks until it sees what it waits for.
    pub(crate) async fn until(&self, pane: &Pane, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let seen = self.tmux.look(pane).await.expect("the pane is there");
            if wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!(
            "never seen; the screen is:\n{}",
            self.tmux
                .look(pane)
                .await
                .expect("the pane is there")
                .capture
                .text()
        );
    }

    pub(crate) fn sampler(&self) -> Sampler {
        Sampler::new(profile(self.dir.path()), self.dir.path()).expect("its patterns are right")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.raw(&["kill-server"]);
    }
}

pub(crate) fn exe() -> PathBuf {
    std::env::current_exe()
        .expect("we run")
        .canonicalize()
        .expect("we are there")
}

/// The fake agent's profile.
pub(crate) fn profile(dir: &Path) -> Profile {
    let program = exe()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let text = |name: &str| Some(dir.join(name).display().to_string());
    Profile {
        name: ProfileName::new("fake"),
        account: "fake".to_owned(),
        start: vec![program.clone()],
        resume: None,
        env: Vec::new(),
        pass_env: Vec::new(),
        processes: vec![program],
        versions: String::new(),
        first_line: FirstLine::Typed,
        submit: Submit {
            floor: Duration::from_millis(50),
            cursor_in_composer: true,
            clear_key: Some("15".to_owned()),
            interrupt_key: Some("1b".to_owned()),
        },
        signals: Signals {
            transcript: text("transcript.jsonl"),
            state_file: text("state-{pid}.json"),
            ..Signals::default()
        },
        screen: ScreenRules {
            composer: Some("^❯\u{a0}(.*)$".to_owned()),
            rules: vec![ScreenRule {
                name: "footer".to_owned(),
                region: Region::Bottom(3),
                pattern: "(?i)esc to cancel".to_owned(),
                claim: ScreenClaim::Dialog,
            }],
            placeholder: vec!["Type here".to_owned()],
            placeholder_dim: true,
        },
        loosens: Vec::new(),
        go_on: None,
        mends: std::collections::BTreeMap::new(),
    }
}

/// The fake agent: a raw-mode program with a composer, a transcript, a state file and a dialog.
///
/// Ctrl-D opens the dialog, Ctrl-B toggles busy, Ctrl-U clears the composer, CR submits it, Ctrl-C ends the program.
pub(crate) fn run_fake_agent() {
    let dir = PathBuf::from(
        std::env::vars_os()
            .find(|(key, _)| key == "FAKE_DIR")
            .expect("FAKE_DIR")
            .1,
    );
    let stdin = std::io::stdin();
    let mut mode = rustix::termios::tcgetattr(&stdin).expect("a terminal");
    mode.make_raw();
    rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &mode)
        .expect("a terminal");
    let mut fake = Fake {
        dir,
        composer: String::new(),
        said: 0,
        dialog: false,
        busy: false,
        pasting: false,
    };
    fake.draw("\x1b[?2004h\x1b]2;fake\x07");
    let mut pending: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stdin.lock().read(&mut buffer).unwrap_or(0);
        if count == 0 {
            return;
        }
        fake.log(&buffer[..count]);
        pending.extend_from_slice(&buffer[..count]);
        while let Some(rest) = fake.take(&pending) {
            pending = rest;
        }
        fake.draw("");
    }
}

struct Fake {
    dir: PathBuf,
    composer: String,
    said: usize,
    dialog: bool,
    busy: bool,
    pasting: bool,
}

impl Fake {
    fn log(&self, bytes: &[u8]) {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("input.log"))
            .expect("a log");
        file.write_all(bytes).expect("a log");
    }

    fn take(&mut self, pending: &[u8]) -> Option<Vec<u8>> {
        if let Some(rest) = pending.strip_prefix(b"\x1b[200~") {
            self.pasting = true;
            return Some(rest.to_vec());
        }
        if let Some(rest) = pending.strip_prefix(b"\x1b[201~") {
            self.pasting = false;
            return Some(rest.to_vec());
        }
        let (byte, rest) = pending.split_first()?;
        match byte {
            0x0d if !self.pasting => self.submit(),
            0x15 => self.composer.clear(),
            0x04 => self.dialog = !self.dialog,
            0x02 => self.busy = !self.busy,
            0x03 => std::process::exit(3),
            0x20..0x7f => self.composer.push(char::from(*byte)),
            _ => {}
        }
        Some(rest.to_vec())
    }

    fn submit(&mut self) {
        self.said += 1;
        let line = serde_json::json!({ "type": "user", "text": self.composer }).to_string() + "\n";
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("transcript.jsonl"))
            .expect("a transcript");
        file.write_all(line.as_bytes()).expect("a transcript");
        self.composer.clear();
    }

    fn draw(&self, first: &str) {
        let status = if self.busy { "busy" } else { "idle" };
        let state = serde_json::json!({ "status": status, "pid": std::process::id() }).to_string();
        std::fs::write(
            self.dir.join(format!("state-{}.json", std::process::id())),
            state,
        )
        .expect("a state file");
        let composer = match (self.dialog, self.composer.is_empty()) {
            (true, _) => "[Yes] No   Esc to cancel".to_owned(),
            (false, true) => "❯\u{a0}\x1b[2mwhat next?\x1b[0m\x1b[10D".to_owned(),
            (false, false) => format!("❯\u{a0}{}", self.composer),
        };
        let mut out = std::io::stdout();
        write!(
            out,
            "{first}\x1b[2J\x1b[Hfake agent, {} prompts\x1b[6;1H[{status}]\x1b[4;1H{composer}",
            self.said
        )
        .expect("a terminal");
        out.flush().expect("a terminal");
    }
}
