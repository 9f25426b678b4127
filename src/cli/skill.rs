//! `pointsman skill`: the briefs' own words.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::solo::Solo;
use crate::cli::{Failure, client, edge, known, run, say};
use crate::config::{self, Config};
use crate::daemon::desk::control::Call;
use crate::daemon::desk::surface;
use crate::daemon::hands::chain;
use crate::daemon::jobs::gates;
use crate::daemon::looking::observe::Ask;
use crate::daemon::places::Places;
use crate::daemon::runner::Shown;
use crate::daemon::trackers::Trackers;
use crate::domain::{IssueNumber, Project, Questions, Skill, SkillName};
use crate::machine::engine::CycleReport;
use crate::machine::starting::decide::Memory;
use crate::machine::text::count;
use crate::repo::{Mirror, RepoError};

#[derive(Debug, Subcommand)]
pub(super) enum SkillVerb {
    /// Write a new skill for editing
    New(NameArgs),
    /// List the operator's, the projects' and the shipped skills
    List(ListArgs),
    /// Print a skill
    Show(NameArgs),
    /// Say what skills could do better
    Lint(LintArgs),
    /// Print the brief an issue would get now, and deliver nothing
    Render(RenderArgs),
    /// Deliver a skill once for an issue, wait for the report, and move no label
    Try(TryArgs),
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// The skill's name
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// The skills; all when none is named
    names: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// The issue's number
    issue: u64,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// The skill's name
    skill: String,
    /// The issue's number
    issue: u64,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Runs the verb.
pub(super) fn skill(verb: &SkillVerb) -> Result<(), Failure> {
    let places = edge::places()?;
    if let SkillVerb::Render(args) = verb {
        return render(args);
    }
    if let SkillVerb::Try(args) = verb {
        return attempt(&places, args);
    }
    let config = run::load(&places)?;
    match verb {
        SkillVerb::New(args) => new(&places.config, &args.name),
        SkillVerb::List(args) => list(&places, &config, args.json),
        SkillVerb::Show(args) => say::out(&found(&config, &args.name)?.body),
        SkillVerb::Lint(args) => lint(&config, args),
        SkillVerb::Render(_) | SkillVerb::Try(_) => Ok(()),
    }
}

fn found<'a>(config: &'a Config, name: &str) -> Result<&'a Skill, Failure> {
    let found = config.skills.get(&SkillName::new(name));
    found.ok_or_else(|| {
        Failure::new(anyhow::anyhow!("there is no skill `{name}`"))
            .hint("pointsman skill list".to_owned())
    })
}

fn new(folder: &Path, name: &str) -> Result<(), Failure> {
    if config::skill_name_of(&format!("{name}.md")).is_none() {
        return Err(
            Failure::usage(anyhow::anyhow!("`{name}` is no skill's name"))
                .hint("use letters, digits, `-` and `_`".to_owned()),
        );
    }
    let headings = [
        "What is to be true when it is done.",
        "What may not be touched, and why.",
        "How one sees that it is there.",
        "Use the report commands in the facts block exactly as printed.",
    ];
    let mut text = format!("---\nname: {name}\ndescription: What it is for, in one line\n---\n");
    for (heading, says) in config::HEADINGS.iter().zip(headings) {
        text.push_str(&format!("\n## {heading}\n\n{says}\n"));
    }
    let path = folder.join("skills").join(format!("{name}.md"));
    write_new(&path, &text)?;
    say::out(&path.display().to_string())?;
    say::talk(&format!(
        "a stage uses it once a workflow says skill = \"{name}\"; no restart is needed"
    ));
    Ok(())
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = made
        .and_then(|()| std::fs::File::create_new(path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let hint = exists.then(|| "edit that file, or move it away".to_owned());
        Failure::new(
            anyhow::Error::new(error).context(format!("cannot write `{}`", path.display())),
        )
        .hint(hint)
    })
}

/// A skill and whose it is: `operator`, `shipped`, or `project site`.
type Owned = (Skill, String);

fn list(places: &Places, config: &Config, json: bool) -> Result<(), Failure> {
    let mut found: Vec<Owned> = config
        .skills
        .values()
        .map(|skill| (skill.clone(), skill.source.to_string()))
        .collect();
    found.extend(run::runtime()?.block_on(of_projects(places, config)));
    found.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
    if json {
        let rows: Vec<_> = found.iter().map(|(skill, from)| json!({"name": skill.name, "source": skill.source, "from": from, "description": skill.description, "digest": skill.digest})).collect();
        return say::json(&rows);
    }
    let columns = found.iter().map(|(_, from)| from.len()).max().unwrap_or(0);
    let lines: Vec<String> = found
        .iter()
        .map(|(skill, from)| {
            format!(
                "{:<16}  {from:<columns$}  {}",
                skill.name.as_str(),
                skill.description
            )
        })
        .collect();
    say::out(&lines.join("\n"))
}

