//! Paths that an agent's diff may not touch without a person (DESIGN 8).

use globset::{GlobBuilder, GlobSetBuilder};

/// Returns the files that one of the globs covers. Upper and lower case are one: on some file systems they are.
pub fn touched(globs: &[String], files: &[String]) -> Vec<String> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        // The configuration was checked when it was read.
        if let Ok(glob) = GlobBuilder::new(glob).case_insensitive(true).build() {
            set.add(glob);
        }
    }
    let set = set.build().expect("globs that parse alone make a set");
    let covered = |file: &&String| set.is_match(file.as_str());
    files.iter().filter(covered).cloned().collect()
}
