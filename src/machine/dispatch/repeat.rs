//! The same report has the same answer, also after its dispatch is over and cleared away (PROTOCOLS 4).

use crate::domain::{Answer, Phase, Report, ReportId, Verb};
use crate::machine::dispatch::ending::farewell;
use crate::machine::state::State;
use crate::machine::text::sha256;

/// Whether a report says what another one said, of the same work.
pub(super) fn is_the_same(judged: &Report, report: &Report) -> bool {
    matches!(report.verb, Verb::Done | Verb::Fail) && contents(judged) == contents(report)
}

/// Returns what identifies a report by what it says: dispatch, verb, commit, contents.
pub(in crate::machine) fn digest(report: &Report) -> String {
    let json = serde_json::to_vec(&contents(report)).expect("a report is plain data");
    sha256(&json)
}

/// Returns the answer of a dispatch that is over to a report that says what ended it.
pub(super) fn answer(state: &State, report: &Report) -> Option<Answer> {
    let Some(dispatch) = state.dispatches.get(&report.dispatch) else {
        let said = digest(report);
        let mut known = state.farewells.iter().rev();
        return known
            .find(|(digest, _)| *digest == said)
            .map(|(_, answer)| answer.clone());
    };
    let Phase::Closed { cause, .. } = &dispatch.phase else {
        return None;
    };
    let judged = dispatch.report.as_ref();
    judged
        .filter(|judged| is_the_same(judged, report))
        .and_then(|_| farewell(dispatch, cause))
}

fn contents(report: &Report) -> Report {
    Report {
        id: ReportId::new(""),
        at: jiff::Timestamp::UNIX_EPOCH,
        ..report.clone()
    }
}
