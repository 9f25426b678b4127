//! Whether all evidence of one report is about the same work (PROTOCOLS 5: a verdict or build for another commit is void).

use crate::domain::{Evidence, GateName};

/// Says which gates were measured on different commits, in words for whoever reported; nothing if they agree.
///
/// A spec is judged on the tree it was written for, so its commit is not the work's.
pub fn disagreement(evidence: &[Evidence]) -> Option<String> {
    let mut measured = evidence
        .iter()
        .filter(|row| row.holds && row.gate != GateName::Spec)
        .filter_map(|row| Some((&row.gate, row.subject.as_ref()?)));
    let (first, subject) = measured.next()?;
    let (other, moved) = measured.find(|(_, found)| *found != subject)?;
    Some(format!(
        "the work changed while it was measured (`{first}` at {}, `{other}` at {}), so neither result counts: leave it as it is while it is judged",
        subject.short(),
        moved.short()
    ))
}
