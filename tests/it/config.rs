//! Bad files and the exact text a person meets; the shipped files and the examples, which must load.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pointsman::config::{self, Config, Folder, Names, Problem, Problems, Surroundings};
use pointsman::domain::{Build, Label, Next, ProfileName, ProjectName, SkillName, SkillSource};

mod load;
mod profile;
mod project;
mod skill;
mod workflow;
mod workflow_walk;

fn said<T: std::fmt::Debug>(read: Result<T, Vec<Problem>>) -> String {
    let problems = read.expect_err("the file is bad");
    Problems::new(problems)
        .expect("an error has a problem")
        .to_string()
}

fn names() -> Names {
    let config = Config::shipped();
    Names {
        workflows: config.workflows.into_keys().collect(),
        profiles: config.profiles.into_keys().collect(),
        skills: config.skills.into_keys().collect(),
        projects: [ProjectName::new("blog")].into(),
    }
}

fn workflow(text: &str) -> String {
    said(config::parse_workflow("labels.toml", text, &names().skills))
}

fn read_project(text: &str) -> Result<pointsman::domain::Project, Vec<Problem>> {
    read_project_with(text, &Config::shipped())
}

fn read_project_with(
    text: &str,
    config: &Config,
) -> Result<pointsman::domain::Project, Vec<Problem>> {
    let folder = |path: &Path| {
        if path.ends_with("plain") {
            Folder::Plain
        } else {
            Folder::Git
        }
    };
    let names = names();
    let around = Surroundings {
        home: Path::new("/home/me"),
        names: &names,
        workflows: &config.workflows,
        folder: &folder,
    };
    config::parse_project("projects/blog.toml", text, &around)
}

fn project(text: &str) -> String {
    said(read_project(text))
}

fn settings(text: &str) -> String {
    said(config::parse_settings(
        "pointsman.toml",
        text,
        Path::new("/home/me"),
        &names(),
    ))
}

fn profile(text: &str) -> String {
    said(config::parse_profile("agents/mine.toml", text))
}

fn skill(bytes: &[u8]) -> String {
    said(config::parse_skill(
        "skills/qa.md",
        bytes,
        SkillSource::Operator,
    ))
}
