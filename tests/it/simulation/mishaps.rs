//! What happens to the process itself: it is killed, its clock jumps, its machine sleeps, another one opens its ledger.

use jiff::SignedDuration;
use pointsman::domain::{Action, Event, Questions};
use pointsman::ledger::{NewRecord, Store};
use pointsman::machine::engine::{Effect, Engine, Input};

use super::driver::{Driver, Plant, STREAM, Task};
use super::invariants;
use super::laws::Law;
use super::noted::brief;

impl Driver {
    /// Kills the process: what was under way may have happened, and nobody says so.
    pub(crate) fn crash(&mut self) {
        self.note(|| "CRASH".to_owned());
        self.crashes += 1;
        for (_, task) in std::mem::take(&mut self.tasks) {
            match task {
                Task::Store(at, version, events) if self.world.rng.chance(500) => {
                    let torn = self.plant == Plant::TornTail && events.len() > 1;
                    let kept = if torn { 1 } else { events.len() };
                    drop(self.store(at, version, &events[..kept]));
                    // All of a transaction is there, or nothing.
                    if ![version, version + events.len() as u64].contains(&self.shadow.version) {
                        self.world
                            .breaks(Law::Whole, "half of an append is in the ledger");
                    }
                }
                Task::Perform(_, action) if self.world.rng.chance(300) => {
                    let legal = invariants::action(&self.shadow, &self.world, &action);
                    self.world.holds_to(legal);
                    drop(self.world.act(&action));
                }
                _ => {}
            }
        }
        self.restarts();
        let pause = self.delay() * 10;
        self.wake_at(self.world.now + pause);
    }

    /// Kills the process between an append and what follows it, and wakes nobody.
    pub(crate) fn crash_idle(&mut self) {
        self.tasks.clear();
        self.restarts();
    }

    fn restarts(&mut self) {
        let mut replayed = self.replay();
        if self.plant == Plant::ForgetsTheDay {
            replayed.ran.clear();
        }
        if replayed != self.shadow {
            let how = "the replayed state is not the fold of the ledger";
            self.world.breaks(Law::Fold, how);
        }
        if self.plant == Plant::LosesReports {
            let unseen = self.world.spool.iter().filter(|one| one.answer.is_none());
            let lost = unseen.map(|one| one.report.id.clone());
            self.world
                .silent
                .extend(lost.filter(|id| !self.reports.contains(id)));
        }
        self.engine = Engine::new(replayed);
        self.watch.restarts();
        self.world.told.clear();
        self.looking = false;
        self.wake = None;
    }

    /// Another process opens the ledger. It may read it; what it means to write comes too late, or its lock is in the way.
    pub(crate) fn rivals(&mut self) {
        let Some(mut rival) = self.rival.take() else {
            self.rival = Some(Engine::new(self.replay()));
            return;
        };
        let now = self.world.now;
        let seen = self.world.observe(&Questions::default(), &rival.state);
        drop(rival.step(&self.world.rules, Input::Woken, now));
        let meant = rival.step(&self.world.rules, Input::Seen(Box::new(seen)), now);
        for effect in meant {
            let Effect::Append {
                at,
                version,
                events,
            } = effect
            else {
                continue;
            };
            let theirs = if self.plant == Plant::LeavesTheLockOpen {
                self.shadow.version
            } else {
                version
            };
            if theirs == self.shadow.version && self.plant != Plant::LeavesTheLockOpen {
                // Its lock is in the way: see `a_second_daemon_is_told_who_has_the_ledger`.
                continue;
            }
            let body =
                |event: &Event| serde_json::to_string(event).expect("an event is plain data");
            let record = |event: &Event| NewRecord {
                at,
                kind: event.kind(),
                v: Event::VERSION,
                issue: event.issue().map(|issue| issue.0),
                dispatch: event.dispatch().map(ToString::to_string),
                body: body(event),
            };
            let records = events.iter().map(record).collect();
            if self
                .ledger
                .append(STREAM, theirs, records, Vec::new())
                .is_ok()
            {
                let how = format!("another process wrote {}", brief(&events[0]));
                self.world.breaks(Law::OneDaemon, how);
            }
        }
    }

    /// The clock jumps, or the machine sleeps.
    pub(crate) fn jumps(&mut self) {
        let minutes = i64::try_from(self.world.rng.below(240)).expect("small");
        let by = SignedDuration::from_mins(minutes - 120);
        self.note(|| format!("THE CLOCK JUMPS by {by:#}"));
        self.world.jumps(by);
        self.watch.restarts();
        for ((at, serial), mut task) in std::mem::take(&mut self.tasks) {
            if let Task::Perform(_, action) = &mut task
                && let Action::AwaitReceipt { until, .. } = action.as_mut()
            {
                *until += by;
            }
            self.tasks.insert((at + by, serial), task);
        }
        self.wake = self.wake.map(|at| at + by);
        self.cycled += by;
    }

    /// The machine sleeps: time passes, and nobody does anything.
    pub(crate) fn sleeps(&mut self) {
        let minutes = i64::try_from(1 + self.world.rng.below(12 * 60)).expect("small");
        self.note(|| format!("THE MACHINE SLEEPS for {minutes} min"));
        self.world.now += SignedDuration::from_mins(minutes);
        self.watch.restarts();
    }
}
