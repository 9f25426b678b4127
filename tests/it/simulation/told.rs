//! What a person is told is what was decided: `explain`, `status` and the rehearsal against the engine's own cycle.

use jiff::Timestamp;
use pointsman::domain::{Head, Hold, IssueNumber, Observation, ProjectName, Rules};
use pointsman::machine::engine::Engine;
use pointsman::machine::starting::decide::{Decision, Standing, decide};
use pointsman::view::{About, ProjectView, Sight, Story, dry_run, explain};

/// What a rehearsal says right before the engine sees the same: the decision, and its words.
pub(crate) struct Rehearsed {
    decision: Decision,
    standing: Standing,
}

impl Rehearsed {
    /// Rehearses with the engine's memory, as the daemon does; checks that the words leave no candidate out.
    pub(crate) fn new(
        rules: &Rules,
        engine: &Engine,
        seen: &Observation,
        now: Timestamp,
    ) -> Result<Self, String> {
        let memory = engine.memory_for(rules, seen, now);
        let decided = decide(rules, &engine.state, &memory, seen, now);
        let text = dry_run(rules, &engine.state, seen, &decided);
        let (decision, standing) = decided;
        for head in seen.heads.values().filter(|head| routed(rules, head)) {
            let number = head.number;
            let line = text
                .lines()
                .find(|line| line.contains(&format!(". {number}  ")))
                .ok_or_else(|| format!("the rehearsal leaves {number} out:\n{text}"))?;
            let right = match standing.get(&number) {
                Some(hold) => line.contains(&format!("{number}  held: {}. ", hold.word())),
                None => !line.contains("held: ") && !line.contains("not now"),
            };
            if !right {
                return Err(format!("the rehearsal of {number} says: {line}"));
            }
        }
        Ok(Self { decision, standing })
    }

    /// Checks the cycle that came of it.
    pub(crate) fn came_true(&self, engine: &Engine) -> Result<(), String> {
        let (did, standing) = (&engine.report.did, &engine.report.standing);
        match &self.decision {
            Decision::Act(act) if Some(&act.did) != did.as_ref() => {
                Err(format!("rehearsed {:?}, did {did:?}", act.did))
            }
            Decision::Wait(_) if did.is_some() => Err(format!("rehearsed nothing, did {did:?}")),
            Decision::Act(_) | Decision::Wait(_) if self.standing != *standing => Err(format!(
                "rehearsed {:?}, stands {standing:?}",
                self.standing
            )),
            Decision::Act(_) | Decision::Wait(_) | Decision::Look(_) => Ok(()),
        }
    }
}

/// Checks that `explain` and `status` say of every issue what the cycle decided.
pub(crate) fn agrees(rules: &Rules, engine: &Engine, seen: &Observation) -> Result<(), String> {
    let sight = Sight::Live(seen);
    let view = ProjectView::new(rules, &engine.state, &engine.report, sight);
    for head in seen.heads.values() {
        let hold = engine.report.standing.get(&head.number);
        let told = explain(&Story {
            rules,
            state: &engine.state,
            report: &engine.report,
            sight,
            about: &About::Issue(head.number),
            events: &[],
        });
        let first = told.says.as_str();
        let word = view
            .rows
            .iter()
            .find(|row| row.number == head.number)
            .map(|row| row.standing.word.as_str());
        let right = match hold {
            Some(hold) => says(&rules.project.name, first, hold) && word == Some(hold.word()),
            None if routed(rules, head) => first.starts_with("next: ") && word == Some("next"),
            None => first.starts_with("closed: ") || first.starts_with("not in the workflow"),
        };
        if !right {
            return Err(format!(
                "{} is {hold:?}, but `explain` says {first:?} and `status` {word:?}",
                head.number
            ));
        }
    }
    Ok(())
}

/// The word, the sentence, and what would end it.
fn says(project: &ProjectName, line: &str, hold: &Hold) -> bool {
    let word = hold.word();
    let sentence = hold.to_string();
    let sentence = sentence
        .strip_prefix(&format!("{word}: "))
        .unwrap_or(&sentence);
    let begins = match hold {
        Hold::InHand { .. } => line.starts_with("in hand: "),
        _ => line.starts_with(&format!("held: {word}. ")),
    };
    let hinted = hold.hint(project).is_none_or(|hint| line.contains(&hint));
    begins && line.contains(sentence) && hinted
}

fn routed(rules: &Rules, head: &Head) -> bool {
    let mut stages = rules.workflow.stages.iter();
    head.open && stages.any(|stage| head.labels.contains(&stage.label))
}

/// The checks are checked: a standing that nobody decided is noticed.
#[test]
fn a_word_that_was_not_decided_is_noticed() {
    let shop = ProjectName::new("shop");
    let hold = Hold::Behind {
        first: IssueNumber(5),
    };
    assert!(says(&shop, "held: behind. #5 goes first", &hold));
    assert!(!says(&shop, "held: behind. #6 goes first", &hold));
    assert!(!says(&shop, "next: looked at in the next cycle", &hold));
    let hinted = Hold::Spent { how: "done".into() };
    assert!(!says(
        &shop,
        "held: spent. this labelling is used up: done",
        &hinted
    ));
}
