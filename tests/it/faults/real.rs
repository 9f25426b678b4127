//! The fake program in a pane of a real tmux server, and the product's own typist before it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pointsman::config::parse_profile;
use pointsman::daemon::panes::hand::PaneLocks;
use pointsman::daemon::panes::session::Sources;
use pointsman::daemon::panes::typing::{Known, Patience, Typist};
use pointsman::domain::{Action, Outcome, Pane, PaneSample, Profile};
use pointsman::terminal::receipt::Whereabouts;
use pointsman::terminal::{Environment, NewWindow, Sampled, Sampler, Station};
use rustix::process::{Pid, Signal, kill_process};

use super::process::STALL;
use super::schedule::{Left, Schedule};
use super::tui::Said;
use super::walk::{Fast, Hand};
use crate::simulation::faults::Rng;
use crate::support::tmux::{Lab, exe};

/// How much faster than the wall the machine's clock runs.
const FACTOR: i32 = 12;
/// How long an order takes to be seen by the server, once the program has drawn it.
const DRAWN: Duration = Duration::from_millis(25);

/// One run on real tmux.
pub(crate) struct Real {
    lab: Lab,
    typist: Typist,
    pane: Pane,
    schedule: Schedule,
    rng: Rng,
    begun: Instant,
    start: Timestamp,
    last: Option<Sampled>,
    orders: usize,
    /// When in the act the daemon dies: before it, somewhere in it, or when nobody hears of its end any more.
    death: Option<&'static str>,
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn wall() -> Timestamp {
    Timestamp::now()
}

pub(super) fn fake_profile() -> Profile {
    let program = exe()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let text = include_str!("profile.toml").replace("@program@", &program);
    parse_profile("fake.toml", &text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

impl Real {
    /// Starts a server of its own and the program in it.
    pub(crate) async fn start(schedule: Schedule) -> Self {
        let lab = Lab::new().await;
        if schedule.has("F04") {
            lab.raw(&["set-option", "-s", "extended-keys", "on"]);
        }
        let sampler =
            Arc::new(Sampler::new(fake_profile(), lab.dir.path()).expect("its patterns are right"));
        let station = if schedule.adopted {
            Station::ADOPTED
        } else {
            Station::MANAGED
        };
        let typist = Typist {
            tmux: lab.tmux.clone(),
            sampler,
            station,
            panes: PaneLocks::new(lab.dir.path(), lab.dir.path()),
            patience: Patience {
                echo: Duration::from_millis(700),
                enter: Duration::from_millis(900),
            },
        };
        let pane = lab
            .tmux
            .new_window(&window(&lab, &schedule))
            .await
            .expect("a window");
        let real = Self {
            typist,
            pane,
            rng: Rng::new(schedule.seed ^ 0xfa17),
            schedule,
            begun: Instant::now(),
            start: wall(),
            last: None,
            orders: 0,
            death: None,
            lab,
        };
        real.lab
            .until(&real.pane, |seen| {
                seen.capture.text().contains("❯\u{a0}") || seen.row.dead
            })
            .await;
        real
    }

    fn sources(&self) -> Sources {
        Sources::new(
            self.typist.sampler.profile().clone(),
            Whereabouts {
                home: self.lab.dir.path().to_owned(),
                cwd: self.lab.dir.path().to_owned(),
                agent: self.last.as_ref().and_then(|last| last.agent.clone()),
                session: None,
                hooks: None,
            },
        )
    }

    /// Makes one row happen now.
    async fn happen(&mut self, row: &'static str) {
        let pane = self.pane.id.clone();
        match row {
            "F31" => drop(self.lab.raw(&["resize-window", "-t", &pane, "-x", "60"])),
            "F46" => drop(self.lab.raw(&["copy-mode", "-t", &pane])),
            "F52" => drop(self.lab.raw(&["select-pane", "-d", "-t", &pane])),
            "F52s" => {
                let words = ["set-option", "-w", "-t", &pane, "synchronize-panes", "on"];
                drop(self.lab.raw(&words));
            }
            "F47" => self.signal(Signal::KILL),
            "F49" => {
                self.lab.raw(&["kill-server"]);
                self.lab
                    .tmux
                    .start_server()
                    .await
                    .expect("tmux starts again");
                let window = window(&self.lab, &self.schedule);
                let again = self.lab.tmux.new_window(&window).await.expect("a window");
                assert_eq!(
                    again.id, self.pane.id,
                    "the trap: the same id for another process"
                );
            }
            "F49r" => {
                let mut words = vec![
                    "respawn-pane".to_owned(),
                    "-k".to_owned(),
                    "-t".to_owned(),
                    pane,
                ];
                words.extend(window(&self.lab, &self.schedule).argv);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.lab.raw(&words);
            }
            "F67" | "F67b" | "F67a" => self.death = Some(row),
            order => return self.order(order).await,
        }
        tokio::time::sleep(DRAWN).await;
    }

    /// Orders the program to do something wrong, and waits until it is on the screen.
    async fn order(&mut self, row: &str) {
        let path = self.lab.path("orders");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, format!("{before}{row}\n")).expect("a file");
        self.orders += 1;
        for _ in 0..40 {
            // An order that comes while the program stands still is taken later, one that comes when it is gone never.
            if self.lab.read("acks").len() >= self.orders {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(DRAWN).await;
    }

    fn agent(&self) -> Option<Pid> {
        let agent = self.last.as_ref()?.agent.as_ref()?;
        Pid::from_raw(i32::try_from(agent.pid).ok()?)
    }

    fn signal(&self, signal: Signal) {
        // It may be gone already.
        let _gone = self.agent().map(|agent| kill_process(agent, signal));
    }

    /// Ends the run and says what is left of it.
    pub(crate) async fn end(self) -> Left {
        // Who stood still goes on, and may do something with what waited.
        let stall = if self.schedule.has("F71") {
            STALL
        } else {
            Duration::ZERO
        };
        tokio::time::sleep(Duration::from_millis(250) + stall).await;
        let served = self
            .lab
            .tmux
            .generation()
            .await
            .is_ok_and(|generation| generation == self.pane.generation);
        Left {
            said: self.lab.read("said.log").lines().filter_map(said).collect(),
            keys: std::fs::read(self.lab.path("keys.log")).unwrap_or_default(),
            shell: self.lab.read("shell.log"),
            composer: self.lab.read("composer"),
            served,
        }
    }

    /// What is on the screen, for people.
    pub(crate) async fn screen(&self) -> String {
        match self.lab.tmux.look(&self.pane).await {
            Ok(seen) => seen.capture.text().trim_end().to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

/// The program as a pane's own process, or below a shell as a person would have started it.
fn window(lab: &Lab, schedule: &Schedule) -> NewWindow {
    let exe = exe().display().to_string();
    let words = [
        exe.as_str(),
        "--exact",
        "faults::fake_program",
        "--ignored",
        "--nocapture",
    ];
    let shell = lab.path("rc").display().to_string();
    let rc = format!(
        "PS1=$'\\u276f\\u00a0'\nset +o history\ntrap 'printf \"%s\\n\" \"$BASH_COMMAND\" >> \"$FAKE_DIR/shell.log\"' DEBUG\n\
         PROMPT_COMMAND='unset PROMPT_COMMAND; {}'\n",
        words.join(" ")
    );
    std::fs::write(lab.path("rc"), rc).expect("a file");
    let mut window = if schedule.adopted {
        lab.window(
            "work",
            "agent",
            &["/bin/bash", "--noprofile", "--rcfile", &shell, "-i"],
        )
    } else {
        lab.window("work", "agent", &words)
    };
    if let Environment::Argv(env) = &mut window.env {
        env.push(("LANG".to_owned(), "C.UTF-8".to_owned()));
        env.push(("FAKE_FAULTS".to_owned(), schedule.start.join(",")));
    }
    window
}

/// Reads one line of the program's log.
fn said(line: &str) -> Option<Said> {
    let text = |line: &str| serde_json::from_str::<String>(line.strip_suffix(')')?).ok();
    if let Some(rest) = line.strip_prefix("Submitted(") {
        return text(rest).map(Said::Submitted);
    }
    if let Some(rest) = line.strip_prefix("Lost(") {
        return text(rest).map(Said::Lost);
    }
    if let Some(rest) = line.strip_prefix("Control(") {
        return Some(Said::Control(rest.strip_suffix(')')?.parse().ok()?));
    }
    if line == "Twice" {
        return Some(Said::Twice);
    }
    let numbers: Vec<&str> = line.split(['"', ',', ':', '}']).map(str::trim).collect();
    let after = |name: &str| {
        numbers
            .iter()
            .position(|word| word.ends_with(name))
            .and_then(|at| numbers.get(at + 1))
    };
    Some(Said::Astray {
        row: line.split('"').nth(1)?.to_owned(),
        key: after("key")?.parse().ok()?,
        age: after("age")?.parse().ok()?,
    })
}

impl Hand for Real {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).expect("not that long");
        Fast { factor: FACTOR }.at(self.start, passed)
    }

    async fn before(&mut self, act: usize) -> bool {
        self.death = None;
        let due = self.schedule.due(act);
        for row in &due {
            self.happen(row).await;
        }
        self.death.is_some()
    }

    async fn sample(&mut self) -> Option<PaneSample> {
        let look = async || self.lab.tmux.look(&self.pane).await.ok();
        let (then, now) = (wall() - SignedDuration::from_secs(1), wall());
        let (sampler, station) = (&self.typist.sampler, &self.typist.station);
        let first = sampler.sample(&look().await?, station, None, then);
        tokio::time::sleep(Duration::from_millis(60)).await;
        let seen = look().await?;
        let second = sampler.sample(&seen, station, Some(&first.resolved), now);
        let sample = second.sample.clone();
        self.last = Some(second);
        Some(sample)
    }

    async fn perform(&mut self, action: &Action, dies: bool) -> Option<Outcome> {
        let life = match self.death {
            Some("F67b") => return None,
            Some("F67") => Duration::from_micros(self.rng.below(12_000)),
            _ => Duration::from_hours(1),
        };
        let typist = self.typist.clone();
        let known = self.last.as_ref().map(|last| Known {
            sample: last.sample.clone(),
            resolved: last.resolved.clone(),
        });
        let sources = self.sources();
        let acting = async {
            match action {
                Action::Paste { delivery, pane, .. } => {
                    typist.paste(delivery, pane, known.as_ref(), &sources).await
                }
                Action::Echo { delivery, pane } => typist.echo(delivery, pane).await,
                Action::Enter {
                    delivery,
                    pane,
                    n,
                    late,
                    ..
                } => {
                    typist
                        .enter(delivery, pane, *n, *late, || async { None })
                        .await
                }
                Action::AwaitReceipt {
                    delivery,
                    pane,
                    until,
                } => {
                    let until = wall() + until.duration_since(self.now()) / FACTOR;
                    typist
                        .await_receipt(delivery, pane, until, || sources.clone())
                        .await
                }
                Action::Inspect {
                    delivery,
                    pane: Some(pane),
                } => typist.inspect(delivery, pane, &sources).await,
                other => panic!("no part of a delivery: {other:?}"),
            }
        };
        let outcome = tokio::time::timeout(life, acting).await.ok();
        outcome.filter(|_| !dies)
    }

    async fn blind(&mut self, bytes: &str, as_paste: bool) {
        let pane = self.pane.id.clone();
        if as_paste {
            self.lab.raw(&[
                "set-buffer",
                "-b",
                "blind",
                bytes,
                ";",
                "paste-buffer",
                "-p",
                "-r",
                "-d",
                "-b",
                "blind",
                "-t",
                &pane,
            ]);
        } else {
            let hex: Vec<String> = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
            let mut words = vec!["send-keys", "-t", &pane, "-H"];
            words.extend(hex.iter().map(String::as_str));
            self.lab.raw(&words);
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }

    async fn looks_busy(&mut self) -> bool {
        let seen = self.lab.tmux.look(&self.pane).await;
        seen.is_ok_and(|seen| seen.row.title.starts_with('⠋'))
    }
}
