//! GitHub's own checks of a commit: check runs (Apps and Actions) and commit statuses (everything older) are two lists.

use serde::Deserialize;

use super::base::encode;
use super::client::GitHub;
use super::dto::null_as_default;
use crate::domain::{CheckRun, RunState, Subject};
use crate::tracker::TrackerError;

#[derive(Debug, Deserialize)]
struct RunsDto {
    check_runs: Vec<RunDto>,
}

#[derive(Debug, Deserialize)]
struct RunDto {
    name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    status: String,
    /// Null until it is completed.
    #[serde(default, deserialize_with = "null_as_default")]
    conclusion: String,
}

#[derive(Debug, Deserialize)]
struct StatusesDto {
    statuses: Vec<StatusDto>,
}

#[derive(Debug, Deserialize)]
struct StatusDto {
    context: String,
    state: String,
}

impl RunDto {
    fn found(self) -> CheckRun {
        let state = match (self.status.as_str(), self.conclusion.as_str()) {
            ("completed", "success" | "neutral" | "skipped") => RunState::Passed,
            ("completed", _) => RunState::Failed,
            _ => RunState::Pending,
        };
        CheckRun {
            name: self.name,
            state,
        }
    }
}

impl StatusDto {
    fn found(self) -> CheckRun {
        let state = match self.state.as_str() {
            "success" => RunState::Passed,
            "pending" => RunState::Pending,
            _ => RunState::Failed,
        };
        CheckRun {
            name: self.context,
            state,
        }
    }
}

impl GitHub {
    /// Reads the checks of a commit, of each the newest run.
    pub async fn checks(&self, commit: &Subject) -> Result<Vec<CheckRun>, TrackerError> {
        let what = format!("the checks of {}", commit.short());
        let list = |kind: &str| {
            let commit = encode(commit.as_str());
            self.url(&format!("/commits/{commit}/{kind}?per_page=100"))
        };
        let runs: Vec<RunsDto> = self.pages(&what, list("check-runs")).await?;
        let statuses: Vec<StatusesDto> = self.pages(&what, list("status")).await?;
        let runs = runs.into_iter().flat_map(|page| page.check_runs);
        let statuses = statuses.into_iter().flat_map(|page| page.statuses);
        let statuses = statuses.map(StatusDto::found);
        Ok(runs.map(RunDto::found).chain(statuses).collect())
    }
}
