//! The same program in a modelled pane: no process, no clock, so that ten thousand schedules take seconds. The guards, the screen's
//! reading and the decisions are the product's; the server and the shell are modelled after what was measured (facts/terminal.md).

use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Action, Activity, AgentState, Attention, Composer, Delivery, Finding, Liveness, Outcome, Pane,
    PaneSample,
};
use pointsman::terminal::{self, Blocked, Capture, Guard, PaneRow, Recogniser, Seen};

use super::real::fake_profile;
use super::schedule::{Left, Schedule};
use super::tui::{Frame, ROWS, Said, Tui};
use super::walk::Hand;
use crate::builders;
use crate::simulation::faults::Rng;

/// How long one look or act takes, in milliseconds.
const LOOK_MS: u64 = 20;

/// Compiled once: in a test's build that is slower than a whole run.
static RECOGNISER: LazyLock<Recogniser> =
    LazyLock::new(|| Recogniser::new(&fake_profile()).expect("its patterns are right"));

/// How far a delivery is, by the pane's own flag.
type Flag = (String, String);

/// One run in the model.
pub(crate) struct Model {
    schedule: Schedule,
    rng: Rng,
    recogniser: Recogniser,
    /// Milliseconds since the start.
    clock: u64,
    tui: Tui,
    pane: Pane,
    shell: Option<Shell>,
    width: u16,
    in_mode: bool,
    input_off: bool,
    synchronized: bool,
    flags: Vec<Flag>,
    /// Until when the program stands still, and what waits for it; each read of the terminal takes all.
    stopped_until: u64,
    unread: Vec<u8>,
    shown: Frame,
    left: Left,
}

/// A person's shell, back in front.
#[derive(Clone, Debug, Default)]
struct Shell {
    line: String,
    pasting: bool,
}

impl Model {
    pub(crate) fn start(schedule: Schedule) -> Self {
        let rows: Vec<String> = schedule.start.iter().map(|row| (*row).to_owned()).collect();
        let mut model = Self {
            rng: Rng::new(schedule.seed ^ 0xfa17),
            recogniser: RECOGNISER.clone(),
            clock: 1000,
            tui: Tui::new(&rows),
            pane: Pane {
                socket: PathBuf::from("/s"),
                generation: "1.1".to_owned(),
                id: "%1".to_owned(),
                pid: 100,
            },
            shell: None,
            width: 200,
            in_mode: false,
            input_off: false,
            synchronized: false,
            flags: Vec::new(),
            stopped_until: 0,
            unread: Vec::new(),
            shown: Frame::default(),
            left: Left {
                served: true,
                ..Left::default()
            },
            schedule,
        };
        model.settle();
        model
    }

    pub(crate) fn end(mut self) -> Left {
        self.pass(5000);
        self.left.said.append(&mut self.tui.said);
        self.left.composer.clone_from(&self.tui.composer);
        self.left
    }

    /// Lets time pass: who stood still reads what waited, all at once.
    fn pass(&mut self, millis: u64) {
        self.clock += millis;
        self.settle();
    }

    fn settle(&mut self) {
        if self.clock >= self.stopped_until && !self.unread.is_empty() {
            let bytes = std::mem::take(&mut self.unread);
            self.taken(&bytes);
        }
        if self.tui.ended.is_some() && self.shell.is_none() && self.schedule.adopted {
            self.shell = Some(Shell::default());
        }
        if self.clock >= self.stopped_until {
            self.shown = self.tui.frame(usize::from(self.width), self.clock);
        }
    }

    fn dead(&self) -> bool {
        self.tui.ended.is_some() && !self.schedule.adopted
    }

    /// Bytes on their way to whatever has the terminal.
    fn typed(&mut self, bytes: &[u8]) {
        if self.dead() || self.input_off {
            return;
        }
        if self.shell.is_none() && self.clock < self.stopped_until {
            return self.unread.extend_from_slice(bytes);
        }
        self.taken(bytes);
        self.settle();
    }

