//! What the modelled daemon does with each action of the engine.

use jiff::SignedDuration;
use pointsman::domain::{
    Action, CommentMode, Composer, Delivery, DeliveryStep, Dispatch, Evidence, Finding, GateName,
    Ground, IssueNumber, Marker, Outcome, Pane, Publish, Purpose, Report, Statement, Via, Window,
};
use pointsman::machine::schedule;
use pointsman::machine::text::{issue_digest, mark, sha256};
use pointsman::machine::trust;

use super::panes::{Doing, SimPane, Trace};
use super::rules::us;
use super::world::{Lose, World};

/// What came of a look at an effect.
pub(crate) enum Performed {
    /// It ended.
    Ended(Outcome),
    /// It goes on: ask again then.
    Later(jiff::Timestamp),
}

/// Edits closer together than this are too many: a minute, less what an effect takes to happen.
const HASTE: SignedDuration = SignedDuration::from_secs(50);

fn composer() -> Composer {
    Composer {
        x: 2,
        y: 30,
        width: 120,
        height: 40,
    }
}

impl World {
    /// Does an action as the daemon does, and as the faults let it.
    pub(crate) fn act(&mut self, action: &Action) -> Performed {
        if let Action::AwaitReceipt {
            delivery, until, ..
        } = action
        {
            return self.await_receipt(delivery, *until);
        }
        let until =
            self.now + SignedDuration::from_secs(i64::try_from(self.rng.below(40)).expect("small"));
        let failed = |why: &str| {
            Performed::Ended(Outcome::Failed {
                why: why.to_owned(),
                until,
            })
        };
        let lost = matches!(action, Action::Paste { .. })
            && (self.lose.remove(&Lose::Paste) || self.lose.contains(&Lose::EveryPaste));
        if needs_its_issue(action).is_some_and(|issue| self.tracker.is_gone(issue)) {
            return failed("there is no such issue");
        }
        if lost || self.rng.chance(self.faults.fails_before) {
            return failed("the client died");
        }
        if let Action::AddLabel { issue, label } = action
            && self.rng.chance(self.faults.fails_after / 2)
        {
            self.late_writes.push((
                self.now + SignedDuration::from_secs(50),
                *issue,
                label.clone(),
            ));
            return failed("the answer was lost, and the write is slow");
        }
        let outcome = self.perform(action);
        let lost = match action {
            Action::Paste { .. } => self.lose.remove(&Lose::PasteAnswer),
            Action::AddLabel { .. } => self.lose.remove(&Lose::LabelAnswer),
            _ => false,
        };
        if lost || self.rng.chance(self.faults.fails_after) {
            return failed("the answer was lost");
        }
        Performed::Ended(outcome)
    }

