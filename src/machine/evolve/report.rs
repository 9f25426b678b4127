//! Folding what agents say: each report is taken once, and each answer is remembered while its file may lie there.

use super::{ask, open_one};
use crate::domain::{Answer, Dispatch, Phase, Report, ReportId, Verb};
use crate::machine::dispatch::{ending, repeat};
use crate::machine::state::{ANSWERS_MAX, FAREWELLS_MAX, REPORTS_MAX, State};

pub(super) fn take_answer(state: &mut State, answer: Answer) {
    state.answers.push_back(answer);
    if state.answers.len() > ANSWERS_MAX {
        state.answers.pop_front();
    }
}

pub(super) fn take_report(state: &mut State, report: &ReportId) {
    state.reports.push_back(report.clone());
    if state.reports.len() > REPORTS_MAX {
        state.reports.pop_front();
    }
}

/// Keeps the last word to a dispatch's agent: it may say the same once more.
pub(super) fn remember(state: &mut State, gone: &Dispatch) {
    let Phase::Closed { cause, .. } = &gone.phase else {
        return;
    };
    if let (Some(report), Some(answer)) = (&gone.report, ending::farewell(gone, cause)) {
        state.farewells.push_back((repeat::digest(report), answer));
        if state.farewells.len() > FAREWELLS_MAX {
            state.farewells.pop_front();
        }
    }
}

pub(super) fn receive(state: &mut State, report: &Report) -> Result<(), String> {
    if state.has_report(&report.id) {
        return Err(format!("report {} was taken before", report.id));
    }
    take_report(state, &report.id);
    let found = open_one(state, &report.dispatch)?;
    if found.phase == Phase::Delivering && matches!(report.verb, Verb::Unreported | Verb::Moved) {
        return Err("nothing was delivered yet".to_owned());
    }
    if report.verb == Verb::Ack {
        found.acked = true;
    } else {
        found.report = Some(report.clone());
    }
    match report.verb {
        // A report proves the brief's arrival as well as a receipt does: only the brief has the secret.
        Verb::Ack => {}
        Verb::Ask if found.opening.errand().is_some() => {}
        Verb::Ask => ask::asked(found, report),
        Verb::Done | Verb::Fail | Verb::Unreported | Verb::Moved => {
            found.phase = Phase::Judging;
            found.evidence.clear();
            found.running = None;
            found.asked = None;
        }
    }
    if report.verb == Verb::Ask && found.phase == Phase::Judging {
        // It takes back what was being judged.
        found.phase = Phase::Working;
        found.running = None;
    }
    if found.confirmed_at.is_none() {
        found.confirmed_at = Some(report.at);
        if found.phase == Phase::Delivering {
            found.phase = Phase::Working;
        }
    }
    let is_errand = found.opening.errand().is_some();
    let text = match report.verb {
        Verb::Ack => "recorded.",
        Verb::Ask if is_errand => {
            "nobody is asked: this is an errand. Decide it yourself, or report `fail` with the question."
        }
        Verb::Ask => "recorded: a person is asked. End your turn; the answer comes to you.",
        Verb::Done | Verb::Fail | Verb::Unreported | Verb::Moved => return Ok(()),
    };
    let answer = Answer {
        report: report.id.clone(),
        accepted: report.verb == Verb::Ack || !is_errand,
        text: text.to_owned(),
    };
    take_answer(state, answer);
    Ok(())
}