    fn taken(&mut self, bytes: &[u8]) {
        if let Some(shell) = &mut self.shell {
            for letter in String::from_utf8_lossy(bytes).chars() {
                match letter {
                    '\r' => self
                        .left
                        .shell
                        .push_str(&(std::mem::take(&mut shell.line) + "\n")),
                    '\u{1b}' => shell.pasting = !shell.pasting,
                    letter => shell.line.push(letter),
                }
            }
            return;
        }
        self.left.keys.extend_from_slice(bytes);
        self.tui.read(bytes, self.clock);
    }

    fn seen(&self) -> Seen {
        let mut frame = self.shown.clone();
        if let Some(shell) = &self.shell {
            frame.rows[ROWS - 6..].fill(String::new());
            frame.rows[ROWS - 6] = format!(
                "❯\u{a0}{}",
                shell.line.replace("[200~", "").replace("[201~", "")
            );
            let end = frame.rows[ROWS - 6].chars().count();
            frame.cursor = (
                u16::try_from(end).expect("small"),
                u16::try_from(ROWS - 6).expect("small"),
            );
        }
        let row = PaneRow {
            pane: self.pane.clone(),
            session: "work".to_owned(),
            window: "agent".to_owned(),
            window_index: 0,
            pane_index: 0,
            dead: self.dead(),
            dead_status: None,
            in_mode: self.in_mode,
            input_off: self.input_off,
            synchronized: self.synchronized,
            cursor: frame.cursor,
            cursor_shown: true,
            size: (self.width, 50),
            alternate: false,
            history: 0,
            window_activity: 0,
            attached: 0,
            shown: 0,
            client_activity: 0,
            session_created: 0,
            path: PathBuf::from("/"),
            command: if self.shell.is_some() { "bash" } else { "fake" }.to_owned(),
            title: frame.title.clone(),
        };
        Seen {
            capture: Capture::parse(frame.rows.iter().map(String::as_str)),
            row,
            traces: Vec::new(),
        }
    }

    /// What the watch would say of what is seen: the program's own word and its screen, agreed.
    fn state(&self, seen: &Seen) -> AgentState {
        let reading = self.recogniser.read(&seen.capture);
        let astray = seen.row.in_mode || seen.row.input_off || seen.row.synchronized;
        let word = self.tui.status(self.clock);
        let (liveness, activity) = if self.dead() || self.shell.is_some() {
            (Liveness::Dead, Activity::Obscured)
        } else if reading.dialog.is_some() || astray || word == "question" {
            (Liveness::Alive, Activity::Obscured)
        } else if word == "busy" || seen.row.title.starts_with('⠋') {
            (Liveness::Alive, Activity::Busy)
        } else {
            let activity = match reading.composer {
                terminal::Composer::Empty => Activity::Idle { since: self.now() },
                terminal::Composer::Draft(_) => Activity::Draft,
                terminal::Composer::Absent => Activity::Unknown,
            };
            (Liveness::Alive, activity)
        };
        AgentState {
            liveness,
            activity,
            attention: Attention::None,
            because: "the model says so".to_owned(),
            words: None,
        }
    }

    /// Whether the guard holds at the instant of the act: it is the one that would be built of what is there then.
    fn holds(
        &self,
        guard: &Result<Guard, Blocked>,
        anew: impl Fn(&Seen) -> Result<Guard, Blocked>,
    ) -> bool {
        let now = self.seen();
        let flags = now.row.dead || now.row.in_mode || now.row.input_off || now.row.synchronized;
        !flags && guard.is_ok() && anew(&now) == *guard
    }

    fn flag(&self, delivery: &Delivery) -> String {
        let flag = self
            .flags
            .iter()
            .rev()
            .find(|(id, _)| id == delivery.id.as_str());
        flag.map_or_else(String::new, |(_, flag)| flag.clone())
    }

    fn set_flag(&mut self, delivery: &Delivery, flag: String) {
        self.flags.push((delivery.id.as_str().to_owned(), flag));
    }

    fn is_there(&self, pane: &Pane) -> bool {
        self.pane == *pane
    }