    #[expect(clippy::too_many_lines, reason = "a table, one row an action")]
    fn perform(&mut self, action: &Action) -> Outcome {
        let now = self.now;
        match action {
            Action::PrepareTree { dispatch } => Outcome::Prepared {
                base: dispatch.issue().map(|issue| self.tip(issue)),
                known: dispatch
                    .issue()
                    .map(|issue| self.tip(issue))
                    .into_iter()
                    .collect(),
            },
            Action::Compose {
                dispatch,
                delivery,
                ground,
            } => {
                let purpose = ground.purpose.unwrap_or(Purpose::Brief);
                self.briefs
                    .insert(dispatch.id().clone(), (**dispatch).clone());
                self.staged
                    .insert(delivery.clone(), (dispatch.id().clone(), purpose));
                let issue = dispatch.issue().filter(|one| !self.tracker.is_gone(*one));
                let text = issue.map(|issue| &self.tracker.issues[&issue].text);
                let (title, body) =
                    text.map_or(("", ""), |text| (text.title.as_str(), text.body.as_str()));
                let words = ground.message.clone().unwrap_or_default();
                Outcome::Composed {
                    digest: sha256(words.as_bytes()),
                    text: words,
                    issue_text: issue_digest(title, body),
                }
            }
            Action::Stage { .. } => Outcome::Staged,
            Action::Paste {
                dispatch,
                delivery,
                pane,
            } => self.paste(dispatch, delivery, pane),
            Action::Launch { dispatch, delivery } => self.launch(dispatch, delivery),
            Action::OpenWindow { .. } => self.open_window(),
            Action::Echo { delivery, pane } => self.echo(delivery, pane),
            Action::Enter {
                dispatch,
                delivery,
                pane,
                late,
                ..
            } => self.enter(dispatch, delivery, pane, *late),
            Action::Clear { delivery, pane, .. } => self.clear(delivery, pane),
            Action::AwaitReceipt { .. } => Outcome::Done,
            Action::Inspect { delivery, pane } => {
                Outcome::Found(self.inspect(delivery, pane.as_ref()))
            }
            Action::Gate {
                dispatch,
                gate,
                report,
                ground,
            } => Outcome::Measured(self.gate(dispatch, gate, report, ground)),
            Action::Publish { issue, what, .. } => {
                let (body, label) = match what {
                    Publish::Spec(spec) => (format!("{}\n{}", spec.text, mark("spec")), None),
                    Publish::Question {
                        report,
                        text,
                        label,
                    } => {
                        let mark = mark(&format!("question {report}"));
                        (format!("{text}\n{mark}"), Some(label))
                    }
                };
                if let Some(label) = label {
                    self.tracker.label(*issue, label, true, &us(), now);
                }
                Outcome::Commented {
                    comment: self.tracker.comment_once(*issue, &body, now),
                }
            }
            Action::Post { post, issue, again } => self.write(post, *issue, *again),
            Action::Answer { answer, .. } => {
                self.answer(answer);
                Outcome::Done
            }
            Action::Survey { dispatch, .. } => self.survey(dispatch),
            Action::Interrupt { pane } => self.interrupt(pane),
            Action::Tidy { dispatch, answer } => {
                if let Some(answer) = answer {
                    self.answer(answer);
                }
                if dispatch.opening.window == Window::Check {
                    self.panes.remove(&Window::Check);
                }
                Outcome::Done
            }
            Action::AddLabel { issue, label } => {
                self.tracker.label(*issue, label, true, &us(), now);
                Outcome::Done
            }
            Action::RemoveLabel { issue, label } => {
                self.tracker.label(*issue, label, false, &us(), now);
                Outcome::Done
            }
            Action::ReadLabels { issue } if self.tracker.is_gone(*issue) => Outcome::Labels {
                labels: Vec::new(),
                open: false,
                events: Vec::new(),
            },
            Action::ReadLabels { issue } => {
                let issue = &self.tracker.issues[issue];
                Outcome::Labels {
                    labels: issue.head.labels.iter().cloned().collect(),
                    open: issue.head.open,
                    events: issue.events.clone(),
                }
            }
            Action::CloseIssue { issue } => {
                self.tracker.set_open(*issue, false, now);
                Outcome::Done
            }
            Action::Push { .. } => Outcome::Done,
            Action::Merge { .. } => Outcome::Merged {
                into: "main".to_owned(),
            },
            Action::State { statement } => self.state(statement),
            Action::Park { issue, label, why } => {
                if self.tracker.is_gone(*issue) {
                    return Outcome::Done;
                }
                // One comment a reason, and the label each time: it may be parked for the same reason again.
                let body = format!("{why}\n{}", mark("park"));
                self.tracker.comment_once(*issue, &body, now);
                self.tracker.label(*issue, label, true, &us(), now);
                Outcome::Done
            }
        }
    }

