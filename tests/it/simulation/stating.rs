//! The modelled status comment: what a person reads, and the marker lines below it.

use jiff::SignedDuration;
use pointsman::domain::{
    CommentMode, Dispatch, DispatchId, IssueNumber, Marker, Outcome, Sighting, Statement,
};
use pointsman::machine::text::mark;

use super::laws::Law;
use super::world::World;

/// Edits closer together than this are too many: a minute, less what an effect takes to happen.
const HASTE: SignedDuration = SignedDuration::from_secs(50);

/// A marker line; the one ledger that most worlds have is not named.
fn line_of(dispatch: &str, ledger: &str) -> String {
    match ledger {
        "sim" => format!("marker {dispatch}"),
        other => format!("marker {dispatch} of {other}"),
    }
}

impl World {
    /// Edits the status comment that is there, else makes it. A marker of a dispatch that was delivered before is too late.
    pub(crate) fn state(&mut self, statement: &Statement) -> Outcome {
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
        let sighted = self.sightings.get(issue);
        if let Some(sighting) = sighted.filter(|one| !statement.adopted.covers(one)) {
            return Outcome::Sighted(sighting.clone());
        }
        let other = self.other_ledger(*issue);
        if let Some(sighting) = other.filter(|one| !statement.adopted.covers(one)) {
            return Outcome::Sighted(sighting);
        }
        let marker = marks.as_ref().map(|opening| Marker {
            ledger: self.ledger.to_owned(),
            project: "blog".to_owned(),
            seq: 0,
            head: String::new(),
            labelling: String::new(),
            attempt: opening.attempt,
            round: opening.round,
            dispatch: opening.id.clone(),
        });
        let sign = mark("status");
        let line = |marker: &Marker| mark(&line_of(marker.dispatch.as_str(), &marker.ledger));
        let lines: Vec<String> = markers.iter().chain(&marker).map(line).collect();
        let body = format!("{text}\n{sign}\n{}", lines.join("\n"));
        let (comment, changed) = self.tracker.replace(*issue, &sign, &body, self.now);
        if changed {
            let before = self.stated.insert(*issue, self.now);
            // A clock that jumped back says nothing.
            let between = before.map(|before| self.now.duration_since(before));
            let hasty = between.is_some_and(|it| (SignedDuration::ZERO..HASTE).contains(&it));
            // Whoever starts anew does not know when a write whose answer was lost has happened.
            let knows = self.told.replace(*issue).is_some();
            if hasty && knows && marks.is_none() {
                let how = format!("{issue} is told about twice in a minute");
                self.breaks(Law::Budget, how);
            }
        }
        Outcome::Stated {
            comment,
            marker: marker.map(Box::new),
            round: 0,
        }
    }

    /// Whose marker line stands there, if it is another ledger's.
    fn other_ledger(&self, issue: IssueNumber) -> Option<Sighting> {
        let comments = &self.tracker.issues[&issue].comments;
        let lines = comments.iter().flat_map(|one| one.body.lines());
        let markers = lines.filter(|line| line.contains("marker d"));
        let mut ledgers = markers.map(|line| match line.split_once(" of ") {
            Some((_, rest)) => rest.trim_end_matches(" -->"),
            None => "sim",
        });
        let ledger = ledgers.find(|ledger| *ledger != self.ledger)?.to_owned();
        Some(Sighting::Other { ledger })
    }

    /// Before anything is typed the issue says so, if it is to (PROTOCOLS 9).
    pub(crate) fn marked(&mut self, dispatch: &Dispatch) {
        let (Some(labelling), false) = (
            dispatch.opening.labelling(),
            self.rules.comment == CommentMode::Off,
        ) else {
            return;
        };
        let line = mark(&line_of(dispatch.id().as_str(), self.ledger));
        let comments = &self.tracker.issues[&labelling.issue].comments;
        if !comments.iter().any(|one| one.body.contains(&line)) {
            let how = format!("{} is typed without its marker", dispatch.id());
            self.breaks(Law::MarkedFirst, how);
        }
    }

    /// The status comment as a person reads it, and its hidden lines.
    pub(crate) fn said(&self, number: IssueNumber) -> String {
        let comments = &self.tracker.issues[&number].comments;
        let sign = mark("status");
        let found = comments.iter().find(|one| one.body.contains(&sign));
        found.map_or_else(|| "nothing".to_owned(), |one| one.body.replace(&sign, ""))
    }

    /// Puts a mark on an issue that the ledger cannot account for: `by <ledger>`, or a dispatch that it lacks.
    pub(crate) fn sight(&mut self, number: IssueNumber, words: &[&str]) {
        let sighting = match words {
            ["by", ledger] => Sighting::Other {
                ledger: (*ledger).to_owned(),
            },
            words => Sighting::Ahead {
                dispatch: DispatchId::new(words.concat()),
            },
        };
        self.sightings.insert(number, sighting);
    }
}