    fn paste(&mut self, delivery: &Delivery, pane: &Pane) -> Outcome {
        let refused = |why: &str| Outcome::NotTyped {
            why: why.to_owned(),
        };
        if !self.is_there(pane) {
            return refused("another process has the pane");
        }
        let seen = self.seen();
        if !self.state(&seen).takes_text() {
            return refused("not idle");
        }
        let guard = Guard::g1(&seen, &self.recogniser);
        self.between();
        if !self.is_there(pane)
            || !self.holds(&guard, |seen| Guard::g1(seen, &self.recogniser))
            || !self.flag(delivery).is_empty()
        {
            return refused("the guard refused");
        }
        self.set_flag(delivery, "pasted".to_owned());
        self.framed(&delivery.line());
        Outcome::Pasted {
            baseline: "{}".to_owned(),
        }
    }

    fn framed(&mut self, line: &str) {
        let bytes = if self.tui.has("F11") {
            line.to_owned()
        } else {
            format!("\u{1b}[200~{line}\u{1b}[201~")
        };
        self.typed(bytes.as_bytes());
    }

    /// Something may happen in the very moment between the look and the act.
    fn between(&mut self) {
        if self.rng.chance(30) {
            let row = ["F28", "F41", "F46", "F53", "F52"]
                [usize::try_from(self.rng.below(5)).expect("small")];
            self.schedule.at.push((usize::MAX, row));
            self.happen(row);
        }
    }

    fn in_composer(&self, delivery: &Delivery) -> bool {
        let reading = self.recogniser.read(&self.seen().capture);
        matches!(reading.composer, terminal::Composer::Draft(text) if text == delivery.line())
    }

    fn echo(&mut self, delivery: &Delivery, pane: &Pane) -> Outcome {
        for _ in 0..50 {
            if !self.is_there(pane) {
                return Outcome::NotEchoed;
            }
            if self.in_composer(delivery) {
                return Outcome::Echoed {
                    composer: composer(&self.seen()),
                };
            }
            self.pass(100);
        }
        Outcome::NotEchoed
    }

    fn enter(&mut self, delivery: &Delivery, pane: &Pane, n: u8) -> Outcome {
        self.pass(150);
        let wanted = if n <= 1 {
            "pasted".to_owned()
        } else {
            format!("submitted:{}", n - 1)
        };
        for _ in 0..60 {
            if !self.is_there(pane) {
                return Outcome::Failed {
                    why: "the pane is gone".to_owned(),
                    until: self.now(),
                };
            }
            let seen = self.seen();
            let state = self.state(&seen);
            let free = state.liveness == Liveness::Alive
                && !matches!(state.activity, Activity::Busy | Activity::Obscured);
            let line = delivery.line();
            let guard = Guard::g2(&seen, &self.recogniser, &line);
            self.between();
            let holds = self.holds(&guard, |seen| Guard::g2(seen, &self.recogniser, &line));
            if free
                && self.unread.is_empty()
                && holds
                && self.is_there(pane)
                && self.flag(delivery) == wanted
            {
                self.set_flag(delivery, format!("submitted:{n}"));
                self.typed(b"\r");
                return Outcome::Entered;
            }
            self.pass(500);
        }
        Outcome::NotEntered {
            why: "the guard refused".to_owned(),
        }
    }

    fn receipt(&self, delivery: &Delivery) -> bool {
        let names = |said: &Said| matches!(said, Said::Submitted(text) if text.contains(delivery.id.as_str()));
        !self.tui.has("F63") && self.tui.said.iter().chain(&self.left.said).any(names)
    }

    fn await_receipt(&mut self, delivery: &Delivery, pane: &Pane, until: Timestamp) -> Outcome {
        loop {
            if self.receipt(delivery) {
                return Outcome::Receipt {
                    witness: "transcript".to_owned(),
                };
            }
            if self.now() >= until {
                break;
            }
            self.pass(200);
        }
        let in_composer =
            self.is_there(pane) && self.unread.is_empty() && self.in_composer(delivery);
        Outcome::NoReceipt { in_composer }
    }

