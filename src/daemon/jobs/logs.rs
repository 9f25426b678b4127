//! The logs of jobs: kept while their dispatch is open, then the newest of them.

use std::path::Path;
use std::time::SystemTime;

use crate::domain::DispatchId;

/// Logs of a project that are kept beyond those of open dispatches.
pub const LOGS_KEPT_MAX: usize = 200;

/// Removes the oldest logs in a project's folder. What an open dispatch's evidence names stays.
pub fn sweep(folder: &Path, open: &[DispatchId]) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let mut logs = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".log") else {
            continue;
        };
        let is_open = |id: &DispatchId| stem.split('-').any(|part| part == id.as_str());
        if !open.iter().any(is_open) {
            let written = entry
                .metadata()?
                .modified()
                .unwrap_or(SystemTime::UNIX_EPOCH);
            logs.push((written, entry.path()));
        }
    }
    logs.sort();
    let over = logs.len().saturating_sub(LOGS_KEPT_MAX);
    for (_, log) in logs.into_iter().take(over) {
        std::fs::remove_file(&log)?;
        for beside in ["log.exit", "log.pipe"] {
            match std::fs::remove_file(log.with_extension(beside)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}
