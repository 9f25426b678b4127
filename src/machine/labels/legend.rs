//! What an issue's labels mean in a workflow, found in one pass over them.

use std::collections::BTreeMap;

use crate::domain::{Head, Hold, Label, Stage, Workflow};

/// One meaning of a label; the numbers are places in the workflow's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Stage(usize),
    Veto(usize),
    Park,
    Pause,
    Priority(usize),
}

/// Every label that means something, with what it means. Made once a cycle.
#[derive(Clone, Debug)]
pub struct Legend<'a> {
    signs: BTreeMap<&'a Label, Vec<Sign>>,
    /// What a label means as it is spelled: ten thousand issues spell a handful, and letters are compared without their case but once.
    spelled: BTreeMap<&'a str, Vec<Sign>>,
    priorities: usize,
}

/// What the labels of one issue say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The stage that is asked for, as its place in the workflow: the first, if there are several.
    pub stage: Option<usize>,
    /// Whether there are several.
    several: bool,
    veto: Option<usize>,
    parked: bool,
    /// Whether it pauses the whole project.
    pub pauses: bool,
    /// The place of its priority label; behind the last for an issue without.
    pub priority: usize,
}

impl<'a> Legend<'a> {
    /// Writes down what a workflow's labels mean.
    pub fn of(workflow: &'a Workflow) -> Self {
        let special = &workflow.labels;
        let stages = workflow.stages.iter().map(|stage| &stage.label);
        let stages = stages
            .enumerate()
            .map(|(at, label)| (label, Sign::Stage(at)));
        let vetoes = special.veto.iter().enumerate();
        let vetoes = vetoes.map(|(at, label)| (label, Sign::Veto(at)));
        let priorities = special.priority.iter().enumerate();
        let priorities = priorities.map(|(at, label)| (label, Sign::Priority(at)));
        let others = [(&special.park, Sign::Park), (&special.pause, Sign::Pause)];
        let mut signs = BTreeMap::<_, Vec<_>>::new();
        for (label, sign) in stages.chain(vetoes).chain(others).chain(priorities) {
            signs.entry(label).or_default().push(sign);
        }
        Self {
            signs,
            spelled: BTreeMap::new(),
            priorities: special.priority.len(),
        }
    }

    /// Reads an issue's labels.
    pub fn read(&mut self, head: &'a Head) -> Reading {
        let mut reading = Reading {
            stage: None,
            several: false,
            veto: None,
            parked: false,
            pauses: false,
            priority: self.priorities,
        };
        let first = |old: Option<usize>, at: usize| Some(old.map_or(at, |old| old.min(at)));
        for label in &head.labels {
            let meant = self.spelled.entry(label.as_str());
            for sign in meant.or_insert_with(|| self.signs.get(label).cloned().unwrap_or_default())
            {
                match *sign {
                    Sign::Stage(at) => {
                        reading.several |= reading.stage.is_some();
                        reading.stage = first(reading.stage, at);
                    }
                    Sign::Veto(at) => reading.veto = first(reading.veto, at),
                    Sign::Park => reading.parked = true,
                    Sign::Pause => reading.pauses = true,
                    Sign::Priority(at) => reading.priority = reading.priority.min(at),
                }
            }
        }
        reading
    }
}

impl Reading {
    /// Whether the issue stands in its stage: it may be parked, and nobody has put it off.
    pub fn stands(&self) -> bool {
        self.veto.is_none() && !self.several
    }

    /// Returns what forbids starting, whoever set it.
    pub fn refusal(&self, head: &Head, workflow: &Workflow) -> Option<Hold> {
        let special = &workflow.labels;
        if let Some(at) = self.veto {
            let label = special.veto[at].clone();
            return Some(Hold::Vetoed { label });
        }
        if self.parked {
            let label = special.park.clone();
            return Some(Hold::Parked {
                label,
                why: None,
                stripped: None,
            });
        }
        let set = |stage: &&Stage| head.labels.contains(&stage.label);
        self.several.then(|| Hold::SeveralLabels {
            labels: workflow
                .stages
                .iter()
                .filter(set)
                .map(|stage| stage.label.clone())
                .collect(),
        })
    }
}
