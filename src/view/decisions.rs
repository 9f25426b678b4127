//! `pointsman ledger decisions`: what specs decided, and which person let the work go on with it. From events alone, like the report.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{DispatchId, Event, IssueNumber, Label, Next, PullEnd, Spec};
use crate::machine::pull::NOBODYS_MERGE;
use crate::machine::text::{markdown, one_line, sanitise};

/// Bytes of a decision that are kept: a paragraph or two, and the whole spec is on the issue.
const WORDS_BYTES_MAX: usize = 4 * 1024;
/// Characters of it that a line shows.
const WORDS_CHARS_MAX: usize = 300;

/// What the spec of an issue decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The project.
    pub project: String,
    /// The issue.
    pub issue: IssueNumber,
    /// When the spec was recorded.
    pub at: Timestamp,
    /// SHA-256 of the whole spec.
    pub spec: String,
    /// What stands below its `## Decision`.
    pub words: String,
    /// Who let the work go on with it; `None`: nobody.
    pub approved: Option<Approver>,
}

/// A person's word for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// Their name.
    pub by: String,
    /// By which act: `approve`, `merge`, or the label they set.
    pub how: String,
    /// When it was written down.
    pub at: Timestamp,
}

/// Takes the events of all projects in their order.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    found: Vec<Decided>,
    /// Where each dispatch's stage leads.
    leads: BTreeMap<(String, DispatchId), Next>,
    /// Where the work goes on from the newest spec of an issue.
    next: BTreeMap<(String, IssueNumber), Label>,
}

impl Decisions {
    /// Takes the next event of a project.
    pub fn take(&mut self, project: &str, at: Timestamp, event: &Event) {
        match event {
            Event::DispatchOpened { opening } => {
                let key = (project.to_owned(), opening.id.clone());
                self.leads.insert(key, opening.stage.next.clone());
            }
            Event::SpecPublished { dispatch, spec, .. } => {
                self.decided(project, at, dispatch, spec);
            }
            Event::Approved { issue, by, .. } => self.approved(project, *issue, at, by, "approve"),
            Event::PullEnded {
                issue,
                end: PullEnd::Merged { by },
                ..
            } => self.approved(project, *issue, at, by, "merge"),
            // Written with the end of a pull request that no person merged.
            Event::NoteIntended { note } if note.key.starts_with(NOBODYS_MERGE) => {
                if let Some(last) = self.last(project, note.issue) {
                    last.approved = last.approved.take().filter(|word| word.how != "merge");
                }
            }
            Event::Overridden { issue, by, to, .. } => {
                self.moved(project, *issue, at, &by.login, to);
            }
            Event::Routed { issue, by, to, .. } => self.moved(project, *issue, at, by, to),
            _ => {}
        }
    }

    /// A new spec takes the place of one that nobody approved; one that was approved stays on record.
    fn decided(&mut self, project: &str, at: Timestamp, dispatch: &DispatchId, spec: &Spec) {
        let issue = spec.issue;
        let is_replaced = |known: &Decided| {
            known.project == project && known.issue == issue && known.approved.is_none()
        };
        self.found.retain(|known| !is_replaced(known));
        let words = markdown::section(&spec.text, "Decision").map(|section| section.body);
        self.found.push(Decided {
            project: project.to_owned(),
            issue,
            at,
            spec: spec.digest.clone(),
            words: sanitise(words.unwrap_or_default().trim(), WORDS_BYTES_MAX),
            approved: None,
        });
        let leads = self.leads.get(&(project.to_owned(), dispatch.clone()));
        let key = (project.to_owned(), issue);
        match leads {
            Some(Next::Stage(label)) => self.next.insert(key, label.clone()),
            Some(Next::Done) | None => self.next.remove(&key),
        };
    }

    fn last(&mut self, project: &str, issue: IssueNumber) -> Option<&mut Decided> {
        let mut newest = self.found.iter_mut().rev();
        newest.find(|known| known.project == project && known.issue == issue)
    }

    fn approved(&mut self, project: &str, issue: IssueNumber, at: Timestamp, by: &str, how: &str) {
        let Some(last) = self.last(project, issue) else {
            return;
        };
        last.approved.get_or_insert_with(|| Approver {
            by: by.to_owned(),
            how: how.to_owned(),
            at,
        });
    }

    /// Who moves an issue on from where its spec was written lets it go on; any other move says nothing of the decision.
    fn moved(&mut self, project: &str, issue: IssueNumber, at: Timestamp, by: &str, to: &Label) {
        if self.next.get(&(project.to_owned(), issue)) == Some(to) {
            self.approved(project, issue, at, by, to.as_str());
        }
    }

    /// Returns what was decided, oldest first; `unapproved` alone, or all. A spec without a decision has none to tell.
    pub fn found(self, unapproved: bool) -> Vec<Decided> {
        let mut found = self.found;
        found.retain(|decided| !decided.words.is_empty());
        found.retain(|decided| !unapproved || decided.approved.is_none());
        found
    }
}

/// Writes them, two lines each: whose, and what.
pub fn render_decisions(found: &[Decided]) -> String {
    let mut text = String::new();
    for decided in found {
        let word = match &decided.approved {
            Some(word) => format!(
                "approved by {} ({}) at {:.0}",
                one_line(&word.by, 80),
                one_line(&word.how, 80),
                word.at
            ),
            None => "approved by nobody".to_owned(),
        };
        let _ = writeln!(
            text,
            "{} {}  {:.0}  {word}\n    {}",
            decided.project,
            decided.issue,
            decided.at,
            one_line(&decided.words, WORDS_CHARS_MAX)
        );
    }
    if found.is_empty() {
        text.push_str("no decision of that kind is on record\n");
    }
    text
}
