//! One line for what happens, for transcripts.

use pointsman::domain::{Action, Event};

/// Returns one line for an event.
pub(super) fn brief(event: &Event) -> String {
    let about = event.issue().map(|issue| format!(" {issue}"));
    let dispatch = event.dispatch().map(|dispatch| format!(" {dispatch}"));
    let detail = match event {
        Event::DispatchClosed { cause, .. } => format!(" {cause:?}"),
        Event::DeliverySettled {
            verdict, witness, ..
        } => format!(" {} ({witness})", verdict.as_str()),
        Event::TransitionSettled { outcome, .. } => format!(" {outcome:?}"),
        Event::TransitionIntended { transition } => {
            format!(" {} -> {}", transition.from, transition.to)
        }
        Event::ReportReceived { report } => format!(" {:?}", report.verb),
        Event::GateFinished { evidence, .. } => {
            format!(" {} {}", evidence.gate, evidence.holds)
        }
        Event::HoldsChanged { holds } => {
            let words: Vec<String> = holds
                .iter()
                .map(|(issue, hold)| format!("{issue} {}", hold.word()))
                .collect();
            format!(" {}", words.join(", "))
        }
        Event::DispatchStalled { why, .. } => format!(" {why}"),
        Event::DispatchOpened { opening } => format!(
            " {} attempt {} round {}",
            opening.stage.label, opening.attempt, opening.round
        ),
        _ => String::new(),
    };
    format!(
        "{}{}{}{detail}",
        event.kind(),
        about.unwrap_or_default(),
        dispatch.unwrap_or_default()
    )
}

/// Returns the name of an action's kind.
pub(super) fn word(action: &Action) -> String {
    let text = format!("{action:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}
