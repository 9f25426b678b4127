//! Reports: `.pointsman/spool/<ulid>.json`, written by the agents' verbs, answered in `<ulid>.answer.json` by the daemon.
//!
//! Everything here is an agent's word: opened without following links, bounded in size and number, one bad file never hides another.
//! Plain blocking code without tokio: its signal handling panics inside some agents' sandboxes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::RenameFlags;
use ulid::Ulid;

use crate::domain::{REPORT_TEXT_BYTES_MAX, ReportId};
use crate::knife;
use crate::repo::RepoError;
use crate::repo::folder::{Folder, Users};

/// The largest spool file, report or answer.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most reports one scan returns; the others come with the next.
pub const REPORTS_MAX: usize = 100;
const FOLDER: &str = "spool";
const ANSWER_POLL: Duration = Duration::from_millis(50);

/// One report as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolEntry {
    /// Its id.
    pub ulid: ReportId,
    /// Its bytes, not yet parsed.
    pub bytes: Vec<u8>,
}

/// What one look at the spool found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The reports without an answer, oldest id first.
    pub entries: Vec<SpoolEntry>,
    /// Reports that are not taken (too large, a link, not readable), with the reason.
    pub refused: Vec<(ReportId, RepoError)>,
    /// Reports whose answer lies beside them, not read again: [`sweep`] removes them when the verb had its time.
    pub answered: Vec<ReportId>,
    /// Whether there are more than one scan takes.
    pub more: bool,
}

/// Looks at a project's spool. A folder that is not there has no reports.
pub fn list(project: &Path) -> Result<Scan, RepoError> {
    let mut scan = Scan::default();
    let Some(folder) = Folder::existing(project, FOLDER)? else {
        return Ok(scan);
    };
    let names: BTreeSet<String> = folder.names()?.into_iter().collect();
    let reports = names.iter().filter_map(|name| report_in(name));
    let (answered, waiting): (Vec<_>, Vec<_>) =
        reports.partition(|ulid| names.contains(&answer_name(ulid)));
    scan.answered = answered;
    scan.more = waiting.len() > REPORTS_MAX;
    for ulid in waiting.into_iter().take(REPORTS_MAX) {
        let read = folder.read(&report_name(&ulid), FILE_BYTES_MAX as u64);
        match read.and_then(|bytes| bytes.map(checked).transpose()) {
            Ok(Some(bytes)) => scan.entries.push(SpoolEntry { ulid, bytes }),
            Ok(None) => {}
            Err(error) => scan.refused.push((ulid, error)),
        }
    }
    Ok(scan)
}

/// Writes the answer to a report beside it, over an earlier one. `false` when the report is not in this spool: the same
/// opened folder is looked at and written to, so that a folder that is replaced meanwhile gets no stray answer.
pub fn answer(
    project: &Path,
    users: Users,
    ulid: &ReportId,
    json: &[u8],
) -> Result<bool, RepoError> {
    check_id(ulid)?;
    check_size("the answer", json)?;
    let Some(folder) = Folder::existing(project, FOLDER)? else {
        return Ok(false);
    };
    if !folder.names()?.contains(&report_name(ulid)) {
        return Ok(false);
    }
    folder.write(&answer_name(ulid), json, users.file(), RenameFlags::empty())?;
    knife::point(|| "after writing an answer".to_owned());
    Ok(true)
}

