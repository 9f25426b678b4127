//! `labels.toml` -> `Workflow`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::config::problem::Problem;
use crate::config::sheet::Sheet;
use crate::config::table::{At, Table};
use crate::config::value::{self, Complaint};
use crate::config::workflow_check;
use crate::domain::{
    Advance, GateName, Label, Limits, Next, OwnGate, SkillName, SpecialLabels, Stage, Workflow,
};

/// The gates every workflow can ask for.
pub const BUILT_IN_GATES: [&str; 10] = [
    "spec", "branch", "verify", "build", "verdict", "coverage", "pr", "checks", "approval", "file",
];

const TIMEOUT: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
const TIMEOUT_DEFAULT: Duration = Duration::from_hours(2);
/// The least time between two dispatches; a longer one would be `hours` or a smaller day's cap.
pub(super) const GAP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
const GATE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(6);
const GATE_TIMEOUT_DEFAULT: Duration = Duration::from_mins(10);
const ADVANCES: [(&str, Advance); 2] = [("gates", Advance::Gates), ("human", Advance::Human)];
/// GitHub's own limits on a label.
const LABEL_CHARS_MAX: usize = 50;
const DESCRIPTION_CHARS_MAX: usize = 100;

/// A workflow file as it was read, places included, before it is checked as a whole.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) stages: Vec<StageDraft>,
    pub(crate) gates: Vec<(At<String>, OwnGate)>,
    pub(crate) limits: Limits,
    pub(crate) rounds_span: Option<std::ops::Range<usize>>,
    /// Every special label with its key, and its place unless it is a default.
    pub(crate) special: Vec<(&'static str, Label, Option<std::ops::Range<usize>>)>,
    labels: SpecialLabels,
}

/// One stage as it was read.
#[derive(Debug)]
pub(crate) struct StageDraft {
    pub(crate) label: Option<At<Label>>,
    pub(crate) skill: Option<At<String>>,
    pub(crate) needs: Vec<At<String>>,
    pub(crate) next: Option<At<Label>>,
    pub(crate) back: Option<At<Label>>,
    pub(crate) not_by: Vec<At<Label>>,
    pub(crate) seat: Option<At<bool>>,
    pub(crate) file: Option<At<String>>,
    pub(crate) has_file: bool,
    pub(crate) entry: bool,
    rest: Rest,
}

/// The keys of a stage that no other key depends on.
#[derive(Debug)]
struct Rest {
    color: String,
    description: String,
    role: Option<String>,
    timeout: Duration,
    wip: u32,
    backlog: Option<u32>,
    advance: Advance,
}

/// Reads a workflow file and checks it whole. `skills` = the names of all skills there are.
pub fn parse(
    file: &str,
    text: &str,
    skills: &BTreeSet<SkillName>,
) -> Result<Workflow, Vec<Problem>> {
    let sheet = Sheet::new(file, text);
    let root = sheet.toml();
    let draft = read(&sheet, Table::root(&sheet, &root));
    workflow_check::check(&sheet, &draft, skills);
    let workflow = sheet
        .is_clean()
        .then(|| draft.into_workflow(file, sheet.text()))
        .flatten();
    drop(root);
    sheet.finish(workflow)
}

fn read(sheet: &Sheet<'_>, root: Table<'_>) -> Draft {
    let version = root.required("version", root.id("version"));
    if let Some(version) = version.filter(|version| version.value != 1) {
        let complaint = Complaint::new(format!("version {} is not known here", version.value))
            .expected(["version = 1"]);
        sheet.report(
            version.span,
            complaint.hint("a newer pointsman may know it"),
        );
    }
    let stages = root.tables("stage").into_iter().map(stage).collect();
    let gates = root.tables("gate").into_iter().filter_map(gate).collect();
    let mut draft = Draft {
        stages,
        gates,
        ..Draft::default()
    };
    if let Some(table) = root.table("limits") {
        limits(table, &mut draft);
    }
    special_labels(root.table("labels"), &mut draft);
    root.close();
    draft
}

