//! What goes wrong and when; what the program, the shell and the server say afterwards; and what must never be true of it.

use pointsman::domain::{DeliveryId, Verdict, line_of};

use super::tui::{DRAFT, Said, UNSEEN_MS};
use super::walk::Told;
use crate::simulation::faults::Rng;

/// One run: what the program does wrong from its start, and what happens before which act.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Where the chance in it comes from; with it the run can be had again.
    pub(crate) seed: u64,
    /// A person's shell is below the program: it comes back when the program ends.
    pub(crate) adopted: bool,
    /// Rows switched on at the start.
    pub(crate) start: Vec<&'static str>,
    /// Rows that happen before an act, counted from the paste.
    pub(crate) at: Vec<(usize, &'static str)>,
}

/// Rows that a program may have from its start.
const FROM_START: [&str; 18] = [
    "F01", "F02", "F04", "F06", "F07", "F08", "F11", "F13", "F21", "F24", "F26", "F29", "F32",
    "F45", "F63", "F64", "F69", "F70",
];
/// Rows that may happen between any two steps.
const BETWEEN: [&str; 27] = [
    "F28", "F30", "F31", "F33", "F34", "F35", "F36", "F37", "F38", "F39", "F40", "F41", "F42",
    "F43", "F44", "F46", "F47", "F49", "F49r", "F52", "F52s", "F53", "F61", "F62", "F67", "F67",
    "F71",
];

impl Schedule {
    /// Draws a schedule: up to two rows from the start, up to three later.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut schedule = Self {
            seed,
            adopted: rng.chance(500),
            ..Self::default()
        };
        for _ in 0..rng.below(3) {
            schedule.start.push(one(&mut rng, &FROM_START));
        }
        for _ in 0..rng.below(4) {
            let at = usize::try_from(rng.below(6)).expect("small");
            schedule.at.push((at, one(&mut rng, &BETWEEN)));
        }
        schedule
    }

    /// Whether a row is in it.
    pub(crate) fn has(&self, row: &str) -> bool {
        self.start.contains(&row) || self.at.iter().any(|(_, at)| *at == row)
    }

    /// What is due before an act.
    pub(crate) fn due(&self, act: usize) -> Vec<&'static str> {
        let due = self.at.iter().filter(|(at, _)| *at == act);
        due.map(|(_, row)| *row).collect()
    }
}

fn one(rng: &mut Rng, of: &[&'static str]) -> &'static str {
    of[usize::try_from(rng.below(of.len() as u64)).expect("small")]
}

/// What is left of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// What the programs said, in order.
    pub(crate) said: Vec<Said>,
    /// Every byte the programs read.
    pub(crate) keys: Vec<u8>,
    /// What a shell was given to run.
    pub(crate) shell: String,
    /// What stands in the composer.
    pub(crate) composer: String,
    /// Whether the server that was there at the start is there.
    pub(crate) served: bool,
}

impl Left {
    /// Names everything that must never be true after any schedule.
    pub(crate) fn broken(&self, schedule: &Schedule, told: &Told) -> Vec<String> {
        let mut broken = Vec::new();
        let ids: Vec<&DeliveryId> = told.verdicts.iter().map(|(id, _)| id).collect();
        if ids.iter().any(|id| self.shell.contains(id.as_str())) {
            broken.push(format!("a shell ran it: {}", self.shell));
        }
        self.broken_by_keys(&ids, &mut broken);
        self.broken_by_verdicts(told, &mut broken);
        if !self.served && !schedule.has("F49") {
            broken.push("the tmux server died".to_owned());
        }
        self.broken_by_loss(schedule, &mut broken);
        broken
    }

    /// What the program was given.
    fn broken_by_keys(&self, ids: &[&DeliveryId], broken: &mut Vec<String>) {
        let mut submitted = 0;
        for said in &self.said {
            match said {
                Said::Submitted(text) | Said::Lost(text) => {
                    submitted += 1;
                    if !ids.iter().any(|id| text.trim_end() == line_of(id)) {
                        broken.push(format!(
                            "this was submitted, and it is not what was to be delivered: {text:?}"
                        ));
                    }
                }
                Said::Astray { row, key, age } if *age >= UNSEEN_MS => {
                    broken.push(format!("key {key:#04x} reached the dialog of {row} that had been there for {age} ms"));
                }
                Said::Twice => {
                    broken.push("Enter was sent again before the first one was read".to_owned());
                }
                Said::Control(key) => broken.push(format!("control key {key:#04x}")),
                Said::Astray { .. } => {}
            }
        }
        if submitted > 1 {
            broken.push(format!("it was submitted {submitted} times"));
        }
        let keys = String::from_utf8_lossy(&self.keys);
        let mut rest = keys.replace("\u{1b}[200~", "").replace("\u{1b}[201~", "");
        for id in ids {
            rest = rest.replace(line_of(id).as_str(), "");
        }
        if rest.chars().any(|key| key != '\r') {
            broken.push(format!(
                "other keys than a line and Enter were sent: {rest:?}"
            ));
        }
    }

    /// What was said to have come of it.
    fn broken_by_verdicts(&self, told: &Told, broken: &mut Vec<String>) {
        let keys = String::from_utf8_lossy(&self.keys);
        for (id, verdict) in &told.verdicts {
            let pasted = keys.matches(line_of(id).as_str()).count();
            if pasted > 1 {
                broken.push(format!("{id} was pasted {pasted} times"));
            }
            let has_it =
                |said: &Said| matches!(said, Said::Submitted(text) if text.contains(id.as_str()));
            if *verdict == Verdict::Confirmed && !self.said.iter().any(has_it) {
                broken.push(format!(
                    "{id} is confirmed, and the program knows nothing of it"
                ));
            }
            if *verdict == Verdict::NotDelivered && pasted > 0 {
                broken.push(format!("{id} is said not to have been typed, and it was"));
            }
        }
    }

    /// What a person had written before the first act, in a program that lived on and could show it.
    fn broken_by_loss(&self, schedule: &Schedule, broken: &mut Vec<String>) {
        let blind = [
            "F30", "F34", "F35", "F36", "F37", "F47", "F49", "F49r", "F53", "F71",
        ];
        let is_there = schedule.at.contains(&(0, "F28"));
        if is_there && !blind.iter().any(|row| schedule.has(row)) && !self.composer.contains(DRAFT)
        {
            broken.push(format!("a person's draft is gone: {:?}", self.composer));
        }
    }
}
