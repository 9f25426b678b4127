//! What people do to a world: they label, change their minds, type into panes, and in the end put things right.

use jiff::SignedDuration;
use pointsman::domain::{
    Dispatch, IssueNumber, Label, Outcome, Pane, Questions, Request, SingleRead, SkillName, Window,
};
use pointsman::machine::dispatch::{check, errand, interrupt};

use super::driver::Driver;
use super::panes::{Doing, SimPane};
use super::rules::{alice, mallory, us};
use super::world::World;

impl World {
    fn any_issue(&mut self) -> IssueNumber {
        let count = self.tracker.issues.len() as u64;
        IssueNumber(1 + self.rng.below(count))
    }

    fn any_stage(&mut self) -> Label {
        let stages = self.rules.workflow.stages.len() as u64;
        let index = usize::try_from(self.rng.below(stages)).expect("small");
        self.rules.workflow.stages[index].label.clone()
    }

    /// Returns the routing label that an issue has.
    pub(crate) fn routing_of(&self, issue: IssueNumber) -> Option<Label> {
        let labels = &self.tracker.issues.get(&issue)?.head.labels;
        let mut stages = self.rules.workflow.stages.iter();
        stages
            .find(|stage| labels.contains(&stage.label))
            .map(|stage| stage.label.clone())
    }
}

impl World {
    /// What a rehearsal left, and whether a dialog is open.
    pub(super) fn survey(&mut self, dispatch: &Dispatch) -> Outcome {
        let asks = |pane: &SimPane| pane.doing == Doing::Dialog;
        let dialog = self.panes.get(&dispatch.opening.window).is_some_and(asks);
        Outcome::Surveyed {
            written: self.rng.chance(700),
            committed: self.rng.chance(500),
            dialog: dialog.then(|| "May I?".to_owned()),
            version: None,
        }
    }

    /// The key stops whoever is at work in that pane.
    pub(super) fn interrupt(&mut self, pane: &Pane) -> Outcome {
        let now = self.now;
        let mut panes = self.panes.values_mut();
        let found = panes.find(|one| one.pane == *pane && one.doing == Doing::Busy);
        let Some(found) = found else {
            return Outcome::NotInterrupted {
                why: "it is not at work".to_owned(),
            };
        };
        found.doing = Doing::Idle { since: now };
        found.job = None;
        Outcome::Interrupted
    }
}

impl Driver {
    /// One accident: a person at the tracker, a person at a pane, or a pane by itself.
    pub(crate) fn chaos(&mut self) {
        let issue = self.world.any_issue();
        let now = self.world.now;
        let pulls = self.world.has_pulls() && self.world.rng.chance(150);
        let choice = if pulls { 29 } else { self.world.rng.below(29) };
        self.note(|| format!("CHAOS {choice} ({issue})"));
        match choice {
            0..=9 => self.at_the_tracker(choice, issue),
            10 => self.ask(Request::Approve {
                issue,
                by: "alice".to_owned(),
            }),
            11 => self.ask(Request::Pause {
                by: "alice".to_owned(),
            }),
            12 if self.world.rng.chance(500) => {
                let to = self.world.any_stage();
                let by = "ann".to_owned();
                self.ask(Request::Route { issue, to, by });
            }
            12 | 13 => self.ask(Request::Resume {
                by: "alice".to_owned(),
            }),
            20 => self.world.others = self.world.rng.below(3),
            21 => self.world.tracker.rename(issue, &alice(), now),
            23 => self.tries(issue),
            24 => self.changes_the_schedule(),
            25..=27 => self.speaks(choice),
            28 => self.commits(issue),
            29 => self.world.at_the_pull(issue),
            22 if self.world.rng.chance(150) => {
                let read = if self.world.rng.chance(500) {
                    SingleRead::Gone
                } else {
                    SingleRead::Transferred {
                        to: "elsewhere#1".to_owned(),
                    }
                };
                self.world.tracker.lose(issue, read);
            }
            choice => {
                let window = if self.world.rng.chance(700) {
                    self.world.any_agent()
                } else {
                    Window::Check
                };
                let Some(pane) = self.world.panes.get_mut(&window) else {
                    return;
                };
                match choice {
                    14 | 15 => pane.dies(now),
                    16 => pane.composer.push_str("a person's draft"),
                    17 if matches!(pane.doing, Doing::Idle { .. }) => pane.doing = Doing::Dialog,
                    18 if matches!(pane.doing, Doing::Idle { .. }) => pane.doing = Doing::CopyMode,
                    _ => pane_is_cleared(pane, now),
                }
            }
        }
    }

    /// Somebody commits on the issue's branch, perhaps while it is measured.
    fn commits(&mut self, issue: IssueNumber) {
        if let Some(found) = self.world.tracker.issues.get_mut(&issue) {
            found.commits += 1;
        }
    }

    /// A person tries a skill, if that is possible now.
    fn tries(&mut self, issue: IssueNumber) {
        let seen = self
            .world
            .observe(&Questions::default(), &self.engine.state);
        let skill = SkillName::new("dev");
        let (state, rules) = (&self.engine.state, &self.world.rules);
        let fresh = seen.fresh.clone();
        let tried = errand::trial(rules, state, &seen, (&skill, issue, "ann"), fresh, seen.at);
        match tried {
            Ok(opening) => self.ask(Request::Try {
                opening: Box::new(opening),
            }),
            Err(refusal) => self.note(|| refusal.why),
        }
    }

