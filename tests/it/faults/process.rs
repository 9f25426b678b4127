//! The fake program as a process in a pane: raw mode, a log of every byte, a state file, a transcript.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::tui::{Frame, Said, Tui};

/// How long it stands still (F71): several of the waits for a receipt.
pub(crate) const STALL: Duration = Duration::from_millis(900);
/// How often orders are looked for.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};
/// How late a slow start (F24) sets its terminal, and throws away what came before.
const SLOW_START: Duration = Duration::from_millis(400);

fn variable(name: &str) -> String {
    std::env::vars()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
        .unwrap_or_default()
}

/// Runs until it is ended. `FAKE_DIR` is where its files lie, `FAKE_FAULTS` what it does wrong.
pub(crate) fn run() {
    let dir = PathBuf::from(variable("FAKE_DIR"));
    let rows: Vec<String> = variable("FAKE_FAULTS")
        .split(',')
        .filter(|row| !row.is_empty())
        .map(str::to_owned)
        .collect();
    let begun = Instant::now();
    let mut tui = Tui::new(&rows);
    let stdin = std::io::stdin();
    let mut mode = tcgetattr(&stdin).expect("a terminal");
    mode.make_raw();
    if !tui.has("F24") && !tui.has("F21") {
        tcsetattr(&stdin, OptionalActions::Now, &mode).expect("a terminal");
    }
    let frames = if tui.has("F11") { "" } else { "\u{1b}[?2004h" };
    let keys = if tui.has("F04") { "\u{1b}[>4;2m" } else { "" };
    write!(std::io::stdout(), "\u{1b}[2J{frames}{keys}").expect("a terminal");
    let mut shown = Shown {
        dir: dir.clone(),
        frame: Frame::default(),
        status: "",
        said: 0,
        orders: 0,
    };
    let mut slow = tui.has("F24");
    loop {
        let now = millis(begun);
        shown.orders(&mut tui, now);
        shown.show(&tui, now);
        if let Some(code) = tui.ended {
            // As a program that crashed: its last frame stays, and the shell's prompt comes below it.
            write!(std::io::stdout(), "\u{1b}[34;1H\u{1b}[J\u{1b}[?2004l").expect("a terminal");
            #[expect(clippy::exit, reason = "a program that ends")]
            std::process::exit(code);
        }
        if slow && begun.elapsed() > SLOW_START {
            slow = false;
            tcsetattr(&stdin, OptionalActions::Flush, &mode).expect("a terminal");
        }
        let fd = stdin.as_fd();
        let mut ready = [PollFd::new(&fd, PollFlags::IN)];
        if poll(&mut ready, Some(&TICK)).unwrap_or(0) > 0 {
            let mut buffer = [0; 4096];
            let count = rustix::io::read(&stdin, &mut buffer).unwrap_or(0);
            if count == 0 {
                return;
            }
            append(&dir, "keys.log", &buffer[..count]);
            tui.read(&buffer[..count], millis(begun));
        }
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).expect("not that long")
}

fn append(dir: &Path, name: &str, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(name))
        .expect("a file");
    file.write_all(bytes).expect("a file");
}

/// What others can see of it, as it was last.
struct Shown {
    dir: PathBuf,
    frame: Frame,
    status: &'static str,
    said: usize,
    orders: usize,
}

impl Shown {
    fn orders(&mut self, tui: &mut Tui, now: u64) {
        let mut text = String::new();
        let file = std::fs::File::open(self.dir.join("orders"));
        if file
            .and_then(|mut file| file.read_to_string(&mut text))
            .is_err()
        {
            return;
        }
        let orders: Vec<&str> = text.lines().collect();
        if orders.len() == self.orders {
            return;
        }
        for order in &orders[self.orders..] {
            tui.order(order, now);
        }
        let stalls = orders[self.orders..].contains(&"F71");
        self.orders = orders.len();
        self.show(tui, now);
        // Written when it is drawn: who gave the order waits for this.
        append(&self.dir, "acks", b"x");
        if stalls {
            #[expect(clippy::disallowed_methods, reason = "a program that stands still")]
            std::thread::sleep(STALL);
        }
    }

    fn show(&mut self, tui: &Tui, now: u64) {
        for said in &tui.said[self.said..] {
            let line = serde_json::json!({ "type": "user", "text": said.text() });
            append(&self.dir, "said.log", format!("{said:?}\n").as_bytes());
            if matches!(said, Said::Submitted(_)) && !tui.has("F63") {
                let line = line.to_string() + "\n";
                append(
                    &self.dir,
                    &format!("transcript-{}.jsonl", std::process::id()),
                    line.as_bytes(),
                );
            }
        }
        self.said = tui.said.len();
        // Another conversation in the same folder, which was told the same line.
        if tui.has("F64") && tui.composer.starts_with("Task ") {
            let line = serde_json::json!({ "type": "user", "text": tui.composer });
            std::fs::write(self.dir.join("transcript-1.jsonl"), line.to_string() + "\n")
                .expect("a file");
        }
        let status = tui.status(now);
        if status != self.status {
            self.status = status;
            let state = serde_json::json!({ "status": status, "pid": std::process::id() });
            let path = self.dir.join(format!("state-{}.json", std::process::id()));
            std::fs::write(path.with_extension("new"), state.to_string()).expect("a file");
            std::fs::rename(path.with_extension("new"), path).expect("a file");
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let frame = tui.frame(size.map_or(200, |size| usize::from(size.ws_col)), now);
        if frame == self.frame {
            return;
        }
        let mut out = String::new();
        for (row, text) in frame.rows.iter().enumerate() {
            if self.frame.rows.get(row) != Some(text) {
                out += &format!("\u{1b}[{};1H{text}\u{1b}[K", row + 1);
            }
        }
        let (x, y) = frame.cursor;
        out += &format!("\u{1b}]2;{}\u{7}\u{1b}[{};{}H", frame.title, y + 1, x + 1);
        let mut terminal = std::io::stdout();
        terminal.write_all(out.as_bytes()).expect("a terminal");
        terminal.flush().expect("a terminal");
        std::fs::write(self.dir.join("composer"), &tui.composer).expect("a file");
        self.frame = frame;
    }
}

impl Said {
    fn text(&self) -> &str {
        match self {
            Self::Submitted(text) | Self::Lost(text) => text,
            Self::Astray { .. } | Self::Control(_) | Self::Twice => "",
        }
    }
}
