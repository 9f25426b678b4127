//! Texts without a skill: the rehearsal's brief, and a person's own words.

use std::fmt::Write as _;

use super::{Envelope, REMARK_BYTES_MAX};
use crate::machine::dispatch::check;
use crate::machine::text::sanitise;

/// Writes a rehearsal's brief.
pub fn rehearsal(envelope: &Envelope) -> String {
    let opening = &envelope.dispatch.opening;
    let (file, word) = (check::file(&opening.id), check::word(opening));
    let mut text = envelope.header();
    let _ = write!(
        text,
        "\n{}\n# Rehearsal\n\nA person wants to know which steps of a task you take here without anybody's help. Do the steps below in \
         this order, each as a step of its own, and nothing else. Nothing of it stays: Pointsman removes the file and the branch \
         afterwards.\n\nIf a step is refused, do not work around it: report `fail` with the step and the exact words of the refusal.\n\n\
         ## Facts\n\nTrue at {}.\n\n- rehearsal file: `{file}`\n- rehearsal word: `{word}`\n",
        envelope.opening_line(),
        envelope.as_of
    );
    if let Some(branch) = &opening.branch {
        let _ = writeln!(text, "- head: branch `{branch}`");
    }
    let _ = write!(
        text,
        "\n## Steps\n\n1. Report that this text arrived: `ack`, as printed below.\n2. Write the file `{file}` beside `.pointsman`, with \
         the tool you write files with. Its only line is `{word}`.\n"
    );
    let mut last = 3;
    if opening.branch.is_some() {
        text.push_str(
            "3. Commit that file alone, with a message of your own, on the branch that is checked out. Do not push.\n",
        );
        last = 4;
    }
    let _ = writeln!(text, "{last}. Report `done`, as printed below.");
    text.push_str(&envelope.report_lines());
    text
}

/// Writes what a person says.
pub fn said(envelope: &Envelope, by: &str, words: &str) -> String {
    let mut text = envelope.header();
    let _ = write!(
        text,
        "\n{}\n{by}, who runs this project, says to you:\n\n{}\n\nThis is no task of Pointsman's: do what it asks, or answer it here. No \
         report is needed.\n",
        envelope.opening_line(),
        sanitise(words, REMARK_BYTES_MAX)
    );
    text.push_str(&envelope.ack_lines());
    text
}
