//! What one decision costs: `cargo bench --bench decide`. Prints figures and ends with 1 if one misses its bar (DESIGN 14).

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails there")]

#[path = "../tests/it/builders.rs"]
#[expect(dead_code, reason = "written for the tests")]
mod builders;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use builders::{head, rules, sample, seen, ten};
use pointsman::domain::{Activity, Attention, IssueNumber, Label, Window};
use pointsman::machine::starting::decide::{Memory, decide};
use pointsman::machine::state::State;

/// DESIGN 14: a decision over this many candidates takes at most this long.
const CANDIDATES: u64 = 10_000;
const DECIDE_MAX: Duration = Duration::from_millis(5);
const ROUNDS: usize = 200;

fn main() -> ExitCode {
    let mut rules = rules();
    let skills: Vec<_> = rules
        .workflow
        .stages
        .iter()
        .map(|stage| stage.skill.clone())
        .collect();
    rules.skills = skills
        .into_iter()
        .map(|skill| (skill, "digest".to_owned()))
        .collect();
    let labels: Vec<Label> = rules
        .workflow
        .stages
        .iter()
        .map(|stage| stage.label.clone())
        .collect();
    let heads = (1..=CANDIDATES)
        .map(|number| {
            let label = &labels[usize::try_from(number).unwrap() % labels.len()];
            let mut head = head(
                number,
                "An issue with a title of a usual length",
                label.as_str(),
            );
            head.labels.insert(Label::new("bug"));
            if number % 7 == 0 {
                head.labels.insert(Label::new("hold"));
            }
            head
        })
        .collect();
    let mut seen = seen(heads);
    seen.panes.insert(
        Window::AGENT,
        sample(Activity::Idle { since: ten() }, Attention::None),
    );
    let state = State {
        added: Some(ten()),
        ..State::default()
    };
    let memory = Memory::default();
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let (decision, standing) = decide(&rules, &state, &memory, &seen, ten());
        took.push(started.elapsed());
        assert_eq!(
            standing
                .get(&IssueNumber(7))
                .map(pointsman::domain::Hold::word),
            Some("vetoed")
        );
        drop((decision, standing));
    }
    took.sort();
    let (p50, p99) = (took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
    println!(
        "decide over {CANDIDATES} candidates: p50 {p50:.2?}, p99 {p99:.2?} (bar: p50 < {DECIDE_MAX:?})"
    );
    if p50 < DECIDE_MAX {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
