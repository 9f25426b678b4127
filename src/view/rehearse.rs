//! `pointsman cycle --dry-run`: every candidate with its rank or its hold, from the very decision that a real cycle would take.

use std::fmt::Write as _;

use super::scheduled::ScheduleRow;
use super::words::{age, agent, agent_since};
use crate::domain::{Errand, Event, IssueNumber, Observation, Opening, Rules, Stage, Window};
use crate::machine::starting::candidates;
use crate::machine::starting::decide::{Act, Decision, Standing};
use crate::machine::state::State;
use crate::machine::text::one_line;

/// Says what the cycle would start, what it would read first, and why everything else waits, best rank first.
pub fn dry_run(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    decided: &(Decision, Standing),
) -> String {
    let (decision, standing) = decided;
    let mut text = match decision {
        Decision::Act(act) => format!("would start: {}\n", act.did),
        Decision::Look(questions) => {
            let issues: Vec<String> = questions.issues.iter().map(ToString::to_string).collect();
            format!("would first read {}\n", issues.join(", "))
        }
        Decision::Wait(None) => "would start nothing\n".to_owned(),
        Decision::Wait(Some(until)) => format!("would start nothing before {until:.0}\n"),
    };
    let ranked = candidates::ranked(rules, state, seen, seen.at).candidates;
    for (place, candidate) in (1..).zip(&ranked) {
        let (head, due) = (candidate.head, candidate.stage);
        let number = head.number;
        let where_to = match standing.get(&number) {
            Some(hold) => format!("held: {}. {hold}", hold.word()),
            None => turn(rules, seen, due, number, decision),
        };
        let _ = writeln!(
            text,
            "{place:>3}. {number}  {}  \"{}\"",
            one_line(&where_to, 300),
            one_line(&head.title, 60)
        );
    }
    for (number, hold) in standing {
        if !ranked
            .iter()
            .any(|candidate| candidate.head.number == *number)
        {
            let said = one_line(&hold.to_string(), 300);
            let _ = writeln!(text, "  -. {number}  held: {}. {said}", hold.word());
        }
    }
    for row in super::scheduled::rows(rules, state, seen) {
        let _ = writeln!(
            text,
            "  -. {} at {}  {}",
            row.skill,
            row.at,
            rehearsed(&row, decision)
        );
    }
    if let Some((why, since)) = &seen.gap {
        let _ = writeln!(
            text,
            "  the tracker is not known since {since:.0}: {}",
            one_line(why, 300)
        );
    } else if ranked.is_empty() && standing.is_empty() {
        text.push_str("no issue has a routing label\n");
    }
    text
}

/// `would run at 02:00`, or why not.
fn rehearsed(row: &ScheduleRow, decision: &Decision) -> String {
    let says = one_line(&row.standing.says, 300);
    match row.standing.word.as_str() {
        "next" if opens(decision, row) => "would run now".to_owned(),
        "next" => "would run next; something else goes first".to_owned(),
        "later" | "in-hand" => says,
        word => format!("held: {word}. {says}"),
    }
}

fn opens(decision: &Decision, row: &ScheduleRow) -> bool {
    let due = |event: &Event| matches!(event, Event::DispatchOpened { opening } if matches!(opening.errand(), Some(Errand::Due { .. })) && opening.stage.skill == row.skill);
    matches!(decision, Decision::Act(act) if act.events.iter().any(due))
}

/// What happens to a candidate that nothing holds.
fn turn(
    rules: &Rules,
    seen: &Observation,
    due: &Stage,
    number: IssueNumber,
    decision: &Decision,
) -> String {
    match decision {
        Decision::Act(act) if opened(act) == Some(number) => {
            let to = target(rules, seen, due, window_of(act));
            format!("{} -> {to}", due.skill)
        }
        Decision::Act(act) if act.events.iter().any(|event| event.issue() == Some(number)) => {
            act.did.clone()
        }
        Decision::Look(questions) if questions.issues.contains(&number) => format!(
            "{} -> {}, once it is read",
            due.skill,
            target(rules, seen, due, None)
        ),
        Decision::Act(_) | Decision::Look(_) | Decision::Wait(_) => {
            format!("{} -> {}, not now", due.skill, rules.project.name)
        }
    }
}

fn opened(act: &Act) -> Option<IssueNumber> {
    opening(act)?.issue()
}

fn window_of(act: &Act) -> Option<Window> {
    opening(act).map(|opening| opening.window)
}

fn opening(act: &Act) -> Option<&Opening> {
    act.events.iter().find_map(|event| match event {
        Event::DispatchOpened { opening } => Some(&**opening),
        _ => None,
    })
}

/// `blog (idle 4m)`, with its window if it is a further agent, or the fresh window of a checker.
fn target(rules: &Rules, seen: &Observation, stage: &Stage, window: Option<Window>) -> String {
    let name = &rules.project.name;
    if !stage.not_by.is_empty() {
        return format!("{name} (a fresh agent)");
    }
    let window = window.unwrap_or(Window::AGENT);
    let name = match window {
        Window::AGENT | Window::Check => name.to_string(),
        Window::Agent(_) => format!("{name} {}", window.as_str()),
    };
    match seen.panes.get(&window) {
        Some(sample) => {
            let since = agent_since(&sample.state)
                .map_or_else(String::new, |since| format!(" {}", age(since, seen.at)));
            format!("{name} ({}{since})", agent(&sample.state))
        }
        None => name,
    }
}