/// Removes what was written before `before` and is done with: reports with their answers, answers without a report, and what
/// is no report of the verbs, and what a killed verb left half written. A report that nobody answered yet stays, and so does what a
/// writer still holds. Returns how many files went.
pub fn sweep(project: &Path, before: Timestamp) -> Result<usize, RepoError> {
    let Some(folder) = Folder::existing(project, FOLDER)? else {
        return Ok(0);
    };
    let refused: BTreeSet<ReportId> = list(project)?
        .refused
        .into_iter()
        .map(|(ulid, _)| ulid)
        .collect();
    let names: BTreeSet<String> = folder.names()?.into_iter().collect();
    let mut removed = 0;
    // From the last name on a report goes before its answer: one that lost its answer would be answered anew.
    for name in names.iter().rev() {
        if let Some(ulid) = unfinished_in(name) {
            let is_old = written_at(&ulid).is_some_and(|at| at < before);
            removed += usize::from(is_old && folder.remove_abandoned(name)?);
            continue;
        }
        let answers = name
            .strip_suffix(".answer.json")
            .map(|id| format!("{id}.json"));
        let Some(ulid) = report_in(answers.as_deref().unwrap_or(name)) else {
            continue;
        };
        let done =
            answers.is_some() || names.contains(&answer_name(&ulid)) || refused.contains(&ulid);
        if done && written_at(&ulid).is_some_and(|at| at < before) && folder.remove(name).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes a file that an agent put together in the spool for a report of its dispatch; fine if it is gone.
pub fn remove_scratch(project: &Path, name: &str) -> Result<(), RepoError> {
    knife::point(|| "before removing an agent's file".to_owned());
    match Folder::existing(project, FOLDER)? {
        Some(folder) => folder.remove(name),
        None => Ok(()),
    }
}

/// Writes a report, for the agents' verbs. It is acknowledged when this returns: renamed and durable.
pub fn submit(project: &Path, json: &[u8], now: Timestamp) -> Result<ReportId, RepoError> {
    check_size("the report", json)?;
    let json = checked(json.to_vec())?;
    let folder = Folder::kept(project, FOLDER, Folder::users(project)?)?;
    let ulid = ReportId::new(new_id(now).to_string());
    // Readable to the group: the folder decides who gets this far.
    folder.write(
        &report_name(&ulid),
        &json,
        Users::Two.file(),
        RenameFlags::NOREPLACE,
    )?;
    Ok(ulid)
}

/// Waits for the answer to a report, for the agents' verbs; `None` when there is none in time.
pub fn wait_answer(
    project: &Path,
    ulid: &ReportId,
    longest: Duration,
) -> Result<Option<Vec<u8>>, RepoError> {
    check_id(ulid)?;
    let since = Instant::now();
    loop {
        let folder = Folder::existing(project, FOLDER)?;
        let answer = folder
            .map(|folder| folder.read(&answer_name(ulid), FILE_BYTES_MAX as u64))
            .transpose()?;
        let left = longest.saturating_sub(since.elapsed());
        match answer.flatten() {
            Some(answer) => return Ok(Some(answer)),
            None if left.is_zero() => return Ok(None),
            None => pause(left.min(ANSWER_POLL)),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agents' verbs wait here, without tokio"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Refuses a report with a text longer than a report's text may be. What is no JSON is for the reader to judge.
fn checked(bytes: Vec<u8>) -> Result<Vec<u8>, RepoError> {
    let longest = serde_json::from_slice(&bytes).map_or(0, |value| longest_text(&value));
    if longest > REPORT_TEXT_BYTES_MAX {
        let what = "a text of the report".to_owned();
        return Err(RepoError::TooMuch {
            what,
            max: REPORT_TEXT_BYTES_MAX,
            unit: "bytes",
        });
    }
    Ok(bytes)
}

/// Returns the length of the longest text; the parser bounds the depth.
fn longest_text(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(list) => list.iter().map(longest_text).max().unwrap_or(0),
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.len().max(longest_text(value)))
            .max()
            .unwrap_or(0),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 0,
    }
}

fn check_size(what: &str, bytes: &[u8]) -> Result<(), RepoError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(RepoError::TooMuch {
            what: what.to_owned(),
            max: FILE_BYTES_MAX,
            unit: "bytes",
        });
    }
    Ok(())
}

/// Reads a report's id from its file's name, exactly as the verbs write it; answers and temporary files are none.
fn report_in(name: &str) -> Option<ReportId> {
    let id = ReportId::new(name.strip_suffix(".json")?);
    check_id(&id).ok().map(|()| id)
}

/// Reads a report's id from the name of a file that [`Folder::write`] has not renamed yet: `.<report or answer>.<pid>.tmp`.
fn unfinished_in(name: &str) -> Option<ReportId> {
    let (of, pid) = name
        .strip_prefix('.')?
        .strip_suffix(".tmp")?
        .rsplit_once('.')?;
    pid.parse::<u32>().ok()?;
    report_in(of).or_else(|| report_in(&format!("{}.json", of.strip_suffix(".answer.json")?)))
}

fn check_id(ulid: &ReportId) -> Result<(), RepoError> {
    let text = ulid.as_str();
    match Ulid::from_string(text) {
        Ok(known) if known.to_string() == text => Ok(()),
        Ok(_) | Err(_) => Err(RepoError::NotA {
            text: text.escape_debug().take(100).collect(),
            expected: "a report's id (a ulid)",
        }),
    }
}

/// Returns when a report was made, by the clock of the verb that made it.
fn written_at(ulid: &ReportId) -> Option<Timestamp> {
    let ulid = Ulid::from_string(ulid.as_str()).ok()?;
    Timestamp::from_millisecond(i64::try_from(ulid.timestamp_ms()).ok()?).ok()
}

fn report_name(ulid: &ReportId) -> String {
    format!("{ulid}.json")
}

fn answer_name(ulid: &ReportId) -> String {
    format!("{ulid}.answer.json")
}

fn new_id(now: Timestamp) -> Ulid {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes[6..])
        .expect("the kernel has random bytes");
    Ulid::from_parts(
        u64::try_from(now.as_millisecond()).unwrap_or(0),
        u128::from_be_bytes(bytes),
    )
}