    fn inspect(&mut self, delivery: &Delivery, pane: &Pane) -> Finding {
        if self.receipt(delivery) {
            return Finding::Receipt {
                witness: "transcript".to_owned(),
            };
        }
        if !self.is_there(pane) {
            return Finding::PaneGone;
        }
        let flag = self.flag(delivery);
        if flag.is_empty() {
            return Finding::NoTrace;
        }
        let enters = flag
            .strip_prefix("submitted:")
            .map_or(0, |n| n.parse().expect("a number"));
        if self.in_composer(delivery) {
            return Finding::InComposer {
                composer: composer(&self.seen()),
                enters,
            };
        }
        Finding::Typed { enters }
    }

    /// Another program in the pane, of another server or of none.
    fn replaced(&mut self, generation: bool) {
        self.left.said.append(&mut self.tui.said);
        let rows: Vec<String> = self
            .schedule
            .start
            .iter()
            .map(|row| (*row).to_owned())
            .collect();
        (self.tui, self.shell, self.stopped_until) = (Tui::new(&rows), None, 0);
        self.unread.clear();
        self.pane.pid += 1;
        if generation {
            self.pane.generation = "2.2".into();
            self.flags.clear();
        }
    }

    fn happen(&mut self, row: &'static str) {
        match row {
            "F31" => self.width = 60,
            "F46" => self.in_mode = true,
            "F52" => self.input_off = true,
            "F52s" => self.synchronized = true,
            "F47" => self.tui.ended = Some(1),
            "F49" => self.replaced(true),
            "F49r" => self.replaced(false),
            "F71" => self.stopped_until = self.clock + 200 + self.rng.below(40_000),
            "F67" => {}
            // Who stands still does nothing.
            _ if self.clock < self.stopped_until => {}
            order => self.tui.order(order, self.clock),
        }
        self.settle();
    }
}

fn composer(seen: &Seen) -> Composer {
    Composer {
        x: seen.row.cursor.0,
        y: seen.row.cursor.1,
        width: seen.row.size.0,
        height: seen.row.size.1,
    }
}

impl Hand for Model {
    fn now(&self) -> Timestamp {
        builders::ten()
            + SignedDuration::from_millis(i64::try_from(self.clock).expect("not that long"))
    }

    async fn before(&mut self, act: usize) -> bool {
        let due = self.schedule.due(act);
        for row in &due {
            self.happen(row);
        }
        // What happens was there for a while when the act comes.
        self.pass(200);
        due.contains(&"F67")
    }

    async fn sample(&mut self) -> Option<PaneSample> {
        self.pass(1000);
        let seen = self.seen();
        Some(PaneSample {
            pane: self.pane.clone(),
            at: self.now(),
            state: self.state(&seen),
            managed: true,
            context: "c".to_owned(),
            traces: Vec::new(),
            other_version: None,
        })
    }

    async fn perform(&mut self, action: &Action, dies: bool) -> Option<Outcome> {
        // Before the act, or after it.
        if dies && self.rng.chance(500) {
            return None;
        }
        self.pass(LOOK_MS);
        let outcome = match action {
            Action::Paste { delivery, pane, .. } => self.paste(delivery, pane),
            Action::Echo { delivery, pane } => self.echo(delivery, pane),
            Action::Enter {
                delivery, pane, n, ..
            } => self.enter(delivery, pane, *n),
            Action::AwaitReceipt {
                delivery,
                pane,
                until,
            } => self.await_receipt(delivery, pane, *until),
            Action::Inspect {
                delivery,
                pane: Some(pane),
            } => Outcome::Found(self.inspect(delivery, pane)),
            other => panic!("no part of a delivery: {other:?}"),
        };
        self.pass(LOOK_MS);
        Some(outcome).filter(|_| !dies)
    }

    async fn blind(&mut self, bytes: &str, as_paste: bool) {
        // What was measured on 3.3a: a paste into a dead pane ends the server; in copy mode keys go to the mode, a paste to the program.
        match (self.dead(), as_paste) {
            (true, true) => self.left.served = false,
            (true, false) => {}
            (false, true) => self.framed(bytes),
            (false, false) if self.in_mode => {}
            (false, false) => self.typed(bytes.as_bytes()),
        }
        self.pass(LOOK_MS);
    }

    async fn looks_busy(&mut self) -> bool {
        self.seen().row.title.starts_with('⠋')
    }
}