    /// A person has the agent rehearse, says something, or interrupts it, if that is possible now.
    fn speaks(&mut self, choice: u64) {
        let seen = self
            .world
            .observe(&Questions::default(), &self.engine.state);
        let (state, rules) = (&self.engine.state, &self.world.rules);
        let fresh = seen.fresh.clone();
        let planned = match choice {
            25 => check::opening(rules, state, &seen, "ann", fresh),
            26 => errand::said(
                rules,
                state,
                &seen,
                ("ann", "look at the tests", self.world.any_agent()),
                fresh,
            ),
            _ => {
                let profile = rules.profiles.get(&rules.project.agent);
                let sample = seen.panes.get(&self.world.any_agent());
                match interrupt::target(sample, profile) {
                    Ok(pane) => self.ask(Request::Interrupt {
                        by: "ann".to_owned(),
                        pane,
                    }),
                    Err(why) => self.note(|| why),
                }
                return;
            }
        };
        match planned {
            Ok(opening) => self.ask(Request::Try {
                opening: Box::new(opening),
            }),
            Err(refusal) => self.note(|| refusal.why),
        }
    }

    /// A person writes a schedule for the next hours, or takes it out.
    fn changes_the_schedule(&mut self) {
        let minutes = self.world.now.to_zoned(self.world.rules.zone.clone());
        let minutes = u16::try_from(minutes.hour()).expect("small") * 60;
        let at = (minutes + u16::try_from(self.world.rng.below(240)).expect("small")) % (24 * 60);
        let schedules = &mut self.world.rules.schedules;
        if schedules.pop_first().is_none() {
            schedules.insert(SkillName::new("scout"), at);
        }
    }

    fn at_the_tracker(&mut self, choice: u64, issue: IssueNumber) {
        let now = self.world.now;
        let routing = self.world.routing_of(issue);
        let stage = self.world.any_stage();
        let park = Label::new("needs-human");
        let hold = Label::new("hold");
        let tracker = &mut self.world.tracker;
        match choice {
            // An agent has our account too, and so has a person with a personal token.
            0 | 1 => {
                let by = if choice == 0 { alice() } else { us() };
                if let Some(old) = routing {
                    tracker.label(issue, &old, false, &by, now);
                }
                tracker.label(issue, &stage, true, &by, now);
            }
            2 => {
                if let Some(old) = routing {
                    tracker.label(issue, &old, false, &alice(), now);
                }
            }
            3 => {
                if let Some(old) = routing {
                    tracker.label(issue, &old, false, &alice(), now);
                    tracker.label(issue, &old, true, &alice(), now);
                }
            }
            4 => drop(tracker.label(issue, &hold, true, &alice(), now)),
            5 => drop(tracker.label(issue, &hold, false, &alice(), now)),
            // By no die at all: a stranger takes it off the third issue.
            6 if issue.0 == 3 => drop(tracker.label(issue, &park, false, &mallory(), now)),
            6 => drop(tracker.label(issue, &park, false, &alice(), now)),
            7 => tracker.set_open(issue, false, now),
            8 => tracker.set_open(issue, true, now),
            _ => {
                tracker.edit(issue, &mallory(), now);
                tracker.label(issue, &stage, true, &mallory(), now);
            }
        }
    }

    /// A person who looks in now and then: panes are cleared, questions are answered by asking anew, what waits is approved.
    pub(crate) fn looks_in(&mut self) {
        let now = self.world.now;
        for pane in self.world.panes.values_mut() {
            pane_is_cleared(pane, now);
        }
        let standing = self.engine.report.standing.clone();
        for (issue, hold) in standing {
            match hold.word() {
                "asked" if self.world.rng.chance(500) => {
                    let tracker = &mut self.world.tracker;
                    tracker.say(issue, &mallory(), "do as I say", now);
                    tracker.say(issue, &alice(), "the first of the two", now);
                }
                "asked" | "before-adoption" => {
                    if let Some(label) = self.world.routing_of(issue) {
                        let tracker = &mut self.world.tracker;
                        tracker.label(issue, &label, false, &alice(), now);
                        tracker.label(issue, &label, true, &alice(), now);
                    }
                }
                "yours" => self.ask(Request::Approve {
                    issue,
                    by: "alice".to_owned(),
                }),
                // Another profile was not rehearsed.
                "agent-not-ready" => {
                    for profile in self.world.rules.profiles.values_mut() {
                        profile.loosens.push(format!("mended at {now}"));
                    }
                }
                "paused" => self.ask(Request::Resume {
                    by: "alice".to_owned(),
                }),
                _ => {}
            }
        }
    }

    /// The faults stop: whatever is open has to end.
    pub(crate) fn heals(&mut self) {
        self.note(|| "HEALED".to_owned());
        self.world.faults = self.world.faults.healed();
        (self.world.gap, self.world.refused) = (None, None);
        self.world.others = 0;
        self.cycle = Some(SignedDuration::from_mins(10));
        self.ask(Request::Resume {
            by: "alice".to_owned(),
        });
    }
}

fn pane_is_cleared(pane: &mut super::panes::SimPane, now: jiff::Timestamp) {
    match pane.doing {
        Doing::Dialog | Doing::CopyMode | Doing::Failed { .. } => {
            pane.doing = Doing::Idle { since: now }
        }
        Doing::Idle { .. } if !pane.composer.is_empty() => {
            pane.composer.clear();
            pane.doing = Doing::Idle { since: now };
        }
        Doing::Idle { .. } | Doing::Busy | Doing::Dead { .. } => {}
    }
}
