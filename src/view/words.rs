//! Small words that several surfaces share.

use jiff::{SignedDuration, Timestamp};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::{
    Activity, AgentState, Attention, DeliveryStep, Liveness, Phase, ProjectName, Purpose, Verb,
    Window,
};
use crate::machine::text::one_line;

/// Columns of a question or a command in a line.
const ASKED_CHARS_MAX: usize = 120;

/// Words a minute of the day.
pub(super) fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Says how long ago something was: `40s`, `4m`, `3h`, `2d`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let gone = now.duration_since(since).max(SignedDuration::ZERO);
    let (seconds, hours) = (gone.as_secs(), gone.as_hours());
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", gone.as_mins()),
        _ if hours < 48 => format!("{hours}h"),
        _ => format!("{}d", hours / 24),
    }
}

/// Cuts a text to so many columns and says that it was cut.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width + 2 > columns {
            break;
        }
        used += width;
        kept.push(character);
    }
    if columns >= 2 {
        kept.push_str("..");
    }
    kept
}

/// Fills a text up to so many columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let fill = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(fill))
}

/// Says what a phase is.
pub(super) fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Delivering => "delivering",
        Phase::Working => "working",
        Phase::Judging => "judging",
        Phase::Closed { cause, .. } => cause.word(),
    }
}

/// Says what a delivery is for.
pub(super) fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Brief => "brief",
        Purpose::Nudge => "nudge",
        Purpose::Answer => "answer",
        Purpose::Stop => "stop",
        Purpose::Resume => "word to go on",
    }
}

/// Says what a report said.
pub(super) fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Done => "done",
        Verb::Fail => "fail",
        Verb::Ask => "ask",
        Verb::Ack => "ack",
        Verb::Unreported => "nothing, and went idle",
        Verb::Moved => "nothing, and its label was moved on",
    }
}

/// Says how far a delivery is, with what shows it.
pub(super) fn step(step: &DeliveryStep) -> String {
    match step {
        DeliveryStep::Planned => "planned".to_owned(),
        DeliveryStep::Staged => "its file is written".to_owned(),
        DeliveryStep::PasteIntended => "being pasted".to_owned(),
        DeliveryStep::Pasted => "in the composer".to_owned(),
        DeliveryStep::LaunchIntended => "being launched".to_owned(),
        DeliveryStep::EnterIntended { n } => format!("Enter {n} is being sent"),
        DeliveryStep::Submitted { n: 0, waits } => {
            format!("launched, waiting for a receipt ({waits} waits over)")
        }
        DeliveryStep::Submitted { n, waits } => {
            format!("submitted with {n} Enter, waiting for a receipt ({waits} waits over)")
        }
        DeliveryStep::Settled { verdict, witness } => format!("{} ({witness})", verdict.as_str()),
    }
}

/// Says what an agent is doing, in the order of what matters: dead, wanting somebody, doing.
pub(super) fn agent(state: &AgentState) -> &'static str {
    match (state.liveness, &state.attention, state.activity) {
        (Liveness::Dead, _, _) => "dead",
        (_, Attention::Permission, _) => "asks for a permission",
        (_, Attention::Question, _) => "asks a question",
        (_, Attention::Dialog, _) => "shows a dialog",
        (_, Attention::Login, _) => "asks to be logged in",
        (_, Attention::Survey, _) => "asks how it did",
        (_, Attention::Stuck, Activity::Busy) => "stands still",
        (_, Attention::Stuck, _) => "stuck: nobody can tell what it does",
        (_, Attention::RateLimited { .. }, _) => "rate-limited",
        (_, Attention::Error, _) => "stopped with an error",
        (_, Attention::Refused, _) => "was refused by its provider",
        (_, Attention::HumanPresent, _) => "used by a person",
        (_, Attention::None, Activity::Starting) => "starting",
        (Liveness::Alive, Attention::None, Activity::Idle { .. }) => "idle",
        (Liveness::Unknown, Attention::None, Activity::Idle { .. }) => "idle, as far as one sees",
        (_, Attention::None, Activity::Busy) => "busy",
        (_, Attention::None, Activity::Draft) => "holds a draft",
        (_, Attention::None, Activity::Obscured) => "hidden by a menu",
        (_, Attention::None, Activity::Unknown) => "unknown",
    }
}

/// The same with what it asks, where the program told it, and until when its account is at its limit.
pub(super) fn agent_asks(state: &AgentState) -> String {
    let says = agent(state);
    let words = state
        .words
        .as_deref()
        .map(|words| one_line(words, ASKED_CHARS_MAX));
    match (&state.attention, words) {
        (
            Attention::Permission
            | Attention::Question
            | Attention::Login
            | Attention::Error
            | Attention::Refused,
            Some(words),
        ) => {
            format!("{says}: {words}")
        }
        (Attention::RateLimited { until: Some(until) }, _) => format!("{says} until {until:.0}"),
        _ => says.to_owned(),
    }
}

/// Says what a person does for an agent that wants one. The command comes first: it is for copying.
pub(super) fn agent_ends(wanted: &Attention, project: &ProjectName, window: Window) -> String {
    let attach = attach_to(project, window);
    match wanted {
        Attention::Login => format!(
            "{attach}, log in there, and send it any message: it is believed once a turn succeeds"
        ),
        Attention::Refused => format!("{attach}, mend what is refused, and tell it to go on"),
        _ => attach,
    }
}

/// Returns the command that shows a window of a project's session.
pub fn attach_to(project: &ProjectName, window: Window) -> String {
    match window {
        Window::AGENT | Window::Check => format!("pointsman attach {project}"),
        Window::Agent(_) => format!("pointsman attach {project} --window {}", window.as_str()),
    }
}

/// Returns since when, as far as that is known.
pub(super) fn agent_since(state: &AgentState) -> Option<Timestamp> {
    match state.activity {
        Activity::Idle { since } => Some(since),
        Activity::Starting
        | Activity::Busy
        | Activity::Draft
        | Activity::Obscured
        | Activity::Unknown => None,
    }
}
