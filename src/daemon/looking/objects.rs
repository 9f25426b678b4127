//! The git objects that a set of anchors asks about, read from the mirror before they are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::domain::Subject;
use crate::machine::text::anchor::{Anchor, Anchors, Tree};
use crate::repo::{GrepLimits, Mirror, RepoError};

/// What one commit says to a set of anchors. The file system is never asked.
#[derive(Debug, Default)]
pub struct Objects {
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
    found: BTreeMap<String, Vec<(String, u32)>>,
    refs: Vec<String>,
}

impl Objects {
    /// Reads what `anchors` name at `commit`.
    pub async fn load(
        mirror: &Mirror,
        commit: &Subject,
        anchors: &Anchors,
    ) -> Result<Self, RepoError> {
        let mut objects = Self {
            refs: mirror
                .list_refs()
                .await?
                .into_iter()
                .map(|one| one.name)
                .collect(),
            ..Self::default()
        };
        for anchor in &anchors.found {
            let (path, text) = match anchor {
                Anchor::Place { path, snippet, .. } => (Some(path), snippet.as_ref()),
                Anchor::Snippet(text) => (None, Some(text)),
                Anchor::New(path) => (Some(path), None),
                Anchor::Issue(_) | Anchor::Branch(_) | Anchor::Commit(_) => (None, None),
            };
            if let Some(path) = path {
                objects.read(mirror, commit, path).await?;
            }
            if let Some(text) = text {
                let hits = mirror
                    .grep_fixed(commit, text, None, GrepLimits::default())
                    .await?;
                let line = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
                let places = hits
                    .matches
                    .into_iter()
                    .map(|hit| (hit.path.to_string_lossy().into_owned(), line(hit.line)))
                    .collect();
                objects.found.insert(text.clone(), places);
            }
        }
        Ok(objects)
    }

    async fn read(
        &mut self,
        mirror: &Mirror,
        commit: &Subject,
        path: &str,
    ) -> Result<(), RepoError> {
        if let Some(folder) = path.strip_suffix('/') {
            if !mirror
                .ls_tree(commit, Some(Path::new(folder)))
                .await?
                .is_empty()
            {
                self.folders.insert(folder.to_owned());
            }
            return Ok(());
        }
        if let Some(bytes) = mirror.file_at(commit, Path::new(path)).await? {
            self.files.insert(path.to_owned(), bytes);
        }
        Ok(())
    }
}

impl Tree for Objects {
    fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).cloned()
    }

    fn has_folder(&self, path: &str) -> bool {
        self.folders.contains(path)
    }

    fn grep(&self, text: &str) -> Vec<(String, u32)> {
        self.found.get(text).cloned().unwrap_or_default()
    }

    fn has_ref(&self, name: &str) -> bool {
        self.refs
            .iter()
            .any(|known| known == name || known.ends_with(&format!("/{name}")))
    }
}
