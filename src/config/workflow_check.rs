//! What only the whole workflow file can tell: names, edges, loops, seats.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::sheet::Sheet;
use crate::config::table::At;
use crate::config::value::{self, Complaint};
use crate::config::workflow::{BUILT_IN_GATES, Draft, StageDraft, is_done};
use crate::domain::{GateName, Label, Project, SkillName, Workflow};

/// Checks a workflow whole; every problem goes to the sheet.
pub(crate) fn check(sheet: &Sheet<'_>, draft: &Draft, skills: &BTreeSet<SkillName>) {
    if draft.stages.is_empty() {
        let complaint = Complaint::new("a workflow has at least one `[[stage]]`")
            .hint("`pointsman labels eject` writes the shipped one");
        sheet.report_whole(0..0, complaint);
    }
    names(sheet, draft);
    gate_names(sheet, draft);
    for (position, stage) in draft.stages.iter().enumerate() {
        skill(sheet, stage, skills);
        needs(sheet, draft, stage);
        edges(sheet, draft, position);
        makers(sheet, draft, stage);
        seat(sheet, stage);
    }
    reach(sheet, draft);
}

fn names(sheet: &Sheet<'_>, draft: &Draft) {
    let mut seen: BTreeMap<&Label, String> = BTreeMap::new();
    for (key, label, _) in draft.special.iter().filter(|(_, _, span)| span.is_none()) {
        seen.insert(label, format!("`{key}`, by default"));
    }
    let stages = draft.stages.iter().filter_map(|stage| stage.label.as_ref());
    let stages = stages.map(|at| ("a stage".to_owned(), &at.value, at.span.clone()));
    let special = draft
        .special
        .iter()
        .filter_map(|(key, label, span)| Some((format!("`{key}`"), label, span.clone()?)));
    for (owner, label, span) in stages.chain(special) {
        if is_done(label) {
            let complaint = Complaint::new("`done` is a reserved word and no label");
            sheet.report(
                span,
                complaint.hint("`next = \"done\"` removes the routing label and closes the issue"),
            );
        } else if let Some(first) = seen.get(label) {
            let complaint = Complaint::new(format!(
                "label `{label}` has two meanings: {first} and {owner}"
            ));
            sheet.report(
                span,
                complaint.hint("labels compare without regard to case, as GitHub does"),
            );
        } else {
            seen.insert(label, owner);
        }
    }
}

fn gate_names(sheet: &Sheet<'_>, draft: &Draft) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (name, _) in &draft.gates {
        if BUILT_IN_GATES.contains(&name.value.as_str()) {
            let complaint = Complaint::new(format!("gate `{}` is built in", name.value))
                .hint("give your own another name");
            sheet.report(name.span.clone(), complaint);
        } else if !seen.insert(&name.value) {
            sheet.report(
                name.span.clone(),
                Complaint::new(format!("gate `{}` is there twice", name.value)),
            );
        }
    }
}

fn skill(sheet: &Sheet<'_>, stage: &StageDraft, skills: &BTreeSet<SkillName>) {
    let Some(at) = &stage.skill else { return };
    if !skills.contains(&SkillName::new(at.value.clone())) {
        let complaint = value::unknown("skill", &at.value, skills.iter().map(SkillName::as_str));
        sheet.report_whole(
            at.span.clone(),
            complaint.hint(format!(
                "`pointsman skill new {}` writes a first version",
                at.value
            )),
        );
    }
}