    /// Edits the status comment that is there, else makes it. A marker of a dispatch that was delivered before is too late.
    fn state(&mut self, statement: &Statement) -> Outcome {
        let Statement {
            issue,
            text,
            markers,
            marks,
            ..
        } = statement;
        if self.tracker.is_gone(*issue) {
            let why = "there is no such issue".to_owned();
            return match marks {
                Some(_) => Outcome::Failed {
                    why,
                    until: self.now + SignedDuration::from_secs(15),
                },
                None => Outcome::NotPosted { why },
            };
        }
        let marker = marks.as_ref().map(|opening| Marker {
            ledger: "sim".to_owned(),
            project: "blog".to_owned(),
            seq: 0,
            head: String::new(),
            labelling: String::new(),
            attempt: opening.attempt,
            dispatch: opening.id.clone(),
        });
        let sign = mark("status");
        let line = |marker: &Marker| mark(&format!("marker {}", marker.dispatch));
        let lines: Vec<String> = markers.iter().chain(&marker).map(line).collect();
        let body = format!("{text}\n{sign}\n{}", lines.join("\n"));
        let (comment, changed) = self.tracker.replace(*issue, &sign, &body, self.now);
        if changed {
            let before = self.stated.insert(*issue, self.now);
            let hasty = before.is_some_and(|before| self.now.duration_since(before) < HASTE);
            if hasty && marks.is_none() {
                self.breaks(format!("{issue} is told about twice in a minute"));
            }
        }
        Outcome::Stated {
            comment,
            marker: marker.map(Box::new),
        }
    }

    #[expect(clippy::result_large_err, reason = "the error is the outcome itself")]
    /// Reads the request again, as every paste and late Enter does.
    pub(crate) fn wanted(&self, dispatch: &Dispatch) -> Result<(), Outcome> {
        let Some(issue) = dispatch.issue() else {
            return schedule::gone(&self.rules, dispatch)
                .map_or(Ok(()), |(by, why)| Err(Outcome::NoLongerWanted { by, why }));
        };
        let details = self.tracker.read(issue, self.now);
        trust::still_wanted(
            dispatch,
            &self.rules.project,
            &self.rules.workflow,
            &details,
        )
        .map_err(|(by, why)| Outcome::NoLongerWanted { by, why })
    }

    /// Whether the paste guard would let a line into a pane.
    pub(crate) fn is_open(&self, pane: &Pane) -> bool {
        let window = self.window_of(pane);
        window.is_some_and(|window| self.panes[&window].is_open())
    }

    fn window_of(&self, pane: &Pane) -> Option<Window> {
        self.panes
            .iter()
            .find(|(_, found)| found.pane == *pane && !matches!(found.doing, Doing::Dead { .. }))
            .map(|(window, _)| *window)
    }

    fn typed(&mut self, dispatch: &Dispatch, delivery: &Delivery) {
        if delivery.purpose != Purpose::Brief {
            return;
        }
        self.marked(dispatch);
        let typed = self.typed.entry(dispatch.id().clone()).or_default();
        typed.push(delivery.id.clone());
        if typed.len() > 1 {
            let what = format!("the brief of {} was typed twice: {typed:?}", dispatch.id());
            self.breaks(what);
        }
    }

    fn paste(&mut self, dispatch: &Dispatch, delivery: &Delivery, pane: &Pane) -> Outcome {
        if delivery.purpose == Purpose::Brief
            && let Err(outcome) = self.wanted(dispatch)
        {
            return outcome;
        }
        let window = self.window_of(pane);
        let Some(window) = window.filter(|window| self.panes[window].is_open()) else {
            return Outcome::NotTyped {
                why: "the guard refused".to_owned(),
            };
        };
        self.type_into(window, dispatch, delivery);
        Outcome::Pasted {
            baseline: "0".to_owned(),
        }
    }

