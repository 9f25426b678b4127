//! `heartbeat.log`: one line per cycle, `key=value`, made to be grepped in the morning.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, Write as _};

use crate::daemon::hands::Hands;
use crate::daemon::places::Places;
use crate::domain::Observation;
use crate::machine::engine::CycleReport;

/// The log is turned over at this size; one older file is kept.
const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// So much of its end is read for the last cycles.
const TAIL_BYTES_MAX: u64 = 256 * 1024;

/// Returns the line of one cycle.
pub fn line(project: &str, report: &CycleReport, seen: Option<&Observation>) -> String {
    let at = report.at.map_or_else(String::new, |at| format!("{at:.0}"));
    let did = report.did.as_deref().unwrap_or("-");
    let mut held: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (issue, hold) in &report.standing {
        held.entry(hold.word())
            .or_default()
            .push(issue.0.to_string());
    }
    let held = if held.is_empty() {
        "-".to_owned()
    } else {
        held.iter()
            .map(|(word, issues)| format!("{word}({})", issues.join(",")))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let failed = seen
        .and_then(|seen| seen.gap.as_ref())
        .map_or("-", |(why, _)| why.as_str());
    format!("at={at} project={project} did={did:?} held={held:?} failed={failed:?}")
}

/// Appends the line of one cycle; an idle cycle says why it is idle.
pub fn write(hands: &Hands, report: &CycleReport, seen: Option<&Observation>) {
    let path = hands.places.heartbeat();
    if std::fs::metadata(&path).is_ok_and(|facts| facts.len() > LOG_BYTES_MAX)
        && let Err(error) = std::fs::rename(&path, path.with_extension("log.1"))
    {
        tracing::warn!(%error, "the heartbeat log cannot be turned over");
    }
    let line = line(hands.name.as_str(), report, seen);
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{line}"));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "the heartbeat is not written");
    }
}

/// Returns the log's last lines; nothing if there is no log.
pub fn tail(places: &Places) -> String {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(places.heartbeat()).and_then(|mut file| {
        let size = file.metadata()?.len();
        file.seek(std::io::SeekFrom::Start(
            size.saturating_sub(TAIL_BYTES_MAX),
        ))?;
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

/// Returns when a project's tracker was last read well, out of the log's last lines.
pub fn last_read(log: &str, project: &str) -> Option<jiff::Timestamp> {
    let of = format!(" project={project} ");
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains(&of) && line.ends_with(" failed=\"-\""))?;
    line.strip_prefix("at=")?.split(' ').next()?.parse().ok()
}
