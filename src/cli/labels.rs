//! `pointsman labels`: the labels a workflow needs, on the tracker and in files.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::issue::failed;
use crate::cli::{Failure, client, edge, known, run, say};
use crate::config::{Config, check_against, graph, shipped};
use crate::daemon::trackers::Trackers;
use crate::domain::{IssueNumber, Label, Project, Workflow};
use crate::machine::labels::trust::standing_event;
use crate::machine::text::count;
use crate::tracker::{RepoLabel, Tracker};

/// Colours of labels that no stage brings: GitHub's own red, yellow and grey.
const PARK_COLOR: &str = "d93f0b";
const VETO_COLOR: &str = "e4e669";
const PRIORITY_COLOR: &str = "ededed";

#[derive(Debug, Subcommand)]
pub(super) enum LabelsVerb {
    /// Create the labels that are missing
    Sync(SyncArgs),
    /// Say what does not fit: files, labels, issues with several routing labels
    Check(CheckArgs),
    /// Leave issues that have several routing labels the one that was set last
    Fix(FixArgs),
    /// Draw the workflow as Mermaid
    Graph(GraphArgs),
    /// Copy the workflow's file for editing
    Eject(OneArgs),
}

#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Change colour and text of labels that differ, too
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The workflow of this project; not needed when all walk the same
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct FixArgs {
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// The workflow of this project; not needed when all walk the same
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print the workflow as JSON instead
    #[arg(long)]
    json: bool,
}

/// A list on stdout: lines as they come, or JSON at the end.
struct Rows {
    json: Option<Vec<Value>>,
}

impl Rows {
    fn new(json: bool) -> Self {
        Self {
            json: json.then(Vec::new),
        }
    }

    fn add(&mut self, line: &str, row: Value) -> Result<(), Failure> {
        match &mut self.json {
            Some(rows) => {
                rows.push(row);
                Ok(())
            }
            None => say::out(line),
        }
    }

    /// Prints the JSON, also of what was done before something failed.
    fn end(&self, done: Result<(), Failure>) -> Result<(), Failure> {
        if let Some(rows) = &self.json {
            say::json(rows)?;
        }
        done
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Missing,
    Same,
    Differs,
}

/// Runs the verb.
pub(super) fn labels(verb: &LabelsVerb) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    match verb {
        LabelsVerb::Graph(args) => {
            let workflow = workflow(&config, args.project.as_deref())?;
            if args.json {
                say::json(workflow)
            } else {
                say::out(&graph(workflow))
            }
        }
        LabelsVerb::Eject(args) => eject(
            &places.config,
            &workflow(&config, args.project.as_deref())?.name,
        ),
        LabelsVerb::Sync(args) => {
            let mut rows = Rows::new(args.json);
            let done = each(
                &config,
                args.project.as_deref(),
                async |project, workflow, tracker| {
                    sync(args, project, workflow, tracker, &mut rows).await
                },
            );
            if args.dry_run {
                say::talk("nothing was changed");
            }
            rows.end(done)
        }
        LabelsVerb::Check(args) => check_all(&config, args),
        LabelsVerb::Fix(args) => {
            let mut rows = Rows::new(args.json);
            let done = each(
                &config,
                args.project.as_deref(),
                async |project, workflow, tracker| {
                    fix(args, project, workflow, tracker, &mut rows).await?;
                    client::poke(&places, &project.name).await;
                    Ok(())
                },
            );
            rows.end(done)
        }
    }
}

fn check_all(config: &Config, args: &CheckArgs) -> Result<(), Failure> {
    let mut rows = Rows::new(args.json);
    let mut findings = 0;
    let done = each(
        config,
        args.project.as_deref(),
        async |project, workflow, tracker| {
            findings += check(project, workflow, tracker, &mut rows).await?;
            Ok(())
        },
    );
    rows.end(done)?;
    match findings {
        0 if args.json => Ok(()),
        0 => say::out("all fits"),
        n => Err(Failure::new(anyhow::anyhow!(count(n, "finding"))).hint(
            "`pointsman labels sync` creates labels, `pointsman labels fix` settles issues"
                .to_owned(),
        )),
    }
}

