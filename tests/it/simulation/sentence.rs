//! What a page's transcript says of an event.

use pointsman::domain::{Cause, Event, Purpose, Settled};

/// Returns what a product owner wants to know of an event.
#[expect(clippy::too_many_lines, reason = "a table, one row an event")]
pub(crate) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::DispatchOpened { opening } => format!(
            "dispatch {} of {} to {} (attempt {}, round {})",
            opening.id,
            opening.about(),
            opening.stage.skill,
            opening.attempt,
            opening.round
        ),
        Event::DeliveryPlanned { delivery } if delivery.purpose != Purpose::Brief => {
            let text = format!("{:?}: {}", delivery.purpose, delivery.text);
            text.replace('\n', " ").to_lowercase()
        }
        Event::EnterIntended { n, .. } => format!("enter, {n}"),
        Event::DeliverySettled {
            verdict, witness, ..
        } => format!("delivery {} ({witness})", verdict.as_str()),
        Event::DispatchClosed { dispatch, cause } => {
            let text = format!("dispatch {dispatch} {} {}", cause.word(), because(cause));
            text.trim_end().to_owned()
        }
        Event::TransitionSettled { issue, outcome } => match outcome {
            Settled::Moved { .. } => format!("{issue} moved"),
            Settled::Overridden { by, .. } => format!("{issue}: overridden by {by}"),
        },
        Event::TransitionUnseen { issue } => format!("{issue}: the label is not seen yet"),
        Event::Overridden { issue, by, to, .. } => {
            format!("{issue}: {} moved it to {to}", by.login)
        }
        Event::Routed { issue, to, by, .. } => format!("{by} wants {issue} at {to}"),
        Event::RouteDropped { issue, why } => format!("{issue} is not moved: {why}"),
        Event::QuestionAnswered { replies, .. } => {
            let by: Vec<&str> = replies
                .iter()
                .map(|reply| reply.by.login.as_str())
                .collect();
            format!("question answered by {}", by.join(", "))
        }
        Event::ReportReceived { report } => format!("report {:?}", report.verb).to_lowercase(),
        Event::GateFinished { evidence, .. } => {
            let is = if evidence.holds { "holds" } else { "is red" };
            format!("gate {} {is}", evidence.gate)
        }
        Event::DispatchStalled { why, .. } => format!("stalled: {why}"),
        Event::HoldsChanged { holds } if holds.is_empty() => "nothing to do".to_owned(),
        Event::HoldsChanged { holds } => {
            let words = holds.iter();
            let words: Vec<String> = words
                .map(|(issue, hold)| format!("{issue} {}", hold.word()))
                .collect();
            format!("wait: {}", words.join(", "))
        }
        Event::ParkIntended { issue, why, .. } => {
            format!("{issue} to a person: {}", why.replace('\n', " "))
        }
        Event::NoteIntended { note } => {
            format!("a person is told: {}", note.text.replace('\n', " "))
        }
        Event::LineCleared { .. }
        | Event::IssueParked { .. }
        | Event::IssueUnparked { .. }
        | Event::IssueLeft { .. }
        | Event::ReportRefused { .. }
        | Event::ReportIgnored { .. }
        | Event::Approved { .. }
        | Event::ProjectPaused { .. }
        | Event::ProjectResumed { .. }
        | Event::PostIntended { .. }
        | Event::PostSettled { .. }
        | Event::QuestionPublished { .. }
        | Event::ParkLabelRemoved { .. } => event.kind().replace('-', " "),
        _ => return None,
    })
}

fn because(cause: &Cause) -> String {
    match cause {
        Cause::Failed { why } | Cause::Lost { why } | Cause::Parked { why } => {
            why.replace('\n', " ")
        }
        Cause::Withdrawn { by, why } => format!("by {by}: {why}"),
        Cause::Rework { findings } => findings.clone(),
        Cause::Verified {
            reported: false, ..
        } => "without a report".to_owned(),
        Cause::Verified { .. } | Cause::TimedOut => String::new(),
    }
}