    /// Types a line, whatever is there: the guards are before it.
    pub(crate) fn type_into(&mut self, window: Window, dispatch: &Dispatch, delivery: &Delivery) {
        let Some(pane) = self.panes.get_mut(&window) else {
            return;
        };
        let open = pane.is_open();
        let brief = delivery.purpose == Purpose::Brief;
        pane.composer.push_str(&delivery.line());
        pane.traces.insert(delivery.id.clone(), Trace::default());
        if !open {
            self.breaks(format!("{} was pasted into a busy pane", delivery.id));
        }
        if brief && self.wanted(dispatch).is_err() {
            self.breaks(format!("{} was typed, and nobody wants it", delivery.id));
        }
        self.typed(dispatch, delivery);
    }

    /// Before anything is typed the issue says so, if it is to (PROTOCOLS 9).
    fn marked(&mut self, dispatch: &Dispatch) {
        let (Some(labelling), false) = (
            dispatch.opening.labelling(),
            self.rules.comment == CommentMode::Off,
        ) else {
            return;
        };
        let line = mark(&format!("marker {}", dispatch.id()));
        let comments = &self.tracker.issues[&labelling.issue].comments;
        if !comments.iter().any(|one| one.body.contains(&line)) {
            self.breaks(format!("{} is typed without its marker", dispatch.id()));
        }
    }

    fn launch(&mut self, dispatch: &Dispatch, delivery: &Delivery) -> Outcome {
        if let Err(outcome) = self.wanted(dispatch) {
            return outcome;
        }
        let mut pane = self.fresh_pane();
        pane.traces.insert(delivery.id.clone(), Trace::default());
        let outcome = opened(&pane);
        self.panes.insert(Window::Check, pane);
        self.typed(dispatch, delivery);
        self.submitted(Window::Check, &delivery.id);
        outcome
    }

    fn open_window(&mut self) -> Outcome {
        let pane = self.fresh_pane();
        let outcome = opened(&pane);
        self.panes.insert(Window::Check, pane);
        outcome
    }

    fn echo(&mut self, delivery: &Delivery, pane: &Pane) -> Outcome {
        let seen = self
            .window_of(pane)
            .is_some_and(|window| self.panes[&window].composer == delivery.line());
        if seen && !self.rng.chance(self.faults.no_echo) {
            Outcome::Echoed {
                composer: composer(),
            }
        } else {
            Outcome::NotEchoed
        }
    }

    fn enter(
        &mut self,
        dispatch: &Dispatch,
        delivery: &Delivery,
        pane: &Pane,
        late: bool,
    ) -> Outcome {
        if late
            && delivery.purpose == Purpose::Brief
            && let Err(outcome) = self.wanted(dispatch)
        {
            return outcome;
        }
        let refused = Outcome::NotEntered {
            why: "the guard refused".to_owned(),
        };
        let Some(window) = self.window_of(pane) else {
            return refused;
        };
        let swallowed = self.lose.remove(&Lose::Enter) || self.rng.chance(self.faults.swallow);
        let pane = self.panes.get_mut(&window).expect("it was found");
        let guard = matches!(pane.doing, Doing::Idle { .. }) && pane.composer == delivery.line();
        if !guard {
            return refused;
        }
        if let Some(trace) = pane.traces.get_mut(&delivery.id) {
            trace.enters += 1;
        }
        if !swallowed {
            self.submitted(window, &delivery.id);
        }
        Outcome::Entered
    }

    fn clear(&mut self, delivery: &Delivery, pane: &Pane) -> Outcome {
        let now = self.now;
        let window = self.window_of(pane);
        let pane = window.and_then(|window| self.panes.get_mut(&window));
        match pane {
            Some(pane)
                if matches!(pane.doing, Doing::Idle { .. }) && pane.composer == delivery.line() =>
            {
                pane.composer.clear();
                pane.doing = Doing::Idle { since: now };
                Outcome::Cleared
            }
            _ => Outcome::NotCleared {
                why: "no longer wanted, and the guard refused".to_owned(),
            },
        }
    }

    fn has_receipt(&self, delivery: &Delivery) -> bool {
        self.receipts
            .get(&delivery.id)
            .is_some_and(|at| *at <= self.now)
    }