/// Returns the workflow of the project that is named; else the one that every project walks, or the default without any.
fn workflow<'a>(config: &'a Config, project: Option<&str>) -> Result<&'a Workflow, Failure> {
    let mut walked: Vec<&str> = known::projects_or_none(config, project)?
        .into_iter()
        .map(|project| project.workflow.as_str())
        .collect();
    walked.sort_unstable();
    walked.dedup();
    let name = match walked.as_slice() {
        [] => crate::config::WORKFLOW_DEFAULT,
        [one] => one,
        several => {
            let says = format!(
                "the projects walk different workflows: {}",
                several.join(", ")
            );
            return Err(Failure::usage(anyhow::anyhow!(says))
                .hint("pass --project to say whose".to_owned()));
        }
    };
    Ok(config
        .workflows
        .get(name)
        .expect("the configuration names workflows that are there"))
}

fn each(
    config: &Config,
    named: Option<&str>,
    mut work: impl AsyncFnMut(&Project, &Workflow, &Tracker) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let projects = known::projects(config, named)?;
    let places = edge::places()?;
    let trackers = Trackers::new(edge::find_auth());
    run::runtime()?.block_on(async {
        for project in projects {
            let tracker = trackers
                .open(&places, config, project)
                .map_err(known::unopened)?;
            let workflow = config
                .workflow_of(project)
                .expect("the configuration names workflows that are there");
            work(project, workflow, &tracker).await?;
        }
        Ok(())
    })
}

fn wanted(workflow: &Workflow) -> Vec<RepoLabel> {
    let label = |name: &Label, color: &str, description: &str| RepoLabel {
        name: name.clone(),
        color: color.to_owned(),
        description: description.to_owned(),
    };
    let special = &workflow.labels;
    let mut wanted: Vec<RepoLabel> = workflow
        .stages
        .iter()
        .map(|stage| label(&stage.label, &stage.color, &stage.description))
        .collect();
    wanted.push(label(
        &special.park,
        PARK_COLOR,
        "Waits for a person; remove it to try again",
    ));
    wanted.extend(
        special
            .veto
            .iter()
            .map(|name| label(name, VETO_COLOR, "No agent works on this")),
    );
    wanted.extend(
        special
            .priority
            .iter()
            .map(|name| label(name, PRIORITY_COLOR, "Priority")),
    );
    wanted.push(label(
        &special.pause,
        PARK_COLOR,
        "While open, the project is paused",
    ));
    wanted
}

/// Counts the labels that a workflow needs and a repository has not.
pub(super) fn missing(workflow: &Workflow, there: &[RepoLabel]) -> usize {
    wanted(workflow)
        .iter()
        .filter(|label| fit(label, there) == Fit::Missing)
        .count()
}

/// Names the labels of a repository that look as `labels sync` makes them.
pub(super) fn made(workflow: &Workflow, there: &[RepoLabel]) -> Vec<String> {
    wanted(workflow)
        .into_iter()
        .filter(|label| fit(label, there) == Fit::Same)
        .map(|label| label.name.to_string())
        .collect()
}

/// Names the labels of a repository that are a workflow's by name and not by colour or text: they may have meant something else.
pub(super) fn differing(workflow: &Workflow, there: &[RepoLabel]) -> Vec<Label> {
    wanted(workflow)
        .into_iter()
        .filter(|label| fit(label, there) == Fit::Differs)
        .map(|label| label.name)
        .collect()
}

fn fit(wanted: &RepoLabel, there: &[RepoLabel]) -> Fit {
    match there.iter().find(|label| label.name == wanted.name) {
        None => Fit::Missing,
        Some(label)
            if label.color.eq_ignore_ascii_case(&wanted.color)
                && label.description == wanted.description =>
        {
            Fit::Same
        }
        Some(_) => Fit::Differs,
    }
}

