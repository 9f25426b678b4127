//! What belongs to the repository, not to an issue: its id, its labels, who may what.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Label, RepoId, Role};
use crate::tracker::local::file::{self, Damage, Lock, chance};
use crate::tracker::{RepoLabel, TrackerError};

/// `repo.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repo {
    pub(super) id: RepoId,
    pub(super) created: Timestamp,
    /// Numbers are never given twice, also when an issue's folder was deleted.
    pub(super) last_issue: u64,
}

/// `labels.toml`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelsFile {
    #[serde(default)]
    label: Vec<LabelRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelRow {
    name: Label,
    #[serde(default)]
    color: String,
    #[serde(default)]
    description: String,
}

impl Repo {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            id: RepoId::new(format!("local-{:020x}", chance())),
            created: now,
            last_issue: 0,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, TrackerError> {
        let Some(found) = file::read(path)? else {
            return Ok(None);
        };
        let repo = serde_json::from_str(&found.text)
            .map_err(|error| Damage::new(path, error.line().max(1), error))?;
        Ok(Some(repo))
    }

    pub(super) fn write(&self, lock: &Lock, path: &Path) -> Result<(), TrackerError> {
        let text = serde_json::to_string_pretty(self).expect("a repository is plain data");
        lock.write(path, &format!("{text}\n"))
    }
}

pub(super) fn read_labels(path: &Path) -> Result<Vec<RepoLabel>, TrackerError> {
    let file: LabelsFile = read_toml(path)?.unwrap_or_default();
    let rows = file.label.into_iter();
    Ok(rows
        .map(|row| RepoLabel {
            name: row.name,
            color: row.color,
            description: row.description,
        })
        .collect())
}

pub(super) fn write_labels(
    lock: &Lock,
    path: &Path,
    labels: &[RepoLabel],
) -> Result<(), TrackerError> {
    let row = |label: &RepoLabel| LabelRow {
        name: label.name.clone(),
        color: label.color.clone(),
        description: label.description.clone(),
    };
    let file = LabelsFile {
        label: labels.iter().map(row).collect(),
    };
    let text = toml::to_string(&file).expect("labels are plain data");
    lock.write(path, &text)
}

pub(super) fn read_roles(path: &Path) -> Result<BTreeMap<String, Role>, TrackerError> {
    Ok(read_toml(path)?.unwrap_or_default())
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, TrackerError> {
    let Some(found) = file::read(path)? else {
        return Ok(None);
    };
    let value = toml::from_str(&found.text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| found.text.get(..span.start))
            .unwrap_or_default();
        Damage::new(path, before.split('\n').count(), error.message())
    })?;
    Ok(Some(value))
}