    fn await_receipt(&mut self, delivery: &Delivery, until: jiff::Timestamp) -> Performed {
        if self.has_receipt(delivery) {
            return Performed::Ended(Outcome::Receipt {
                witness: "transcript".to_owned(),
            });
        }
        if self.now >= until {
            let in_composer = self
                .panes
                .values()
                .any(|pane| pane.composer == delivery.line());
            return Performed::Ended(Outcome::NoReceipt { in_composer });
        }
        Performed::Later(until.min(self.now + SignedDuration::from_secs(2)))
    }

    fn inspect(&mut self, delivery: &Delivery, pane: Option<&Pane>) -> Finding {
        let launched = self
            .panes
            .get(&Window::Check)
            .filter(|pane| pane.traces.contains_key(&delivery.id));
        if delivery.via == Via::Launch && delivery.step == DeliveryStep::LaunchIntended {
            return launched.map_or(Finding::NoTrace, |pane| Finding::Launched {
                pane: pane.pane.clone(),
                context: pane.context.clone(),
                baseline: "0".to_owned(),
            });
        }
        if self.has_receipt(delivery) {
            return Finding::Receipt {
                witness: "transcript".to_owned(),
            };
        }
        let found = self
            .panes
            .values()
            .find(|found| Some(&found.pane) == pane && !matches!(found.doing, Doing::Dead { .. }));
        match found {
            None => Finding::PaneGone,
            Some(found) => match found.traces.get(&delivery.id) {
                None => Finding::NoTrace,
                Some(trace) if found.composer == delivery.line() => Finding::InComposer {
                    composer: composer(),
                    enters: trace.enters,
                },
                Some(trace) => Finding::Typed {
                    enters: trace.enters,
                },
            },
        }
    }

    fn gate(
        &mut self,
        dispatch: &Dispatch,
        gate: &GateName,
        report: &Report,
        ground: &Ground,
    ) -> Evidence {
        let checks = dispatch.opening.window == Window::Check;
        let issue = dispatch.issue().expect("an errand has no gates");
        let tip = self.tip(issue);
        let subject = if checks {
            dispatch.opening.subject.clone()
        } else {
            Some(tip.clone())
        };
        let mut findings = None;
        let holds = match gate {
            GateName::Spec => report.spec.is_some(),
            // What was verified before is not new; what an earlier attempt left behind is.
            GateName::Branch => {
                self.has_commits(dispatch) && ground.verified.as_ref() != Some(&tip)
            }
            GateName::Build => !self.build_is_red && !self.rng.chance(self.faults.red_build),
            GateName::Verdict => {
                findings = (report.verdict.as_deref() == Some("rework"))
                    .then(|| "major: it does not work".to_owned());
                report.verdict.as_deref() == Some("pass")
            }
            GateName::Coverage => report.verdict.is_some(),
            GateName::Approval | GateName::File | GateName::Own(_) => true,
        };
        Evidence {
            gate: gate.clone(),
            subject,
            holds,
            says: if holds { "holds" } else { "is missing" }.to_owned(),
            findings,
            exit: None,
            digest: None,
            log: None,
            at: self.now,
            ms: 1,
        }
    }

    fn has_commits(&self, dispatch: &Dispatch) -> bool {
        let issue = dispatch.issue();
        issue
            .and_then(|issue| self.tracker.issues.get(&issue))
            .is_some_and(|issue| issue.commits > 0)
    }
}

/// What the tracker refuses once the issue is gone.
fn needs_its_issue(action: &Action) -> Option<IssueNumber> {
    match action {
        Action::Publish { issue, .. }
        | Action::AddLabel { issue, .. }
        | Action::CloseIssue { issue } => Some(*issue),
        _ => None,
    }
}

fn opened(pane: &SimPane) -> Outcome {
    Outcome::Opened {
        pane: pane.pane.clone(),
        context: pane.context.clone(),
        baseline: "0".to_owned(),
    }
}