fn stage(table: Table<'_>) -> StageDraft {
    let label_at = table.required("label", table.parsed("label", label));
    let color = table.parsed("color", value::color);
    let description = table.parsed("description", description);
    let role = table.text("role");
    let stage = StageDraft {
        label: label_at,
        skill: table.required("skill", table.parsed("skill", skill_name)),
        needs: table
            .required("needs", table.texts("needs"))
            .unwrap_or_default(),
        next: table.required("next", table.parsed("next", label)),
        back: table.parsed("back", label),
        not_by: labels(table.texts("not_by")),
        seat: table.flag("seat"),
        file: table.parsed("file", value::stage_file),
        has_file: table.has("file"),
        entry: table.flag("entry").is_some_and(|at| at.value),
        rest: Rest {
            color: color.map_or_else(|| "ededed".to_owned(), |at| at.value),
            description: description.map_or_else(String::new, |at| at.value),
            role: role.map(|at| at.value),
            timeout: table
                .duration("timeout", &TIMEOUT)
                .map_or(TIMEOUT_DEFAULT, |at| at.value),
            wip: table.number("wip", &(1..=100)).map_or(1, |at| at.value),
            backlog: table.number("backlog", &(1..=10_000)).map(|at| at.value),
            advance: table
                .word("advance", &ADVANCES)
                .map_or(Advance::Gates, |at| at.value),
        },
    };
    table.close();
    stage
}

fn gate(table: Table<'_>) -> Option<(At<String>, OwnGate)> {
    let name = table.required(
        "name",
        table.parsed("name", |text| value::name("gate's name", text)),
    );
    let run = table.required("run", table.text("run"));
    let timeout = table
        .duration("timeout", &GATE_TIMEOUT)
        .map_or(GATE_TIMEOUT_DEFAULT, |at| at.value);
    let warn = table.flag("warn").is_some_and(|at| at.value);
    table.close();
    let name = name?;
    let gate = OwnGate {
        name: name.value.clone(),
        run: run.map_or_else(String::new, |at| at.value),
        timeout,
        warn,
    };
    Some((name, gate))
}

fn limits(table: Table<'_>, draft: &mut Draft) {
    let limits = &mut draft.limits;
    if let Some(rounds) = table.number("rounds", &(0..=100)) {
        limits.rounds = rounds.value;
        draft.rounds_span = Some(rounds.span);
    }
    let set = |target: &mut u32, found: Option<At<u32>>| {
        if let Some(found) = found {
            *target = found.value;
        }
    };
    set(&mut limits.attempts, table.number("attempts", &(1..=100)));
    set(
        &mut limits.dispatches_per_day,
        table.number("dispatches_per_day", &(1..=10_000)),
    );
    set(
        &mut limits.labellings_per_hour,
        table.number("labellings_per_hour", &(1..=10_000)),
    );
    set(
        &mut limits.dispatches_per_issue,
        table.number("dispatches_per_issue", &(1..=10_000)),
    );
    set(
        &mut limits.active_max,
        table.number("active_max", &(1..=1000)),
    );
    if let Some(gap) = table.duration("gap", &GAP) {
        limits.gap = gap.value;
    }
    limits.hours = table.parsed("hours", value::hours).map(|at| at.value);
    table.close();
}

fn special_labels(table: Option<Table<'_>>, draft: &mut Draft) {
    let SpecialLabels {
        park,
        veto,
        priority,
        pause,
    } = SpecialLabels::default();
    let mut special = Vec::new();
    let mut one = |key: &'static str, default: Label| {
        let found = table.as_ref().and_then(|table| table.parsed(key, label));
        let (label, span) = found.map_or((default, None), |at| (at.value, Some(at.span)));
        special.push((key, label.clone(), span));
        label
    };
    let (park, pause) = (one("park", park), one("pause", pause));
    let mut many = |key: &'static str, default: Vec<Label>| -> Vec<Label> {
        let found = table.as_ref().and_then(|table| table.texts(key));
        let found: Vec<(Label, Option<std::ops::Range<usize>>)> = match found {
            Some(texts) => labels(Some(texts))
                .into_iter()
                .map(|at| (at.value, Some(at.span)))
                .collect(),
            None => default.into_iter().map(|label| (label, None)).collect(),
        };
        special.extend(
            found
                .iter()
                .map(|(label, span)| (key, label.clone(), span.clone())),
        );
        found.into_iter().map(|(label, _)| label).collect()
    };
    let (veto, priority) = (many("veto", veto), many("priority", priority));
    if let Some(table) = table {
        table.close();
    }
    draft.special = special;
    draft.labels = SpecialLabels {
        park,
        veto,
        priority,
        pause,
    };
}

