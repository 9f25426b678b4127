//! `pointsman ledger`: reading what was written down. Nothing here writes it.

mod past;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::{Failure, edge, known, say, steer};
use crate::daemon::desk::surface::Trail;
use crate::daemon::store;
use crate::domain::{DispatchId, IssueNumber};
use crate::ledger::{Record, Records, Sqlite, Store as _, export};
use crate::machine::telling::brief::redact;
use crate::machine::text::count;
use crate::view::{Told, timeline};

/// Between two looks of `--follow`.
const FOLLOW: Duration = Duration::from_millis(500);
/// What a reader of an export has to know before computing a hash of it.
const REDACTED: &str = "report secrets are left out of the bodies; `prev` and `hash` are those of the originals, which `pointsman ledger verify` checks";
/// Records read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum LedgerVerb {
    /// Tell what happened, one line an event
    Show(ShowArgs),
    /// Print every event as a line of JSON, report secrets left out; the hashes are those of the originals
    Export,
    /// Check every page, hash and event
    Verify,
    /// Fold the events anew, all or up to one, and say where that ends
    Replay(past::ReplayArgs),
    /// Count what happened in a period, as Markdown
    Report(past::ReportArgs),
    /// List what specs decided, and who let the work go on with it
    Decisions(past::DecisionsArgs),
    /// Write a copy of this instant, and the key beside it; also while the daemon runs
    Backup(BackupArgs),
    /// Go on with this ledger where another one's mark was found, or its own of a dispatch it lacks
    Adopt(AdoptArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Only this issue
    #[arg(long, value_name = "NUMBER")]
    issue: Option<u64>,
    /// Only this dispatch
    #[arg(long, value_name = "ID", conflicts_with = "issue")]
    dispatch: Option<String>,
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Go on with what is written from now on
    #[arg(long)]
    follow: bool,
    /// Print lines of JSON, report secrets left out
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// The project
    project: String,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The new file
    file: PathBuf,
}

/// Runs the verb.
pub(super) fn ledger(verb: &LedgerVerb) -> Result<(), Failure> {
    let places = edge::places()?;
    if let LedgerVerb::Adopt(args) = verb {
        return steer::adopt(&places, &args.project);
    }
    let store = known::ledger(&places)?;
    match verb {
        LedgerVerb::Adopt(_) => Ok(()),
        LedgerVerb::Show(args) => show(&store, args),
        LedgerVerb::Export => {
            say::out(&lines(
                Records::after(&store, 0).map(|record| record.map(redacted)),
            )?)?;
            say::talk(REDACTED);
            Ok(())
        }
        LedgerVerb::Verify => verify(&store),
        LedgerVerb::Replay(args) => past::replay(&places, &store, args),
        LedgerVerb::Report(args) => past::report(&store, args),
        LedgerVerb::Decisions(args) => past::decisions(&store, args),
        LedgerVerb::Backup(args) => {
            store.backup(&args.file).map_err(known::unreadable)?;
            say::out(&format!(
                "{} holds ledger {}",
                args.file.display(),
                store.ledger_id()
            ))?;
            let key = places.state.join("key");
            if key.exists() {
                let copy = copy_key(&key, &args.file)?;
                let said = format!("{} holds the key of its marks on issues", copy.display());
                say::out(&said)?;
            }
            Ok(())
        }
    }
}

/// Without the key every mark on an issue is another daemon's: it goes beside the copy, for its owner alone.
fn copy_key(from: &Path, backup: &Path) -> Result<PathBuf, Failure> {
    let mut name = OsString::from(backup);
    name.push(".key");
    let to = PathBuf::from(name);
    let copied = std::fs::read(from).and_then(|bytes| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&to)?;
        file.write_all(&bytes)?;
        file.sync_all()
    });
    copied.map_err(|error| {
        let error = anyhow::Error::new(error);
        let said = format!(
            "the ledger is copied, but its key cannot be written to `{}`",
            to.display()
        );
        Failure::new(error.context(said))
            .hint("copy `key` from the state folder yourself".to_owned())
    })?;
    Ok(to)
}

fn lines(
    records: impl IntoIterator<Item = Result<Record, crate::ledger::StoreError>>,
) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    export(records, &mut bytes).map_err(|error| {
        let hint = error.hint();
        Failure::new(error).hint(hint)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Leaves the report secrets of briefs out; the record's hash stays that of the original.
fn redacted(mut record: Record) -> Record {
    if let Ok(mut body) = serde_json::from_str::<Value>(&record.body)
        && cover(&mut body)
    {
        record.body = body.to_string();
    }
    record
}

#[expect(
    clippy::unnecessary_fold,
    reason = "`any` would stop at the first and leave the others uncovered"
)]
fn cover(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let covered = redact(text);
            let changed = covered != *text;
            *text = covered;
            changed
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |changed, item| cover(item) || changed),
        Value::Object(fields) => fields
            .values_mut()
            .fold(false, |changed, item| cover(item) || changed),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn show(store: &Sqlite, args: &ShowArgs) -> Result<(), Failure> {
    // Two projects may have an issue of the same number: each stream has a trail of its own.
    let mut trails: BTreeMap<String, Trail> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store.read(after, PAGE).map_err(known::unreadable)?;
        let mut text = String::new();
        for record in page {
            after = record.seq;
            let told = args
                .project
                .as_ref()
                .is_none_or(|name| *name == record.stream);
            if told && wanted(&mut trails, args, &record)? {
                text.push_str(&line(record, args.json)?);
            }
        }
        if !text.is_empty() {
            say::out(&text)?;
        }
        let ended = store.read(after, 1).map_err(known::unreadable)?.is_empty();
        match (ended, args.follow) {
            (false, _) => {}
            (true, false) => return Ok(()),
            (true, true) => pause(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a verb without tokio waits for the next event"
)]
fn pause() {
    std::thread::sleep(FOLLOW);
}

fn wanted(
    trails: &mut BTreeMap<String, Trail>,
    args: &ShowArgs,
    record: &Record,
) -> Result<bool, Failure> {
    let fresh = match (args.issue, &args.dispatch) {
        (Some(issue), _) => Trail::of_issue(IssueNumber(issue)),
        (None, Some(dispatch)) => Trail::of_dispatch(DispatchId::new(dispatch.clone())),
        (None, None) => return Ok(true),
    };
    let event = store::event_of(record).map_err(known::illegal)?;
    Ok(trails
        .entry(record.stream.clone())
        .or_insert(fresh)
        .takes(&event))
}

fn line(record: Record, json: bool) -> Result<String, Failure> {
    if json {
        return lines([Ok(redacted(record))]);
    }
    let event = store::event_of(&record).map_err(known::illegal)?;
    let told = Told {
        seq: record.seq,
        at: record.at,
        event: &event,
    };
    Ok(format!("{:<8}  {}\n", record.stream, timeline::line(&told)))
}

fn verify(store: &Sqlite) -> Result<(), Failure> {
    say::out(&verified(store)?)
}

/// Checks every page, hash and event, and says what was gone through.
pub(super) fn verified(store: &Sqlite) -> Result<String, Failure> {
    let verified = store.verify().map_err(known::unreadable)?;
    past::folds(store, None)?;
    Ok(format!(
        "{} of {}: all whole, and each follows from what is before it",
        count(verified.events, "event"),
        count(verified.streams, "project")
    ))
}
