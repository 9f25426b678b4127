//! Many files -> one `Config`: what one file says is checked against what the others say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::problem::Problem;
use crate::config::project::{self, Folder, Surroundings};
use crate::config::sheet::{FILE_BYTES_MAX, text_of};
use crate::config::{Config, profile, settings, shipped, skill, workflow};
use crate::domain::{
    ProfileName, Project, ProjectName, SessionChoice, SkillName, SkillSource, TrackerChoice,
    Workflow,
};

/// One file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, as the person knows it.
    pub file: String,
    /// Its bytes, or why they could not be read.
    pub bytes: Result<Vec<u8>, String>,
}

/// All files of a config folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `pointsman.toml`.
    pub settings: Option<Found>,
    /// `labels.toml` and `workflows/*.toml`.
    pub workflows: Vec<Found>,
    /// `projects/*.toml`.
    pub projects: Vec<Found>,
    /// `agents/*.toml`.
    pub profiles: Vec<Found>,
    /// `skills/*.md` and `skills/*/SKILL.md`.
    pub skills: Vec<Found>,
    /// Skills that projects bring along, by name only: their text is the default branch's.
    pub project_skills: BTreeSet<SkillName>,
    /// Problems of the folder itself.
    pub problems: Vec<Problem>,
}

/// The names that other files may use, those of files with mistakes included: one mistake is one problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Workflow files.
    pub workflows: BTreeSet<String>,
    /// Agent profiles.
    pub profiles: BTreeSet<ProfileName>,
    /// Skills.
    pub skills: BTreeSet<SkillName>,
    /// Projects.
    pub projects: BTreeSet<ProjectName>,
}

impl Found {
    fn text(&self) -> Result<&str, Vec<Problem>> {
        match &self.bytes {
            Ok(bytes) => text_of(&self.file, bytes, FILE_BYTES_MAX),
            Err(why) => Err(vec![self.unreadable(why)]),
        }
    }

    fn unreadable(&self, why: &str) -> Problem {
        Problem::of_file(&self.file, format!("cannot read the file: {why}"))
    }

    /// Returns the file's name without folder and without `.toml`.
    fn stem(&self) -> &str {
        self.base().trim_end_matches(".toml")
    }

    fn base(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }
}

/// Reads all files. A file with mistakes leaves what `previous` had in its place.
pub fn assemble(
    files: &Files,
    home: &Path,
    folder: &dyn Fn(&Path) -> Folder,
    previous: Option<&Config>,
) -> (Config, Vec<Problem>) {
    let mut config = Config::shipped();
    let mut problems = files.problems.clone();
    let empty = Config::empty();
    let before = previous.unwrap_or(&empty);
    skills(files, &mut config, before, &mut problems);
    for found in &files.profiles {
        let read = found
            .text()
            .and_then(|text| profile::parse(&found.file, text));
        put(
            &mut config.profiles,
            ProfileName::new(found.stem()),
            read,
            &before.profiles,
            &mut problems,
        );
    }
    let names = names(files, &config);
    for found in &files.workflows {
        let read = found
            .text()
            .and_then(|text| workflow::parse(&found.file, text, &names.skills));
        put(
            &mut config.workflows,
            found.base().to_owned(),
            read,
            &before.workflows,
            &mut problems,
        );
    }
    // A workflow with mistakes is no ground to judge a project by, whatever stands in its place.
    let trusted = trusted_workflows(files, &config, &problems);
    let around = Surroundings {
        home,
        names: &names,
        workflows: &trusted,
        folder,
    };
    for found in &files.projects {
        let read = found
            .text()
            .and_then(|text| project::parse(&found.file, text, &around));
        let read = read.and_then(|project| alone(&found.file, project, &config.projects));
        put(
            &mut config.projects,
            ProjectName::new(found.stem()),
            read,
            &before.projects,
            &mut problems,
        );
    }
    if let Some(found) = &files.settings {
        match found
            .text()
            .and_then(|text| settings::parse(&found.file, text, home, &names))
        {
            Ok(settings) => config.settings = settings,
            Err(mistakes) => {
                problems.extend(mistakes);
                config.settings = before.settings.clone();
            }
        }
    }
    (config, problems)
}

fn put<K: Ord, V: Clone>(
    map: &mut BTreeMap<K, V>,
    key: K,
    read: Result<V, Vec<Problem>>,
    before: &BTreeMap<K, V>,
    problems: &mut Vec<Problem>,
) {
    match read {
        Ok(value) => {
            map.insert(key, value);
        }
        Err(mistakes) => {
            problems.extend(mistakes);
            if let Some(value) = before.get(&key) {
                map.insert(key, value.clone());
            }
        }
    }
}