fn needs(sheet: &Sheet<'_>, draft: &Draft, stage: &StageDraft) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for at in &stage.needs {
        let own = draft.gates.iter().map(|(name, _)| name.value.as_str());
        let known: Vec<&str> = BUILT_IN_GATES.into_iter().chain(own).collect();
        if !known.contains(&at.value.as_str()) {
            let complaint = value::unknown("gate", &at.value, known)
                .hint("a gate of your own is a `[[gate]]` with `name` and `run`");
            sheet.report_whole(at.span.clone(), complaint);
        } else if !seen.insert(&at.value) {
            sheet.report(
                at.span.clone(),
                Complaint::new(format!("gate `{}` is asked for twice", at.value)),
            );
        }
    }
    let find = |gate: &str| stage.needs.iter().find(|at| at.value == gate);
    if let Some(at) = find("file").filter(|_| !stage.has_file) {
        let complaint = Complaint::new("the `file` gate has no file to look at")
            .hint("add `file = \"drafts/{n}.md\"` to the stage");
        sheet.report_whole(at.span.clone(), complaint);
    }
    if let Some(at) = find("coverage").filter(|_| find("verdict").is_none()) {
        let complaint = Complaint::new(
            "`coverage` compares the changed files with a verdict's, and there is no `verdict`",
        );
        sheet.report_whole(
            at.span.clone(),
            complaint.hint("add \"verdict\" to `needs`"),
        );
    }
    let pushed = || draft.stages.iter().any(|stage| asks(stage, "branch"));
    if let Some(at) = find("checks").filter(|_| !pushed()) {
        let complaint = Complaint::new(
            "`checks` reads what GitHub says of a pushed commit, and no stage makes commits",
        );
        sheet.report_whole(
            at.span.clone(),
            complaint.hint("add \"branch\" to the `needs` of the stage that makes them"),
        );
    }
}

fn asks(stage: &StageDraft, gate: &str) -> bool {
    stage.needs.iter().any(|at| at.value == gate)
}

fn stage_labels(draft: &Draft) -> impl Iterator<Item = &str> {
    draft
        .stages
        .iter()
        .filter_map(|stage| stage.label.as_ref())
        .map(|at| at.value.as_str())
}

fn unknown_stage(
    sheet: &Sheet<'_>,
    draft: &Draft,
    key: &str,
    at: &At<Label>,
    reserved: Option<&'static str>,
) {
    let complaint = value::unknown(
        "stage",
        at.value.as_str(),
        stage_labels(draft).chain(reserved),
    );
    let message = format!(
        "`{key}` names no stage: `{}`",
        at.value.as_str().escape_debug()
    );
    sheet.report_whole(
        at.span.clone(),
        Complaint {
            message,
            ..complaint
        },
    );
}

fn edges(sheet: &Sheet<'_>, draft: &Draft, position: usize) {
    let stage = &draft.stages[position];
    if let Some(at) = stage.next.as_ref().filter(|at| !is_done(&at.value)) {
        match draft.position(&at.value) {
            None => unknown_stage(sheet, draft, "next", at, Some("done")),
            Some(to) if to <= position => {
                let complaint = Complaint::new(format!(
                    "`next` goes upstream to `{}`: a loop without a limit",
                    at.value
                ));
                sheet.report_whole(
                    at.span.clone(),
                    complaint.hint("`back` opens a counted round; or move the stage further down"),
                );
            }
            Some(_) => {}
        }
    }
    let Some(at) = &stage.back else { return };
    match draft.position(&at.value) {
        None => unknown_stage(sheet, draft, "back", at, None),
        Some(to) if to > position => {
            let complaint = Complaint::new(format!(
                "`back` goes downstream to `{}`: rework would skip stages",
                at.value
            ));
            sheet.report_whole(
                at.span.clone(),
                complaint.hint("name this stage or one above it"),
            );
        }
        Some(_) => {}
    }
    if !asks(stage, "verdict") {
        let complaint =
            Complaint::new("`back` is where a failing verdict goes, and this stage has none");
        sheet.report_whole(
            at.span.clone(),
            complaint.hint("add \"verdict\" to `needs`, or leave `back` out"),
        );
    }
    if draft.limits.rounds == 0 {
        let complaint =
            Complaint::new("a loop without a limit: `back` needs `rounds` of at least 1");
        let span = draft.rounds_span.clone().unwrap_or_else(|| at.span.clone());
        sheet.report_whole(span, complaint.hint("set `rounds = 3` in `[limits]`"));
    }
}

