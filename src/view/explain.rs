//! `pointsman explain <n>` in words: the answer first, then what it rests on, then what happened.

use std::fmt::Write as _;

use super::explanation::{
    AsOf, DispatchView, EventView, Explanation, ReportView, SENTENCE_CHARS_MAX, WalkView,
    WindowView,
};
use super::{timeline, words};
use crate::domain::{Evidence, PaneSample};
use crate::machine::text::one_line;

/// Words an explanation.
pub fn render_explanation(told: &Explanation) -> String {
    let mut text = format!("{}\n\n", told.says);
    if let Some(row) = &told.issue {
        let stage = row
            .stage
            .as_ref()
            .map_or("no stage", |label| label.as_str());
        let title = match row.title.as_str() {
            "" => String::new(),
            title => format!(" \"{title}\""),
        };
        let _ = writeln!(text, "{}{title}, {stage}", row.number);
        if let Some(url) = &row.url {
            let _ = writeln!(text, "{}", one_line(url, SENTENCE_CHARS_MAX));
        }
    }
    if let Some(row) = &told.schedule {
        let _ = writeln!(
            text,
            "{} of {}, daily at {}",
            row.skill, told.project, row.at
        );
    }
    text.push_str(&as_of(&told.as_of));
    if let Some(walk) = &told.walk {
        explain_walk(&mut text, walk);
    }
    if let Some(dispatch) = &told.dispatch {
        explain_dispatch(&mut text, dispatch);
        if let Some(report) = &dispatch.report {
            explain_evidence(&mut text, dispatch, report);
        }
    }
    if let Some(window) = &told.window {
        explain_window(&mut text, window);
    }
    explain_events(&mut text, told.earlier, &told.events);
    text
}

/// Says what moment this is the truth of.
fn as_of(as_of: &AsOf) -> String {
    match (as_of.cycle_at, as_of.read_at, &as_of.read_ago) {
        (Some(at), _, _) => {
            let did = as_of.did.as_deref().unwrap_or("nothing to start");
            format!("last cycle {at:.0}: {did}\n")
        }
        (None, Some(at), Some(ago)) => {
            format!("as the ledger knows it; the tracker was read {ago} ago, at {at:.0}\n")
        }
        (None, _, _) => "no cycle yet: this is what the ledger alone says\n".to_owned(),
    }
}

fn entry(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {}  {value}", words::pad(name, 9));
}

fn explain_walk(text: &mut String, walk: &WalkView) {
    text.push_str("\nwalk\n");
    if let Some(approval) = &walk.approval {
        let said = format!(
            "{} ({}) at {:.0}, text {}",
            approval.by.login,
            approval.by.id,
            approval.at,
            timeline::digest(&approval.text)
        );
        entry(text, "approval", &said);
    }
    let attempts = format!(
        "{} of {} for this labelling",
        walk.attempts, walk.attempts_max
    );
    entry(text, "attempts", &attempts);
    let rounds = format!("{} of {} back for rework", walk.rounds, walk.rounds_max);
    entry(text, "rounds", &rounds);
    if let Some(spec) = &walk.spec {
        let said = format!("{}, {} bytes", timeline::digest(&spec.digest), spec.bytes);
        entry(text, "spec", &said);
    }
    if let Some(branch) = &walk.branch {
        entry(text, "branch", branch);
    }
    if let Some(subject) = &walk.verified {
        entry(text, "verified", subject.as_str());
    }
    if let Some(end) = &walk.ended {
        entry(text, "ended", &format!("{} at {:.0}", end.says, end.at));
    }
    if let Some(failed_on) = &walk.failed_on {
        entry(text, "failed on", &one_line(failed_on, SENTENCE_CHARS_MAX));
    }
    if let Some(by) = &walk.approved {
        entry(text, "approve", &format!("said by {by}"));
    }
    if let Some(why) = &walk.parked {
        entry(text, "parked", &one_line(why, SENTENCE_CHARS_MAX));
    }
}