fn skills(files: &Files, config: &mut Config, before: &Config, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<SkillName, &str> = BTreeMap::new();
    for found in &files.skills {
        let Some(name) = skill::name_of(&found.file) else {
            let problem = Problem::of_file(&found.file, "the file's name is no skill's name");
            problems.push(
                problem.expected([
                    "letters, digits, `_` and `-`, at most 64, a letter or digit first",
                ]),
            );
            continue;
        };
        if let Some(first) = seen.insert(name.clone(), &found.file) {
            let problem = Problem::of_file(&found.file, format!("skill `{name}` is there twice"));
            problems.push(problem.hint(format!("the other one is {first}: keep one of them")));
            continue;
        }
        let read = match &found.bytes {
            Ok(bytes) => skill::parse(&found.file, bytes, SkillSource::Operator),
            Err(why) => Err(vec![found.unreadable(why)]),
        };
        put(&mut config.skills, name, read, &before.skills, problems);
    }
}

fn names(files: &Files, config: &Config) -> Names {
    let files_skills = files
        .skills
        .iter()
        .filter_map(|found| skill::name_of(&found.file));
    Names {
        workflows: config
            .workflows
            .keys()
            .cloned()
            .chain(files.workflows.iter().map(|found| found.base().to_owned()))
            .collect(),
        profiles: config
            .profiles
            .keys()
            .cloned()
            .chain(
                files
                    .profiles
                    .iter()
                    .map(|found| ProfileName::new(found.stem())),
            )
            .collect(),
        skills: config
            .skills
            .keys()
            .cloned()
            .chain(files_skills)
            .chain(files.project_skills.iter().cloned())
            .collect(),
        projects: files
            .projects
            .iter()
            .map(|found| ProjectName::new(found.stem()))
            .collect(),
    }
}

fn trusted_workflows(
    files: &Files,
    config: &Config,
    problems: &[Problem],
) -> BTreeMap<String, Workflow> {
    let mut workflows = config.workflows.clone();
    for found in &files.workflows {
        if problems.iter().any(|problem| problem.file == found.file) {
            workflows.remove(found.base());
        }
    }
    workflows
}

/// A repository, a folder and a pane each belong to one project.
fn alone(
    file: &str,
    project: Project,
    others: &BTreeMap<ProjectName, Project>,
) -> Result<Project, Vec<Problem>> {
    let mut mistakes = Vec::new();
    for other in others.values() {
        let same = match (&project.tracker, &other.tracker) {
            (
                TrackerChoice::GitHub { owner, repo },
                TrackerChoice::GitHub {
                    owner: owner_too,
                    repo: repo_too,
                },
            ) => owner.eq_ignore_ascii_case(owner_too) && repo.eq_ignore_ascii_case(repo_too),
            (_, _) => false,
        };
        let mut refuse = |what: &str| {
            let problem =
                Problem::of_file(file, format!("{what} is also project `{}`", other.name));
            mistakes
                .push(problem.hint("a repository, a folder and a pane each belong to one project"));
        };
        if same {
            refuse("its repository");
        }
        if project.path == other.path {
            refuse("its folder");
        }
        if project.session != SessionChoice::Managed && project.session == other.session {
            refuse("its pane");
        }
        if project.name != other.name
            && project
                .name
                .as_str()
                .eq_ignore_ascii_case(other.name.as_str())
        {
            refuse("its name, but for case,");
        }
    }
    if mistakes.is_empty() {
        Ok(project)
    } else {
        Err(mistakes)
    }
}

impl Config {
    fn empty() -> Self {
        Self {
            settings: crate::domain::Settings::default(),
            projects: BTreeMap::new(),
            workflows: BTreeMap::new(),
            profiles: BTreeMap::new(),
            skills: BTreeMap::new(),
        }
    }

    /// Returns what holds without any file: the embedded workflows, profiles and skills, and no project.
    pub fn shipped() -> Self {
        const FINE: &str = "the tests read every embedded file";
        let mut config = Self::empty();
        for (file, text) in shipped::SKILLS {
            let skill = skill::parse(file, text.as_bytes(), SkillSource::Shipped).expect(FINE);
            config.skills.insert(skill.name.clone(), skill);
        }
        for (file, text) in shipped::PROFILES {
            let profile = profile::parse(file, text).expect(FINE);
            config.profiles.insert(profile.name.clone(), profile);
        }
        let names: BTreeSet<SkillName> = config.skills.keys().cloned().collect();
        for (file, text) in shipped::WORKFLOWS {
            config.workflows.insert(
                file.to_owned(),
                workflow::parse(file, text, &names).expect(FINE),
            );
        }
        config
    }
}
