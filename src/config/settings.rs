//! `pointsman.toml` -> `Settings`. Every key is optional, and so is the file.
//!
//! Absent on purpose: tokens. They come from the environment, a systemd credential or `gh`.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::config::assemble::Names;
use crate::config::problem::Problem;
use crate::config::sheet::Sheet;
use crate::config::table::Table;
use crate::config::value::{self, Complaint};
use crate::config::workflow::GAP;
use crate::domain::{
    GitHubSettings, Notify, PartialLimits, ProjectName, Schedule, Settings, SkillName,
};

const CYCLE: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(24);
const SWEEP: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);
const IDLE: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(1);
/// GitHub's hourly allowance of a person.
const RESERVE_MAX: u32 = 5000;

/// What `preset` can say: defaults, never caps.
#[derive(Clone, Copy)]
enum Preset {
    Normal,
    Gentle,
}

/// Reads the installation's settings.
pub fn parse(file: &str, text: &str, home: &Path, names: &Names) -> Result<Settings, Vec<Problem>> {
    let sheet = Sheet::new(file, text);
    let root = sheet.toml();
    let settings = read(&sheet, Table::root(&sheet, &root), home, names);
    drop(root);
    sheet.finish(Some(settings))
}

fn read(sheet: &Sheet<'_>, table: Table<'_>, home: &Path, names: &Names) -> Settings {
    let mut settings = Settings::default();
    match table
        .word(
            "preset",
            &[("normal", Preset::Normal), ("gentle", Preset::Gentle)],
        )
        .map(|at| at.value)
    {
        Some(Preset::Gentle) => settings.cycle = Duration::from_mins(10),
        Some(Preset::Normal) | None => {}
    }
    for (target, key, range) in [
        (&mut settings.cycle, "cycle", CYCLE),
        (&mut settings.sweep, "sweep", SWEEP),
        (
            &mut settings.idle_without_report,
            "idle_without_report",
            IDLE,
        ),
    ] {
        if let Some(at) = table.duration(key, &range) {
            *target = at.value;
        }
    }
    if let Some(found) = table.table("github") {
        settings.github = github(sheet, found, home);
    }
    if let Some(found) = table.table("notify") {
        settings.notify = notify(found);
    }
    if let Some(found) = table.table("limits") {
        settings.limits = limits(found);
    }
    for found in table.tables("schedule") {
        let known = std::mem::take(&mut settings.schedules);
        let span = found.span();
        let schedule = schedule(found, names);
        // A day of a skill is run once, so a second time of the day would never come.
        let same = |one: &&Schedule| {
            let new = schedule.as_ref();
            new.is_some_and(|new| new.skill == one.skill && new.project == one.project)
        };
        if let Some(one) = known.iter().find(same) {
            let said = format!("`{}` is scheduled twice for `{}`", one.skill, one.project);
            let complaint = Complaint::new(said).hint("a skill runs once a day; keep one");
            sheet.report(span, complaint);
        }
        settings.schedules = known.into_iter().chain(schedule).collect();
    }
    table.close();
    settings
}

fn github(sheet: &Sheet<'_>, table: Table<'_>, home: &Path) -> GitHubSettings {
    let mut github = GitHubSettings::default();
    if let Some(at) = table.parsed("base_url", value::address) {
        github.base_url = at.value;
    }
    github.app_id = table.id("app_id").map(|at| at.value);
    github.installation_id = table.id("installation_id").map(|at| at.value);
    github.private_key = table
        .parsed("private_key", |text| value::absolute_path(text, home))
        .map(|at| at.value);
    if let Some(at) = table.number("reserve", &(0..=RESERVE_MAX)) {
        github.reserve = u64::from(at.value);
    }
    let app = ["app_id", "installation_id", "private_key"];
    let (there, absent): (Vec<&str>, Vec<&str>) = app.iter().partition(|name| table.has(name));
    if !there.is_empty() && !absent.is_empty() {
        let message = format!(
            "a GitHub App needs all three of `app_id`, `installation_id`, `private_key`; not there: `{}`",
            absent.join("`, `")
        );
        sheet.report_whole(table.span(), Complaint::new(message));
    }
    table.close();
    github
}

fn notify(table: Table<'_>) -> Notify {
    let people = table.texts("people").unwrap_or_default();
    let notify = Notify {
        people: people
            .into_iter()
            .map(|at| at.value.trim_start_matches('@').to_owned())
            .collect(),
        command: table.text("command").map(|at| at.value),
        webhook: table.parsed("webhook", value::address).map(|at| at.value),
    };
    table.close();
    notify
}

fn limits(table: Table<'_>) -> PartialLimits {
    let limits = PartialLimits {
        rounds: table.number("rounds", &(1..=100)).map(|at| at.value),
        attempts: table.number("attempts", &(1..=100)).map(|at| at.value),
        dispatches_per_day: table
            .number("dispatches_per_day", &(1..=10_000))
            .map(|at| at.value),
        labellings_per_hour: table
            .number("labellings_per_hour", &(1..=10_000))
            .map(|at| at.value),
        dispatches_per_issue: table
            .number("dispatches_per_issue", &(1..=10_000))
            .map(|at| at.value),
        active_max: table.number("active_max", &(1..=1000)).map(|at| at.value),
        gap: table.duration("gap", &GAP).map(|at| at.value),
        waiting_max: table
            .number("waiting_max", &(1..=10_000))
            .map(|at| at.value),
    };
    table.close();
    limits
}

fn schedule(table: Table<'_>, names: &Names) -> Option<Schedule> {
    let skill = table.parsed("skill", |text| {
        let name = SkillName::new(text);
        if names.skills.contains(&name) {
            Ok(name)
        } else {
            Err(value::unknown(
                "skill",
                text,
                names.skills.iter().map(SkillName::as_str),
            ))
        }
    });
    let project = table.parsed("project", |text| {
        let name = ProjectName::new(text);
        let complaint = || {
            value::unknown(
                "project",
                text,
                names.projects.iter().map(ProjectName::as_str),
            )
        };
        if names.projects.contains(&name) {
            Ok(name)
        } else {
            Err(complaint())
        }
    });
    let skill = table.required("skill", skill);
    let project = table.required("project", project);
    let at = table.required("at", table.parsed("at", value::time_of_day));
    table.close();
    Some(Schedule {
        skill: skill?.value,
        project: project?.value,
        at: at?.value,
    })
}