fn explain_dispatch(text: &mut String, dispatch: &DispatchView) {
    let DispatchView {
        id,
        skill,
        profile,
        round,
        attempt,
        ..
    } = dispatch;
    let _ = write!(
        text,
        "\ndispatch {id}: {skill} by {profile}, round {round}, attempt {attempt}\n"
    );
    entry(text, "phase", &dispatch.phase);
    entry(text, "opened", &format!("{:.0}", dispatch.opened_at));
    entry(text, &dispatch.basis, &dispatch.rests_on);
    let prepared = match (&dispatch.base, dispatch.prepared) {
        (Some(base), true) => format!("prepared at {base}"),
        (None, true) => "prepared".to_owned(),
        (_, false) => "to be prepared".to_owned(),
    };
    entry(text, "tree", &prepared);
    if let Some(pane) = &dispatch.pane {
        entry(
            text,
            "pane",
            &format!("{} pid {} of server {}", pane.id, pane.pid, pane.generation),
        );
    }
    if let Some(stall) = &dispatch.stalled {
        let why = one_line(&stall.why, SENTENCE_CHARS_MAX);
        entry(text, "stalled", &format!("until {:.0}: {why}", stall.until));
    }
    if let Some(question) = &dispatch.asked {
        entry(text, "asked", &one_line(question, SENTENCE_CHARS_MAX));
    }
    for delivery in &dispatch.deliveries {
        let step = one_line(&delivery.step, SENTENCE_CHARS_MAX);
        let said = format!(
            "{} ({}): {step}, since {:.0}",
            delivery.id, delivery.purpose, delivery.since
        );
        entry(text, "delivery", &said);
    }
}

fn explain_evidence(text: &mut String, dispatch: &DispatchView, report: &ReportView) {
    let _ = write!(text, "\nevidence: {}\n", reported(report));
    for row in &dispatch.evidence {
        let _ = writeln!(text, "  {}", measured(row));
    }
    if let Some(gate) = &dispatch.running {
        let _ = writeln!(text, "  ...   {gate}: running");
    }
    for gate in &dispatch.unmeasured {
        let _ = writeln!(text, "  -     {gate}: not measured yet");
    }
}

fn reported(report: &ReportView) -> String {
    let head = report
        .head
        .as_ref()
        .map_or_else(String::new, |head| format!(" at {}", head.short()));
    let origin = if report.proven {
        "origin proven"
    } else {
        "origin not proven: verdict and approval do not count"
    };
    format!(
        "the agent said {}{head}, {:.0} ({origin})",
        report.said, report.at
    )
}

fn measured(row: &Evidence) -> String {
    let word = if row.holds { row.word() } else { "red  " };
    let subject = row
        .subject
        .as_ref()
        .map_or_else(String::new, |subject| format!(" @ {}", subject.short()));
    let log = row
        .log
        .as_ref()
        .map_or_else(String::new, |log| format!(" (log: {log})"));
    format!(
        "{word} {}{subject}: {}{log}",
        row.gate,
        one_line(&row.says, SENTENCE_CHARS_MAX)
    )
}

fn explain_window(text: &mut String, window: &WindowView) {
    let _ = write!(text, "\nwindow {}\n", window.window.as_str());
    let Some(sample) = &window.sample else {
        entry(text, "state", &one_line(&window.state, SENTENCE_CHARS_MAX));
        return;
    };
    let idle = window
        .idle
        .as_ref()
        .map_or_else(String::new, |age| format!(" for {age}"));
    let takes = if sample.state.takes_text() {
        "takes text"
    } else {
        "takes no text"
    };
    entry(text, "state", &format!("{}{idle}; {takes}", window.state));
    explain_sample(text, sample);
}

fn explain_sample(text: &mut String, sample: &PaneSample) {
    let because = one_line(&sample.state.because, SENTENCE_CHARS_MAX);
    entry(text, "because", &because);
    let kind = if sample.managed { "managed" } else { "adopted" };
    let pane = &sample.pane;
    let said = format!(
        "{} pid {} of server {}, {kind}",
        pane.id, pane.pid, pane.generation
    );
    entry(text, "pane", &said);
    entry(text, "sampled", &format!("{:.0}", sample.at));
    for (delivery, trace) in &sample.traces {
        let said = format!("{delivery} {}", one_line(trace, 60));
        entry(text, "trace", &said);
    }
}

fn explain_events(text: &mut String, earlier: usize, events: &[EventView]) {
    if events.is_empty() {
        return;
    }
    text.push_str("\nwhat happened\n");
    if earlier > 0 {
        let _ = writeln!(text, "        {earlier} earlier: pointsman ledger show");
    }
    for told in events {
        let _ = writeln!(text, "{}", timeline::told(told.seq, told.at, &told.says));
    }
}
