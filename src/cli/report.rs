//! The agents' verbs: `done`, `fail`, `ask`, `ack`, `issue new --for` and `issue comment --for` (PROTOCOLS 4).
//!
//! A report is a file in the project's own folder, so these verbs need no daemon, no network and no home folder. Absent on
//! purpose: tokio, whose signal handling panics inside some agents' sandboxes, and git, which may not be on their PATH.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "stdout is the answer, stderr is talk"
)]

mod place;
mod trouble;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::domain::{Answer, REPORT_TEXT_BYTES_MAX, ReportId, Said, SpoolFile};
use crate::repo::{RepoError, spool};

pub use place::{Standing, project_folder, standing};
pub use trouble::Trouble;

/// How long a verb waits for its answer (PROTOCOLS 4).
const WAIT: Duration = Duration::from_secs(45);
/// The longest `--wait`.
const WAIT_MAX: Duration = Duration::from_mins(10);
/// Overrides [`WAIT`], for tests.
const WAIT_VARIABLE: &str = "POINTSMAN_REPORT_WAIT";
/// The version of the spool file's form.
const SPOOL_VERSION: u32 = 1;
/// The longest id on the command line, both halves and the dot.
const TOKEN_CHARS_MAX: usize = 128;
const NOT_YET: &str = "recorded, not yet judged: end your turn, you will be told";

/// What an agent reports of its dispatch.
#[derive(Clone, Debug, Subcommand)]
pub enum ReportVerb {
    /// Report that the work of a dispatch is there
    Done(DoneArgs),
    /// Report that a dispatch cannot be finished, and why
    Fail(FailArgs),
    /// Ask a person something that decides how a dispatch goes on
    Ask(AskArgs),
    /// Confirm that a brief arrived
    Ack(AckArgs),
}

/// Which dispatch, and how long to wait for the answer.
#[derive(Clone, Debug, Args)]
pub struct ReportFor {
    /// The id in the brief's report lines, `<dispatch>.<secret>`
    pub id: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the verb's")]
    pub wait: ReportWait,
}

/// How long to wait for the answer.
#[derive(Clone, Debug, Default, Args)]
pub struct ReportWait {
    /// How long to wait for the answer, as `45s`
    #[arg(long, hide = true, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
}

/// Arguments of `done`.
#[derive(Clone, Debug, Args)]
pub struct DoneArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the verb's")]
    pub of: ReportFor,
    /// The file with the spec
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// The file with the verdict, JSON
    #[arg(long, value_name = "FILE")]
    pub verdict: Option<PathBuf>,
    /// What the next reader should know
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Arguments of `fail`.
#[derive(Clone, Debug, Args)]
pub struct FailArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the verb's")]
    pub of: ReportFor,
    /// Why it cannot be finished
    #[arg(value_name = "WHY", required_unless_present = "note")]
    pub why: Option<String>,
    /// The same, as an option
    #[arg(long, value_name = "TEXT", conflicts_with = "why")]
    pub note: Option<String>,
}

/// Arguments of `ask`.
#[derive(Clone, Debug, Args)]
pub struct AskArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the verb's")]
    pub of: ReportFor,
    /// The question, with the options and a recommendation
    pub question: String,
}

/// Arguments of `ack`.
#[derive(Clone, Debug, Args)]
pub struct AckArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the verb's")]
    pub of: ReportFor,
    /// The delivery that arrived, as its line named it
    #[arg(long, value_name = "ID")]
    pub delivery: Option<String>,
}

/// Runs a verb in the working folder: prints the answer and returns 0, 1 when refused or broken, 2 when called wrongly.
pub fn run(verb: ReportVerb) -> ExitCode {
    finish(said_by(verb).and_then(|(of, said)| report(&of.id, said, of.wait.wait)))
}

/// Runs `issue new --for <id>`.
pub fn issue_new(id: &str, title: &str, body: &str, wait: Option<Duration>) -> ExitCode {
    let said = title_of(title).map(|title| Said::Issue {
        title,
        body: body.to_owned(),
    });
    finish(said.and_then(|said| report(id, said, wait)))
}

/// Runs `issue comment --for <id>`.
pub fn issue_comment(id: &str, body: &str, wait: Option<Duration>) -> ExitCode {
    let said = filled("comment", body).map(|body| Said::Comment { body });
    finish(said.and_then(|said| report(id, said, wait)))
}

