//! `pointsman doctor`: everything Pointsman needs, looked at once. It reads only: no server is started, no folder made, no label set.

mod machine;
mod project;
mod templates;
mod tracker;
mod users;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::cli::{Failure, edge, known, run, say};
use crate::config::{self, Config};
use crate::daemon::places::Places;
use crate::daemon::trackers::Trackers;
use crate::domain::Settings;
use crate::machine::text;

pub(super) use tracker::whose;

/// The installation, where a project's name stands otherwise.
const INSTALLATION: &str = "-";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Only this project, and the installation
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    /// As it should be.
    Ok,
    /// Works, and a person should know it.
    Note,
    /// Something will not work.
    Wrong,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Wrong => "wrong",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    /// Whose: a project's name, or `-` for the installation.
    project: String,
    /// What was looked at, a stable word.
    about: &'static str,
    mark: Mark,
    says: String,
    /// What to do about it.
    hint: Option<String>,
}

/// The findings about the installation, or about one project.
struct Findings {
    project: String,
    rows: Vec<Finding>,
}

impl Findings {
    fn of(project: &str) -> Self {
        Self {
            project: project.to_owned(),
            rows: Vec::new(),
        }
    }

    fn add(&mut self, about: &'static str, mark: Mark, says: &str, hint: Option<String>) {
        self.rows.push(Finding {
            project: self.project.clone(),
            about,
            mark,
            says: says.to_owned(),
            hint,
        });
    }

    fn ok(&mut self, about: &'static str, says: &str) {
        self.add(about, Mark::Ok, says, None);
    }

    fn note(&mut self, about: &'static str, says: &str, hint: &str) {
        self.add(about, Mark::Note, says, Some(hint.to_owned()));
    }

    fn wrong(&mut self, about: &'static str, says: &str, hint: &str) {
        self.add(about, Mark::Wrong, says, Some(hint.to_owned()));
    }

    fn failed(&mut self, about: &'static str, failure: &Failure) {
        self.add(about, Mark::Wrong, &failure.says(), failure.hinted());
    }
}

/// Looks at everything and says what was found; fails when something is wrong.
pub(super) fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let found = run::runtime()?.block_on(look(&places, args))?;
    if args.json {
        say::json(&found)?;
    } else {
        say::out(&text(&found))?;
    }
    let wrong = found.iter().filter(|row| row.mark == Mark::Wrong).count();
    let says = match wrong {
        0 => return Ok(()),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    };
    Err(Failure::new(anyhow::anyhow!(says)).hint("each says above what to do".to_owned()))
}

async fn look(places: &Places, args: &DoctorArgs) -> Result<Vec<Finding>, Failure> {
    let mut found = Findings::of(INSTALLATION);
    let config = configuration(places, &mut found);
    let projects = match &args.project {
        Some(name) => vec![known::project(&config, name)?],
        None => config.projects.values().collect(),
    };
    machine::look(places, &mut found).await;
    let mut rows = found.rows;
    let trackers = Trackers::new(edge::find_auth());
    // A program says its version once, however many projects use it.
    let mut versions = BTreeMap::new();
    for project in projects {
        let mut found = Findings::of(project.name.as_str());
        project::look(places, &config, project, &mut found).await;
        users::project(places, project, &mut found);
        project::agents(places, &config, project, &mut versions, &mut found).await;
        tracker::look(places, &config, project, &trackers, &mut found).await;
        rows.extend(found.rows);
    }
    Ok(rows)
}

/// Reads the files. One with mistakes is said and left out, so that the others are looked at all the same.
fn configuration(places: &Places, found: &mut Findings) -> Config {
    let nothing = Config {
        settings: Settings::default(),
        projects: BTreeMap::new(),
        workflows: BTreeMap::new(),
        profiles: BTreeMap::new(),
        skills: BTreeMap::new(),
    };
    let read = config::reload(&nothing, &places.config, &places.home);
    for problem in read.problems.iter().flat_map(config::Problems::list) {
        let line = match problem.line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        let hint = problem.hint.clone();
        let says = format!("{}{line}: {}", problem.file, problem.message);
        let hint = hint.unwrap_or_else(|| "`pointsman labels check` shows the line".to_owned());
        found.wrong("configuration", &says, &hint);
    }
    let count = read.config.projects.len();
    if read.problems.is_some() {
        return read.config;
    }
    if count == 0 {
        found.note(
            "configuration",
            "no project is configured",
            known::FIRST_STEP,
        );
    } else {
        let count = text::count(count, "project");
        found.ok(
            "configuration",
            &format!("{count}, no mistake in the files"),
        );
    }
    read.config
}

/// Renders the findings, a line each and its hint below; the installation first, then project by project.
fn text(found: &[Finding]) -> String {
    let about = found.iter().map(|row| row.about.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut project = INSTALLATION;
    for row in found {
        if row.project != project {
            project = &row.project;
            let _ = writeln!(text, "\n{project}");
        }
        let _ = writeln!(
            text,
            "{:<5}  {:<about$}  {}",
            row.mark.as_str(),
            row.about,
            row.says
        );
        if let Some(hint) = &row.hint {
            let _ = writeln!(text, "{:<5}  {:<about$}  hint: {hint}", "", "");
        }
    }
    text
}
