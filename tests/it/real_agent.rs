//! The real agents, in real tmux, against a model that is a script: does what the profile says still hold?
//!
//! Ignored by default, because it needs CLIs of 1.2 GB: `tests/agentlab/run.sh` installs it, starts the mock model and runs this.
//! The mock's log is the ground truth: what the model was asked is what the agent was given.

#![expect(clippy::disallowed_methods, reason = "a test is an edge")]
#![expect(
    clippy::print_stderr,
    reason = "a walk of a minute is followed as it goes"
)]

mod demo;
mod first_hour;
mod homes;
mod lab;
mod rehearsal;

use std::time::Duration;

use pointsman::daemon::open_local;
use pointsman::domain::{Attention, Cause, GateName, Label, ProjectName, Purpose, Verdict, Window};

use homes::{Agent, Trust};
use lab::{LOOK, Lab, PROJECT, cause_of};

/// Four turns and three starts of a real program: a minute on an idle machine, several on two cores that others use as well.
const WALK_MAX: Duration = Duration::from_mins(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn claude_code_walks_an_issue_from_prep_to_done() {
    one_issue_walks(Agent::ClaudeCode).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn codex_walks_an_issue_from_prep_to_done() {
    one_issue_walks(Agent::Codex).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn opencode_walks_an_issue_from_prep_to_done() {
    one_issue_walks(Agent::OpenCode).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn gemini_is_given_a_brief_and_says_so() {
    let mut lab = Lab::start(Agent::Gemini, Trust::Given).await;
    lab.label("Greet customers by name", "Anything.").await;
    lab.until("the brief is confirmed", WALK_MAX, |lab| {
        let deliveries = lab.deliveries();
        deliveries.iter().any(|(id, _)| {
            lab.verdict_of(id).is_some_and(|(verdict, witness)| {
                verdict == Verdict::Confirmed && witness.contains(Agent::Gemini.receipt())
            })
        })
    })
    .await;
    assert_eq!(lab.dialogs, Vec::<String>::new());
    lab.end().await;
}

#[expect(clippy::too_many_lines, reason = "one story from end to end")]
async fn one_issue_walks(agent: Agent) {
    let mut lab = Lab::start(agent, Trust::Given).await;
    let issue = lab
        .label(
            "Greet customers by name",
            "`greet.sh` says hello to nobody in particular.",
        )
        .await;
    lab.until("the walk is done", WALK_MAX, |lab| lab.has_ended(issue))
        .await;

    let stages: Vec<&str> = lab
        .opened()
        .map(|opening| opening.stage.label.as_str())
        .collect();
    assert_eq!(stages, ["ready-for-prep", "ready-for-dev", "QA", "review"]);
    let windows: Vec<Window> = lab.opened().map(|opening| opening.window).collect();
    assert_eq!(
        windows,
        [Window::AGENT, Window::AGENT, Window::Check, Window::Check]
    );
    let causes: Vec<&str> = lab
        .events()
        .filter_map(|event| cause_of(event))
        .map(Cause::word)
        .collect();
    assert_eq!(causes, ["verified"; 4], "every stage ended by its gates");

    let deliveries = lab.typed();
    assert_eq!(
        deliveries.len(),
        4,
        "one brief per stage, no nudge, none twice"
    );
    let mut witnesses = Vec::new();
    for (id, purpose) in &deliveries {
        assert_eq!(*purpose, Purpose::Brief);
        let (verdict, witness) = lab.verdict_of(id).expect("settled");
        assert_eq!(verdict, Verdict::Confirmed, "{id}: {witness}");
        witnesses.push(witness);
        assert_eq!(
            lab.asked_about(id),
            1,
            "{id}: the model was asked exactly once"
        );
        assert_eq!(
            lab.prompt_of(id).trim_end(),
            format!("Task {id}: read .pointsman/briefs/{id}.md and follow it.")
        );
    }
    // An agent that says `ack` before the daemon looked again is believed too: then the report is the receipt.
    let own = |witness: &&&str| witness.contains(agent.receipt());
    assert!(
        witnesses.iter().any(|witness| own(&witness)),
        "the agent's own record was read: {witnesses:?}"
    );
    assert!(
        witnesses
            .iter()
            .all(|witness| own(&witness) || witness.starts_with("report ")),
        "{witnesses:?}"
    );
    assert_eq!(
        lab.prompts().len(),
        4,
        "the model was asked nothing else: {:?}",
        lab.prompts()
    );
    assert_eq!(
        lab.dialogs,
        Vec::<String>::new(),
        "no dialog came up, so none was answered"
    );

    assert!(
        lab.green(&GateName::Branch)
            && lab.green(&GateName::Verdict)
            && lab.green(&GateName::Coverage)
    );
    let log = lab.git(&["log", "--format=%s", "main"]);
    assert!(log.contains("Greet by name (#1)"), "merged: {log}");
    assert_eq!(
        lab.git(&["status", "--porcelain"]),
        "",
        "nothing is left behind in the tree"
    );
    lab.print_latencies();
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn nothing_is_typed_while_a_permission_prompt_is_open() {
    let mut lab = Lab::start(Agent::ClaudeCode, Trust::Given).await;
    // `touch` is on the settings' list of what is asked about.
    let issue = lab
        .label(
            "Mind the prompt",
            "[[mock@ready-for-prep:bash touch .pointsman/asked]]",
        )
        .await;
    lab.until("a permission prompt", WALK_MAX, |lab| {
        lab.attention(Window::AGENT) == Attention::Permission
    })
    .await;
    let brief = lab.typed().remove(0).0;

    lab.note_keys();

    // A person takes it back: now there is something to say to an agent that shows a prompt.
    let tracker = open_local(&lab.daemon.places, &ProjectName::new(PROJECT)).unwrap();
    tracker
        .remove_label(issue, &Label::new("ready-for-prep"))
        .await
        .unwrap();
    lab.poll().await;
    lab.until("it is withdrawn", WALK_MAX, |lab| {
        lab.events()
            .any(|event| matches!(cause_of(event), Some(Cause::Withdrawn { .. })))
    })
    .await;
    for _ in 0..50 {
        lab.look().await;
        tokio::time::sleep(LOOK).await;
    }
    lab.until("the permission prompt, still", WALK_MAX, |lab| {
        lab.attention(Window::AGENT) == Attention::Permission
    })
    .await;
    assert_eq!(lab.noted(), "", "not one key was sent");
    assert!(
        !lab.tree().join(".pointsman/asked").exists(),
        "and none approved it"
    );
    assert_eq!(lab.prompts().len(), 1, "the model was asked nothing more");

    // The person says no; then the word to stop gets through.
    lab.person_presses("Escape");
    assert!(lab.noted().starts_with("keys"), "this is how it would show");
    lab.until("the word to stop is confirmed", WALK_MAX, |lab| {
        lab.deliveries().iter().any(|(id, purpose)| {
            *purpose == Purpose::Stop
                && lab
                    .verdict_of(id)
                    .is_some_and(|(verdict, _)| verdict == Verdict::Confirmed)
        })
    })
    .await;
    for (id, _) in lab.typed() {
        assert_eq!(lab.asked_about(&id), 1, "{id}");
    }
    assert_ne!(lab.typed().last().unwrap().0, brief);
    assert!(!lab.tree().join(".pointsman/asked").exists());
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn a_trust_dialog_waits_for_a_person() {
    let mut lab = Lab::start(Agent::ClaudeCode, Trust::Missing).await;
    lab.label("Nobody trusts us yet", "Anything.").await;
    lab.until("the trust dialog", WALK_MAX, |lab| {
        lab.attention(Window::AGENT) == Attention::Dialog
    })
    .await;
    lab.note_keys();
    for _ in 0..50 {
        lab.look().await;
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(lab.noted(), "", "not one key was sent");
    assert_eq!(
        lab.deliveries(),
        [],
        "nothing is written for an agent that is not ready"
    );
    assert_eq!(lab.prompts(), Vec::<String>::new());

    // A blind Enter would end the agent: "No, exit" is chosen.
    lab.person_presses("Down");
    lab.until("\"Yes\" is chosen", WALK_MAX, |lab| {
        let screen = lab.screen(Window::AGENT);
        let mut lines = screen.lines().map(str::trim_start);
        lines.any(|line| line.starts_with('❯') && line.contains("Yes"))
    })
    .await;
    lab.person_presses("Enter");
    lab.until("the brief is confirmed", WALK_MAX, |lab| {
        let deliveries = lab.deliveries();
        deliveries.iter().any(|(id, _)| {
            lab.verdict_of(id)
                .is_some_and(|(verdict, _)| verdict == Verdict::Confirmed)
        })
    })
    .await;
    lab.end().await;
}