fn makers(sheet: &Sheet<'_>, draft: &Draft, stage: &StageDraft) {
    for at in &stage.not_by {
        if draft.position(&at.value).is_none() {
            unknown_stage(sheet, draft, "not_by", at, None);
        } else if stage
            .label
            .as_ref()
            .is_some_and(|label| label.value == at.value)
        {
            sheet.report(
                at.span.clone(),
                Complaint::new("`not_by` names its own stage")
                    .hint("name the stages whose work is checked here"),
            );
        }
    }
}

fn seat(sheet: &Sheet<'_>, stage: &StageDraft) {
    let Some(at) = stage.seat.as_ref().filter(|at| at.value) else {
        return;
    };
    if !asks(stage, "verdict") {
        let complaint =
            Complaint::new("a seat is freed by a passing verdict, and this stage has none");
        sheet.report_whole(
            at.span.clone(),
            complaint.hint("add \"verdict\" to `needs`, or leave `seat` out"),
        );
    }
}

/// The first stage is where issues enter, and so is every one with `entry = true`; the others are reached by `next` or `back`.
fn reach(sheet: &Sheet<'_>, draft: &Draft) {
    let mut open: Vec<usize> = (0..draft.stages.len())
        .filter(|position| *position == 0 || draft.stages[*position].entry)
        .collect();
    let mut reached: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(position) = open.pop() {
        let stage = &draft.stages[position];
        for at in [&stage.next, &stage.back].into_iter().flatten() {
            if let Some(to) = draft.position(&at.value).filter(|to| reached.insert(*to)) {
                open.push(to);
            }
        }
    }
    for (position, stage) in draft.stages.iter().enumerate() {
        let Some(at) = stage
            .label
            .as_ref()
            .filter(|at| draft.position(&at.value) == Some(position))
        else {
            continue;
        };
        if !reached.contains(&position) {
            let hint = "name it in another stage's `next`, or say `entry = true` if people label issues with it";
            sheet.report_whole(
                at.span.clone(),
                Complaint::new("no stage leads here").hint(hint),
            );
        }
    }
}

/// Why a workflow cannot be walked in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Gates that mean nothing without git.
    NoGit {
        /// The stage.
        stage: Label,
        /// Its gates.
        gates: Vec<GateName>,
    },
    /// A verdict about nothing: without git the stage's file stands where the commit would.
    NoFile {
        /// The stage.
        stage: Label,
    },
    /// Another agent for a stage that is not there.
    NoStage {
        /// The label in the project's file.
        stage: Label,
    },
}

impl Mismatch {
    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoGit { .. } => "run `git init` there, or use a workflow without them: `workflow = \"content.toml\"`".to_owned(),
            Self::NoFile { .. } => {
                "add `file = \"drafts/{n}.md\"` to the stage, or run `git init` in the project"
                    .to_owned()
            }
            Self::NoStage { .. } => "use a label of the project's workflow".to_owned(),
        }
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoGit { stage, gates } => {
                let gates: Vec<&str> = gates.iter().map(GateName::as_str).collect();
                write!(
                    f,
                    "not a git repository, and stage `{stage}` needs `{}`",
                    gates.join("`, `")
                )
            }
            Self::NoFile { stage } => write!(
                f,
                "not a git repository, and stage `{stage}` judges a file and names none"
            ),
            Self::NoStage { stage } => write!(f, "the workflow has no stage `{stage}`"),
        }
    }
}

/// Returns why `workflow` cannot be walked in `project`; nothing if it can.
pub fn check_against(workflow: &Workflow, project: &Project) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for stage in workflow.stages.iter().filter(|_| !project.git) {
        let gates: Vec<GateName> = stage
            .needs
            .iter()
            .filter(|gate| gate.needs_git())
            .cloned()
            .collect();
        if !gates.is_empty() {
            found.push(Mismatch::NoGit {
                stage: stage.label.clone(),
                gates,
            });
        } else if stage.needs.contains(&GateName::Verdict) && stage.file.is_none() {
            found.push(Mismatch::NoFile {
                stage: stage.label.clone(),
            });
        }
    }
    let strangers = project
        .stages
        .keys()
        .filter(|label| workflow.stage(label).is_none());
    found.extend(strangers.map(|label| Mismatch::NoStage {
        stage: label.clone(),
    }));
    found
}