/// Reads a file whose text goes into a report, at most 256 KB of UTF-8; for `--spec`, `--verdict` and bodies.
pub fn read_text(what: &str, path: &Path) -> Result<String, Trouble> {
    let failed = format!("cannot read the {what} `{}`", path.display());
    let hint =
        || format!("pass the path of the {what} file you wrote, from this folder or absolute");
    let read = File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        let limit = REPORT_TEXT_BYTES_MAX as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = read.map_err(|error| Trouble::failed(&failed, error, hint()))?;
    if bytes.len() > REPORT_TEXT_BYTES_MAX {
        let why = format!("it is larger than {REPORT_TEXT_BYTES_MAX} bytes");
        return Err(Trouble::failed(&failed, why, "shorten it: people read it"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let why = format!("it is not UTF-8 text (byte {at})");
        Trouble::failed(&failed, why, "write it as UTF-8 and report again")
    })?;
    if text.trim().is_empty() {
        return Err(Trouble::failed(&failed, "it is empty", hint()));
    }
    Ok(text)
}

fn said_by(verb: ReportVerb) -> Result<(ReportFor, Said), Trouble> {
    Ok(match verb {
        ReportVerb::Done(args) => {
            let text =
                |what, path: Option<PathBuf>| path.map(|path| read_text(what, &path)).transpose();
            let said = Said::Done {
                spec: text("spec", args.spec)?,
                verdict: text("verdict", args.verdict)?,
                note: args.note.map(|note| filled("note", &note)).transpose()?,
            };
            (args.of, said)
        }
        ReportVerb::Fail(args) => {
            let why = args.why.or(args.note).unwrap_or_default();
            let note = filled("reason", &why)?;
            (args.of, Said::Fail { note })
        }
        ReportVerb::Ask(args) => {
            let question = filled("question", &args.question)?;
            (args.of, Said::Ask { question })
        }
        ReportVerb::Ack(args) => {
            let delivery = args.delivery;
            (args.of, Said::Ack { delivery })
        }
    })
}

/// Writes the report and waits for its answer. The order matters: a report that was not written is not waited for.
fn report(id: &str, said: Said, wait: Option<Duration>) -> Result<Option<Answer>, Trouble> {
    let token = token(id)?;
    let here = working_folder()?;
    let project = project_folder(&here)?;
    let standing = standing(&here);
    let file = SpoolFile {
        version: SPOOL_VERSION,
        token,
        said,
        head: standing.head,
        branch: standing.branch,
    };
    let json = serde_json::to_vec_pretty(&file).expect("texts and names are always JSON");
    let report = spool::submit(&project, &json, now()).map_err(|error| not_written(&error))?;
    let longest = wait.or_else(wait_from_environment).unwrap_or(WAIT);
    let bytes = spool::wait_answer(&project, &report, longest);
    // The report lies there: whatever is wrong with the answer, the agent need not report again.
    Ok(bytes
        .ok()
        .flatten()
        .and_then(|bytes| answer_in(&bytes, &report)))
}

/// Reads an answer; one that is none, or another report's, is as good as not there.
fn answer_in(bytes: &[u8], report: &ReportId) -> Option<Answer> {
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    (answer.report == *report).then_some(answer)
}

fn finish(result: Result<Option<Answer>, Trouble>) -> ExitCode {
    match result {
        Ok(Some(answer)) => {
            println!("{}", printable(&answer.text));
            ExitCode::from(u8::from(!answer.accepted))
        }
        Ok(None) => {
            println!("{NOT_YET}");
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("{trouble}");
            trouble.exit_code()
        }
    }
}

/// Strips what a terminal would obey: an answer may quote a build's log.
fn printable(text: &str) -> String {
    let shown = |letter: &char| matches!(letter, '\n' | '\t') || !letter.is_control();
    text.trim_end().chars().filter(shown).collect()
}

fn token(id: &str) -> Result<String, Trouble> {
    let is_half = |half: &str| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !half.is_empty() && half.bytes().all(word)
    };
    let halves = id.split_once('.');
    if id.len() <= TOKEN_CHARS_MAX && halves.is_some_and(|(a, b)| is_half(a) && is_half(b)) {
        return Ok(id.to_owned());
    }
    let shown: String = id.escape_debug().take(TOKEN_CHARS_MAX).collect();
    Err(Trouble::usage(
        format!("`{shown}` is not the id of a dispatch"),
        "an id has the form `<dispatch>.<secret>`",
        "copy the whole line from the brief's report commands",
    ))
}

fn title_of(text: &str) -> Result<String, Trouble> {
    let title = filled("title", text)?;
    if title.contains('\n') {
        let what = "cannot take the title";
        return Err(Trouble::usage(
            what,
            "it has more than one line",
            "put the rest into the body",
        ));
    }
    Ok(title)
}

fn filled(what: &str, text: &str) -> Result<String, Trouble> {
    let failed = format!("cannot take the {what}");
    let text = text.trim();
    if text.is_empty() {
        return Err(Trouble::usage(
            failed,
            "it is empty",
            "say it in a sentence or two, in quotes",
        ));
    }
    if text.len() > REPORT_TEXT_BYTES_MAX {
        let why = format!("it is larger than {REPORT_TEXT_BYTES_MAX} bytes");
        return Err(Trouble::usage(failed, why, "shorten it: people read it"));
    }
    Ok(text.to_owned())
}

fn not_written(error: &RepoError) -> Trouble {
    let why = std::error::Error::source(error)
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    // The store's own hints speak to the person who runs the daemon.
    let hint = match error {
        RepoError::Foreign { .. } => {
            "nothing was sent: `.pointsman` and what is in it must be plain folders and files; \
             remove what is there instead and report again"
        }
        _ => {
            "nothing was sent: make `.pointsman/spool` in the project's folder writable and report again"
        }
    };
    Trouble::failed("cannot write the report", why, hint)
}

fn working_folder() -> Result<PathBuf, Trouble> {
    std::env::current_dir().map_err(|error| {
        let hint = "change to the project's folder and report again";
        Trouble::failed("cannot tell the working folder", error, hint)
    })
}

/// Reads `45s`, `200ms` or `2m`, at most ten minutes.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "write it as `45s`".to_owned())?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_mins(number.min(60)),
        _ => return Err("write it as `45s`, `200ms` or `2m`".to_owned()),
    };
    if duration > WAIT_MAX {
        return Err("ten minutes at most".to_owned());
    }
    Ok(duration)
}

#[expect(clippy::disallowed_methods, reason = "`cli` reads the environment")]
fn wait_from_environment() -> Option<Duration> {
    duration(&std::env::var(WAIT_VARIABLE).ok()?).ok()
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
