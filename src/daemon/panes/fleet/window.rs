//! What the watch knows of each window.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::daemon::hands::now;
use crate::domain::{AccountLimit, PaneSample, Profile, ProjectName, Window};
use crate::machine::resolve::{Evidence, Resolved, SAMPLE_GAP_MAX, unheard};
use crate::terminal::{Process, Sampled, Seen};
use crate::view::{WindowView, Witnessed};

/// One window, as the watch saw it last.
#[derive(Clone, Debug)]
pub struct WindowSample {
    /// The resolved state.
    pub sample: PaneSample,
    /// What the next sample of the same pane needs.
    pub resolved: Resolved,
    /// Every witness.
    pub evidence: Vec<Evidence>,
    /// What was not heard, and why.
    pub ignored: Vec<String>,
    /// The program's version, if it is known.
    pub version: Option<String>,
    /// The agent's process.
    pub agent: Option<Process>,
    /// The agent's own id of its conversation.
    pub session: Option<String>,
    /// The profile it was looked at with.
    pub profile: Profile,
    /// Row and screen.
    pub seen: Arc<Seen>,
}

impl WindowSample {
    /// Returns what `session explain` shows of it.
    pub fn view(&self, window: Window) -> WindowView {
        WindowView::new(Witnessed {
            window,
            sample: &self.sample,
            resolved: &self.resolved,
            evidence: &self.evidence,
            ignored: &self.ignored,
            version: self.version.as_deref(),
            profile: &self.profile,
        })
    }

    /// What is left of the window as it was seen last, when nobody can tell how it is now.
    pub(super) fn unheard(self, why: &str, now: Timestamp) -> Self {
        let resolved = unheard(why, Some(&self.resolved), now);
        Self {
            sample: PaneSample {
                at: now,
                state: resolved.state.clone(),
                ..self.sample
            },
            resolved,
            evidence: Vec::new(),
            ..self
        }
    }

    /// The same, once it is older than a slow look may be.
    pub(super) fn aged(self, why: &str, now: Timestamp) -> Self {
        let age = now.duration_since(self.resolved.at).unsigned_abs();
        let is_unheard = self.evidence.is_empty();
        if is_unheard || age > SAMPLE_GAP_MAX {
            self.unheard(why, now)
        } else {
            self
        }
    }

    /// A window that was seen, and whose program nobody could ask.
    pub(super) fn unread(profile: &Profile, managed: bool, seen: Arc<Seen>) -> Self {
        let (why, at) = ("it was never read", now());
        let resolved = unheard(why, None, at);
        Self {
            sample: PaneSample {
                pane: seen.row.pane.clone(),
                at,
                state: resolved.state.clone(),
                managed,
                context: String::new(),
                traces: seen.traces.clone(),
                other_version: None,
            },
            resolved,
            evidence: Vec::new(),
            ignored: Vec::new(),
            version: None,
            agent: None,
            session: None,
            profile: profile.clone(),
            seen,
        }
    }

    /// Takes a sample with what it was taken of.
    pub fn new(sampled: Sampled, profile: Profile, seen: Arc<Seen>) -> Self {
        Self {
            profile,
            sample: sampled.sample,
            resolved: sampled.resolved,
            evidence: sampled.evidence,
            ignored: sampled.ignored,
            version: sampled.version,
            agent: sampled.agent,
            session: sampled.session,
            seen,
        }
    }
}

/// All windows of all projects.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub(super) windows: BTreeMap<(ProjectName, Window), WindowSample>,
    /// Why nothing is known now.
    pub blind: Option<String>,
    /// Why nobody reads what agents of another account say.
    pub unread: Option<String>,
    /// Accounts whose allowance is used up.
    pub limits: Vec<AccountLimit>,
    /// Why a project's agent is not there, by its window.
    pub down: BTreeMap<(ProjectName, Window), String>,
    /// The projects whose panes were looked for at least once: before that a missing pane says nothing.
    pub looked: BTreeSet<ProjectName>,
}

impl Samples {
    /// Returns a project's window.
    pub fn of(&self, project: &ProjectName, window: Window) -> Option<&WindowSample> {
        self.windows.get(&(project.clone(), window))
    }
}
