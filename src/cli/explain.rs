//! `pointsman explain`.

use clap::Args;

use crate::cli::status::NO_DAEMON;
use crate::cli::{Failure, client, edge, known, run, say};
use crate::config::Config;
use crate::daemon::desk::surface;
use crate::daemon::hands::rules_of;
use crate::daemon::places::Places;
use crate::domain::{ProjectName, SkillName};
use crate::view::{About, Explanation, render_explanation};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The issue's number, or the skill of a schedule
    #[arg(value_name = "ISSUE", value_parser = about)]
    about: About,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that clap wants")]
fn about(text: &str) -> Result<About, std::convert::Infallible> {
    Ok(About::parse(text))
}

/// Explains why an issue or a schedule stands where it stands.
pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let told = run::runtime()?.block_on(explanation(&places, args))?;
    if args.json {
        return say::json(&told);
    }
    say::out(&render_explanation(&told))
}

/// By the daemon's word, or by the ledger's.
async fn explanation(places: &Places, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let named = args.project.as_deref();
    let (name, path) = match &args.about {
        About::Issue(issue) => (
            client::project_with(places, *issue, named).await?,
            issue.0.to_string(),
        ),
        About::Schedule(skill) => {
            let name = scheduled_in(&run::load(places)?, skill, named)?;
            (Some(name), skill.to_string())
        }
    };
    if let Some(name) = &name
        && let Some(bytes) = client::get(places, &format!("/explain/{name}/{path}")).await?
    {
        return Ok(serde_json::from_slice(&bytes)?);
    }
    from_ledger(places, &args.about, named)
}

/// Finds the project for which a skill is due by the clock.
fn scheduled_in(
    config: &Config,
    skill: &SkillName,
    named: Option<&str>,
) -> Result<ProjectName, Failure> {
    let schedules = &config.settings.schedules;
    let mut projects = schedules
        .iter()
        .filter(|schedule| schedule.skill == *skill)
        .map(|schedule| &schedule.project)
        .filter(|project| named.is_none_or(|name| project.as_str() == name));
    match (projects.next(), projects.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => Err(Failure::usage(anyhow::anyhow!(
            "`{skill}` is scheduled for several projects"
        ))
        .hint("pass --project".to_owned())),
        (None, _) => {
            let names: Vec<String> = schedules
                .iter()
                .map(|schedule| format!("`{}`", schedule.skill))
                .collect();
            let hint = if names.is_empty() {
                "give an issue's number, as in `pointsman explain 12`; nothing is scheduled"
                    .to_owned()
            } else {
                format!(
                    "give an issue's number, as in `pointsman explain 12`; scheduled are {}",
                    names.join(", ")
                )
            };
            Err(Failure::usage(anyhow::anyhow!(
                "`{skill}` is neither an issue's number nor a scheduled skill"
            ))
            .hint(hint))
        }
    }
}

fn from_ledger(
    places: &Places,
    about: &About,
    named: Option<&str>,
) -> Result<Explanation, Failure> {
    let config = run::load(places)?;
    let store = known::ledger_if_any(places)?;
    let name = match about {
        About::Issue(issue) => known::project_in_ledger(places, *issue, named)?,
        About::Schedule(skill) => scheduled_in(&config, skill, named)?,
    };
    let rules = rules_of(&config, &name).expect("the project was found in this configuration");
    let shown = known::shown(places, store.as_ref(), &name)?;
    let entries = store
        .as_ref()
        .map(|store| known::entries(store, &name, about))
        .transpose()?
        .unwrap_or_default();
    say::talk(NO_DAEMON);
    Ok(surface::story(&rules, &shown, about, &entries))
}
