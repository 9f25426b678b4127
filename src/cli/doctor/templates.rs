//! Issue forms and templates that set a routing label: whoever fills one in asks for work, perhaps without knowing it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};

use super::Findings;
use crate::domain::{Label, Project, TrackerChoice, Workflow};

const FOLDER: &str = ".github/ISSUE_TEMPLATE";
/// Templates that are looked into.
const FILES_MAX: usize = 100;
/// The largest one.
const FILE_BYTES_MAX: u64 = 256 * 1024;

pub(super) fn look(project: &Project, workflow: Option<&Workflow>, found: &mut Findings) {
    let (Some(workflow), TrackerChoice::GitHub { .. }) = (workflow, &project.tracker) else {
        return;
    };
    let routing: BTreeSet<&Label> = workflow.stages.iter().map(|stage| &stage.label).collect();
    for path in files(&project.path.join(FOLDER)) {
        let labels = text(&path).map_or_else(Vec::new, |text| labels_of(&text));
        for label in labels.iter().filter(|label| routing.contains(label)) {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            found.note(
                "template",
                &format!(
                    "`{FOLDER}/{file}` sets `{label}`: every issue of that form asks for work"
                ),
                "take the label out of it; a label set by hand is a person's decision",
            );
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = listing
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("md" | "yml" | "yaml"))
        })
        .take(FILES_MAX)
        .collect();
    paths.sort();
    paths
}

fn text(path: &Path) -> Option<String> {
    let facts = std::fs::symlink_metadata(path).ok()?;
    (facts.is_file() && facts.len() <= FILE_BYTES_MAX)
        .then(|| std::fs::read_to_string(path).ok())
        .flatten()
}

/// Returns the labels of a form, or of a template's front matter: a list, or a text with commas.
fn labels_of(text: &str) -> Vec<Label> {
    let front = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---"))
        .map_or(text, |(front, _)| front);
    let Ok(documents) = Yaml::load_from_str(front) else {
        return Vec::new();
    };
    let Some(labels) = documents
        .first()
        .and_then(|yaml| yaml.as_mapping_get("labels"))
    else {
        return Vec::new();
    };
    let names: Vec<&str> = match labels.as_str() {
        Some(text) => text.split(',').collect(),
        None => labels
            .as_sequence()
            .into_iter()
            .flatten()
            .filter_map(|label| label.as_str())
            .collect(),
    };
    names
        .into_iter()
        .map(|name| Label::new(name.trim()))
        .collect()
}
