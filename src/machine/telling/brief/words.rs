//! What a stage wants, in words, and the exact command lines that report it.

use std::fmt::Write as _;

use super::{Envelope, Facts};
use crate::domain::{Advance, Build, DispatchId, GateName, Opening, Stage};
use crate::machine::dispatch::gate::SPEC_HEADINGS;

/// Names the files that the agent of a dispatch puts together in the spool: its spec, its verdict, the text of a new issue.
pub fn scratch_names(dispatch: &DispatchId) -> [String; 3] {
    ["spec.md", "verdict.json", "issue.md"].map(|name| format!("{dispatch}.{name}"))
}

/// Returns where the agent puts its spec, its verdict and the text of a new issue: writable in every sandbox, ignored by git.
fn places(dispatch: &DispatchId) -> [String; 3] {
    scratch_names(dispatch).map(|name| format!(".pointsman/spool/{name}"))
}

fn wants_spec(stage: &Stage) -> bool {
    stage.needs.contains(&GateName::Spec)
}

fn wants_verdict(stage: &Stage) -> bool {
    stage.needs.contains(&GateName::Verdict) || stage.needs.contains(&GateName::Coverage)
}

/// Says what a gate needs, as one sentence.
pub(super) fn need(gate: &GateName, facts: &Facts) -> String {
    let opening = &facts.envelope.dispatch.opening;
    let stage = &opening.stage;
    match gate {
        GateName::Spec => format!(
            "a spec with the headings {}, each with content, and at least one anchor that holds",
            SPEC_HEADINGS.map(|name| format!("`## {name}`")).join(", ")
        ),
        GateName::Branch => format!(
            "at least one new commit on `{}`, and no commit there that is neither the default branch's nor this issue's",
            opening.branch.as_deref().unwrap_or("the issue's branch")
        ),
        GateName::Verify => {
            "the searches below the spec's `## Verify` hold, run by Pointsman at the commit in question".to_owned()
        }
        GateName::Build => match facts.build {
            Build::Command(command) => {
                format!("`{command}` exits 0, run by Pointsman at the commit in question")
            }
            Build::None => "none; nothing is run".to_owned(),
        },
        GateName::Verdict => match &stage.back {
            Some(back) => format!(
                "a verdict file; with any blocker or major the issue goes back to {back}, with none it passes"
            ),
            None => "a verdict file without blockers and majors".to_owned(),
        },
        GateName::Coverage => "the verdict's `files_reviewed` names every changed file".to_owned(),
        GateName::Pr => "the branch's pull request is open at the commit; Pointsman opens it, nothing for you to do".to_owned(),
        GateName::Checks => "what GitHub's own checks say of the commit is read by Pointsman; what failed or has not ended is a warning, recorded and shown, and nothing waits for it".to_owned(),
        GateName::Approval => "a person's approval; nothing for you to do".to_owned(),
        GateName::File => format!(
            "`{}` is not empty and is another than before this dispatch",
            file_place(facts).unwrap_or_else(|| "the stage's file".to_owned())
        ),
        GateName::Own(name) => match facts.gates.iter().find(|own| own.name == *name) {
            Some(own) if own.warn => format!(
                "`{}` is run by Pointsman; if it fails that is a warning, recorded and shown, and nothing waits for it",
                own.run
            ),
            Some(own) => format!("`{}` exits 0, run by Pointsman", own.run),
            None => "a gate of the workflow's own".to_owned(),
        },
    }
}

/// Returns the stage's file with the issue's number filled in.
pub(super) fn file_place(facts: &Facts) -> Option<String> {
    let dispatch = facts.envelope.dispatch;
    let number = dispatch.issue()?.0.to_string();
    dispatch
        .opening
        .stage
        .file
        .as_ref()
        .map(|file| file.replace("{n}", &number))
}

/// Says where the issue goes once the evidence is there.
pub(super) fn afterwards(opening: &Opening) -> String {
    let stage = &opening.stage;
    if opening.errand().is_some() {
        "Then it is over: this is an errand, and no label moves whatever comes of it.".to_owned()
    } else if stage.advance == Advance::Human || stage.needs.contains(&GateName::Approval) {
        "Then it waits for a person, who makes the last move.".to_owned()
    } else {
        format!("Then the issue moves to {}.", stage.next)
    }
}

/// Writes the report lines: each a command of its own, by the binary's absolute path.
pub(super) fn report_lines(envelope: &Envelope) -> String {
    let stage = &envelope.dispatch.opening.stage;
    let [spec, verdict, issue] = places(envelope.dispatch.id());
    let binary = shell_word(envelope.binary);
    let token = envelope.token();
    let mut text = String::from("\n## How to report\n\n");
    text.push_str("Run these in the folder that holds `.pointsman`, each as a command of its own, exactly as printed; the words in quotes are yours.\n");
    let mut done = format!("{binary} done {token}");
    if wants_spec(stage) {
        let _ = writeln!(text, "Write the spec to `{spec}`.");
        let _ = write!(done, " --spec {spec}");
    }
    if wants_verdict(stage) {
        let _ = writeln!(text, "Write the verdict to `{verdict}`.");
        let _ = write!(done, " --verdict {verdict}");
    }
    if wants_spec(stage) || wants_verdict(stage) {
        text.push_str("That folder is writable in every sandbox and ignored by git.\n");
    }
    done.push_str(" --note \"what changed, how you checked it, where you are unsure\"");
    let lines = [
        (
            "First, once: this text arrived.",
            format!("{binary} ack {token} --delivery {}", envelope.delivery),
        ),
        ("When the work is there.", done),
        (
            "When a decision is a person's. Then end your turn.",
            format!("{binary} ask {token} \"the question, the options, your recommendation\""),
        ),
        (
            "When you cannot go on.",
            format!("{binary} fail {token} --note \"the reason\""),
        ),
        (
            "When people should know something about this issue that nobody has to answer.",
            format!("{binary} issue comment --for {token} \"the text\""),
        ),
        (
            "When you found something else that deserves an issue of its own. A person decides whether it is worked on.",
            format!("{binary} issue new --for {token} --title \"one line\" --body-file {issue}"),
        ),
    ];
    let opening = &envelope.dispatch.opening;
    // Nobody answers an errand's question, and what has no issue has nothing to comment on.
    let of_no_use = |line: &str| {
        (opening.errand().is_some() && line.starts_with(&format!("{binary} ask ")))
            || (opening.issue().is_none() && line.starts_with(&format!("{binary} issue comment ")))
    };
    for (when, line) in lines.into_iter().filter(|(_, line)| !of_no_use(line)) {
        let _ = write!(text, "\n{when}\n\n```sh\n{line}\n```\n");
    }
    text
}

/// Writes the one line by which an agent says that a text arrived: all the proof there is of a program without a transcript.
pub(super) fn ack_lines(envelope: &Envelope) -> String {
    let (binary, token) = (shell_word(envelope.binary), envelope.token());
    format!(
        "\nFirst, once: this text arrived. Run it in the folder that holds `.pointsman`, exactly as printed.\n\n```sh\n{binary} ack {token} --delivery {}\n```\n",
        envelope.delivery
    )
}

/// Quotes a word for a shell, only if it needs it: allow rules compare the plain text.
fn shell_word(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c));
    if plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