/// The projects' own skills, as they stand on their default branches. One that cannot be read is said and left out.
async fn of_projects(places: &Places, config: &Config) -> Vec<Owned> {
    let mut found = Vec::new();
    for project in config.projects.values().filter(|project| project.git) {
        let files = match mirrored(places, project).await {
            Ok(mirror) => gates::project_skills(&mirror, None).await,
            Err(error) => {
                say::talk(&format!(
                    "the skills of {} are not known: {}",
                    project.name,
                    chain(&error)
                ));
                continue;
            }
        };
        for file in files.keys() {
            let Some(name) = config::skill_name_of(file) else {
                continue;
            };
            match config::lookup_skill(&name, &BTreeMap::new(), &files) {
                Ok(Some(skill)) => found.push((skill, format!("project {}", project.name))),
                Ok(None) => {}
                Err(problems) => say::talk(&format!("{}: {problems}", project.name)),
            }
        }
    }
    found
}

async fn mirrored(places: &Places, project: &Project) -> Result<Mirror, RepoError> {
    let mirror = Mirror::open(&places.mirror(&project.name)).await?;
    mirror.fetch_path(&project.path).await?;
    Ok(mirror)
}

fn lint(config: &Config, args: &LintArgs) -> Result<(), Failure> {
    let skills: Vec<&Skill> = if args.names.is_empty() {
        config.skills.values().collect()
    } else {
        args.names
            .iter()
            .map(|name| found(config, name))
            .collect::<Result<_, _>>()?
    };
    let findings: Vec<_> = skills
        .iter()
        .flat_map(|skill| {
            config::lint(skill)
                .into_iter()
                .map(move |finding| (&skill.name, finding))
        })
        .collect();
    if args.json {
        let rows: Vec<_> = findings.iter().map(|(name, finding)| json!({"skill": name, "line": finding.line, "message": finding.message, "hint": finding.hint})).collect();
        return say::json(&rows);
    }
    for (name, finding) in &findings {
        let line = if finding.line == 0 {
            String::new()
        } else {
            format!(":{}", finding.line)
        };
        say::out(&format!(
            "{name}{line}: {}. Hint: {}",
            finding.message, finding.hint
        ))?;
    }
    match findings.len() {
        0 => say::out(&format!("{}, nothing to say", count(skills.len(), "skill"))),
        n => Err(Failure::new(anyhow::anyhow!(count(n, "finding")))
            .hint("they are advice: no brief is stopped by them".to_owned())),
    }
}

/// Asks the daemon: a trial takes as long as an agent takes, and somebody has to look after it until then.
fn attempt(places: &Places, args: &TryArgs) -> Result<(), Failure> {
    let issue = IssueNumber(args.issue);
    let reply = run::runtime()?.block_on(async {
        let named = args.project.as_deref();
        let Some(project) = client::project_with(places, issue, named).await? else {
            return Ok(None);
        };
        say::talk(&format!(
            "`{}` goes to the agent of {project}; this waits for its report, and Ctrl-C leaves it at work",
            args.skill
        ));
        let call = Call::Try {
            project,
            skill: SkillName::new(&args.skill),
            issue,
            by: edge::person(),
        };
        client::call(places, &call).await
    });
    if let Some(reply) = reply? {
        return client::settle(reply);
    }
    let failure = Failure::new(anyhow::anyhow!(
        "no daemon runs, and a trial needs one until the agent is done"
    ));
    Err(failure.hint("start `pointsman run` in another terminal".to_owned()))
}

fn render(args: &RenderArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let issue = IssueNumber(args.issue);
    let named = args.project.as_deref();
    let text = run::runtime()?.block_on(async {
        if let Some(name) = client::project_with(&places, issue, named).await? {
            let bytes = client::get(&places, &format!("/render/{name}/{}", issue.0)).await?;
            return Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned());
        }
        let name = known::project_in_ledger(&places, issue, named)?;
        let trackers = Trackers::new(edge::find_auth());
        let mut solo = Solo::start(&places, run::load(&places)?, name.as_str(), &trackers).await?;
        let seen = solo.look(Ask::Changes, &Questions::default()).await;
        let shown = Shown {
            state: solo.state.clone(),
            report: CycleReport::default(),
            seen: Some(seen),
            remembered: None,
            memory: Memory::default(),
        };
        let text = surface::render(&solo.hands, &shown, issue).await;
        text.map_err(|why| {
            Failure::new(anyhow::anyhow!(why))
                .hint("`pointsman explain` says where an issue stands".to_owned())
        })
    })?;
    say::out(&text)
}