fn label(text: &str) -> Result<Label, Complaint> {
    if text.chars().count() > LABEL_CHARS_MAX || text.trim() != text || text.contains(',') {
        let expected =
            format!("at most {LABEL_CHARS_MAX} characters, no comma, no blank at either end");
        return Err(
            Complaint::new(format!("`{}` cannot be a label", text.escape_debug()))
                .expected([expected]),
        );
    }
    Ok(Label::new(text))
}

fn labels(texts: Option<Vec<At<String>>>) -> Vec<At<Label>> {
    texts
        .into_iter()
        .flatten()
        .map(|at| At {
            value: Label::new(at.value),
            span: at.span,
        })
        .collect()
}

fn description(text: &str) -> Result<String, Complaint> {
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(Complaint::new(format!(
            "`description` is longer than the {DESCRIPTION_CHARS_MAX} characters GitHub takes"
        )));
    }
    Ok(text.to_owned())
}

fn skill_name(text: &str) -> Result<String, Complaint> {
    value::name("skill's name", text)
}

impl Draft {
    /// Returns the stages' labels in order, with the position of each.
    pub(crate) fn position(&self, wanted: &Label) -> Option<usize> {
        self.stages
            .iter()
            .position(|stage| stage.label.as_ref().is_some_and(|at| at.value == *wanted))
    }

    /// Returns the label as its stage writes it.
    fn canonical(&self, wanted: &Label) -> Label {
        let stage = self
            .position(wanted)
            .and_then(|position| self.stages[position].label.as_ref());
        stage.map_or_else(|| wanted.clone(), |at| at.value.clone())
    }

    fn into_workflow(self, file: &str, text: &str) -> Option<Workflow> {
        let stages = self
            .stages
            .iter()
            .map(|stage| self.stage(stage))
            .collect::<Option<Vec<Stage>>>()?;
        Some(Workflow {
            name: file.rsplit('/').next().unwrap_or(file).to_owned(),
            stages,
            gates: self.gates.into_iter().map(|(_, gate)| gate).collect(),
            limits: self.limits,
            labels: self.labels,
            digest: hex(&Sha256::digest(text.as_bytes())),
        })
    }

    fn stage(&self, draft: &StageDraft) -> Option<Stage> {
        let label = draft.label.as_ref()?.value.clone();
        let next = &draft.next.as_ref()?.value;
        let next = if is_done(next) {
            Next::Done
        } else {
            Next::Stage(self.canonical(next))
        };
        Some(Stage {
            color: draft.rest.color.clone(),
            description: draft.rest.description.clone(),
            role: draft.rest.role.clone().unwrap_or_else(|| label.to_string()),
            skill: SkillName::new(draft.skill.as_ref()?.value.clone()),
            needs: draft
                .needs
                .iter()
                .map(|at| GateName::parse(&at.value))
                .collect(),
            next,
            back: draft.back.as_ref().map(|at| self.canonical(&at.value)),
            timeout: draft.rest.timeout,
            wip: draft.rest.wip,
            backlog: draft.rest.backlog,
            seat: draft.seat.as_ref().is_some_and(|at| at.value),
            not_by: draft
                .not_by
                .iter()
                .map(|at| self.canonical(&at.value))
                .collect(),
            advance: draft.rest.advance,
            file: draft.file.as_ref().map(|at| at.value.clone()),
            label,
        })
    }
}

/// Returns whether it is the reserved word.
pub(crate) fn is_done(label: &Label) -> bool {
    *label == Label::new("done")
}

/// Writes bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every text");
        text
    })
}
