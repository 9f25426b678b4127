//! `pointsman issue`: the project's tracker from the command line, whichever it is; and the agents' two verbs (`--for`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::report::{self, ReportWait};
use crate::cli::{Failure, client, dup, edge, known, run, say};
use crate::daemon::open_tracker;
use crate::domain::{Head, IssueNumber, Label, ProjectName, SingleRead};
use crate::machine::text::one_line;
use crate::tracker::{NewIssue, Tracker, TrackerError, Written};

/// Characters of a title in a list.
const TITLE_CHARS_MAX: usize = 80;

#[derive(Debug, Subcommand)]
pub(super) enum IssueVerb {
    /// Open an issue
    New(NewArgs),
    /// List open issues
    List(ListArgs),
    /// Show an issue with its comments and its label history
    Show(ShowArgs),
    /// Name the known issues with a title like this one; the tracker is not asked
    Dup(dup::DupArgs),
    /// Set labels of an issue
    Label(LabelArgs),
    /// Remove labels of an issue
    Unlabel(LabelArgs),
    /// Comment on an issue
    Comment(CommentArgs),
    /// Close an issue
    Close(CloseArgs),
}

#[derive(Debug, Args)]
pub(super) struct Where {
    /// The project; not needed with only one, or in its folder
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

impl Where {
    /// Returns the project that is named.
    pub(super) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The title, one line
    #[arg(value_name = "TITLE", required_unless_present = "title")]
    words: Option<String>,
    /// The same, as an option
    #[arg(long, value_name = "TEXT", conflicts_with = "words")]
    title: Option<String>,
    /// The text, markdown
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,
    /// A file with the text
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Option<PathBuf>,
    /// A label to set; may be repeated
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// The dispatch an agent works on: the daemon opens the issue
    #[arg(long = "for", value_name = "ID", conflicts_with_all = ["project", "label"])]
    dispatch: Option<String>,
    #[command(flatten)]
    wait: ReportWait,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only issues with this label
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The issue's number
    issue: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(super) struct LabelArgs {
    /// The issue's number
    issue: u64,
    /// The labels
    #[arg(required = true, value_name = "LABEL")]
    labels: Vec<String>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(super) struct CommentArgs {
    /// The issue's number, then the text; with --for the text alone
    #[arg(required = true, num_args = 1..=2, value_names = ["ISSUE", "TEXT"])]
    words: Vec<String>,
    /// The dispatch an agent works on: the daemon writes the comment
    #[arg(long = "for", value_name = "ID", conflicts_with = "project")]
    dispatch: Option<String>,
    #[command(flatten)]
    wait: ReportWait,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(super) struct CloseArgs {
    /// The issue's number
    issue: u64,
    #[command(flatten)]
    at: Where,
}

/// Runs the verb. The agents' forms are plain blocking code and answer with an exit code of their own.
pub(super) fn issue(verb: IssueVerb) -> Result<ExitCode, Failure> {
    let done = match verb {
        IssueVerb::New(args) => match &args.dispatch {
            Some(id) => {
                return Ok(report::issue_new(
                    id,
                    args.title(),
                    &args.text()?,
                    args.wait.wait,
                ));
            }
            None => new(&args),
        },
        IssueVerb::Comment(args) => match (&args.dispatch, args.words.as_slice()) {
            (Some(id), [text]) => return Ok(report::issue_comment(id, text, args.wait.wait)),
            (None, [number, text]) => comment(&args.at, number, text),
            _ => Err(Failure::usage(anyhow::anyhow!(
                "a comment takes the issue's number and the text, or --for and the text"
            ))
            .hint("as in `pointsman issue comment 12 \"the text\"`".to_owned())),
        },
        IssueVerb::List(args) => list(&args),
        IssueVerb::Show(args) => show(&args),
        IssueVerb::Dup(args) => dup::dup(&args),
        IssueVerb::Label(args) => label(&args, true),
        IssueVerb::Unlabel(args) => label(&args, false),
        IssueVerb::Close(args) => close(&args),
    };
    done.map(|()| ExitCode::SUCCESS)
}

impl NewArgs {
    fn title(&self) -> &str {
        self.title
            .as_deref()
            .or(self.words.as_deref())
            .unwrap_or_default()
    }

    fn text(&self) -> Result<String, Failure> {
        let Some(path) = &self.body_file else {
            return Ok(self.body.clone());
        };
        report::read_text("text", path).map_err(|trouble| {
            Failure::new(anyhow::anyhow!("{}: {}", trouble.what, trouble.why)).hint(trouble.hint)
        })
    }
}

/// Says a tracker's fault with what to do about it.
pub(super) fn failed(error: TrackerError) -> Failure {
    let hint = error.hint();
    Failure::new(error).hint(hint)
}

/// Opens the project's tracker, works on it, and tells a running daemon when something was written.
fn with<T>(
    at: &Where,
    writes: bool,
    work: impl AsyncFnOnce(&Tracker, &ProjectName) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let project = known::the_project(&config, at.project())?;
    run::runtime()?.block_on(async {
        let tracker =
            open_tracker(&places, &config, project, &edge::find_auth()).map_err(known::unopened)?;
        let result = work(&tracker, &project.name).await;
        if writes {
            client::poke(&places, &project.name).await;
        }
        result
    })
}

fn new(args: &NewArgs) -> Result<(), Failure> {
    let labels = args.label.iter().map(Label::new).collect();
    let issue = NewIssue {
        title: args.title().to_owned(),
        body: args.text()?,
        labels,
    };
    with(&args.at, true, async |tracker, name| {
        let number = tracker.create_issue(&issue).await.map_err(failed)?;
        say::out(&format!("{number} opened in {name}"))
    })
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let wanted = args.label.as_ref().map(Label::new);
    with(&args.at, false, async |tracker, _| {
        let mut open = tracker.sweep().await.map_err(failed)?.open;
        open.retain(|head| {
            wanted
                .as_ref()
                .is_none_or(|label| head.labels.contains(label))
        });
        open.sort_by_key(|head| head.number);
        if args.json {
            return say::json(&open);
        }
        let lines: Vec<String> = open.iter().map(line).collect();
        say::out(&lines.join("\n"))?;
        for broken in tracker.malformed().await.map_err(failed)? {
            say::talk(&format!(
                "{} cannot be understood: {}",
                broken.number, broken.why
            ));
        }
        Ok(())
    })
}

fn line(head: &Head) -> String {
    format!(
        "{:<5} {}  [{}]",
        head.number.to_string(),
        one_line(&head.title, TITLE_CHARS_MAX),
        names(head)
    )
}

fn names(head: &Head) -> String {
    head.labels
        .iter()
        .map(Label::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let number = IssueNumber(args.issue);
    with(&args.at, false, async |tracker, _| {
        let read = tracker.issue(number).await.map_err(failed)?;
        let found = match &read {
            SingleRead::Found(found) => found,
            SingleRead::Transferred { to } => {
                let to = one_line(to, 200);
                return Err(Failure::new(anyhow::anyhow!("{number} was moved to {to}"))
                    .hint("it is worked on there, if that repository is a project".to_owned()));
            }
            SingleRead::Gone => {
                return Err(Failure::new(anyhow::anyhow!("{number} is not there"))
                    .hint("`pointsman issue list` shows the open ones".to_owned()));
            }
        };
        let comments = tracker.comments(number).await.map_err(failed)?;
        let events = tracker.label_events(number).await.map_err(failed)?;
        let (head, text) = found.as_ref();
        if args.json {
            return say::json(
                &json!({ "issue": head, "text": text, "comments": comments, "labels": events }),
            );
        }
        let state = if head.open { "open" } else { "closed" };
        let mut out = format!(
            "{}\n{state}, {}\n\n{}\n",
            line(head),
            head.url,
            text.body.trim_end()
        );
        for event in &events {
            let by = event
                .actor
                .as_ref()
                .map_or("somebody", |actor| actor.login.as_str());
            let did = if event.set { "set" } else { "removed" };
            out.push_str(&format!("\n{}  {by} {did} {}", event.at, event.label));
        }
        for comment in &comments {
            let by = comment
                .author
                .as_ref()
                .map_or("somebody", |actor| actor.login.as_str());
            out.push_str(&format!(
                "\n\n{} at {}:\n{}",
                by,
                comment.created_at,
                comment.body.trim_end()
            ));
        }
        // A terminal obeys what an issue's text may contain.
        say::out(&crate::machine::text::sanitise(&out, usize::MAX))
    })
}

fn label(args: &LabelArgs, set: bool) -> Result<(), Failure> {
    let number = IssueNumber(args.issue);
    with(&args.at, true, async |tracker, _| {
        for label in args.labels.iter().map(Label::new) {
            let written = if set {
                tracker.add_label(number, &label).await
            } else {
                tracker.remove_label(number, &label).await
            };
            let says = match (written.map_err(failed)?, set) {
                (Written::Changed, true) => "is set",
                (Written::Changed, false) => "is removed",
                (Written::Already, true) => "was set already",
                (Written::Already, false) => "was not set",
            };
            say::out(&format!("{number} {label} {says}"))?;
        }
        Ok(())
    })
}

fn comment(at: &Where, number: &str, text: &str) -> Result<(), Failure> {
    let number = number.trim_start_matches('#').parse().map(IssueNumber);
    let number = number.map_err(|_| {
        Failure::usage(anyhow::anyhow!("the first word is not an issue's number"))
            .hint("as in `pointsman issue comment 12 \"the text\"`".to_owned())
    })?;
    with(at, true, async |tracker, _| {
        tracker.comment(number, text).await.map_err(failed)?;
        say::out(&format!("{number} has a comment more"))
    })
}

fn close(args: &CloseArgs) -> Result<(), Failure> {
    let number = IssueNumber(args.issue);
    with(&args.at, true, async |tracker, _| {
        let says = match tracker.close(number).await.map_err(failed)? {
            Written::Changed => "is closed",
            Written::Already => "was closed already",
        };
        say::out(&format!("{number} {says}"))
    })
}
