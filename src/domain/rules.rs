//! The workflow as a table: what `labels.toml` says, checked and typed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{Label, SkillName};

/// A whole workflow file. Stages are in the order of the file: the last is the furthest downstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// The file's name without folder, for words.
    pub name: String,
    /// The stages, upstream first. Never empty.
    pub stages: Vec<Stage>,
    /// The file's own gates.
    pub gates: Vec<OwnGate>,
    /// Caps on spending.
    pub limits: Limits,
    /// Labels with a meaning of their own.
    pub labels: SpecialLabels,
    /// SHA-256 of the file's text in hex: recorded with each dispatch.
    pub digest: String,
}

impl Workflow {
    /// Returns the stage that `label` selects, comparing without regard to case.
    pub fn stage(&self, label: &Label) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.label == *label)
    }

    /// Returns the position of a stage; larger is further downstream.
    pub fn position(&self, label: &Label) -> Option<usize> {
        self.stages.iter().position(|stage| stage.label == *label)
    }

    /// Returns the workflow's own gate of that name.
    pub fn own_gate(&self, name: &str) -> Option<&OwnGate> {
        self.gates.iter().find(|gate| gate.name == name)
    }
}

/// A node of the workflow. Copied into the event that opens a dispatch, so that replay needs no configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The routing label that selects it.
    pub label: Label,
    /// Six hex digits, what `labels sync` creates.
    pub color: String,
    /// What `labels sync` writes as the label's text.
    pub description: String,
    /// The role's name, for words.
    pub role: String,
    /// Which brief is due.
    pub skill: SkillName,
    /// Evidence to leave the stage, in the order it is asked for.
    pub needs: Vec<GateName>,
    /// Where a verified dispatch goes.
    pub next: Next,
    /// Where a failing verdict goes.
    pub back: Option<Label>,
    /// How long a dispatch may take: observed time since the receipt.
    pub timeout: Duration,
    /// Open dispatches per project in this stage.
    pub wip: u32,
    /// How many begun issues in the stages after it keep new work from beginning here.
    #[serde(default)]
    pub backlog: Option<u32>,
    /// One subject at a time until its verdict passes.
    pub seat: bool,
    /// Stages whose maker may not check here.
    pub not_by: Vec<Label>,
    /// Who makes the last move.
    pub advance: Advance,
    /// What the `file` gate looks at; `{n}` is the only placeholder. Projects without git need it.
    pub file: Option<String>,
}

impl Stage {
    /// Returns whether this stage makes commits, so that it stands on the issue's branch.
    pub fn makes_commits(&self) -> bool {
        self.needs.contains(&GateName::Branch)
    }
}

/// Where an issue goes from a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// To the stage with this label.
    Stage(Label),
    /// The reserved word `done`: the routing label is removed and the issue closed.
    Done,
}

impl std::fmt::Display for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stage(label) => label.fmt(f),
            Self::Done => f.write_str("done"),
        }
    }
}

/// Who makes the last move out of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advance {
    /// Pointsman, once the gates hold.
    Gates,
    /// A person, once the gates hold: merge, close or `approve`.
    Human,
}

/// What a stage can ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateName {
    /// A spec with its headings, published.
    Spec,
    /// Commits of this issue and of nobody else, on the issue's branch.
    Branch,
    /// What the spec's searches ask for holds at the reported commit.
    Verify,
    /// The project's build command exits 0 at the reported commit.
    Build,
    /// A typed verdict with no blockers and no majors.
    Verdict,
    /// The verdict names every changed file.
    Coverage,
    /// The branch's pull request is open at the commit.
    Pr,
    /// What GitHub's own checks say of the commit: it only warns.
    Checks,
    /// A person said `approve`.
    Approval,
    /// The stage's file changed since the dispatch and is not empty.
    File,
    /// A gate of the workflow's own.
    Own(String),
}

impl GateName {
    /// Parses a name from `needs`; a name that is not built in is an own gate's.
    pub fn parse(text: &str) -> Self {
        match text {
            "spec" => Self::Spec,
            "branch" => Self::Branch,
            "verify" => Self::Verify,
            "build" => Self::Build,
            "verdict" => Self::Verdict,
            "coverage" => Self::Coverage,
            "pr" => Self::Pr,
            "checks" => Self::Checks,
            "approval" => Self::Approval,
            "file" => Self::File,
            own => Self::Own(own.to_owned()),
        }
    }

    /// Returns the name as the workflow file writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Spec => "spec",
            Self::Branch => "branch",
            Self::Verify => "verify",
            Self::Build => "build",
            Self::Verdict => "verdict",
            Self::Coverage => "coverage",
            Self::Pr => "pr",
            Self::Checks => "checks",
            Self::Approval => "approval",
            Self::File => "file",
            Self::Own(name) => name,
        }
    }

    /// Returns whether it means nothing without git.
    pub fn needs_git(&self) -> bool {
        matches!(
            self,
            Self::Branch | Self::Verify | Self::Build | Self::Coverage | Self::Pr | Self::Checks
        )
    }
}

impl std::fmt::Display for GateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A gate of the workflow's own: a command that must exit 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnGate {
    /// Its name in `needs`.
    pub name: String,
    /// A shell command, from the operator's file only.
    pub run: String,
    /// Its time limit.
    pub timeout: Duration,
    /// Whether its failure is a warning: recorded and shown, and nothing waits for it.
    #[serde(default)]
    pub warn: bool,
}

/// Caps on spending (DESIGN 4). All are per project unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How often an issue may come back to a stage after rework before it is parked.
    pub rounds: u32,
    /// Dispatches of one labelling before it is parked.
    pub attempts: u32,
    /// Dispatches in any 24 hours.
    pub dispatches_per_day: u32,
    /// Labellings of one account that are taken up in any hour; the rest waits, and may be looked at meanwhile.
    pub labellings_per_hour: u32,
    /// Dispatches of one issue in any 24 hours.
    pub dispatches_per_issue: u32,
    /// Open dispatches per agent account, over all projects.
    pub active_max: u32,
    /// The least time between two dispatches; zero for none.
    pub gap: Duration,
    /// The only hours of the day, local time, in which a dispatch may start.
    pub hours: Option<Hours>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rounds: 3,
            attempts: 3,
            dispatches_per_day: 30,
            labellings_per_hour: 20,
            dispatches_per_issue: 20,
            active_max: 3,
            gap: Duration::ZERO,
            hours: None,
        }
    }
}

/// A span of the day in local time, minutes after midnight; may run over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// First minute.
    pub from: u16,
    /// First minute that is out again.
    pub to: u16,
}

impl Hours {
    /// Returns whether `minute` of the day lies inside.
    pub fn contains(self, minute: u16) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// Labels with a meaning of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialLabels {
    /// Hands the issue to a person; the routing label stays.
    pub park: Label,
    /// Always win over routing.
    pub veto: Vec<Label>,
    /// Highest first.
    pub priority: Vec<Label>,
    /// On an open issue, set by a trusted person: the project pauses.
    pub pause: Label,
}

impl Default for SpecialLabels {
    fn default() -> Self {
        Self {
            park: Label::new("needs-human"),
            veto: vec![Label::new("hold"), Label::new("no-agent")],
            priority: vec![Label::new("p0"), Label::new("p1"), Label::new("p2")],
            pause: Label::new("pointsman-pause"),
        }
    }
}
