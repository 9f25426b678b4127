//! What the modelled daemon does with each action of the engine.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use pointsman::domain::{
    Action, Confidential, Details, Dispatch, Evidence, GateName, Ground, IssueNumber, Outcome,
    Publish, Purpose, Report, SingleRead, Window,
};
use pointsman::machine::labels::trust;
use pointsman::machine::starting::schedule;
use pointsman::machine::text::{issue_digest, mark, sha256};

use super::faults::Fault;
use super::rules::us;
use super::trees::Trees;
use super::world::{Lose, World};

/// What came of a look at an effect.
pub(crate) enum Performed {
    /// It ended.
    Ended(Outcome),
    /// It goes on: ask again then.
    Later(jiff::Timestamp),
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
        if matches!(action, Action::Push { .. }) && self.lose.contains(&Lose::EveryPush) {
            return failed("the push was rejected");
        }
        if needs_its_issue(action).is_some_and(|issue| self.tracker.is_gone(issue)) {
            return failed("there is no such issue");
        }
        if self.faults.deaf.as_deref() == Some(action.word()) {
            return failed("it never works");
        }
        if self.faults.hollow.as_deref() == Some(action.word()) {
            return Performed::Ended(Outcome::Done);
        }
        if lost || self.strikes(Fault::FailsBefore) {
            return failed("the client died");
        }
        if let Some((until, why)) = requests(action).and_then(|times| self.asks(times)) {
            return Performed::Ended(Outcome::Failed {
                why: why.to_owned(),
                until,
            });
        }
        if let Action::AddLabel { issue, label } = action
            && self.strikes(Fault::SlowWrite)
        {
            self.late_writes.push((
                self.now + SignedDuration::from_secs(50),
                *issue,
                label.clone(),
            ));
            return failed("the answer was lost, and the write is slow");
        }
        self.tracker.by_us = true;
        let outcome = self.perform(action);
        self.tracker.by_us = false;
        let lost = match action {
            Action::Paste { .. } => self.lose.remove(&Lose::PasteAnswer),
            Action::AddLabel { .. } => self.lose.remove(&Lose::LabelAnswer),
            _ => false,
        };
        if lost || self.strikes(Fault::FailsAfter) {
            return failed("the answer was lost");
        }
        Performed::Ended(outcome)
    }

    #[expect(clippy::too_many_lines, reason = "a table, one row an action")]
    fn perform(&mut self, action: &Action) -> Outcome {
        let now = self.now;
        match action {
            Action::PrepareTree { dispatch } => self.prepare(dispatch, Trees::LetGo),
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
                    text: Confidential(words),
                    issue_text: issue_digest(title, body),
                    ms: 0,
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
            Action::Tidy {
                dispatch, answer, ..
            } => {
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
                roles: BTreeMap::new(),
            },
            Action::ReadLabels { issue } => match self.reads(*issue, None) {
                Some(Details {
                    read: SingleRead::Found(found),
                    events,
                    roles,
                    ..
                }) => Outcome::Labels {
                    labels: found.0.labels.iter().cloned().collect(),
                    open: found.0.open,
                    events,
                    roles,
                },
                _ => Outcome::Failed {
                    why: "the answer is cut off".to_owned(),
                    until: now + SignedDuration::from_secs(15),
                },
            },
            Action::CloseIssue { issue } => {
                self.tracker.set_open(*issue, false, now);
                Outcome::Done
            }
            Action::Push { .. } => self.push(),
            Action::KeepPull { dispatch, plan, .. } => self.keep_pull(dispatch, plan),
            Action::Leave {
                issue,
                labels,
                why,
                closing,
            } => self.leave(*issue, labels, why, closing),
            Action::Merge { issue, pull, .. } => self.merge(*issue, *pull),
            Action::State { statement } => self.state(statement),
            Action::Tell { note } => {
                if !self.tracker.is_gone(note.issue) {
                    let body = format!("{}\n{}", note.text, mark(&note.key));
                    self.tracker.comment_once(note.issue, &body, now);
                }
                Outcome::Done
            }
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

    #[expect(clippy::result_large_err, reason = "the error is the outcome itself")]
    /// Reads the request again, as every paste and late Enter does.
    pub(super) fn wanted(&self, dispatch: &Dispatch) -> Result<(), Outcome> {
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
            GateName::Build => !self.build_is_red && !self.strikes(Fault::RedBuild),
            GateName::Verdict => {
                findings = (report.verdict.as_deref() == Some("rework"))
                    .then(|| "major: it does not work".to_owned());
                report.verdict.as_deref() == Some("pass")
            }
            GateName::Coverage => report.verdict.is_some(),
            GateName::Approval
            | GateName::File
            | GateName::Pr
            | GateName::Checks
            | GateName::Verify
            | GateName::Own(_) => true,
        };
        Evidence {
            gate: gate.clone(),
            subject,
            holds,
            warned: false,
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

/// How often an action asks the tracker; none where it does not.
fn requests(action: &Action) -> Option<u64> {
    match action {
        Action::AddLabel { .. }
        | Action::RemoveLabel { .. }
        | Action::CloseIssue { .. }
        | Action::Push { .. } => Some(1),
        // The request is read again: the issue, and its last events.
        Action::Paste { .. }
        | Action::Launch { .. }
        | Action::Enter { late: true, .. }
        | Action::ReadLabels { .. }
        // What is there already is looked for first.
        | Action::State { .. }
        | Action::Tell { .. }
        | Action::Publish { .. }
        | Action::Post { .. }
        | Action::Merge { .. } => Some(2),
        Action::KeepPull { .. } | Action::Leave { .. } | Action::Park { .. } => Some(3),
        _ => None,
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
