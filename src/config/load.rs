//! The one place of this layer that touches the disk: folders in, files as bytes out.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::assemble::{Files, Found, assemble};
use crate::config::problem::{Problem, Problems};
use crate::config::project::{Folder, path_of};
use crate::config::sheet::FILE_BYTES_MAX;
use crate::config::{Config, Reload, skill, value};
use crate::domain::SkillName;

/// Most files read from one folder.
const FILES_MAX: usize = 500;
/// Files that may lie in the config folder itself.
const ROOT_FILES: [&str; 2] = ["pointsman.toml", "labels.toml"];

/// Reads a config folder; a folder that is not there is an empty one.
pub fn load(folder: &Path, home: &Path) -> Result<Config, Problems> {
    let (config, problems) = assemble(&read(folder, home), home, &folder_at, None);
    match Problems::new(problems) {
        None => Ok(config),
        Some(problems) => Err(problems),
    }
}

/// Reads a config folder again; a file with mistakes keeps the last good one in force, a removed file is gone.
pub fn reload(previous: &Config, folder: &Path, home: &Path) -> Reload {
    let (config, problems) = assemble(&read(folder, home), home, &folder_at, Some(previous));
    Reload {
        config,
        problems: Problems::new(problems),
    }
}

/// What the files of a config folder look like from outside: equal stamps, equal files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, u64, Option<SystemTime>)>);

/// Returns the folder's stamp: one `stat` a file, nothing is read.
pub fn stamp(folder: &Path) -> Stamp {
    let mut seen = Vec::new();
    let mut look = |path: PathBuf| {
        if let Ok(meta) = fs::metadata(&path) {
            seen.push((path, meta.len(), meta.modified().ok()));
        }
    };
    for name in ROOT_FILES {
        look(folder.join(name));
    }
    for below in ["projects", "workflows", "agents", "skills"] {
        for path in entries(&folder.join(below)) {
            if path.is_dir() {
                look(path.join("SKILL.md"));
            } else {
                look(path);
            }
        }
    }
    Stamp(seen)
}

fn read(folder: &Path, home: &Path) -> Files {
    let mut files = Files::default();
    let shown = |path: &Path| match path.strip_prefix(home) {
        Ok(below) if home != Path::new("/") => format!("~/{}", below.display()),
        Ok(_) | Err(_) => path.display().to_string(),
    };
    let found = |path: &Path| Found {
        file: shown(path),
        bytes: bytes(path),
    };
    for path in entries(folder).iter().filter(|path| is_toml(path)) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("pointsman.toml") => files.settings = Some(found(path)),
            Some("labels.toml") => files.workflows.push(found(path)),
            Some(_) | None => files.problems.push(stranger(&shown(path))),
        }
    }
    let mut tomls = |below: &str| -> Vec<Found> {
        let paths = entries(&folder.join(below));
        if paths.len() > FILES_MAX {
            files.problems.push(Problem::of_file(
                shown(&folder.join(below)),
                format!("more than {FILES_MAX} files"),
            ));
        }
        paths
            .iter()
            .take(FILES_MAX)
            .filter(|path| is_toml(path))
            .map(|path| found(path))
            .collect()
    };
    let workflows = tomls("workflows");
    files.projects = tomls("projects");
    files.profiles = tomls("agents");
    files.workflows.extend(workflows);
    files.skills = skill_files(&folder.join("skills"))
        .iter()
        .map(|path| found(path))
        .collect();
    files.project_skills = files
        .projects
        .iter()
        .flat_map(|project| project_skills(project, home))
        .collect();
    files
}

/// A file nobody reads is a mistake nobody sees.
fn stranger(file: &str) -> Problem {
    let base = file.rsplit('/').next().unwrap_or(file);
    let problem = Problem::of_file(file, "nothing reads this file").expected(ROOT_FILES);
    match value::nearest(base, ROOT_FILES) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem
            .hint("projects belong in projects/, workflows in workflows/, profiles in agents/"),
    }
}

/// Returns a folder's entries in the order of their names, hidden ones left out.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = listing
        .take(FILES_MAX * 2)
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.retain(|path| {
        !path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    });
    paths.sort();
    paths
}

fn is_toml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "toml")
}

fn skill_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder).into_iter().take(FILES_MAX) {
        let inner = path.join("SKILL.md");
        if inner.is_file() {
            found.push(inner);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // One byte more than the largest file, so that a larger one is known as such without being read.
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    if !file
        .metadata()
        .map_err(|error| error.to_string())?
        .is_file()
    {
        return Err("not a file".to_owned());
    }
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Returns the names of the skills in a project's working tree. Names only: an agent may write there, the text is the default branch's.
fn project_skills(project: &Found, home: &Path) -> BTreeSet<SkillName> {
    let text = project
        .bytes
        .as_ref()
        .ok()
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let path = text.and_then(|text| path_of(&project.file, text, home));
    let files = path
        .map(|path| skill_files(&path.join(".pointsman/skills")))
        .unwrap_or_default();
    files
        .iter()
        .filter_map(|path| path.to_str().and_then(skill::name_of))
        .collect()
}

fn folder_at(path: &Path) -> Folder {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() && path.join(".git").exists() => Folder::Git,
        Ok(meta) if meta.is_dir() => Folder::Plain,
        Ok(_) | Err(_) => Folder::Missing,
    }
}