async fn sync(
    args: &SyncArgs,
    project: &Project,
    workflow: &Workflow,
    tracker: &Tracker,
    rows: &mut Rows,
) -> Result<(), Failure> {
    let there = tracker.labels().await.map_err(failed)?;
    for label in wanted(workflow) {
        let (word, writes) = match (fit(&label, &there), args.force) {
            (Fit::Missing, _) => ("create", true),
            (Fit::Same, _) => ("keep", false),
            (Fit::Differs, false) => ("leave", false),
            (Fit::Differs, true) => ("change", true),
        };
        // What stays as it is must not look as if it became ours.
        let text = match word {
            "leave" => "has its own colour or text; --force changes both",
            _ => &label.description,
        };
        let line = format!(
            "{}  {word:<6}  {:<16}  {}  {text}",
            project.name,
            label.name.as_str(),
            if word == "leave" {
                "-     "
            } else {
                &label.color
            },
        );
        let row = json!({"project": project.name, "label": label.name, "does": word, "color": label.color, "description": label.description});
        rows.add(&line, row)?;
        if !writes || args.dry_run {
            continue;
        }
        let written = if word == "create" {
            tracker.create_label(&label).await
        } else {
            tracker.change_label(&label).await
        };
        written.map_err(failed)?;
    }
    Ok(())
}

async fn check(
    project: &Project,
    workflow: &Workflow,
    tracker: &Tracker,
    rows: &mut Rows,
) -> Result<u64, Failure> {
    let there = tracker.labels().await.map_err(failed)?;
    let mut findings: Vec<String> = check_against(workflow, project)
        .iter()
        .map(|mismatch| format!("{mismatch}. Hint: {}", mismatch.hint()))
        .collect();
    let missing = wanted(workflow)
        .into_iter()
        .filter(|label| fit(label, &there) == Fit::Missing);
    findings.extend(missing.map(|label| format!("label `{}` is missing", label.name)));
    for (issue, labels) in conflicts(workflow, tracker).await? {
        let names: Vec<&str> = labels.iter().map(Label::as_str).collect();
        findings.push(format!(
            "{issue} has several routing labels: {}",
            names.join(", ")
        ));
    }
    for finding in &findings {
        rows.add(
            &format!("{}  {finding}", project.name),
            json!({"project": project.name, "finding": finding}),
        )?;
    }
    Ok(u64::try_from(findings.len()).unwrap_or(u64::MAX))
}

async fn conflicts(
    workflow: &Workflow,
    tracker: &Tracker,
) -> Result<Vec<(IssueNumber, Vec<Label>)>, Failure> {
    let open = tracker.sweep().await.map_err(failed)?.open;
    let routed = open.iter().map(|head| {
        let stages = workflow
            .stages
            .iter()
            .filter(|stage| head.labels.contains(&stage.label));
        (
            head.number,
            stages.map(|stage| stage.label.clone()).collect::<Vec<_>>(),
        )
    });
    Ok(routed.filter(|(_, labels)| labels.len() > 1).collect())
}

async fn fix(
    args: &FixArgs,
    project: &Project,
    workflow: &Workflow,
    tracker: &Tracker,
    rows: &mut Rows,
) -> Result<(), Failure> {
    for (issue, labels) in conflicts(workflow, tracker).await? {
        let events = tracker.label_events(issue).await.map_err(failed)?;
        // Ids of one issue only grow in the order of the list: the later, the newer.
        let place = |label: &Label| {
            standing_event(&events, label)
                .and_then(|event| events.iter().position(|other| other.id == event.id))
        };
        let Some(last) = labels
            .iter()
            .filter(|label| place(label).is_some())
            .max_by_key(|label| place(label))
        else {
            say::talk(&format!(
                "{} {issue}: nobody is known to have set its labels; remove all but one",
                project.name
            ));
            continue;
        };
        for label in labels.iter().filter(|label| *label != last) {
            let line = format!("{}  {issue}  keeps {last}, loses {label}", project.name);
            let row =
                json!({"project": project.name, "issue": issue, "keeps": last, "loses": label});
            rows.add(&line, row)?;
            if !args.dry_run {
                tracker.remove_label(issue, label).await.map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn eject(folder: &std::path::Path, name: &str) -> Result<(), Failure> {
    let path = if name == crate::config::WORKFLOW_DEFAULT {
        folder.join(name)
    } else {
        folder.join("workflows").join(name)
    };
    let Some(text) = shipped::workflow(name) else {
        return Err(
            Failure::new(anyhow::anyhow!("`{name}` is a file of yours already"))
                .hint(format!("edit {}", path.display())),
        );
    };
    super::skill::write_new(&path, text)?;
    say::out(&path.display().to_string())
}
