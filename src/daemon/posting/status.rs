//! The status comment on the tracker: found by its mark, edited in place, made when it is not there (PROTOCOLS 8 and 9).
//!
//! It is looked for before every write, so that a lost answer makes no second one and a comment that a person deleted comes back.

use ring::hmac;

use crate::daemon::hands::{Hands, tracker_failed};
use crate::daemon::key::Key;
use crate::daemon::panes::compose::hex;
use crate::domain::{Comment, CommentId, Labelling, Marker, Opening, Outcome, Sighting, Statement};
use crate::machine::telling::status::MARKERS_MAX;
use crate::machine::text::mark;
use crate::tracker::TrackerError;

/// Writes a statement.
pub async fn write(hands: &Hands, statement: &Statement) -> Outcome {
    let us = match hands.us().await {
        Ok(us) => us,
        Err(error) => return tracker_failed(&error),
    };
    let comments = match hands.tracker.comments(statement.issue).await {
        Ok(comments) => comments,
        Err(error) => return refused(statement, &error),
    };
    let by_us = |comment: &&Comment| comment.author.as_ref().is_some_and(|by| by.id == us.id);
    let ours: Vec<&Comment> = comments.iter().filter(by_us).collect();
    let round = match lost(hands, statement, &ours).await {
        Ok(round) => round,
        Err(sighting) => return Outcome::Sighted(sighting),
    };
    let marker = match &statement.marks {
        Some(opening) => match witness(hands, opening).await {
            Ok(marker) => Some(marker),
            Err(outcome) => return outcome,
        },
        None => None,
    };
    let body = body(&hands.key, statement, &ours, marker.as_ref());
    match put(hands, statement, &ours, &body).await {
        Ok(comment) => Outcome::Stated {
            comment,
            marker: marker.map(Box::new),
            round,
        },
        Err(error) => refused(statement, &error),
    }
}

/// An issue that is not there takes no words, today or tomorrow; a dispatch that waits for its marker waits for a better answer.
fn refused(statement: &Statement, error: &TrackerError) -> Outcome {
    match error {
        TrackerError::NotFound { .. } | TrackerError::Moved { .. } if statement.marks.is_none() => {
            let why = crate::daemon::hands::chain(error);
            Outcome::NotPosted { why }
        }
        _ => tracker_failed(error),
    }
}

async fn put(
    hands: &Hands,
    statement: &Statement,
    ours: &[&Comment],
    body: &str,
) -> Result<CommentId, TrackerError> {
    let sign = sign(statement);
    let found = ours.iter().find(|one| one.body.contains(&sign));
    let Some(found) = found else {
        return hands.tracker.comment(statement.issue, body).await;
    };
    let (tracker, issue) = (&hands.tracker, statement.issue);
    if statement.marks.is_some() {
        tracker.edit_comment(issue, &found.id, body).await?;
    } else {
        tracker.edit_comment_later(issue, &found.id, body).await?;
    }
    Ok(found.id.clone())
}

/// Looks for marker lines of our account that this ledger cannot account for. One by anybody else is no marker. Where a person has
/// adopted them all, it is the highest round that one with our key names: rounds are the issue's, whatever became of the ledger.
async fn lost(hands: &Hands, statement: &Statement, ours: &[&Comment]) -> Result<u32, Sighting> {
    let mut round = 0;
    for Found { marker, genuine } in ours.iter().flat_map(|one| found(&hands.key, &one.body)) {
        let sighting = if !genuine || marker.ledger != hands.ledger_id {
            Sighting::Other {
                ledger: marker.ledger,
            }
        } else {
            let claim = format!("{}:dispatch:{}", marker.project, marker.dispatch);
            // What cannot be asked now is asked before the next write.
            if !matches!(hands.ledger.claimed(&claim).await, Ok(None)) {
                continue;
            }
            Sighting::Ahead {
                dispatch: marker.dispatch,
            }
        };
        if !statement.adopted.covers(&sighting) {
            return Err(sighting);
        }
        if genuine {
            round = round.max(marker.round);
        }
    }
    Ok(round)
}

/// The hidden mark by which the comment is found again.
fn sign(statement: &Statement) -> String {
    mark(&format!("status {}", statement.issue))
}

/// What a restored ledger would lack, as the ledger is now.
async fn witness(hands: &Hands, opening: &Opening) -> Result<Marker, Outcome> {
    let head = hands.ledger.head(hands.name.as_str()).await;
    let head = head.map_err(|error| crate::daemon::hands::failed(&error))?;
    let labelling = opening.labelling().map(Labelling::key);
    Ok(Marker {
        ledger: hands.ledger_id.clone(),
        project: hands.name.to_string(),
        seq: head.ver,
        head: hex(&head.hash),
        labelling: labelling.unwrap_or_default(),
        attempt: opening.attempt,
        round: opening.round,
        dispatch: opening.id.clone(),
    })
}

/// The words, the mark, and the marker lines: those that are there, those that a person deleted, the new one.
fn body(key: &Key, statement: &Statement, ours: &[&Comment], new: Option<&Marker>) -> String {
    let mut lines: Vec<String> = Vec::new();
    let sign = sign(statement);
    let there = ours.iter().find(|one| one.body.contains(&sign));
    let there = there.map_or_else(Vec::new, |one| found(key, &one.body));
    let genuine = there.iter().filter(|found| found.genuine);
    let known = genuine.map(|found| &found.marker);
    for marker in known.chain(&statement.markers).chain(new) {
        let line = line(key, marker);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let surplus = lines.len().saturating_sub(MARKERS_MAX);
    format!(
        "{}\n\n{sign}\n{}",
        statement.text,
        lines[surplus..].join("\n")
    )
}

/// A marker line: what it says, and the HMAC over exactly these bytes.
pub fn line(key: &Key, marker: &Marker) -> String {
    let json = serde_json::to_string(marker).expect("a marker is plain data");
    // Nothing in it may end the comment that hides it.
    let json = json.replace('>', "\\u003e").replace("--", "-\\u002d");
    let tag = hex(key.tag("marker", &json).as_ref());
    mark(&format!("marker {tag} {json}"))
}

/// What a line of a comment turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub marker: Marker,
    /// Whether this installation's key made it.
    pub genuine: bool,
}

/// Reads the marker lines of a comment; what only looks like one is none.
pub fn found(key: &Key, body: &str) -> Vec<Found> {
    let begin = mark("marker ");
    let begin = begin.trim_end_matches(" -->").trim_end();
    let lines = body.lines().filter_map(|line| {
        let rest = line.strip_prefix(begin)?.trim_start();
        let (tag, json) = rest.strip_suffix(" -->")?.split_once(' ')?;
        let marker = serde_json::from_str(json).ok()?;
        let genuine = hex(key.tag("marker", json).as_ref()) == tag;
        Some(Found { marker, genuine })
    });
    lines.collect()
}

impl Key {
    /// Returns the HMAC of a text for one use of the key.
    fn tag(&self, purpose: &str, text: &str) -> hmac::Tag {
        self.sign(format!("{purpose}:{text}").as_bytes())
    }
}
